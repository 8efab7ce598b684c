//! The controller: what is wanted, by the [`Ledger`]; what stands, by the [`Views`]; and the steps from one to the other,
//! published to the workers and recorded before that, so that a killed process goes on where it was.
//!
//! It has no thread: its owner calls [`Controller::advance`] after each event, and again when that says so.

mod records;
mod stage;

use std::collections::BTreeSet;

use super::command::Command;
use super::ledger::{Ledger, Receipt, Refusal, Request};
use super::plan::Plan;
use super::state::Mode;
use super::store::{StoreError, WallTime};
use super::views::{Sweeper, Turns, ViewKey, Views, WALK_PAUSE, Wants, stretch};
use crate::config;
use crate::flow::transition::{Progress, Tick};
use crate::flow::{Flows, Millis};
use crate::table::{BackendId, Generation, Round, ServiceIndex, Spread};
pub use stage::Stage;

use records::{Kept, read_records};

/// The shortest time between two steps of the slots, and between two changes of what is wanted, in milliseconds: what
/// falls into it is published together. Workers have to fetch a new table from the memory of another core, which at
/// hundreds of publications a second they notice.
const STEP: u32 = 50;
/// How soon the controller looks whether the workers have taken a publication, in milliseconds.
const GLANCE: u32 = 2;
/// Buckets of entries that one call walks over: some milliseconds' worth.
const STRETCH: usize = 1 << 14;
/// Views that one call changes. Between two calls the owner answers others.
const VIEWS: usize = stretch(8);

/// Where plans go.
pub trait Publish {
    /// Publishes a plan to every worker, under a new round.
    fn publish(&mut self, generation: Generation, plan: Plan);
    /// The newest round.
    fn round(&self) -> Round;
    /// The newest round that every worker has taken.
    fn taken(&self) -> Round;
    /// How many milliseconds the workers are behind the wire at most: what arrived before that is done.
    fn lag(&self) -> u32;
    /// What finds the service of a flow, by the newest plan.
    fn index(&self) -> &ServiceIndex;
}

/// See the [module](self).
#[derive(Debug)]
pub struct Controller {
    ledger: Ledger,
    views: Views,
    /// How flows are to be spread over slots.
    spread: Spread,
    wants: Wants,
    /// When a weight grows next.
    grows_at: Option<Millis>,
    sweeper: Sweeper,
    turns: Turns,
    /// Backends that left their pools, or leave them, and that something still names.
    leaving: Vec<BackendId>,
    settings: config::Flows,
    /// The state has changed since the views were told.
    stale: bool,
    /// The generation that the lap under way tells the views.
    telling: Option<Generation>,
    /// The one that they were told before that, and the round that published it.
    told: (Generation, Round),
    told_at: Millis,
    /// When the last lap began.
    stepped: Millis,
    walked: Millis,
    /// Services look through other views: a flow's entry may be of the view before, and is to go before the slot that the
    /// flow has now is consulted.
    hurries: bool,
}

impl Controller {
    /// Takes up where the ledger left off, and goes on to `spread` flows so.
    ///
    /// # Errors
    /// When the ledger's store can't be read.
    pub fn open(
        ledger: Ledger,
        spread: Spread,
        settings: config::Flows,
        now: Millis,
    ) -> Result<Self, StoreError> {
        let kept = read_records(&ledger, spread)?;
        let tick = Tick {
            now,
            heard: now,
            taken: Round(0),
            next: Round(1),
            syn_guard: settings.syn_guard.0,
            moves: settings.moving_slots,
        };
        let mut wants = Wants::default();
        let Kept {
            spread: before,
            views,
            services,
        } = kept;
        let mut views = Views::restored(before, views, services, &tick);
        let wanted = wants.of(ledger.state(), ledger.roster(), now);
        views.begin_with(wanted, spread, &tick);
        views.go_on(usize::MAX, &tick);
        views.close();
        views.end();
        Ok(Self {
            ledger,
            views,
            spread,
            wants,
            grows_at: None,
            sweeper: Sweeper::default(),
            turns: Turns::default(),
            leaving: Vec::new(),
            settings,
            stale: true,
            telling: None,
            told: (Generation(0), Round(0)),
            told_at: now.before(STEP),
            stepped: now,
            walked: now,
            hurries: false,
        })
    }

    /// What is wanted.
    #[must_use]
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What stands.
    #[must_use]
    pub const fn views(&self) -> &Views {
        &self.views
    }

    /// What the last walk over the entries found.
    #[must_use]
    pub const fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }

    /// Does what is asked, as far as storing it goes; [`Self::advance`] does the rest.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is changed then.
    pub fn execute(&mut self, request: &Request, now: WallTime) -> Result<Receipt, Refusal> {
        let receipt = self.ledger.execute(request, now)?;
        self.stale |= receipt.changed;
        Ok(receipt)
    }

    /// Has flows spread over slots by another key, or over another number of slots, from the next [`Self::advance`] on.
    pub fn spread(&mut self, spread: Spread) {
        self.stale |= self.spread != spread;
        self.spread = spread;
    }

    /// How far a generation is. One that was overtaken before it was published is as far as the one that overtook it.
    #[must_use]
    pub fn stage(&self, generation: Generation, publish: &impl Publish) -> Stage {
        let (told, round) = self.told;
        let telling = self.stale || self.telling.is_some();
        if telling || generation > told || publish.taken() < round {
            Stage::Stored
        } else if self.views.is_arming() || publish.taken() < publish.round() {
            // What has been steered counts from when every worker has it.
            Stage::Armed
        } else if self.views.is_moving() {
            Stage::Steered
        } else {
            Stage::Settled
        }
    }

    /// Changes every default of a pool to its target at once; `false` when there is no such pool.
    pub fn force(&mut self, pool: &str, now: Millis, publish: &impl Publish) -> bool {
        let tick = self.tick(now, publish);
        self.views.force(pool, &tick)
    }

    /// How far each view is.
    pub fn progress(&self) -> impl Iterator<Item = (&ViewKey, Progress)> {
        self.views.progress()
    }

    fn tick(&self, now: Millis, publish: &impl Publish) -> Tick {
        Tick {
            now,
            heard: now.before(publish.lag()),
            taken: publish.taken(),
            next: publish.round().next(),
            syn_guard: self.settings.syn_guard.0,
            moves: self.settings.moving_slots,
        }
    }

    /// Rolls back a change that nobody confirmed in time, and says in how many milliseconds the deadline of the one that
    /// waits is.
    ///
    /// # Errors
    /// [`Refusal`] when it can't be stored: try again.
    pub fn expire(&mut self, now: WallTime) -> Result<Option<u64>, Refusal> {
        if let Some(receipt) = self.ledger.expire(now)? {
            tracing::warn!(
                generation = receipt.generation.0,
                "a change was not confirmed in time, and is rolled back"
            );
            self.stale |= receipt.changed;
        }
        let pending = self.ledger.pending();
        Ok(pending.map(|pending| pending.deadline.0.saturating_sub(now.0)))
    }

    /// Does some of what can be done now, and says in how many milliseconds there may be more; `None`: only after an
    /// event.
    ///
    /// # Errors
    /// When what has to be recorded first can't be: nothing was published then, and the next call tries again.
    pub fn advance(
        &mut self,
        now: Millis,
        wall: WallTime,
        flows: &Flows,
        publish: &mut impl Publish,
    ) -> Result<Option<u32>, Refusal> {
        flows.firsts.rotate(now);
        if !self.views.is_under_way() {
            self.begin(now, flows, publish);
        }
        let mut step = STEP.saturating_sub(now.since(self.stepped));
        if self.views.is_under_way() {
            if !self.go_on(now, publish)? {
                return Ok(Some(0));
            }
            step = self.views.end().map_or(u32::MAX, |wait| wait.max(STEP));
        }
        // Behind the publication: an entry's view is found by the services that were published.
        self.walk((now, wall), flows, publish)?;
        let step = self.views.is_moving().then_some(step);
        let behind = publish.taken() < publish.round();
        let again = self.views.is_dirty().then_some(0);
        let glance = behind.then_some(GLANCE);
        let pace = if self.hurries { 0 } else { self.sweeper.pace() };
        let walk = self.is_walking(flows).then_some(pace);
        // What waits for the workers is told at a glance.
        let told = self.tells_in(now).filter(|_| !(self.stale && behind));
        let waits = [again, step, glance, walk, told];
        Ok(waits.into_iter().flatten().min())
    }

    /// Whether entries may end something, a transition or a backend's stay, or are of no use any more.
    fn is_walking(&self, flows: &Flows) -> bool {
        self.views.is_moving() || !self.leaving.is_empty() || flows.entries.counts().total() > 0
    }

    /// Begins a lap over the views if one is due.
    fn begin(&mut self, now: Millis, flows: &Flows, publish: &impl Publish) {
        let tick = self.tick(now, publish);
        if self.views.is_moving() {
            self.turns.take(&mut self.views, &flows.entries, &tick);
        }
        let steps = self.views.is_moving() && now.since(self.stepped) >= STEP;
        if self.tells_in(now) == Some(0) && self.may_tell(&tick, publish) {
            self.tell(&tick);
        } else if steps || self.views.is_dirty() {
            self.views.begin();
        } else {
            return;
        }
        self.stepped = now;
    }

    /// Whether the views can be told at once what is wanted. How flows are spread changes only when every worker has what
    /// is out.
    fn may_tell(&mut self, tick: &Tick, publish: &impl Publish) -> bool {
        let may = self.spread == self.views.spread() || tick.taken >= publish.round();
        self.stale |= !may;
        may
    }

    /// Begins a lap that tells the views what is wanted: however many commands came meanwhile, tables are built once.
    fn tell(&mut self, tick: &Tick) {
        let (state, roster) = (self.ledger.state(), self.ledger.roster());
        let wanted = self.wants.of(state, roster, tick.now);
        self.grows_at = self.wants.next(tick.now).map(|wait| tick.now.after(wait));
        self.views.begin_with(wanted, self.spread, tick);
        self.telling = Some(self.ledger.generation());
        (self.stale, self.told_at) = (false, tick.now);
    }

    /// Goes on with the lap, and publishes by its end what it did. Returns whether that was the end.
    fn go_on(&mut self, now: Millis, publish: &mut impl Publish) -> Result<bool, StoreError> {
        let tick = self.tick(now, publish);
        if !self.views.go_on(VIEWS, &tick) || !self.record_ahead()? {
            return Ok(false);
        }
        if let Some(leaving) = self.views.close() {
            self.leaving = leaving;
        }
        self.hurries |= self.views.is_reassigned();
        self.record()?;
        if self.views.is_dirty() {
            let generation = self.telling.unwrap_or(self.told.0);
            publish.publish(generation, self.views.plan());
        }
        if let Some(generation) = self.telling.take() {
            // What changes nothing for the workers is theirs already.
            self.told = (generation, publish.round());
        }
        Ok(true)
    }

    /// In how many milliseconds the views are to be told what is wanted: at once after a rest, and else a step after
    /// they were told last.
    fn tells_in(&self, now: Millis) -> Option<u32> {
        let growth = self.grows_at.map(|at| at.since(now));
        let wait = if self.stale { Some(0) } else { growth };
        wait.map(|wait| wait.max(STEP.saturating_sub(now.since(self.told_at))))
    }

    /// Goes on with the walk over the entries, and lets go of the backends that nothing names any more.
    fn walk(
        &mut self,
        (now, wall): (Millis, WallTime),
        flows: &Flows,
        publish: &impl Publish,
    ) -> Result<(), Refusal> {
        let paused = !self.hurries && now.since(self.walked) < WALK_PAUSE;
        if !self.is_walking(flows) || (self.sweeper.is_between() && paused) {
            return Ok(());
        }
        self.hurries &= !self.sweeper.is_between();
        let tick = self.tick(now, publish);
        let index = publish.index();
        let ended = self
            .sweeper
            .advance(&mut self.views, &flows.entries, index, STRETCH, &tick);
        if ended {
            self.walked = now;
            self.turns.walked();
            self.let_go(wall)?;
        }
        Ok(())
    }

    /// Finishes the removals of backends that nothing names any more, and forgets those that left.
    fn let_go(&mut self, wall: WallTime) -> Result<(), Refusal> {
        if !self.views.is_loosened() {
            return Ok(());
        }
        let named = self.views.named();
        let is_named = |id: &BackendId| named.binary_search(id).is_ok();
        let leaving = self.leaving.iter().copied();
        let gone: BTreeSet<BackendId> = leaving.filter(|id| !is_named(id)).collect();
        if gone.is_empty() {
            self.views.tightened();
            return Ok(());
        }
        for (pool, name) in self.removing(&gone) {
            tracing::info!(pool, backend = name, "removed: its last flow has ended");
            let request = Request {
                command: Command::FinishRemoval { pool, name },
                preconditions: Vec::new(),
                author: "the last flow's end".to_owned(),
                confirm_within: None,
            };
            self.execute(&request, wall)?;
        }
        self.ledger.forget(&gone)?;
        self.leaving.retain(is_named);
        self.views.tightened();
        Ok(())
    }

    /// Those of `ids` that are being removed, as pool and name.
    fn removing(&self, ids: &BTreeSet<BackendId>) -> Vec<(String, String)> {
        let state = self.ledger.state();
        let is_removing = |pool: &str, name: &str| {
            let pool = state.pools.get(pool);
            pool.is_some_and(|pool| pool.mode(name) == Mode::Removing)
        };
        let members = self.ledger.roster().members();
        members
            .filter(|(pool, member)| ids.contains(&member.id) && is_removing(pool, &member.name))
            .map(|(pool, member)| (pool.to_owned(), member.name.clone()))
            .collect()
    }
}
