//! Any bytes as what the API reads, by the first one: JSON as a `s`ervice, a `p`ool, a `b`ackend, a `w`eight or a whole
//! state (`d`efinitions); else a request to the server itself, over its unix socket. Nothing panics, no answer is a
//! server's fault, and every fault of a body's form has words.
#![no_main]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock, Mutex};

use libfuzzer_sys::fuzz_target;
use tentetsu::config;
use tentetsu::control::api::events::Events;
use tentetsu::control::api::node::{Call, Node, Stretch};
use tentetsu::control::api::schema::{
    BackendWeight, DropCount, Entries, ExplainQuery, Explanation, FlowQuery, Forced, NodeStatus, PortStatus, Readiness,
    Stats, Transition, WorkerStatus,
};
use tentetsu::control::api::serve::Server;
use tentetsu::control::api::{Form, read};
use tentetsu::control::controller::Stage;
use tentetsu::control::ledger::{Ledger, Receipt, Refusal, Request};
use tentetsu::control::state::{BackendSpec, Definitions, Path, PoolSpec, ServiceSpec};
use tentetsu::control::store::{MemoryStore, WallTime};
use tentetsu::control::views::{Led, Standing, ViewKey};
use tentetsu::table::{BackendId, Generation};

/// A server and its node, on threads that last as long as the process.
struct World {
    socket: PathBuf,
    /// One request at a time, so that an answer belongs to its input.
    turn: Mutex<()>,
    _server: Server,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let socket = std::env::temp_dir().join(format!("tentetsu-fuzz-{}.sock", std::process::id()));
    let api = config::Api {
        socket: Some(socket.clone()),
        peers: Vec::new(),
        listen: Vec::new(),
        tls: None,
        tokens: Vec::new(),
    };
    let (sender, calls) = channel::<Call>();
    std::thread::spawn(move || answer(&calls));
    let sender = Mutex::new(sender);
    let door = Arc::new(move |call| sender.lock().unwrap().send(call).is_ok());
    let server = Server::start(&api, door, Arc::new(Events::new(WallTime(0)))).unwrap();
    World { socket, turn: Mutex::new(()), _server: server }
});

/// Each call has a node of its own, so that an input does the same whatever came before it.
fn answer(calls: &Receiver<Call>) {
    for call in calls {
        call(&mut Bare(Ledger::open(Box::new(MemoryStore::default())).unwrap()));
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind {
        b's' => form::<ServiceSpec>(bytes),
        b'p' => form::<PoolSpec>(bytes),
        b'b' => form::<BackendSpec>(bytes),
        b'w' => form::<BackendWeight>(bytes),
        b'd' => form::<Definitions>(bytes),
        _ => ask(bytes),
    }
});

fn form<T: Form>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice(bytes) else { return };
    let Err(faults) = read::<T>(value, &Path::root()) else { return };
    assert!(!faults.is_empty() && faults.len() <= 1_000);
    assert!(faults.iter().all(|fault| !fault.what.is_empty() && !fault.hint.is_empty()));
}

/// Sends a request: a line with its method and path, lines with headers, an empty line, and the body. How long it is and
/// that nothing follows is said in its name. A stream of events never ends by itself.
fn ask(bytes: &[u8]) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (head, body) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let text = String::from_utf8_lossy(head).to_ascii_lowercase();
    if ["/events", "length", "encoding", "expect", "upgrade", "connection"].iter().any(|word| text.contains(word)) {
        return;
    }
    let (line, headers) = head.split_at(head.iter().position(|byte| *byte == b'\n').unwrap_or(head.len()));
    let length = format!("\r\nconnection: close\r\ncontent-length: {}", body.len());
    let request = [line, b" HTTP/1.1\r\nhost: node", length.as_bytes(), headers, b"\r\n\r\n", body].concat();
    let _turn = WORLD.turn.lock().unwrap();
    let mut stream = UnixStream::connect(&WORLD.socket).unwrap();
    // A server that has answered early reads no more.
    let _ = stream.write_all(&request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/1.1 5"), "{}", String::from_utf8_lossy(&answer));
}

/// A ledger, and nothing that runs.
struct Bare(Ledger);

impl Node for Bare {
    fn ledger(&self) -> &Ledger {
        &self.0
    }

    fn execute(&mut self, request: &Request) -> Result<Receipt, Refusal> {
        self.0.execute(request, WallTime(0))
    }

    fn stage(&self, _: Generation) -> Stage {
        Stage::Settled
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            name: String::new(),
            version: String::new(),
            uptime_ms: 0,
            generation: 0,
            stage: Stage::Settled,
            ready: true,
            degraded: Vec::new(),
            slots: 0,
            hash_key_fingerprint: String::new(),
            entries: Entries { unconfirmed: 0, confirmed: 0, learned: 0, limit: 0 },
            pending: None,
        }
    }

    fn readiness(&self) -> Readiness {
        Readiness::of(Vec::new())
    }

    fn ports(&self) -> Vec<PortStatus> {
        Vec::new()
    }

    fn workers(&mut self) -> Vec<WorkerStatus> {
        Vec::new()
    }

    fn drops(&self) -> Vec<DropCount> {
        Vec::new()
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn transitions(&self) -> Vec<Transition> {
        Vec::new()
    }

    fn standing(&self, _: &ViewKey) -> Option<Standing> {
        None
    }

    fn flows(&self, _: &FlowQuery, _: usize) -> Stretch {
        Stretch::default()
    }

    fn listed(&self, _: &str, _: &str) -> u64 {
        0
    }

    fn led(&self, _: BackendId) -> Led {
        Led::default()
    }

    fn force(&mut self, _: &str, _: bool) -> Option<Forced> {
        None
    }

    fn explain(&self, _: &ExplainQuery) -> Option<Explanation> {
        None
    }
}
