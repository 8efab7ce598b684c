//! An entry: what is known of a flow in transition.

use super::Millis;
use crate::table::BackendId;

/// A listed entry's time is written when it moved by this much, so that the packets of a busy flow don't pull its cache
/// line from core to core; milliseconds. So the flow's last packet may have come up to this much later than is told.
pub(super) const SEEN_GRAIN: u32 = 64;

/// A flow's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where its packets go.
    pub backend: BackendId,
    /// How the flow came to be listed.
    pub origin: Origin,
    /// Whether an end was seen.
    pub closed: Closed,
    /// Sequence number behind the last believed packet, of a learned flow behind the last that was near; for SCTP the
    /// verification tag.
    pub seq: u32,
    /// Acknowledgement number of the last believed packet.
    pub ack: Option<u32>,
    /// When the last packet came.
    pub seen: Millis,
}

/// How a flow came to be listed; each kind has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By its first packet, and nothing followed yet.
    Unconfirmed,
    /// By its first packet, which others followed.
    Confirmed,
    /// By a packet from its middle.
    Learned,
}

/// Whether a flow's end was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Not yet.
    No,
    /// A FIN: the client has nothing more to send.
    Fin,
    /// A RST: it is over.
    Reset,
}
