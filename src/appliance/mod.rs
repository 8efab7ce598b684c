//! The appliance: starts its parts in order, serves until it is told to stop, and stops them in reverse.
//!
//! ```text
//!   start: configuration -> hash key -> cores -> EAL -> ports (devices, TAPs) -> next hops -> tables -> workers
//!   serve: signals, next hops, links  ==>  publish to workers, or say what happened
//!   stop:  workers -> next hops -> TAPs -> devices -> EAL
//! ```

pub mod bench;
mod events;
mod links;
mod ports;
mod publisher;
mod report;
mod worker;

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::config::{self, Config, Idle, LoadError};
use crate::control::nexthop::{self, NextHops};
use crate::control::{KeyError, resolve_key};
use crate::port::dpdk::{self, Eal};
use crate::table::Subscriber;
use crate::worker::{Publication, WorkerCounters};

use events::{Event, House};
use ports::{OwnAddress, Ports, with_kernel_addresses};
use publisher::TablePublisher;
use worker::{Running, Spawn};

/// How long the start waits for the kernel's first word on routes: without it the first packets would be
/// dropped, with it a kernel that is slow only costs them.
const FIRST_NEXT_HOPS: Duration = Duration::from_secs(2);

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
    let written = config::load(path)?;
    let key = resolve_key(&written)?;
    let cores = cores(&written)?;
    let (sender, events) = mpsc::channel();
    events::forward_signals(sender.clone()).map_err(Error::system("can't take signals"))?;
    let eal = Eal::start(&written.dpdk, &written.ports)?;
    let mut ports = Ports::open(&eal, &written)?;
    let config = with_kernel_addresses(written.clone())?;
    ports.steer(&config)?;
    report::warn_of_host(&config);

    let publish = move |hops: NextHops| drop(sender.send(Event::NextHops(hops)));
    let watcher = nexthop::watch(ports.interfaces(&config), backends(&config), publish)?;
    report::warn_of_rights(&watcher);
    let (hops, early) = events::first_next_hops(&events, FIRST_NEXT_HOPS);
    report::next_hops(&NextHops::default(), &hops);

    let blank = |_: &usize| WorkerCounters::new(config.ports.len());
    let counters: Vec<WorkerCounters> = cores.iter().map(blank).collect();
    let idle = idle(&config);
    report::started(&config, &ports, &eal, &cores, idle);
    let (publisher, subscribers) =
        TablePublisher::new(path, written, config, key, hops, cores.len());
    let mut house = House::new(publisher, watcher, &counters);
    let stop = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        let burst = house.publisher.config().workers.burst;
        let spawn = Spawn {
            scope,
            eal: &eal,
            stop: &stop,
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

/// The addresses that next hops are needed for.
fn backends(config: &Config) -> impl Iterator<Item = IpAddr> {
    config
        .pools
        .iter()
        .flat_map(|pool| &pool.backends)
        .map(|backend| backend.address)
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
