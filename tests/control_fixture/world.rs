//! The controller with the real tables and entries, and workers that take each publication at once or when told to.

use super::{at, definitions, memory, pool, request, service};
use tentetsu::config;
use tentetsu::control::command::Command;
use tentetsu::control::controller::{Controller, Publish, Stage};
use tentetsu::control::ledger::Ledger;
use tentetsu::control::store::WallTime;
use tentetsu::control::{Plan, compile_tables};
use tentetsu::flow::{Consulted, EntryTable, Flows, Kind, Limits, Millis, Packet, Place, Segment};
use tentetsu::packet::{FlowKey, FlowKeys, Transport};
use tentetsu::table::{CONSULT, Generation, HashKey, Match, Round, ServiceIndex, Spread, Tables};
use tentetsu::wire::PortPair;

/// 31 slots.
pub const SPREAD: Spread = Spread {
    key: HashKey::of_words([7, 7]),
    slots: 31,
};
/// How long a flow of the pool `web` may be silent, in milliseconds.
pub const IDLE: u32 = 5_000;

/// Publications, and workers that have taken the newest one, or stay at one.
pub struct Workers {
    pub round: Round,
    pub tables: Tables,
    pub held: Option<Round>,
}

impl Publish for Workers {
    fn publish(&mut self, _: Generation, plan: Plan) {
        self.round = self.round.next();
        self.tables = compile_tables(&plan);
    }

    fn round(&self) -> Round {
        self.round
    }

    fn taken(&self) -> Round {
        self.held.unwrap_or(self.round)
    }

    fn lag(&self) -> u32 {
        0
    }

    fn index(&self) -> &ServiceIndex {
        &self.tables.index
    }
}

/// See the [module](self).
pub struct World {
    pub controller: Controller,
    pub flows: Flows,
    pub workers: Workers,
    pub now: u32,
}

impl World {
    /// Three backends in the pool `web`, and room for this many entries.
    pub fn new(entries: usize) -> Self {
        let mut world = Self::open(memory(), SPREAD, entries);
        let mut web = pool(&[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")]);
        web.idle_ms = Some(config::Millis(IDLE));
        let all = definitions([("http", service("203.0.113.1", "web"))], [("web", web)]);
        world.execute(Command::ReplaceAll(all));
        world.pass(1);
        world
    }

    /// Whatever the ledger has.
    pub fn open(ledger: Ledger, spread: Spread, entries: usize) -> Self {
        let settings = config::Flows {
            entries,
            file: "unused".into(),
            syn_guard: config::Millis(100),
            moving_slots: true,
        };
        let flows = EntryTable::in_memory(Limits::of(entries)).unwrap();
        Self {
            controller: Controller::open(ledger, spread, settings, Millis(0)).unwrap(),
            flows: Flows::new(flows, spread.key),
            workers: Workers {
                round: Round(0),
                tables: compile_tables(&Plan::default()),
                held: None,
            },
            now: 0,
        }
    }

    /// A command's generation, which [`Self::advance`] goes on with.
    pub fn execute(&mut self, command: Command) -> Generation {
        let receipt = self.controller.execute(&request(command), self.wall());
        receipt.unwrap().generation
    }

    /// The time by the calendar.
    pub fn wall(&self) -> WallTime {
        WallTime(at(0).0 + u64::from(self.now))
    }

    /// Lets this many milliseconds pass.
    pub fn pass(&mut self, millis: u32) {
        let end = self.now + millis;
        while self.now < end {
            let wait = self.advance();
            self.now = (self.now + wait.unwrap_or(millis).clamp(1, 250)).min(end);
        }
    }

    /// One call of the controller's.
    pub fn advance(&mut self) -> Option<u32> {
        let (now, wall) = (Millis(self.now), self.wall());
        self.controller.expire(wall).unwrap();
        self.controller
            .advance(now, wall, &self.flows, &mut self.workers)
            .unwrap()
    }

    /// The backend that a packet from the middle of flow `number` goes to; `None`: it is dropped.
    pub fn send(&self, number: u32) -> Option<String> {
        let tables = &self.workers.tables;
        let key = key(number);
        let Match::Service(service) = tables.index.find(&key) else {
            panic!("no service");
        };
        let service = &tables.services[service as usize];
        let view = &tables.views[service.view as usize];
        let hash = tables.hasher.hash_key(&key);
        let slot = view.slot(hash);
        let word = view.word(slot).unwrap();
        let local = if word & CONSULT == 0 {
            word
        } else {
            let slot = Consulted::new(view, slot, word, &key).unwrap();
            let packet = Packet {
                slot: &slot,
                now: Millis(self.now),
                key: &key,
                hash,
                segment: Segment {
                    kind: Kind::Within,
                    place: Place::Sequence {
                        seq: 1,
                        end: 1,
                        ack: Some(1),
                    },
                },
                tracking: service.tracking,
            };
            self.flows.choose(&packet).ok()?
        };
        let backend = &view.backends[usize::from(local)];
        Some(backend.name.to_string())
    }

    /// Whether the pool `web` has it.
    pub fn has_backend(&self, name: &str) -> bool {
        let state = self.controller.ledger().state();
        state.pools["web"].spec.backends.contains_key(name)
    }

    /// Whether anything has it.
    pub fn is_remembered(&self, name: &str) -> bool {
        let mut members = self.controller.ledger().roster().members();
        members.any(|(_, member)| member.name == name)
    }

    /// How far the newest generation is.
    pub fn stage(&self) -> Stage {
        let newest = self.controller.ledger().generation();
        self.controller.stage(newest, &self.workers)
    }
}

/// A TCP flow to the service.
pub fn key(number: u32) -> FlowKey {
    let [a, b, c, d] = number.to_be_bytes();
    let mut keys = FlowKeys::default();
    let transport = Transport {
        ports: PortPair::new(1024 + u16::from(a), 80),
        protocol: 6,
    };
    keys.set_v4(0, [10, b, c, d, 203, 0, 113, 1], transport);
    keys.key(0, false)
}
