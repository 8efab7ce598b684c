//! A slot in transition: which entry the flow has, which row of the decision table is met, and why.

use super::Walked;
use crate::control::api::schema::{EntryOfFlow, Moving};
use crate::flow::{Consulted, Entry, Flows, Kind, Millis, Others, Place, Segment, Step, decide};
use crate::table::{CONSULT, NO_BACKEND, Phase, Snapshot, Tracking, View};

/// Where the connection's next packet goes, and why.
pub(super) struct Decision {
    /// Local number of the backend.
    pub local: u16,
    /// As it is told.
    pub moving: Moving,
}

impl Decision {
    /// Decides as a worker would, and leaves everything as it is; `None`: the slot is settled.
    pub fn on(snapshot: &Snapshot, walked: &Walked, flows: &Flows, now: Millis) -> Option<Self> {
        let view = walked.view(snapshot)?;
        let word = view.word(walked.meta.slot)?;
        if word & CONSULT == 0 {
            return None;
        }
        let slot = Slot {
            view,
            of: Consulted::new(view, walked.meta.slot, word, &walked.key)?,
        };
        let hash = flows.hash(&walked.key, walked.hash, &snapshot.tables.hasher);
        let services = &snapshot.tables.services;
        let tracking = services.get(walked.meta.service as usize)?.tracking;
        let listed = flows.entries.find(&walked.key, hash);
        let found = listed.of(Segment::RELATED);
        let others = listed
            .all()
            .filter(|other| found.is_none_or(|found| found.number != other.number));
        let entry = found.map(|found| found.entry);
        let (local, rule) = match tracking {
            Tracking::Stateless => slot.stateless(),
            _ => slot.decide(tracking, entry, now, |segment| {
                flows.firsts.remembers(hash ^ segment.mark(), now)
            }),
        };
        let moving = Moving {
            phase: name(slot.of.phase()).to_owned(),
            default: slot.backend(slot.of.default()),
            target: slot.backend(slot.of.target()),
            entry: entry.map(|entry| slot.tell(entry, now)),
            others: others.map(|other| slot.tell(other.entry, now)).collect(),
            rule: rule.to_owned(),
        };
        Some(Self { local, moving })
    }
}

/// A consulted slot.
struct Slot<'s> {
    view: &'s View,
    of: Consulted<'s>,
}

impl Slot<'_> {
    /// A backend's name.
    fn backend(&self, local: u16) -> Option<String> {
        let backend = self.view.backends.get(usize::from(local))?;
        Some(backend.name.to_string())
    }

    fn tell(&self, entry: Entry, now: Millis) -> EntryOfFlow {
        let known = self.of.known(entry);
        EntryOfFlow {
            backend: known.and_then(|known| self.backend(known.local)),
            origin: entry.origin.into(),
            closed: entry.closed.into(),
            idle_ms: now.since(entry.seen).into(),
        }
    }

    fn stateless(&self) -> (u16, &'static str) {
        match self.of.phase() {
            Phase::Steered | Phase::Frozen | Phase::Orphaned => (
                self.of.target(),
                "stateless; slot steered: every packet goes to the new backend (T)",
            ),
            _ => (
                self.of.default(),
                "stateless; slot not steered: every packet goes to the default (D)",
            ),
        }
    }

    /// What a flow that lives would do next; without one, what a new one would.
    fn decide(
        &self,
        tracking: Tracking,
        entry: Option<Entry>,
        now: Millis,
        remembered: impl Fn(Segment) -> bool,
    ) -> (u16, &'static str) {
        let known = entry.and_then(|entry| self.of.known(entry));
        let first = first(tracking);
        let segment = known.map_or(first, |known| next(tracking, known.entry));
        let by = |known| {
            let remembered = || remembered(first);
            decide(
                self.of.phase(),
                (known, Others::Nobody),
                segment,
                now,
                remembered,
            )
        };
        let mut step = by(known);
        if step == Step::Forget {
            step = by(None);
        }
        let of_entry = known.map_or(NO_BACKEND, |known| known.local);
        let local = match step {
            Step::Follow(_) | Step::Accompany => of_entry,
            Step::Steer | Step::Refuse => self.of.target(),
            Step::Begin
            | Step::Join
            | Step::Learn
            | Step::Forget
            | Step::Default { .. }
            | Step::Settle => self.of.default(),
        };
        (local, rule(step, self.of.phase()))
    }
}

/// A new flow's first packet. Its sequence number is its own affair.
const fn first(tracking: Tracking) -> Segment {
    match tracking {
        Tracking::Tcp | Tracking::Sctp | Tracking::Quic => Segment {
            kind: Kind::First,
            place: Place::Unknown,
        },
        Tracking::Sticky | Tracking::Stateless => Segment::WITHIN,
    }
}

/// A listed flow's next packet.
const fn next(tracking: Tracking, entry: Entry) -> Segment {
    let (seq, ack) = (entry.seq, entry.ack);
    let place = match tracking {
        Tracking::Tcp => Place::Sequence { seq, end: seq, ack },
        Tracking::Sctp => Place::Tag {
            tag: seq,
            echo: true,
        },
        Tracking::Quic | Tracking::Sticky | Tracking::Stateless => Place::Unknown,
    };
    Segment {
        kind: Kind::Within,
        place,
    }
}

const fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Settled => "settled",
        Phase::Armed => "armed",
        Phase::Waiting => "waiting",
        Phase::Steered => "steered",
        Phase::Frozen => "frozen",
        Phase::Draining => "draining",
        Phase::Orphaned => "orphaned",
    }
}

/// The row of the decision table, in words.
const fn rule(step: Step, phase: Phase) -> &'static str {
    match (step, phase) {
        (Step::Follow(_) | Step::Accompany, _) => {
            "its own entry: a listed flow goes to its entry's backend, however its slot moves"
        }
        (Step::Refuse, _) => {
            "its entry's backend is given up: to the new backend (T), whose RST tells the client"
        }
        (Step::Steer, _) => {
            "no entry, slot steered: a new flow goes to the new backend (T), and is listed; one that was there before \
             the change goes to the default (D), and is listed with its next packet"
        }
        (Step::Learn | Step::Begin | Step::Join, _) => {
            "no entry: it may be a flow that was there before the change, so it goes to the default (D), and is listed"
        }
        (Step::Default { .. }, Phase::Armed) => {
            "no entry, slot armed: new flows still go to the default (D), and are remembered, until every worker \
             knows of the change"
        }
        (Step::Default { .. }, Phase::Waiting) => {
            "no entry, slot waits for room among the listed flows: all go to the default (D) meanwhile"
        }
        (Step::Default { .. }, Phase::Draining) | (Step::Settle | Step::Forget, _) => {
            "no entry, and the slot has gone over: the default (D) is the new backend; only flows that are listed \
             elsewhere are looked up"
        }
        (Step::Default { .. }, _) => {
            "no entry, and its first packet was sent to the default (D) before: so it goes there again"
        }
    }
}
