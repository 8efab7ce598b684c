//! The controller: what is wanted, by the [`Ledger`]; what stands, by the [`Views`]; and the steps from one to the other,
//! published to the workers and recorded before that, so that a killed process goes on where it was.
//!
//! It has no thread: its owner calls [`Controller::advance`] after each event, and again when that says so.

mod pause;
mod records;
mod stage;
mod walk;

use super::ledger::{Ledger, Receipt, Refusal, Request};
use super::plan::Plan;
use super::store::{StoreError, WallTime};
use super::views::{Sweeper, Turns, ViewKey, Views, WALK_PAUSE, Wants, stretch};
use crate::config;
use crate::flow::transition::{Progress, Tick};
use crate::flow::{Flows, Millis};
use crate::table::{BackendId, Generation, Round, ServiceIndex, Spread};
pub use stage::Stage;

use pause::Pause;
use records::{Kept, read_records};

/// The shortest time between two steps of the slots, and between two changes of what is wanted, in milliseconds: what
/// falls into it is published together. Workers have to fetch a new table from the memory of another core, which at
/// hundreds of publications a second they notice.
const STEP: u32 = 50;
/// How soon the controller looks whether the workers have taken a publication, in milliseconds.
const GLANCE: u32 = 2;
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
    /// What has changed waits for the workers.
    held: bool,
    /// The generation that the lap under way tells the views.
    telling: Option<Generation>,
    /// The one that they were told before that, and the round that published it.
    told: (Generation, Round),
    /// From one lap to the next that only moves slots on.
    step: Pause,
    /// From one lap to the next that tells the views what is wanted.
    tell: Pause,
    /// From the end of a walk over the entries to the next.
    walk: Pause,
    /// The round since which services look through other views: a flow's entry may be of the view before, and is to go
    /// before the slot that the flow has now is consulted. `None`: a walk began since every worker has it.
    hurries: Option<Round>,
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
            held: false,
            telling: None,
            told: (Generation(0), Round(0)),
            step: Pause::begun(STEP, now),
            tell: Pause::over(STEP, now),
            walk: Pause::begun(WALK_PAUSE, now),
            hurries: None,
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
        self.note(receipt.changed);
        Ok(receipt)
    }

    fn note(&mut self, changed: bool) {
        self.stale |= changed;
        self.held &= !changed;
    }

    /// Has flows spread over slots by another key, or over another number of slots, from the next [`Self::advance`] on.
    pub fn spread(&mut self, spread: Spread) {
        self.note(self.spread != spread);
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

    /// Changes every default of a pool to its target at once. Returns how many did.
    pub fn force(&mut self, pool: &str, now: Millis, publish: &impl Publish) -> usize {
        let tick = self.tick(now, publish);
        if self.views.is_under_way() {
            // What a view is yet to be told is its target, too; and what flips before could not be taken over.
            self.views.go_on(usize::MAX, &tick);
        }
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
            self.note(receipt.changed);
        }
        let pending = self.ledger.pending();
        Ok(pending.map(|pending| pending.deadline.0.saturating_sub(now.0)))
    }

    /// Does some of what can be done now, and says in how many milliseconds there may be more; `None`: only after an
    /// event.
    ///
    /// # Errors
    /// When something can't be stored. What has to be recorded first is not published then, and the next call tries again.
    pub fn advance(
        &mut self,
        now: Millis,
        wall: WallTime,
        flows: &Flows,
        publish: &mut impl Publish,
    ) -> Result<Option<u32>, Refusal> {
        flows.firsts.rotate(now);
        for pause in [&mut self.step, &mut self.tell, &mut self.walk] {
            pause.follow(now);
        }
        if !self.views.is_under_way() {
            self.begin(now, flows, publish);
        }
        let mut step = self.step.left(now);
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
        let pace = if self.hurries(publish) {
            0
        } else {
            self.sweeper.pace()
        };
        let walk = self.is_walking(flows).then_some(pace);
        // What waits for the workers is told at a glance.
        let told = self.tells_in(now).filter(|_| !(self.stale && behind));
        let waits = [again, step, glance, walk, told];
        Ok(waits.into_iter().flatten().min())
    }

    /// Begins a lap over the views if one is due.
    fn begin(&mut self, now: Millis, flows: &Flows, publish: &impl Publish) {
        let tick = self.tick(now, publish);
        if self.views.is_moving() {
            self.turns.take(&mut self.views, &flows.entries, &tick);
        }
        // What is held would have to wait for each step's publication, too.
        let steps = !self.held && self.views.is_moving() && self.step.left(now) == 0;
        if self.tells_in(now) == Some(0) && self.tell(&tick, publish) {
            self.tell.begin(now);
        } else if steps || self.views.is_dirty() {
            self.views.begin();
        } else {
            return;
        }
        self.step.begin(now);
    }

    /// Begins a lap that tells the views what is wanted: however many commands came meanwhile, tables are built once. But
    /// where flows go over to other slots, it waits until every worker has what is to be taken over, and returns false: of a
    /// default that has flipped for some workers only, nothing could be said there. What changes meanwhile waits as well, since
    /// a state is told as one; that is as long as the slowest worker takes for a publication.
    fn tell(&mut self, tick: &Tick, publish: &impl Publish) -> bool {
        let known = !self.views.is_dirty() && tick.taken >= publish.round();
        if self.held && !known {
            return false;
        }
        let (state, roster) = (self.ledger.state(), self.ledger.roster());
        let wanted = self.wants.of(state, roster, tick.now);
        self.held = !known && self.views.would_take_over(&wanted, self.spread);
        self.stale = self.held;
        if self.held {
            return false;
        }
        self.grows_at = self.wants.next(tick.now).map(|wait| tick.now.after(wait));
        self.views.begin_with(wanted, self.spread, tick);
        self.telling = Some(self.ledger.generation());
        true
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
        let reassigned = self.views.is_reassigned();
        self.record()?;
        if self.views.is_dirty() {
            let generation = self.telling.unwrap_or(self.told.0);
            publish.publish(generation, self.views.plan());
            if reassigned {
                self.hurries = Some(publish.round());
            }
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
        wait.map(|wait| wait.max(self.tell.left(now)))
    }
}
