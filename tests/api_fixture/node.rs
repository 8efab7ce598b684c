//! A node without packets: a controller over a store in memory, and a publisher whose workers take everything at once
//! unless they are told to hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tentetsu::config::{self, Config, Millis as Span, parse};
use tentetsu::control::api::Observer;
use tentetsu::control::api::events::Events;
use tentetsu::control::api::node::{Node, Stretch};
use tentetsu::control::api::schema::{
    Breaks, Check, DropCount, Entries, ExplainQuery, Explanation, FlowQuery, Forced, NodeStatus,
    Pending, PortStatus, Readiness, Stats, Transition, WorkerStatus,
};
use tentetsu::control::command::Command;
use tentetsu::control::controller::{Controller, Publish, Stage};
use tentetsu::control::ledger::{Ledger, Receipt, Refusal, Request};
use tentetsu::control::state::{Definitions, Site};
use tentetsu::control::store::{
    Entry, Loaded, MemoryStore, Store, StoreError, Transaction, WallTime, Write,
};
use tentetsu::control::views::{Led, Standing, ViewKey};
use tentetsu::control::{Plan, compile_snapshot, compile_tables, synthetic_reach};
use tentetsu::explain::{Running, explain};
use tentetsu::flow::{EntryTable, Flows, Limits, Millis};
use tentetsu::table::{
    BackendId, Generation, HashKey, Round, ServiceIndex, Snapshot, Spread, Tables,
};

/// The file of the node: its own address, and what belongs to the file.
pub const FILE: &str = r#"
[maglev]
slots = 251
[[port]]
name = "lan"
device = "net_null0"
addresses = ["192.0.2.1/24"]
[[pool]]
name = "files"
backends = [{ name = "f1", address = "10.1.0.1" }, { name = "f2", address = "10.1.0.2" }]
[[service]]
name = "file"
address = "203.0.113.1"
protocol = "tcp"
ports = [80]
pool = "files"
"#;

/// A store in memory that takes nothing while it is full.
#[derive(Default)]
struct Disk {
    store: MemoryStore,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> Result<(), StoreError> {
        let path = "the disk".into();
        let full = self.full.load(Ordering::Relaxed);
        (!full).then_some(()).ok_or(StoreError::NoSpace { path })
    }
}

impl Store for Disk {
    fn load(&self) -> Result<Loaded, StoreError> {
        self.store.load()
    }

    fn commit(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.room().and_then(|()| self.store.commit(transaction))
    }

    fn log(&self, newest: Generation, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.store.log(newest, limit)
    }

    fn undo(&self, generation: Generation) -> Result<Option<Vec<Write>>, StoreError> {
        self.store.undo(generation)
    }

    fn blob(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.blob(key)
    }

    fn put_many(&mut self, blobs: &[(&str, &[u8])]) -> Result<(), StoreError> {
        self.room().and_then(|()| self.store.put_many(blobs))
    }
}

/// Plays the workers.
pub struct StubPublisher {
    config: Config,
    tables: Arc<Tables>,
    pub snapshot: Snapshot,
    round: Round,
    taken: Round,
    /// Workers take nothing while this is set.
    pub hold: bool,
}

impl StubPublisher {
    fn new(config: Config) -> Self {
        let tables = Arc::new(compile_tables(&Plan::default()));
        let snapshot = compile_snapshot(Generation(0), &[], &tables, |_| {
            unreachable!("an empty plan has no backends")
        });
        Self {
            config,
            tables,
            snapshot,
            round: Round(0),
            taken: Round(0),
            hold: false,
        }
    }
}

impl Publish for StubPublisher {
    fn publish(&mut self, generation: Generation, plan: Plan) {
        self.tables = Arc::new(compile_tables(&plan));
        let (ports, config) = (&self.config.ports, &self.config);
        let reach = |address| synthetic_reach(config, address);
        self.snapshot = compile_snapshot(generation, ports, &self.tables, reach);
        self.round = self.round.next();
    }

    fn round(&self) -> Round {
        self.round
    }

    fn taken(&self) -> Round {
        self.taken
    }

    fn lag(&self) -> u32 {
        0
    }

    fn index(&self) -> &ServiceIndex {
        &self.tables.index
    }
}

/// See the [module](self).
pub struct StubNode {
    pub controller: Controller,
    pub publisher: StubPublisher,
    pub flows: Flows,
    pub now: Millis,
    /// The store takes nothing while this is set.
    pub full: Arc<AtomicBool>,
    observer: Option<Observer>,
}

impl StubNode {
    pub fn new(settings: config::Flows) -> Self {
        let config = parse("lb.toml", FILE).unwrap();
        let disk = Disk::default();
        let full = Arc::clone(&disk.full);
        let ledger = Ledger::open(Box::new(disk)).unwrap();
        let now = Millis(1_000);
        let spread = Spread {
            key: HashKey::new([7; 16]),
            slots: config.maglev.slots,
        };
        let entries = EntryTable::in_memory(Limits::of(1_024)).unwrap();
        let controller = Controller::open(ledger, spread, settings, now).unwrap();
        let site = Site::from(&config);
        let mut node = Self {
            controller,
            publisher: StubPublisher::new(config),
            flows: Flows::new(entries, spread.key),
            now,
            full,
            observer: None,
        };
        node.load(site);
        node
    }

    /// Takes over the file, as if it said this of the appliance.
    pub fn load(&mut self, site: Site) {
        let load = Request {
            command: Command::LoadFile {
                definitions: Definitions::from(&self.publisher.config),
                site,
            },
            preconditions: Vec::new(),
            author: "file".to_owned(),
            confirm_within: None,
        };
        self.controller.execute(&load, WallTime::now()).unwrap();
    }

    pub fn observe(&mut self, events: Arc<Events>) {
        self.advance();
        self.observer = Some(Observer::new(events, &self.controller, &self.publisher));
    }

    /// One step, 50 ms after the last.
    pub fn advance(&mut self) -> u32 {
        self.now = self.now.after(50);
        self.controller.expire(WallTime::now()).unwrap();
        let (flows, publisher) = (&self.flows, &mut self.publisher);
        let done = self
            .controller
            .advance(self.now, WallTime::now(), flows, publisher);
        let full = self.full.load(Ordering::Relaxed);
        let wait = done.unwrap_or_else(|error| full.then_some(None).ok_or(error).unwrap());
        if !self.publisher.hold {
            self.publisher.taken = self.publisher.round;
        }
        if let Some(observer) = &mut self.observer {
            observer.look(&self.controller, &self.publisher);
        }
        wait.map_or(20, |wait| wait.min(20))
    }

    /// Everything that has no flow is settled after this.
    pub fn pass(&mut self, span: Span) {
        self.now = self.now.after(span.0);
    }
}

impl Node for StubNode {
    fn ledger(&self) -> &Ledger {
        self.controller.ledger()
    }

    fn execute(&mut self, request: &Request) -> Result<Receipt, Refusal> {
        self.controller.execute(request, WallTime::now())
    }

    fn stage(&self, generation: Generation) -> Stage {
        self.controller.stage(generation, &self.publisher)
    }

    fn status(&self) -> NodeStatus {
        let ledger = self.ledger();
        NodeStatus {
            name: "stub".to_owned(),
            version: "0".to_owned(),
            uptime_ms: 0,
            generation: ledger.generation().0,
            stage: self.stage(ledger.generation()),
            ready: self.readiness().ready,
            degraded: self.readiness().degraded(),
            slots: 251,
            hash_key_fingerprint: "0".to_owned(),
            entries: Entries {
                unconfirmed: 0,
                confirmed: 0,
                learned: 0,
                limit: 1_024,
            },
            pending: ledger.pending().cloned().map(Pending::from),
        }
    }

    fn readiness(&self) -> Readiness {
        let tables = Check {
            name: "tables".to_owned(),
            ok: !self.publisher.hold,
            decides: true,
            detail: "as the test has it".to_owned(),
        };
        Readiness::of(vec![tables, Check::of_store(self.ledger())])
    }

    fn ports(&self) -> Vec<PortStatus> {
        Vec::new()
    }

    fn workers(&mut self) -> Vec<WorkerStatus> {
        Vec::new()
    }

    fn drops(&self) -> Vec<DropCount> {
        Vec::new()
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn transitions(&self) -> Vec<Transition> {
        Vec::new()
    }

    fn standing(&self, view: &ViewKey) -> Option<Standing> {
        self.controller.views().standing(view)
    }

    fn flows(&self, _: &FlowQuery, _: usize) -> Stretch {
        Stretch::default()
    }

    fn listed(&self, _: &str, _: &str) -> u64 {
        7
    }

    fn led(&self, backend: BackendId) -> Led {
        self.controller.views().led(backend)
    }

    fn force(&mut self, pool: &str, dry_run: bool) -> Option<Forced> {
        let now = self.now;
        let views = self.controller.views().reports(now);
        let moving: Option<usize> = views
            .filter(|view| &*view.pool == pool)
            .map(|view| view.progress.moving)
            .reduce(|a, b| a + b);
        let moving = moving? as u64;
        if !dry_run {
            self.controller.force(pool, now, &self.publisher);
        }
        Some(Forced {
            pool: pool.to_owned(),
            flips: moving,
            breaks: Breaks {
                unlisted_possible_slots: moving,
            },
        })
    }

    fn explain(&self, query: &ExplainQuery) -> Option<Explanation> {
        let running = Running {
            flows: &self.flows,
            now: self.now,
            state: self.ledger().state(),
        };
        explain(query, &self.publisher.snapshot, Some(&running))
    }
}
