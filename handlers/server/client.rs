//! Who is at the other end of a request, as far as the way it came can be trusted.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::HeaderMap;

use super::{Mode, Peer};

/// Whether a request came by the Azure Front Door of this id, in lower case: Front Door puts its own into
/// `X-Azure-FDID`, whatever the client sent
/// (<https://learn.microsoft.com/azure/frontdoor/front-door-http-headers-protocol>). The id is to be kept like
/// a secret, so it is compared in constant time.
pub fn came_by(front_door_id: &str, headers: &HeaderMap) -> bool {
    let Some(told) = only("x-azure-fdid", headers) else { return false };
    verify_slices_are_equal(told.to_ascii_lowercase().as_bytes(), front_door_id.as_bytes()).is_ok()
}

/// The address of the client. Behind Front Door it is the other end of the connection that Front Door
/// accepted, `X-Azure-SocketIP`: `X-Azure-ClientIP` and `X-Forwarded-For` may hold the client's own words.
/// Under the Functions host every connection comes from this machine; there the
/// platform's front end tells it, as the last entry of `X-Forwarded-For`. The entries before that one
/// are the client's own words.
pub fn address(mode: &Mode, front_door: bool, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    if front_door {
        return only("x-azure-socketip", headers)?.parse().ok();
    }
    let peer = peer.map(|peer| peer.0.ip());
    match mode {
        Mode::Standalone { .. } => peer,
        Mode::FunctionsHost { .. } => forwarded_for(headers).or(peer),
    }
}

/// The value of a header that is there once.
fn only<'a>(name: &str, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(str::trim),
        _ => None,
    }
}

/// The last entry of the last `X-Forwarded-For`; App Service writes a port behind the address.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let entries = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let entry = entries.rsplit(',').next()?.trim();
    entry.parse().ok().or_else(|| entry.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_entry_is_the_front_ends() {
        let told = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", value.parse().unwrap());
            let peer = Peer(([127, 0, 0, 1], 7).into());
            address(&Mode::FunctionsHost { port: 1 }, false, Some(peer), &headers).unwrap().to_string()
        };
        assert_eq!(told("198.51.100.1, 203.0.113.7:4711"), "203.0.113.7");
        assert_eq!(told("203.0.113.7"), "203.0.113.7");
        assert_eq!(told("[2001:db8::7]:4711"), "2001:db8::7");
        assert_eq!(told("2001:db8::7"), "2001:db8::7");
        assert_eq!(told("203.0.113.7, nonsense"), "127.0.0.1");
    }

    #[test]
    fn behind_front_door_only_its_own_words_count() {
        const ID: &str = "55ce4ed1-4b06-4bf1-b40e-4638452104da";
        let headers = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            headers
        };
        assert!(came_by(ID, &headers(&[("x-azure-fdid", ID)])));
        assert!(came_by(ID, &headers(&[("x-azure-fdid", &ID.to_uppercase())])));
        for forged in [
            &[][..],
            &[("x-azure-fdid", "")],
            &[("x-azure-fdid", &ID[1..])],
            &[("x-azure-fdid", "55ce4ed1-4b06-4bf1-b40e-4638452104db")],
            &[("x-azure-fdid", "nonsense"), ("x-azure-fdid", ID)],
            &[("x-forwarded-for", ID)],
        ] {
            assert!(!came_by(ID, &headers(forged)), "{forged:?}");
        }
        let told = |pairs: &[(&'static str, &str)]| {
            let peer = Peer(([127, 0, 0, 1], 7).into());
            address(&Mode::FunctionsHost { port: 1 }, true, Some(peer), &headers(pairs)).map(|it| it.to_string())
        };
        let forged = [
            ("x-forwarded-for", "198.51.100.1"),
            ("x-azure-clientip", "198.51.100.2"),
            ("x-azure-socketip", "203.0.113.7"),
        ];
        assert_eq!(told(&forged).as_deref(), Some("203.0.113.7"));
        assert_eq!(told(&forged[..2]), None, "nobody's address, rather than one that is made up");
        assert_eq!(told(&[("x-azure-socketip", "203.0.113.7"), ("x-azure-socketip", "203.0.113.8")]), None);
    }
}
