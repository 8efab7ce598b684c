//! The operator: what is changed, and when.

use tentetsu::control::command::Command;
use tentetsu::control::state::State;
use tentetsu::table::HashKey;

use super::{Event, Part, World};
use crate::catalogue::renamed;
use crate::changes;
use crate::report::Violation;

impl World {
    pub(super) fn change(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        let storm = if self.random.percent(15) { 6 } else { 1 };
        for _ in 0..storm {
            if self.node.is_none() {
                break;
            }
            if self.random.percent(4) {
                self.spread_anew();
                continue;
            }
            if self.random.percent(self.climate.haste) {
                self.force();
                continue;
            }
            let ledger = self.node().controller.ledger();
            let (state, generation) = (ledger.state().clone(), ledger.generation());
            let command = changes::random(&self.climate, &state, generation, &mut self.random);
            self.change_to(command)?;
        }
        let pause = self.random.within(1..2 * self.climate.pause);
        self.after(pause, Event::Change);
        Ok(())
    }

    /// Another hash key, or another number of slots.
    fn spread_anew(&mut self) {
        let spread = &mut self.body.spread;
        if self.random.percent(50) {
            spread.key = HashKey::new([self.random.within(0..4) as u8; 16]);
        } else {
            spread.slots = self.random.pick(&[31, 61, 127, 251]);
        }
        let spread = *spread;
        self.tell(|| format!("{} slots, under {:?}", spread.slots, spread.key.words()));
        self.node().controller.spread(spread);
        self.schedule_advance(0);
    }

    /// No patience with a pool's slots that move.
    fn force(&mut self) {
        let (pool, now) = (self.random.pick(&["web", "blue"]), self.now);
        let forced = self.node().force(pool, now);
        self.tell(|| format!("{forced} defaults of {pool} are forced"));
        if forced > 0 {
            self.outcome.forced += forced;
            self.forcing.insert(pool);
            self.schedule_advance(0);
        }
    }

    pub(super) fn change_to(&mut self, command: Command) -> Result<(), Violation> {
        let now = self.now;
        let text = if self.story.is_some() {
            format!("{command:?}")
        } else {
            String::new()
        };
        let before = self.node().controller.ledger().state().clone();
        self.note_doubts();
        let Ok(receipt) = self.node().execute(command.clone(), now) else {
            return Ok(());
        };
        if receipt.changed {
            self.tell(|| format!("generation {}: {text}", receipt.generation.0));
            self.note_deaths(&before, &command);
            self.note_removals(&before);
            self.note_doubts();
            self.schedule_advance(0);
        }
        Ok(())
    }

    /// Services that are gone. Most come back, soon or late, and under another name at times.
    fn note_removals(&mut self, before: &State) {
        let state = self.node().controller.ledger().state().clone();
        let is_gone = |name: &&String| !state.services.contains_key(*name);
        for name in before.services.keys().filter(is_gone) {
            self.outcome.removed += 1;
            if self.random.percent(75) {
                let other = self.random.percent(30).then(|| renamed(name));
                let spec = before.services[name].spec.clone();
                let removed = (other.unwrap_or_else(|| name.clone()), spec);
                let idle = u64::from(self.climate.idle);
                let away = self.random.pick(&[0, 30, 300, 2_000, idle / 2, 2 * idle]);
                self.after(away, Event::Return(self.removed.len()));
                self.removed.push(removed);
            }
        }
    }

    pub(super) fn bring_back(&mut self, removed: usize) -> Result<(), Violation> {
        if self.part != Part::Churn || self.node.is_none() {
            return Ok(());
        }
        let (name, spec) = self.removed[removed].clone();
        self.change_to(Command::PutService { name, spec })
    }
}
