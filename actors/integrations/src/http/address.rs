//! Which network addresses an `http` agent may be pointed at.
//!
//! The node is a confused deputy in waiting: whoever may register an agent chooses where the node
//! sends requests. Loopback and private networks are where agents live, so they are allowed. What
//! no agent lives at, but credentials do, is refused: link-local addresses and the metadata
//! services of clouds (OWASP, Server Side Request Forgery Prevention), and addresses that are no
//! single host at all.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Metadata services that are not link-local: Azure's wire server, Alibaba, Oracle's classic
/// network.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];

/// The metadata service of AWS over IPv6, inside a unique-local range that is otherwise allowed.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `0.0.0.0/8` or `::`: no host, or this one by accident.
    Unspecified,
    /// `169.254.0.0/16` or `fe80::/10`, where clouds serve credentials.
    LinkLocal,
    /// A multicast group or the broadcast address.
    Multicast,
    /// A cloud's metadata service outside the link-local range.
    Metadata,
    /// `240.0.0.0/4`, reserved (RFC 1112).
    Reserved,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast or broadcast address",
            Self::Metadata => "the metadata service of a cloud",
            Self::Reserved => "a reserved address",
        })
    }
}

/// Says whether an `http` agent may be reached at `address`.
///
/// IPv4 addresses in IPv6 clothes (mapped, compatible, NAT64, 6to4) are judged as what they carry.
///
/// # Errors
/// The [`Refusal`] that names the range.
pub fn check(address: IpAddr) -> Result<(), Refusal> {
    match address {
        IpAddr::V4(v4) => check_v4(v4),
        IpAddr::V6(v6) => check_v6(v6),
    }
}

fn check_v4(address: Ipv4Addr) -> Result<(), Refusal> {
    let first = address.octets()[0];
    if first == 0 {
        Err(Refusal::Unspecified)
    } else if address.is_link_local() {
        Err(Refusal::LinkLocal)
    } else if address.is_multicast() || address.is_broadcast() {
        Err(Refusal::Multicast)
    } else if METADATA_V4.contains(&address) {
        Err(Refusal::Metadata)
    } else if first >= 240 {
        Err(Refusal::Reserved)
    } else {
        Ok(())
    }
}

fn check_v6(address: Ipv6Addr) -> Result<(), Refusal> {
    if address.is_loopback() {
        Ok(())
    } else if address.is_unspecified() {
        Err(Refusal::Unspecified)
    } else if address.is_unicast_link_local() {
        Err(Refusal::LinkLocal)
    } else if address.is_multicast() {
        Err(Refusal::Multicast)
    } else if address == METADATA_V6 {
        Err(Refusal::Metadata)
    } else {
        embedded_v4(address).map_or(Ok(()), check_v4)
    }
}

/// The IPv4 address that an IPv6 address carries: `::ffff:0:0/96` and `::/96` (RFC 4291),
/// `64:ff9b::/96` (RFC 6052), `2002::/16` (RFC 3056).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> Result<(), Refusal> {
        check(text.parse().unwrap())
    }

    #[test]
    fn loopback_private_and_public_addresses_are_allowed() {
        for allowed in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.9",
            "192.168.1.1",
            "8.8.8.8",
            "fd12::1",
            "2606:4700::1",
        ] {
            assert_eq!(verdict(allowed), Ok(()), "{allowed}");
        }
    }

    #[test]
    fn each_refused_range_names_itself() {
        let cases = [
            ("0.0.0.0", Refusal::Unspecified),
            ("0.1.2.3", Refusal::Unspecified),
            ("::", Refusal::Unspecified),
            ("169.254.169.254", Refusal::LinkLocal),
            ("fe80::1", Refusal::LinkLocal),
            ("febf::1", Refusal::LinkLocal),
            ("224.0.0.1", Refusal::Multicast),
            ("255.255.255.255", Refusal::Multicast),
            ("ff02::1", Refusal::Multicast),
            ("168.63.129.16", Refusal::Metadata),
            ("fd00:ec2::254", Refusal::Metadata),
            ("250.0.0.1", Refusal::Reserved),
        ];
        for (address, reason) in cases {
            assert_eq!(verdict(address), Err(reason), "{address}");
        }
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_judged_as_what_it_carries() {
        for hidden in
            ["::ffff:169.254.169.254", "::169.254.1.1", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"]
        {
            assert_eq!(verdict(hidden), Err(Refusal::LinkLocal), "{hidden}");
        }
        assert_eq!(verdict("::ffff:127.0.0.1"), Ok(()));
    }
}
