//! The controller with the real tables and entries: removals end with the last flow, flows that don't fit take turns,
//! unconfirmed changes go back, and what a change takes over is one thing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use control_fixture::world::{IDLE, SPREAD, World};
use control_fixture::{backend, definitions, over, pool, service, tentative};
use tentetsu::config;
use tentetsu::control::command::Command;
use tentetsu::control::controller::Stage;
use tentetsu::control::ledger::Ledger;
use tentetsu::flow::Millis;
use tentetsu::table::{CONSULT, Phase, Spread};

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

/// It takes many calls, between which an operator forces one of the pools, which was not told yet: the publication has all of
/// it.
#[test]
fn a_change_of_many_pools_is_published_whole() {
    let mut world = World::new(1_024);
    world.execute(weigh("c", 1));
    world.pass(60);
    let before = world.workers.round;
    let other = || pool(&[("x", "10.0.1.1"), ("y", "10.0.1.2")]);
    let mut web = world.controller.ledger().state().pools["web"].spec.clone();
    web.backends.get_mut("a").unwrap().weight = 300;
    let pools = (0..40).map(|number| (format!("pool{number}"), other()));
    let pools = pools.chain([("web".to_owned(), web)]);
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
            assert!(world.controller.force("web", now, &world.workers) > 0);
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

#[test]
fn a_change_after_weeks_of_rest_is_told_at_once() {
    let mut world = World::new(1_024);
    world.pass(1_000);
    let hour = 3_600_000;
    while world.now <= 1 << 31 {
        world.advance();
        world.now += hour;
    }
    world.execute(weigh("c", 1));
    world.pass(1);
    assert!(world.stage() > Stage::Stored);
}

#[test]
fn a_pool_that_goes_while_it_is_armed_leaves_nothing_behind() {
    let mut world = World::new(1_024);
    let mut xtra = pool(&[("x", "10.0.1.1")]);
    let put = |spec: &_| Command::PutPool {
        name: "xtra".to_owned(),
        spec: Clone::clone(spec),
    };
    world.execute(put(&xtra));
    world.pass(500);
    xtra.backends
        .insert("y".to_owned(), backend("10.0.1.2", 100));
    world.execute(put(&xtra));
    world.pass(60);
    assert_eq!(world.stage(), Stage::Armed);
    let name = "xtra".to_owned();
    world.execute(Command::DeletePool { name });
    world.pass(200);
    assert_eq!(world.stage(), Stage::Settled);
}

/// A default that has flipped for some workers only is not taken over by another view.
#[test]
fn a_service_is_repointed_when_every_worker_has_what_is_out() {
    let mut world = World::new(1_024);
    let blue = pool(&[("x", "10.0.1.1")]);
    world.execute(Command::PutPool {
        name: "blue".to_owned(),
        spec: blue,
    });
    world.execute(weigh("c", 1));
    world.pass(500);
    let now = Millis(world.now);
    assert!(world.controller.force("web", now, &world.workers) > 0);
    world.workers.held = Some(world.workers.round);
    world.execute(Command::PutService {
        name: "http".to_owned(),
        spec: service("203.0.113.1", "blue"),
    });
    world.pass(500);
    let pools = |world: &World| {
        let views = world.workers.tables.views.iter();
        views.map(|view| view.pool.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(pools(&world), ["blue", "web"]);
    let web = &world.workers.tables.views[1];
    let mut moving = web.moving.as_ref().unwrap().slots.iter();
    assert!(moving.any(|slot| slot.phase == Phase::Frozen));
    world.workers.held = None;
    world.pass(100);
    assert_eq!(pools(&world), ["blue", "web", "blue"]);
}

/// The process is killed before, while and after what it knows under another number of slots is recorded: all of it is, or
/// nothing.
#[test]
fn another_number_of_slots_survives_a_kill_at_any_call() {
    const POOLS: usize = 20;
    let other = Spread {
        slots: 61,
        ..SPREAD
    };
    for calls in 0..8 {
        let folder = tempfile::tempdir().unwrap();
        let ledger = || over(&folder.path().join("state"));
        let mut world = World::open(ledger(), SPREAD, 64);
        let web = || pool(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
        let mut all = definitions([], []);
        all.pools = (0..POOLS).map(|n| (format!("p{n}"), web())).collect();
        world.execute(Command::ReplaceAll(all));
        world.pass(500);
        drop(world);
        let mut killed = World::open(ledger(), other, 64);
        (0..calls).for_each(|_| {
            killed.advance();
        });
        drop(killed);
        let again = World::open(ledger(), other, 64);
        let consulted = again.controller.progress().map(|(_, of)| of.consulted);
        assert_eq!(consulted.collect::<Vec<_>>(), [61; POOLS], "{calls} calls");
    }
}

/// Pools may differ in how long flows may be silent. One that a service leaves is kept to, whatever comes next.
#[test]
fn a_repointed_service_keeps_the_longer_silence() {
    let pools = [("web", IDLE), ("blue", 1_000), ("green", 1_000)];
    let open = |folder: &std::path::Path| World::open(over(&folder.join("state")), SPREAD, 1_024);
    let to = |pool: &str| Command::PutService {
        name: "http".to_owned(),
        spec: service("203.0.113.1", pool),
    };
    let delete = || Command::DeletePool {
        name: "web".to_owned(),
    };
    type Then<'t> = &'t dyn Fn(World) -> World;
    let with = |command: Command| {
        move |mut world: World| {
            world.execute(command.clone());
            world
        }
    };
    for wait in [0, 60, 400] {
        let folder = tempfile::tempdir().unwrap();
        let thens: [Then<'_>; 4] = [
            &|world| world,
            &with(to("green")),
            &with(delete()),
            &|world| {
                let tables = world.workers.tables;
                drop(world.controller);
                let mut again = open(folder.path());
                again.workers.tables = tables;
                again.pass(1);
                again
            },
        ];
        for (number, then) in thens.into_iter().enumerate() {
            let _ = std::fs::remove_file(folder.path().join("state"));
            let mut world = open(folder.path());
            let mut all = definitions([("http", service("203.0.113.1", "web"))], []);
            all.pools = pools
                .map(|(name, idle)| {
                    let mut spec = pool(&[(name, "10.0.0.1")]);
                    spec.idle_ms = Some(config::Millis(idle));
                    (name.to_owned(), spec)
                })
                .into();
            world.execute(Command::ReplaceAll(all));
            world.pass(500);
            assert_eq!(world.send(1).unwrap(), "web");
            world.execute(to("blue"));
            world.pass(wait);
            let mut world = then(world);
            world.pass(IDLE - 500 - wait);
            assert_eq!(
                world.send(1).unwrap(),
                "web",
                "then {number} after {wait} ms"
            );
        }
    }
}
