//! lookup: which service is the packet for?
//!
//! Next: select; icmp (a message to a service address); punt (the address is no service's); drop.

use super::{Context, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKeys, Frame, Meta};
use crate::table::{Match, ServiceIndex};
use crate::wire::{ICMP4, ICMP6};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let (index, keys) = (&context.snapshot.tables.index, &*frame.keys);
    let mut cache = Cache::default();
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |packet, _, meta| {
            let found = if meta.ip6 {
                find_v6(index, keys, packet)
            } else {
                cache.find_v4(index, keys, packet)
            };
            dispatch(found, meta)
        },
    );
}

#[inline(always)]
fn dispatch(found: Match, meta: &mut Meta) -> Stage {
    match found {
        Match::NotVip => Stage::Punt,
        _ if meta.fragment => drop_packet(meta, DropReason::Fragment),
        Match::Service(service) => {
            meta.service = service;
            Stage::Select
        }
        Match::NoPort if meta.protocol == if meta.ip6 { ICMP6 } else { ICMP4 } => Stage::Icmp,
        Match::NoPort => drop_packet(meta, DropReason::NoService),
    }
}

/// Neighbouring packets mostly go to the same place: the last answer is kept for one frame.
#[derive(Default)]
struct Cache {
    /// As of [`FlowKeys::target_v4`].
    target: u64,
    found: Option<Match>,
}

impl Cache {
    #[inline(always)]
    fn find_v4(&mut self, index: &ServiceIndex, keys: &FlowKeys, packet: u8) -> Match {
        let target = keys.target_v4(packet);
        match self.found {
            Some(found) if self.target == target => found,
            _ => self.refill(index, keys, packet, target),
        }
    }

    #[inline(never)]
    fn refill(&mut self, index: &ServiceIndex, keys: &FlowKeys, packet: u8, target: u64) -> Match {
        let transport = keys.transport_v4(packet);
        let found = index.find_v4(
            keys.destination_v4(packet),
            transport.protocol,
            transport.ports.destination(),
        );
        (self.target, self.found) = (target, Some(found));
        found
    }
}

#[inline(always)]
fn find_v6(index: &ServiceIndex, keys: &FlowKeys, packet: u8) -> Match {
    let transport = keys.transport_v6(packet);
    index.find_v6(
        keys.destination_v6(packet),
        transport.protocol,
        transport.ports.destination(),
    )
}
