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

/// What was measured.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Packets received while the clock ran.
    pub packets: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// TSC clocks in that time.
    pub clocks: u64,
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
    .map(|(packets, elapsed, clocks)| Measured {
        packets,
        elapsed,
        clocks,
        totals: PortTotals::sum(counters.ports.iter()),
        stages: StageTotals::sum(std::slice::from_ref(&counters)),
        moving: steering.moving(),
    })
}

/// Lets the worker run, and reads its counter twice.
fn measure(
    counters: &WorkerCounters,
    steering: &mut Steering<'_>,
    duration: Duration,
) -> Result<(u64, Duration, u64), Error> {
    let received = || {
        counters
            .ports
            .iter()
            .map(|port| port.received.packets.get())
            .sum::<u64>()
    };
    let clock = quanta::Clock::new();
    steering.warm_up(WARM_UP)?;
    let (packets, start, clocks) = (received(), Instant::now(), clock.raw());
    steering.run(duration)?;
    Ok((received() - packets, start.elapsed(), clock.raw() - clocks))
}
