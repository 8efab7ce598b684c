//! What the ledger adds to commands: preconditions, confirmations, numbers, and how long the log is.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod control_fixture;

use control_fixture::{
    OWN, at, backend, definitions, memory, over, pool, request, service, site, tentative,
};
use serde_json::json;
use tentetsu::config::{Millis, UdpFlows};
use tentetsu::control::command::{Command, Fault};
use tentetsu::control::ledger::{Expect, Ledger, Precondition, Refusal, Request, Resource};
use tentetsu::control::state::{
    Definitions, Difference, Mode, Object, ObjectKey, Owner, PoolSpec, decode, encode,
};
use tentetsu::control::store::Departure;
use tentetsu::table::{BackendId, Generation};

fn done(ledger: &mut Ledger, command: Command) -> Generation {
    let receipt = ledger.execute(&request(command), at(0)).unwrap();
    receipt.generation
}

fn faults(ledger: &mut Ledger, command: Command) -> Vec<Fault> {
    match ledger.execute(&request(command), at(0)) {
        Err(Refusal::Invalid(faults)) => faults.0,
        other => panic!("{other:?}"),
    }
}

fn put_pool(name: &str, spec: PoolSpec) -> Command {
    let name = name.to_owned();
    Command::PutPool { name, spec }
}

fn load(definitions: Definitions) -> Command {
    Command::LoadFile {
        definitions,
        site: site(),
    }
}

fn of(pool: &str, name: &str) -> (String, String) {
    (pool.to_owned(), name.to_owned())
}

fn drain((pool, name): (String, String)) -> Command {
    Command::Drain { pool, name }
}

fn remove((pool, name): (String, String), now: bool) -> Command {
    Command::Remove { pool, name, now }
}

/// Pool `web` of the API with backends `a` and `b`, served.
fn served() -> Ledger {
    let mut ledger = memory();
    let web = pool(&[("a", "10.0.0.1"), ("b", "10.0.0.2")]);
    let all = definitions([("s", service("203.0.113.1", "web"))], [("web", web)]);
    done(&mut ledger, Command::ReplaceAll(all));
    ledger
}

#[test]
fn all_faults_are_told_at_once_with_their_places() {
    let mut ledger = served();
    let wrong = PoolSpec {
        panic_percent: 101,
        idle_ms: Some(Millis(0)),
        ..pool(&[("a", "10.0.0.1"), ("b", "127.0.0.1"), ("c", "10.0.0.1")])
    };
    let all = definitions([("s", service("192.0.2.9", "wob"))], [("web", wrong)]);
    done(&mut ledger, load(Definitions::default()));
    let found = faults(&mut ledger, Command::ReplaceAll(all));
    let places: Vec<&str> = found.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        places,
        [
            "/pools/web/backends/b/address",
            "/pools/web/backends/c/address",
            "/pools/web/idle_ms",
            "/pools/web/panic_percent",
            "/services/s/address",
            "/services/s/pool",
        ]
    );
    assert_eq!(
        found[1].what,
        "backend address `10.0.0.1` is used twice, first at /pools/web/backends/a/address"
    );
    assert_eq!(found[5].hint, "did you mean \"web\"?");
}

#[test]
fn who_takes_anothers_address_is_at_fault() {
    let mut ledger = served();
    let three = pool(&[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("c", "10.0.0.3")]);
    done(&mut ledger, put_pool("three", three));
    let taken = pool(&[("a", "10.0.0.1"), ("b", "10.0.0.3"), ("c", "10.0.0.3")]);
    let found = faults(&mut ledger, put_pool("three", taken));
    assert_eq!(found[0].path.as_str(), "/pools/three/backends/b/address");
    assert_eq!(
        found[0].what,
        "backend address `10.0.0.3` is used twice, first at /pools/three/backends/c/address"
    );
}

#[test]
fn a_backend_at_an_address_that_is_taken_is_refused() {
    let mut ledger = served();
    done(&mut ledger, load(Definitions::default()));
    let backend = |address| put_pool("more", pool(&[("x", address)]));
    for (address, whose) in [
        ("203.0.113.1", "a service's address at /services/s/address"),
        (OWN, "the port's own address in the configuration file"),
    ] {
        let found = faults(&mut ledger, backend(address));
        assert_eq!(found[0].path.as_str(), "/pools/more/backends/x/address");
        assert!(found[0].what.contains(whose), "{found:?}");
    }
    // The service comes second, and the pool is not touched.
    let name = "t".to_owned();
    let spec = service("10.0.0.2", "web");
    let found = faults(&mut ledger, Command::PutService { name, spec });
    assert_eq!(found[0].path.as_str(), "/pools/web/backends/b/address");
}

#[test]
fn file_and_api_do_not_write_over_each_other() {
    let mut ledger = served();
    let web = pool(&[("z", "10.0.9.1")]);
    let found = faults(&mut ledger, load(definitions([], [("web", web.clone())])));
    assert!(found[0].what.contains("belongs to the API"), "{found:?}");

    done(&mut ledger, load(definitions([], [("file", web.clone())])));
    let ours = pool(&[("z", "10.0.9.2")]);
    for command in [
        put_pool("file", ours),
        Command::DeletePool {
            name: "file".to_owned(),
        },
        remove(of("file", "z"), false),
        Command::SetWeight {
            pool: "file".to_owned(),
            name: "z".to_owned(),
            weight: 1,
        },
    ] {
        let found = faults(&mut ledger, command);
        assert!(
            found[0].what.contains("belongs to the configuration file"),
            "{found:?}"
        );
    }
    done(&mut ledger, drain(of("file", "z")));
    done(&mut ledger, Command::ReplaceAll(Definitions::default()));
    let state = ledger.state().clone();
    assert_eq!(state.pools.keys().collect::<Vec<_>>(), ["file"]);
    let file = &state.pools["file"];
    assert_eq!((file.owner, file.mode("z")), (Owner::File, Mode::Drain));

    let heavier = PoolSpec {
        backends: [("z".to_owned(), backend("10.0.9.1", 7))].into(),
        ..web
    };
    done(&mut ledger, load(definitions([], [("file", heavier)])));
    assert_eq!(
        ledger.state().pools["file"].mode("z"),
        Mode::Drain,
        "outlives a reload"
    );
}

#[test]
fn a_precondition_is_looked_at_first() {
    let mut ledger = served();
    let resource = Resource::Pool("web".to_owned());
    let tag = ledger.etag(&resource).unwrap();
    let with = |expect: Expect, command: Command| Request {
        preconditions: vec![Precondition {
            resource: resource.clone(),
            expect,
        }],
        ..request(command)
    };
    let absent = with(Expect::Absent, put_pool("web", pool(&[])));
    let refusal = ledger.execute(&absent, at(0)).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::PreconditionFailed { current: Some(current), .. } if *current == tag),
        "{refusal}"
    );
    let matching = with(Expect::OneOf(vec![tag.clone()]), drain(of("web", "a")));
    assert!(ledger.execute(&matching, at(0)).unwrap().changed);
    assert_ne!(ledger.etag(&resource), Some(tag));
    let refusal = ledger.execute(&matching, at(0)).unwrap_err();
    assert!(
        matches!(refusal, Refusal::PreconditionFailed { .. }),
        "{refusal}"
    );
    assert!(
        ledger
            .execute(&with(Expect::Present, drain(of("web", "b"))), at(0))
            .is_ok()
    );
}

#[test]
fn what_was_prepared_on_an_older_state_is_not_stored() {
    let mut ledger = served();
    let prepared = ledger
        .prepare(&request(drain(of("web", "a"))), at(0))
        .unwrap();
    done(&mut ledger, drain(of("web", "b")));
    let refusal = ledger.commit(prepared, &[]).unwrap_err();
    assert!(
        matches!(refusal, Refusal::Conflict(Generation(2))),
        "{refusal}"
    );
    assert_eq!(ledger.state().pools["web"].mode("a"), Mode::Up);
}

#[test]
fn an_unconfirmed_change_is_rolled_back_after_a_crash_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.redb");
    let mut ledger = over(&path);
    done(&mut ledger, put_pool("web", pool(&[("a", "10.0.0.1")])));
    let before = ledger.state().clone();
    let change = tentative(
        put_pool("web", pool(&[("b", "10.0.0.2")])),
        Millis::seconds(60),
    );
    let receipt = ledger.execute(&change, at(0)).unwrap();
    assert_eq!(receipt.pending.unwrap().deadline, at(60));

    let refusal = ledger
        .execute(&request(put_pool("x", pool(&[]))), at(1))
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Unconfirmed { .. }), "{refusal}");
    assert!(
        ledger
            .execute(&request(drain(of("web", "b"))), at(1))
            .is_ok(),
        "operations go on"
    );

    drop(ledger);
    let mut ledger = over(&path);
    assert_eq!(ledger.expire(at(59)).unwrap(), None);
    let late = ledger.execute(&request(Command::Confirm), at(60));
    assert!(matches!(late, Err(Refusal::NothingToConfirm)), "{late:?}");
    let receipt = ledger.expire(at(60)).unwrap().unwrap();
    assert_eq!((receipt.generation, receipt.pending), (Generation(4), None));
    assert_eq!(*ledger.state(), before);
    assert_eq!(ledger.expire(at(99)).unwrap(), None);
}

#[test]
fn a_confirmed_change_stays() {
    let mut ledger = served();
    let nothing = ledger
        .execute(&request(Command::Confirm), at(0))
        .unwrap_err();
    assert!(matches!(nothing, Refusal::NothingToConfirm), "{nothing}");
    let change = tentative(put_pool("x", pool(&[])), Millis::seconds(60));
    ledger.execute(&change, at(0)).unwrap();
    let receipt = ledger.execute(&request(Command::Confirm), at(1)).unwrap();
    assert_eq!((receipt.generation, receipt.pending), (Generation(2), None));
    assert_eq!(ledger.expire(at(61)).unwrap(), None);
    assert!(ledger.state().pools.contains_key("x"));
}

#[test]
fn nothing_takes_the_way_back_away() {
    let mut ledger = served();
    let change = tentative(
        Command::ReplaceAll(Definitions::default()),
        Millis::seconds(60),
    );
    ledger.execute(&change, at(0)).unwrap();
    let found = faults(&mut ledger, load(definitions([], [("web", pool(&[]))])));
    assert!(
        found[0].what.contains("could not be rolled back"),
        "{found:?}"
    );
    ledger.expire(at(60)).unwrap().unwrap();
    assert!(ledger.state().services.contains_key("s"));
}

#[test]
fn a_removal_drains_first_and_can_be_called_off() {
    let mut ledger = served();
    let finish = Command::FinishRemoval {
        pool: "web".to_owned(),
        name: "a".to_owned(),
    };
    done(&mut ledger, remove(of("web", "a"), false));
    assert_eq!(ledger.state().pools["web"].mode("a"), Mode::Removing);
    done(
        &mut ledger,
        Command::Undrain {
            pool: "web".to_owned(),
            name: "a".to_owned(),
        },
    );
    done(&mut ledger, finish.clone());
    assert!(ledger.state().pools["web"].spec.backends.contains_key("a"));

    let to = done(&mut ledger, remove(of("web", "a"), false));
    done(&mut ledger, finish);
    assert!(!ledger.state().pools["web"].spec.backends.contains_key("a"));
    done(
        &mut ledger,
        Command::Rollback {
            to: Generation(to.0 - 1),
        },
    );
    assert_eq!(ledger.state().pools["web"].mode("a"), Mode::Up);
}

#[test]
fn a_number_belongs_to_a_backend_until_nothing_names_it() {
    let mut ledger = served();
    let address = "10.0.0.1".parse().unwrap();
    let id = |ledger: &Ledger| ledger.roster().id("web", "a", address);
    let departure = |ledger: &Ledger, id| {
        let mut members = ledger.roster().members();
        members
            .find(|(_, member)| Some(member.id) == id)
            .map(|(_, member)| member.departure)
    };
    let first = id(&ledger);
    assert_eq!(first, Some(BackendId(0)));
    done(&mut ledger, remove(of("web", "a"), true));
    assert_eq!(departure(&ledger, first), Some(Some(Departure::Cut)));
    done(&mut ledger, Command::Rollback { to: Generation(1) });
    assert_eq!(
        (id(&ledger), departure(&ledger, first)),
        (first, Some(None)),
        "it came back"
    );

    let moved = Command::SetBackend {
        pool: "web".to_owned(),
        name: "a".to_owned(),
        spec: backend("10.0.0.3", 100),
    };
    done(&mut ledger, moved);
    assert_eq!(departure(&ledger, first), Some(Some(Departure::Drained)));
    ledger.forget(&[BackendId(0), BackendId(1)].into()).unwrap();
    assert_eq!(departure(&ledger, first), None);
    assert_eq!(
        departure(&ledger, Some(BackendId(1))),
        Some(None),
        "it is in its pool"
    );
    done(&mut ledger, Command::Rollback { to: Generation(1) });
    assert_eq!(
        id(&ledger),
        Some(BackendId(3)),
        "the old number is not given again"
    );
}

#[test]
fn the_log_is_bounded_but_keeps_what_is_needed() {
    let mut ledger = served();
    ledger.hold(Some(Generation(5)));
    for number in 0..1_100 {
        let weight = 1 + number % 2;
        let (pool, name) = of("web", "a");
        done(&mut ledger, Command::SetWeight { pool, name, weight });
    }
    let oldest = |ledger: &Ledger| {
        let log = ledger.log(Generation(u64::MAX), usize::MAX).unwrap();
        log.last().map(|entry| entry.generation)
    };
    assert_eq!(oldest(&ledger), Some(Generation(5)));
    assert!(ledger.state_at(Generation(5)).unwrap().is_some());
    ledger.hold(None);
    done(&mut ledger, drain(of("web", "a")));
    assert_eq!(oldest(&ledger), Some(Generation(103)));
    assert!(ledger.state_at(Generation(101)).unwrap().is_none());
    let found = faults(
        &mut ledger,
        Command::Rollback {
            to: Generation(101),
        },
    );
    assert!(found[0].what.contains("not in the log"), "{found:?}");
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let ledger = served();
    let spec = PoolSpec {
        backends: [
            ("a".to_owned(), backend("10.0.0.1", 50)),
            ("c".to_owned(), backend("10.0.0.3", 100)),
        ]
        .into(),
        ..PoolSpec::default()
    };
    let preview = ledger
        .dry_run(&request(put_pool("web", spec)), at(0))
        .unwrap();
    let difference = serde_json::to_value(&preview.difference).unwrap();
    let expected = serde_json::json!([
        { "path": "/pools/web/backends/a/weight", "before": 100, "after": 50 },
        { "path": "/pools/web/backends/b", "before": { "address": "10.0.0.2", "weight": 100 } },
        { "path": "/pools/web/backends/c", "after": { "address": "10.0.0.3", "weight": 100 } },
    ]);
    assert_eq!(difference, expected);
    assert_eq!(ledger.generation(), Generation(1));
}

#[test]
fn idle_times_follow_the_protocol_where_the_pool_says_nothing() {
    let mut ledger = served();
    assert_eq!(ledger.state().idles()["web"], Millis::seconds(7_500));
    let udp = tentetsu::control::state::ServiceSpec {
        protocol: tentetsu::config::Protocol::Udp,
        ..service("203.0.113.9", "dns")
    };
    let dns = definitions([("dns", udp)], [("dns", pool(&[]))]);
    done(&mut ledger, Command::ReplaceAll(dns));
    assert_eq!(ledger.state().idles()["dns"], Millis::seconds(300));
    let given = PoolSpec {
        idle_ms: Some(Millis::seconds(5)),
        ..pool(&[])
    };
    done(&mut ledger, put_pool("dns", given));
    assert_eq!(ledger.state().idles()["dns"], Millis::seconds(5));
}

#[test]
fn a_good_file_is_a_good_state() {
    let text =
        include_str!("../config/example.toml").replace("# idle = \"7500s\"", "idle = \"5s\"");
    let config = tentetsu::config::parse("example.toml", &text).unwrap();
    let mut ledger = memory();
    let load = Command::LoadFile {
        definitions: (&config).into(),
        site: (&config).into(),
    };
    done(&mut ledger, load);
    let state = ledger.state();
    assert_eq!((state.services.len(), state.pools.len()), (1, 1));
    assert_eq!(
        state.services["web"].spec.ports,
        [80..=80, 443..=443, 8_000..=8_099]
    );
    assert_eq!(
        state.pools["web"].spec.backends["web2"],
        backend("10.0.0.6", 100)
    );
    assert_eq!(state.idles()["web"], Millis::seconds(5));
    assert_eq!((state.site.slots, state.site.own.len()), (65_537, 2));
}

#[test]
fn definitions_are_read_strictly_and_written_as_they_are_read() {
    let read = |text: &str| serde_json::from_str::<Definitions>(text);
    let text = r#"{"services":{"s":{"address":"203.0.113.0/28","protocol":"udp","ports":"any","flows":"quic","pool":"p"},"t":{"address":"203.0.113.99","protocol":"tcp","ports":[80,"90-99"],"pool":"p"}},"pools":{"p":{"encap":"l2dsr","reset_ms":120000,"slow_start_ms":0,"panic_percent":50,"backends":{"a":{"address":"10.0.0.1","weight":100}}}}}"#;
    let definitions = read(text).unwrap();
    assert_eq!(serde_json::to_string(&definitions).unwrap(), text);
    let short = r#"{"pools":{"p":{"backends":{"a":{"address":"10.0.0.1"}}}}}"#;
    assert_eq!(read(short).unwrap().pools["p"], pool(&[("a", "10.0.0.1")]));
    for wrong in [
        text.replace("\"encap\"", "\"encup\""),
        text.replace("\"any\"", "\"all\""),
        text.replace("90-99", "90-"),
        text.replace("quic", "tcp"),
        text.replace("203.0.113.0/28", "203.0.113"),
    ] {
        assert!(read(&wrong).is_err(), "{wrong}");
    }
    for refused in [
        text.replace("90-99", "99-90"),
        text.replace("[80,", "[0,"),
        text.replace("113.0/28", "113.1/28"),
        text.replace("udp", "tcp"),
        text.replace("udp", "sctp"),
    ] {
        let found = faults(&mut memory(), Command::ReplaceAll(read(&refused).unwrap()));
        assert_eq!(found.len(), 1, "{found:?}");
    }
}

/// As it lies in stores that were written before a service could say so.
#[test]
fn a_service_that_says_nothing_of_its_flows_is_read() {
    let key = ObjectKey::Service("dns".to_owned());
    let stored = br#"{"owner":"api","spec":{"address":"203.0.113.9","protocol":"udp","ports":[53],"pool":"dns"}}"#;
    let object = decode(&key, stored).unwrap();
    let Object::Service(service) = &object else {
        panic!("{object:?}")
    };
    assert_eq!(service.spec.flows, None);
    assert_eq!(encode(&object).unwrap(), stored);
}

#[test]
fn what_becomes_of_a_services_flows_is_a_difference() {
    let mut ledger = memory();
    let dns = |flows| tentetsu::control::state::ServiceSpec {
        protocol: tentetsu::config::Protocol::Udp,
        flows,
        ..service("203.0.113.9", "dns")
    };
    let all = |flows| Command::ReplaceAll(definitions([("dns", dns(flows))], [("dns", pool(&[]))]));
    done(&mut ledger, all(None));
    let before = ledger.state().clone();
    done(&mut ledger, all(Some(UdpFlows::Stateless)));
    let difference = Difference::between(&before, ledger.state());
    let told = serde_json::to_value(difference).unwrap();
    let expected = json!([{ "path": "/services/dns/flows", "after": "stateless" }]);
    assert_eq!(told, expected);
}
