//! Workers: how late each takes what is published, and how long it stands still.

use super::{Event, Held, Part, Stalled, World};
use crate::report::Violation;

impl World {
    pub(super) fn lateness(&mut self) -> u64 {
        let lag = self.climate.lag;
        if self.random.percent(70) {
            self.random.within(1..4)
        } else {
            self.random.within(1..lag + 1)
        }
    }

    pub(super) fn take(&mut self, worker: usize, life: u64) -> Result<(), Violation> {
        if life != self.life || self.node.is_none() {
            return Ok(());
        }
        if self.stalled.contains_key(&worker) {
            // It takes it when it goes on.
            return Ok(());
        }
        if self.hands[worker] > 0 {
            self.after(1, Event::Take(worker, life));
            return Ok(());
        }
        self.node().workers[worker].refresh();
        Ok(())
    }

    /// Some worker stands still, from one turn to the next.
    pub(super) fn stall(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        let workers = self.climate.workers as u64;
        let worker = self.random.within(0..workers) as usize;
        let idle = self.hands[worker] == 0 && !self.stalled.contains_key(&worker);
        if idle && self.node.is_some() {
            let (since, queue) = (self.now, Vec::new());
            self.stalled.insert(worker, Stalled { since, queue });
            let (span, life) = (self.random.within(1..self.climate.stall + 1), self.life);
            self.after(span, Event::Wake(worker, life));
        }
        let pause = self.random.within(1..2 * self.climate.stall + 2_000);
        self.after(pause, Event::Stall);
        Ok(())
    }

    pub fn stands_still(&self, worker: usize) -> bool {
        self.stalled.contains_key(&worker)
    }

    /// A worker goes on: first it takes what was published, then what waits in its queue.
    pub(super) fn wake(&mut self, worker: usize, life: u64) -> Result<(), Violation> {
        if life != self.life {
            return Ok(());
        }
        let Some(Stalled { queue, .. }) = self.stalled.remove(&worker) else {
            return Ok(());
        };
        self.node().workers[worker].refresh();
        let read = self.now;
        for held in queue {
            self.forward(Held { read, ..held })?;
        }
        Ok(())
    }

    pub(super) fn handle(&mut self, id: usize) -> Result<(), Violation> {
        let Some(held) = self.held.remove(&(id as u64)) else {
            return Ok(());
        };
        if held.life != self.life {
            return Ok(());
        }
        self.hands[held.worker] -= 1;
        self.forward(held)
    }

    /// Whether a worker has the newest publication.
    pub fn knows_all(&mut self, worker: usize) -> bool {
        let node = self.node();
        std::ptr::eq(node.workers[worker].current(), &*node.press.tables)
    }
}
