//! What ipip4 and ipip6 share: an outer IP header goes in front, and the packet stays as it is, to the bit. The
//! balancer stands for the VIP's host, so the inner TTL is not spent here, and no inner checksum needs mending.

use super::{Context, Stage, drop_packet, for_each};
use crate::packet::{Buffer, DropReason, FRAME_SIZE, Frame, Meta};
use crate::table::{Rewrite, Way};
use crate::wire::InnerFields;

/// An outer header of `N` bytes.
pub(super) trait Outer<const N: usize>: Sized {
    /// The backend's header, if it is of this kind.
    fn of(way: &Way) -> Option<&Self>;

    /// Writes the header before a payload of `payload_len` bytes; `entropy` spreads the flows.
    fn write(&self, out: &mut [u8; N], payload_len: u16, inner: InnerFields, entropy: u64);
}

#[inline(always)]
pub(super) fn process<B: Buffer, O: Outer<N>, const N: usize>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    let rewrites = &*context.snapshot.rewrites;
    let hashes = &*frame.hashes;
    for_each(
        &mut frame.packets,
        &mut frame.meta,
        list,
        next,
        |index, packet, meta| {
            let hash = hashes[usize::from(meta.ip6)][usize::from(index)];
            encapsulate::<B, O, N>(packet, meta, hash, rewrites)
        },
    );
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // The lower part of the hash; the slot comes of the upper half.
fn encapsulate<B: Buffer, O: Outer<N>, const N: usize>(
    packet: &mut B,
    meta: &mut Meta,
    hash: u64,
    rewrites: &[Rewrite],
) -> Stage {
    let rewrite = rewrites.get(meta.backend as usize);
    let Some((outer, rewrite)) = rewrite.and_then(|rewrite| Some((O::of(&rewrite.way)?, rewrite)))
    else {
        return drop_packet(meta, DropReason::NoBackend);
    };
    let l2_room = usize::from(rewrite.l2_room);
    let Ok(bytes) = packet.reframe(meta.l3.into(), meta.ip_len.into(), l2_room + N) else {
        return drop_packet(meta, DropReason::NoHeadroom);
    };
    let l3 = bytes.get_mut(l2_room..).unwrap_or_default();
    if let Some((header, l3)) = l3.split_first_chunk_mut::<N>() {
        // Two calls, so that each is compiled for its own inner fields, most of which are constants for IPv6.
        if meta.ip6 {
            outer.write(header, meta.ip_len, InnerFields::of_ipv6(l3), hash);
        } else {
            outer.write(
                header,
                meta.ip_len,
                InnerFields::of_ipv4(l3, hash as u16),
                hash,
            );
        }
    }
    Stage::Neighbour
}
