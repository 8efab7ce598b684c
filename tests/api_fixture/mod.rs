//! A real server over a unix socket, before a node that is a real controller over a store in memory. Only packets are
//! missing: publications are taken at once.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod client;
pub mod node;

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tentetsu::config::{self, Millis};
use tentetsu::control::api::events::Events;
use tentetsu::control::api::node::Call;
use tentetsu::control::api::serve::Server;
use tentetsu::control::store::WallTime;

use client::{Client, Target};
use node::StubNode;

/// What the node's thread is told.
enum Order {
    Call(Call),
    Do(Box<dyn FnOnce(&mut StubNode) + Send>),
    Stop,
}

/// A running API with its node. Dropping it ends both.
pub struct World {
    pub folder: TempDir,
    pub server: Option<Server>,
    pub events: Arc<Events>,
    orders: Arc<Mutex<Sender<Order>>>,
    node: Option<JoinHandle<StubNode>>,
}

/// A certificate for `localhost` in `folder`, as `[api]` names it and as a client trusts it.
pub fn certificate(folder: &std::path::Path) -> (config::Tls, CertificateDer<'static>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = config::Tls {
        certificate: folder.join("api.crt"),
        key: folder.join("api.key"),
    };
    fs::write(&tls.certificate, cert.pem()).unwrap();
    fs::write(&tls.key, signing_key.serialize_pem()).unwrap();
    (tls, cert.der().clone())
}

/// `[api]` with the socket in `folder`, and nothing else.
pub fn socket_only(folder: &std::path::Path) -> config::Api {
    config::Api {
        socket: Some(folder.join("api.sock")),
        peers: Vec::new(),
        listen: Vec::new(),
        tls: None,
        tokens: Vec::new(),
    }
}

impl World {
    /// With a file that defines pool `files` with backend `f1`, and the service `file` on it.
    pub fn new() -> Self {
        Self::with(StubNode::new(flows_settings()), socket_only)
    }

    /// With this node and this `[api]`.
    pub fn with(mut node: StubNode, api: impl FnOnce(&std::path::Path) -> config::Api) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let events = Arc::new(Events::new(WallTime::now()));
        let (sender, receiver) = channel();
        let orders = Arc::new(Mutex::new(sender));
        let door = Arc::clone(&orders);
        let door = Arc::new(move |call: Call| door.lock().unwrap().send(Order::Call(call)).is_ok());
        let server = Server::start(&api(folder.path()), door, Arc::clone(&events)).unwrap();
        node.observe(Arc::clone(&events));
        let node = std::thread::spawn(move || run(node, &receiver));
        Self {
            folder,
            server: Some(server),
            events,
            orders,
            node: Some(node),
        }
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("api.sock")
    }

    /// A client of the unix socket.
    pub fn client(&self) -> Client {
        Client::new(Target::Unix(self.socket()))
    }

    /// Has the node do something on its own thread.
    pub fn node<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut StubNode) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = channel();
        let order = Order::Do(Box::new(move |node| sender.send(what(node)).unwrap()));
        self.orders.lock().unwrap().send(order).unwrap();
        receiver.recv().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.take();
        self.orders.lock().unwrap().send(Order::Stop).unwrap();
        self.node.take().map(JoinHandle::join);
    }
}

/// The node's owner: does what it is told, and goes on with what is under way in between.
fn run(mut node: StubNode, orders: &Receiver<Order>) -> StubNode {
    loop {
        let wait = node.advance();
        match orders.recv_timeout(Duration::from_millis(wait.into())) {
            Ok(Order::Call(call)) => call(&mut node),
            Ok(Order::Do(what)) => what(&mut node),
            Ok(Order::Stop) => return node,
            Err(_) => {}
        }
    }
}

/// New flows are steered at once.
pub fn flows_settings() -> config::Flows {
    config::Flows {
        entries: 1_024,
        file: PathBuf::new(),
        syn_guard: Millis(0),
        moving_slots: true,
    }
}
