//! ipip6: puts an outer IPv6 header in front (RFC 2473).
//!
//! Next: neighbour; drop.

use super::ipip::{self, Outer};
use super::{Context, Stage};
use crate::packet::{Buffer, FRAME_SIZE, Frame};
use crate::table::Way;
use crate::wire::{InnerFields, OuterIpv6};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    ipip::process::<B, OuterIpv6, 40>(frame, list, next, context);
}

impl Outer<40> for OuterIpv6 {
    #[inline(always)]
    fn of(way: &Way) -> Option<&Self> {
        match way {
            Way::Ipip6(outer) => Some(outer),
            _ => None,
        }
    }

    #[inline(always)]
    fn write(&self, out: &mut [u8; 40], payload_len: u16, inner: InnerFields, entropy: u64) {
        self.write(out, payload_len, inner, entropy);
    }
}
