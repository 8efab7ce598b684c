//! What happens, as it is told: events and their resumption, waiting for a stage, readiness, and why a connection goes
//! where it goes while its slot moves.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;

use api_fixture::World;
use api_fixture::client::Event;
use serde_json::{Value, json};
use tentetsu::config::Millis;
use tentetsu::control::api::events::CAPACITY;
use tentetsu::control::api::schema::{Event as News, LinkEvent};
use tentetsu::control::state::Site;

const DRAIN: &str = "/pools/files/backends/f1/drain";
const UNDRAIN: &str = "/pools/files/backends/f1/undrain";

fn link(number: usize) -> News {
    News::Link(LinkEvent {
        port: "lan".to_owned(),
        up: true,
        mbit_per_s: u32::try_from(number).unwrap(),
    })
}

/// Events of this name, without what others tell in between.
fn named<'e>(
    events: impl Iterator<Item = Event> + 'e,
    name: &'e str,
) -> impl Iterator<Item = Value> + 'e {
    events
        .filter(move |(_, of, _)| of == name)
        .map(|(_, _, data)| data)
}

#[test]
fn a_change_is_told_in_all_its_steps() {
    let world = World::new();
    let events = world.client().events();
    let receipt = world.client().post(DRAIN).ok(200);
    let told: Vec<Event> = events
        .take_while(|(_, name, data)| !(name == "stage" && data["stage"] == "steered"))
        .collect();
    let of = |name: &str| named(told.clone().into_iter(), name).next().unwrap();
    assert_eq!(of("generation")["generation"], receipt["generation"]);
    assert_eq!(of("generation")["summary"], "drain files/f1");
    assert_eq!(
        of("backend"),
        json!({ "pool": "files", "backend": "f1", "mode": "drain" })
    );
    let began = of("transition");
    assert_eq!(began["view"], json!({ "pool": "files" }));
    assert!(began["consulted"].as_u64().unwrap() > 100);
    assert_eq!(of("stage")["generation"], receipt["generation"]);
    let numbers: Vec<u64> = told.iter().map(|(id, _, _)| *id).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1));
}

#[test]
fn another_hash_key_is_told_as_a_generation() {
    let world = World::new();
    let load = |key: &'static str| {
        world.node(move |node| {
            let mut site = Site::clone(&node.controller.ledger().state().site);
            site.hash_key = Some(key.to_owned());
            node.load(site);
        });
    };
    let events = world.client().events();
    load("1111");
    load("2222");
    let told = named(events, "generation").nth(1).unwrap();
    assert_eq!(told["author"], "file");
    assert_eq!(
        told["summary"],
        "load the file: 1 service, 1 pool, 2 backends; another hash key: 2222 in place of 1111"
    );
}

#[test]
fn a_reader_goes_on_where_it_left_off() {
    let world = World::new();
    let mut first = world.client().events();
    world.events.push(link(1));
    world.events.push(link(2));
    world.events.push(link(3));
    let (seen, _, _) = first.next().unwrap();
    drop(first);
    let again = world
        .client()
        .header("last-event-id", &seen.to_string())
        .events();
    let speeds: Vec<Value> = named(again.take(2), "link")
        .map(|data| data["mbit_per_s"].clone())
        .collect();
    assert_eq!(speeds, [2, 3]);
}

#[test]
fn a_reader_that_missed_too_much_is_told_so() {
    let world = World::new();
    let mut first = world.client().events();
    world.events.push(link(0));
    let (seen, _, _) = first.next().unwrap();
    for number in 1..=CAPACITY + 1 {
        world.events.push(link(number));
    }
    // One of a run before this, and one that no run gave.
    for id in [seen, 1, u64::MAX] {
        let mut again = world
            .client()
            .header("last-event-id", &id.to_string())
            .events();
        let (gap, name, data) = again.next().unwrap();
        assert_eq!(name, "gap");
        let (oldest, _, link) = again.next().unwrap();
        assert_eq!(
            (data["resumes_at"].as_u64(), gap + 1),
            (Some(oldest), oldest)
        );
        assert_eq!(link["mbit_per_s"], 2);
    }
}

#[test]
fn waiting_ends_with_the_stage_or_with_the_time() {
    let world = World::new();
    let client = world.client();
    assert_eq!(client.get("/generations/1").ok(200)["stage"], "settled");
    world.node(|node| node.publisher.hold = true);
    let generation = client.post(DRAIN).ok(200)["generation"].clone();
    let path = format!("/generations/{generation}");
    let late = client
        .get(&format!("{path}?wait=armed&timeout_ms=50"))
        .problem(504);
    assert!(
        late["detail"].as_str().unwrap().contains("stored"),
        "{late}"
    );
    let waiting = {
        let (client, path) = (client.clone(), path.clone());
        std::thread::spawn(move || client.get(&format!("{path}?wait=steered&timeout_ms=600000")))
    };
    world.node(|node| node.publisher.hold = false);
    let reached = waiting.join().unwrap().ok(200);
    assert_eq!(
        (&reached["generation"], &reached["stage"]),
        (&generation, &json!("steered"))
    );
    assert!(reached["at_ms"].as_u64().unwrap() > 1_700_000_000_000);
    let waiting = std::thread::spawn({
        let client = client.clone();
        move || client.get(&format!("{path}?wait=settled&timeout_ms=600000"))
    });
    world.node(|node| node.pass(Millis::seconds(7_501)));
    assert_eq!(waiting.join().unwrap().ok(200)["stage"], "settled");
}

/// As README and the help of `--wait` and `show transitions` have it.
#[test]
fn a_generation_is_settled_when_no_pool_moves_any_more() {
    let world = World::new();
    let client = world.client();
    let web = |weight: u32| {
        let backends = json!({ "a": { "address": "10.0.0.1", "weight": weight }, "b": { "address": "10.0.0.2" } });
        let pool = json!({ "idle_ms": 1_000, "backends": backends });
        client.put("/pools/web", &pool).ok(200)["generation"].clone()
    };
    web(100);
    let generation = web(7);
    let stage = |wait: &str| {
        let path = format!("/generations/{generation}?wait={wait}&timeout_ms=10000");
        client.get(&path).ok(200)["stage"].clone()
    };
    let newest = client.post(DRAIN).ok(200)["generation"].clone();
    let steered = format!("/generations/{newest}?wait=steered");
    client.get(&steered).ok(200);
    let consulted = || {
        world.node(|node| {
            let views = node.controller.views().reports(node.now);
            let consulted = views.map(|view| (view.pool.to_string(), view.progress.consulted > 0));
            consulted.collect::<Vec<_>>()
        })
    };
    let of = |files, web| vec![("files".to_owned(), files), ("web".to_owned(), web)];
    while consulted() == of(true, true) {
        world.node(|node| node.pass(Millis(100)));
    }
    assert_eq!(consulted(), of(true, false), "its own pool is settled");
    assert_eq!(stage("steered"), "steered", "another one is not");
    world.node(|node| node.pass(Millis::seconds(7_501)));
    assert_eq!(stage("settled"), "settled");
    // What is settled is reported as well.
    assert_eq!(consulted(), of(false, false));
}

#[test]
fn the_log_is_told_newest_first_and_in_pages() {
    let world = World::new();
    let client = world.client();
    for path in [DRAIN, UNDRAIN, DRAIN] {
        client.post(path).ok(200);
    }
    let numbers = |path: &str| -> Vec<u64> {
        let page = client.get(path).ok(200);
        let entries = page.as_array().unwrap().iter();
        entries
            .map(|entry| entry["generation"].as_u64().unwrap())
            .collect()
    };
    assert_eq!(numbers("/generations"), [4, 3, 2, 1]);
    assert_eq!(numbers("/generations?limit=2"), [4, 3]);
    assert_eq!(numbers("/generations?limit=2&before=3"), [2, 1]);
    assert_eq!(numbers("/generations?before=0").len(), 0);
}

#[test]
fn readiness_is_told_with_its_checks() {
    let world = World::new();
    let client = world.client();
    assert_eq!(
        client.get("/readyz").ok(200),
        json!({ "ready": true, "checks": [] })
    );
    world.node(|node| node.publisher.hold = true);
    let not = client.get("/readyz?verbose").ok(503);
    assert_eq!(
        (&not["ready"], &not["checks"][0]["ok"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(client.get("/livez").body, "ok");
}

/// What can't be stored is refused, and packets flow on.
#[test]
fn a_store_that_fails_is_told_and_the_node_stays_ready() {
    let world = World::new();
    let client = world.client();
    let full = |yes: bool| {
        world.node(move |node| node.full.store(yes, std::sync::atomic::Ordering::Relaxed))
    };
    let store = || client.get("/readyz?verbose").ok(200)["checks"][1].clone();
    let degraded = || client.get("/node").ok(200)["degraded"].clone();
    assert_eq!(
        store(),
        json!({ "name": "store", "ok": true, "decides": false, "detail": "the last write did not fail" })
    );
    full(true);
    client.post(DRAIN).problem(503);
    let failing = store();
    assert_eq!(
        (&failing["name"], &failing["ok"]),
        (&json!("store"), &json!(false))
    );
    let detail = failing["detail"].as_str().unwrap();
    assert!(detail.contains("no space to write the disk"), "{detail}");
    assert_eq!(degraded(), json!([failing]));
    assert_eq!(client.get("/node").ok(200)["ready"], true);
    full(false);
    assert_eq!(store(), failing, "nothing was written since");
    client.post(DRAIN).ok(200);
    assert_eq!((&store()["ok"], degraded()), (&json!(true), json!([])));
}

/// A client whose slot leads to `f1`, and so moves with it.
fn client_of_f1(world: &World, protocol: &str) -> String {
    let asked = (1..1_000).map(|port| {
        format!("/explain?protocol={protocol}&client=198.51.100.7:{port}&vip=203.0.113.1:80")
    });
    asked
        .into_iter()
        .find(|path| world.client().get(path).ok(200)["backend"]["name"] == "f1")
        .unwrap()
}

#[test]
fn each_kind_of_udp_flows_has_its_rule() {
    let world = World::new();
    let client = world.client();
    let steered = || {
        let generation = client.get("/node").ok(200)["generation"].clone();
        let path = format!("/generations/{generation}?wait=steered");
        client.get(&path).ok(200);
    };
    let say = |flows: &str| {
        let spec = json!({ "address": "203.0.113.1", "protocol": "udp", "ports": [80], "flows": flows, "pool": "files" });
        client.put("/services/udp", &spec).ok(200);
        steered();
    };
    say("sticky");
    let path = client_of_f1(&world, "udp");
    client.post(DRAIN).ok(200);
    steered();
    for (flows, backend, rule) in [
        ("sticky", "f1", "it may be a flow that was there before"),
        ("stateless", "f2", "every packet goes to the new backend"),
        ("quic", "f2", "a new flow goes to the new backend"),
    ] {
        say(flows);
        let told = client.get(&path).ok(200);
        assert_eq!(told["backend"]["name"], backend, "{flows}");
        let why = told["why"].as_str().unwrap();
        assert!(why.contains(rule), "{flows}: {why}");
        assert_eq!(told["moving"]["rule"], why);
    }
}

#[test]
fn a_moving_slots_rule_is_explained() {
    let world = World::new();
    let path = client_of_f1(&world, "tcp");
    let explain = || world.client().get(&path).ok(200);
    let settled = explain();
    assert_eq!(
        (&settled["moving"], &settled["verdict"]),
        (&json!(null), &json!("forwarded"))
    );

    world.node(|node| node.publisher.hold = true);
    world.client().post(DRAIN).ok(200);
    world.node(|node| _ = node.advance());
    let armed = explain();
    assert_eq!(armed["moving"]["phase"], "armed");
    assert_eq!(
        (&armed["moving"]["default"], &armed["moving"]["target"]),
        (&json!("f1"), &json!("f2"))
    );
    assert_eq!(
        (&armed["backend"]["name"], &armed["slot"]),
        (&json!("f1"), &settled["slot"])
    );
    assert!(armed["why"].as_str().unwrap().contains("armed"));

    world.node(|node| node.publisher.hold = false);
    let generation = world.client().get("/node").ok(200)["generation"].clone();
    world
        .client()
        .get(&format!("/generations/{generation}?wait=steered"))
        .ok(200);
    let steered = explain();
    assert_eq!(
        (&steered["moving"]["phase"], &steered["backend"]["name"]),
        (&json!("steered"), &json!("f2"))
    );
    assert_eq!(steered["outer"]["destination"], "10.1.0.2");
    assert_eq!(steered["moving"]["entry"], json!(null));

    // A flow that was there before is listed at its own backend.
    world.node(list_first);
    let listed = explain();
    assert_eq!(listed["backend"]["name"], "f1");
    assert_eq!(listed["moving"]["entry"]["backend"], "f1");
    assert_eq!(listed["moving"]["entry"]["origin"], "learned");
    assert!(
        listed["moving"]["rule"]
            .as_str()
            .unwrap()
            .contains("its own entry")
    );
}

/// Lists the flows that [`client_of_f1`] tries as flows of `f1`.
fn list_first(node: &mut api_fixture::node::StubNode) {
    use tentetsu::flow::{Entry, Segment};
    use tentetsu::packet::{FlowKeys, Transport};
    use tentetsu::table::BackendId;
    use tentetsu::wire::{PortPair, TCP};
    let mut keys = FlowKeys::default();
    for port in 1..1_000 {
        let transport = Transport {
            ports: PortPair::new(port, 80),
            protocol: TCP,
        };
        keys.set_v4(0, [198, 51, 100, 7, 203, 0, 113, 1], transport);
        let key = keys.key(0, false);
        let hash = node.publisher.snapshot.tables.hasher.hash_key(&key);
        let entry = Entry::learned(BackendId(0), Segment::WITHIN, node.now);
        // What finds no room is none of the first ones.
        let _ = node.flows.entries.insert(&key, hash, 0, entry);
    }
}

#[test]
fn forcing_tells_what_it_breaks_before_it_does() {
    let world = World::new();
    let client = world.client();
    client.post(DRAIN).ok(200);
    let moving = || client.post("/transitions/files/force?dry_run").ok(200);
    let before = loop {
        let told = moving();
        if told["flips"].as_u64().unwrap() > 0 {
            break told;
        }
    };
    assert_eq!(before["breaks"]["unlisted_possible_slots"], before["flips"]);
    assert_eq!(client.post("/transitions/files/force").ok(200), before);
    assert_eq!(moving()["flips"], 0);
}

/// No slot moves and no backend changes by it, so that nothing is published.
#[test]
fn a_generation_that_needs_no_publication_is_settled_at_once() {
    let world = World::new();
    let client = world.client();
    let pool = |percent: u8| json!({ "panic_percent": percent, "backends": { "a": { "address": "10.0.0.1" } } });
    client.put("/pools/web", &pool(50)).ok(200);
    let generation = client.put("/pools/web", &pool(60)).ok(200)["generation"].clone();
    client
        .get(&format!(
            "/generations/{generation}?wait=settled&timeout_ms=10000"
        ))
        .ok(200);
}
