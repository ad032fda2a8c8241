use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network that an address is in: who has one address of it has many. `/24` of IPv4, `/64` of IPv6, which
/// is the least that a subscriber is given (RFC 6177).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// The first three octets.
    V4([u8; 3]),
    /// The first eight octets.
    V6([u8; 8]),
    /// Nothing is known of the address.
    #[default]
    Unknown,
}

impl Network {
    /// The network of an address; an IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) is one of IPv4.
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(*a, *b, *c, 0)),
            Self::V6(prefix) => {
                let mut octets = [0; 16];
                octets[..8].copy_from_slice(prefix);
                write!(f, "{}/64", Ipv6Addr::from(octets))
            }
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_network() {
        let network = |text: &str| Network::of(Some(text.parse().unwrap())).to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.0/24");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_ne!(network("2001:db8:1:3::"), network("2001:db8:1:2::"));
        assert_eq!(Network::of(None).to_string(), "unknown");
    }
}
