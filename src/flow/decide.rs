//! The decision table: where a packet on a consulted slot goes, and what is kept of it. Pure.
//!
//! | packet | its entry | goes to |
//! |---|---|---|
//! | first of a flow | none; slot armed, waiting or draining, or it was sent to D before | D, and is remembered; beside others: as below |
//! | first | none; slot steered | T, and is listed; no room: D, and is remembered |
//! | first | none, but others of its 5-tuple | as above, and is listed wherever it goes; no room, or sent there before: where a learned one goes |
//! | first | of a flow that may live, and that it may be of | the entry's backend |
//! | first | its backend is dead | as with none |
//! | other | that it belongs to, or learned | the entry's backend |
//! | other | that it belongs to, but its backend is dead | T, whose RST tells the client; learned, or of UDP: as with none |
//! | other | none | D, and learned as a flow of D, a RST never; unlisted beside entries of other flows |
//! | ICMP error | that of its flow | as the flow, and leaves no trace |
//!
//! A packet has no entry as well if those of its 5-tuple can't be of its flow, since it stands elsewhere. If it begins a
//! flow, that is listed beside them, at D too: clients take their ports again, and if they went to D unlisted then, no slot
//! of theirs were ever clean, and what followed might be taken for the others'. The packets after it stand where it does, so
//! the flow is whole; and nobody who forges some can move an entry's idea of where its own flow is. Beside the fourth there
//! is no room. From the middle nothing is learned beside others: a learned entry believes all. That is why a SYN is its own
//! as well, until its flow has ended.
//!
//! No worker finds that an entry has ended: a packet of its flow may wait in another's queue. The walk over the entries
//! knows up to when all were heard, and removes it.
//!
//! Where a flow's D is that of former slots, and dead, its first packet goes to T, listed or not at all, and any other to T
//! without a trace.
//!
//! Whatever leaves on D without being listed starts the slot's clean clock anew. While the slot is *frozen* nothing may
//! leave so: what can't be listed then is dropped, for the sender to try again.

use super::guards::{Guard, holds};
use super::{Entry, Kind, Millis, Origin, Place, Segment};
use crate::table::Phase;

/// What is known of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its entry.
    pub entry: Entry,
    /// Local number of the entry's backend.
    pub local: u16,
    /// Whether that backend's connections are given up.
    pub dead: bool,
}

/// What is to be done with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To the entry's backend; the entry becomes this one.
    Follow(Entry),
    /// To the entry's backend, without a trace.
    Accompany,
    /// To T, as soon as it is listed there as a new flow; to D otherwise.
    Steer,
    /// To D, as soon as it is listed there as a new flow beside others.
    Begin,
    /// To the backend of the learned flow of its 5-tuple, and is remembered.
    Join,
    /// To T, without a trace.
    Refuse,
    /// To D, and learned as a flow of D if there is room.
    Learn,
    /// To D, unlisted.
    Default {
        /// So that a first packet's repetition goes to D as well.
        remember: bool,
    },
    /// To D, which is all there is.
    Settle,
    /// The entry is of no use: it goes, and the decision is taken anew.
    Forget,
}

/// Which entries other flows of a 5-tuple have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// None.
    Nobody,
    /// Some that began with a first packet.
    Begun,
    /// Among them a learned one.
    Learned,
}

/// Decides on a packet of a slot in `phase`, whose flow is `known` to have an entry; `others` are those of its 5-tuple if it
/// has not. `remembered` tells whether a first packet of the flow was sent off unlisted lately; it is asked only if it
/// matters.
#[must_use]
pub fn decide(
    phase: Phase,
    (known, others): (Option<Known>, Others),
    segment: Segment,
    now: Millis,
    remembered: impl Fn() -> bool,
) -> Step {
    let Some(known) = known else {
        let step = unlisted(phase, segment, &remembered);
        return beside(others, step, segment.kind, &remembered);
    };
    let entry = known.entry;
    match segment.kind {
        Kind::First if known.dead && holds(Guard::DeadTarget) => Step::Forget,
        Kind::Related if known.dead => Step::Refuse,
        Kind::Related => Step::Accompany,
        _ if !known.dead => Step::Follow(entry.followed(segment, now)),
        // A worker that had not heard of the death may have learned it of a flow that was never there.
        _ if entry.origin == Origin::Learned => Step::Forget,
        // UDP knows no RST, and the packet may begin a flow that the server takes.
        _ if segment.place == Place::Unknown => Step::Forget,
        _ => Step::Refuse,
    }
}

/// What is done instead of a step beside entries of other flows.
fn beside(others: Others, step: Step, kind: Kind, remembered: impl Fn() -> bool) -> Step {
    let learned = others == Others::Learned;
    match (step, kind) {
        _ if others == Others::Nobody => step,
        (_, Kind::First) if learned && holds(Guard::SynFilter) && remembered() => Step::Join,
        (Step::Learn | Step::Default { .. }, Kind::First) if holds(Guard::Beside) => Step::Begin,
        (Step::Learn | Step::Refuse, _) => Step::Default { remember: false },
        _ => step,
    }
}

fn unlisted(phase: Phase, segment: Segment, remembered: impl Fn() -> bool) -> Step {
    match (phase, segment.kind) {
        // Of a change that was taken back, a worker that does not know it yet steers still.
        (Phase::Draining, Kind::First) => Step::Default { remember: true },
        (Phase::Settled | Phase::Draining, _) => Step::Settle,
        (Phase::Orphaned, kind) => orphaned(kind, segment.place),
        (_, Kind::Related) => Step::Default { remember: false },
        (_, Kind::Reset) if holds(Guard::ResetUnlearned) => Step::Default { remember: false },
        (_, Kind::First) => first(phase, remembered),
        (Phase::Armed | Phase::Steered | Phase::Frozen, _) => Step::Learn,
        (Phase::Waiting, _) => Step::Default { remember: false },
    }
}

/// D is dead, so there is nothing to be guessed. Where no packet tells that its flow is new, each may be.
const fn orphaned(kind: Kind, place: Place) -> Step {
    match (kind, place) {
        (Kind::First, _) | (Kind::Within, Place::Unknown) => Step::Steer,
        _ => Step::Refuse,
    }
}

/// A flow begins; or its first packet is repeated, and the one before it went to D.
fn first(phase: Phase, remembered: impl Fn() -> bool) -> Step {
    let steers = matches!(phase, Phase::Steered | Phase::Frozen);
    if steers && !(holds(Guard::SynFilter) && remembered()) {
        Step::Steer
    } else if phase == Phase::Frozen {
        // It has to be listed to leave at all.
        Step::Learn
    } else {
        Step::Default { remember: true }
    }
}
