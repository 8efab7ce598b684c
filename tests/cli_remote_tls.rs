//! Commands over TLS and loopback with tokens, against the real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;
mod cli_fixture;

use std::fs;
use std::path::Path;

use api_fixture::node::StubNode;
use api_fixture::{World, certificate, flows_settings, socket_only};
use cli_fixture::Program;
use tentetsu::config::{self, Role, Token};

const ADMIN: &str = "the secret of the administrator";
const READER: &str = "the secret of the reader 1234567";

fn word(secret: &str) -> String {
    secret.replace(' ', "-")
}

/// `[api]` on a loopback port of the system's choice, with two tokens.
fn on_loopback(folder: &Path) -> config::Api {
    let token = |name: &str, secret: &str, role| {
        let file = folder.join(name);
        fs::write(&file, word(secret)).unwrap();
        let name = name.to_owned();
        Token { name, role, file }
    };
    config::Api {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        tokens: vec![
            token("admin", ADMIN, Role::Admin),
            token("reader", READER, Role::Read),
        ],
        ..socket_only(folder)
    }
}

fn with_tls(folder: &Path) -> config::Api {
    config::Api {
        tls: Some(certificate(folder).0),
        ..on_loopback(folder)
    }
}

/// Its certificate is an authority's, as `openssl req -x509` makes it.
fn with_authority(folder: &Path) -> config::Api {
    let api = with_tls(folder);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    fs::write(folder.join("api.crt"), certificate.pem()).unwrap();
    fs::write(folder.join("api.key"), key.serialize_pem()).unwrap();
    api
}

/// The node, and the program aimed at it by `scheme`.
fn world(api: impl FnOnce(&Path) -> config::Api, scheme: &str) -> (World, Program) {
    let world = World::with(StubNode::new(flows_settings()), api);
    let port = world.server.as_ref().unwrap().addresses()[0].port();
    let api = format!("{scheme}://localhost:{port}");
    (world, Program { api })
}

/// Who shows the token in this file of the node's folder.
fn shows(world: &World, file: &str) -> String {
    format!("--token-file {}", world.folder.path().join(file).display())
}

/// Everybody does what their role may, and nothing else; `trust` goes with each command.
fn check_roles(world: &World, program: &Program, trust: &str) {
    let [admin, reader] = ["admin", "reader"].map(|file| shows(world, file));
    program.ok(&format!("backend drain files f1 --wait {admin} {trust}"));
    program.ok(&format!("backend list files {reader} {trust}"));
    let refused = program.fails(&format!("backend undrain files f1 {reader} {trust}"), 77);
    assert!(refused.contains("this takes the role operate"), "{refused}");
    let refused = program.fails(&format!("status {trust}"), 77);
    assert!(refused.contains("Authorization: Bearer"), "{refused}");
    fs::write(
        world.folder.path().join("stranger"),
        "nobody-knows-this-word",
    )
    .unwrap();
    let stranger = shows(world, "stranger");
    program.fails(&format!("status {stranger} {trust}"), 77);
    fs::write(world.folder.path().join("lines"), "two\nlines\n").unwrap();
    let lines = shows(world, "lines");
    let refused = program.fails(&format!("status {lines} {trust}"), 78);
    assert!(refused.contains("holds no token"), "{refused}");
}

#[test]
fn tokens_say_who_asks_on_loopback() {
    let (world, program) = world(on_loopback, "http");
    check_roles(&world, &program, "");
}

#[test]
fn tokens_say_who_asks_over_tls() {
    let (world, program) = world(with_tls, "https");
    let certificate = world.folder.path().join("api.crt");
    check_roles(
        &world,
        &program,
        &format!("--ca-file {}", certificate.display()),
    );
}

#[test]
fn an_unknown_certificate_is_not_trusted() {
    let (world, program) = world(with_tls, "https");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = world.folder.path().join("other.crt");
    fs::write(&file, other.cert.pem()).unwrap();
    let admin = shows(&world, "admin");
    let text = program.fails(&format!("status {admin} --ca-file {}", file.display()), 69);
    assert!(text.contains("--ca-file names the certificate"), "{text}");
    // What the certificate does not name is another host.
    let named = Program {
        api: program.api.replace("localhost", "127.0.0.1"),
    };
    let own = world.folder.path().join("api.crt");
    named.fails(&format!("status {admin} --ca-file {}", own.display()), 69);
    let empty = world.folder.path().join("admin");
    program.fails(&format!("status --ca-file {}", empty.display()), 78);
}

#[test]
fn an_authority_is_no_server() {
    let (world, program) = world(with_authority, "https");
    let (admin, own) = (shows(&world, "admin"), world.folder.path().join("api.crt"));
    let text = program.fails(&format!("status {admin} --ca-file {}", own.display()), 69);
    assert!(
        text.contains("basicConstraints=critical,CA:FALSE"),
        "{text}"
    );
}

/// Plain HTTP to a port that speaks TLS, and the other way round.
#[test]
fn the_wrong_scheme_is_named_with_the_right_one() {
    for (api, right, wrong) in [
        (with_tls as fn(&Path) -> config::Api, "https", "http"),
        (on_loopback, "http", "https"),
    ] {
        let (world, program) = world(api, right);
        let (admin, ca) = (shows(&world, "admin"), world.folder.path().join("any.crt"));
        let any = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&ca, any.cert.pem()).unwrap();
        let other = Program {
            api: program.api.replacen(right, wrong, 1),
        };
        let text = other.fails(&format!("status {admin} --ca-file {}", ca.display()), 69);
        let mend = format!("write {}", program.api);
        assert!(text.contains(&mend), "{wrong}: {text}");
    }
}
