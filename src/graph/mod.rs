//! The packet's way: one stage per file, and the walker that moves frames from stage to stage.
//!
//! A stage reads and writes bytes and metadata of the packets that it is given, and says for each where it
//! goes next. It knows no driver, no clock and no other stage. The walker runs the stages once, in the
//! order of [`Stage::WALK`]; since packets only move forward, that is the whole walk.
//!
//! Stages are not inlined into the walker, so that each loop has all registers to itself.

mod consult;
mod counters;
mod ethernet;
mod icmp;
mod ip4;
mod ip6;
mod ipip;
mod ipip4;
mod ipip6;
mod l2dsr;
mod lookup;
mod neighbour;
mod select;
mod stage;
mod walker;

pub use counters::{Cell, GraphCounters, PortCounters, StageCounters, Traffic, TrafficSheet};
pub use stage::Stage;
pub use walker::{Context, Graph, Ingress, List};

use crate::packet::{DropReason, FRAME_SIZE, Meta};

/// Notes why a packet is dropped, and sends it there.
#[inline(always)]
fn drop_packet(meta: &mut Meta, reason: DropReason) -> Stage {
    meta.reason = reason;
    Stage::Drop
}

/// Gives each packet on `list` to `decide`, and notes in `next` where it goes. There is one loop, and so one call:
/// the compiler makes both one.
#[inline(always)]
fn for_each<B>(
    packets: &mut [B],
    meta: &mut [Meta; FRAME_SIZE],
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    mut decide: impl FnMut(u8, &mut B, &mut Meta) -> Stage,
) {
    for (&index, next) in list.iter().zip(next) {
        let i = usize::from(index);
        *next = decide(index, &mut packets[i], &mut meta[i]);
    }
}
