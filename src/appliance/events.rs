//! What happens while the appliance serves: signals, next hops, links, and workers that stand still.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

use super::desk::{Desk, Facts};
use super::links::LinkWatch;
use super::ports::Ports;
use super::publisher::TablePublisher;
use super::source::{self, Reload, ReloadError, Source};
use super::worker::Running;
use super::{Error, report};
use crate::control::api::Observer;
use crate::control::api::node::Call;
use crate::control::api::schema::{Event as News, LinkEvent};
use crate::control::controller::Controller;
use crate::control::ledger::Refusal;
use crate::control::nexthop::{NextHopChange, Watcher};
use crate::control::store::WallTime;
use crate::port::dpdk::Link;
use crate::table::{Generation, Tables, View};
use crate::worker::{LatencySamples, Shared, WorkerCounters};

/// How often links and workers are looked at, and samples collected.
const TICK: Duration = Duration::from_millis(250);
/// How long events are handled before the next step at the most.
const BATCH: Duration = Duration::from_millis(20);

/// Something that the appliance reacts to.
pub enum Event {
    /// The API asks something.
    Call(Call),
    /// The kernel's routes or neighbours changed.
    NextHops(NextHopChange),
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
pub fn first_next_hops(
    events: &Receiver<Event>,
    patience: Duration,
) -> (NextHopChange, Vec<Event>) {
    let deadline = Instant::now() + patience;
    let mut early = Vec::new();
    while let Ok(event) = events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        match event {
            Event::NextHops(change) => return (change, early),
            other => early.push(other),
        }
    }
    (NextHopChange::default(), early)
}

/// What events act on.
pub struct House<'c> {
    /// Tables.
    pub publisher: TablePublisher,
    /// What is wanted, and the way there.
    pub controller: Controller,
    /// What the file said.
    source: Source,
    /// Next hops.
    watcher: Watcher,
    /// Of each worker.
    pub counters: &'c [WorkerCounters],
    /// Flows in transition, and the clock.
    pub shared: &'c Shared,
    /// Batch latencies of each worker.
    pub latencies: Vec<LatencySamples>,
    /// Each port's link.
    links: Vec<LinkWatch>,
    /// The service addresses that the ports were told.
    vips: Vec<IpNet>,
    /// The tables whose services and backends they are.
    followed: Arc<Tables>,
    /// What the API needs beside.
    pub facts: Facts,
    observer: Observer,
}

impl<'c> House<'c> {
    /// A house whose workers are yet to start.
    pub fn new(
        publisher: TablePublisher,
        controller: Controller,
        source: Source,
        watcher: Watcher,
        counters: &'c [WorkerCounters],
        shared: &'c Shared,
        facts: Facts,
    ) -> Self {
        let observer = Observer::new(Arc::clone(&facts.events), &controller, &publisher);
        let followed = Arc::clone(publisher.tables());
        let links = vec![LinkWatch::new(Instant::now()); publisher.ports().len()];
        Self {
            publisher,
            controller,
            source,
            watcher,
            counters,
            shared,
            latencies: Vec::new(),
            links,
            vips: Vec::new(),
            followed,
            facts,
            observer,
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
        let mut early: VecDeque<Event> = early.into();
        let mut tick = Instant::now();
        loop {
            let due = self.advance(ports).min(tick);
            // All that came meanwhile is done before the next step: a storm of changes makes one table. But a storm
            // without an end does not keep the step back.
            let wait = due.saturating_duration_since(Instant::now());
            let mut next = early
                .pop_front()
                .map_or_else(|| events.recv_timeout(wait), Ok);
            let enough = Instant::now() + BATCH;
            while let Ok(event) = next {
                if let Event::Stop(why) = event {
                    tracing::info!("stopping: {why}");
                    return Ok(());
                }
                self.handle(event, ports);
                if Instant::now() >= enough {
                    break;
                }
                next = early
                    .pop_front()
                    .ok_or(())
                    .or_else(|()| events.recv_timeout(Duration::ZERO));
            }
            if tick <= Instant::now() {
                self.look_around(ports, workers)?;
                tick = Instant::now() + TICK;
            }
        }
    }

    /// Goes on with what is under way, and says when to do so again at the latest.
    pub fn advance(&mut self, ports: &Ports) -> Instant {
        let wait = match self.try_advance() {
            Ok(wait) => wait.map_or(TICK, Duration::from_millis),
            Err(error) => {
                tracing::error!("changes wait, the running tables stay: {error}");
                TICK
            }
        };
        let early = self.publisher.publish_next_hops();
        self.follow_services(ports);
        self.observer.look(&self.controller, &self.publisher);
        let due = Instant::now() + wait;
        early.map_or(due, |again| due.min(again))
    }

    fn try_advance(&mut self) -> Result<Option<u64>, Refusal> {
        let (now, wall) = (self.shared.clock.now(), WallTime::now());
        let deadline = self.controller.expire(wall);
        let (flows, publisher) = (&self.shared.flows, &mut self.publisher);
        let wait = self.controller.advance(now, wall, flows, publisher)?;
        // What can't be rolled back keeps no slot from going on.
        Ok(deadline?.into_iter().chain(wait.map(u64::from)).min())
    }

    /// Tells the ports and the kernel's follower when services or backends are others than before.
    fn follow_services(&mut self, ports: &Ports) {
        let tables = Arc::clone(self.publisher.tables());
        let followed = std::mem::replace(&mut self.followed, tables);
        if Arc::ptr_eq(&followed, &self.followed) {
            return;
        }
        let vips = self.publisher.vips();
        if vips != self.vips {
            report::warn_of_host(self.publisher.ports(), &vips);
            match ports.steer(&vips) {
                Ok(()) => self.vips = vips,
                Err(error) => {
                    tracing::error!("new service addresses do not reach the ports: {error}");
                    self.vips = vips;
                }
            }
        }
        if !have_same_addresses(&followed, &self.followed) {
            self.watcher.set_wanted(self.publisher.wanted());
        }
    }

    fn handle(&mut self, event: Event, ports: &Ports) {
        match event {
            Event::NextHops(change) => {
                report::next_hops(self.publisher.hops(), &change.by_address);
                self.publisher.change_next_hops(change);
            }
            Event::Reload => self.reload(),
            Event::Counters => report::counters("counters", self, ports),
            Event::Call(call) => call(&mut Desk { house: self, ports }),
            Event::Stop(_) => {}
        }
    }

    fn reload(&mut self) {
        match self.try_reload() {
            Ok(generation) => tracing::info!("reloaded: generation {}", generation.0),
            Err(error) => tracing::error!("reload refused, the running tables stay: {error}"),
        }
    }

    fn try_reload(&mut self) -> Result<Generation, ReloadError> {
        let reload = self.source.read()?;
        let Reload {
            request, origin, ..
        } = &reload;
        let receipt = source::load(&mut self.controller, request, origin)?;
        self.controller.spread(reload.spread);
        self.source.taken(reload.written);
        Ok(receipt.generation)
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
        let names = self.publisher.ports().iter().map(|port| &port.name);
        for ((port, name), watch) in ports.iter().zip(names).zip(&mut self.links) {
            let Some(link) = watch.news(port.device.link(), now) else {
                continue;
            };
            match link {
                Link { up: false, .. } => match port.device.lost_interface() {
                    Some(interface) => tracing::error!(
                        port = name,
                        "the interface {interface} is gone: make it again, then restart the appliance"
                    ),
                    None => tracing::warn!(port = name, "link down"),
                },
                Link { mbit_per_s: 0, .. } => tracing::info!(port = name, "link up"),
                Link { mbit_per_s, .. } => {
                    tracing::info!(port = name, "link up, {mbit_per_s} Mbit/s");
                }
            }
            self.facts.events.push(News::Link(LinkEvent {
                port: name.clone(),
                up: link.up,
                mbit_per_s: link.mbit_per_s,
            }));
        }
    }
}

/// Whether the backends are at the same addresses. Views that both share are not looked into.
fn have_same_addresses(old: &Tables, new: &Tables) -> bool {
    fn addresses(view: &View) -> impl Iterator<Item = IpAddr> {
        view.backends.iter().map(|backend| backend.address)
    }
    let same = |(old, new): (&View, &View)| {
        Arc::ptr_eq(&old.backends, &new.backends) || addresses(old).eq(addresses(new))
    };
    old.views.len() == new.views.len() && old.views.iter().zip(&new.views).all(same)
}
