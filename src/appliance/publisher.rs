//! Makes snapshots of plans and next hops, and publishes them to the workers.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use ipnet::IpNet;

use crate::config::Port;
use crate::control::controller::Publish;
use crate::control::nexthop::{NextHopChange, NextHops};
use crate::control::{
    Known, Plan, compile_snapshot, compile_successor, compile_tables, kernel_reach,
};
use crate::table::{
    Generation, Publisher, Round, ServiceIndex, Snapshot, Subscriber, Tables, channel,
};
use crate::worker::{NodeClock, Publication, Totals};

/// Publishing other next hops takes one part of the time in so many: where it takes long, those that change meanwhile are
/// published together.
const SHARE: u32 = 5;

/// The writer's side of the tables.
pub struct TablePublisher {
    ports: Vec<Port>,
    generation: Generation,
    plan: Plan,
    tables: Arc<Tables>,
    snapshot: Arc<Snapshot>,
    hops: NextHops,
    /// The addresses whose next hops are others than those published.
    moved: HashSet<IpAddr>,
    /// When next hops may be published again.
    rested: Instant,
    round: Round,
    workers: Vec<Published>,
    clock: NodeClock,
    /// Since when slots are consulted, while some are.
    consults_since: Option<u64>,
    /// What was counted on publications that are no longer in use.
    past: Totals,
}

/// One worker's end, and the publications that it may still count on.
struct Published {
    publisher: Publisher<Publication>,
    in_use: Vec<Arc<Publication>>,
}

impl Published {
    /// Takes back what the worker has left, for `past` to remember.
    fn reclaim(&mut self, past: &mut Totals) {
        for old in self.publisher.reclaim() {
            past.remember(&old);
            self.in_use
                .retain(|publication| !Arc::ptr_eq(publication, &old));
        }
    }

    fn publish(&mut self, round: Round, snapshot: &Arc<Snapshot>) {
        let new = Arc::new(Publication::new(Arc::clone(snapshot)));
        self.in_use.push(Arc::clone(&new));
        if let Some(unseen) = self.publisher.publish(round, new) {
            self.in_use
                .retain(|publication| !Arc::ptr_eq(publication, &unseen));
        }
    }
}

impl TablePublisher {
    /// Gives each worker its end, with nothing published yet.
    pub fn new(
        ports: Vec<Port>,
        hops: NextHops,
        workers: usize,
        clock: NodeClock,
    ) -> (Self, Vec<Subscriber<Publication>>) {
        let plan = Plan::default();
        let tables = Arc::new(compile_tables(&plan));
        let generation = Generation::default();
        let reach = |address| kernel_reach(&hops, address);
        let snapshot = Arc::new(compile_snapshot(generation, &ports, &tables, reach));
        let first = || {
            let publication = Arc::new(Publication::new(Arc::clone(&snapshot)));
            let (publisher, subscriber) = channel(Arc::clone(&publication));
            let in_use = vec![publication];
            (Published { publisher, in_use }, subscriber)
        };
        let (workers, subscribers) = std::iter::repeat_with(first).take(workers).unzip();
        let publisher = Self {
            ports,
            generation,
            plan,
            tables,
            snapshot,
            hops,
            moved: HashSet::new(),
            rested: Instant::now(),
            round: Round::default(),
            workers,
            clock,
            consults_since: None,
            past: Totals::default(),
        };
        (publisher, subscribers)
    }

    /// The ports that packets leave by.
    pub fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// The addresses of all services.
    pub fn vips(&self) -> Vec<IpNet> {
        let services = self.plan.services.iter();
        services.map(|service| service.definition.address).collect()
    }

    /// The plan published last.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The tables published last.
    pub const fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// What was published last.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The newest round that each worker has taken.
    pub fn rounds_taken(&self) -> impl Iterator<Item = Round> {
        self.workers.iter().map(|worker| worker.publisher.taken())
    }

    /// How many milliseconds each worker is behind the wire; not known while nothing moves, nor of a worker that has said
    /// nothing since something does.
    pub fn behind(&self) -> impl Iterator<Item = Option<u64>> {
        let now = self.clock.elapsed();
        let workers = self.workers.iter().map(|worker| &worker.publisher);
        workers.map(move |worker| {
            let told = worker.caught_up();
            let known = self.consults_since.is_some_and(|since| told >= since);
            known.then(|| now.saturating_sub(told))
        })
    }

    /// The addresses that next hops are needed for.
    pub fn wanted(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.tables.backends().map(|backend| backend.address);
        addresses.filter(|address| !address.is_unspecified())
    }

    /// The next hops in force.
    pub const fn hops(&self) -> &NextHops {
        &self.hops
    }

    /// What was counted so far, on past and present publications.
    pub fn totals(&self) -> Totals {
        let mut totals = self.past.clone();
        let in_use = self.workers.iter().flat_map(|worker| &worker.in_use);
        in_use.for_each(|publication| totals.add(publication));
        totals
    }

    /// Takes over other next hops, for [`Self::publish_next_hops`].
    pub fn change_next_hops(&mut self, change: NextHopChange) {
        self.moved.extend(change.by_address.keys());
        self.hops.change(change);
    }

    /// Publishes next hops that have changed; the tables stay, and their round with them: whoever takes these next hops
    /// has taken the tables too. Returns when to call again, if it is too early.
    pub fn publish_next_hops(&mut self) -> Option<Instant> {
        if self.moved.is_empty() {
            return None;
        }
        let begun = Instant::now();
        if begun < self.rested {
            return Some(self.rested);
        }
        self.publish_snapshot();
        self.rested = Instant::now() + begun.elapsed() * (SHARE - 1);
        None
    }

    /// Counts and frees what workers have left.
    pub fn reclaim(&mut self) {
        for worker in &mut self.workers {
            worker.reclaim(&mut self.past);
        }
    }

    /// Publishes the tables with the ways to their backends; those to addresses that have moved are made anew.
    fn publish_snapshot(&mut self) {
        self.reclaim();
        let reach = |address| kernel_reach(&self.hops, address);
        let snapshot = Arc::new(compile_successor(
            self.generation,
            &self.ports,
            &self.tables,
            reach,
            Known::of(&self.snapshot, &self.moved),
        ));
        for worker in &mut self.workers {
            worker.publish(self.round, &snapshot);
        }
        let since = || self.clock.elapsed();
        self.consults_since = snapshot
            .consults
            .then(|| self.consults_since.unwrap_or_else(since));
        self.snapshot = snapshot;
        self.moved.clear();
    }
}

impl Publish for TablePublisher {
    fn publish(&mut self, generation: Generation, plan: Plan) {
        (self.generation, self.plan) = (generation, plan);
        self.round = self.round.next();
        self.tables = Arc::new(compile_tables(&self.plan));
        self.publish_snapshot();
    }

    fn round(&self) -> Round {
        self.round
    }

    fn taken(&self) -> Round {
        self.rounds_taken().min().unwrap_or(self.round)
    }

    fn lag(&self) -> u32 {
        let workers = self.workers.iter();
        let caught_up = workers.map(|worker| worker.publisher.caught_up()).min();
        let now = self.clock.elapsed();
        let lag = now.saturating_sub(caught_up.unwrap_or(now));
        u32::try_from(lag).unwrap_or(u32::MAX)
    }

    fn index(&self) -> &ServiceIndex {
        &self.tables.index
    }
}
