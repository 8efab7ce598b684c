//! ipip4: puts an outer IPv4 header in front (RFC 2003 for IPv4, RFC 4213 for IPv6).
//!
//! Next: neighbour; drop.

use super::ipip::{self, Outer};
use super::{Context, Stage};
use crate::packet::{Buffer, FRAME_SIZE, Frame};
use crate::table::Way;
use crate::wire::{InnerFields, OuterIpv4};

#[inline(never)]
pub(super) fn process<B: Buffer>(
    frame: &mut Frame<B>,
    list: &[u8],
    next: &mut [Stage; FRAME_SIZE],
    context: &Context<'_>,
) {
    ipip::process::<B, OuterIpv4, 20>(frame, list, next, context);
}

impl Outer<20> for OuterIpv4 {
    #[inline(always)]
    fn of(way: &Way) -> Option<&Self> {
        match way {
            Way::Ipip4(outer) => Some(outer),
            _ => None,
        }
    }

    #[inline(always)]
    fn write(&self, out: &mut [u8; 20], payload_len: u16, inner: InnerFields, entropy: u64) {
        self.write(out, payload_len, inner, entropy);
    }
}
