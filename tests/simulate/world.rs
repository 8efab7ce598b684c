//! One seed's world: clients, servers, an attacker and an operator around a node, event by event.

mod delivery;
mod operator;
mod process;
mod story;
mod traffic;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::IpAddr;

use tempfile::TempDir;
use tentetsu::control::state::ServiceSpec;
use tentetsu::flow::Segment;
use tentetsu::packet::FlowKey;
use tentetsu::table::{Generation, HashKey, Spread, Subscriber};

use super::changes;
use super::client::Client;
use super::climate::{Attack, Climate};
use super::disk::Disk;
use super::force::Forced;
use super::node::{Body, Node};
use super::promise::Publication;
use super::random::Random;
use super::report::{Outcome, Violation};

/// What happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// The controller looks at what it can do; of this turn of it alone.
    Advance(u64),
    /// A worker takes the newest publication.
    Take(usize, u64),
    /// A client sends.
    Send(usize, u32),
    /// A worker stands still for a while.
    Stall,
    /// It goes on.
    Wake(usize, u64),
    /// A worker gets round to a packet that it holds.
    Handle(usize, u64),
    /// A server's answer reaches a client.
    Answer(usize, u32, IpAddr, u32),
    /// Somebody attacks.
    Attack,
    /// The operator changes something.
    Change,
    /// A service that was removed comes back.
    Return(usize),
    /// The process is killed.
    Kill,
    /// It is there again.
    Start,
}

/// A packet that has arrived: in its worker's queue, or in its hands since a moment and not done yet.
#[derive(Debug, Clone, Copy)]
struct Held {
    client: usize,
    epoch: u32,
    /// Its flow: the client may be in another by now.
    key: FlowKey,
    worker: usize,
    segment: Segment,
    /// How long its client may be silent behind it, as [`Client::pace`] counts.
    pace: u32,
    arrived: u64,
    /// When the worker read its clock to do it.
    read: u64,
    life: u64,
}

/// A worker that stands still.
struct Stalled {
    since: u64,
    queue: Vec<Held>,
}

/// When each part of a history ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Everything happens.
    Churn,
    /// Traffic goes on, and nothing else.
    Calm,
    /// Nobody sends.
    Silence,
}

pub struct World {
    pub climate: Climate,
    pub random: Random,
    pub now: u64,
    pub clients: Vec<Client>,
    pub node: Option<Node>,
    pub body: Body,
    /// Servers that don't answer, since when.
    pub down: BTreeMap<IpAddr, u64>,
    /// Those of them that are to come back, and the generation that says so.
    pub reviving: BTreeMap<IpAddr, Generation>,
    /// How often each has died.
    pub deaths: BTreeMap<IpAddr, u32>,
    /// Since when no pool may hold on to the dead.
    pub certain: u64,
    pub outcome: Outcome,
    /// From the oldest that a worker has to the newest.
    pub publications: Vec<Publication>,
    /// Pools whose defaults were forced since the newest.
    pub forcing: BTreeSet<&'static str>,
    /// What was forced, and not every worker has.
    pub forced: Vec<Forced>,
    /// Services that were removed.
    removed: Vec<(String, ServiceSpec)>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    held: BTreeMap<u64, Held>,
    /// Packets in each worker's hands.
    hands: Vec<u32>,
    stalled: BTreeMap<usize, Stalled>,
    /// Counts processes.
    life: u64,
    /// When the present one started.
    pub started: u64,
    turn: u64,
    part: Part,
    pub numbers: BTreeMap<u32, IpAddr>,
    /// Whether the history is told, and the client whose steps are.
    story: Option<Option<usize>>,
    lines: Vec<String>,
    _folder: Option<TempDir>,
}

/// How long the world sees to it that all comes to rest.
fn patience(climate: &Climate) -> u64 {
    u64::from(climate.idle * climate.slack) * 4
        + 30_000
        + climate.lag * 8
        + climate.stall * 4
        + u64::from(climate.slow_start)
}

impl World {
    pub fn new(climate: Climate, mut random: Random, story: Option<Option<usize>>) -> Self {
        let folder = climate.kills.then(|| TempDir::new().unwrap());
        let body = Body {
            spread: Spread {
                key: HashKey::new([7; 16]),
                slots: climate.slots,
            },
            workers: climate.workers,
            limits: climate.limits,
            syn_guard: climate.syn_guard,
            file: folder.as_ref().map(|folder| folder.path().join("flows")),
            disk: Disk::default(),
        };
        let clients = (0..climate.flows).map(|_| Client::nobody()).collect();
        let hands = vec![0; climate.workers];
        let salt = random.next();
        Self {
            climate,
            random: Random::new(salt),
            now: 0,
            clients,
            node: None,
            body,
            down: BTreeMap::new(),
            reviving: BTreeMap::new(),
            deaths: BTreeMap::new(),
            certain: 0,
            outcome: Outcome::default(),
            publications: Vec::new(),
            forcing: BTreeSet::new(),
            forced: Vec::new(),
            removed: Vec::new(),
            events: BinaryHeap::new(),
            count: 0,
            held: BTreeMap::new(),
            hands,
            stalled: BTreeMap::new(),
            life: 0,
            started: 0,
            turn: 0,
            part: Part::Churn,
            numbers: BTreeMap::new(),
            story,
            lines: Vec::new(),
            _folder: folder,
        }
    }

    /// Lives through the whole history, or up to the first violation.
    pub fn run(mut self) -> (Outcome, Vec<String>) {
        let lived = self.live();
        if let Err(violation) = lived {
            self.outcome.violations.push(violation);
        }
        (self.outcome, self.lines)
    }

    fn live(&mut self) -> Result<(), Violation> {
        self.start()?;
        // What is changed right after the start would be published a step later.
        self.now += 50;
        self.change_to(changes::first(&self.climate))?;
        self.advance()?;
        let workers = &mut self.node().workers;
        workers.iter_mut().for_each(Subscriber::refresh);
        for client in 0..self.clients.len() {
            let at = self.random.within(0..u64::from(self.climate.idle));
            self.after(at, Event::Send(client, 0));
        }
        let first = 2_000 + self.random.within(0..u64::from(self.climate.idle));
        self.after(first, Event::Change);
        if self.climate.attack != Attack::None {
            self.after(first, Event::Attack);
        }
        if self.climate.kills {
            let at = self.random.within(first..first + self.climate.churn);
            self.after(at, Event::Kill);
        }
        if self.climate.stall > 0 {
            self.after(first, Event::Stall);
        }
        self.until(self.climate.churn)?;
        self.calm_down()?;
        self.fall_silent()
    }

    /// No change from here on, and yet the traffic goes on: defaults follow their targets.
    fn calm_down(&mut self) -> Result<(), Violation> {
        self.part = Part::Calm;
        while self.node.is_none() {
            self.until(self.now + 100)?;
        }
        self.body.disk.fail_after(None);
        let state = self.node().controller.ledger().state().clone();
        for command in changes::heal(&state) {
            self.change_to(command)?;
        }
        let span = patience(&self.climate);
        self.until(self.now + span)?;
        let moving = self.node().moving();
        if self.climate.ample && moving > 0 {
            return Err(self.violation(
                None,
                format!("{moving} slots still move {span} ms after the last change"),
            ));
        }
        Ok(())
    }

    fn fall_silent(&mut self) -> Result<(), Violation> {
        self.part = Part::Silence;
        let span = patience(&self.climate);
        self.until(self.now + span)?;
        self.check_rest()
    }

    fn until(&mut self, end: u64) -> Result<(), Violation> {
        while let Some(Reverse((at, _, event))) = self.events.peek().copied() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            self.happen(event)?;
        }
        self.now = end;
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Advance(turn) if turn == self.turn => self.advance(),
            Event::Advance(_) => Ok(()),
            Event::Take(worker, life) => self.take(worker, life),
            Event::Send(client, epoch) => self.send(client, epoch),
            Event::Stall => self.stall(),
            Event::Wake(worker, life) => self.wake(worker, life),
            Event::Handle(held, _) => self.handle(held),
            Event::Answer(client, epoch, server, deaths) => {
                self.answer(client, epoch, server, deaths)
            }
            Event::Attack => self.attack(),
            Event::Change => self.change(),
            Event::Return(removed) => self.bring_back(removed),
            Event::Kill => self.kill(),
            Event::Start => self.start(),
        }
    }

    pub fn after(&mut self, span: u64, event: Event) {
        self.count += 1;
        self.events
            .push(Reverse((self.now + span, self.count, event)));
    }

    /// The running process; asked for only where there is one.
    pub fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }

    pub fn violation(&self, client: Option<usize>, what: String) -> Violation {
        Violation {
            at: self.now,
            flow: client,
            what,
        }
    }
}
