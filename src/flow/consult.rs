//! The way of a packet whose slot is consulted: find the flow's entry, decide, keep what is to be kept.

use super::entries::MOST;
use super::guards::{Guard, holds};
use super::{
    Entry, EntryTable, Found, Inserted, Kind, Known, Millis, Origin, Others, Segment, Step,
    SynFilter, decide,
};
use crate::packet::{DropReason, FlowKey};
use crate::table::{
    BY_FORMER, BackendId, CONSULT, FlowHasher, HashKey, Moving, NO_BACKEND, Phase, Tracking, View,
};

/// What workers and control share about flows in transition: one per node.
#[derive(Debug)]
pub struct Flows {
    /// The entries.
    pub entries: EntryTable,
    /// First packets that went to a default.
    pub firsts: SynFilter,
    /// The hash by which both are found: that of the entries, whatever the slots go by meanwhile.
    pub hasher: FlowHasher,
}

/// A packet on a consulted slot.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// The slot.
    pub slot: &'a Consulted<'a>,
    /// When it came.
    pub now: Millis,
    /// Its flow.
    pub key: &'a FlowKey,
    /// The flow's hash by [`Flows::hasher`].
    pub hash: u64,
    /// What it says of the flow.
    pub segment: Segment,
    /// How the service's flows are told apart.
    pub tracking: Tracking,
}

impl Packet<'_> {
    /// What a first packet is remembered by: a client that uses the 5-tuple again is not held to the old default.
    fn first(&self) -> u64 {
        self.hash ^ self.segment.mark()
    }

    /// An entry of its flow, which names its backend by number; there is none for a slot without a backend.
    fn entry(&self, local: u16, make: fn(BackendId, Segment, Millis) -> Entry) -> Option<Entry> {
        let member = self.slot.moving.member(local)?;
        Some(make(member.id, self.segment, self.now))
    }
}

/// A consulted slot, as one generation of a view has it.
#[derive(Debug, Clone, Copy)]
pub struct Consulted<'a> {
    moving: &'a Moving,
    slot: u32,
    phase: Phase,
    default: u16,
    target: u16,
}

impl<'a> Consulted<'a> {
    /// `slot` of `view`, whose word is `word`, for a packet of the flow `key`; `None` when nothing is known of its
    /// transition.
    #[inline(always)]
    #[must_use]
    pub fn new(view: &'a View, slot: u32, word: u16, key: &FlowKey) -> Option<Self> {
        let moving = view.moving.as_deref()?;
        let state = moving.slots.get(slot as usize)?;
        let mut of = Self {
            moving,
            slot,
            phase: state.phase,
            default: word & !CONSULT,
            target: state.target,
        };
        if of.default == BY_FORMER {
            of.go_by_former(key);
        }
        Some(of)
    }

    /// D as the former slots have it; T is D while nothing else is wanted.
    #[cold]
    fn go_by_former(&mut self, key: &FlowKey) {
        let former = self.moving.former.as_deref();
        self.default = former.map_or(NO_BACKEND, |former| former.default_of(key));
        if self.target == BY_FORMER {
            self.target = self.default;
        }
        if self.moving.member(self.default).is_none_or(|of| of.dead) {
            (self.phase, self.default) = (Phase::Orphaned, NO_BACKEND);
        } else if !holds(Guard::Former) {
            self.default = self.target;
        }
    }

    /// Local number of D.
    #[must_use]
    pub const fn default(&self) -> u16 {
        self.default
    }

    /// The entry's backend; `None` when this generation does not have it.
    #[must_use]
    pub fn known(&self, entry: Entry) -> Option<Known> {
        let local = self.moving.local(entry.backend)?;
        let dead = self.moving.member(local)?.dead;
        Some(Known { entry, local, dead })
    }

    /// Where the slot stands.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// Local number of T.
    #[must_use]
    pub const fn target(&self) -> u16 {
        self.target
    }

    fn restart(&self, now: Millis) {
        if holds(Guard::CleanUnlisted) {
            self.moving.clocks.restart(self.slot, now.0);
        }
    }
}

/// A decision, and the entry that it was taken on.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What is to be done.
    pub step: Step,
    /// The flow's entry, with its backend.
    pub known: Option<Known>,
    found: Option<Found>,
    /// As which of its 5-tuple's the flow can be listed.
    number: Option<u16>,
    /// The one of those that was learned, if the flow has none.
    learned: Option<Found>,
}

impl Flows {
    /// Flows of which these are the entries, found by the hash under `key`.
    #[must_use]
    pub fn new(entries: EntryTable, key: HashKey) -> Self {
        Self {
            entries,
            firsts: SynFilter::default(),
            hasher: FlowHasher::new(key),
        }
    }

    /// The hash by which a flow is found, given its `hash` by `hasher`.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, key: &FlowKey, hash: u64, hasher: &FlowHasher) -> u64 {
        if self.hasher.key() == hasher.key() {
            hash
        } else {
            self.hasher.hash_key(key)
        }
    }

    /// Decides on a packet, and leaves everything as it is.
    #[must_use]
    pub fn plan(&self, packet: &Packet<'_>) -> Plan {
        let (slot, now) = (packet.slot, packet.now);
        let listed = self.entries.find(packet.key, packet.hash);
        let mut found = listed.of(packet.segment);
        let learned = match found {
            Some(_) => None,
            None => listed.learned(),
        };
        if packet.segment.kind == Kind::First && found.is_none() {
            // The learned flow has ended, and its backend is dead: its entry is in the way.
            found = learned.filter(|of| slot.known(of.entry).is_some_and(|known| known.dead));
        }
        let known = found.and_then(|found| slot.known(found.entry));
        let remembered = || self.firsts.remembers(packet.first(), now);
        let others = match (found, learned) {
            (None, Some(_)) => Others::Learned,
            (None, None) if !listed.is_empty() => Others::Begun,
            _ => Others::Nobody,
        };
        let flow = (known, others);
        let step = decide(slot.phase, flow, packet.segment, now, remembered);
        Plan {
            step,
            known,
            found,
            number: listed.next(),
            learned,
        }
    }

    /// The local number of the backend that a packet goes to.
    ///
    /// # Errors
    /// [`DropReason::NoBackend`] when there is none; [`DropReason::FlowsFull`] when the flow has to be listed first
    /// and there is no room; [`DropReason::BackendUnknown`] when it is listed, and this generation does not have its
    /// backend.
    pub fn choose(&self, packet: &Packet<'_>) -> Result<u16, DropReason> {
        let slot = packet.slot;
        if packet.tracking == Tracking::Stateless {
            return some(match slot.phase {
                Phase::Steered | Phase::Frozen | Phase::Orphaned => slot.target,
                _ => slot.default,
            });
        }
        let mut plan = self.plan(packet);
        for _ in 0..MOST {
            if plan.step != Step::Forget {
                break;
            }
            // Whoever comes first removes it; the next decision sees what is there then.
            plan.found.map(|found| self.entries.remove(found.place));
            plan = self.plan(packet);
        }
        self.act(packet, &plan)
    }

    fn act(&self, packet: &Packet<'_>, plan: &Plan) -> Result<u16, DropReason> {
        let (slot, now) = (packet.slot, packet.now);
        if let (Some(found), None) = (plan.found, plan.known) {
            self.note(found, packet);
            return Err(DropReason::BackendUnknown);
        }
        let of_entry = plan.known.map_or(NO_BACKEND, |known| known.local);
        match plan.step {
            Step::Follow(entry) => {
                // A learned flow may be found to have ended, or the entry be of no use, before the packet is repeated.
                let stays = of_entry == slot.default || entry.origin == Origin::Learned;
                if packet.segment.kind == Kind::First && stays {
                    self.firsts.remember(packet.first(), now);
                }
                // Refused when another worker just moved the entry on: as good.
                plan.found
                    .map(|found| self.entries.update(found.place, entry));
                some(of_entry)
            }
            Step::Accompany => some(of_entry),
            Step::Steer => self.begin(packet, plan, slot.target),
            Step::Join => self.join(packet, plan),
            Step::Begin => {
                self.firsts.remember(packet.first(), now);
                self.begin(packet, plan, slot.default)
            }
            Step::Refuse => some(slot.target),
            Step::Learn => self.learn(packet, plan),
            // An entry that keeps coming back dead is being replaced by another worker.
            Step::Forget => self.default(packet, true),
            Step::Default { remember } => self.default(packet, remember),
            Step::Settle => some(slot.default),
        }
    }

    /// A flow is not silent while its packets come to a worker that is behind, and can't send them on.
    fn note(&self, found: Found, packet: &Packet<'_>) {
        let segment = packet.segment;
        if segment.kind != Kind::Related && found.entry.believes(segment) {
            let followed = found.entry.followed(segment, packet.now);
            self.entries.update(found.place, followed);
        }
    }

    fn begin(&self, packet: &Packet<'_>, plan: &Plan, local: u16) -> Result<u16, DropReason> {
        let make = match packet.segment.kind {
            Kind::First => Entry::begun,
            _ => Entry::learned,
        };
        let Some(entry) = packet.entry(local, make) else {
            return Err(DropReason::NoBackend);
        };
        match self.list(packet, plan.number, entry) {
            Some(Inserted::New) => some(local),
            Some(Inserted::Present(other)) => packet.slot.local(other),
            None if !holds(Guard::ListFirst) => some(local),
            None => self.join(packet, plan),
        }
    }

    /// What follows an unlisted first packet goes where the learned flow of the 5-tuple does, if there is one; so that does.
    fn join(&self, packet: &Packet<'_>, plan: &Plan) -> Result<u16, DropReason> {
        let now = packet.now;
        let Some(Found { place, entry, .. }) = plan.learned else {
            return self.default(packet, true);
        };
        // It is not dead, or the decision would have been to forget it.
        let local = packet.slot.local(entry)?;
        self.entries.update(place, Entry { seen: now, ..entry });
        self.firsts.remember(packet.first(), now);
        some(local)
    }

    fn learn(&self, packet: &Packet<'_>, plan: &Plan) -> Result<u16, DropReason> {
        let default = packet.slot.default;
        let entry = packet.entry(default, Entry::learned);
        let listed = entry.and_then(|entry| self.list(packet, plan.number, entry));
        match listed {
            Some(Inserted::New) => some(default),
            Some(Inserted::Present(other)) => packet.slot.local(other),
            None => self.default(packet, packet.segment.kind == Kind::First),
        }
    }

    /// Lists the flow; `None`: there is no room for it, or another flow of its 5-tuple took that just now. A first packet
    /// that goes to D says nothing that a RST could be judged by, but the entry it makes is D's all the same.
    fn list(&self, packet: &Packet<'_>, number: Option<u16>, entry: Entry) -> Option<Inserted> {
        let (key, hash) = (packet.key, packet.hash);
        let inserted = self.entries.insert(key, hash, number?, entry).ok()?;
        match inserted {
            Inserted::Present(other) if !other.believes(packet.segment) => None,
            _ => Some(inserted),
        }
    }

    /// To D unlisted, which the clean clock takes note of; or nowhere while D is about to change.
    fn default(&self, packet: &Packet<'_>, remember: bool) -> Result<u16, DropReason> {
        let (slot, now) = (packet.slot, packet.now);
        if slot.phase == Phase::Orphaned {
            return Err(DropReason::FlowsFull);
        }
        let of_flow = !matches!(packet.segment.kind, Kind::Reset | Kind::Related);
        if slot.phase == Phase::Frozen && of_flow && holds(Guard::Freeze) {
            return Err(DropReason::FlowsFull);
        }
        // A datagram may be the first of its flow, as a service that learns to tell them apart will see.
        if remember || packet.tracking == Tracking::Sticky {
            self.firsts.remember(packet.first(), now);
        }
        slot.restart(now);
        some(slot.default)
    }
}

impl Consulted<'_> {
    fn local(&self, entry: Entry) -> Result<u16, DropReason> {
        let known = self.known(entry).ok_or(DropReason::BackendUnknown)?;
        Ok(known.local)
    }
}

fn some(local: u16) -> Result<u16, DropReason> {
    if local == NO_BACKEND {
        Err(DropReason::NoBackend)
    } else {
        Ok(local)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flow::{Limits, Place};
    use crate::table::{BackendId, CleanClocks, Member, MovingSlot};

    const KEY: FlowKey = FlowKey([7; 5]);

    /// One slot on its way from backend 10 to backend 10, which is all that this worker has heard of.
    fn view() -> View {
        let slot = MovingSlot {
            target: 0,
            phase: Phase::Draining,
        };
        let moving = Moving {
            slots: [slot].into(),
            clocks: Arc::new(CleanClocks::new(1, 0)),
            former: None,
            locals: [(BackendId(10), 0)].into(),
            members: [Member {
                id: BackendId(10),
                dead: false,
            }]
            .into(),
        };
        View {
            moving: Some(Arc::new(moving)),
            ..View::settled("web".into(), 0, [CONSULT].into())
        }
    }

    fn segment(kind: Kind) -> Segment {
        let place = Place::Sequence {
            seq: 1_000,
            end: 1_010,
            ack: Some(1),
        };
        Segment { kind, place }
    }

    /// A worker ahead has listed the flow at a backend of the next generation. It would be thought silent here.
    #[test]
    fn a_flow_whose_backend_is_not_known_yet_is_not_silent() {
        let entries = EntryTable::in_memory(Limits::of(16)).unwrap();
        let flows = Flows::new(entries, HashKey::default());
        let (view, within) = (view(), segment(Kind::Within));
        let listed = Entry::learned(BackendId(99), within, Millis(0));
        flows.entries.insert(&KEY, 42, 0, listed).unwrap();
        let slot = Consulted::new(&view, 0, CONSULT, &KEY).unwrap();
        let seen = || {
            let found = flows.entries.find(&KEY, 42).of(within);
            found.unwrap().entry.seen
        };
        for (kind, expected) in [(Kind::Related, 0), (Kind::Within, 8_192)] {
            let packet = Packet {
                slot: &slot,
                now: Millis(8_192),
                key: &KEY,
                hash: 42,
                segment: segment(kind),
                tracking: Tracking::Tcp,
            };
            assert_eq!(flows.choose(&packet), Err(DropReason::BackendUnknown));
            assert_eq!(seen(), Millis(expected), "{kind:?}");
        }
    }
}
