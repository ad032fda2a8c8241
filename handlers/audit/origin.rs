use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::http::Request;

const MAX_DEVICE_CHARS: usize = 120;

/// Where a request came from, as far as it is recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The address without its last part: `203.0.113.0/24`, `2001:db8:1:2::/64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// What the client calls itself (`User-Agent`), at most 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Origin {
    pub fn of(request: &Request) -> Self {
        Self::from_parts(request.client.address, request.header("user-agent"), &request.id)
    }

    pub fn from_parts(address: Option<IpAddr>, user_agent: Option<&str>, request_id: &str) -> Self {
        Self {
            network: address.map(network),
            device: user_agent.map(|text| text.chars().filter(|c| !c.is_control()).take(MAX_DEVICE_CHARS).collect()),
            request_id: Some(request_id.to_owned()),
        }
    }
}

/// The network of an address: what one customer line or office shares.
fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_only_the_prefix_is_kept() {
        let told = |address: &str| Origin::from_parts(Some(address.parse().unwrap()), None, "req_1").network.unwrap();
        assert_eq!(told("203.0.113.77"), "203.0.113.0/24");
        assert_eq!(told("::ffff:203.0.113.77"), "203.0.113.0/24");
        assert_eq!(told("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }

    #[test]
    fn a_device_is_a_short_line() {
        let device = Origin::from_parts(None, Some(&format!("a\u{7}\n{}", "x".repeat(500))), "req_1").device.unwrap();
        assert_eq!(device.len(), 120);
        assert!(device.starts_with("ax"));
    }
}
