//! Workers: one thread per core, pinned, that takes frames from its queues through the graph, to the end.
//!
//! ```text
//!   refresh tables -> for each lane: receive -> graph -> dispatch (transmit, punt, free) -> relays -> idle
//! ```
//!
//! A [`Lane`] is a port as one worker sees it. After start a worker neither allocates, locks, logs nor waits;
//! its counters have one writer, and anybody may read them.

mod backlog;
mod clock;
mod dispatch;
mod idle;
mod lane;
mod latency;
mod totals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use quanta::Clock;

pub use clock::NodeClock;
pub use idle::Backoff;
pub use lane::{HostSide, Lane, Relay, relay};
pub use latency::{Latency, LatencySamples, latency};
pub use totals::{PortTotals, StageTotals, Totals, TrafficTotals};

use backlog::Backlog;

use crate::flow::{EntryTable, Flows, Millis};
use crate::graph::{Context, Graph, GraphCounters, PortCounters, TrafficSheet};
use crate::packet::Frame;
use crate::port::Queue;
use crate::table::{HashKey, Snapshot, Subscriber};

/// What is published to one worker: the tables, and a blank sheet of their size to count on.
#[derive(Debug)]
pub struct Publication {
    /// The tables, shared by all workers.
    pub snapshot: Arc<Snapshot>,
    /// This worker's own.
    pub traffic: TrafficSheet,
}

impl Publication {
    /// A publication with a blank sheet.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        let tables = &snapshot.tables;
        let traffic = TrafficSheet::new(tables.services.len(), tables.backend_count());
        Self { snapshot, traffic }
    }
}

/// What others read of a worker at any time. worker: wo, control: ro
#[derive(Debug, Default)]
pub struct WorkerCounters {
    /// Stages.
    pub graph: GraphCounters,
    /// Ports, by their index in the configuration.
    pub ports: Box<[PortCounters]>,
    /// Turns of the loop: stands still when the worker does.
    pub heartbeat: AtomicU64,
}

impl WorkerCounters {
    /// Blank counters for this many ports.
    #[must_use]
    pub fn new(ports: usize) -> Self {
        Self {
            ports: std::iter::repeat_with(PortCounters::default)
                .take(ports)
                .collect(),
            ..Self::default()
        }
    }
}

/// One worker, ready to run on its thread.
pub struct Worker<'c, Q: Queue> {
    lanes: Vec<Lane<'c, Q>>,
    frame: Frame<Q::Buffer>,
    graph: Graph<'c>,
    subscriber: Subscriber<Publication>,
    counters: &'c WorkerCounters,
    backoff: Backoff,
    backlog: Backlog,
    burst: usize,
    clock: Clock,
    latency: Latency,
    shared: &'c Shared,
}

/// What all workers of a node share.
#[derive(Debug)]
pub struct Shared {
    /// Flows in transition.
    pub flows: Flows,
    /// Time.
    pub clock: NodeClock,
}

impl Shared {
    /// Over a table of entries, in which flows lie by the hash under `key`; the clock starts now.
    #[must_use]
    pub fn new(entries: EntryTable, key: HashKey) -> Self {
        Self {
            flows: Flows::new(entries, key),
            clock: NodeClock::default(),
        }
    }
}

impl<'c, Q: Queue> Worker<'c, Q> {
    /// A worker over `lanes` (by port index) that takes at most `burst` packets at once.
    pub fn new(
        lanes: Vec<Lane<'c, Q>>,
        subscriber: Subscriber<Publication>,
        counters: &'c WorkerCounters,
        backoff: Backoff,
        burst: usize,
        latency: Latency,
        shared: &'c Shared,
    ) -> Self {
        Self {
            lanes,
            frame: Frame::new(),
            graph: Graph::new(&counters.graph),
            subscriber,
            counters,
            backoff,
            backlog: Backlog::new(burst),
            burst,
            clock: Clock::new(),
            latency,
            shared,
        }
    }

    /// Works until `stop`.
    pub fn run(mut self, stop: &AtomicBool) {
        let mut turns = 0;
        while !stop.load(Ordering::Relaxed) {
            self.subscriber.refresh();
            let packets = self.turn();
            turns += 1;
            self.counters.heartbeat.store(turns, Ordering::Relaxed);
            self.backoff.after(packets);
        }
    }

    /// One turn over all lanes; returns how many packets were moved.
    pub fn turn(&mut self) -> usize {
        let consults = self.subscriber.current().snapshot.consults;
        let begun = consults.then(|| self.shared.clock.elapsed());
        let (mut moved, mut emptied) = (0, true);
        for lane in 0..self.lanes.len() {
            let received = self.receive(lane);
            emptied &= received < self.burst;
            moved += received + self.lanes[lane].send_relayed(self.burst);
        }
        if let Some(caught_up) = self.backlog.after(begun, emptied) {
            self.subscriber.caught_up(caught_up);
        }
        moved
    }

    fn receive(&mut self, index: usize) -> usize {
        let lane = &mut self.lanes[index];
        let received = lane.receive(&mut self.frame.packets, self.burst);
        if received == 0 {
            return 0;
        }
        let start = self.latency.is_due().then(|| self.clock.raw());
        let current = self.subscriber.current();
        let context = Context {
            snapshot: &current.snapshot,
            ingress: lane.ingress,
            traffic: &current.traffic,
            port: lane.counters,
            flows: Some(&self.shared.flows),
            now: if current.snapshot.consults {
                self.shared.clock.now()
            } else {
                Millis::default()
            },
        };
        self.graph.process(&mut self.frame, &context);
        dispatch::dispatch(&mut self.frame, &self.graph, &mut self.lanes, index);
        if let Some(start) = start {
            self.latency
                .record(self.clock.delta_as_nanos(start, self.clock.raw()));
        }
        received
    }
}
