//! The appliance: starts its parts in order, serves until it is told to stop, and stops them in reverse.
//!
//! ```text
//!   start: configuration -> hash key -> cores -> EAL -> ports (devices, TAPs) -> next hops -> tables -> workers
//!   serve: signals, next hops, links  ==>  publish to workers, or say what happened
//!   stop:  workers -> next hops -> TAPs -> devices -> EAL
//! ```

pub mod bench;
mod desk;
mod events;
mod links;
mod ports;
mod publisher;
mod report;
mod source;
mod worker;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::config::{self, Against, Config, Idle, LoadError};
use crate::control::KeyError;
use crate::control::api::events::Events;
use crate::control::api::node::Call;
use crate::control::api::serve::{ServeError, Server};
use crate::control::controller::Controller;
use crate::control::ledger::{Ledger, Refusal};
use crate::control::nexthop::{self, NextHopChange, NextHops};
use crate::control::store::{FileStore, StoreError, WallTime};
use crate::flow::{EntryTable, Limits, OpenError};
use crate::port::dpdk::{self, Eal};
use crate::table::{HashKey, Subscriber};
use crate::worker::{Publication, Shared, WorkerCounters};

use desk::Facts;
use events::{Event, House};
use ports::{OwnAddress, Ports, with_kernel_addresses};
use publisher::TablePublisher;
use source::Source;
use worker::{Running, Spawn};

/// How long the start waits for the kernel's first word on routes: without it the first packets would be
/// dropped, with it a kernel that is slow only costs them.
const FIRST_NEXT_HOPS: Duration = Duration::from_secs(2);

/// The file in the state directory that keeps what is wanted.
const STATE: &str = "state.redb";

/// Why the appliance did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// A service on the host's own address.
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
    /// The hash key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The driver layer.
    #[error(transparent)]
    Dpdk(#[from] dpdk::Error),
    /// Flows in transition.
    #[error(transparent)]
    Flows(#[from] OpenError),
    /// What is kept in the state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What the file wants does not go with what the API made.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// The kernel's routes.
    #[error("can't follow the kernel's routes and neighbours: {0}")]
    NextHops(#[from] nexthop::Error),
    /// Threads, signals, or the exception path.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The API.
    #[error(transparent)]
    Api(#[from] ServeError),
    /// A worker ended by itself.
    #[error("a worker on core {core} stopped: {why}")]
    Worker {
        /// Its core.
        core: usize,
        /// Why.
        why: String,
    },
}

impl Error {
    fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}

/// Runs the appliance that the file `path` describes, until SIGTERM or SIGINT.
///
/// # Errors
/// [`Error`] names what is wrong and the mend.
pub fn run(path: &Path) -> Result<(), Error> {
    let written = config::load(path, Against::Everything)?;
    let (spread, origin) = source::spread(&written)?;
    let cores = cores(&written)?;
    let (sender, events) = mpsc::channel();
    events::forward_signals(sender.clone()).map_err(Error::system("can't take signals"))?;
    let news = Arc::new(Events::new(WallTime::now()));
    let _api = serve_api(&written, sender.clone(), &news)?;
    let eal = Eal::start(&written.dpdk, &written.ports)?;
    let mut ports = Ports::open(&eal, &written)?;
    let config = with_kernel_addresses(written.clone())?;
    let store = FileStore::open(&written.node.state_dir.join(STATE))?;
    let ledger = Ledger::open(Box::new(store))?;
    let shared = shared(&config, spread.key)?;
    let now = shared.clock.now();
    let mut controller = Controller::open(ledger, spread, config.flows.clone(), now)?;
    source::load(&mut controller, &source::request(&config, spread), &origin)?;

    let publish = move |change: NextHopChange| drop(sender.send(Event::NextHops(change)));
    let wanted = controller.views().addresses();
    let watcher = nexthop::watch(ports.interfaces(&config), wanted, publish)?;
    report::warn_of_rights(&watcher);
    let (first, early) = events::first_next_hops(&events, FIRST_NEXT_HOPS);
    let mut hops = NextHops::default();
    report::next_hops(&hops, &first.by_address);
    hops.change(first);

    let blank = |_: &usize| WorkerCounters::new(config.ports.len());
    let counters: Vec<WorkerCounters> = cores.iter().map(blank).collect();
    let (idle, burst) = (idle(&config), config.workers.burst);
    report::started(&config, &ports, &eal, &cores, idle);
    let (publisher, subscribers) =
        TablePublisher::new(config.ports, hops, cores.len(), shared.clock.clone());
    let facts = Facts::new(&written, &cores, news);
    let source = Source::new(path, written);
    let mut house = House::new(
        publisher, controller, source, watcher, &counters, &shared, facts,
    );
    // All tables are there before the first packet.
    while house.advance(&ports) <= Instant::now() {}
    report::serving(&house.publisher);
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let spawn = Spawn {
            scope,
            eal: &eal,
            stop: &stop,
            shared: &shared,
            idle,
            burst,
        };
        let started = spawn_all(
            &spawn,
            &mut ports,
            subscribers,
            &cores,
            &counters,
            &mut house,
        );
        let served = started.and_then(|workers| house.serve(early, &events, &ports, &workers));
        // Whatever happened, the workers end here, and the scope waits for them.
        stop.store(true, Ordering::Relaxed);
        served
    });
    report::totals(&mut house, &ports);
    outcome
}

/// Listens before anything is pinned to a core, which threads inherit; who asks early waits.
fn serve_api(
    config: &Config,
    sender: mpsc::Sender<Event>,
    news: &Arc<Events>,
) -> Result<Server, ServeError> {
    let door = Arc::new(move |call: Call| sender.send(Event::Call(call)).is_ok());
    Server::start(&config.api, door, Arc::clone(news))
}

/// The flows that were in transition when the process ended last, and the clock, which starts anew for them.
fn shared(config: &Config, key: HashKey) -> Result<Shared, Error> {
    let limits = Limits::of(config.flows.entries);
    let opened = EntryTable::open(&config.flows.file, limits, key)?;
    report::recovered(&opened.recovered);
    let shared = Shared::new(opened.table, opened.key);
    shared.flows.entries.take_over(shared.clock.now());
    Ok(shared)
}

/// Starts one worker per core, each with its lanes.
fn spawn_all<'scope, 'env>(
    spawn: &Spawn<'scope, 'env>,
    ports: &mut Ports,
    subscribers: Vec<Subscriber<Publication>>,
    cores: &[usize],
    counters: &'env [WorkerCounters],
    house: &mut House<'_>,
) -> Result<Vec<Running<'scope>>, Error> {
    let mut workers = Vec::new();
    for (index, ((&core, subscriber), counters)) in
        cores.iter().zip(subscribers).zip(counters).enumerate()
    {
        let lanes = ports.lanes(index, &counters.ports);
        let (worker, samples) = spawn.worker(core, lanes, subscriber, counters)?;
        workers.push(worker);
        house.latencies.push(samples);
    }
    Ok(workers)
}

/// The cores to work on: the configured ones, or the last that this process may use.
fn cores(config: &Config) -> Result<Vec<usize>, Error> {
    let mut cores = config.workers.cores.clone();
    if cores.is_empty() {
        cores.extend(dpdk::allowed_cores().last());
    }
    dpdk::check_cores(&cores)?;
    Ok(cores)
}

/// The configured mode; else adaptive as soon as the kernel keeps one of the NICs, since it needs the core too.
fn idle(config: &Config) -> Idle {
    let kernel_nic = |port: &config::Port| {
        matches!(
            &port.device,
            config::Device::Vdev {
                interface: Some(_),
                ..
            }
        )
    };
    let by_ports = if config.ports.iter().any(kernel_nic) {
        Idle::Adaptive
    } else {
        Idle::Poll
    };
    config.workers.idle.unwrap_or(by_ports)
}
