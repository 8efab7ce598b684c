//! Says of one packet what must be true of it, in code that shares nothing with the stages: headers are read by
//! etherparse, flow hashes come from the siphasher crate.

use std::hash::Hasher as _;
use std::net::IpAddr;

use etherparse::{Icmpv4Slice, Icmpv6Slice, IpSlice, Ipv4HeaderSlice, Ipv6HeaderSlice};
use ipnet::IpNet;
use siphasher::sip::SipHasher13;
use tentetsu::graph::Stage;
use tentetsu::packet::DropReason;
use tentetsu::table::{Snapshot, Way};

use super::{KEY, Outcome};

/// The prefixes that outer sources are drawn from.
const SOURCES: [&str; 2] = ["192.0.2.128/25", "2001:db8:9::/64"];

/// Checks one packet.
pub fn judge(snapshot: &Snapshot, outcome: &Outcome) {
    match outcome.door {
        Stage::Forward => forwarded(snapshot, outcome),
        Stage::Answer => answered(outcome),
        Stage::Punt => assert_eq!(
            outcome.bytes, outcome.input,
            "the host gets what was received"
        ),
        _ => dropped(snapshot, outcome),
    }
}

/// What is dropped behind its backend's choice names the way's fault; see the fixture's addresses.
fn dropped(snapshot: &Snapshot, outcome: &Outcome) {
    let Some(backend) = snapshot.tables.backend(outcome.meta.backend) else {
        return;
    };
    let reason = match backend.address {
        IpAddr::V4(a) => way_fault(a.octets()[3]),
        IpAddr::V6(a) => way_fault(a.octets()[15]),
    };
    assert_eq!(outcome.meta.reason, reason);
}

fn way_fault(last: u8) -> DropReason {
    match last {
        251 => DropReason::NoRoute,
        252 => DropReason::NeighbourUnresolved,
        _ => DropReason::MtuExceeded,
    }
}

/// The IP packet in a frame, without tags and padding.
pub fn ip_packet(frame: &[u8]) -> &[u8] {
    let mut at = 12;
    while at < 20 && matches!(frame[at..at + 2], [0x81, 0] | [0x88, 0xa8]) {
        at += 4;
    }
    let packet = &frame[at + 2..];
    let len = if packet[0] >> 4 == 4 {
        usize::from(u16::from_be_bytes([packet[2], packet[3]]))
    } else {
        usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40
    };
    &packet[..len]
}

fn forwarded(snapshot: &Snapshot, outcome: &Outcome) {
    let inner = ip_packet(&outcome.input);
    let backend = outcome.meta.backend as usize;
    let rewrite = &snapshot.rewrites[backend];
    let adjacency = &snapshot.adjacencies[rewrite.adjacency as usize];
    let (ethernet, sent) = outcome.bytes.split_at(adjacency.header().len() + 2);
    assert!(ethernet.starts_with(adjacency.header()));
    let ether_type: &[u8] = if sent[0] >> 4 == 6 {
        &[0x86, 0xdd]
    } else {
        &[8, 0]
    };
    assert!(ethernet.ends_with(ether_type));
    assert!(sent.len() <= usize::from(adjacency.mtu));
    let hash = flow(inner).map(|flow| flow_hash(&flow));
    let address = snapshot
        .tables
        .backend(outcome.meta.backend)
        .unwrap()
        .address;
    let payload = match rewrite.way {
        Way::Ipip4(_) => outer_v4(sent, inner, address, hash),
        Way::Ipip6(_) => outer_v6(sent, inner, address, hash),
        Way::L2Dsr => sent,
        Way::Unreachable(reason) => panic!("sent although {reason:?}"),
    };
    assert_eq!(payload, inner, "the client's packet is left alone");
    if let Some(hash) = hash {
        right_backend(snapshot, outcome, hash);
    }
}

/// The slot is the hash's upper half, scaled; the backend is the slot's owner.
fn right_backend(snapshot: &Snapshot, outcome: &Outcome, hash: u64) {
    let tables = &snapshot.tables;
    let service = &tables.services[outcome.meta.service as usize];
    let pool = &tables.views[service.view as usize];
    let slot = ((hash >> 32) * pool.slots.len() as u64) >> 32;
    assert_eq!(u64::from(outcome.meta.slot), slot);
    assert_eq!(
        outcome.meta.backend,
        pool.first_backend + u32::from(pool.slots[slot as usize])
    );
}

fn outer_v4<'a>(sent: &'a [u8], inner: &[u8], backend: IpAddr, hash: Option<u64>) -> &'a [u8] {
    let outer = Ipv4HeaderSlice::from_slice(sent).unwrap();
    assert_eq!(
        outer.header_checksum(),
        outer.to_header().calc_header_checksum()
    );
    assert_eq!((outer.ihl(), outer.ttl()), (5, 64));
    assert_eq!(usize::from(outer.total_len()), inner.len() + 20);
    assert_eq!(sent.len(), inner.len() + 20);
    assert!(!outer.is_fragmenting_payload());
    let (protocol, tos, dont_fragment) = taken_over(inner);
    assert_eq!(outer.protocol().0, protocol);
    assert_eq!(outer.slice()[1], tos);
    assert_eq!(outer.dont_fragment(), dont_fragment);
    assert_eq!(IpAddr::from(outer.destination()), backend);
    drawn(outer.source().into(), hash);
    &sent[20..]
}

fn outer_v6<'a>(sent: &'a [u8], inner: &[u8], backend: IpAddr, hash: Option<u64>) -> &'a [u8] {
    let outer = Ipv6HeaderSlice::from_slice(sent).unwrap();
    assert_eq!(usize::from(outer.payload_length()), inner.len());
    let (protocol, tos, _) = taken_over(inner);
    assert_eq!((outer.next_header().0, outer.hop_limit()), (protocol, 64));
    assert_eq!(outer.traffic_class(), tos);
    assert_eq!(IpAddr::from(outer.destination()), backend);
    drawn(outer.source().into(), hash);
    if let Some(hash) = hash {
        assert_eq!(u64::from(outer.flow_label().value()), hash >> 12 & 0xf_ffff);
    }
    &sent[40..]
}

/// Protocol number, DSCP with ECN, and DF, as the outer header must have them.
fn taken_over(inner: &[u8]) -> (u8, u8, bool) {
    if inner[0] >> 4 == 4 {
        (4, inner[1], inner[6] & 0x40 != 0)
    } else {
        (41, inner[0] << 4 | inner[1] >> 4, true)
    }
}

/// The source lies in the configured prefix, its host bits being the hash's lowest.
fn drawn(source: IpAddr, hash: Option<u64>) {
    let prefix = SOURCES
        .iter()
        .map(|prefix| prefix.parse::<IpNet>().unwrap())
        .find(|prefix| prefix.addr().is_ipv4() == source.is_ipv4());
    let prefix = prefix.unwrap();
    assert!(prefix.contains(&source), "{source}");
    let low = match source {
        IpAddr::V4(a) => u64::from(a.to_bits() & 0x7f),
        IpAddr::V6(a) => a.to_bits() as u64,
    };
    if let Some(hash) = hash {
        let mask = if source.is_ipv4() { 0x7f } else { u64::MAX };
        assert_eq!(low, hash & mask);
    }
}

/// The bytes that the flow hash takes: source, destination, ports, protocol. `None` where etherparse does not
/// follow the packet to its ports.
pub fn flow(packet: &[u8]) -> Option<Vec<u8>> {
    let ip = IpSlice::from_slice(packet).ok()?;
    let payload = ip.payload();
    let (protocol, body) = (payload.ip_number.0, payload.payload);
    let mut flow = match protocol {
        6 | 17 | 132 => {
            let mut flow = addresses(packet);
            flow.extend(body.get(..4)?);
            flow.push(protocol);
            return Some(flow);
        }
        1 | 58 => body.get(8..)?,
        _ => return None,
    };
    quoted(&mut flow)
}

/// The flow of which an ICMP error quotes a packet: that packet came from the backend, so the flow is its reverse.
fn quoted(packet: &mut &[u8]) -> Option<Vec<u8>> {
    let (header, protocol) = match packet.first()? >> 4 {
        4 => (usize::from(packet[0] & 15) * 4, *packet.get(9)?),
        6 => (40, *packet.get(6)?),
        _ => return None,
    };
    if !matches!(protocol, 6 | 17 | 132) {
        return None;
    }
    let ports = packet.get(header..header + 4)?;
    let addresses = addresses(packet);
    let (source, destination) = addresses.split_at(addresses.len() / 2);
    Some([destination, source, &ports[2..], &ports[..2], &[protocol]].concat())
}

fn addresses(packet: &[u8]) -> Vec<u8> {
    if packet[0] >> 4 == 4 {
        packet[12..20].to_vec()
    } else {
        packet[8..40].to_vec()
    }
}

/// SipHash-1-3 by somebody else.
pub fn flow_hash(flow: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_key(&KEY);
    hasher.write(flow);
    hasher.finish()
}

fn answered(outcome: &Outcome) {
    let (request, reply) = (ip_packet(&outcome.input), ip_packet(&outcome.bytes));
    assert_eq!(outcome.bytes.len(), outcome.input.len());
    assert_eq!(outcome.bytes[..6], outcome.input[6..12]);
    assert_eq!(outcome.bytes[6..12], outcome.input[..6]);
    let (from, to) = (addresses(request), addresses(reply));
    let half = from.len() / 2;
    assert_eq!((&from[..half], &from[half..]), (&to[half..], &to[..half]));
    let at = usize::from(outcome.meta.l4 - outcome.meta.l3);
    let (asked, said) = (&request[at..], &reply[at..]);
    assert_eq!(asked[4..], said[4..], "identifier, sequence and data");
    if reply[0] >> 4 == 4 {
        let header = Ipv4HeaderSlice::from_slice(reply).unwrap();
        assert_eq!(ones_sum(header.slice()), 0xffff);
        let icmp = Icmpv4Slice::from_slice(said).unwrap();
        assert_eq!((header.ttl(), icmp.type_u8()), (64, 0));
        assert_eq!(ones_sum(said), 0xffff);
    } else {
        let icmp = Icmpv6Slice::from_slice(said).unwrap();
        let [source, destination] =
            [&to[..16], &to[16..]].map(|half| <[u8; 16]>::try_from(half).unwrap());
        assert_eq!((reply[7], icmp.type_u8()), (64, 129));
        assert!(icmp.is_checksum_valid(source, destination));
    }
}

/// RFC 1071 as it is written there.
fn ones_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
