//! ethernet: is the frame ours, and what does it carry?
//!
//! Next: ip4, ip6; punt (another protocol, multicast, broadcast); drop.

use super::{Context, Ingress, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame, Meta};
use crate::wire::{EtherType, EthernetView};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let ingress = context.ingress;
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |_, packet, meta| {
            *meta = Meta::BLANK;
            match EthernetView::parse(packet.bytes()) {
                Some(view) => dispatch(&view, meta, ingress),
                None => drop_packet(meta, DropReason::EthernetTruncated),
            }
        },
    );
}

#[inline(always)]
fn dispatch(view: &EthernetView<'_>, meta: &mut Meta, ingress: Ingress) -> Stage {
    meta.l3 = view.payload;
    let destination = view.destination();
    if ingress.mac.is_some_and(|own| own != destination) {
        if destination.is_group() {
            return Stage::Punt;
        }
        // A switch that has forgotten our neighbour floods its frames.
        return drop_packet(meta, DropReason::OtherHost);
    }
    match view.ether_type {
        EtherType::IPV4 => Stage::Ip4,
        EtherType::IPV6 => Stage::Ip6,
        _ => Stage::Punt,
    }
}
