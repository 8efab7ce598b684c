//! What is written through the API: idempotence, conditions, faults, ownership, dry runs and confirmations, on a real
//! server over a unix socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;

use api_fixture::World;
use api_fixture::client::Client;
use serde_json::{Value, json};
use tentetsu::config::Millis;

fn web() -> Value {
    json!({ "backends": { "a": { "address": "10.0.0.1" }, "b": { "address": "10.0.0.2" } } })
}

fn http() -> Value {
    http_on("web")
}

fn http_on(pool: &str) -> Value {
    json!({ "address": "203.0.113.10", "protocol": "tcp", "ports": [80, "8000-8099"], "pool": pool })
}

/// Pool `web` with backends `a` and `b`, and the service `http` on it.
fn served(client: &Client) {
    client.put("/pools/web", &web()).ok(200);
    client.put("/services/http", &http()).ok(200);
}

fn generation(client: &Client) -> u64 {
    client.get("/state").ok(200)["generation"].as_u64().unwrap()
}

#[test]
fn what_is_put_is_got_and_putting_it_again_changes_nothing() {
    let world = World::new();
    let client = world.client();
    let made = client.put("/pools/web", &web()).ok(200);
    assert_eq!(
        (&made["changed"], &made["pending"]),
        (&json!(true), &json!(null))
    );
    let again = client.put("/pools/web", &web()).ok(200);
    assert_eq!(again["changed"], false);
    assert_eq!(again["generation"], made["generation"]);
    client.put("/services/http", &http()).ok(200);

    let pool = client.get("/pools/web").ok(200);
    assert_eq!(pool["owner"], "api");
    assert_eq!(
        pool["backends"]["a"],
        json!({ "address": "10.0.0.1", "weight": 100, "mode": "up" })
    );
    let mut service = http();
    service["owner"] = json!("api");
    assert_eq!(client.get("/services/http").ok(200), service);
    let state = client.get("/state").ok(200);
    assert_eq!(state["pools"]["web"], pool);
    assert_eq!(state["services"]["file"]["owner"], "file");
    assert_eq!(client.get("/pools").ok(200)["web"], pool);
    assert_eq!(client.get("/services").ok(200)["http"], service);
    assert_eq!(client.get("/pools/web/backends").ok(200), pool["backends"]);
}

#[test]
fn the_whole_state_is_replaced_and_the_files_objects_stay() {
    let world = World::new();
    let client = world.client();
    served(&client);
    client
        .put("/state", &json!({ "pools": { "blue": web() } }))
        .ok(200);
    let state = client.get("/state").ok(200);
    let names: Vec<_> = state["pools"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["blue", "files"]);
    assert_eq!(state["services"].as_object().unwrap().len(), 1);
    let again = client
        .put("/state", &json!({ "pools": { "blue": web() } }))
        .ok(200);
    assert_eq!(again["changed"], false);
}

/// What was read can be sent back: what is told beside the definitions is so, and the file's objects are as the file has them.
#[test]
fn what_is_read_can_be_sent_back() {
    let world = World::new();
    let client = world.client();
    served(&client);
    client.post("/pools/web/backends/a/drain").ok(200);
    client.post("/pools/files/backends/f1/maintenance").ok(200);
    for path in [
        "/state",
        "/services/http",
        "/services/file",
        "/pools/web",
        "/pools/files",
        "/pools/web/backends/a",
        "/pools/files/backends/f1",
    ] {
        let read = client.get(path);
        let same = client.header("if-match", &read.etag());
        let back = same.put(path, &read.json()).ok(200);
        assert_eq!(back["changed"], false, "{path}");
        assert_eq!(client.get(path).body, read.body, "{path}");
    }
    client
        .put("/pools/files/backends/f1/weight", &json!({ "weight": 100 }))
        .ok(200);

    // What is added is told as it will be.
    let mut state = client.get("/state").ok(200);
    state["pools"]["web"]["backends"]["c"] =
        json!({ "address": "10.0.0.3", "weight": 7, "mode": "up" });
    let mut copy = state["pools"]["web"].clone();
    copy["backends"]["a"]["mode"] = json!("up");
    state["pools"]["copy"] = copy;
    assert_eq!(client.put("/state", &state).ok(200)["changed"], true);
    let now = client.get("/state").ok(200);
    assert_eq!(now["pools"]["web"], state["pools"]["web"]);
    assert_eq!(now["pools"]["files"], state["pools"]["files"]);
}

#[test]
fn what_is_told_and_not_so_is_a_fault_with_its_place() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let read = client.get("/state");
    let mut odd = read.json();
    odd["generation"] = json!(1);
    odd["pending"] = json!({ "generation": 1 });
    odd["services"]["http"]["owner"] = json!("file");
    odd["services"]["http"]["pool"] = json!("nobody");
    odd["pools"]["web"]["owner"] = json!(7);
    odd["pools"]["web"]["panics"] = json!(true);
    odd["pools"]["web"]["backends"]["a"]["mode"] = json!("drain");
    odd["pools"]["files"]["panic_percent"] = json!(7);
    let told = client.put("/state", &odd);
    let now = generation(&client);
    let not_set = |what: &str| format!("this is told, not set, and it is {what}");
    let faults = [
        ("/generation", not_set(&now.to_string())),
        ("/pending", not_set("null")),
        (
            "/pools/files",
            "its definition belongs to the configuration file".into(),
        ),
        ("/pools/web/backends/a/mode", not_set("\"up\"")),
        ("/pools/web/owner", not_set("\"api\"")),
        ("/pools/web/panics", not_set("false")),
        ("/services/http/owner", not_set("\"api\"")),
        ("/services/http/pool", "no pool is named \"nobody\"".into()),
    ];
    assert_eq!(
        told.faults(422),
        faults.map(|(path, what)| format!("{path}: {what}"))
    );
    // They come with faults of form, too.
    odd["pools"]["web"]["encap"] = json!("gre");
    let told = client.put("/state?dry_run", &odd).faults(422);
    assert_eq!(told.len(), 9, "{told:?}");
    let drain = json!({ "address": "10.0.0.1", "mode": "drain" });
    let told = client.put("/pools/web/backends/a", &drain).faults(422);
    assert_eq!(
        told,
        [format!("/pools/web/backends/a/mode: {}", not_set("\"up\""))]
    );
    // Somebody else was faster: that is why.
    let mut stale = read.json();
    stale["generation"] = json!(1);
    let old = client.header("if-match", "\"g1\"");
    old.put("/state", &stale).problem(412);
    assert_eq!(client.get("/state").body, read.body);
    // A weight stands alone.
    let weight = json!({ "weight": 5, "mode": "up" });
    client
        .put("/pools/web/backends/a/weight", &weight)
        .faults(422);
}

#[test]
fn single_steps_with_a_backend() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let put = |body: &Value| client.put("/pools/web/backends/c", body).ok(200);
    assert_eq!(put(&json!({ "address": "10.0.0.3" }))["changed"], true);
    assert_eq!(
        put(&json!({ "address": "10.0.0.3", "weight": 7 }))["changed"],
        true
    );
    client
        .put("/pools/web/backends/c/weight", &json!({ "weight": 9 }))
        .ok(200);
    let mode = || client.get("/pools/web/backends/c").ok(200)["mode"].clone();
    assert_eq!(client.get("/pools/web/backends/c").ok(200)["weight"], 9);
    for (step, becomes) in [
        ("drain", "drain"),
        ("maintenance", "maintenance"),
        ("undrain", "up"),
    ] {
        let receipt = client
            .post(&format!("/pools/web/backends/c/{step}"))
            .ok(200);
        assert_eq!(receipt["changed"], true);
        assert_eq!(receipt["cuts"].is_null(), step != "maintenance");
        assert_eq!(mode(), becomes);
    }
    let receipt = client.delete("/pools/web/backends/c").ok(200);
    assert_eq!(
        (&receipt["cuts"], mode()),
        (&json!(null), json!("removing"))
    );
    let receipt = client.delete("/pools/web/backends/c?now").ok(200);
    // It was drained: no slot is led to it by default.
    let cut =
        json!({ "pool": "web", "backend": "c", "listed": 7, "unlisted_slots": 0, "slots": 251 });
    assert_eq!(receipt["cuts"], cut);
    client.get("/pools/web/backends/c").problem(404);
    assert_eq!(
        client.delete("/pools/web/backends/c").ok(200)["changed"],
        false
    );
}

/// Flows of slots that don't move are listed nowhere: what is cut of them is told in slots.
#[test]
fn what_is_cut_without_being_listed_is_told_in_slots() {
    let world = World::new();
    let client = world.client();
    let web = json!({
        "panic_percent": 60,
        "backends": { "a": { "address": "10.0.0.1" }, "b": { "address": "10.0.0.2" }, "c": { "address": "10.0.0.3" } },
    });
    client.put("/pools/web", &web).ok(200);
    let wait = format!("/generations/{}?wait=settled", generation(&client));
    client.get(&wait).ok(200);
    let looked = client.delete("/pools/web/backends/a?now&dry_run").ok(200);
    // A third of the table.
    let own = looked["cuts"]["unlisted_slots"].as_u64().unwrap();
    assert!((83..=84).contains(&own), "{own}");
    let cuts =
        json!({ "pool": "web", "backend": "a", "listed": 7, "unlisted_slots": own, "slots": 251 });
    assert_eq!(looked["cuts"], cuts);
    let drain = client.post("/pools/web/backends/a/drain?dry_run").ok(200);
    assert!(drain["cuts"].is_null());

    // Dead as it is, nothing more can be cut of it; and a pool that panics keeps its table.
    let receipt = client.post("/pools/web/backends/a/maintenance").ok(200);
    assert_eq!(receipt["cuts"], cuts);
    let again = client.post("/pools/web/backends/a/maintenance").ok(200);
    assert!(again["cuts"].is_null());
    let panics = client
        .post("/pools/web/backends/b/maintenance?dry_run")
        .ok(200);
    assert_eq!(panics["panics"][0]["pool"], "web");
    assert_eq!(panics["cuts"]["unlisted_slots"], 0);
}

#[test]
fn what_is_not_there_is_not_found() {
    let world = World::new();
    let client = world.client();
    for path in [
        "/",
        "/nothing",
        "/services/x",
        "/pools/x",
        "/pools/x/backends",
        "/pools/files/backends/x",
        "/flows?pool=x",
        "/flows?backend=x",
        "/flows?pool=files&backend=x",
        "/generations/77",
    ] {
        client.get(path).problem(404);
    }
    client.get("/flows?backend=f1").ok(200);
    client.get("/flows?pool=files&backend=f1").ok(200);
    let weight = json!({ "weight": 1 });
    client
        .put("/pools/files/backends/x/weight", &weight)
        .problem(404);
    client
        .put("/pools/x/backends/x", &json!({ "address": "10.0.0.3" }))
        .problem(404);
    client.post("/pools/files/backends/x/drain").problem(404);
    client.post("/generations/77/rollback").problem(404);
    // The log begins with the file's, and so do the generations that can be gone back to.
    let unknown = client.get("/generations/0").problem(404);
    assert_eq!(client.post("/generations/0/rollback").problem(404), unknown);
    assert_eq!(
        client.post("/generations/0/rollback?dry_run").problem(404),
        unknown
    );
    client.post("/transitions/x/force").problem(404);
}

#[test]
fn the_files_objects_are_the_files() {
    let world = World::new();
    let client = world.client();
    let told = client.put("/pools/files", &web()).faults(422);
    assert_eq!(
        told,
        ["/pools/files: its definition belongs to the configuration file"]
    );
    assert_eq!(client.delete("/services/file").faults(422).len(), 1);
    client
        .put("/pools/files/backends/f1/weight", &json!({ "weight": 1 }))
        .faults(422);
    // What operators do lies over the definition.
    assert_eq!(
        client.post("/pools/files/backends/f1/drain").ok(200)["changed"],
        true
    );
}

#[test]
fn every_fault_is_told_with_its_place() {
    let world = World::new();
    let client = world.client();
    let wrong = json!({
        "services": {
            "a": { "address": "203.0.113.300", "protocol": "icmp", "ports": [70000], "pool": "nobody" },
            "b": { "adress": "203.0.113.11", "protocol": "tcp", "ports": [80], "pool": 7 },
            "c": [],
        },
        "pools": {
            "p": {
                "encap": "gre", "idle_ms": "5s", "panic_percent": 300, "slots": 3,
                "backends": { "x": { "address": "10.0.0", "weight": -1 }, "y": {} },
            },
        },
        "nodes": {},
    });
    let told = client.put("/state", &wrong).faults(422);
    let places: Vec<_> = told
        .iter()
        .map(|fault| fault.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/nodes",
            "/services/a/address",
            "/services/a/ports",
            "/services/a/protocol",
            "/services/b/adress",
            "/services/b/pool",
            "/services/b/address",
            "/services/c",
            "/pools/p/encap",
            "/pools/p/idle_ms",
            "/pools/p/panic_percent",
            "/pools/p/slots",
            "/pools/p/backends/x/address",
            "/pools/p/backends/x/weight",
            "/pools/p/backends/y/address",
        ]
    );
    // The form is right, and what it says breaks rules.
    let wrong = json!({
        "services": { "a": { "address": "192.0.2.1", "protocol": "tcp", "ports": [80], "pool": "nobody" } },
        "pools": { "p": { "panic_percent": 101, "backends": { "x": { "address": "0.0.0.0", "weight": 70000 } } } },
    });
    let told = client.put("/state", &wrong).faults(422);
    for place in [
        "/services/a/address",
        "/services/a/pool",
        "/pools/p/panic_percent",
        "/pools/p/backends/x/address",
        "/pools/p/backends/x/weight",
    ] {
        assert!(
            told.iter().any(|fault| fault.starts_with(place)),
            "{place}: {told:?}"
        );
    }
    assert_eq!(generation(&client), 1);
}

/// Some terminals turn what stands around them, and none shows them.
#[test]
fn names_have_no_characters_that_cant_be_seen() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let backend = json!({ "address": "10.0.0.9" });
    for (hidden, code) in [
        ("%E2%80%AE", "U+202E"),
        ("%1B", "U+001B"),
        ("%E2%80%8B", "U+200B"),
    ] {
        for (kind, body) in [
            ("services", &http()),
            ("pools", &web()),
            ("pools/web/backends", &backend),
        ] {
            let told = client.put(&format!("/{kind}/a{hidden}b"), body).faults(422);
            let what = format!("this name has a character in it that can't be seen, {code}");
            assert!(told.iter().any(|fault| fault.ends_with(&what)), "{told:?}");
        }
    }
    let named = json!({ "pools": { "転轍 機 é🦀\u{a0}": { "backends": { "blühend": backend } } } });
    client.put("/state", &named).ok(200);
}

/// Faults of form and of meaning come together, and none is made up.
#[test]
fn faults_of_every_kind_are_told_at_once() {
    let world = World::new();
    let client = world.client();
    let web = json!({ "address": "203.0.113.10", "protocol": "tcp", "ports": [80], "pool": "web" });
    let mut odd = web.clone();
    odd["ports"] = json!(["eighty"]);
    let mut lost = web.clone();
    (lost["address"], lost["pool"]) = (json!("203.0.113.11"), json!("nobody"));
    let mixed = json!({
        "services": { "http": web, "odd": odd, "lost": lost, "file": web },
        "pools": { "web": {
            "encap": "gre", "panic_percent": 101,
            "backends": { "a": { "address": "10.0.0" }, "b": { "address": "10.0.0.2", "weight": 0 } },
        } },
    });
    let told = client.put("/state", &mixed);
    let faults = told.faults(422);
    let places: Vec<_> = faults
        .iter()
        .map(|fault| fault.split(": ").next().unwrap())
        .collect();
    assert_eq!(
        places,
        [
            "/services/odd/ports",
            "/pools/web/encap",
            "/pools/web/backends/a/address",
            "/pools/web/panic_percent",
            "/services/file",
            "/services/lost/pool",
        ]
    );
    let detail = told.problem(422)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("more may follow"), "{detail}");
}

/// Texts that the file's faults share are no TOML.
#[test]
fn what_to_do_is_told_in_the_apis_own_terms() {
    let world = World::new();
    let client = world.client();
    let pool = json!({
        "encap": "l2dsr", "idle_ms": 5, "half_closed_ms": 4_000_000_000_u32, "reset_ms": 0, "slow_start_ms": 90_000_000,
        "backends": { "a": { "address": "10.0.0.1", "weight": 0 } },
    });
    let many = (0..252).map(|n| (format!("b{n}"), json!({ "address": format!("10.0.1.{n}") })));
    let many: serde_json::Map<String, Value> = many.collect();
    let service = |address: &str, ports: Value| json!({ "address": address, "protocol": "tcp", "ports": ports, "flows": "quic", "pool": "p" });
    let wrong = json!({
        "pools": { "p": pool, "many": { "backends": many } },
        "services": {
            "a": service("2001:db8::1", json!([])),
            "b": service("203.0.113.11", json!([0])),
            "c": service("203.0.113.12", json!(["9-8"])),
        },
    });
    let problem = client.put("/state", &wrong).problem(422);
    let faults = problem["faults"].as_array().unwrap();
    let told: Vec<(&str, &str)> = faults
        .iter()
        .map(|of| (of["path"].as_str().unwrap(), of["hint"].as_str().unwrap()))
        .collect();
    for (path, hint) in [
        (
            "/pools/many/backends",
            "set `maglev.slots` to 25219 in the configuration file, a hundred times as many",
        ),
        (
            "/pools/p/backends",
            "a pool that is to drop everything has no backends at all",
        ),
        (
            "/pools/p/half_closed_ms",
            "write an integer from 1000 to 604800000: milliseconds",
        ),
        (
            "/pools/p/idle_ms",
            "write an integer from 1000 to 604800000: milliseconds",
        ),
        (
            "/pools/p/reset_ms",
            "write an integer from 1000 to 604800000: milliseconds",
        ),
        (
            "/pools/p/slow_start_ms",
            "write an integer from 0 to 86400000: milliseconds",
        ),
        (
            "/services/a/address",
            "use a pool whose `encap` is \"ipip\"",
        ),
        (
            "/services/a/ports",
            "write a list such as [80, \"8000-8099\"], or \"any\" in place of it",
        ),
        (
            "/services/b/ports",
            "begin at 1, or write \"any\" in place of the list",
        ),
    ] {
        let found = told.iter().any(|of| of.0 == path && of.1.contains(hint));
        assert!(found, "{path} {hint}: {told:#?}");
    }
    for (path, hint) in told {
        assert!(
            !hint.contains(" = ") && !hint.contains("[["),
            "{path}: {hint}"
        );
    }
}

#[test]
fn a_key_that_is_given_twice_is_refused_with_its_place() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let before = client.get("/state").body;
    let json = client.header("content-type", "application/json");
    for (path, body, places) in [
        (
            "/pools/web",
            r#"{"backends": {"a": {"address": "10.0.0.1"}, "a": {"address": "10.0.0.2"}}}"#,
            vec!["/pools/web/backends/a: the key \"a\" is given twice"],
        ),
        (
            "/pools/web/backends/a/weight",
            r#"{"weight": 1, "weight": 2}"#,
            vec!["/pools/web/backends/a/weight: the key \"weight\" is given twice"],
        ),
        (
            "/services/http",
            r#"{"address": "203.0.113.10", "protocol": "tcp", "ports": [80], "pool": "web", "pool": "web"}"#,
            vec!["/services/http/pool: the key \"pool\" is given twice"],
        ),
        (
            "/state",
            r#"{"pools": {"web": {}, "web": {"idle_ms": 5000}, "p": {"encap": 1}}, "services": {}, "services": {}}"#,
            vec![
                "/pools/web: the key \"web\" is given twice",
                "/services: the key \"services\" is given twice",
                "/pools/p/encap: ",
            ],
        ),
    ] {
        let told = json.send("PUT", path, Some(body.as_bytes())).faults(422);
        assert_eq!(told.len(), places.len(), "{told:?}");
        for (told, place) in told.iter().zip(places) {
            assert!(told.starts_with(place), "{told}");
        }
    }
    assert_eq!(client.get("/state").body, before);
}

#[test]
fn what_is_no_request_is_refused() {
    let world = World::new();
    let client = world.client();
    let json = client.header("content-type", "application/json");
    let put = |body: &[u8]| json.send("PUT", "/pools/web", Some(body));
    for body in [&b"{"[..], b"", b"\xff", &[b'['; 1_000]] {
        put(body).problem(400);
    }
    client.send("PUT", "/pools/web", Some(b"{}")).problem(415);
    client
        .header("content-type", "text/plain")
        .send("PUT", "/pools/web", Some(b"{}"))
        .problem(415);
    put(&vec![b' '; tentetsu::control::api::MAX_BYTES + 1]).problem(413);
    for path in [
        "/state?x=1",
        "/services/file?dry_run",
        "/livez?x",
        "/generations?limit=0",
        "/generations?limit=a",
        "/generations?before=1&before=2",
        "/generations/x",
        "/generations/1?wait=done",
        "/flows?limit=0",
        "/explain",
        "/explain?protocol=tcp&client=1.2.3.4:5&vip=[::1]:80",
        "/pools/%ff",
    ] {
        client.get(path).problem(400);
    }
    client
        .post("/pools/files/backends/f1/drain?dry_run=maybe")
        .problem(400);
    client
        .post("/pools/files/backends/f1/drain?dryrun")
        .problem(400);
    client
        .header("if-match", "g1")
        .post("/pools/files/backends/f1/drain")
        .problem(400);
    client
        .header("last-event-id", "x")
        .get("/events")
        .problem(400);
    let refused = client.post("/pools");
    refused.problem(405);
    assert_eq!(refused.headers["allow"], "GET,HEAD");
    assert_eq!(
        client.send("PATCH", "/pools/web", None).headers["allow"],
        "GET,HEAD,PUT,DELETE"
    );
    assert_eq!(generation(&client), 1);
}

#[test]
fn tags_say_whether_something_changed() {
    let world = World::new();
    let client = world.client();
    served(&client);
    for path in [
        "/state",
        "/pools/web",
        "/services/http",
        "/pools/web/backends/a",
    ] {
        let tag = client.get(path).etag();
        let known = client.header("if-none-match", &format!("\"other\", {tag}"));
        let same = known.get(path);
        assert_eq!(
            (same.status, same.body.as_str(), same.etag()),
            (304, "", tag.clone()),
            "{path}"
        );
        client.post("/pools/web/backends/a/drain").ok(200);
        client.put("/services/http", &json!({ "address": "203.0.113.11", "protocol": "tcp", "ports": [80], "pool": "web" })).ok(200);
        assert_eq!(known.get(path).status, 200, "{path}");
        client.post("/pools/web/backends/a/undrain").ok(200);
        served(&client);
    }
}

#[test]
fn conditions_of_a_write_are_kept() {
    let world = World::new();
    let client = world.client();
    let new = client.header("if-none-match", "*");
    new.put("/pools/web", &web()).ok(200);
    new.put("/pools/web", &web()).problem(412);
    let tag = client.get("/pools/web").etag();
    let seen = client.header("if-match", &tag);
    let other = json!({ "backends": { "a": { "address": "10.0.0.9" } } });
    seen.put("/pools/web", &other).ok(200);
    seen.put("/pools/web", &web()).problem(412);
    client
        .header("if-match", "*")
        .put("/pools/blue", &web())
        .problem(412);
    let whole = client.get("/state").etag();
    client.post("/pools/web/backends/a/drain").ok(200);
    client
        .header("if-match", &whole)
        .put("/state", &json!({}))
        .problem(412);
    assert_eq!(
        client.get("/pools/web").ok(200)["backends"]["a"]["address"],
        "10.0.0.9"
    );
}

/// So that a writer needs not read in between.
#[test]
fn a_write_answers_the_tag_that_its_object_has_then() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let json = client.header("content-type", "application/json");
    let told = |answer: &Value, key: &str| format!("\"{}\"", answer[key].as_str().unwrap());
    let all = json!({ "pools": { "web": web() } });
    for (path, method, step, body) in [
        ("/pools/web", "PUT", "", Some(web())),
        ("/services/http", "PUT", "", Some(http_on("web"))),
        ("/pools/web/backends/a", "POST", "/drain", None),
        (
            "/pools/web/backends/a",
            "PUT",
            "/weight",
            Some(json!({ "weight": 7 })),
        ),
        ("/pools/web/backends/a", "DELETE", "", None),
        ("/state", "PUT", "", Some(all)),
    ] {
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = json
            .send(method, &format!("{path}{step}"), body.as_deref())
            .ok(200);
        assert_eq!(
            told(&answer, "etag"),
            client.get(path).etag(),
            "{path}{step}"
        );
        assert_eq!(told(&answer, "state_etag"), client.get("/state").etag());
    }
    let back = client.post("/generations/2/rollback").ok(200);
    assert_eq!(back["etag"], back["state_etag"]);
    let tag = told(&client.put("/pools/web", &web()).ok(200), "etag");
    let seen = client.header("if-match", &tag);
    client.delete("/services/http").ok(200);
    let gone = seen.delete("/pools/web").ok(200);
    assert_eq!(
        (&gone["changed"], &gone["etag"]),
        (&json!(true), &json!(null))
    );
}

#[test]
fn a_dry_run_tells_what_would_move_and_changes_nothing() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let before = client.get("/state");
    let looked = client
        .put(
            "/pools/web/backends/c?dry_run",
            &json!({ "address": "10.0.0.3" }),
        )
        .ok(200);
    assert_eq!(looked["difference"][0]["path"], "/pools/web/backends/c");
    let moved = &looked["moves"][0];
    assert_eq!(
        (&moved["view"], &moved["slots"]),
        (&json!("pool web"), &json!(251))
    );
    let share = moved["share_of_traffic"].as_f64().unwrap();
    assert!(
        (0.30..0.40).contains(&share),
        "a third goes to the third backend: {share}"
    );
    assert_eq!(moved["slots_moved"].as_f64().unwrap() / 251.0, share);

    client.put("/pools/blue?dry_run=true", &web()).ok(200);
    client.put("/state?dry_run", &json!({})).ok(200);
    client.delete("/services/http?dry_run").ok(200);
    client.post("/pools/web/backends/a/drain?dry_run").ok(200);
    client.delete("/pools/web/backends/a?now&dry_run").ok(200);
    client.post("/generations/1/rollback?dry_run").ok(200);
    client
        .put("/services/http?dry_run", &json!({ "pool": "nobody" }))
        .problem(422);
    let after = client.get("/state");
    assert_eq!(
        (after.body, &after.headers["etag"]),
        (before.body, &before.headers["etag"])
    );
}

/// A second pool.
fn with_blue(client: &Client) {
    client
        .put(
            "/pools/blue",
            &json!({ "backends": { "x": { "address": "10.0.0.9" } } }),
        )
        .ok(200);
}

#[test]
fn pointing_a_service_at_another_pool_moves_the_service() {
    let world = World::new();
    let client = world.client();
    served(&client);
    with_blue(&client);
    let blue = http_on("blue");
    let looked = client.put("/services/http?dry_run", &blue).ok(200);
    assert_eq!(
        looked["moves"],
        json!([
            { "view": "service http", "slots_moved": 251, "slots": 251, "share_of_traffic": 1.0 }
        ])
    );
}

/// Per view the share that a dry run tells.
fn shares(looked: &Value) -> Vec<(&str, u64)> {
    let moves = looked["moves"].as_array().unwrap().iter();
    moves
        .map(|of| {
            (
                of["view"].as_str().unwrap(),
                of["slots_moved"].as_u64().unwrap(),
            )
        })
        .collect()
}

/// What a dry run tells of moves is what moves then.
#[test]
fn a_pool_that_panics_moves_nothing_and_what_waits_moves_after_it() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let steered = || {
        let generation = generation(&client);
        let path = format!("/generations/{generation}?wait=steered");
        client.get(&path).ok(200);
    };
    let moving = || {
        world.node(|node| {
            let progress = node.controller.views().progress();
            progress.map(|(_, of)| of.moving as u64).sum::<u64>()
        })
    };
    let panic = json!([{ "pool": "web", "panic_percent": 50 }]);
    let set = |backend: &str, weight: u32| {
        let path = format!("/pools/web/backends/{backend}/weight");
        client.put(&path, &json!({ "weight": weight })).ok(200)
    };
    set("a", 150);
    steered();
    client.post("/transitions/web/force").ok(200);
    client.post("/pools/web/backends/a/maintenance").ok(200);
    let path = "/pools/web/backends/b/weight";
    let looked = client
        .put(&format!("{path}?dry_run"), &json!({ "weight": 7 }))
        .ok(200);
    assert_eq!((shares(&looked), &looked["panics"]), (vec![], &panic));
    assert_eq!(set("b", 7)["panics"], panic);
    steered();
    assert_eq!(moving(), 0);
    assert_eq!(client.get("/pools/web").ok(200)["panics"], true);
    let explained = client
        .get("/explain?protocol=tcp&client=192.0.2.7:5&vip=203.0.113.10:80")
        .ok(200);
    assert_eq!(explained["panic"], panic[0]);
    let why = explained["why"].as_str().unwrap();
    assert!(why.contains("pool web panics"), "{why}");

    // Up to now the table is that of 150 to 100, then it is that of 150 to 7.
    let looked = client.post("/pools/web/backends/a/undrain?dry_run").ok(200);
    let [("pool web", told)] = shares(&looked)[..] else {
        panic!("{looked}")
    };
    assert!((70..110).contains(&told), "{told} of 251");
    assert_eq!(looked["panics"], json!([]));
    client.post("/pools/web/backends/a/undrain").ok(200);
    steered();
    assert_eq!(moving(), told);
}

#[test]
fn a_service_waits_for_a_pool_that_panics() {
    let world = World::new();
    let client = world.client();
    served(&client);
    with_blue(&client);
    client.post("/pools/blue/backends/x/maintenance").ok(200);
    let blue = http_on("blue");
    let looked = client.put("/services/http?dry_run", &blue).ok(200);
    assert_eq!(shares(&looked), []);
    assert_eq!(looked["panics"][0]["pool"], "blue");
    let done = client.put("/services/http", &blue).ok(200);
    assert_eq!(done["panics"], looked["panics"]);
    client
        .get(&format!("/generations/{}?wait=steered", done["generation"]))
        .ok(200);
    let looked = client
        .post("/pools/blue/backends/x/undrain?dry_run")
        .ok(200);
    assert_eq!(shares(&looked), [("service http", 251)]);
}

#[test]
fn a_dry_run_names_the_services_that_nobody_serves_any_more() {
    let world = World::new();
    let client = world.client();
    let back = generation(&client);
    served(&client);
    let whole = json!([{ "service": "http", "whole": true, "pool": null }]);
    let looks = [
        client.delete("/services/http?dry_run"),
        client.put("/state?dry_run", &json!({})),
        client.post(&format!("/generations/{back}/rollback?dry_run")),
    ];
    for looked in looks {
        let looked = looked.ok(200);
        assert_eq!((&looked["unserved"], shares(&looked)), (&whole, vec![]));
    }
    let mut fewer = http();
    fewer["ports"] = json!([80]);
    let looked = client.put("/services/http?dry_run", &fewer).ok(200);
    assert_eq!(
        looked["unserved"],
        json!([{ "service": "http", "whole": false, "pool": null }])
    );

    // Another service takes over.
    with_blue(&client);
    let net =
        json!({ "address": "203.0.113.0/24", "protocol": "tcp", "ports": "any", "pool": "blue" });
    client.put("/services/net", &net).ok(200);
    let looked = client.delete("/services/http?dry_run").ok(200);
    assert_eq!(looked["unserved"], json!([]));
    assert_eq!(shares(&looked), [("service http", 251)]);
}

/// A look and the change itself.
fn both(client: &Client, method: &str, path: &str, body: Option<&Value>) -> [Value; 2] {
    let json = client.header("content-type", "application/json");
    let body = body.map(|body| body.to_string().into_bytes());
    [format!("{path}?dry_run"), path.to_owned()]
        .map(|path| json.send(method, &path, body.as_deref()).ok(200))
}

#[test]
fn a_change_that_leaves_a_pool_no_backend_names_the_services_it_leaves_without() {
    let world = World::new();
    let client = world.client();
    let dry = json!([{ "service": "http", "whole": true, "pool": "web" }]);
    let weightless = json!({ "weight": 0 });
    for (method, step, body) in [
        ("POST", "/drain", None),
        ("PUT", "/weight", Some(&weightless)),
        ("POST", "/maintenance", None),
        ("DELETE", "", None),
    ] {
        served(&client);
        client.post("/pools/web/backends/b/undrain").ok(200);
        let drained = client.post("/pools/web/backends/a/drain").ok(200);
        assert_eq!(drained["unserved"], json!([]), "b is left");
        let path = format!("/pools/web/backends/b{step}");
        for told in both(&client, method, &path, body) {
            assert_eq!(told["unserved"], dry, "{path}: {told}");
        }
        let again = client.post("/pools/web/backends/a/drain").ok(200);
        assert_eq!(again["unserved"], json!([]), "it was so before");
    }
    // Where the pool panics its last backend goes on.
    with_blue(&client);
    client.put("/services/http", &http_on("blue")).ok(200);
    for told in both(&client, "POST", "/pools/blue/backends/x/maintenance", None) {
        assert_eq!(
            (&told["unserved"], &told["panics"][0]["pool"]),
            (&json!([]), &json!("blue"))
        );
    }
    // A service that is pointed to a pool without a backend; and one that is taken away.
    client.put("/pools/empty", &json!({})).ok(200);
    let empty = json!([{ "service": "http", "whole": true, "pool": "empty" }]);
    for told in both(&client, "PUT", "/services/http", Some(&http_on("empty"))) {
        assert_eq!(told["unserved"], empty);
    }
    let gone = json!([{ "service": "http", "whole": true, "pool": null }]);
    for told in both(&client, "DELETE", "/services/http", None) {
        assert_eq!(told["unserved"], gone);
    }
}

#[test]
fn asking_changes_nothing() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let before = client.get("/state");
    for path in [
        "/state",
        "/services",
        "/services/http",
        "/pools",
        "/pools/web",
        "/pools/web/backends",
        "/pools/web/backends/a",
        "/generations",
        "/generations/1",
        "/node",
        "/ports",
        "/workers",
        "/drops",
        "/stats",
        "/transitions",
        "/flows",
        "/livez",
        "/readyz",
        "/openapi.json",
        "/explain?protocol=tcp&client=192.0.2.7:5&vip=203.0.113.10:80",
    ] {
        assert_eq!(client.get(path).status, 200, "{path}");
        assert_eq!(client.send("HEAD", path, None).status, 200, "{path}");
    }
    let after = client.get("/state");
    assert_eq!(after.body, before.body);
}

#[test]
fn a_change_that_waits_is_confirmed_or_rolled_back() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let settled = generation(&client);
    let receipt = client
        .put("/pools/blue?confirm_within_ms=3600000", &web())
        .ok(200);
    assert_eq!(receipt["pending"]["back_to"], settled);
    assert_eq!(client.get("/state").ok(200)["pending"], receipt["pending"]);
    assert_eq!(client.get("/node").ok(200)["pending"], receipt["pending"]);
    client.put("/pools/green", &web()).problem(409);
    for span in ["0", "86400001", "5000000000"] {
        let path = format!("/pools/green?confirm_within_ms={span}");
        let told = client.put(&path, &web()).problem(400);
        let detail =
            format!("confirm_within_ms: {span} is out of range: possible are 1 to 86400000");
        assert_eq!(told["detail"], detail);
    }
    client
        .put("/pools/green?confirm_within_ms=soon", &web())
        .problem(400);
    for (method, path) in [("PUT", "/pools/green"), ("DELETE", "/pools/web/backends/a")] {
        let path = format!("{path}?dry_run&confirm_within_ms=60000");
        let json = client.header("content-type", "application/json");
        let told = json.send(method, &path, Some(b"{}")).problem(400);
        let detail = told["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("dry_run and confirm_within_ms don't go together"),
            "{detail}"
        );
    }
    client
        .post("/pools/web/backends/a/drain?confirm_within_ms=1")
        .problem(400);
    let waiting = client.get("/state").etag();
    let seen = client.header("if-match", &waiting);
    assert_eq!(seen.post("/confirm").ok(200)["pending"], json!(null));
    assert_ne!(client.get("/state").etag(), waiting);
    seen.post("/confirm").problem(412);
    client.post("/confirm").problem(409);

    client
        .delete("/pools/blue?confirm_within_ms=3600000")
        .ok(200);
    client.get("/pools/blue").problem(404);
    let rolled = client
        .post(&format!("/generations/{settled}/rollback"))
        .ok(200);
    assert_eq!(rolled["pending"], json!(null));
    client.get("/pools/blue").problem(404);
    client.get("/pools/web").ok(200);
}

#[test]
fn what_nobody_confirms_is_undone_at_its_deadline() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let before = client.get("/pools/web");
    let events = client.events();
    client
        .put("/pools/web?confirm_within_ms=1", &json!({}))
        .ok(200);
    let undone = events
        .filter(|(_, name, _)| name == "generation")
        .find(|(_, _, data)| data["author"] == "the confirmation's deadline");
    assert!(undone.is_some());
    let after = client.get("/pools/web");
    assert_eq!(
        (after.body, &after.headers["etag"]),
        (before.body, &before.headers["etag"])
    );
    assert_eq!(client.get("/state").ok(200)["pending"], json!(null));
}

#[test]
fn a_removed_backend_without_flows_leaves() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let mut events = client.events();
    let generation = client.delete("/pools/web/backends/a").ok(200)["generation"].clone();
    // The clean clocks start anew until every worker knows of the change.
    client
        .get(&format!("/generations/{generation}?wait=steered"))
        .ok(200);
    world.node(|node| node.pass(Millis::seconds(7_501)));
    let gone = json!({ "pool": "web", "backend": "a", "mode": null });
    assert!(events.any(|(_, name, data)| name == "backend" && data == gone));
    client.get("/pools/web/backends/a").problem(404);
}

#[test]
fn a_udp_service_says_how_its_flows_are_told_apart() {
    let world = World::new();
    let client = world.client();
    served(&client);
    let mut dns = json!({ "address": "203.0.113.12", "protocol": "udp", "ports": [53], "flows": "stateless", "pool": "web" });
    client.put("/services/dns", &dns).ok(200);
    assert_eq!(
        client.get("/services/dns").ok(200)["flows"],
        json!("stateless")
    );
    dns["flows"] = json!("quick");
    let told = client.put("/services/dns", &dns).faults(422);
    assert!(told[0].starts_with("/services/dns/flows: "), "{told:?}");
    for protocol in ["tcp", "sctp"] {
        dns["flows"] = json!("sticky");
        dns["protocol"] = json!(protocol);
        let told = client.put("/services/dns", &dns).faults(422);
        let expected = format!(
            "/services/dns/flows: `flows` is for UDP: packets of {protocol} tell by themselves where a flow begins"
        );
        assert_eq!(told, [expected]);
    }
    dns.as_object_mut().unwrap().remove("flows");
    dns["protocol"] = json!("udp");
    client.put("/services/dns", &dns).ok(200);
    assert!(client.get("/services/dns").ok(200)["flows"].is_null());
}
