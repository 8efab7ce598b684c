//! The controller with the real tables and entries, and workers that take each publication at once or when told to:
//! removals end with the last flow, flows that don't fit take turns, and unconfirmed changes go back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use control_fixture::{at, backend, definitions, memory, pool, request, service, tentative};
use tentetsu::config;
use tentetsu::control::command::Command;
use tentetsu::control::controller::{Controller, Publish, Stage};
use tentetsu::control::ledger::Ledger;
use tentetsu::control::store::WallTime;
use tentetsu::control::{Plan, compile_tables};
use tentetsu::flow::{Consulted, EntryTable, Flows, Kind, Limits, Millis, Packet, Place, Segment};
use tentetsu::packet::{FlowKey, FlowKeys, Transport};
use tentetsu::table::{
    CONSULT, Generation, HashKey, Match, Phase, Round, ServiceIndex, Spread, Tables,
};
use tentetsu::wire::PortPair;

const SPREAD: Spread = Spread {
    key: HashKey::of_words([7, 7]),
    slots: 31,
};
const IDLE: u32 = 5_000;

/// Publications, and workers that have taken the newest one.
struct Workers {
    round: Round,
    tables: Tables,
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
        self.round
    }

    fn lag(&self) -> u32 {
        0
    }

    fn index(&self) -> &ServiceIndex {
        &self.tables.index
    }
}

struct World {
    controller: Controller,
    flows: Flows,
    workers: Workers,
    now: u32,
}

impl World {
    /// Three backends in the pool `web`, and room for this many entries.
    fn new(entries: usize) -> Self {
        let settings = config::Flows {
            entries,
            file: "unused".into(),
            syn_guard: config::Millis(100),
            moving_slots: true,
        };
        let controller = Controller::open(memory(), SPREAD, settings, Millis(0)).unwrap();
        let mut web = pool(&[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")]);
        web.idle_ms = Some(config::Millis(IDLE));
        let mut world = Self {
            controller,
            flows: Flows::new(
                EntryTable::in_memory(Limits::of(entries)).unwrap(),
                SPREAD.key,
            ),
            workers: Workers {
                round: Round(0),
                tables: compile_tables(&Plan::default()),
            },
            now: 0,
        };
        let all = definitions([("http", service("203.0.113.1", "web"))], [("web", web)]);
        world.execute(Command::ReplaceAll(all));
        world.pass(1);
        world
    }

    fn execute(&mut self, command: Command) -> Generation {
        let receipt = self.controller.execute(&request(command), self.wall());
        receipt.unwrap().generation
    }

    fn wall(&self) -> WallTime {
        WallTime(at(0).0 + u64::from(self.now))
    }

    /// Lets this many milliseconds pass.
    fn pass(&mut self, millis: u32) {
        let end = self.now + millis;
        while self.now < end {
            let wait = self.advance();
            self.now = (self.now + wait.unwrap_or(millis).clamp(1, 250)).min(end);
        }
    }

    fn advance(&mut self) -> Option<u32> {
        let (now, wall) = (Millis(self.now), self.wall());
        self.controller.expire(wall).unwrap();
        self.controller
            .advance(now, wall, &self.flows, &mut self.workers)
            .unwrap()
    }

    /// The backend that a packet from the middle of flow `number` goes to; `None`: it is dropped.
    fn send(&self, number: u32) -> Option<String> {
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
            let packet = Packet {
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
            let slot = Consulted::new(view, slot, word, &key).unwrap();
            self.flows.choose(&slot, &packet, Millis(self.now)).ok()?
        };
        let backend = &view.backends[usize::from(local)];
        Some(backend.name.to_string())
    }

    fn has_backend(&self, name: &str) -> bool {
        let state = self.controller.ledger().state();
        state.pools["web"].spec.backends.contains_key(name)
    }

    fn is_remembered(&self, name: &str) -> bool {
        let mut members = self.controller.ledger().roster().members();
        members.any(|(_, member)| member.name == name)
    }

    fn stage(&self) -> Stage {
        let newest = self.controller.ledger().generation();
        self.controller.stage(newest, &self.workers)
    }
}

/// A TCP flow to the service.
fn key(number: u32) -> FlowKey {
    let [a, b, c, d] = number.to_be_bytes();
    let mut keys = FlowKeys::default();
    let transport = Transport {
        ports: PortPair::new(1024 + u16::from(a), 80),
        protocol: 6,
    };
    keys.set_v4(0, [10, b, c, d, 203, 0, 113, 1], transport);
    keys.key(0, false)
}

fn remove(name: &str, now: bool) -> Command {
    Command::Remove {
        pool: "web".to_owned(),
        name: name.to_owned(),
        now,
    }
}

#[test]
fn a_removed_backend_goes_with_its_last_flow() {
    let mut world = World::new(1_024);
    let number = (0..).find(|n| world.send(*n).unwrap() == "b").unwrap();
    world.execute(remove("b", false));
    for _ in 0..20 {
        world.pass(1_000);
        assert_eq!(world.send(number).unwrap(), "b");
        assert!(world.has_backend("b"));
    }
    assert_eq!(world.stage(), Stage::Steered);
    world.pass(IDLE + 2_000);
    assert!(!world.has_backend("b"), "its last flow has ended");
    world.pass(2_000);
    assert!(!world.is_remembered("b"), "nothing names it any more");
    assert_ne!(world.send(number).unwrap(), "b");
    assert_eq!(world.stage(), Stage::Settled);
}

#[test]
fn a_backend_of_a_deleted_pool_is_forgotten() {
    let mut world = World::new(1_024);
    let others = pool(&[("x", "10.0.1.1")]);
    world.execute(Command::PutPool {
        name: "other".to_owned(),
        spec: others,
    });
    world.pass(1_000);
    world.execute(Command::DeletePool {
        name: "other".to_owned(),
    });
    assert!(world.is_remembered("x"));
    world.pass(2_000);
    assert!(!world.is_remembered("x"));
}

#[test]
fn a_removal_that_is_called_off_leaves_the_backend() {
    let mut world = World::new(1_024);
    world.execute(remove("b", false));
    world.pass(IDLE / 2);
    world.execute(Command::Undrain {
        pool: "web".to_owned(),
        name: "b".to_owned(),
    });
    world.pass(4 * IDLE);
    assert!(world.has_backend("b") && world.is_remembered("b"));
    assert_eq!(world.stage(), Stage::Settled);
}

fn weigh(name: &str, weight: u32) -> Command {
    Command::SetWeight {
        pool: "web".to_owned(),
        name: name.to_owned(),
        weight,
    }
}

#[test]
fn a_removal_ends_however_busy_the_operator_is() {
    let mut world = World::new(1_024);
    world.execute(remove("b", false));
    for turn in 0..8 * IDLE / 500 {
        world.execute(weigh("c", 99 + turn % 2));
        world.pass(500);
    }
    assert!(!world.has_backend("b"), "nothing has named it for long");
    assert!(!world.is_remembered("b"));
}

#[test]
fn a_storm_of_changes_is_published_in_few_rounds() {
    let mut world = World::new(1_024);
    world.pass(1_000);
    let before = world.workers.round;
    for change in 0..100 {
        world.execute(weigh("c", 100 - change % 50));
        world.pass(5);
    }
    let rounds = world.workers.round.0 - before.0;
    assert!(rounds <= 2 * 500 / 50, "{rounds} rounds for 500 ms");
    world.pass(200);
    assert!(
        world.stage() > Stage::Stored,
        "the last change is out as well"
    );
}

/// It takes many calls, between which an operator forces one of the pools: the publication has all of it.
#[test]
fn a_change_of_many_pools_is_published_whole() {
    let mut world = World::new(1_024);
    world.execute(weigh("c", 1));
    world.pass(60);
    let before = world.workers.round;
    let other = || pool(&[("x", "10.0.1.1"), ("y", "10.0.1.2")]);
    let web = &world.controller.ledger().state().pools["web"].spec;
    let pools = (0..40).map(|number| (format!("pool{number}"), other()));
    let pools = pools.chain([("web".to_owned(), web.clone())]);
    let mut all = definitions([("http", service("203.0.113.1", "web"))], []);
    all.pools = pools.collect();
    let generation = world.execute(Command::ReplaceAll(all));
    world.now += 50;
    let mut calls = 0;
    while world.workers.round == before {
        assert_eq!(world.stage(), Stage::Stored, "call {calls}");
        assert_eq!(world.workers.tables.views.len(), 1);
        world.advance();
        calls += 1;
        if calls == 3 {
            let now = Millis(world.now);
            assert!(world.controller.force("web", now, &world.workers));
        }
    }
    assert!(calls > 3, "{calls} calls");
    assert!(world.controller.stage(generation, &world.workers) > Stage::Stored);
    let views = &world.workers.tables.views;
    assert_eq!(views.len(), 41);
    let web = views.iter().find(|view| &*view.pool == "web").unwrap();
    let moving = web.moving.as_ref().unwrap().slots.iter();
    let words = web.slots.iter().map(|word| word & !CONSULT);
    let (forced, open): (Vec<_>, Vec<_>) = moving
        .zip(words)
        .filter(|(slot, _)| slot.phase != Phase::Settled)
        .partition(|(slot, word)| slot.phase == Phase::Frozen && slot.target == *word);
    assert_eq!(open, []);
    assert!(!forced.is_empty(), "the weight moves slots");
}

/// 400 flows live on, and 64 fit: slots take turns until the flows of the last ones end, and none is sent elsewhere.
#[test]
fn flows_that_do_not_fit_take_turns() {
    const FLOWS: u32 = 400;
    let mut world = World::new(64);
    let homes: Vec<String> = (0..FLOWS).map(|n| world.send(n).unwrap()).collect();
    let new = backend("10.0.0.9", 300);
    world.execute(Command::AddBackend {
        pool: "web".to_owned(),
        name: "d".to_owned(),
        spec: new,
    });
    let (mut most_waiting, mut flips) = (0, 0);
    for living in (0..=FLOWS).rev().step_by(4) {
        for _ in 0..3 {
            world.pass(500);
            for n in 0..living {
                if let Some(now) = world.send(n) {
                    assert_eq!(now, homes[n as usize], "flow {n} of {living}");
                }
            }
            assert!(world.flows.entries.counts().total() <= 64);
            let (_, progress) = world.controller.progress().next().unwrap();
            most_waiting = most_waiting.max(progress.waiting);
            if living > FLOWS / 2 {
                flips = progress.flips;
            }
        }
    }
    assert!(most_waiting > 0, "there was never a turn to take");
    assert!(flips > 0, "none got on while there was no room for all");
    world.pass(4 * IDLE);
    assert_eq!(world.stage(), Stage::Settled);
}

#[test]
fn an_unconfirmed_change_goes_back_also_after_a_restart() {
    let mut world = World::new(1_024);
    let added = Command::AddBackend {
        pool: "web".to_owned(),
        name: "d".to_owned(),
        spec: backend("10.0.0.9", 100),
    };
    let wall = world.wall();
    let request = tentative(added, config::Millis(3_000));
    world.controller.execute(&request, wall).unwrap();
    world.pass(2_500);
    assert!(world.has_backend("d"));
    world.pass(1_000);
    assert!(!world.has_backend("d"));
    world.controller.execute(&request, world.wall()).unwrap();
    world.now += 10_000;
    world.pass(1);
    assert!(!world.has_backend("d"));
    let ledger: &Ledger = world.controller.ledger();
    assert!(ledger.pending().is_none());
}
