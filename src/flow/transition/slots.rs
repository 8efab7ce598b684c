//! One view's slots on the control side: D, T and phase of each, and how a change of T begins.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::{Since, Tick};
use crate::flow::Millis;
use crate::flow::guards::{Guard, holds};
use crate::table::{
    BackendId, CONSULT, CleanClocks, FlowTimes, Member, Moving, MovingSlot, NO_BACKEND, Phase,
    Round,
};

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// D.
    pub default: u16,
    /// T.
    pub target: u16,
    /// Where it stands.
    pub phase: Phase,
    /// Since when it stands there.
    pub since: Since,
}

/// A view's slots and backends.
#[derive(Debug)]
pub struct Slots {
    pub(super) slots: Vec<Slot>,
    /// By local number; `None` may be given to another backend.
    pub(super) members: Vec<Option<Member>>,
    /// Their local numbers.
    pub(super) locals: HashMap<BackendId, u16>,
    /// Backends that nothing needs since a round, by local number.
    pub(super) retired: BTreeMap<u16, Round>,
    pub(super) clocks: Arc<CleanClocks>,
    pub(super) times: FlowTimes,
    /// How many slots are not settled.
    pub(super) consulted: usize,
    /// How many slots' new flows go to D still, though D is not T.
    pub(super) armed: usize,
    /// Changed since it was published last.
    pub(super) dirty: bool,
    /// Changed since it was recorded last, in what a restart can't find out by itself: defaults, and which slots are
    /// consulted. Targets follow from what is wanted, but not while a pool panics: its table is not looked at then.
    pub(super) unrecorded: bool,
    /// How many defaults have changed.
    pub(super) flips: u64,
}

impl Slots {
    /// A settled view: `defaults` are local numbers of `members`.
    #[must_use]
    pub fn settled(defaults: &[u16], members: Vec<Option<Member>>, times: FlowTimes) -> Self {
        let slot = |default: &u16| Slot {
            default: *default,
            target: *default,
            phase: Phase::Settled,
            since: Since::default(),
        };
        Self {
            slots: defaults.iter().map(slot).collect(),
            locals: numbers(&members).collect(),
            members,
            retired: BTreeMap::new(),
            clocks: Arc::new(CleanClocks::new(defaults.len(), 0)),
            times,
            consulted: 0,
            armed: 0,
            dirty: true,
            unrecorded: true,
            flips: 0,
        }
    }

    /// As it was before a restart: `consulted` slots go on being consulted. With their targets they begin anew from the
    /// arm, since the SYNs that went to a default are forgotten.
    #[must_use]
    pub fn restored(
        defaults: &[u16],
        consulted: impl Iterator<Item = u32>,
        members: Vec<Option<Member>>,
        times: FlowTimes,
        round: Round,
        now: Millis,
    ) -> Self {
        let phase = if holds(Guard::RearmAtRestart) {
            Phase::Draining
        } else {
            Phase::Steered
        };
        let mut slots = Self::settled(defaults, members, times);
        for slot in consulted.map(|slot| slot as usize) {
            if slot < slots.slots.len() {
                slots.enter(slot, phase, round, now);
            }
        }
        slots
    }

    /// The slots for a service that leaves this view for another pool. All are consulted, and begin anew from the arm
    /// with their targets: until every worker has them, some look at this view's clocks.
    #[must_use]
    pub fn parted(&self, round: Round, now: Millis) -> Self {
        let defaults: Vec<u16> = self.slots.iter().map(|slot| slot.default).collect();
        let all = 0..index(defaults.len());
        Self::restored(&defaults, all, self.members.clone(), self.times, round, now)
    }

    /// Backends by local number.
    #[must_use]
    pub fn members(&self) -> &[Option<Member>] {
        &self.members
    }

    /// The local number of a backend.
    #[must_use]
    pub fn local(&self, id: BackendId) -> Option<u16> {
        self.locals.get(&id).copied()
    }

    /// The local number of a backend, given to it if it had none; `None` when all are taken.
    pub fn admit(&mut self, id: BackendId) -> Option<u16> {
        if let Some(known) = self.local(id) {
            return Some(known);
        }
        let free = self.members.iter().position(Option::is_none);
        let at = free.unwrap_or(self.members.len());
        let local = u16::try_from(at).ok().filter(|local| *local < NO_BACKEND)?;
        self.members.resize(self.members.len().max(at + 1), None);
        self.members[at] = Some(Member { id, dead: false });
        self.locals.insert(id, local);
        self.dirty = true;
        Some(local)
    }

    /// Says of each backend whether its connections are given up.
    pub fn set_dead(&mut self, is_dead: impl Fn(BackendId) -> bool) {
        for member in self.members.iter_mut().flatten() {
            let dead = is_dead(member.id);
            self.dirty |= member.dead != dead;
            member.dead = dead;
        }
    }

    /// Whether a default is dead, so that its slot waits for a target that is not.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let named = |slot: &Slot| slot.default != NO_BACKEND && self.is_dead(slot.default);
        self.slots.iter().any(named)
    }

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// D of each slot.
    #[must_use]
    pub fn defaults(&self) -> Vec<u16> {
        self.slots.iter().map(|slot| slot.default).collect()
    }

    /// Whether both are settled on the same backends.
    #[must_use]
    pub fn stands_as(&self, other: &Self) -> bool {
        let id = |slots: &Self, slot: &Slot| {
            let member = slots.members.get(usize::from(slot.default));
            member.copied().flatten().map(|member| member.id)
        };
        let ids = |slots: &'_ Self| -> Vec<_> {
            slots.slots.iter().map(|slot| id(slots, slot)).collect()
        };
        self.consulted == 0 && other.consulted == 0 && ids(self) == ids(other)
    }

    /// The slots that are consulted.
    pub fn consulted_slots(&self) -> impl Iterator<Item = u32> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(slot, of)| (of.phase != Phase::Settled).then_some(slot))
    }

    /// How long flows may be silent.
    #[must_use]
    pub const fn times(&self) -> FlowTimes {
        self.times
    }

    /// How many defaults have changed.
    #[must_use]
    pub const fn flips(&self) -> u64 {
        self.flips
    }

    /// Whether anything changed since [`Self::take_dirty`] said so last.
    #[must_use]
    pub const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Whether anything changed since the last call.
    pub const fn take_dirty(&mut self) -> bool {
        std::mem::replace(&mut self.dirty, false)
    }

    /// Notes that something changed that is published and recorded with the slots.
    pub const fn touch(&mut self) {
        (self.dirty, self.unrecorded) = (true, true);
    }

    /// Notes that something changed that is published with the slots.
    pub const fn publish_again(&mut self) {
        self.dirty = true;
    }

    /// Whether a restart would not find it as it is.
    #[must_use]
    pub const fn is_unrecorded(&self) -> bool {
        self.unrecorded
    }

    /// Notes that all is recorded.
    pub const fn recorded(&mut self) {
        self.unrecorded = false;
    }

    /// How long flows may be silent from now on.
    pub const fn set_times(&mut self, times: FlowTimes) {
        self.times = times;
    }

    /// New owners: `targets` are local numbers. A settled slot is armed; one in transition takes the newest target as
    /// it goes. A default that is dead flips at once: nothing of it can break any more.
    pub fn retarget(&mut self, targets: &[u16], tick: &Tick) {
        let (round, now) = (tick.next, tick.now);
        for (slot, &target) in targets.iter().enumerate().take(self.slots.len()) {
            let of = self.slots[slot];
            self.slots[slot].target = target;
            if !tick.moves || (self.is_dead(of.default) && !self.is_dead(target)) {
                self.flip_dead(slot, round, now);
            } else {
                self.retarget_slot(slot, of, round, now);
            }
        }
    }

    fn retarget_slot(&mut self, slot: usize, of: Slot, round: Round, now: Millis) {
        let target = self.slots[slot].target;
        self.dirty |= target != of.target;
        let phase = match of.phase {
            Phase::Settled | Phase::Draining if target == of.default => return,
            // It may have flipped, and waits for the workers.
            Phase::Frozen if target == of.target => return,
            Phase::Settled | Phase::Draining => Phase::Armed,
            // Rolled back: entries of flows at the former target are still followed.
            _ if target == of.default => Phase::Draining,
            Phase::Frozen => Phase::Steered,
            Phase::Armed | Phase::Waiting | Phase::Steered => return,
        };
        self.enter(slot, phase, round, now);
    }

    fn flip_dead(&mut self, slot: usize, round: Round, now: Millis) {
        self.flip(slot);
        if self.slots[slot].phase != Phase::Settled {
            self.enter(slot, Phase::Draining, round, now);
        }
    }

    pub(super) fn flip(&mut self, slot: usize) {
        let of = &mut self.slots[slot];
        self.flips += u64::from(of.default != of.target);
        of.default = of.target;
        (self.dirty, self.unrecorded) = (true, true);
    }

    /// A backend that is not there is as dead as one that was given up.
    pub(super) fn is_dead(&self, local: u16) -> bool {
        self.members
            .get(usize::from(local))
            .copied()
            .flatten()
            .is_none_or(|member| member.dead)
    }

    /// Puts a slot into a phase. The clean clock starts anew at the arm.
    pub(super) fn enter(&mut self, slot: usize, phase: Phase, round: Round, now: Millis) {
        let of = &mut self.slots[slot];
        let (settled, settles) = (of.phase == Phase::Settled, phase == Phase::Settled);
        self.consulted += usize::from(settled);
        self.consulted -= usize::from(settles);
        self.unrecorded |= settled != settles;
        self.armed += usize::from(is_armed(phase));
        self.armed -= usize::from(is_armed(of.phase));
        (of.phase, of.since) = (
            phase,
            Since {
                round,
                everywhere: None,
            },
        );
        if phase == Phase::Armed && holds(Guard::CleanAtArm) {
            self.clocks.restart(index(slot), now.0);
        }
        self.dirty = true;
    }

    /// How many slots are not settled.
    #[must_use]
    pub const fn consulted(&self) -> usize {
        self.consulted
    }

    /// Whether a slot's new flows go to D still, though D is not T.
    #[must_use]
    pub const fn is_arming(&self) -> bool {
        self.armed > 0
    }

    /// The words that workers read.
    #[must_use]
    pub fn words(&self) -> Vec<u16> {
        let word = |slot: &Slot| {
            let settled = slot.phase == Phase::Settled && slot.default != NO_BACKEND;
            slot.default | if settled { 0 } else { CONSULT }
        };
        self.slots.iter().map(word).collect()
    }

    /// What workers need beside the words; `None` when all is settled.
    #[must_use]
    pub fn moving(&self) -> Option<Moving> {
        (self.consulted > 0).then(|| Moving {
            slots: self.slots.iter().map(moving_slot).collect(),
            clocks: Arc::clone(&self.clocks),
            locals: self.locals(),
            members: self.present_members(),
        })
    }

    fn locals(&self) -> Box<[(BackendId, u16)]> {
        let mut locals: Vec<_> = numbers(&self.members).collect();
        locals.sort_unstable();
        locals.into()
    }

    /// A free local number is dead, under a number that no backend has.
    fn present_members(&self) -> Box<[Member]> {
        let nobody = Member {
            id: BackendId(u32::MAX),
            dead: true,
        };
        let members = self.members.iter();
        members.map(|member| member.unwrap_or(nobody)).collect()
    }
}

/// Each backend's number and local number.
fn numbers(members: &[Option<Member>]) -> impl Iterator<Item = (BackendId, u16)> {
    let members = (0..NO_BACKEND).zip(members);
    members.filter_map(|(local, member)| Some((member.as_ref()?.id, local)))
}

const fn is_armed(phase: Phase) -> bool {
    matches!(phase, Phase::Armed | Phase::Waiting)
}

const fn moving_slot(slot: &Slot) -> MovingSlot {
    MovingSlot {
        target: slot.target,
        phase: slot.phase,
    }
}

/// Slots are counted in `u32`.
pub(super) fn index(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}
