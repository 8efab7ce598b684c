//! ICMP (RFC 792) and ICMPv6 (RFC 4443): echo, and errors that quote a flow's packet.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Checksum;

/// ICMP's protocol number.
pub const ICMP4: u8 = 1;
/// ICMPv6's protocol number.
pub const ICMP6: u8 = 58;

/// What a message means to a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpKind {
    /// An echo request.
    EchoRequest,
    /// An error; the packet that caused it is quoted behind the 8-byte header.
    Error,
    /// Anything else.
    Other,
}

/// An ICMP or ICMPv6 message with a whole header.
#[derive(Debug, Clone, Copy)]
pub struct IcmpView<'a> {
    /// What it is.
    pub kind: IcmpKind,
    /// What stands behind the 8-byte header.
    pub body: &'a [u8],
}

impl<'a> IcmpView<'a> {
    /// Reads a message; `None` when it is shorter than its header.
    #[must_use]
    pub fn parse(protocol: u8, message: &'a [u8]) -> Option<Self> {
        let (header, body) = message.split_first_chunk::<8>()?;
        Some(Self {
            kind: kind(protocol, header[0]),
            body,
        })
    }
}

const fn kind(protocol: u8, message_type: u8) -> IcmpKind {
    match (protocol, message_type) {
        (ICMP4, 8) | (ICMP6, 128) => IcmpKind::EchoRequest,
        // RFC 792: destination unreachable, source quench, time exceeded, parameter problem.
        (ICMP4, 3 | 4 | 11 | 12) => IcmpKind::Error,
        // RFC 4443, section 2.1: the highest bit tells information from errors; 1 to 4 are defined.
        (ICMP6, 1..=4) => IcmpKind::Error,
        _ => IcmpKind::Other,
    }
}

/// Turns an IPv4 echo request into its reply, in place (RFC 792; RFC 1122, section 3.2.2.6).
///
/// `packet` starts with an IPv4 header of `header_len` bytes and ends with the message. Returns whether
/// the message's checksum was right and its source can be a host's; only then is the packet changed.
pub fn answer_echo4(packet: &mut [u8], header_len: u16) -> bool {
    let Some((header, message)) = packet.split_at_mut_checked(header_len.into()) else {
        return false;
    };
    if Checksum::new().bytes(message).fold() != 0xffff {
        return false;
    }
    let (Some(addresses), Some(type_code)) = (header.get_mut(12..20), message.first_mut()) else {
        return false;
    };
    if !is_v4_pair(addresses) {
        return false;
    }
    addresses.rotate_left(4);
    *type_code = 0;
    rewrite_checksum(message, Checksum::new(), 2);
    // A reply is a packet of our own: a fresh TTL.
    if let Some(ttl) = header.get_mut(8) {
        *ttl = 64;
    }
    rewrite_checksum(header, Checksum::new(), 10);
    true
}

/// Turns an ICMPv6 echo request into its reply, in place (RFC 4443, section 4.2).
///
/// `packet` starts with an IPv6 header; the message starts at `header_len`. Returns whether the
/// message's checksum was right and its source can be a host's; only then is the packet changed.
pub fn answer_echo6(packet: &mut [u8], header_len: u16) -> bool {
    let Some((header, message)) = packet.split_at_mut_checked(header_len.into()) else {
        return false;
    };
    let Some(addresses) = header.get_mut(8..40) else {
        return false;
    };
    let Ok(len) = u32::try_from(message.len()) else {
        return false;
    };
    // RFC 8200, section 8.1: the pseudo-header. Its sum is the same with the addresses swapped.
    let pseudo = Checksum::new()
        .bytes(addresses)
        .long(len)
        .word(ICMP6.into());
    if pseudo.bytes(message).fold() != 0xffff {
        return false;
    }
    if !is_v6_pair(addresses) {
        return false;
    }
    addresses.rotate_left(16);
    if let Some(message_type) = message.first_mut() {
        *message_type = 129;
    }
    rewrite_checksum(message, pseudo, 2);
    if let Some(hop_limit) = header.get_mut(7) {
        *hop_limit = 64;
    }
    true
}

/// Whether source and destination, one behind the other, can be two hosts' (RFC 1122, section 3.2.1.3).
fn is_v4_pair(addresses: &[u8]) -> bool {
    let (Some(source), Some(destination)) =
        (addresses.first_chunk::<4>(), addresses.last_chunk::<4>())
    else {
        return false;
    };
    let address = Ipv4Addr::from(*source);
    let no_host = address.is_multicast()
        || address.is_broadcast()
        || address.is_loopback()
        || address.is_unspecified();
    !no_host && source != destination
}

/// Whether source and destination, one behind the other, can be two hosts' (RFC 4291, sections 2.5 and 2.7).
fn is_v6_pair(addresses: &[u8]) -> bool {
    let (Some(source), Some(destination)) =
        (addresses.first_chunk::<16>(), addresses.last_chunk::<16>())
    else {
        return false;
    };
    let address = Ipv6Addr::from(*source);
    let no_host = address.is_multicast() || address.is_loopback() || address.is_unspecified();
    !no_host && source != destination
}

/// Computes the checksum field at `offset` of `bytes` anew.
fn rewrite_checksum(bytes: &mut [u8], start: Checksum, offset: usize) {
    if let Some(field) = bytes.get_mut(offset..offset + 2) {
        field.fill(0);
    }
    let value = start.bytes(bytes).complement();
    if let Some(field) = bytes.get_mut(offset..offset + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_are_answered() {
        let vip = [203, 0, 113, 10];
        let answered = |source: [u8; 4]| is_v4_pair(&[source, vip].concat());
        assert!(answered([198, 51, 100, 7]));
        for source in [[224, 0, 0, 1], [255; 4], [127, 0, 0, 1], [0; 4], vip] {
            assert!(!answered(source), "{source:?}");
        }
        let vip: Ipv6Addr = "2001:db8::10".parse().unwrap();
        let answered = |source: &str| {
            is_v6_pair(&[source.parse::<Ipv6Addr>().unwrap().octets(), vip.octets()].concat())
        };
        assert!(answered("2001:db8::7"));
        for source in ["ff02::1", "::1", "::", "2001:db8::10"] {
            assert!(!answered(source), "{source}");
        }
    }
}
