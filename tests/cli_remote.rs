//! Commands over the API, by the real program against the real server on a unix socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;
mod cli_fixture;

use api_fixture::World;
use api_fixture::client::Client;
use cli_fixture::Program;
use serde_json::json;

/// A node with pool `web` of backends `a` and `b`, and service `http` on it.
fn served() -> (World, Program) {
    let world = World::new();
    let program = Program::at(&world.socket());
    program.ok("pool add web --idle 1s");
    program.ok("backend add web a 10.0.0.1");
    program.ok("backend add web b 10.0.0.2 --weight 50");
    program.ok("service add http --address 203.0.113.10 --protocol tcp --port 80 --port 8000-8099 --pool web");
    (world, program)
}

fn body(client: &Client, path: &str) -> String {
    client.get(path).body
}

#[test]
fn what_is_read_as_json_is_exactly_what_the_api_answers() {
    let (world, program) = served();
    let reads = [
        ("service list", "/services"),
        ("service show http", "/services/http"),
        ("pool list", "/pools"),
        ("pool show web", "/pools/web"),
        ("backend list web", "/pools/web/backends"),
        ("backend show web a", "/pools/web/backends/a"),
        ("status", "/node"),
        ("generations", "/generations"),
        ("show state", "/state"),
        ("show transitions", "/transitions"),
        ("show flows", "/flows"),
        ("show drops", "/drops"),
        ("show ports", "/ports"),
        ("show workers", "/workers"),
        ("show stats", "/stats"),
    ];
    program.ok("backend set web a --weight 100 --wait steered");
    for (words, path) in reads {
        let printed = program.ok(&format!("{words} -o json"));
        assert_eq!(printed.trim_end(), body(&world.client(), path), "{words}");
    }
}

#[test]
fn people_get_tables() {
    let (_world, program) = served();
    let services = program.ok("service list");
    assert_eq!(
        services,
        "SERVICE  ADDRESS       PROTOCOL  PORTS         POOL   OWNER\n\
         file     203.0.113.1   tcp       80            files  file\n\
         http     203.0.113.10  tcp       80,8000-8099  web    api\n"
    );
    let pools = program.ok("pool list");
    assert!(
        pools.contains("web    ipip   1s                  2   2  no      api"),
        "{pools}"
    );
    assert!(
        pools.contains("files  ipip   by protocol         2   2  no      file"),
        "{pools}"
    );
    let backends = program.ok("backend list web");
    assert_eq!(
        backends,
        "BACKEND  ADDRESS   WEIGHT  MODE\n\
         a        10.0.0.1     100  up\n\
         b        10.0.0.2      50  up\n"
    );
    let pool = program.ok("pool show web");
    assert!(pool.contains("half closed  as idle\n"), "{pool}");
    assert!(pool.ends_with(&backends), "{pool}");
    assert!(
        program
            .ok("service show http")
            .contains("ports     80,8000-8099\n")
    );
    assert!(program.ok("backend show web b").contains("weight   50\n"));
    let status = program.ok("status");
    assert!(status.contains("node          stub\n"), "{status}");
    let log = program.ok("generations --limit 1");
    assert!(log.starts_with("GENERATION  MADE"), "{log}");
    assert_eq!(log.lines().count(), 2);
    let state = program.ok("show state");
    assert!(
        state.starts_with(&services) && state.contains(&pool),
        "{state}"
    );
    for what in ["transitions", "flows", "drops", "ports", "workers", "stats"] {
        let table = program.ok(&format!("show {what}"));
        assert!(table.starts_with(char::is_uppercase), "{what}: {table}");
    }
}

#[test]
fn a_store_that_fails_is_told_by_the_status() {
    let (world, program) = served();
    assert!(!program.ok("status").contains("degraded"));
    world.node(|node| node.full.store(true, std::sync::atomic::Ordering::Relaxed));
    let refused = program.fails("backend drain web a", 69);
    assert!(refused.contains("no space"), "{refused}");
    let status = program.ok("status");
    assert!(status.contains("ready         yes\n"), "{status}");
    assert!(
        status.contains("degraded      store: the last write failed, changes are not kept"),
        "{status}"
    );
}

#[test]
fn writes_do_what_they_say_and_nothing_else() {
    let (world, program) = served();
    program.ok("backend set web b --address 10.0.0.3");
    program.ok("pool set web --slow-start 5s");
    program.ok("service set http --port any");
    let client = world.client();
    let pool = client.get("/pools/web").ok(200);
    assert_eq!(pool["backends"]["b"]["address"], "10.0.0.3");
    assert_eq!(pool["backends"]["b"]["weight"], 50);
    assert_eq!(
        (&pool["idle_ms"], &pool["slow_start_ms"]),
        (&json!(1_000), &json!(5_000))
    );
    let service = client.get("/services/http").ok(200);
    assert_eq!(
        (&service["ports"], &service["pool"]),
        (&json!("any"), &json!("web"))
    );

    program.ok("service add dns --address 203.0.113.12 --protocol udp --port 53 --flows stateless --pool web");
    assert!(
        program
            .ok("service show dns")
            .contains("flows     stateless\n")
    );
    program.ok("service set dns --flows quic");
    assert_eq!(client.get("/services/dns").ok(200)["flows"], "quic");
    program.ok("service set dns --protocol tcp");
    assert!(client.get("/services/dns").ok(200)["flows"].is_null());
    assert!(!program.ok("service show dns").contains("flows"));
    program.ok("service rm dns");

    program.ok("pool add blue --encap l2dsr");
    program.ok("backend add blue c 10.0.0.9");
    program.ok("service set http --pool blue");
    assert_eq!(client.get("/services/http").ok(200)["pool"], "blue");
    program.ok("service rm http --wait armed");
    program.ok("pool rm blue");
    client.get("/services/http").problem(404);
    client.get("/pools/blue").problem(404);
}

#[test]
fn a_change_tells_its_generation_and_its_repetition_none() {
    let (_world, program) = served();
    let receipt = program.json("backend set web a --weight 30");
    assert_eq!(receipt["changed"], true);
    let generation = &receipt["generation"];
    assert_eq!(
        program.ok("backend set web a --weight 30"),
        format!("generation {generation}, as before: nothing to change\n")
    );
    assert_eq!(
        program.ok("backend set web a --weight 31 --wait settled"),
        format!(
            "generation {}\nit is settled\n",
            generation.as_u64().unwrap() + 1
        )
    );
}

#[test]
fn a_dry_run_tells_what_would_move_and_changes_nothing() {
    let (world, program) = served();
    let before = body(&world.client(), "/state");
    let table = program.ok("backend set web a --weight 10 --dry-run");
    assert!(
        table.starts_with("~ /pools/web/backends/a/weight  100 -> 10\n"),
        "{table}"
    );
    assert!(table.contains("\npool web "), "{table}");
    let table = program.ok("backend add web c 10.0.0.4 --dry-run");
    assert!(table.starts_with("+ /pools/web/backends/c  {"), "{table}");
    assert!(
        program
            .ok("backend drain web a --dry-run")
            .contains("/pools/web/backends/a/mode")
    );
    let preview = program.json("service rm http --dry-run");
    assert_eq!(preview["difference"][0]["path"], "/services/http");
    let table = program.ok("service rm http --dry-run");
    assert!(
        table.ends_with("\n100 % of the traffic of service http would no longer be served\n"),
        "{table}"
    );
    assert!(!table.contains("no flow"), "{table}");
    let table = program.ok("service set http --port 80 --dry-run");
    assert!(
        table.ends_with("\na part of the traffic of service http would no longer be served\n"),
        "{table}"
    );
    assert_eq!(body(&world.client(), "/state"), before);
}

#[test]
fn a_pool_that_panics_is_named_wherever_it_holds_something_back() {
    let (world, program) = served();
    let held = "pool web panics: more than 50 % of its weight is in maintenance";
    for words in [
        "backend maintenance web a --dry-run",
        "backend maintenance web a",
        "backend set web b --weight 70 --dry-run",
        "explain tcp 198.51.100.7:40000 203.0.113.10:80",
    ] {
        let text = program.ok(words);
        assert!(text.contains(held), "{words}: {text}");
        assert!(!text.contains("SHARE OF TRAFFIC"), "{words}: {text}");
    }
    assert!(
        program
            .ok("pool list")
            .contains("web    ipip   1s                  2   1  yes     api")
    );
    let shown = program.ok("pool show web");
    assert!(
        shown.contains(
            "panic        50 %; more of the weight is in maintenance: its table stays as it is\n"
        ),
        "{shown}"
    );
    let moves = program.ok("backend undrain web a --dry-run");
    assert!(
        moves.ends_with("\nno flow would get another backend\n"),
        "{moves}"
    );
    // What is shown can be applied again.
    let path = world.folder.path().join("state.json");
    std::fs::write(&path, program.json("show state").to_string()).unwrap();
    program.ok(&format!("diff {}", path.display()));
    program.ok("backend undrain web a");
    assert!(!program.ok("pool show web").contains("maintenance"));
}

#[test]
fn a_pool_that_would_take_no_more_flows_is_named_before_and_after() {
    let (_world, program) = served();
    program.ok("backend drain web a");
    let look = program.ok("backend drain web b --dry-run");
    assert!(
        look.ends_with(
            "\nno backend of pool web would take new flows: those of service http would be dropped as no_backend until one \
             is added, undrained or given a weight\n"
        ),
        "{look}"
    );
    let done = program.ok("backend drain web b");
    assert!(
        done.ends_with(
            "\nno backend of pool web takes new flows: those of service http are dropped as no_backend until one is added, \
             undrained or given a weight\n"
        ),
        "{done}"
    );
    let gone = program.ok("service rm http");
    assert!(
        gone.ends_with("\n100 % of the traffic of service http is no longer served\n"),
        "{gone}"
    );
}

#[test]
fn a_backend_is_drained_and_taken_back() {
    let (world, program) = served();
    let would = program.ok("backend rm web a --now --dry-run");
    assert!(
        would.contains(
            "\nflows of backend a of pool web would be cut: 7 that are listed, and all others on "
        ),
        "{would}"
    );
    assert!(
        would.contains("% of the traffic), which are listed nowhere and can't be counted\n"),
        "{would}"
    );
    let drained = program.ok("backend drain web a --wait");
    assert!(drained.ends_with("a has no flow left\n"), "{drained}");
    let mode = || world.client().get("/pools/web/backends/a").ok(200)["mode"].clone();
    assert_eq!(mode(), "drain");
    program.ok("backend undrain web a");
    assert_eq!(mode(), "up");
    let cut = program.ok("backend maintenance web a");
    // The pool panics then, and what is not listed goes on.
    assert!(
        cut.contains("\nflows of backend a of pool web are cut: 7 that are listed\n"),
        "{cut}"
    );
    assert_eq!(mode(), "maintenance");
    let cut = program.json("backend rm web a --now");
    assert_eq!(cut["cuts"]["listed"], 7);
    program.ok("backend undrain files f1");
}

#[test]
fn a_file_is_compared_applied_confirmed_and_rolled_back() {
    let (world, program) = served();
    let path = world.folder.path().join("state.json");
    let file = path.display();
    let state = program.json("show state");
    std::fs::write(&path, state.to_string()).unwrap();
    let same = program.run(&format!("diff {file}")).ends(0);
    assert!(same.out.starts_with("nothing would change"), "{same:?}");

    let mut other = state.clone();
    other["pools"]["web"]["backends"]["c"] = json!({ "address": "10.0.0.4" });
    std::fs::write(&path, other.to_string()).unwrap();
    let differs = program.run(&format!("diff {file}")).ends(1);
    assert!(
        differs.out.starts_with("+ /pools/web/backends/c  "),
        "{differs:?}"
    );
    program.ok(&format!("apply {file} --dry-run"));
    let applied = program.ok(&format!("apply {file} --confirm 60s"));
    assert!(
        applied.contains("unless you run: tentetsu confirm\n"),
        "{applied}"
    );
    let waits = |text: &str| {
        let seconds = ["60", "59", "58", "57", "56"].map(|left| format!(" GMT, in {left} s"));
        assert!(seconds.iter().any(|left| text.contains(left)), "{text}");
    };
    waits(&applied);
    let status = program.ok("status");
    assert!(status.contains("unconfirmed "), "{status}");
    waits(&status);
    let refused = program.fails("backend set web a --weight 7", 1);
    assert!(refused.contains("waits for its confirmation"), "{refused}");
    waits(&refused);
    assert!(program.ok("confirm").ends_with(" stays\n"));
    assert!(program.fails("confirm", 1).contains("no change waits"));

    let back = state["generation"].as_u64().unwrap();
    program.ok(&format!("rollback {back} --dry-run"));
    program.ok(&format!("rollback {back}"));
    world.client().get("/pools/web/backends/c").problem(404);
    for unknown in ["rollback 999", "rollback 0", "rollback 0 --dry-run"] {
        let text = program.fails(unknown, 1);
        assert!(text.contains("not in the log"), "{unknown}: {text}");
    }
}

#[test]
fn a_file_may_be_toml_or_come_from_standard_input() {
    let (world, program) = served();
    let path = world.folder.path().join("state.toml");
    std::fs::write(
        &path,
        "[pools.green.backends]\ng1 = { address = \"10.0.0.7\" }\n",
    )
    .unwrap();
    program.ok(&format!("apply {}", path.display()));
    let names: Vec<String> = program
        .json("pool list")
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert_eq!(names, ["files", "green"]);

    let state = world.folder.path().join("state.json");
    std::fs::write(&state, r#"{"pools": {}}"#).unwrap();
    let mut command = program.command("apply -");
    command.stdin(std::fs::File::open(&state).unwrap());
    assert!(command.output().unwrap().status.success());
    assert_eq!(program.json("pool list").as_object().unwrap().len(), 1);
}

#[test]
fn forcing_a_transition_says_first_what_it_breaks() {
    let (world, program) = served();
    world.node(|node| node.publisher.hold = true);
    program.ok("backend drain web a");
    program.ok("transition force web --dry-run");
    let forced = program.json("transition force web --yes");
    assert_eq!(forced["pool"], "web");
    assert!(
        program
            .fails("transition force nowhere --yes", 1)
            .contains("no view leads")
    );
}

#[test]
fn a_running_node_explains_by_its_tables_of_now() {
    let (_world, program) = served();
    program.ok("backend set web a --weight 99 --wait settled");
    let words = "explain tcp 198.51.100.7:40000 203.0.113.10:80";
    let text = program.ok(words);
    assert!(
        text.contains("  service  http\n") && text.contains("  pool     web\n"),
        "{text}"
    );
    assert_eq!(program.json(words)["service"], "http");
    let lost = program
        .run("explain tcp 198.51.100.7:40000 203.0.113.10:81")
        .ends(1);
    assert!(lost.out.contains("no_service"), "{lost:?}");
    program.fails("explain tcp 198.51.100.7:40000 [2001:db8::1]:80", 2);
}

#[test]
fn events_come_as_they_happen() {
    let (_world, program) = served();
    let told = program.ok("show events --after 0 --count 2");
    assert_eq!(told.lines().count(), 2, "{told}");
    let told = program.ok("show events --after 0 --count 1 -o json");
    assert!(
        serde_json::from_str::<serde_json::Value>(&told).is_ok(),
        "{told}"
    );
}

#[test]
fn faults_name_what_is_wrong_where_and_what_to_do() {
    let (_world, program) = served();
    let text = program.fails("backend add web c 10.0.0.4 --weight 70000", 78);
    assert_eq!(
        text,
        "tentetsu: 1 fault; nothing was changed: mend and send again\n  \
         /pools/web/backends/c/weight: 70000 is out of range\n      write an integer from 0 to 65535\n"
    );
    let text = program.fails("backend add web c 10.0.0.4 --weight 70000 -o json", 78);
    let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["faults"][0]["path"], "/pools/web/backends/c/weight");
    // The file's objects are changed in the file.
    let text = program.fails("pool set files --idle 9s", 78);
    assert!(text.contains("/pools/files"), "{text}");
    let text = program.fails("service set http --port eighty", 78);
    assert!(text.contains("/services/http/ports"), "{text}");
    let text = program.fails("pool rm web", 78);
    assert!(text.contains("http"), "{text}");
}

#[test]
fn what_is_there_is_not_added_and_what_is_not_there_not_removed() {
    let (_world, program) = served();
    for (words, advice) in [
        ("pool add web", "`pool set` changes it"),
        ("backend add web a 10.0.0.9", "`backend set` changes it"),
        (
            "service add http --address 203.0.113.11 --protocol tcp --port 80 --pool web",
            "`service set` changes it",
        ),
        ("pool rm nowhere", "there is no pool nowhere"),
        ("service rm nowhere", "there is no service nowhere"),
        ("backend rm web z", "pool web has no backend z"),
        ("backend drain web z", "no backend of this name"),
        ("backend list nowhere", "no pool has this name"),
        ("show flows --pool nowhere", "no pool has this name"),
        (
            "show flows --backend z",
            "no pool has a backend of this name",
        ),
        (
            "show flows --pool web --backend z",
            "no backend of this name",
        ),
        (
            "show flows --pool web --backend f1",
            "no backend of this name",
        ),
        ("backend set web z --weight 5", "no backend of this name"),
        ("service show nowhere", "no service has this name"),
        ("pool set nowhere --idle 5s", "no pool has this name"),
    ] {
        let text = program.fails(words, 1);
        assert!(text.contains(advice), "{words}: {text}");
    }
    for (words, detail) in [
        (
            "pool add web",
            "pool web is there already: change it, or take another name",
        ),
        (
            "backend add web a 10.0.0.9",
            "backend a of pool web is there already: change it, or take another name",
        ),
        ("pool rm nowhere", "pool nowhere is not there"),
    ] {
        let text = program.fails(&format!("{words} -o json"), 1);
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["detail"], detail, "{words}");
    }
}

#[test]
fn names_may_hold_any_character() {
    let (world, program) = served();
    let odd = "a/b ?#%\u{e9}..";
    let run = |words: &[&str]| {
        let status = program.command("").args(words).output().unwrap();
        assert!(status.status.success(), "{words:?}: {status:?}");
    };
    run(&["pool", "add", odd]);
    run(&["backend", "add", odd, odd, "10.0.9.1"]);
    run(&["backend", "drain", odd, odd, "--wait"]);
    assert_eq!(
        world.client().get("/pools").ok(200)[odd]["backends"][odd]["mode"],
        "drain"
    );
    run(&["backend", "rm", odd, odd, "--now"]);
    run(&["pool", "rm", odd]);
}

#[test]
fn a_stage_that_is_not_reached_in_time_is_a_negative_answer() {
    let (world, program) = served();
    world.node(|node| node.publisher.hold = true);
    let text = program.fails(
        "backend set web a --weight 9 --wait armed --timeout 50ms",
        1,
    );
    assert!(text.contains("it is stored so far"), "{text}");
    let text = program.fails("backend drain web a --wait --timeout 50ms", 1);
    assert!(text.contains("not in time: a still has"), "{text}");
}
