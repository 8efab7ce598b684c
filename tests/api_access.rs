//! Who gets in, and what they may: the unix socket, plain TCP on loopback, and TLS.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod api_fixture;

use std::fs;
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api_fixture::client::{Client, Target};
use api_fixture::node::StubNode;
use api_fixture::{World, certificate, flows_settings, socket_only};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tentetsu::config::{self, Peer, PeerUser, Role, Token};
use tentetsu::control::api::events::Events;
use tentetsu::control::api::serve::{ServeError, Server};
use tentetsu::control::store::WallTime;

const SECRETS: [(&str, Role); 3] = [
    ("read-0123456789abcdef", Role::Read),
    ("operate-0123456789abcdef", Role::Operate),
    ("admin-0123456789abcdef", Role::Admin),
];

/// `[api]` on a free port of loopback, with a token for each role.
fn on_loopback(folder: &Path) -> config::Api {
    let token = |(secret, role): &(&str, Role)| {
        let file = folder.join(role.name());
        fs::write(&file, format!("{secret}\n")).unwrap();
        Token {
            name: role.name().to_owned(),
            role: *role,
            file,
        }
    };
    config::Api {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        tokens: SECRETS.iter().map(token).collect(),
        ..socket_only(folder)
    }
}

/// The same with TLS, and what a client has to trust.
fn with_tls(folder: &Path) -> (config::Api, Arc<ClientConfig>) {
    let (tls, certificate) = certificate(folder);
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    let client = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let tls = Some(tls);
    (
        config::Api {
            tls,
            ..on_loopback(folder)
        },
        Arc::new(client),
    )
}

fn world(api: impl FnOnce(&Path) -> config::Api) -> World {
    World::with(StubNode::new(flows_settings()), api)
}

/// A node that speaks TLS, and a client that trusts it.
fn world_with_tls() -> (World, Client) {
    let mut trust = None;
    let world = world(|folder| {
        let (api, client) = with_tls(folder);
        trust = Some(client);
        api
    });
    let client = Client::new(Target::Tls(address(&world), trust.unwrap()));
    (world, client)
}

fn address(world: &World) -> std::net::SocketAddr {
    world.server.as_ref().unwrap().addresses()[0]
}

/// Each role does what it may, and nothing else.
fn check_roles(client: &Client) {
    let [reader, operator, admin] = SECRETS.map(|(secret, _)| client.token(secret));
    let drain = "/pools/files/backends/f1/drain?dry_run";
    let weight = json!({ "weight": 1 });
    let pool = json!({ "backends": { "a": { "address": "10.0.0.1" } } });
    for caller in [&reader, &operator, &admin] {
        caller.get("/state").ok(200);
        caller.get("/openapi.json").ok(200);
    }
    reader.post(drain).problem(403);
    reader.post("/confirm").problem(403);
    for caller in [&operator, &admin] {
        caller.post(drain).ok(200);
        caller.post("/confirm").problem(409);
        // It is the file's, which is another fault.
        caller
            .put("/pools/files/backends/f1/weight", &weight)
            .problem(422);
    }
    for caller in [&reader, &operator] {
        caller.put("/pools/web", &pool).problem(403);
        caller.delete("/pools/web").problem(403);
        caller.delete("/pools/files/backends/f1").problem(403);
        caller.put("/state", &json!({})).problem(403);
        caller.post("/generations/1/rollback").problem(403);
        caller.post("/transitions/files/force").problem(403);
    }
    admin.put("/pools/web", &pool).ok(200);
    let log = admin.get("/generations").ok(200);
    assert_eq!(log[0]["author"], "token admin");
}

fn check_strangers(client: &Client) {
    for stranger in [
        client.clone(),
        client.token("read-0123456789abcde"),
        client.token(""),
        client.header("authorization", "Basic cmVhZDpyZWFk"),
        client.header("authorization", SECRETS[2].0),
    ] {
        for path in ["/state", "/openapi.json", "/nothing", "/events"] {
            let refused = stranger.get(path);
            refused.problem(401);
            assert_eq!(refused.headers["www-authenticate"], "Bearer");
        }
        stranger.put("/state", &json!({})).problem(401);
        assert_eq!(stranger.get("/livez").body, "ok");
        stranger.get("/readyz?verbose").ok(200);
    }
}

#[test]
fn roles_hold_on_plain_loopback() {
    let world = world(on_loopback);
    let client = Client::new(Target::Tcp(address(&world)));
    check_roles(&client);
    check_strangers(&client);
}

#[test]
fn roles_hold_with_tls() {
    let (world, client) = world_with_tls();
    check_roles(&client);
    check_strangers(&client);
    // Whoever speaks plain HTTP there gets nothing.
    let mut plain = TcpStream::connect(address(&world)).unwrap();
    plain
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"));
}

#[test]
fn the_socket_is_its_owners_and_its_groups() {
    let world = world(socket_only);
    let mode = fs::metadata(world.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    world.client().put("/state", &json!({})).ok(200);
    let uid = nix::unistd::geteuid();
    world
        .client()
        .post("/pools/files/backends/f1/drain")
        .ok(200);
    let log = world.client().get("/generations").ok(200);
    assert_eq!(log[0]["author"], format!("uid {uid}"));
}

#[test]
fn a_killed_appliances_socket_is_replaced_and_a_live_ones_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let api = socket_only(folder.path());
    let path = api.socket.clone().unwrap();
    drop(UnixListener::bind(&path).unwrap());
    let start = || {
        let events = Arc::new(Events::new(WallTime(0)));
        Server::start(&api, Arc::new(|_| false), events)
    };
    let first = start().unwrap();
    assert!(matches!(start(), Err(ServeError::InUse(_))));
    UnixStream::connect(&path).unwrap();
    drop(first);
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    assert!(matches!(start(), Err(ServeError::NoSocket(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn what_is_wrong_with_a_file_or_a_user_is_said_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let (good, _) = with_tls(folder.path());
    let start = |api: &config::Api| {
        let events = Arc::new(Events::new(WallTime(0)));
        let started = Server::start(api, Arc::new(|_| false), events);
        started.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(start(&good), Ok(()));
    let secret = folder.path().join("read");
    for text in ["short", "with a space in its 16", "", &"x".repeat(5_000)] {
        fs::write(&secret, text).unwrap();
        let told = start(&good).unwrap_err();
        assert!(
            told.contains("api.tokens") && told.contains("16 characters"),
            "{told}"
        );
    }
    fs::write(&secret, SECRETS[0].0).unwrap();
    let key = folder.path().join("api.key");
    fs::write(&key, "no key").unwrap();
    assert!(start(&good).unwrap_err().contains("api.tls_key"));
    fs::remove_file(&key).unwrap();
    assert!(start(&good).unwrap_err().contains("api.tls_key"));
    let user = PeerUser::Name("nobody of this name".to_owned());
    let role = Role::Read;
    let api = config::Api {
        peers: vec![Peer { user, role }],
        ..socket_only(folder.path())
    };
    assert!(start(&api).unwrap_err().contains("nobody of this name"));
}

#[test]
fn a_node_that_is_gone_is_unavailable() {
    let folder = tempfile::tempdir().unwrap();
    let api = socket_only(folder.path());
    let events = Arc::new(Events::new(WallTime(0)));
    let _server = Server::start(&api, Arc::new(|_| false), events).unwrap();
    let client = Client::new(Target::Unix(api.socket.unwrap()));
    assert_eq!(client.get("/livez").body, "ok");
    client.get("/state").problem(503);
    client.post("/confirm").problem(503);
}

/// Half a request holds a connection, and nobody else.
#[test]
fn silent_clients_keep_nobody_out() {
    let world = world(socket_only);
    let silent: Vec<UnixStream> = (0..200)
        .map(|number: usize| {
            let mut stream = UnixStream::connect(world.socket()).unwrap();
            let half: &[u8] = match number % 3 {
                0 => b"",
                1 => b"GET /state HT",
                _ => b"PUT /state HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
            };
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    world.client().get("/state").ok(200);
    assert_eq!(silent.len(), 200);
}

/// More connections than the listener has places, each with one of these openings.
fn crowd(world: &World, openings: &[&[u8]]) -> Vec<TcpStream> {
    let openings = openings.iter().cycle().take(281);
    openings
        .map(|opening| {
            let mut stream = TcpStream::connect(address(world)).unwrap();
            stream.write_all(opening).unwrap();
            stream
        })
        .collect()
}

/// Those that have waited longest for a request make room for one that comes, and nobody who is being answered.
fn check_crowd(world: &World, client: &Client, openings: &[&[u8]]) {
    let admin = client.token(SECRETS[2].0);
    world.node(|node| node.publisher.hold = true);
    let made = admin.put("/pools/web", &json!({})).ok(200);
    let armed = format!(
        "/generations/{}?wait=armed&timeout_ms=60000",
        made["generation"]
    );
    let (armed, mut events) = (admin.ask(&armed), admin.events());
    let mut crowd = crowd(world, openings);
    let begun = Instant::now();
    admin.get("/state").ok(200);
    assert!(begun.elapsed() < Duration::from_secs(5));

    let (oldest, newest) = (
        &mut crowd[0].try_clone().unwrap(),
        crowd.last_mut().unwrap(),
    );
    oldest
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    // What was answered before comes before the end.
    let end = oldest.read_to_end(&mut Vec::new());
    let timed_out = |error: &Error| error.kind() == ErrorKind::WouldBlock;
    assert!(!end.as_ref().is_err_and(timed_out), "{end:?}");
    newest.set_nonblocking(true).unwrap();
    assert!(
        newest
            .read(&mut [0; 1])
            .is_err_and(|error| timed_out(&error))
    );

    world.node(|node| node.publisher.hold = false);
    armed().ok(200);
    admin.put("/pools/other", &json!({})).ok(200);
    assert!(events.next().is_some());
}

#[test]
fn half_requests_and_idle_clients_keep_nobody_out() {
    let openings: [&[u8]; 3] = [
        b"",
        b"GET /state HT",
        b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n",
    ];
    let world = world(on_loopback);
    let client = Client::new(Target::Tcp(address(&world)));
    check_crowd(&world, &client, &openings);
}

#[test]
fn half_handshakes_keep_nobody_out() {
    let (world, client) = world_with_tls();
    // The beginning of a TLS record.
    check_crowd(&world, &client, &[b"", b"\x16\x03\x01"]);
}
