//! The machine's clockwork: which slot may go on, and when to look again.

use super::Progress;
use super::slots::{Slot, Slots, index};
use super::stages::StageId;
use crate::flow::Millis;
use crate::flow::guards::{Guard, holds};
use crate::table::{Phase, Round};

/// A view whose slots will all wait for longer than this, in milliseconds, is not looked at slot by slot.
const SOON: u32 = 1_000;

/// What a step goes by.
#[derive(Debug, Clone, Copy)]
pub struct Tick {
    /// The time now.
    pub now: Millis,
    /// The time up to which every packet that had arrived is done. A flow's silence is counted up to here: what it sent
    /// since may wait in the queue of a worker that stood still.
    pub heard: Millis,
    /// The newest round that every worker has taken.
    pub taken: Round,
    /// The round in which what changes now will be published.
    pub next: Round,
    /// How long arm lasts at least, in milliseconds.
    pub syn_guard: u32,
    /// Whether slots move. If not, each change is made at once and cuts what it cuts, for comparison.
    pub moves: bool,
}

impl Tick {
    /// Up to when the silence of flows counts.
    pub(super) fn silence_until(&self) -> Millis {
        if holds(Guard::Heard) {
            self.heard
        } else {
            self.now
        }
    }
}

impl Slots {
    /// Moves every slot on that may go on. Returns how many milliseconds from now the next one may at the earliest, if
    /// only time has to pass.
    pub fn step(&mut self, tick: &Tick) -> Option<u32> {
        if self.consulted() == 0 {
            return None;
        }
        self.reach(tick);
        // Most of the time every slot of a view waits: then its slots, some ten thousand, are not looked at.
        let earliest = self.earliest(tick);
        if earliest != Some(0) {
            return earliest;
        }
        self.unclean = Some((tick.silence_until(), u32::MAX));
        (0..self.slots.len())
            .filter_map(|slot| self.step_slot(slot, tick))
            .min()
    }

    /// In how many milliseconds a slot may go on, by what is known of the stages; `None`: time alone moves none.
    fn earliest(&self, tick: &Tick) -> Option<u32> {
        let until = tick.silence_until();
        let waits = self.stages.in_use().filter_map(|stage| {
            let since = stage.everywhere?;
            match stage.phase {
                Phase::Armed => Some(guard(tick).saturating_sub(until.since(since))),
                // Clean clocks only start anew, so that what was not clean then is not clean earlier.
                Phase::Steered => {
                    let left = self
                        .unclean
                        .map(|(at, left)| left.saturating_sub(until.since(at)));
                    left.filter(|left| *left > SOON).or(Some(0))
                }
                Phase::Frozen => Some(0),
                Phase::Waiting | Phase::Draining | Phase::Settled | Phase::Orphaned => None,
            }
        });
        waits.min()
    }

    fn step_slot(&mut self, slot: usize, tick: &Tick) -> Option<u32> {
        let stage = self.stage(slot);
        let since = stage.everywhere?;
        match stage.phase {
            Phase::Armed => self.steer(slot, since, tick),
            Phase::Steered => self.freeze(slot, tick),
            Phase::Frozen => self.flip_or_thaw(slot, tick),
            Phase::Waiting | Phase::Draining | Phase::Settled | Phase::Orphaned => None,
        }
    }

    /// Takes note of what every worker has by now.
    fn reach(&mut self, tick: &Tick) {
        let reached = self.stages.reach(tick);
        if reached.is_empty() {
            return;
        }
        self.unclean = None;
        let phase = |id: StageId| self.stages.get(id).phase;
        let unseen = |id: &StageId| matches!(phase(*id), Phase::Armed | Phase::Frozen);
        let reached: Vec<_> = reached.into_iter().filter(unseen).collect();
        if reached.is_empty() || !holds(Guard::CleanAtArm) {
            return;
        }
        // A worker that did not consult yet sent packets on the default unseen. So it may have where a default died in an
        // arm that it had not heard of; what froze otherwise is clean, and stays so.
        for (slot, of) in self.slots.iter().enumerate() {
            let dirty = || phase(of.stage) == Phase::Armed || self.until_clean(slot, tick) > 0;
            if reached.contains(&of.stage) && dirty() {
                self.clocks.restart(index(slot), tick.now.0);
            }
        }
    }

    fn steer(&mut self, slot: usize, since: Millis, tick: &Tick) -> Option<u32> {
        let guard = guard(tick);
        // Counted as silence is: a repeated SYN may wait in a queue.
        let passed = tick.silence_until().since(since);
        if passed < guard {
            return Some(guard - passed);
        }
        self.enter(slot, Phase::Steered, tick.next, tick.now);
        None
    }

    fn freeze(&mut self, slot: usize, tick: &Tick) -> Option<u32> {
        let left = self.until_clean(slot, tick);
        if left > 0 {
            self.unclean = self.unclean.map(|(at, least)| (at, least.min(left)));
            return Some(left);
        }
        if holds(Guard::Freeze) {
            self.enter(slot, Phase::Frozen, tick.next, tick.now);
        } else {
            self.flip(slot);
            self.enter(slot, Phase::Draining, tick.next, tick.now);
        }
        None
    }

    /// D becomes T, and the slot stays frozen until every worker knows: a flow that begins at the new D is listed as long
    /// as another worker may take the old one for its default. Then it drains.
    fn flip_or_thaw(&mut self, slot: usize, tick: &Tick) -> Option<u32> {
        let of = self.slots[slot];
        let phase = if of.default == of.target {
            Phase::Draining
        } else if self.until_clean(slot, tick) == 0 {
            self.flip(slot);
            flipped()
        } else {
            Phase::Steered
        };
        self.enter(slot, phase, tick.next, tick.now);
        None
    }

    /// Milliseconds until each flow that may be alive on the slot's default is listed, if nothing leaves unlisted.
    fn until_clean(&self, slot: usize, tick: &Tick) -> u32 {
        let clean = tick
            .silence_until()
            .since(Millis(self.clocks.started(index(slot))));
        // A flow that was silent for exactly T_idle is promised nothing, one that was silent for less is.
        (self.times.idle + 1).saturating_sub(clean)
    }

    /// The slots that learn, each with how many milliseconds it needs yet if nothing leaves unlisted.
    pub fn learning(&self, tick: &Tick) -> impl Iterator<Item = (u32, u32)> {
        let slots = (0..).zip(&self.slots);
        let learning = slots.filter(|(_, of)| {
            let phase = self.stages.get(of.stage).phase;
            matches!(phase, Phase::Armed | Phase::Steered)
        });
        learning.map(move |(slot, _)| (slot, self.until_clean(slot as usize, tick)))
    }

    /// How many those are.
    #[must_use]
    pub fn learners(&self) -> usize {
        self.stages.count(Phase::Armed) + self.stages.count(Phase::Steered)
    }

    /// There is no room for the flows of this slot: it waits, and gives its entries back.
    pub fn suspend(&mut self, slot: u32, tick: &Tick) {
        self.enter(slot as usize, Phase::Waiting, tick.next, tick.now);
    }

    /// There is room again: at most `count` of the slots that wait begin anew. Returns how many did.
    pub fn resume(&mut self, count: usize, tick: &Tick) -> usize {
        if count == 0 || self.stages.count(Phase::Waiting) == 0 {
            return 0;
        }
        let waiting: Vec<usize> = (0..self.slots.len())
            .filter(|slot| self.stage(*slot).phase == Phase::Waiting)
            .take(count)
            .collect();
        for &slot in &waiting {
            self.enter(slot, Phase::Armed, tick.next, tick.now);
        }
        waiting.len()
    }

    /// Changes every default to its target at once. Flows of the old default that are not listed break. Returns how many
    /// did.
    pub fn force(&mut self, tick: &Tick) -> usize {
        let before = self.flips;
        for slot in 0..self.slots.len() {
            let of = self.slots[slot];
            if of.default != of.target {
                self.flip(slot);
                self.enter(slot, flipped(), tick.next, tick.now);
            }
        }
        usize::try_from(self.flips - before).unwrap_or(usize::MAX)
    }

    /// How long the slot that has been clean for longest has been so, in milliseconds; `None`: none is on its way.
    #[must_use]
    pub fn oldest_clean(&self, now: Millis) -> Option<u32> {
        let slots = (0..).zip(&self.slots);
        let moving = slots.filter(|(_, of)| of.default != of.target);
        moving
            .map(|(slot, _)| now.since(Millis(self.clocks.started(slot))))
            .max()
    }

    /// How far the slots are.
    #[must_use]
    pub fn progress(&self) -> Progress {
        let count = |is: fn(&Slot) -> bool| self.slots.iter().filter(|slot| is(slot)).count();
        Progress {
            moving: count(|slot| slot.default != slot.target),
            consulted: self.consulted(),
            armed: self.armed(),
            waiting: self.stages.count(Phase::Waiting),
            flips: self.flips,
        }
    }
}

/// The phase behind a flip, until every worker knows of it.
pub(super) fn flipped() -> Phase {
    if holds(Guard::FlipBarrier) {
        Phase::Frozen
    } else {
        Phase::Draining
    }
}

/// How long arm lasts at least.
fn guard(tick: &Tick) -> u32 {
    if holds(Guard::SynGuard) {
        tick.syn_guard
    } else {
        0
    }
}
