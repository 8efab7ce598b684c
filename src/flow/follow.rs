//! How an entry follows its flow, and whom it believes.
//!
//! Somebody off the path can forge packets of a flow, but not where in the flow they stand. An entry made by a SYN
//! sends packets elsewhere than the default does, so it counts only packets that stand near the last one that
//! it believed: the real flow, if it is another, keeps its default that way. An entry learned from the middle
//! of a flow only confirms the default, so it believes all, and no end shortens its life. But behind an end that stood where
//! the flow's next packet would, it lets a SYN begin the next flow of the ports, beside it. Where several entries of a 5-tuple
//! believe a packet, it is of the one whose position it is nearest to.

use super::entry::SEEN_GRAIN;
use super::guards::{Guard, holds};
use super::{Closed, Entry, Kind, Millis, Origin, Place, Segment};
use crate::table::{BackendId, FlowTimes};

/// How far a packet may stand from the last believed one. More than a sender may have in flight on all but the
/// longest and fattest paths. By chance another flow's are as near once in 128.
const WINDOW: u32 = 16 << 20;
/// The same of acknowledgements, which the server's sending moves. By chance once in 32.
const ACK_WINDOW: u32 = 64 << 20;
/// The same before anything followed the SYN: more than an initial congestion window (RFC 6928). By chance once in
/// 32,768.
const FIRST_WINDOW: u32 = 64 << 10;
/// How far from the first one a repeated SYN may end: it may leave out the data that the first had (RFC 7413).
const FIRST_DATA: u32 = 16 << 10;

impl Entry {
    /// An entry for a flow that `segment` begins.
    #[must_use]
    pub fn begun(backend: BackendId, segment: Segment, now: Millis) -> Self {
        Self::at(backend, Origin::Unconfirmed, segment, now)
    }

    /// An entry for a flow of which `segment` is the first seen.
    #[must_use]
    pub fn learned(backend: BackendId, segment: Segment, now: Millis) -> Self {
        let entry = Self::at(backend, Origin::Learned, segment, now);
        let closed = entry.closed_by(segment);
        Self { closed, ..entry }
    }

    fn at(backend: BackendId, origin: Origin, segment: Segment, now: Millis) -> Self {
        let (seq, ack) = match segment.place {
            Place::Sequence { end, ack, .. } => (end, ack),
            Place::Tag { tag, .. } => (tag, None),
            Place::Unknown => (0, None),
        };
        Self {
            backend,
            origin,
            closed: Closed::No,
            seq,
            ack,
            seen: now,
        }
    }

    /// Whether `segment` can be of the flow that this entry was made for.
    #[must_use]
    pub fn believes(&self, segment: Segment) -> bool {
        let begins = segment.kind == Kind::First;
        if self.origin == Origin::Learned {
            return !begins || self.closed == Closed::No;
        }
        match segment.place {
            Place::Sequence { end, .. } if begins => {
                distance(end, self.seq) <= FIRST_DATA && self.may_begin()
            }
            Place::Sequence { seq, ack, .. } => {
                self.near(seq) && self.acknowledges(segment.kind, ack)
            }
            Place::Tag { tag, echo } => match self.origin {
                Origin::Unconfirmed => echo || begins,
                _ => tag == self.seq,
            },
            Place::Unknown => true,
        }
    }

    /// How far from this entry's flow a segment stands, to be compared with how far it is from others of its 5-tuple's.
    #[must_use]
    pub fn distance(&self, segment: Segment) -> u64 {
        match segment.place {
            Place::Sequence { seq, end, ack } => {
                let acked = match (self.ack, ack) {
                    (Some(mine), Some(its)) => distance(mine, its),
                    _ => FIRST_WINDOW,
                };
                // A SYN that is repeated ends where the one before did.
                let at = if segment.kind == Kind::First {
                    end
                } else {
                    seq
                };
                u64::from(distance(at, self.seq)) + u64::from(acked)
            }
            Place::Tag { tag, .. } => u64::from(tag != self.seq),
            // About a flow that is open, if there is one.
            Place::Unknown => u64::from(self.closed != Closed::No),
        }
    }

    /// Whether the flow is open, has acknowledged something, and is where the segment stands.
    #[must_use]
    pub fn stands(&self, segment: Segment) -> bool {
        self.closed == Closed::No && self.ack.is_some() && self.is_about(segment)
    }

    fn near(&self, seq: u32) -> bool {
        let window = match self.origin {
            Origin::Unconfirmed => FIRST_WINDOW,
            _ => WINDOW,
        };
        distance(seq, self.seq) <= window
    }

    /// Whether a SYN near the flow's position can be its client's, repeated. Once the client has acknowledged its answer, a
    /// SYN is that of the next connection by the same ports, a little further on (RFC 6528), or forged.
    fn may_begin(&self) -> bool {
        self.origin == Origin::Unconfirmed || self.ack.is_none()
    }

    /// Whether a packet acknowledges about what the flow did. All of a connection's do but its SYN, and some RST (RFC 9293,
    /// section 3.10.7.4).
    fn acknowledges(&self, kind: Kind, ack: Option<u32>) -> bool {
        match (self.ack, ack) {
            (Some(mine), Some(its)) => distance(mine, its) <= ACK_WINDOW,
            (None, Some(_)) => true,
            (_, None) => kind == Kind::Reset,
        }
    }

    /// The entry behind a packet that it [believes](Self::believes). The end of a flow only shortens the silence that
    /// ends the entry, and what comes after a RST shows that there was none.
    #[must_use]
    pub fn followed(mut self, segment: Segment, now: Millis) -> Self {
        if segment.kind == Kind::Reset && !self.is_reset_by(segment) {
            return self;
        }
        self.closed = self.closed_by(segment);
        self.advance(segment);
        Self { seen: now, ..self }
    }

    /// Whether the entry takes a RST's word: it has to stand where the next packet would, as RFC 5961, section 3.2
    /// has it.
    fn is_reset_by(&self, segment: Segment) -> bool {
        let in_sequence = match segment.place {
            Place::Sequence { seq, .. } if self.origin == Origin::Learned => self.is_next(seq),
            Place::Sequence { seq, .. } => seq == self.seq,
            Place::Tag { tag, .. } => tag == self.seq && self.origin != Origin::Learned,
            Place::Unknown => return false,
        };
        in_sequence || !holds(Guard::ResetInSequence)
    }

    fn closed_by(&self, segment: Segment) -> Closed {
        match (self.closed, segment.kind) {
            (_, Kind::Reset) => Closed::Reset,
            _ if self.origin == Origin::Learned => self.learned_closed(segment),
            (_, Kind::Fin) | (Closed::Fin, Kind::Within) => Closed::Fin,
            _ => Closed::No,
        }
    }

    /// A learned entry's flow has ended if a FIN is its next packet, or the first that is known, until it goes on beyond
    /// that.
    fn learned_closed(&self, segment: Segment) -> Closed {
        let Place::Sequence { seq, end, .. } = segment.place else {
            return Closed::No;
        };
        let about = self.is_about(segment);
        let goes_on = !about || later(self.seq, end) != self.seq;
        match segment.kind {
            Kind::Fin if about && (self.is_next(seq) || end == self.seq) => Closed::Fin,
            Kind::Fin | Kind::Within if goes_on => Closed::No,
            _ => self.closed,
        }
    }

    /// Whether a learned flow's next packet stands at `seq`. A keepalive, if that was the last, stands one before it.
    fn is_next(&self, seq: u32) -> bool {
        self.ack.is_some() && seq.wrapping_sub(self.seq) <= 1
    }

    fn advance(&mut self, segment: Segment) {
        if matches!(segment.kind, Kind::First | Kind::Reset) {
            return;
        }
        if !self.is_about(segment) {
            // Who knows where the flow is? No end of it is believed from now on.
            self.ack = None;
            return;
        }
        match segment.place {
            Place::Sequence { end, ack, .. } => {
                self.seq = later(self.seq, end);
                self.ack = match (self.ack, ack) {
                    (Some(mine), Some(its)) => Some(later(mine, its)),
                    (mine, its) => its.or(mine),
                };
            }
            Place::Tag { tag, .. } => self.seq = tag,
            Place::Unknown => {}
        }
        if self.origin == Origin::Unconfirmed {
            self.origin = Origin::Confirmed;
        }
    }

    /// Whether a packet tells where the flow is. One that a learned entry believes may be far from it, and forged; and what
    /// the entry was made by may have been.
    fn is_about(&self, segment: Segment) -> bool {
        match segment.place {
            Place::Sequence { seq, ack, .. } if self.origin == Origin::Learned => {
                self.ack.is_some() && self.near(seq) && self.acknowledges(segment.kind, ack)
            }
            _ => true,
        }
    }

    /// How long the flow may be silent before the entry ends, in milliseconds.
    #[must_use]
    pub fn patience(&self, times: &FlowTimes) -> u32 {
        match (self.closed, self.origin) {
            (_, Origin::Learned) => times.idle,
            (Closed::Reset, _) => times.reset.min(times.idle),
            (Closed::Fin, _) => times.half_closed,
            (Closed::No, Origin::Unconfirmed) => times.unconfirmed.min(times.idle),
            (Closed::No, _) => times.idle,
        }
    }

    /// Whether the flow was silent for too long.
    #[must_use]
    pub fn has_ended(&self, times: &FlowTimes, now: Millis) -> bool {
        now.since(self.seen) >= self.patience(times) + SEEN_GRAIN
    }
}

/// How far apart two sequence numbers are, either way round (RFC 9293, section 3.4).
fn distance(a: u32, b: u32) -> u32 {
    a.wrapping_sub(b).min(b.wrapping_sub(a))
}

/// The later of two sequence numbers that are less than half the space apart.
fn later(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a) < 1 << 31 { b } else { a }
}
