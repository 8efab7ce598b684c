//! The appliance, without packets' bytes and with a clock that its owner moves: the real controller, ledger, tables,
//! entries and decisions, and workers that take a publication when they are told to.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tentetsu::config;
use tentetsu::control::command::Command;
use tentetsu::control::controller::{Controller, Publish};
use tentetsu::control::ledger::{Ledger, Receipt, Refusal, Request};
use tentetsu::control::store::WallTime;
use tentetsu::control::{Plan, compile_tables};
use tentetsu::flow::{
    Consulted, EntryTable, Flows, Found, Kind, Limits, Listed, Millis, Packet, Segment,
};
use tentetsu::packet::{DropReason, FlowKey};
use tentetsu::table::{
    BY_FORMER, CONSULT, Generation, Match, NO_BACKEND, Publisher, Round, ServiceIndex, Spread,
    Subscriber, Tables, Tracking, View, channel,
};

use super::disk::Disk;

/// What a node is made of, before and after a restart.
#[derive(Clone)]
pub struct Body {
    pub spread: Spread,
    pub workers: usize,
    pub limits: Limits,
    pub syn_guard: u32,
    /// The file of the entries; in memory, which a restart loses, if there is none.
    pub file: Option<PathBuf>,
    pub disk: Disk,
}

/// A running process.
pub struct Node {
    pub controller: Controller,
    pub flows: Flows,
    pub press: Press,
    pub workers: Vec<Subscriber<Tables>>,
    /// The moment that its clock counts from, in the world's time, and what it said then.
    boot: u64,
    offset: u32,
}

/// Publishes plans to the workers.
pub struct Press {
    round: Round,
    pub tables: Arc<Tables>,
    workers: Vec<Publisher<Tables>>,
    /// How far the workers are behind.
    pub lag: u32,
}

impl Publish for Press {
    fn publish(&mut self, _: Generation, plan: Plan) {
        self.round = self.round.next();
        self.tables = Arc::new(compile_tables(&plan));
        for worker in &self.workers {
            worker.reclaim().for_each(drop);
            drop(worker.publish(self.round, Arc::clone(&self.tables)));
        }
    }

    fn round(&self) -> Round {
        self.round
    }

    fn taken(&self) -> Round {
        let taken = self.workers.iter().map(Publisher::taken);
        taken.min().unwrap_or(self.round)
    }

    fn lag(&self) -> u32 {
        self.lag
    }

    fn index(&self) -> &ServiceIndex {
        &self.tables.index
    }
}

impl Node {
    /// Starts a process on what is there of the one before, at a moment at which its clock says `offset`.
    pub fn start(body: &Body, boot: u64, offset: u32) -> Result<Self, Refusal> {
        let (entries, key) = match &body.file {
            Some(file) => {
                let opened = EntryTable::open(file, body.limits, body.spread.key).unwrap();
                (opened.table, opened.key)
            }
            None => (EntryTable::in_memory(body.limits).unwrap(), body.spread.key),
        };
        entries.take_over(Millis(offset));
        let settings = config::Flows {
            entries: body.limits.entries,
            file: PathBuf::new(),
            syn_guard: config::Millis(body.syn_guard),
            moving_slots: true,
        };
        let ledger = Ledger::open(Box::new(body.disk.clone()))?;
        let controller = Controller::open(ledger, body.spread, settings, Millis(offset))?;
        let tables = Arc::new(compile_tables(&Plan::default()));
        let first = || channel(Arc::clone(&tables));
        let (publishers, workers) = std::iter::repeat_with(first).take(body.workers).unzip();
        let press = Press {
            round: Round(0),
            tables,
            workers: publishers,
            lag: 0,
        };
        let mut node = Self {
            controller,
            flows: Flows::new(entries, key),
            press,
            workers,
            boot,
            offset,
        };
        while node.advance(boot)? == Some(0) {}
        node.workers.iter_mut().for_each(Subscriber::refresh);
        Ok(node)
    }

    /// The node's clock at a moment of the world's.
    pub const fn clock(&self, at: u64) -> Millis {
        Millis((at - self.boot) as u32).after(self.offset)
    }

    /// Lets the controller do what it can, and says when to do so again at the latest.
    pub fn advance(&mut self, at: u64) -> Result<Option<u32>, Refusal> {
        let now = self.clock(at);
        self.controller
            .advance(now, WallTime(at), &self.flows, &mut self.press)
    }

    pub fn execute(&mut self, command: Command, at: u64) -> Result<Receipt, Refusal> {
        let request = Request {
            command,
            preconditions: Vec::new(),
            author: "simulation".to_owned(),
            confirm_within: None,
        };
        self.controller.execute(&request, WallTime(at))
    }

    /// Changes the defaults of a pool's moving slots at once. Returns how many.
    pub fn force(&mut self, pool: &str, at: u64) -> u64 {
        let now = self.clock(at);
        self.controller.force(pool, now, &self.press) as u64
    }

    /// Where a worker sends a packet, as the graph's `select` does, at a moment that it read from the clock before.
    pub fn forward(
        &self,
        worker: usize,
        key: &FlowKey,
        segment: Segment,
        at: u64,
    ) -> Result<IpAddr, DropReason> {
        let tables = self.workers[worker].current();
        let hash = tables.hasher.hash_key(key);
        let (service, view) = view_of(tables, key).ok_or(DropReason::NoService)?;
        let tracking = tables.services[service].tracking;
        let segment = match tracking {
            // As they are read: nothing tells one datagram from another.
            Tracking::Sticky | Tracking::Stateless if segment.kind == Kind::First => {
                Segment::WITHIN
            }
            _ => segment,
        };
        let slot = view.slot(hash);
        let word = view.word(slot).ok_or(DropReason::NoBackend)?;
        let local = if word & CONSULT == 0 {
            word
        } else {
            let slot = Consulted::new(view, slot, word, key).ok_or(DropReason::NoBackend)?;
            let packet = Packet {
                slot: &slot,
                now: self.clock(at),
                key,
                hash: self.flows.hash(key, hash, &tables.hasher),
                segment,
                tracking,
            };
            self.flows.choose(&packet)?
        };
        Ok(address(view, local))
    }

    /// What a worker knows of a flow's slot, and what the entries say of the flow.
    pub fn describe(&self, worker: usize, key: &FlowKey) -> String {
        let tables = self.workers[worker].current();
        let hash = tables.hasher.hash_key(key);
        let Some((service, view)) = view_of(tables, key) else {
            return "no service".to_owned();
        };
        let slot = view.slot(hash);
        let word = view.word(slot).unwrap_or(NO_BACKEND);
        let name = |local: u16| match local {
            NO_BACKEND => "nobody".to_owned(),
            BY_FORMER => "by former slots".to_owned(),
            local => {
                let moving = view.moving.as_deref();
                let dead = moving
                    .and_then(|moving| moving.member(local))
                    .is_some_and(|of| of.dead);
                format!(
                    "{}{}",
                    address(view, local),
                    if dead { " (dead)" } else { "" }
                )
            }
        };
        let consulted = Consulted::new(view, slot, word, key).filter(|_| word & CONSULT != 0);
        let consulted = consulted.map(|of| {
            let (default, target) = (name(of.default()), name(of.target()));
            format!("{:?}, {default} to {target}", of.phase())
        });
        let entries: Vec<_> = self
            .listed(key)
            .all()
            .map(|found| format!("{:?}", found.entry))
            .collect();
        format!(
            "{} slot {slot}: {}, {}; listed: {}",
            tables.services[service].name,
            name(word & !CONSULT),
            consulted.unwrap_or_else(|| "settled".to_owned()),
            entries.join(", ")
        )
    }

    /// What the entries say of the flow that `segment` is of.
    pub fn find(&self, key: &FlowKey, segment: Segment) -> Option<Found> {
        self.listed(key).of(segment)
    }

    fn listed(&self, key: &FlowKey) -> Listed {
        let hash = self.flows.hasher.hash_key(key);
        self.flows.entries.find(key, hash)
    }

    /// Whether every worker has the newest publication.
    pub fn is_everywhere(&self) -> bool {
        self.press.taken() == self.press.round()
    }

    /// Consulted slots of all views.
    pub fn consulted(&self) -> usize {
        self.controller
            .progress()
            .map(|(_, progress)| progress.consulted)
            .sum()
    }

    /// Slots of all views whose D is not T.
    pub fn moving(&self) -> usize {
        self.controller
            .progress()
            .map(|(_, progress)| progress.moving)
            .sum()
    }
}

/// The service of a flow, and the view that it looks through.
pub fn view_of<'t>(tables: &'t Tables, key: &FlowKey) -> Option<(usize, &'t View)> {
    let Match::Service(service) = tables.index.find(key) else {
        return None;
    };
    let service = service as usize;
    let view = tables.services.get(service)?.view;
    Some((service, tables.views.get(view as usize)?))
}

/// The address of a backend of a view.
pub fn address(view: &View, local: u16) -> IpAddr {
    view.backends[usize::from(local)].address
}
