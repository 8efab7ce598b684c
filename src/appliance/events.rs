//! What happens while the appliance serves: signals, next hops, links, and workers that stand still.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::links::LinkWatch;
use super::ports::Ports;
use super::publisher::TablePublisher;
use super::worker::Running;
use super::{Error, report};
use crate::control::nexthop::{NextHops, Watcher};
use crate::port::dpdk::Link;
use crate::worker::{LatencySamples, WorkerCounters};

/// How often links and workers are looked at, and samples collected.
const TICK: Duration = Duration::from_millis(250);

/// Something that the appliance reacts to.
pub enum Event {
    /// The kernel's routes or neighbours changed.
    NextHops(NextHops),
    /// The file is to be read again.
    Reload,
    /// The counters are to be printed.
    Counters,
    /// Time to go.
    Stop(&'static str),
}

/// Turns signals into events, on a thread of their own that lasts as long as the process.
pub fn forward_signals(sender: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let forward = move || {
        for signal in signals.forever() {
            let event = match signal {
                SIGHUP => Event::Reload,
                SIGUSR1 => Event::Counters,
                SIGINT => Event::Stop("SIGINT"),
                _ => Event::Stop("SIGTERM"),
            };
            if sender.send(event).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(forward)
        .map(drop)
}

/// Waits for the first next hops, and keeps what else came meanwhile.
pub fn first_next_hops(events: &Receiver<Event>, patience: Duration) -> (NextHops, Vec<Event>) {
    let deadline = Instant::now() + patience;
    let mut early = Vec::new();
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match event {
            Event::NextHops(hops) => return (hops, early),
            other => early.push(other),
        }
    }
    (NextHops::default(), early)
}

/// What events act on.
pub struct House<'c> {
    /// Tables.
    pub publisher: TablePublisher,
    /// Next hops.
    watcher: Watcher,
    /// Of each worker.
    pub counters: &'c [WorkerCounters],
    /// Batch latencies of each worker.
    pub latencies: Vec<LatencySamples>,
    /// Each port's link.
    links: Vec<LinkWatch>,
}

impl<'c> House<'c> {
    /// A house whose workers are yet to start.
    pub fn new(
        publisher: TablePublisher,
        watcher: Watcher,
        counters: &'c [WorkerCounters],
    ) -> Self {
        let links = vec![LinkWatch::new(Instant::now()); publisher.config().ports.len()];
        Self {
            publisher,
            watcher,
            counters,
            latencies: Vec::new(),
            links,
        }
    }

    /// Serves until a stop event.
    ///
    /// # Errors
    /// [`Error::Worker`] when a worker ended by itself.
    pub fn serve(
        &mut self,
        early: Vec<Event>,
        events: &Receiver<Event>,
        ports: &Ports,
        workers: &[Running<'_>],
    ) -> Result<(), Error> {
        let mut tick = Instant::now();
        let mut early = early.into_iter();
        loop {
            let next = early.next().map_or_else(
                || events.recv_timeout(tick.saturating_duration_since(Instant::now())),
                Ok,
            );
            match next {
                Ok(Event::Stop(why)) => {
                    tracing::info!("stopping: {why}");
                    return Ok(());
                }
                Ok(event) => self.handle(event, ports),
                Err(RecvTimeoutError::Timeout) => {
                    self.look_around(ports, workers)?;
                    tick = Instant::now() + TICK;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn handle(&mut self, event: Event, ports: &Ports) {
        match event {
            Event::NextHops(hops) => {
                report::next_hops(self.publisher.hops(), &hops);
                self.publisher.set_next_hops(hops);
            }
            Event::Reload => self.reload(ports),
            Event::Counters => report::counters("counters", self, ports),
            Event::Stop(_) => {}
        }
    }

    fn reload(&mut self, ports: &Ports) {
        if let Err(error) = self.publisher.reload() {
            tracing::error!("reload refused, the running tables stay: {error}");
            return;
        }
        report::warn_of_host(self.publisher.config());
        if let Err(error) = ports.steer(self.publisher.config()) {
            tracing::error!("reloaded, but new service addresses do not reach the ports: {error}");
        }
        self.watcher.set_wanted(self.publisher.wanted());
        let config = self.publisher.config();
        let (services, pools) = (config.services.len(), config.pools.len());
        tracing::info!(
            "reloaded: generation {}, {services} services, {pools} pools",
            self.publisher.generation().0
        );
    }

    fn look_around(&mut self, ports: &Ports, workers: &[Running<'_>]) -> Result<(), Error> {
        self.publisher.reclaim();
        for samples in &mut self.latencies {
            samples.collect();
        }
        self.report_links(ports);
        match workers.iter().find(|worker| worker.is_finished()) {
            Some(worker) => Err(Error::Worker {
                core: worker.core(),
                why: "its thread ended".into(),
            }),
            None => Ok(()),
        }
    }

    fn report_links(&mut self, ports: &Ports) {
        let now = Instant::now();
        let names = self.publisher.config().ports.iter().map(|port| &port.name);
        for ((port, name), watch) in ports.iter().zip(names).zip(&mut self.links) {
            match watch.news(port.device.link(), now) {
                None => {}
                Some(Link { up: false, .. }) => tracing::warn!(port = name, "link down"),
                Some(Link { mbit_per_s: 0, .. }) => tracing::info!(port = name, "link up"),
                Some(Link { mbit_per_s, .. }) => {
                    tracing::info!(port = name, "link up, {mbit_per_s} Mbit/s")
                }
            }
        }
    }
}
