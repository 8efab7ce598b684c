//! icmp: messages to a service address. Echo requests are answered here, since no host owns the address;
//! errors about a flow go where the flow goes, with the flow's key taken from the quoted packet.
//!
//! Next: select (an error about a flow); answer; drop.

use super::{Context, Stage, drop_packet};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKeys, Frame, Meta, Transport};
use crate::table::{Match, ServiceIndex};
use crate::wire::{
    IcmpKind, IcmpView, Ipv4View, Ipv6View, answer_echo4, answer_echo6, quoted_ports, swap_macs,
};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    for (&index, next) in list.iter().zip(next) {
        let i = usize::from(index);
        let (packet, meta) = (&mut frame.packets[i], &mut frame.meta[i]);
        let message = packet
            .bytes()
            .get(meta.l4.into()..end(meta))
            .unwrap_or_default();
        let view = IcmpView::parse(meta.protocol, message);
        *next = match view.map(|view| view.kind) {
            None => drop_packet(meta, DropReason::IcmpMalformed),
            Some(IcmpKind::EchoRequest) => answer(packet, meta),
            Some(IcmpKind::Error) => {
                let quoted = view.map(|view| view.body).unwrap_or_default();
                follow_flow(
                    quoted,
                    index,
                    meta,
                    &mut frame.keys,
                    &context.snapshot.tables.index,
                )
            }
            Some(IcmpKind::Other) => drop_packet(meta, DropReason::IcmpUnsupported),
        };
    }
}

fn end(meta: &Meta) -> usize {
    usize::from(meta.l3) + usize::from(meta.ip_len)
}

/// Turns the request into its reply, back the way it came.
fn answer<B: Buffer>(packet: &mut B, meta: &mut Meta) -> Stage {
    let header_len = meta.l4 - meta.l3;
    let l3 = packet
        .bytes_mut()
        .get_mut(meta.l3.into()..end(meta))
        .unwrap_or_default();
    let answered = if meta.ip6 {
        answer_echo6(l3, header_len)
    } else {
        answer_echo4(l3, header_len)
    };
    if !answered {
        return drop_packet(meta, DropReason::IcmpMalformed);
    }
    swap_macs(packet.bytes_mut());
    Stage::Answer
}

/// Gives the error the key of the flow whose packet it quotes: that packet came from the backend, so the
/// flow is its reverse (RFC 5508, section 4.2 asks the same of a NAT).
fn follow_flow(
    quoted: &[u8],
    index: u8,
    meta: &mut Meta,
    keys: &mut FlowKeys,
    services: &ServiceIndex,
) -> Stage {
    let key = if meta.ip6 {
        quoted_v6(quoted, index, keys, services)
    } else {
        quoted_v4(quoted, index, keys, services)
    };
    match key {
        None => drop_packet(meta, DropReason::IcmpMalformed),
        Some(Match::Service(service)) => {
            meta.service = service;
            Stage::Select
        }
        Some(_) => drop_packet(meta, DropReason::NoService),
    }
}

fn quoted_v4(
    quoted: &[u8],
    index: u8,
    keys: &mut FlowKeys,
    services: &ServiceIndex,
) -> Option<Match> {
    let view = Ipv4View::parse_quoted(quoted).ok()?;
    if view.is_later_fragment() {
        return None;
    }
    let transport = reversed(view.protocol(), quoted.get(view.header_len().into()..)?)?;
    let mut addresses = view.addresses();
    addresses.rotate_left(4);
    keys.set_v4(index, addresses, transport);
    Some(services.find_v4(
        keys.destination_v4(index),
        transport.protocol,
        transport.ports.destination(),
    ))
}

fn quoted_v6(
    quoted: &[u8],
    index: u8,
    keys: &mut FlowKeys,
    services: &ServiceIndex,
) -> Option<Match> {
    let view = Ipv6View::parse_quoted(quoted).ok()?;
    if view.later_fragment {
        return None;
    }
    let transport = reversed(view.protocol, quoted.get(view.header_len.into()..)?)?;
    let mut addresses = view.addresses();
    addresses.rotate_left(16);
    keys.set_v6(index, addresses, transport);
    Some(services.find_v6(
        keys.destination_v6(index),
        transport.protocol,
        transport.ports.destination(),
    ))
}

fn reversed(protocol: u8, transport: &[u8]) -> Option<Transport> {
    let ports = quoted_ports(transport)?.reversed();
    Some(Transport { ports, protocol })
}
