//! select: hashes the flow keys of the whole frame, then slot to backend. A settled slot's word is the backend;
//! only a slot in transition is asked for its flow's entry.
//!
//! Next: ipip4, ipip6, l2dsr (by the backend); drop.

use super::{Context, Stage, drop_packet, for_each};
use crate::flow::{Consulted, Packet, Segment};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, FlowKey, Frame, Meta, NONE};
use crate::table::{CONSULT, Tables, Tracking, View, Way};
use crate::wire::{ICMP4, ICMP6};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    hash(frame, &context.snapshot.tables);
    let (hashes, keys) = (&*frame.hashes, &*frame.keys);
    let mut run = Run::new(context);
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |index, packet, meta| {
            run.enter(meta.service, meta.ip_len);
            let hash = hashes[usize::from(meta.ip6)][usize::from(index)];
            run.choose(meta, hash, |meta| {
                let transport = transport(packet.bytes(), meta);
                (keys.key(index, meta.ip6), transport)
            })
        },
    );
    run.flush();
}

/// Fills in the hashes of the families that the frame has; those of packets not on the list are scratch.
#[inline(always)]
fn hash<B: Buffer>(frame: &mut Frame<B>, tables: &Tables) {
    let count = frame.packets.len();
    let [v4, v6] = &mut *frame.hashes;
    if frame.families[0] {
        tables.hasher.hash_v4(&frame.keys, count, v4);
    }
    if frame.families[1] {
        tables.hasher.hash_v6(&frame.keys, count, v6);
    }
}

/// The transport header and what is behind it.
fn transport<'p>(bytes: &'p [u8], meta: &Meta) -> &'p [u8] {
    let end = usize::from(meta.l3) + usize::from(meta.ip_len);
    bytes.get(usize::from(meta.l4)..end).unwrap_or_default()
}

/// A run of packets of one service: what they share is looked up once, and counted in registers. Most frames
/// are one run.
struct Run<'a> {
    context: &'a Context<'a>,
    service: u32,
    view: Option<&'a View>,
    packets: u64,
    bytes: u64,
}

impl<'a> Run<'a> {
    const fn new(context: &'a Context<'a>) -> Self {
        Self {
            context,
            service: NONE,
            view: None,
            packets: 0,
            bytes: 0,
        }
    }

    #[inline(always)]
    fn enter(&mut self, service: u32, bytes: u16) {
        if service != self.service {
            self.flush();
            let tables = &self.context.snapshot.tables;
            let found = tables.services.get(service as usize);
            self.view = found.and_then(|service| tables.views.get(service.view as usize));
            (self.service, self.packets, self.bytes) = (service, 0, 0);
        }
        self.packets += 1;
        self.bytes += u64::from(bytes);
    }

    #[inline(always)]
    fn choose<'p>(
        &self,
        meta: &mut Meta,
        hash: u64,
        flow: impl FnOnce(&Meta) -> (FlowKey, &'p [u8]),
    ) -> Stage {
        let Some(view) = self.view else {
            return drop_packet(meta, DropReason::NoBackend);
        };
        let slot = view.slot(hash);
        let Some(word) = view.word(slot) else {
            return drop_packet(meta, DropReason::NoBackend);
        };
        meta.slot = slot;
        if word & CONSULT == 0 {
            return self.go(meta, view.first_backend + u32::from(word));
        }
        let (key, transport) = flow(meta);
        match self.consult(view, meta, word, hash, &key, transport) {
            Ok(local) => self.go(meta, view.first_backend + u32::from(local)),
            Err(reason) => drop_packet(meta, reason),
        }
    }

    #[cold]
    #[inline(never)]
    fn consult(
        &self,
        view: &View,
        meta: &Meta,
        word: u16,
        hash: u64,
        key: &FlowKey,
        transport: &[u8],
    ) -> Result<u16, DropReason> {
        let services = &self.context.snapshot.tables.services;
        let tracking = services
            .get(self.service as usize)
            .map_or(Tracking::Sticky, |service| service.tracking);
        let segment = if matches!(meta.protocol, ICMP4 | ICMP6) {
            Segment::RELATED
        } else {
            Segment::parse(tracking, transport)
        };
        let slot = Consulted::new(view, meta.slot, word, key).ok_or(DropReason::NoBackend)?;
        let flows = self.context.flows.ok_or(DropReason::NoBackend)?;
        let packet = Packet {
            key,
            hash: flows.hash(key, hash, &self.context.snapshot.tables.hasher),
            segment,
            tracking,
        };
        flows.choose(&slot, &packet, self.context.now)
    }

    #[inline(always)]
    fn go(&self, meta: &mut Meta, backend: u32) -> Stage {
        meta.backend = backend;
        if let Some(traffic) = self.context.traffic.backends.get(backend as usize) {
            traffic.add(1, meta.ip_len.into());
        }
        match self
            .context
            .snapshot
            .rewrites
            .get(backend as usize)
            .map(|rewrite| &rewrite.way)
        {
            Some(Way::Ipip4(_)) => Stage::Ipip4,
            Some(Way::Ipip6(_)) => Stage::Ipip6,
            Some(Way::L2Dsr) => Stage::L2Dsr,
            Some(Way::Unreachable(reason)) => drop_packet(meta, *reason),
            None => drop_packet(meta, DropReason::NoBackend),
        }
    }

    fn flush(&self) {
        if let Some(traffic) = self.context.traffic.services.get(self.service as usize) {
            traffic.add(self.packets, self.bytes);
        }
    }
}
