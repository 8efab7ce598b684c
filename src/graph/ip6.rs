//! ip6: checks the IPv6 header, follows the extension headers, and writes the flow key.
//!
//! Next: lookup; drop.

use super::{Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKeys, Frame, Meta, Transport};
use crate::wire::{Ipv6Fault, Ipv6View, PortPair, parse_ports};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
) {
    frame.families[1] = true;
    let keys = &mut *frame.keys;
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |index, packet, meta| {
            let l3 = packet
                .bytes()
                .get(usize::from(meta.l3)..)
                .unwrap_or_default();
            match Ipv6View::parse(l3) {
                Ok(view) => admit(&view, l3, index, meta, keys),
                Err(fault) => drop_packet(meta, reason(fault)),
            }
        },
    );
}

fn reason(fault: Ipv6Fault) -> DropReason {
    match fault {
        Ipv6Fault::Truncated => DropReason::Ip6Truncated,
        Ipv6Fault::BadHeader => DropReason::Ip6BadHeader,
    }
}

#[inline(always)]
fn admit(view: &Ipv6View<'_>, l3: &[u8], index: u8, meta: &mut Meta, keys: &mut FlowKeys) -> Stage {
    meta.ip6 = true;
    meta.ip_len = view.total_len();
    meta.l4 = meta.l3 + view.header_len;
    meta.protocol = view.protocol;
    meta.fragment = view.fragment;
    let mut ports = PortPair::default();
    if !meta.fragment {
        let transport = l3.get(view.header_len.into()..).unwrap_or_default();
        match parse_ports(meta.protocol, transport, meta.ip_len - view.header_len) {
            Ok(pair) => ports = pair,
            Err(_) => return drop_packet(meta, DropReason::TransportTruncated),
        }
    }
    keys.set_v6(
        index,
        view.addresses(),
        Transport {
            ports,
            protocol: meta.protocol,
        },
    );
    Stage::Lookup
}
