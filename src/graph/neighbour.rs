//! neighbour: writes the next hop's Ethernet header, for which the encapsulation left room.
//!
//! Next: forward; drop.

use super::{Context, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame, Meta};
use crate::table::Snapshot;
use crate::wire::EtherType;

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let snapshot = context.snapshot;
    let mut tx_ports = 0;
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |_, packet, meta| {
            let stage = send(packet, meta, snapshot);
            tx_ports |= 1_u64.wrapping_shl(meta.tx_port.into());
            stage
        },
    );
    frame.tx_ports = tx_ports;
}

#[inline(always)]
fn send<B: Buffer>(packet: &mut B, meta: &mut Meta, snapshot: &Snapshot) -> Stage {
    let rewrite = snapshot.rewrites.get(meta.backend as usize);
    let adjacency =
        rewrite.and_then(|rewrite| snapshot.adjacencies.get(rewrite.adjacency as usize));
    let Some(adjacency) = adjacency else {
        return drop_packet(meta, DropReason::NoRoute);
    };
    if !adjacency.resolved {
        return drop_packet(meta, DropReason::NeighbourUnresolved);
    }
    let bytes = packet.bytes_mut();
    let addresses = adjacency.header();
    if bytes.len() > addresses.len() + 2 + usize::from(adjacency.mtu) {
        return drop_packet(meta, DropReason::MtuExceeded);
    }
    meta.tx_port = adjacency.port;
    write_header(bytes, addresses);
    Stage::Forward
}

/// Writes addresses, tags and the type that the IP version behind them has.
#[inline(always)]
fn write_header(bytes: &mut [u8], addresses: &[u8]) {
    let Some((front, rest)) = bytes.split_at_mut_checked(addresses.len()) else {
        return;
    };
    match (front.as_mut_array::<12>(), addresses.as_array::<12>()) {
        // The same copy, but of a known length: no call.
        (Some(front), Some(addresses)) => *front = *addresses,
        _ => front.copy_from_slice(addresses),
    }
    if let [type_high, type_low, version, ..] = rest {
        let ether_type = if *version >> 4 == 6 {
            EtherType::IPV6
        } else {
            EtherType::IPV4
        };
        [*type_high, *type_low] = ether_type.0.to_be_bytes();
    }
}
