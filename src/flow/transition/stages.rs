//! The stages that the slots of a view are in: a phase, the round that published it, and since when every worker has it.
//! Slots move in crowds, so a slot names its stage only, and there are few of them.

use super::Tick;
use crate::flow::Millis;
use crate::flow::guards::{Guard, holds};
use crate::table::{Phase, Round};

/// A stage, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StageId(u16);

/// That of all settled slots.
pub(super) const SETTLED: StageId = StageId(0);

/// From so many stages on none is made that a phase can do without.
const MANY: usize = 1 << 12;

/// A phase, and how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stage {
    pub phase: Phase,
    /// The round that published it.
    pub round: Round,
    /// When every worker was seen to have it.
    pub everywhere: Option<Millis>,
    /// How many slots are in it.
    slots: usize,
}

impl Stage {
    const fn of(phase: Phase, round: Round) -> Self {
        Self {
            phase,
            round,
            everywhere: None,
            slots: 0,
        }
    }
}

/// All stages of a view; the settled one is always there.
#[derive(Debug)]
pub(super) struct Stages {
    list: Vec<Stage>,
    /// Which was entered last: most likely the next slot enters it too.
    last: StageId,
}

impl Stages {
    /// With so many slots, all settled.
    pub fn settled(slots: usize) -> Self {
        let settled = Stage {
            slots,
            ..Stage::of(Phase::Settled, Round::default())
        };
        Self {
            list: vec![settled],
            last: SETTLED,
        }
    }

    pub fn get(&self, id: StageId) -> &Stage {
        &self.list[id.0 as usize]
    }

    /// A slot goes from one stage into that of a phase published in `round`.
    pub fn change(&mut self, from: StageId, phase: Phase, round: Round) -> StageId {
        self.list[from.0 as usize].slots -= 1;
        let to = self.entrance(phase, round);
        self.list[to.0 as usize].slots += 1;
        self.last = to;
        to
    }

    fn entrance(&mut self, phase: Phase, round: Round) -> StageId {
        if phase == Phase::Settled {
            return SETTLED;
        }
        let same = |stage: &Stage| {
            stage.phase == phase && stage.round == round && stage.everywhere.is_none()
        };
        if same(self.get(self.last)) {
            return self.last;
        }
        let stages = || self.list.iter().skip(1);
        let place = stages()
            .position(same)
            .or_else(|| stages().position(|stage| stage.slots == 0))
            .or_else(|| self.crowded(phase))
            .map_or(self.list.len(), |place| place + 1);
        let stage = Stage::of(phase, round);
        match self.list.get_mut(place) {
            None => self.list.push(stage),
            Some(found) => {
                *found = Stage {
                    slots: found.slots,
                    ..stage
                }
            }
        }
        StageId(u16::try_from(place).unwrap_or(u16::MAX))
    }

    /// When there are many stages: one of the same phase. Who is in it waits for the workers once more; not who is frozen,
    /// as that drops packets, and is over soon.
    fn crowded(&self, phase: Phase) -> Option<usize> {
        let mut stages = self.list.iter().skip(1);
        let many = self.list.len() > MANY && phase != Phase::Frozen;
        many.then(|| stages.position(|stage| stage.phase == phase))?
    }

    /// Notes which stages every worker has by now. Returns those of which that is news.
    pub fn reach(&mut self, tick: &Tick) -> Vec<StageId> {
        let mut reached = Vec::new();
        for (id, stage) in (0..).map(StageId).zip(&mut self.list) {
            let known = stage.round <= tick.taken || !holds(Guard::ArmBarrier);
            if stage.slots > 0 && stage.everywhere.is_none() && known {
                stage.everywhere = Some(tick.now);
                reached.push(id);
            }
        }
        reached
    }

    /// The stages that slots are in, but for the settled one.
    pub fn in_use(&self) -> impl Iterator<Item = &Stage> {
        self.list.iter().skip(1).filter(|stage| stage.slots > 0)
    }

    /// How many slots are in a phase.
    pub fn count(&self, phase: Phase) -> usize {
        let stages = self.list.iter().filter(|stage| stage.phase == phase);
        stages.map(|stage| stage.slots).sum()
    }

    /// How many slots are not settled.
    pub fn consulted(&self) -> usize {
        self.list.iter().skip(1).map(|stage| stage.slots).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_beyond_many_are_shared_and_wait_again() {
        let slots = MANY + 10;
        let mut stages = Stages::settled(slots);
        let phase = |slot: usize| [Phase::Armed, Phase::Steered][slot % 2];
        for slot in 0..slots {
            let round = Round(slot as u64);
            let id = stages.change(SETTLED, phase(slot), round);
            let stage = stages.get(id);
            assert_eq!((stage.phase, stage.round), (phase(slot), round));
            assert_eq!((stage.everywhere, stages.consulted()), (None, slot + 1));
            stages.reach(&tick(round));
        }
        assert_eq!(stages.list.len(), MANY + 1);
        assert_eq!(stages.count(Phase::Armed), slots / 2);
        let steered = StageId(2);
        let frozen = [1, 2].map(|round| stages.change(steered, Phase::Frozen, Round(round)));
        assert_ne!(frozen[0], frozen[1]);
    }

    const fn tick(taken: Round) -> Tick {
        Tick {
            now: Millis(1),
            heard: Millis(1),
            taken,
            next: taken.next(),
            syn_guard: 0,
            moves: true,
        }
    }
}
