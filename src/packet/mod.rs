//! Packets on their way through the graph: the buffer that a driver lends us, what we know of it, and
//! how it leaves.

mod buffer;
mod frame;
mod key;
mod meta;
mod verdict;

pub use buffer::{Buffer, NoRoom};
pub use frame::Frame;
pub use key::{FlowKey, FlowKeys, Transport};
pub use meta::{Meta, NONE};
pub use verdict::{DropReason, Verdict};

/// Largest frame (vector of packets): indices into it fit a `u8`.
pub const FRAME_SIZE: usize = 256;
