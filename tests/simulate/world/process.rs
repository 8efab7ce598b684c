//! The process: its start, its death, and the turns of its controller.

use std::sync::Arc;

use super::{Event, Part, World};
use crate::node::Node;
use crate::report::Violation;

impl World {
    pub(super) fn start(&mut self) -> Result<(), Violation> {
        let old = self.node.take().map(|node| node.press.tables);
        let clock = match self.life {
            0 => self.climate.clock,
            _ => self.random.pick(&[0, 5_000, u32::MAX - 9_000]),
        };
        let node = Node::start(&self.body, self.now, clock);
        self.life += 1;
        self.started = self.now;
        let Ok(node) = node else {
            // The disk is full still.
            self.body.disk.fail_after(None);
            self.after(200, Event::Start);
            return Ok(());
        };
        debug_assert!(old.is_none());
        self.node = Some(node);
        self.tell(|| "the process starts".to_owned());
        self.check_publication()?;
        self.schedule_advance(0);
        Ok(())
    }

    pub(super) fn kill(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        if self.node.is_some() {
            if self.random.percent(50) {
                // It dies in the middle of what it does next.
                let writes = self.random.within(0..3) as u32;
                self.body.disk.fail_after(Some(writes));
                let next = self.random.within(1..3_000);
                self.after(next, Event::Kill);
                if self.random.percent(50) {
                    return Ok(());
                }
            }
            self.tell(|| "the process is killed".to_owned());
            self.outcome.restarts += 1;
            self.body.disk.fail_after(None);
            self.node = None;
            // What was not published is forgotten.
            self.forcing.clear();
            self.held.clear();
            self.lose_queues();
            self.hands.iter_mut().for_each(|held| *held = 0);
            let down = self.random.pick(&[1, 50, 500, 2_000]);
            self.after(down, Event::Start);
        }
        let next = self.random.within(2_000..40_000);
        self.after(next, Event::Kill);
        Ok(())
    }

    /// What waited for a worker is gone with the process; the last is sent again first.
    fn lose_queues(&mut self) {
        for stalled in std::mem::take(&mut self.stalled).into_values() {
            for held in stalled.queue.into_iter().rev() {
                let of = &mut self.clients[held.client];
                if of.epoch == held.epoch {
                    of.take_back(held.segment);
                }
            }
        }
    }

    pub(super) fn schedule_advance(&mut self, wait: u64) {
        self.turn += 1;
        self.after(wait, Event::Advance(self.turn));
    }

    pub(super) fn advance(&mut self) -> Result<(), Violation> {
        let now = self.now;
        let Some(node) = &mut self.node else {
            return Ok(());
        };
        let before = node.press.tables.clone();
        let stalled = self.stalled.values().map(|of| of.since);
        let arrived = self.held.values().map(|of| of.arrived).chain(stalled).min();
        node.press.lag = arrived.map_or(0, |at| (now - at) as u32);
        let wait = node.advance(now);

        let published = !Arc::ptr_eq(&before, &node.press.tables);
        if wait.is_ok() {
            self.revive();
        }
        let wait = match wait {
            // A stretch of the work is done; what it takes, others have in between.
            Ok(Some(0)) => self.random.within(0..4),
            Ok(wait) => u64::from(wait.unwrap_or(250)).min(250),
            Err(_) => {
                // The appliance says so and tries again; here the disk is mended at some time.
                if self.random.percent(20) {
                    self.body.disk.fail_after(None);
                }
                250
            }
        };
        self.schedule_advance(wait);
        if published {
            self.outcome.publications += 1;
            self.tell(|| "published".to_owned());
            self.check_publication()?;
            for worker in 0..self.climate.workers {
                let late = self.lateness();
                let life = self.life;
                self.after(late, Event::Take(worker, life));
            }
        }
        self.check_limits()
    }
}
