//! What the control side does while the packet path is measured: nothing, or what a busy operator would do.

use std::time::{Duration, Instant};

use super::super::Error;
use super::super::publisher::TablePublisher;
use crate::config::{Config, Millis as Span};
use crate::control::command::Command;
use crate::control::controller::{Controller, Stage};
use crate::control::ledger::{Ledger, Request};
use crate::control::state::Definitions;
use crate::control::store::{MemoryStore, WallTime};
use crate::control::synthetic_next_hops;
use crate::table::{HashKey, Spread, Subscriber};
use crate::worker::{Publication, Shared};

/// The longest pause of the control side: what the workers have taken is looked at anew.
const PAUSE: Duration = Duration::from_millis(20);

/// What is done to the tables meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Backends of each pool that are drained before: their slots are on the move while the clock runs.
    pub drained: usize,
    /// Changes of a backend's weight per second.
    pub changes: u32,
}

/// What was under way when the clock stopped.
#[derive(Debug, Clone, Copy)]
pub struct Moving {
    /// Share of all slots that were consulted, 0 to 1.
    pub consulted_share: f64,
    /// Flow entries.
    pub entries: usize,
    /// Changes made while the clock ran.
    pub changes: usize,
}

/// The control side over a store in memory.
pub struct Steering<'s> {
    controller: Controller,
    publisher: TablePublisher,
    shared: &'s Shared,
    /// Pool, name and weight of each backend.
    backends: Vec<(String, String, u32)>,
    load: Load,
    changed: usize,
}

/// The configuration's key, or zeros.
pub fn key(config: &Config) -> HashKey {
    HashKey::new(config.maglev.hash_key.unwrap_or_default())
}

impl<'s> Steering<'s> {
    /// Publishes the configuration's tables to one worker.
    pub fn new(
        config: &Config,
        load: Load,
        shared: &'s Shared,
    ) -> Result<(Self, Subscriber<Publication>), Error> {
        let spread = Spread {
            key: key(config),
            slots: config.maglev.slots,
        };
        let mut settings = config.flows.clone();
        // Nobody's SYN-ACK is on its way.
        settings.syn_guard = Span(0);
        let ledger = Ledger::open(Box::new(MemoryStore::default()))?;
        let now = shared.clock.now();
        let controller = Controller::open(ledger, spread, settings, now)?;
        let hops = synthetic_next_hops(config);
        let (ports, clock) = (config.ports.clone(), shared.clock.clone());
        let (publisher, subscribers) = TablePublisher::new(ports, hops, 1, clock);
        let mut steering = Self {
            controller,
            publisher,
            shared,
            backends: backends(config),
            load,
            changed: 0,
        };
        // The file has the appliance's own, and the API the rest, so that it may be changed.
        steering.execute(Command::LoadFile {
            definitions: Definitions::default(),
            site: config.into(),
        })?;
        steering.execute(Command::ReplaceAll(config.into()))?;
        while steering.advance()?.is_zero() {}
        let subscriber = subscribers.into_iter().next();
        let subscriber = subscriber.ok_or_else(|| Error::Worker {
            core: 0,
            why: "it has no tables".to_owned(),
        })?;
        Ok((steering, subscriber))
    }

    /// Lets caches settle for `span`, and drained backends' slots steer their new flows elsewhere.
    pub fn warm_up(&mut self, span: Duration) -> Result<(), Error> {
        self.wait(span)?;
        self.drain()?;
        let generation = self.controller.ledger().generation();
        while self.controller.stage(generation, &self.publisher) < Stage::Steered {
            let pause = self.advance()?;
            std::thread::sleep(pause);
        }
        self.wait(span)
    }

    /// Whether the load makes changes.
    pub const fn makes_changes(&self) -> bool {
        self.load.changes > 0
    }

    /// Goes on for `span` with the changes of the load.
    pub fn change_for(&mut self, span: Duration) -> Result<(), Error> {
        let (start, before) = (Instant::now(), self.changed);
        self.go_on(span, |steering| {
            let due = start.elapsed().as_millis() * u128::from(steering.load.changes) / 1_000;
            while ((steering.changed - before) as u128) < due {
                steering.change()?;
            }
            Ok(())
        })
    }

    /// Goes on for `span` without a change.
    pub fn wait(&mut self, span: Duration) -> Result<(), Error> {
        self.go_on(span, |_| Ok(()))
    }

    /// What is under way.
    #[allow(clippy::cast_precision_loss)] // A figure for people.
    pub fn moving(&self) -> Moving {
        let consulted = self.controller.progress().map(|(_, of)| of.consulted);
        let slots =
            self.controller.views().spread().slots as usize * self.controller.progress().count();
        Moving {
            consulted_share: consulted.sum::<usize>() as f64 / slots.max(1) as f64,
            entries: self.shared.flows.entries.counts().total(),
            changes: self.changed,
        }
    }

    fn go_on(
        &mut self,
        span: Duration,
        mut each: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let end = Instant::now() + span;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            each(self)?;
            let pause = self.advance()?;
            std::thread::sleep(pause.min(left));
        }
        Ok(())
    }

    fn advance(&mut self) -> Result<Duration, Error> {
        let (now, wall) = (self.shared.clock.now(), WallTime::now());
        let (flows, publisher) = (&self.shared.flows, &mut self.publisher);
        let wait = self.controller.advance(now, wall, flows, publisher)?;
        let most = match self.load.changes {
            0 => PAUSE,
            rate => PAUSE.min(Duration::from_secs(1) / rate),
        };
        Ok(wait.map_or(most, |wait| most.min(Duration::from_millis(wait.into()))))
    }

    fn drain(&mut self) -> Result<(), Error> {
        let mut of_pool = ("", 0);
        let mut drained = Vec::new();
        for (pool, name, _) in &self.backends {
            of_pool = if of_pool.0 == pool {
                (pool, of_pool.1 + 1)
            } else {
                (pool, 0)
            };
            if of_pool.1 < self.load.drained {
                drained.push(Command::Drain {
                    pool: pool.clone(),
                    name: name.clone(),
                });
            }
        }
        drained
            .into_iter()
            .try_for_each(|command| self.execute(command))
    }

    /// One backend after the other takes a hundredth less, and in the next turn its whole weight again.
    fn change(&mut self) -> Result<(), Error> {
        let turn = self.changed / self.backends.len().max(1);
        let at = self.changed % self.backends.len().max(1);
        self.changed += 1;
        let Some((pool, name, weight)) = self.backends.get(at) else {
            return Ok(());
        };
        let less = if turn.is_multiple_of(2) {
            weight.div_ceil(100)
        } else {
            0
        };
        let command = Command::SetWeight {
            pool: pool.clone(),
            name: name.clone(),
            weight: weight - less,
        };
        self.execute(command)
    }

    fn execute(&mut self, command: Command) -> Result<(), Error> {
        let request = Request {
            command,
            preconditions: Vec::new(),
            author: "bench".to_owned(),
            confirm_within: None,
        };
        self.controller.execute(&request, WallTime::now())?;
        Ok(())
    }
}

fn backends(config: &Config) -> Vec<(String, String, u32)> {
    let pools = config.pools.iter();
    let backends = pools.flat_map(|pool| {
        let backends = pool.backends.iter();
        backends.map(|backend| (pool.name.clone(), backend.name.clone(), backend.weight))
    });
    backends.collect()
}
