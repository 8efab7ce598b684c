//! Traffic: what clients and attackers send, and which worker gets it.

use tentetsu::flow::Segment;
use tentetsu::table::Subscriber;

use super::{Event, Held, Part, World};
use crate::attack;
use crate::catalogue::Traffic;
use crate::client::{Client, Habit, State};
use crate::climate::Attack;
use crate::node::view_of;
use crate::report::Violation;

impl World {
    /// Whether another connection has the client's 5-tuple, which can't be.
    fn has_twin(&self, client: usize) -> bool {
        let key = self.clients[client].key;
        let same = |of: &Client| of.state != State::Over && of.key == key;
        let mut clients = self.clients.iter().enumerate();
        clients.any(|(other, of)| other != client && same(of))
    }

    /// How long a client may be silent behind what it sends now: as long as every worker lets it.
    fn pace(&self, client: usize) -> u32 {
        let Some(node) = &self.node else { return 1 };
        let key = &self.clients[client].key;
        let newest = std::iter::once(&*node.press.tables);
        let tables = newest.chain(node.workers.iter().map(Subscriber::current));
        let views = tables.filter_map(|tables| view_of(tables, key));
        let slack = views.map(|(_, view)| self.climate.slack_of(&view.pool));
        slack.min().unwrap_or(1)
    }

    pub(super) fn send(&mut self, client: usize, epoch: u32) -> Result<(), Violation> {
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
            let of = &self.clients[client];
            self.outcome.flows += 1;
            self.outcome.sctp += u64::from(of.traffic == Traffic::Sctp);
            self.outcome.ip6 += u64::from(of.key.is_ip6());
            self.tell_of(client, || "begins".to_owned());
        }
        let pace = self.pace(client);
        let of = &mut self.clients[client];
        of.pace = pace;
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
    pub(super) fn emit(&mut self, client: usize, segment: Segment) -> Result<(), Violation> {
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
            pace: of.pace,
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

    pub(super) fn attack(&mut self) -> Result<(), Violation> {
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
