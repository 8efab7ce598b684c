//! The operator: what is changed, and when.

use tentetsu::control::command::Command;
use tentetsu::control::ledger::Request;
use tentetsu::control::store::WallTime;
use tentetsu::table::HashKey;

use super::{Event, Part, World};
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

    pub(super) fn change_to(&mut self, command: Command) -> Result<(), Violation> {
        let now = self.now;
        if self.takes_a_service_away(&command) {
            return Ok(());
        }
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
            self.note_doubts();
            self.schedule_advance(0);
        }
        Ok(())
    }

    /// That is to cut its connections, and no part of this.
    fn takes_a_service_away(&mut self, command: &Command) -> bool {
        let Command::Rollback { to } = command else {
            return false;
        };
        let now = self.now;
        let request = Request {
            command: Command::Rollback { to: *to },
            preconditions: Vec::new(),
            author: String::new(),
            confirm_within: None,
        };
        let ledger = self.node().controller.ledger();
        let preview = ledger.dry_run(&request, WallTime(now));
        let services = ledger.state().services.len();
        !preview.is_ok_and(|preview| preview.state.services.len() == services)
    }
}
