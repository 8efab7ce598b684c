//! Makes events of what changed in the node since it was looked at last.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::Events;
use super::schema::{BackendEvent, Event, GenerationEntry, StageEvent, TransitionEvent};
use crate::control::controller::{Controller, Publish, Stage};
use crate::control::state::{Mode, Pool, State};
use crate::control::views::ViewKey;
use crate::table::{Generation, Round};

/// At most so many generations are told one by one; a reader can ask for the log.
const MOST_GENERATIONS: usize = 1_000;

/// What was seen last.
#[derive(Debug)]
pub struct Observer {
    events: Arc<Events>,
    generation: Generation,
    state: Arc<State>,
    stage: Stage,
    rounds: (Round, Round),
    /// Views that were not settled.
    moving: BTreeMap<ViewKey, usize>,
}

impl Observer {
    /// Tells from now on.
    #[must_use]
    pub fn new(events: Arc<Events>, controller: &Controller, publish: &impl Publish) -> Self {
        let ledger = controller.ledger();
        Self {
            events,
            generation: ledger.generation(),
            state: Arc::clone(ledger.state()),
            stage: controller.stage(ledger.generation(), publish),
            rounds: (publish.round(), publish.taken()),
            moving: moving(controller),
        }
    }

    /// Looks at what is to be looked at after each step. Without a new generation or stage, and without a publication that
    /// was made or taken, nothing can have changed.
    pub fn look(&mut self, controller: &Controller, publish: &impl Publish) {
        let rounds = (publish.round(), publish.taken());
        let made = self.tell_generations(controller);
        let stage = controller.stage(self.generation, publish);
        let told = !made && stage == self.stage;
        if told && rounds == self.rounds {
            return;
        }
        self.rounds = rounds;
        self.tell_transitions(controller);
        if !told {
            self.stage = stage;
            let generation = self.generation.0;
            self.events
                .push(Event::Stage(StageEvent { generation, stage }));
        }
    }

    /// Returns whether there was one.
    fn tell_generations(&mut self, controller: &Controller) -> bool {
        let ledger = controller.ledger();
        let newest = ledger.generation();
        let made = newest.0.saturating_sub(self.generation.0);
        if made == 0 {
            return false;
        }
        let count = usize::try_from(made)
            .unwrap_or(usize::MAX)
            .min(MOST_GENERATIONS);
        // A log that can't be read is no reason to keep the rest back.
        let mut entries = ledger.log(newest, count).unwrap_or_default();
        entries.reverse();
        for entry in entries {
            self.events
                .push(Event::Generation(GenerationEntry::from(entry)));
        }
        self.tell_backends(ledger.state());
        (self.generation, self.state) = (newest, Arc::clone(ledger.state()));
        true
    }

    fn tell_backends(&self, new: &State) {
        let mut changed: Vec<(&str, &str, Option<Mode>)> = Vec::new();
        for name in self.state.changed_pools(new) {
            let [before, after] = [&*self.state, new].map(|state| state.pools.get(name));
            let mode = |pool: Option<&Arc<Pool>>, backend: &str| {
                let pool = pool.filter(|pool| pool.spec.backends.contains_key(backend))?;
                Some(pool.mode(backend))
            };
            let gone = before
                .into_iter()
                .flat_map(|pool| pool.spec.backends.keys());
            let gone = gone.filter(|backend| mode(after, backend).is_none());
            changed.extend(gone.map(|backend| (&**name, &**backend, None)));
            let there = after.into_iter().flat_map(|pool| pool.spec.backends.keys());
            let there = there.map(|backend| (&**name, &**backend, mode(after, backend)));
            changed.extend(there.filter(|(_, backend, now)| mode(before, backend) != *now));
        }
        let events = changed.into_iter().map(|(pool, backend, mode)| {
            Event::Backend(BackendEvent {
                pool: pool.to_owned(),
                backend: backend.to_owned(),
                mode,
            })
        });
        self.events.push_all(events);
    }

    fn tell_transitions(&mut self, controller: &Controller) {
        let now = moving(controller);
        let began = now
            .iter()
            .filter(|(key, _)| !self.moving.contains_key(*key));
        let settled = self.moving.keys().filter(|key| !now.contains_key(*key));
        let settled = settled.map(|key| (key, &0));
        for (key, consulted) in began.chain(settled) {
            self.events.push(Event::Transition(TransitionEvent {
                view: key.into(),
                consulted: *consulted as u64,
            }));
        }
        self.moving = now;
    }
}

/// Views with consulted slots, and how many those are.
fn moving(controller: &Controller) -> BTreeMap<ViewKey, usize> {
    let moving = controller.views().moving();
    moving
        .map(|(key, consulted)| (key.clone(), consulted))
        .collect()
}
