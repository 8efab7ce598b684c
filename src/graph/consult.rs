//! consult: asks for the flow entries of packets whose slot is in transition, and decides by them.
//!
//! Next: ipip4, ipip6, l2dsr (by the backend); drop.

use super::select::send_to;
use super::{Context, Stage, drop_packet, for_each};
use crate::flow::{Consulted, Flows, Packet, Segment};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKey, Frame, Meta};
use crate::table::Tables;
use crate::wire::{ICMP4, ICMP6};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let tables = &*context.snapshot.tables;
    if let Some(flows) = context.flows {
        find_by(flows, frame, list, tables);
    }
    let (hashes, keys) = (&*frame.hashes, &*frame.keys);
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |index, packet, meta| {
            let hash = hashes[usize::from(meta.ip6)][usize::from(index)];
            let key = keys.key(index, meta.ip6);
            match choose(context, tables, meta, &key, hash, packet.bytes()) {
                Ok(backend) => send_to(context, meta, backend),
                Err(reason) => drop_packet(meta, reason),
            }
        },
    );
}

/// Puts in place of the flow hashes those that entries lie by, and has the entries' cache lines read all at once: one
/// after the other would wait for memory one after the other.
fn find_by<B: Buffer>(flows: &Flows, frame: &mut Frame<B>, list: &[u8], tables: &Tables) {
    for &index in list {
        let ip6 = frame.meta[usize::from(index)].ip6;
        let hash = &mut frame.hashes[usize::from(ip6)][usize::from(index)];
        *hash = flows.hash(&frame.keys.key(index, ip6), *hash, &tables.hasher);
    }
    flows
        .entries
        .fetch(list.iter().map(|index| frame.hash(*index)));
}

/// The snapshot's index of the backend.
fn choose(
    context: &Context<'_>,
    tables: &Tables,
    meta: &Meta,
    key: &FlowKey,
    hash: u64,
    bytes: &[u8],
) -> Result<u32, DropReason> {
    let service = tables.services.get(meta.service as usize);
    let service = service.ok_or(DropReason::NoBackend)?;
    let view = tables.views.get(service.view as usize);
    let view = view.ok_or(DropReason::NoBackend)?;
    let word = view.word(meta.slot).ok_or(DropReason::NoBackend)?;
    let slot = Consulted::new(view, meta.slot, word, key).ok_or(DropReason::NoBackend)?;
    let flows = context.flows.ok_or(DropReason::NoBackend)?;
    let packet = Packet {
        slot: &slot,
        now: context.now,
        key,
        hash,
        segment: if matches!(meta.protocol, ICMP4 | ICMP6) {
            Segment::RELATED
        } else {
            Segment::parse(service.tracking, transport(bytes, meta))
        },
        tracking: service.tracking,
    };
    let local = flows.choose(&packet)?;
    Ok(view.first_backend + u32::from(local))
}

/// The transport header and what is behind it.
fn transport<'p>(bytes: &'p [u8], meta: &Meta) -> &'p [u8] {
    let end = usize::from(meta.l3) + usize::from(meta.ip_len);
    bytes.get(usize::from(meta.l4)..end).unwrap_or_default()
}
