//! l2dsr: leaves the packet as it is, and takes its old Ethernet header off.
//!
//! Next: neighbour; drop.

use super::{Context, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let rewrites = &context.snapshot.rewrites;
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |_, packet, meta| {
            let Some(rewrite) = rewrites.get(meta.backend as usize) else {
                return drop_packet(meta, DropReason::NoBackend);
            };
            match packet.reframe(meta.l3.into(), meta.ip_len.into(), rewrite.l2_room.into()) {
                Ok(_) => Stage::Neighbour,
                Err(_) => drop_packet(meta, DropReason::NoHeadroom),
            }
        },
    );
}
