//! A node with one worker and one service, and a clock that a test moves. Backends are A, B and C.

use std::net::IpAddr;

use tempfile::TempDir;
use tentetsu::config::{Millis, Protocol, UdpFlows};
use tentetsu::control::command::Command;
use tentetsu::control::state::{BackendSpec, Definitions, PoolSpec, ServiceSpec};
use tentetsu::flow::{Kind, Limits, Segment};
use tentetsu::packet::FlowKey;
use tentetsu::table::{HashKey, Spread};

use super::catalogue::{Traffic, key, vip};
use super::disk::Disk;
use super::node::{Body, Node, view_of};
use super::segments::at;

/// T_idle.
const IDLE: u32 = 10_000;
const NAMES: [&str; 3] = ["A", "B", "C"];

/// A client's connection.
pub struct Flow {
    key: FlowKey,
    isn: u32,
    next: u32,
}

impl Flow {
    pub fn new(port: u16) -> Self {
        Self::by(Traffic::Tcp, port)
    }

    /// A QUIC client's.
    pub fn quic(port: u16) -> Self {
        Self::by(Traffic::Quic, port)
    }

    fn by(traffic: Traffic, port: u16) -> Self {
        let isn = 1_000_000 * u32::from(port);
        Self {
            key: key([192, 0, 2, 1].into(), port, vip(false, 7), traffic),
            isn,
            next: isn.wrapping_add(1),
        }
    }

    /// The next connection by the same port, so far from this one.
    pub const fn again(&self, ahead: u32) -> Self {
        let isn = self.next.wrapping_add(ahead);
        Self {
            key: self.key,
            isn,
            next: isn.wrapping_add(1),
        }
    }

    pub const fn advance(&mut self, octets: u32) {
        self.next = self.next.wrapping_add(octets);
    }
}

pub struct Trace {
    body: Body,
    node: Option<Node>,
    now: u64,
    _folder: TempDir,
}

impl Trace {
    /// All is settled on A.
    pub fn new(limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let body = Body {
            spread: Spread {
                key: HashKey::of_words([7, 7]),
                slots: 31,
            },
            workers: 1,
            limits,
            syn_guard: 3_000,
            file: Some(folder.path().join("flows")),
            disk: Disk::default(),
        };
        let node = Some(Node::start(&body, 0, 0).unwrap());
        let mut trace = Self {
            body,
            node,
            now: 0,
            _folder: folder,
        };
        let http = service(Protocol::Tcp, 80, None);
        let udp = service(Protocol::Udp, 443, None);
        trace.change(Command::ReplaceAll(Definitions {
            services: [("http".to_owned(), http), ("udp".to_owned(), udp)].into(),
            pools: [("web".to_owned(), pool("A"))].into(),
        }));
        trace.pass(100);
        trace
    }

    /// New flows go to B, and A is the default.
    pub fn moving(limits: Limits) -> Self {
        let mut trace = Self::new(limits);
        trace.pool("B");
        trace.pass(4_000);
        trace
    }

    /// The UDP service tells its flows apart so.
    pub fn flows(&mut self, flows: UdpFlows) {
        let name = "udp".to_owned();
        let spec = service(Protocol::Udp, 443, Some(flows));
        self.change(Command::PutService { name, spec });
        self.pass(100);
    }

    /// The pool becomes these, a letter each.
    pub fn pool(&mut self, backends: &str) {
        let name = "web".to_owned();
        let spec = pool(backends);
        self.change(Command::PutPool { name, spec });
    }

    pub fn change(&mut self, command: Command) {
        let now = self.now;
        self.node().execute(command, now).unwrap();
    }

    pub fn pass(&mut self, millis: u64) {
        let end = self.now + millis;
        while self.now < end {
            let now = self.now;
            self.node().advance(now).unwrap();
            self.node().workers[0].refresh();
            self.now += 25;
        }
    }

    /// Another hash key and another number of slots.
    pub fn spread(&mut self, key: u64, slots: u32) {
        let key = HashKey::of_words([key, key]);
        self.body.spread = Spread { key, slots };
        let spread = self.body.spread;
        self.node().controller.spread(spread);
    }

    /// Whether a slot is consulted.
    pub fn is_moving(&mut self) -> bool {
        self.node().controller.views().is_moving()
    }

    /// The process is killed and starts again.
    pub fn restart(&mut self) {
        self.node = None;
        self.now += 500;
        self.node = Some(Node::start(&self.body, self.now, 0).unwrap());
    }

    pub fn syn(&mut self, flow: &Flow) -> &'static str {
        self.forward(flow, at(Kind::First, flow.isn, 1, None))
    }

    /// A new connection, all of which goes to one backend.
    pub fn opens(&mut self, flow: &Flow, backend: &str) {
        self.opens_at(flow, 1, backend);
    }

    /// The same, whose server begins at `ack`.
    pub fn opens_at(&mut self, flow: &Flow, ack: u32, backend: &str) {
        assert_eq!(self.syn(flow), backend);
        self.acknowledges(flow, ack, backend);
    }

    pub fn opened(&mut self, port: u16, backend: &str) -> Flow {
        let flow = Flow::new(port);
        self.opens(&flow, backend);
        flow
    }

    pub fn sends(&mut self, flow: &Flow, backend: &str) {
        self.acknowledges(flow, 1, backend);
    }

    pub fn acknowledges(&mut self, flow: &Flow, ack: u32, backend: &str) {
        let segment = at(Kind::Within, flow.next, 0, Some(ack));
        assert_eq!(self.forward(flow, segment), backend);
    }

    pub fn fin(&mut self, flow: &Flow, backend: &str) {
        self.fin_at(flow, 1, backend);
    }

    pub fn fin_at(&mut self, flow: &Flow, ack: u32, backend: &str) {
        let segment = at(Kind::Fin, flow.next, 1, Some(ack));
        assert_eq!(self.forward(flow, segment), backend);
    }

    /// So far from where the flow stands.
    pub fn forged_syn(&mut self, flow: &Flow, ahead: u32) {
        let seq = flow.next.wrapping_add(ahead);
        self.forward(flow, at(Kind::First, seq, 1, None));
    }

    /// By somebody who does not know where the flow stands.
    pub fn forged_rst(&mut self, flow: &Flow) {
        let seq = flow.next.wrapping_add(1 << 30);
        self.forward(flow, at(Kind::Reset, seq, 0, None));
    }

    /// A datagram of these octets.
    pub fn datagram(&mut self, flow: &Flow, payload: &[u8]) -> &'static str {
        let tables = self.node().workers[0].current();
        let (service, _) = view_of(tables, &flow.key).unwrap();
        let tracking = tables.services[service].tracking;
        let segment = Segment::parse(tracking, &[&[0; 8], payload].concat());
        self.forward(flow, segment)
    }

    /// Slots' defaults that have changed.
    pub fn flips(&mut self) -> u64 {
        let progress = self.node().controller.progress();
        progress.map(|(_, progress)| progress.flips).sum()
    }

    /// Flows that are listed.
    pub fn listed(&mut self) -> usize {
        self.node().flows.entries.counts().total()
    }

    fn forward(&mut self, flow: &Flow, segment: Segment) -> &'static str {
        let now = self.now;
        let sent = self.node().forward(0, &flow.key, segment, now).unwrap();
        NAMES.iter().find(|name| address(name) == sent).unwrap()
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }
}

fn address(name: &str) -> IpAddr {
    IpAddr::from([10, 0, 0, name.as_bytes()[0]])
}

fn service(protocol: Protocol, port: u16, flows: Option<UdpFlows>) -> ServiceSpec {
    ServiceSpec {
        address: IpAddr::from([203, 0, 113, 7]).into(),
        protocol,
        ports: vec![port..=port],
        flows,
        pool: "web".to_owned(),
    }
}

fn pool(backends: &str) -> PoolSpec {
    let backend = |name: char| {
        let name = name.to_string();
        let address = address(&name);
        (
            name,
            BackendSpec {
                address,
                weight: 100,
            },
        )
    };
    PoolSpec {
        idle_ms: Some(Millis(IDLE)),
        reset_ms: Millis(1_000),
        backends: backends.chars().map(backend).collect(),
        ..PoolSpec::default()
    }
}
