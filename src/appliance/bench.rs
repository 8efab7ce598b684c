//! `bench`: one worker over a capture that a `net_pcap` device replays from memory for ever, and that drops what is
//! sent: the fairest measure of the packet path, since any DPDK program can be run on the very same device.

mod steering;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::Error;
use super::ports::Ports;
use super::worker::Spawn;
use crate::config::{Config, Device, Exception, Idle};
use crate::flow::{EntryTable, Limits};
use crate::graph::Ingress;
use crate::port::dpdk::Eal;
use crate::worker::{PortTotals, Shared, StageTotals, WorkerCounters};

use steering::Steering;
pub use steering::{Load, Moving};

/// Before the clock starts: caches and branch predictors settle, and the CPU's frequency with them.
const WARM_UP: Duration = Duration::from_millis(500);

/// Under changes: how long is measured with them, and without them, in turns. Neighbours on the same machine cost more
/// than what is to be seen, but seldom come and go so fast.
const TURN: Duration = Duration::from_millis(250);
/// What was changed last is published, and fetched, after that.
const AFTERMATH: Duration = Duration::from_millis(100);

/// What passed while the clock ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Packets received.
    pub packets: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// TSC clocks in that time.
    pub clocks: u64,
}

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Under the load.
    pub loaded: Reading,
    /// In as long a time between its changes; zero where it makes none.
    pub between: Reading,
    /// What became of all packets, warm-up included.
    pub totals: PortTotals,
    /// How the stages worked.
    pub stages: Vec<StageTotals>,
    /// What was under way at the end.
    pub moving: Moving,
}

/// Measures `config`'s services on `capture` for `duration` under `load`. The configuration's ports are replaced by the
/// one that replays; next hops are made up.
///
/// # Errors
/// [`Error`] as of the appliance's start.
pub fn bench(
    mut config: Config,
    capture: &Path,
    duration: Duration,
    load: Load,
) -> Result<Measured, Error> {
    let spec = format!("net_pcap0,rx_pcap={},infinite_rx=1", capture.display());
    config.ports.truncate(1);
    for port in &mut config.ports {
        port.device = Device::Vdev {
            spec: spec.clone(),
            interface: None,
        };
        (port.queues, port.exception) = (1, Exception::Off);
    }
    config.workers.cores.truncate(1);
    let core = super::cores(&config)?.into_iter().next().unwrap_or(0);
    let eal = Eal::start(&config.dpdk, &config.ports)?;
    let mut ports = Ports::open(&eal, &config)?;

    let entries = EntryTable::in_memory(Limits::of(config.flows.entries))?;
    let shared = Shared::new(entries, steering::key(&config));
    let (mut steering, subscriber) = Steering::new(&config, load, &shared)?;

    let counters = WorkerCounters::new(1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let spawn = Spawn {
            scope,
            eal: &eal,
            stop: &stop,
            shared: &shared,
            idle: Idle::Poll,
            burst: config.workers.burst,
        };
        let mut lanes = ports.lanes(0, &counters.ports);
        // The capture's packets were sent to some other MAC address.
        lanes
            .iter_mut()
            .for_each(|lane| lane.ingress = Ingress { mac: None });
        let started = spawn.worker(core, lanes, subscriber, &counters);
        let measured = started.and_then(|_| measure(&counters, &mut steering, duration));
        stop.store(true, Ordering::Relaxed);
        measured
    })
    .map(|(loaded, between)| Measured {
        loaded,
        between,
        totals: PortTotals::sum(counters.ports.iter()),
        stages: StageTotals::sum(std::slice::from_ref(&counters)),
        moving: steering.moving(),
    })
}

/// Lets the worker run under the load, and, where that makes changes, between them.
fn measure(
    counters: &WorkerCounters,
    steering: &mut Steering<'_>,
    duration: Duration,
) -> Result<(Reading, Reading), Error> {
    let (mut loaded, mut between) = (Reading::default(), Reading::default());
    steering.warm_up(WARM_UP)?;
    if !steering.makes_changes() {
        loaded.add(counters, || steering.wait(duration))?;
        return Ok((loaded, between));
    }
    while loaded.elapsed < duration {
        between.add(counters, || steering.wait(TURN))?;
        loaded.add(counters, || steering.change_for(TURN))?;
        steering.wait(AFTERMATH)?;
    }
    Ok((loaded, between))
}

impl Reading {
    /// Adds what passes during `work`.
    fn add(
        &mut self,
        counters: &WorkerCounters,
        work: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let received = || {
            let ports = counters.ports.iter();
            ports.map(|port| port.received.packets.get()).sum::<u64>()
        };
        let clock = quanta::Clock::new();
        let (packets, start, clocks) = (received(), Instant::now(), clock.raw());
        work()?;
        self.packets += received() - packets;
        self.elapsed += start.elapsed();
        self.clocks += clock.raw() - clocks;
        Ok(())
    }
}
