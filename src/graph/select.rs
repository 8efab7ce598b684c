//! select: hashes the flow keys of the whole frame, then slot to backend. A settled slot's word is the backend; one in
//! transition is to be consulted.
//!
//! Next: ipip4, ipip6, l2dsr (by the backend); consult; drop.

use super::{Context, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame, Meta, NONE};
use crate::table::{CONSULT, Tables, View, Way};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    hash(frame, &context.snapshot.tables);
    let hashes = &*frame.hashes;
    let mut run = Run::new(context);
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |index, _, meta| {
            run.enter(meta.service, meta.ip_len);
            let hash = hashes[usize::from(meta.ip6)][usize::from(index)];
            run.choose(meta, hash)
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
    fn choose(&self, meta: &mut Meta, hash: u64) -> Stage {
        let Some(view) = self.view else {
            return drop_packet(meta, DropReason::NoBackend);
        };
        let slot = view.slot(hash);
        let Some(word) = view.word(slot) else {
            return drop_packet(meta, DropReason::NoBackend);
        };
        meta.slot = slot;
        if word & CONSULT != 0 {
            return Stage::Consult;
        }
        send_to(self.context, meta, view.first_backend + u32::from(word))
    }

    fn flush(&self) {
        if let Some(traffic) = self.context.traffic.services.get(self.service as usize) {
            traffic.add(self.packets, self.bytes);
        }
    }
}

/// Counts a packet for its backend, and sends it to the encapsulation on the way there.
#[inline(always)]
pub(super) fn send_to(context: &Context<'_>, meta: &mut Meta, backend: u32) -> Stage {
    meta.backend = backend;
    if let Some(traffic) = context.traffic.backends.get(backend as usize) {
        traffic.add(1, meta.ip_len.into());
    }
    let rewrite = context.snapshot.rewrites.get(backend as usize);
    match rewrite.map(|rewrite| &rewrite.way) {
        Some(Way::Ipip4(_)) => Stage::Ipip4,
        Some(Way::Ipip6(_)) => Stage::Ipip6,
        Some(Way::L2Dsr) => Stage::L2Dsr,
        Some(Way::Unreachable(reason)) => drop_packet(meta, *reason),
        None => drop_packet(meta, DropReason::NoBackend),
    }
}
