//! ip4: checks the IPv4 header and writes the flow key.
//!
//! Next: lookup; drop.

use super::{Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKeys, Frame, Meta, Transport};
use crate::wire::{Ipv4Fault, Ipv4View, PortPair, parse_ports};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
) {
    frame.families[0] = true;
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
            match Ipv4View::parse(l3) {
                Ok(view) => admit(&view, l3, index, meta, keys),
                Err(fault) => drop_packet(meta, reason(fault)),
            }
        },
    );
}

fn reason(fault: Ipv4Fault) -> DropReason {
    match fault {
        Ipv4Fault::Truncated => DropReason::Ip4Truncated,
        Ipv4Fault::BadHeader => DropReason::Ip4BadHeader,
        Ipv4Fault::BadChecksum => DropReason::Ip4BadChecksum,
    }
}

#[inline(always)]
fn admit(view: &Ipv4View<'_>, l3: &[u8], index: u8, meta: &mut Meta, keys: &mut FlowKeys) -> Stage {
    meta.ip_len = view.total_len();
    meta.l4 = meta.l3 + view.header_len();
    meta.protocol = view.protocol();
    meta.fragment = view.is_fragment();
    let mut ports = PortPair::default();
    if !meta.fragment {
        let transport = l3.get(view.header_len().into()..).unwrap_or_default();
        match parse_ports(meta.protocol, transport, meta.ip_len - view.header_len()) {
            Ok(pair) => ports = pair,
            Err(_) => return drop_packet(meta, DropReason::TransportTruncated),
        }
    }
    keys.set_v4(
        index,
        view.addresses(),
        Transport {
            ports,
            protocol: meta.protocol,
        },
    );
    Stage::Lookup
}
