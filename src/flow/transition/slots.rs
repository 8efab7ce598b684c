//! One view's slots on the control side: D, T and phase of each, and how a change of T begins. A view at rest keeps only
//! the words that workers read, and shares them with the publication: most views are at rest.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Tick;
use super::members::numbers;
use super::stages::{SETTLED, Stage, StageId, Stages};
use super::step::flipped;
use crate::flow::Millis;
use crate::flow::guards::{Guard, holds};
use crate::table::{
    BY_FORMER, BackendId, CONSULT, CleanClocks, FlowTimes, Former, Member, Moving, MovingSlot,
    NO_BACKEND, Phase, Round,
};

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    /// D.
    pub default: u16,
    /// T.
    pub target: u16,
    /// Where it stands.
    pub stage: StageId,
}

/// A view's slots and backends.
#[derive(Debug)]
pub struct Slots {
    /// Empty while all are settled.
    pub(super) slots: Vec<Slot>,
    /// The words of the slots, while all are settled; empty otherwise.
    rest: Arc<[u16]>,
    pub(super) stages: Stages,
    /// By local number; `None` may be given to another backend.
    pub(super) members: Vec<Option<Member>>,
    /// Below this local number none is free.
    pub(super) full: usize,
    /// Their local numbers.
    pub(super) locals: HashMap<BackendId, u16>,
    /// Backends that nothing needs since a round, by local number.
    pub(super) retired: BTreeMap<u16, Round>,
    /// None while all slots are settled.
    pub(super) clocks: Arc<CleanClocks>,
    /// What gives the defaults that are [`crate::table::BY_FORMER`]; none without such.
    pub(super) former: Option<Arc<Former>>,
    pub(super) times: FlowTimes,
    /// Changed since it was published last.
    pub(super) dirty: bool,
    /// Changed since it was recorded last, in what a restart can't find out by itself: defaults, and which slots are
    /// consulted. Targets follow from what is wanted, but not while a pool panics: its table is not looked at then.
    pub(super) unrecorded: bool,
    /// How many defaults have changed.
    pub(super) flips: u64,
    /// At some time no slot that every worker steers was clean for at least so many milliseconds more; `None`: not known.
    pub(super) unclean: Option<(Millis, u32)>,
}

impl Slots {
    /// A settled view: `defaults` are local numbers of `members`.
    #[must_use]
    pub fn settled(defaults: &[u16], members: Vec<Option<Member>>, times: FlowTimes) -> Self {
        Self {
            slots: Vec::new(),
            rest: defaults.iter().map(|default| at_rest(*default)).collect(),
            stages: Stages::settled(defaults.len()),
            locals: numbers(&members).collect(),
            members,
            full: 0,
            retired: BTreeMap::new(),
            clocks: Arc::default(),
            former: None,
            times,
            dirty: true,
            unrecorded: true,
            flips: 0,
            unclean: None,
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
        slots.wake(now);
        for slot in consulted.map(|slot| slot as usize) {
            if slot < slots.slots.len() {
                slots.enter(slot, phase, round, now);
            }
        }
        slots.lie_down();
        slots
    }

    /// Makes room for what is known of slots that move.
    fn wake(&mut self, now: Millis) {
        if !self.slots.is_empty() {
            return;
        }
        let slot = |word: &u16| Slot {
            default: *word & !CONSULT,
            target: *word & !CONSULT,
            stage: SETTLED,
        };
        self.slots = self.rest.iter().map(slot).collect();
        self.rest = Arc::default();
        self.clocks = Arc::new(CleanClocks::new(self.slots.len(), now.0));
    }

    /// Keeps no more than the words, if all slots are settled.
    pub(super) fn lie_down(&mut self) {
        if self.consulted() == 0 {
            self.rest = self.words();
            self.slots = Vec::new();
            self.clocks = Arc::default();
            self.stages = Stages::settled(self.rest.len());
            self.former = None;
        }
    }

    /// Whether a default is dead, so that its slot waits for a target that is not.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        let mut members = self.members.iter().flatten();
        members.any(|member| member.dead)
            && self
                .each_default()
                .any(|default| default != NO_BACKEND && self.is_dead(default))
    }

    /// How many slots there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() + self.rest.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// D of each slot.
    #[must_use]
    pub fn defaults(&self) -> Vec<u16> {
        self.each_default().collect()
    }

    /// T of each slot.
    #[must_use]
    pub fn targets(&self) -> Vec<u16> {
        let moving = self.slots.iter().map(|slot| slot.target);
        let resting = self.rest.iter().map(|word| word & !CONSULT);
        moving.chain(resting).collect()
    }

    /// How many slots lead to a backend, by its local number. Of those whose default is that of former slots, it is as large
    /// a part as of these.
    #[must_use]
    pub fn leading_to(&self, local: u16) -> usize {
        let count = |is: u16| self.each_default().filter(|default| *default == is).count();
        let by_former = self.former.as_ref().map_or(0, |former| {
            let (own, all) = (former.named().filter(|of| *of == local), former.named());
            count(BY_FORMER) * own.count() / all.count().max(1)
        });
        count(local) + by_former
    }

    pub(super) fn each_default(&self) -> impl Iterator<Item = u16> {
        let moving = self.slots.iter().map(|slot| slot.default);
        moving.chain(self.rest.iter().map(|word| word & !CONSULT))
    }

    /// Whether both are settled on the same backends.
    #[must_use]
    pub fn stands_as(&self, other: &Self) -> bool {
        let id = |slots: &Self, default: u16| {
            let member = slots.members.get(usize::from(default));
            member.copied().flatten().map(|member| member.id)
        };
        let mut both = self.each_default().zip(other.each_default());
        self.consulted() == 0
            && other.consulted() == 0
            && both.all(|(mine, its)| id(self, mine) == id(other, its))
    }

    /// The slots that are consulted.
    pub fn consulted_slots(&self) -> impl Iterator<Item = u32> {
        let slots = (0..).zip(&self.slots);
        slots.filter_map(|(slot, of)| (of.stage != SETTLED).then_some(slot))
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
        self.unclean = None;
    }

    /// New owners: `targets` are local numbers. A settled slot is armed; one in transition takes the newest target as
    /// it goes. A default that is dead flips at once: nothing of it can break any more.
    pub fn retarget(&mut self, targets: &[u16], tick: &Tick) {
        let (round, now) = (tick.next, tick.now);
        if self.consulted() == 0 && self.each_default().eq(targets.iter().copied()) {
            return;
        }
        self.wake(now);
        for (slot, &target) in targets.iter().enumerate().take(self.slots.len()) {
            let of = self.slots[slot];
            self.slots[slot].target = target;
            if !tick.moves || (self.is_dead(of.default) && !self.is_dead(target)) {
                self.flip_dead(slot, round, now);
            } else {
                self.retarget_slot(slot, of, round, now);
            }
        }
        self.lie_down();
    }

    fn retarget_slot(&mut self, slot: usize, of: Slot, round: Round, now: Millis) {
        let target = self.slots[slot].target;
        self.dirty |= target != of.target;
        let phase = match self.stages.get(of.stage).phase {
            Phase::Settled | Phase::Draining if target == of.default => return,
            Phase::Frozen if target == of.target => return,
            Phase::Settled | Phase::Draining => Phase::Armed,
            // It may have flipped, which a worker may not know yet: nothing leaves unlisted until every worker does.
            Phase::Frozen => Phase::Frozen,
            // Rolled back: entries of flows at the former target are still followed.
            _ if target == of.default => Phase::Draining,
            Phase::Armed | Phase::Waiting | Phase::Steered | Phase::Orphaned => return,
        };
        self.enter(slot, phase, round, now);
    }

    fn flip_dead(&mut self, slot: usize, round: Round, now: Millis) {
        self.flip(slot);
        if self.slots[slot].stage != SETTLED {
            self.enter(slot, flipped(), round, now);
        }
    }

    pub(super) fn flip(&mut self, slot: usize) {
        let of = &mut self.slots[slot];
        self.flips += u64::from(of.default != of.target);
        of.default = of.target;
        (self.dirty, self.unrecorded) = (true, true);
    }

    /// Puts a slot into a phase. The clean clock starts anew at the arm.
    pub(super) fn enter(&mut self, slot: usize, phase: Phase, round: Round, now: Millis) {
        let of = &mut self.slots[slot];
        self.unrecorded |= (of.stage == SETTLED) != (phase == Phase::Settled);
        of.stage = self.stages.change(of.stage, phase, round);
        if phase == Phase::Armed && holds(Guard::CleanAtArm) {
            self.clocks.restart(index(slot), now.0);
        }
        self.unclean = None;
        self.dirty = true;
    }

    /// How many slots are not settled.
    #[must_use]
    pub fn consulted(&self) -> usize {
        self.stages.consulted()
    }

    /// Whether a slot's new flows go to D still, though D is not T.
    #[must_use]
    pub fn is_arming(&self) -> bool {
        self.armed() > 0
    }

    pub(super) fn armed(&self) -> usize {
        self.stages.count(Phase::Armed) + self.stages.count(Phase::Waiting)
    }

    pub(super) fn stage(&self, slot: usize) -> Stage {
        *self.stages.get(self.slots[slot].stage)
    }

    /// The words that workers read.
    #[must_use]
    pub fn words(&self) -> Arc<[u16]> {
        if self.slots.is_empty() {
            return Arc::clone(&self.rest);
        }
        let word = |slot: &Slot| match slot.stage {
            SETTLED => at_rest(slot.default),
            _ => slot.default | CONSULT,
        };
        self.slots.iter().map(word).collect()
    }

    /// What workers need beside the words; `None` when all is settled.
    #[must_use]
    pub fn moving(&self) -> Option<Moving> {
        let moving = |slot: &Slot| MovingSlot {
            target: slot.target,
            phase: self.stages.get(slot.stage).phase,
        };
        (self.consulted() > 0).then(|| Moving {
            slots: self.slots.iter().map(moving).collect(),
            clocks: Arc::clone(&self.clocks),
            former: self.former.clone(),
            locals: self.locals(),
            members: self.present_members(),
        })
    }
}

/// The word of a settled slot.
const fn at_rest(default: u16) -> u16 {
    if default == NO_BACKEND {
        default | CONSULT
    } else {
        default
    }
}

/// Slots are counted in `u32`.
pub(super) fn index(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(taken: u64) -> Tick {
        Tick {
            now: Millis(1),
            heard: Millis(1),
            taken: Round(taken),
            next: Round(taken + 2),
            syn_guard: 0,
            moves: true,
        }
    }

    fn slots() -> Slots {
        let member = |id| {
            Some(Member {
                id: BackendId(id),
                dead: false,
            })
        };
        let times = FlowTimes {
            idle: 100,
            half_closed: 100,
            reset: 100,
            unconfirmed: 100,
        };
        Slots::settled(&[0], vec![member(10), member(11), member(12)], times)
    }

    fn stands(slots: &Slots) -> (u16, u16, Phase) {
        (
            slots.slots[0].default,
            slots.slots[0].target,
            slots.stage(0).phase,
        )
    }

    #[test]
    fn a_slot_that_flipped_stays_frozen_until_every_worker_knows() {
        for last in [1, 2] {
            let mut slots = slots();
            slots.retarget(&[1], &tick(1));
            slots.force(&tick(3));
            for target in [2, 1, last] {
                slots.retarget(&[target], &tick(4));
                slots.step(&tick(5));
                assert_eq!(stands(&slots), (1, target, Phase::Frozen));
            }
            slots.step(&tick(6));
            let next = if last == 1 {
                Phase::Draining
            } else {
                Phase::Steered
            };
            assert_eq!(stands(&slots), (1, last, next));
        }
    }

    #[test]
    fn a_default_that_dies_as_it_flips_leaves_the_slot_frozen() {
        let mut slots = slots();
        slots.retarget(&[1], &tick(1));
        slots.force(&tick(3));
        slots.members[1] = Some(Member {
            id: BackendId(11),
            dead: true,
        });
        slots.retarget(&[2], &tick(4));
        assert_eq!(stands(&slots), (2, 2, Phase::Frozen));
        slots.step(&tick(6));
        assert_eq!(stands(&slots), (2, 2, Phase::Draining));
    }
}
