//! One seed's world: clients, servers, an attacker and an operator around a node, event by event.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;

use tempfile::TempDir;
use tentetsu::control::command::Command;
use tentetsu::flow::{Kind, Place, Segment};
use tentetsu::packet::{DropReason, FlowKey};
use tentetsu::table::{Generation, HashKey, Spread, Subscriber};

use super::client::{Client, Habit, State, Traffic};
use super::climate::{Attack, Climate};
use super::disk::Disk;
use super::node::{Body, Node};
use super::random::Random;
use super::report::{Outcome, Violation};
use super::{attack, changes};

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
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    count: u64,
    held: BTreeMap<u64, Held>,
    /// Packets in each worker's hands.
    hands: Vec<u32>,
    stalled: BTreeMap<usize, Stalled>,
    /// Counts processes.
    life: u64,
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
    u64::from(climate.idle) * 4
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
            events: BinaryHeap::new(),
            count: 0,
            held: BTreeMap::new(),
            hands,
            stalled: BTreeMap::new(),
            life: 0,
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

    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.story.is_some() {
            let line = format!("{:>9.3} s  {}", self.now as f64 / 1e3, line());
            self.lines.push(line);
        }
    }

    fn tell_of(&mut self, client: usize, line: impl FnOnce() -> String) {
        if self.story == Some(Some(client)) {
            self.tell(|| format!("flow {client}: {}", line()));
        }
    }

    /// Where a flow stands, if it is the one whose steps are told.
    fn describe(&self, client: usize, worker: usize) -> String {
        let told = self.story == Some(Some(client));
        let node = self.node.as_ref().filter(|_| told);
        node.map_or_else(String::new, |node| {
            node.describe(worker, &self.clients[client].key)
        })
    }

    /// What was forged on the tuple of the flow whose steps are told.
    pub fn tell_forged(
        &mut self,
        key: FlowKey,
        segment: Segment,
        worker: usize,
        sent: Result<IpAddr, DropReason>,
    ) {
        let watched = self.story.flatten();
        if let Some(client) = watched.filter(|client| self.clients[*client].key == key) {
            let after = self.describe(client, worker);
            self.tell_of(client, || {
                format!(
                    "forged {segment:?} by worker {worker} -> {}\n{:15}{after}",
                    server_of(sent),
                    ""
                )
            });
        }
    }

    pub fn violation(&self, client: Option<usize>, what: String) -> Violation {
        Violation {
            at: self.now,
            flow: client,
            what,
        }
    }

    // The process.

    fn start(&mut self) -> Result<(), Violation> {
        let old = self.node.take().map(|node| node.press.tables);
        let clock = match self.life {
            0 => self.climate.clock,
            _ => self.random.pick(&[0, 5_000, u32::MAX - 9_000]),
        };
        let node = Node::start(&self.body, self.now, clock);
        self.life += 1;
        let Ok(node) = node else {
            // The disk is full still.
            self.body.disk.fail_after(None);
            self.after(200, Event::Start);
            return Ok(());
        };
        debug_assert!(old.is_none());
        self.node = Some(node);
        self.tell(|| "the process starts".to_owned());
        self.check_publication()?;
        self.schedule_advance(0);
        Ok(())
    }

    fn kill(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        if self.node.is_some() {
            if self.random.percent(50) {
                // It dies in the middle of what it does next.
                let writes = self.random.within(0..3) as u32;
                self.body.disk.fail_after(Some(writes));
                let next = self.random.within(1..3_000);
                self.after(next, Event::Kill);
                if self.random.percent(50) {
                    return Ok(());
                }
            }
            self.tell(|| "the process is killed".to_owned());
            self.outcome.restarts += 1;
            self.body.disk.fail_after(None);
            self.remember_publication();
            self.node = None;
            self.held.clear();
            self.lose_queues();
            self.hands.iter_mut().for_each(|held| *held = 0);
            let down = self.random.pick(&[1, 50, 500, 2_000]);
            self.after(down, Event::Start);
        }
        let next = self.random.within(2_000..40_000);
        self.after(next, Event::Kill);
        Ok(())
    }

    /// What waited for a worker is gone with the process; the last is sent again first.
    fn lose_queues(&mut self) {
        for stalled in std::mem::take(&mut self.stalled).into_values() {
            for held in stalled.queue.into_iter().rev() {
                let of = &mut self.clients[held.client];
                if of.epoch == held.epoch {
                    of.take_back(held.segment);
                }
            }
        }
    }

    fn schedule_advance(&mut self, wait: u64) {
        self.turn += 1;
        self.after(wait, Event::Advance(self.turn));
    }

    fn advance(&mut self) -> Result<(), Violation> {
        let now = self.now;
        let Some(node) = &mut self.node else {
            return Ok(());
        };
        let before = node.press.tables.clone();
        let stalled = self.stalled.values().map(|of| of.since);
        let arrived = self.held.values().map(|of| of.arrived).chain(stalled).min();
        node.press.lag = arrived.map_or(0, |at| (now - at) as u32);
        let wait = node.advance(now);
        let published = !std::sync::Arc::ptr_eq(&before, &node.press.tables);
        if wait.is_ok() {
            self.revive();
        }
        let wait = match wait {
            Ok(wait) => u64::from(wait.unwrap_or(250)).min(250),
            Err(_) => {
                // The appliance says so and tries again; here the disk is mended at some time.
                if self.random.percent(20) {
                    self.body.disk.fail_after(None);
                }
                250
            }
        };
        self.schedule_advance(wait);
        if published {
            self.outcome.publications += 1;
            self.tell(|| "published".to_owned());
            self.check_publication()?;
            for worker in 0..self.climate.workers {
                let late = self.lateness();
                let life = self.life;
                self.after(late, Event::Take(worker, life));
            }
        }
        self.check_limits()
    }

    fn lateness(&mut self) -> u64 {
        let lag = self.climate.lag;
        if self.random.percent(70) {
            self.random.within(1..4)
        } else {
            self.random.within(1..lag + 1)
        }
    }

    fn take(&mut self, worker: usize, life: u64) -> Result<(), Violation> {
        if life != self.life || self.node.is_none() {
            return Ok(());
        }
        if self.stalled.contains_key(&worker) {
            // It takes it when it goes on.
            return Ok(());
        }
        if self.hands[worker] > 0 {
            self.after(1, Event::Take(worker, life));
            return Ok(());
        }
        self.node().workers[worker].refresh();
        Ok(())
    }

    /// Some worker stands still, from one turn to the next.
    fn stall(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        let workers = self.climate.workers as u64;
        let worker = self.random.within(0..workers) as usize;
        let idle = self.hands[worker] == 0 && !self.stalled.contains_key(&worker);
        if idle && self.node.is_some() {
            let (since, queue) = (self.now, Vec::new());
            self.stalled.insert(worker, Stalled { since, queue });
            let (span, life) = (self.random.within(1..self.climate.stall + 1), self.life);
            self.after(span, Event::Wake(worker, life));
        }
        let pause = self.random.within(1..2 * self.climate.stall + 2_000);
        self.after(pause, Event::Stall);
        Ok(())
    }

    pub fn stands_still(&self, worker: usize) -> bool {
        self.stalled.contains_key(&worker)
    }

    /// A worker goes on: first it takes what was published, then what waits in its queue.
    fn wake(&mut self, worker: usize, life: u64) -> Result<(), Violation> {
        if life != self.life {
            return Ok(());
        }
        let Some(Stalled { queue, .. }) = self.stalled.remove(&worker) else {
            return Ok(());
        };
        self.node().workers[worker].refresh();
        let read = self.now;
        for held in queue {
            self.forward(Held { read, ..held })?;
        }
        Ok(())
    }

    // Changes.

    fn change(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        let storm = if self.random.percent(15) { 6 } else { 1 };
        for _ in 0..storm {
            if self.node.is_none() {
                break;
            }
            if self.random.percent(4) {
                self.spread_anew();
                continue;
            }
            let ledger = self.node().controller.ledger();
            let (state, generation) = (ledger.state().clone(), ledger.generation());
            let command = changes::random(&self.climate, &state, generation, &mut self.random);
            self.change_to(command)?;
        }
        let pause = self.random.within(1..2 * self.climate.pause);
        self.after(pause, Event::Change);
        Ok(())
    }

    /// Another hash key, or another number of slots.
    fn spread_anew(&mut self) {
        let spread = &mut self.body.spread;
        if self.random.percent(50) {
            spread.key = HashKey::new([self.random.within(0..4) as u8; 16]);
        } else {
            spread.slots = self.random.pick(&[31, 61, 127, 251]);
        }
        let spread = *spread;
        self.tell(|| format!("{} slots, under {:?}", spread.slots, spread.key.words()));
        self.node().controller.spread(spread);
        self.schedule_advance(0);
    }

    fn change_to(&mut self, command: Command) -> Result<(), Violation> {
        let now = self.now;
        if self.takes_a_service_away(&command) {
            return Ok(());
        }
        let text = if self.story.is_some() {
            format!("{command:?}")
        } else {
            String::new()
        };
        let before = self.node().controller.ledger().state().clone();
        self.note_doubts();
        let Ok(receipt) = self.node().execute(command.clone(), now) else {
            return Ok(());
        };
        if receipt.changed {
            self.tell(|| format!("generation {}: {text}", receipt.generation.0));
            self.note_deaths(&before, &command);
            self.note_doubts();
            self.schedule_advance(0);
        }
        Ok(())
    }

    /// That is to cut its connections, and no part of this.
    fn takes_a_service_away(&mut self, command: &Command) -> bool {
        let Command::Rollback { to } = command else {
            return false;
        };
        let now = self.now;
        let request = tentetsu::control::ledger::Request {
            command: Command::Rollback { to: *to },
            preconditions: Vec::new(),
            author: String::new(),
            confirm_within: None,
        };
        let ledger = self.node().controller.ledger();
        let preview = ledger.dry_run(&request, tentetsu::control::store::WallTime(now));
        let services = ledger.state().services.len();
        !preview.is_ok_and(|preview| preview.state.services.len() == services)
    }

    // Packets.

    /// Whether another connection has the client's 5-tuple, which can't be.
    fn has_twin(&self, client: usize) -> bool {
        let key = self.clients[client].key;
        let same = |of: &Client| of.state != State::Over && of.key == key;
        let mut clients = self.clients.iter().enumerate();
        clients.any(|(other, of)| other != client && same(of))
    }

    fn send(&mut self, client: usize, epoch: u32) -> Result<(), Violation> {
        if self.part == Part::Silence {
            return Ok(());
        }
        let of = &mut self.clients[client];
        if of.epoch != epoch {
            return Ok(());
        }
        if of.state == State::Over {
            // A connection by the ports of one that is listed still is not, and keeps its slot's clock from running.
            let again = self.part == Part::Churn;
            of.begin(&self.climate, &mut self.random, again);
            while self.has_twin(client) {
                self.clients[client].begin(&self.climate, &mut self.random, false);
            }
            self.outcome.flows += 1;
            self.tell_of(client, || "begins".to_owned());
        }
        let of = &mut self.clients[client];
        let epoch = of.epoch;
        match of.step(&self.climate, &mut self.random) {
            Some(sent) => {
                self.after(sent.pause, Event::Send(client, epoch));
                self.emit(client, sent.segment)
            }
            None => {
                of.state = State::Over;
                let pause = self.random.pick(&[1, 100, 2_000]);
                self.after(pause, Event::Send(client, epoch));
                Ok(())
            }
        }
    }

    /// A packet of a client reaches a worker, which does it at once or holds it for a moment.
    fn emit(&mut self, client: usize, segment: Segment) -> Result<(), Violation> {
        let workers = self.climate.workers as u64;
        // Nobody runs ahead of what waits unread: the server has acknowledged nothing of it.
        let mut waits = self.stalled.values().flat_map(|of| &of.queue);
        let ahead = waits.any(|held| held.client == client);
        if self.random.percent(self.climate.wander) && !ahead {
            self.clients[client].worker = self.random.within(0..workers) as usize;
        }
        if self.random.percent(2) {
            self.relate(client)?;
        }
        let of = &self.clients[client];
        let held = Held {
            client,
            epoch: of.epoch,
            key: of.key,
            worker: of.worker,
            segment,
            arrived: self.now,
            read: self.now,
            life: self.life,
        };
        if let Some(stalled) = self.stalled.get_mut(&held.worker) {
            stalled.queue.push(held);
            return Ok(());
        }
        let id = self.count + 1;
        if self.node.is_some() && of.habit != Habit::Uploader && self.random.percent(3) {
            self.held.insert(id, held);
            self.hands[held.worker] += 1;
            let wait = self.random.within(1..12);
            self.after(wait, Event::Handle(id as usize, id));
            return Ok(());
        }
        self.forward(held)
    }

    fn handle(&mut self, id: usize) -> Result<(), Violation> {
        let Some(held) = self.held.remove(&(id as u64)) else {
            return Ok(());
        };
        if held.life != self.life {
            return Ok(());
        }
        self.hands[held.worker] -= 1;
        self.forward(held)
    }

    fn forward(&mut self, held: Held) -> Result<(), Violation> {
        let Some(node) = &self.node else {
            self.outcome.drops += 1;
            self.clients[held.client].take_back(held.segment);
            return Ok(());
        };
        let key = held.key;
        let entries = node.flows.entries.counts().total();
        let sent = node.forward(held.worker, &key, held.segment, held.read);
        let listed = node.flows.entries.counts().total();
        self.outcome.packet(self.now, held.client, sent);
        let after = self.describe(held.client, held.worker);
        self.tell_of(held.client, || {
            let Held {
                segment, worker, ..
            } = held;
            format!(
                "{segment:?} by worker {worker} -> {}\n{:15}{after}",
                server_of(sent),
                ""
            )
        });
        if matches!(held.segment.kind, Kind::Reset | Kind::Related) && listed > entries {
            return Err(self.violation(
                Some(held.client),
                format!("a {:?} was listed", held.segment.kind),
            ));
        }
        let of = &self.clients[held.client];
        let is_query = of.traffic == Traffic::Stateless && of.epoch == held.epoch;
        if is_query && listed > entries {
            return Err(self.violation(Some(held.client), "a query was listed".to_owned()));
        }
        if held.epoch != self.clients[held.client].epoch {
            return Ok(());
        }
        match sent {
            Ok(server) => self.arrive(&held, server),
            Err(reason) => {
                self.outcome.drops += 1;
                self.clients[held.client].take_back(held.segment);
                self.check_drop(held.client, reason)
            }
        }
    }

    fn check_drop(&self, client: usize, reason: DropReason) -> Result<(), Violation> {
        let lags = || {
            let node = self.node.as_ref();
            node.is_some_and(|node| !node.is_everywhere())
        };
        if matches!(reason, DropReason::FlowsFull | DropReason::NoBackend)
            || reason == DropReason::BackendUnknown && lags()
        {
            return Ok(());
        }
        Err(self.violation(Some(client), format!("dropped: {}", reason.name())))
    }

    /// Whether a worker has the newest publication.
    fn knows_all(&mut self, worker: usize) -> bool {
        let node = self.node();
        std::ptr::eq(node.workers[worker].current(), &*node.press.tables)
    }

    /// A packet of a client's present connection reaches a server.
    fn arrive(&mut self, held: &Held, server: IpAddr) -> Result<(), Violation> {
        let client = held.client;
        self.check_dead(client, held.segment, server)?;
        let down = self.down.contains_key(&server);
        let late = !self.knows_all(held.worker);
        let of = &mut self.clients[client];
        let silent = held.arrived.saturating_sub(of.seen);
        if !down {
            of.seen = held.arrived;
            if let Place::Sequence { ack: Some(ack), .. } = held.segment.place {
                of.heard = ack;
            }
        }
        if of.traffic == Traffic::Stateless {
            // Any server will do.
            return Ok(());
        }
        if of.traffic == Traffic::Sticky && of.server.is_none() {
            of.server = (!down).then_some(server);
        } else if of.state == State::Opening {
            if !down {
                let wait = if self.random.percent(80) {
                    self.random.within(1..60)
                } else {
                    self.random.within(60..2_950)
                };
                let epoch = held.epoch;
                let deaths = self.deaths_of(server);
                self.after(wait, Event::Answer(client, epoch, server, deaths));
            }
        } else if down && of.server != Some(server) && (late || !of.listed) {
            // A worker that has not heard of that server's death: the packet is lost. What the worker learned by it may
            // outlive the server's return, so this flow is promised nothing any more.
            self.outcome.drops += 1;
            (of.state, of.server) = (State::Over, None);
        } else if let Some(mine) = of.server.filter(|mine| *mine != server) {
            let what = format!(
                "{mine} has the connection, silent for {silent} ms, and a {:?} of it goes to {server}",
                held.segment.kind
            );
            return Err(self.violation(Some(client), what));
        }
        let of = &self.clients[client];
        let listed = of.server.is_some() && self.listed_at(&of.key) == of.server;
        self.clients[client].listed |= listed;
        Ok(())
    }

    fn answer(
        &mut self,
        client: usize,
        epoch: u32,
        server: IpAddr,
        deaths: u32,
    ) -> Result<(), Violation> {
        let down = self.down.contains_key(&server) || self.deaths_of(server) != deaths;
        let of = &mut self.clients[client];
        if of.epoch != epoch || of.state != State::Opening || down {
            return Ok(());
        }
        let ack = of.opened(server, &mut self.random);
        self.tell_of(client, || format!("answered by {server}"));
        // The answer ends the wait for one.
        let of = &mut self.clients[client];
        of.epoch += 1;
        let epoch = of.epoch;
        let pause = self.random.within(1..200);
        self.after(pause, Event::Send(client, epoch));
        self.emit(client, ack)
    }

    pub fn deaths_of(&self, server: IpAddr) -> u32 {
        self.deaths.get(&server).copied().unwrap_or(0)
    }

    /// An ICMP error about a flow, which any worker may get.
    fn relate(&mut self, client: usize) -> Result<(), Violation> {
        let of = &self.clients[client];
        let workers = self.climate.workers as u64;
        let worker = self.random.within(0..workers) as usize;
        let Some(node) = self.node.as_ref().filter(|_| !self.stands_still(worker)) else {
            return Ok(());
        };
        let entries = node.flows.entries.counts();
        let _ = node.forward(worker, &of.key, Segment::RELATED, self.now);
        if node.flows.entries.counts().total() > entries.total() {
            return Err(self.violation(Some(client), "an ICMP error was listed".to_owned()));
        }
        Ok(())
    }

    fn attack(&mut self) -> Result<(), Violation> {
        if self.part != Part::Churn {
            return Ok(());
        }
        if self.node.is_some() {
            attack::round(self);
        }
        let pause = match self.climate.attack {
            Attack::Flood => self.random.pick(&[1, 2, 5]),
            _ => self.random.within(1..40),
        };
        self.after(pause, Event::Attack);
        Ok(())
    }
}

fn server_of(sent: Result<IpAddr, DropReason>) -> String {
    sent.map_or_else(
        |reason| format!("dropped: {}", reason.name()),
        |server| server.to_string(),
    )
}
