//! Commands over an API that is not there, goes away, says no, or is none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod cli_fixture;

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use cli_fixture::{Program, Run, Script};
use serde_json::{Value, json};

fn problem(status: u16, detail: &str) -> String {
    json!({ "type": "about:blank", "title": "No", "status": status, "detail": detail, "faults": [] })
        .to_string()
}

fn receipt() -> String {
    json!({ "generation": 5, "changed": true, "etag": "b5", "state_etag": "g5", "pending": null, "cuts": null, "panics": [], "unserved": [] })
        .to_string()
}

fn views(listed: u64, moving: u64) -> String {
    let backends = json!([{ "name": "a", "listed_flows": listed }]);
    json!([{
        "view": { "pool": "web" }, "pool": "web", "slots": 251, "moving": moving, "consulted": 9, "armed": 0,
        "waiting": 0, "flips": 1, "entries": listed, "oldest_clean_ms": 1_500, "idle_ms": 5_000, "panics": false, "backends": backends,
    }])
    .to_string()
}

fn flows(total: u64) -> String {
    json!({ "total": total, "truncated": false, "flows": [] }).to_string()
}

#[test]
fn a_missing_socket_is_unreachable_and_says_what_to_look_at() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::at(&folder.path().join("none.sock"));
    let text = program.fails("status", 69);
    assert!(text.contains("is `tentetsu run` running"), "{text}");
    let text = program.fails("status -o json", 69);
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("can't reach the appliance")
    );
    let closed = Program {
        api: "http://127.0.0.1:1".to_owned(),
    };
    assert!(closed.fails("pool list", 69).contains("api.listen"));
    assert!(
        closed
            .fails("explain tcp 192.0.2.1:1 192.0.2.2:2", 69)
            .contains("api.listen")
    );
}

/// Root may open every socket, so somebody else asks.
#[test]
fn a_socket_that_may_not_be_opened_is_a_matter_of_permission() {
    let script = Script::new(Vec::new());
    let socket = script.socket();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(socket.parent().unwrap(), 0o755);
    mode(&socket, 0o600);
    if !nix::unistd::Uid::effective().is_root() {
        mode(&socket, 0o000);
    }
    let mut command = script.program().command("status");
    if nix::unistd::Uid::effective().is_root() {
        // The program itself may lie where nobody else may look: it is started from a copy. Another process makes that: a
        // file that this one has open for writing may be inherited by what other tests start, and is busy then.
        let copy = socket.with_file_name("tentetsu");
        let mut copying = std::process::Command::new("cp");
        copying.arg(env!("CARGO_BIN_EXE_tentetsu")).arg(&copy);
        assert!(copying.status().unwrap().success());
        let mut other = std::process::Command::new(copy);
        other
            .arg("status")
            .env("TENTETSU_API", script.program().api);
        other.uid(65_534).gid(65_534);
        command = other;
    }
    let run = Run::of(command.output().unwrap()).ends(77);
    assert!(run.err.contains("no permission to open unix:"), "{run:?}");
}

#[test]
fn refusals_have_their_exit_codes_and_go_on_as_json() {
    for (status, code) in [
        (400, 2),
        (401, 77),
        (403, 77),
        (404, 1),
        (409, 1),
        (412, 1),
        (413, 2),
        (422, 78),
        (500, 69),
        (503, 69),
    ] {
        let body = problem(status, "because of this");
        let script = Script::new(vec![
            ("POST /confirm HTTP", status, body.clone()),
            ("POST /confirm HTTP", status, body.clone()),
        ]);
        let text = script.program().fails("confirm", code);
        assert_eq!(text, "tentetsu: because of this\n");
        let text = script.program().fails("confirm -o json", code);
        assert_eq!(text.trim_end(), body);
        script.done();
    }
}

#[test]
fn a_drain_shows_the_flows_that_are_left() {
    let script = Script::new(vec![
        ("POST /pools/web/backends/a/drain", 200, receipt()),
        ("GET /generations/5?wait=armed", 504, problem(504, "stored")),
        ("GET /transitions", 200, "[]".to_owned()),
        ("GET /flows?pool=web&backend=a&limit=1", 200, flows(0)),
        ("GET /generations/5?wait=armed", 200, "{}".to_owned()),
        ("GET /transitions", 200, views(3, 40)),
        (
            "GET /generations/5?wait=settled",
            504,
            problem(504, "steered"),
        ),
        ("GET /transitions", 200, views(2, 0)),
        (
            "GET /generations/5?wait=settled",
            504,
            problem(504, "steered"),
        ),
        ("GET /transitions", 200, views(0, 0)),
        ("GET /flows?pool=web&backend=a&limit=1", 200, flows(1)),
        (
            "GET /generations/5?wait=settled",
            504,
            problem(504, "steered"),
        ),
        ("GET /transitions", 200, views(0, 0)),
        ("GET /flows?pool=web&backend=a&limit=1", 200, flows(0)),
    ]);
    let run = script.program().run("backend drain web a --wait").ends(0);
    script.done();
    assert_eq!(run.out, "generation 5\na has no flow left\n");
    assert_eq!(
        run.err,
        "a: 0 listed flows, 0 slots moving\n\
         a: 3 listed flows, 40 slots moving\n\
         a: 2 listed flows, 0 slots moving\n\
         a: 1 listed flow, 0 slots moving\n\
         a: 0 listed flows, 0 slots moving\n"
    );
}

#[test]
fn a_backend_that_somebody_removes_meanwhile_has_no_flow_left() {
    let script = Script::new(vec![
        ("POST /pools/web/backends/a/drain", 200, receipt()),
        ("GET /generations/5?wait=armed", 200, "{}".to_owned()),
        ("GET /transitions", 200, views(1, 0)),
        (
            "GET /generations/5?wait=settled",
            504,
            problem(504, "steered"),
        ),
        ("GET /transitions", 200, "[]".to_owned()),
        (
            "GET /flows?pool=web&backend=a&limit=1",
            404,
            problem(404, "gone"),
        ),
    ]);
    let run = script.program().run("backend drain web a --wait").ends(0);
    script.done();
    assert!(run.out.ends_with("a has no flow left\n"), "{run:?}");
}

#[test]
fn an_appliance_that_goes_away_while_it_is_waited_for_is_unreachable() {
    let script = Script::new(vec![
        ("POST /pools/web/backends/a/drain", 200, receipt()),
        ("GET /generations/5?wait=armed", 200, "{}".to_owned()),
        ("GET /transitions", 200, views(3, 40)),
        ("GET /generations/5?wait=settled", 0, String::new()),
    ]);
    let text = script.program().fails("backend drain web a --wait", 69);
    script.done();
    assert!(text.contains("went away before it had answered"), "{text}");
    assert!(text.contains("`tentetsu status` tells"), "{text}");
}

#[test]
fn whatever_answers_there_may_be_none_of_the_api() {
    for (status, body) in [
        (200, "<html>"),
        (200, "{}"),
        (502, "bad gateway"),
        (404, "{}"),
    ] {
        let script = Script::new(vec![("GET /node HTTP", status, body.to_owned())]);
        let text = script.program().fails("status", 69);
        script.done();
        assert!(text.contains("not an answer of the API"), "{text}");
    }
}

#[test]
fn what_moves_is_shown_with_its_backends() {
    let script = Script::new(vec![("GET /transitions", 200, views(3, 40))]);
    let table = script.program().ok("show transitions");
    script.done();
    assert!(
        table.contains("pool web    251      40          9"),
        "{table}"
    );
    assert!(
        table.ends_with("pool web  a                   3\n"),
        "{table}"
    );
}

#[test]
fn nobody_to_ask_is_no_yes() {
    let would = json!({ "pool": "web", "flips": 4, "breaks": { "unlisted_possible_slots": 3 } })
        .to_string();
    let look = (
        "POST /transitions/web/force?dry_run=true",
        200,
        would.clone(),
    );
    let script = Script::new(vec![
        look.clone(),
        look,
        ("POST /transitions/web/force HTTP", 200, would),
    ]);
    let run = script.program().run("transition force web").ends(2);
    assert!(
        run.out
            .contains("on 3 of them flows may be that are not listed"),
        "{run:?}"
    );
    assert!(run.err.contains("say --yes"), "{run:?}");
    let run = script.program().run("transition force web --yes").ends(0);
    assert!(run.out.ends_with("4 slots went over\n"), "{run:?}");
    script.done();
    let one = json!({ "pool": "web", "flips": 1, "breaks": { "unlisted_possible_slots": 0 } })
        .to_string();
    let script = Script::new(vec![
        ("POST /transitions/web/force?dry_run=true", 200, one.clone()),
        ("POST /transitions/web/force HTTP", 200, one),
    ]);
    let out = script.program().ok("transition force web --yes");
    assert!(
        out.starts_with("1 slot of pool web would go over; "),
        "{out}"
    );
    assert!(out.ends_with("\n1 slot went over\n"), "{out}");
    script.done();
}

#[test]
fn odd_command_lines_are_refused_before_anything_is_sent() {
    let program = Program {
        api: "unix:/nowhere/api.sock".to_owned(),
    };
    for words in [
        "backend add web a",
        "backend add web a not-an-address",
        "backend add web a 10.0.0.1 --weight -1",
        "backend set web a",
        "pool set web",
        "pool set web --idle 5",
        "pool set web --idle 5d",
        "service set http",
        "service add http --address 203.0.113.10 --protocol tcp --pool web",
        "service add http --address 203.0.113.10 --protocol icmp --port 80 --pool web",
        "backend drain web a --timeout 5s",
        "backend drain web a --wait --dry-run",
        "backend rm web a --wait gone",
        "apply",
        "apply state.json --confirm soon",
        "apply state.json --confirm 60s --dry-run",
        "rollback latest",
        "generations --limit 0",
        "show everything",
        "transition force",
        "status --api http://192.0.2.1:8642",
        "status --api ftp://lb1:21",
        "status --output yaml",
    ] {
        let text = program.fails(words, 2);
        assert!(!text.is_empty(), "{words}");
    }
}

/// A path with an empty name would be that of something else.
#[test]
fn empty_names_are_refused_before_anything_is_sent() {
    let program = Program {
        api: "unix:/nowhere/api.sock".to_owned(),
    };
    for words in [
        "backend add web _ 10.0.0.1",
        "backend add _ a 10.0.0.1",
        "backend set web _ --weight 5",
        "backend list _",
        "backend drain web _ --wait",
        "backend rm web _",
        "pool add _",
        "pool show _",
        "pool set _ --idle 5s",
        "pool rm _",
        "service add _ --address 203.0.113.10 --protocol tcp --port 80 --pool web",
        "service add http --address 203.0.113.10 --protocol tcp --port 80 --pool _",
        "service set _ --pool web",
        "service set http --pool _",
        "service show _",
        "service rm _",
        "show flows --pool _",
        "show flows --backend _",
        "transition force _",
    ] {
        for nothing in ["", " "] {
            let words = words.split(' ');
            let words = words.map(|word| if word == "_" { nothing } else { word });
            let output = program.command("").args(words).output().unwrap();
            let run = Run::of(output).ends(2);
            assert!(run.err.contains("this name is empty"), "{run:?}");
        }
    }
}

/// A store may have names that were allowed once.
#[test]
fn what_cant_be_seen_of_a_name_is_written_out_for_people() {
    let backends =
        json!({ "we\u{202e}b": { "address": "10.0.0.1", "weight": 1, "mode": "up" } }).to_string();
    let line = || ("GET /pools/p/backends ", 200, backends.clone());
    let script = Script::new(vec![line(), line()]);
    let table = script.program().ok("backend list p");
    assert!(table.contains("\nwe\\u{202e}b"), "{table}");
    let json = script.program().ok("backend list p -o json");
    assert!(json.contains("we\u{202e}b"), "{json}");
    script.done();
}

#[test]
fn a_wait_for_a_confirmation_has_its_bounds() {
    let program = Program {
        api: "unix:/nowhere/api.sock".to_owned(),
    };
    for span in ["0s", "25h", "999h", "86400001ms"] {
        let text = program.fails(&format!("apply state.json --confirm {span}"), 2);
        assert!(
            text.contains("out of range; possible are 1ms to 86400s"),
            "{text}"
        );
    }
}

/// As `check --config` has it.
#[test]
fn a_file_that_cant_be_read_is_a_fault_as_that_of_the_configuration_is() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::at(&folder.path().join("none.sock"));
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("bytes"), b"{\"pools\": \xff}").unwrap();
    let files = [at("missing"), at(""), at("bytes")];
    for file in &files {
        program.fails(&format!("check --config {file}"), 78);
        for words in [
            "diff FILE",
            "apply FILE",
            "apply FILE --dry-run -o json",
            "status --token-file FILE",
            "status --api https://lb1.example:8642 --ca-file FILE",
        ] {
            let text = program.fails(&words.replace("FILE", file), 78);
            assert!(text.contains(file.as_str()), "{words}: {text}");
        }
    }
}

#[test]
fn a_file_that_is_none_is_a_fault_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::at(&folder.path().join("none.sock"));
    for (name, text) in [
        ("state.json", "{\"pools\": }"),
        ("state.toml", "pools = \n"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let told = program.fails(&format!("apply {}", path.display()), 78);
        assert!(told.contains("line 1"), "{told}");
    }
}

#[test]
fn a_file_with_a_key_twice_is_a_fault_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let program = Program::at(&folder.path().join("none.sock"));
    for (name, text, told) in [
        (
            "state.json",
            r#"{"pools": {"web": {"backends": {}}, "web": {}}}"#,
            "\n  /pools/web: the key \"web\" is given twice\n",
        ),
        ("state.toml", "[pools.web]\n[pools.web]\n", "duplicate key"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        for command in ["diff", "apply"] {
            let text = program.fails(&format!("{command} {}", path.display()), 78);
            assert!(text.contains(name) && text.contains(told), "{text}");
        }
    }
}

#[test]
fn the_help_says_what_settled_means_and_that_settled_pools_are_listed() {
    let program = Program { api: String::new() };
    for (words, told) in [
        (
            "pool set --help",
            "no slot of any pool moves any more, and the flows that were listed",
        ),
        (
            "show transitions --help",
            "Those that are settled are listed, too",
        ),
    ] {
        let help = program.ok(words);
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains(told), "{words}: {help}");
    }
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let program = Program { api: String::new() };
    let manual = program.ok("man");
    let shell = program.ok("completions bash");
    for (page, word) in [
        (
            "tentetsu\\-backend\\-drain",
            "tentetsu__subcmd__backend__subcmd__drain",
        ),
        (
            "tentetsu\\-transition\\-force",
            "tentetsu__subcmd__transition__subcmd__force",
        ),
        (
            "tentetsu\\-show\\-events",
            "tentetsu__subcmd__show__subcmd__events",
        ),
        ("tentetsu\\-apply", "tentetsu__subcmd__apply"),
    ] {
        assert!(manual.contains(page), "{page}");
        assert!(shell.contains(word), "{word}");
    }
}
