//! Delivery: where a worker sends a packet, and what it meets there.

use std::net::IpAddr;

use tentetsu::flow::{Kind, Place};
use tentetsu::packet::DropReason;

use super::story::server_of;
use super::{Event, Held, World};
use crate::catalogue::Traffic;
use crate::client::State;
use crate::node::Node;
use crate::promise::Promise;
use crate::report::Violation;

impl World {
    pub(super) fn forward(&mut self, held: Held) -> Result<(), Violation> {
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
                self.check_drop(&held, reason)
            }
        }
    }

    fn check_drop(&mut self, held: &Held, reason: DropReason) -> Result<(), Violation> {
        let client = held.client;
        let of = &self.clients[client];
        let may = match reason {
            DropReason::FlowsFull | DropReason::NoBackend => true,
            DropReason::BackendUnknown => {
                let everywhere = self.node.as_ref().is_some_and(Node::is_everywhere);
                !everywhere || self.is_stray(client)
            }
            DropReason::NoService => !self.is_served(&of.key) || !self.knows_all(held.worker),
            _ => false,
        };
        if may {
            return Ok(());
        }
        Err(self.violation(Some(client), format!("dropped: {}", reason.name())))
    }

    /// A packet of a client's present connection reaches a server.
    fn arrive(&mut self, held: &Held, server: IpAddr) -> Result<(), Violation> {
        let client = held.client;
        self.check_dead(client, held.segment, server)?;
        let down = self.down.contains_key(&server);
        let late = !self.knows_all(held.worker);
        if late {
            // It may have begun by a worker that knew more.
            self.catch_up(client, held.worker);
        }
        self.forget_forced();
        let excused = self.is_excused(client, held.arrived);
        if excused {
            self.clients[client].promise = Promise::Void;
        }
        let of = &mut self.clients[client];
        let silent = held.arrived.saturating_sub(of.seen);
        if !down {
            (of.seen, of.slack) = (held.arrived, held.pace);
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
        } else if of.server.is_some_and(|mine| mine != server) && excused {
            self.outcome.excused += 1;
            (of.state, of.server) = (State::Over, None);
        } else if let Some(mine) = of.server.filter(|mine| *mine != server) {
            let what = format!(
                "{mine} has the connection, silent for {silent} ms, and a {:?} of it goes to {server}",
                held.segment.kind
            );
            return Err(self.violation(Some(client), what));
        }
        self.note_entry(held, server);
        self.note_arrival(client, held.worker, server);
        Ok(())
    }

    fn note_entry(&mut self, held: &Held, server: IpAddr) {
        let at = self.listed_at(&held.key, held.segment);
        let down = self.down.contains_key(&server);
        let of = &mut self.clients[held.client];
        of.by_entry = at == Some(server);
        of.listed |= of.server.is_some() && at == of.server;
        of.echoed |= matches!(held.segment.place, Place::Tag { echo: true, .. }) && !down;
    }

    pub(super) fn answer(
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
}
