//! Who is at the other end of a request, as far as the way it came can be trusted.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use super::{Mode, Peer};

/// The address of the client. Under the Functions host every connection comes from this machine; there the
/// platform's front end tells it, as the last entry of `X-Forwarded-For`. The entries before that one
/// are the client's own words.
pub fn address(mode: &Mode, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer.map(|peer| peer.0.ip());
    match mode {
        Mode::Standalone { .. } => peer,
        Mode::FunctionsHost { .. } => forwarded_for(headers).or(peer),
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
            address(&Mode::FunctionsHost { port: 1 }, Some(peer), &headers).unwrap().to_string()
        };
        assert_eq!(told("198.51.100.1, 203.0.113.7:4711"), "203.0.113.7");
        assert_eq!(told("203.0.113.7"), "203.0.113.7");
        assert_eq!(told("[2001:db8::7]:4711"), "2001:db8::7");
        assert_eq!(told("2001:db8::7"), "2001:db8::7");
        assert_eq!(told("203.0.113.7, nonsense"), "127.0.0.1");
    }
}
