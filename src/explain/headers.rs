//! A packet of the connection, and the outer header that it gets.

use std::net::IpAddr;

use etherparse::{IpNumber, PacketBuilder};

use crate::config::Protocol;
use crate::control::api::schema::{ExplainQuery, OuterHeader};
use crate::packet::Meta;
use crate::table::Way;
use crate::wire::{EthernetView, Ipv4View, Ipv6View, SCTP, TCP, UDP};

/// An IP header, the ports, and zeros for the rest of the transport header; `None` if the families differ.
pub(super) fn packet(query: &ExplainQuery) -> Option<Vec<u8>> {
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let builder = match (query.client.ip(), query.vip.ip()) {
        (IpAddr::V4(client), IpAddr::V4(vip)) => builder.ipv4(client.octets(), vip.octets(), 64),
        (IpAddr::V6(client), IpAddr::V6(vip)) => builder.ipv6(client.octets(), vip.octets(), 64),
        _ => return None,
    };
    let [c0, c1] = query.client.port().to_be_bytes();
    let [v0, v1] = query.vip.port().to_be_bytes();
    let mut transport = [0; 20];
    transport[..4].copy_from_slice(&[c0, c1, v0, v1]);
    let mut bytes = Vec::new();
    builder
        .write(&mut bytes, IpNumber(number(query.protocol)), &transport)
        .ok()?;
    Some(bytes)
}

const fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => TCP,
        Protocol::Udp => UDP,
        Protocol::Sctp => SCTP,
    }
}

/// How a packet gets to the backend.
pub(super) const fn encap(way: &Way, ip6: bool) -> &'static str {
    match (way, ip6) {
        (Way::L2Dsr, _) => "l2dsr: only the destination MAC changes",
        (Way::Ipip4(_), false) => "ipip: IPv4 in IPv4",
        (Way::Ipip4(_), true) => "ipip: IPv6 in IPv4",
        (Way::Ipip6(_), false) => "ipip: IPv4 in IPv6",
        (Way::Ipip6(_), true) => "ipip: IPv6 in IPv6",
        (Way::Unreachable(_), _) => "none: the backend can't be reached",
    }
}

/// Reads the outer header back from the bytes that would be sent; `None` where there is none.
pub(super) fn outer(sent: &[u8], meta: Meta) -> Option<OuterHeader> {
    let l3 = sent.get(usize::from(EthernetView::parse(sent)?.payload)..)?;
    if l3.len() == usize::from(meta.ip_len) {
        return None;
    }
    if let Ok(v4) = Ipv4View::parse(l3) {
        let [a, b, c, d, e, f, g, h] = v4.addresses();
        let (source, destination) = ([a, b, c, d].into(), [e, f, g, h].into());
        return Some(OuterHeader {
            source,
            destination,
            ttl: *l3.get(8)?,
            tos: v4.tos(),
        });
    }
    let v6 = Ipv6View::parse(l3).ok()?;
    let addresses = v6.addresses();
    let (source, destination) = (
        addresses.first_chunk::<16>()?,
        addresses.last_chunk::<16>()?,
    );
    Some(OuterHeader {
        source: (*source).into(),
        destination: (*destination).into(),
        ttl: *l3.get(7)?,
        tos: v6.traffic_class(),
    })
}
