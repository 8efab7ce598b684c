//! The typed configuration of one appliance.
//!
//! [`Config`] is what is *meant*: every value is checked, every default filled in, every name resolved.
//! [`load`] and [`parse`] make one from TOML, or report every [`Fault`] of the file at once. They read in two
//! passes: each section's file here turns a table into a draft and reports what is wrong in it alone, then
//! `references` reports what is wrong between sections. What is a fault is said in `limits` and `rules`, which the
//! API's objects are held against too. Only a syntax error ends the reading early.

mod api;
mod count;
pub(crate) mod credentials;
mod device;
mod document;
mod dpdk;
mod exception;
mod fault;
mod flows;
mod keys;
pub(crate) mod limits;
mod load;
mod maglev;
pub(crate) mod memory;
mod millis;
mod node;
mod place;
mod pool;
mod port;
mod prefix;
mod references;
mod report;
pub(crate) mod rules;
mod section;
mod service;
mod small_file;
mod syntax;
mod value;
mod visible;
mod workers;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use count::counted;
pub use document::parse;
pub use fault::{Fault, Faults};
pub use keys::known_keys;
pub use limits::{MAX_BACKENDS, MAX_POOLS, MAX_SERVICES, MAX_WEIGHT};
pub use load::{Against, LoadError, load};
pub use maglev::DEFAULT_SLOTS;
pub use millis::Millis;
pub use pool::{TCP_IDLE, UDP_IDLE};
pub(crate) use pool::{default_panic_percent, default_reset, default_weight};
pub(crate) use prefix::any_prefix;
pub(crate) use report::Problem;
pub(crate) use service::any_range;
pub(crate) use visible::visible;

/// One appliance's whole configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// This appliance.
    pub node: Node,
    /// How the DPDK environment is started.
    pub dpdk: Dpdk,
    /// The packet workers.
    pub workers: Workers,
    /// How lookup tables are made.
    pub maglev: Maglev,
    /// Flows in transition.
    pub flows: Flows,
    /// The HTTP API.
    pub api: Api,
    /// Ports, in the file's order; a port's index is its place here.
    pub ports: Vec<Port>,
    /// Pools, in the file's order.
    pub pools: Vec<Pool>,
    /// Services, in the file's order.
    pub services: Vec<Service>,
}

/// `[node]`
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Name in messages and, later, in the cluster. Default: the host's name.
    pub name: String,
    /// Where the appliance keeps what must outlive it. Default `/var/lib/tentetsu`.
    pub state_dir: PathBuf,
}

/// `[dpdk]`
#[derive(Debug, Clone, PartialEq)]
pub struct Dpdk {
    /// Whether packet memory lies in huge pages.
    pub huge_pages: HugePages,
    /// Packet memory in MiB per NUMA node in use. Default 256.
    pub memory_mib: u32,
    /// Keeps two appliances on one host apart. Default: `tentetsu-` and the node's name.
    pub file_prefix: String,
    /// Further EAL arguments, taken as they are.
    pub eal_args: Vec<String>,
}

/// `dpdk.huge_pages`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugePages {
    /// Use them where enough are free, do without otherwise (PCI NICs need them). The default.
    Auto,
    /// Fail to start without.
    Required,
    /// Never use them.
    Off,
}

/// `[workers]`
#[derive(Debug, Clone, PartialEq)]
pub struct Workers {
    /// Cores, one worker each, pinned. Empty: one worker on the last core that this process may use.
    pub cores: Vec<usize>,
    /// What a worker with nothing to do does; `None`: by the ports (`Poll` when every port is a NIC of its own).
    pub idle: Option<Idle>,
    /// Packets taken at once from a receive queue, 1 to 256. Default 64.
    pub burst: usize,
}

/// `workers.idle`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// Spin.
    Poll,
    /// Back off to sleeps of tens of microseconds.
    Adaptive,
}

/// `[maglev]`
#[derive(Debug, Clone, PartialEq)]
pub struct Maglev {
    /// Slots per table, a prime. Default 65,537.
    pub slots: u32,
    /// The key given in the file or read from `hash_key_file`; `None`: `run` makes one in the state directory.
    pub hash_key: Option<[u8; 16]>,
}

/// `[flows]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flows {
    /// How many flows can be listed at once, at 65 bytes each. Default 1,048,576.
    pub entries: usize,
    /// Where they are kept, so that they outlive the process. Default `/run/tentetsu/NODE.flows`.
    pub file: PathBuf,
    /// How long new flows go to a slot's old backend after its change began. Default 3 s.
    pub syn_guard: Millis,
    /// Off: every change is made at once and cuts connections, for comparison only. Default on.
    pub moving_slots: bool,
}

/// `[api]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The unix socket; `None`: there is none. Default `/run/tentetsu/api.sock`.
    pub socket: Option<PathBuf>,
    /// Users who may connect to the socket besides root and the process's own.
    pub peers: Vec<Peer>,
    /// TCP addresses. Default: none.
    pub listen: Vec<SocketAddr>,
    /// With what TCP connections are encrypted; `None`: not at all.
    pub tls: Option<Tls>,
    /// Who may connect by TCP.
    pub tokens: Vec<Token>,
}

/// `api.peers`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user.
    pub user: PeerUser,
    /// What they may.
    pub role: Role,
}

/// `api.peers.user`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerUser {
    /// By name, as this host knows it.
    Name(String),
    /// By number.
    Number(u32),
}

/// `api.tls_certificate` and `api.tls_key`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those that lead to its issuer (PEM).
    pub certificate: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
}

/// `api.tokens`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who is meant, for the log.
    pub name: String,
    /// What they may.
    pub role: Role,
    /// The file that holds the secret.
    pub file: PathBuf,
}

/// What somebody may do; each role may also do what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Ask.
    Read,
    /// Drain, undrain, maintain, weigh, confirm.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// As the file has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

/// `[[port]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Name in messages, counters and metrics.
    pub name: String,
    /// What drives it.
    pub device: Device,
    /// Receive/transmit queue pairs; at most one per worker. Default: one per worker for PCI devices, else 1.
    pub queues: u16,
    /// Descriptors per receive queue. Default 1,024.
    pub rx_descriptors: u16,
    /// Descriptors per transmit queue. Default 1,024.
    pub tx_descriptors: u16,
    /// Largest IP packet. Default 1,500.
    pub mtu: u16,
    /// The port's own addresses. For kernel interfaces they may be left out: the kernel's are read.
    pub addresses: Vec<IpNet>,
    /// Prefixes from which the outer source of encapsulated packets is drawn, routed to this node.
    /// Empty: the port's own address of that family.
    pub encap_source: Vec<IpNet>,
    /// Where packets that are for this host go.
    pub exception: Exception,
}

/// `port.device`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// A PCI address such as `0000:03:00.0`.
    Pci(String),
    /// A DPDK vdev such as `net_af_xdp0,iface=eth1`.
    Vdev {
        /// The whole string.
        spec: String,
        /// Value of `iface=`, where the kernel keeps the NIC.
        interface: Option<String>,
    },
}

/// `port.exception`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exception {
    /// The kernel keeps the NIC and sees what is its own (`net_af_xdp*`, `net_af_packet*`; their default).
    Kernel,
    /// A TAP interface of this name stands for the port in the host (default `tt-` and the port's name).
    Tap(String),
    /// Packets for the host are dropped (vdevs without a host side; their default).
    Off,
}

/// `[[pool]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// Name.
    pub name: String,
    /// How packets reach the backends.
    pub encap: Encap,
    /// How long a flow may be silent and yet be alive. `None`: [`Protocol::default_idle`] of what is served from it.
    pub idle: Option<Millis>,
    /// The same after a plausible FIN, where it is shorter. `None`: as `idle`.
    pub half_closed: Option<Millis>,
    /// The same after a plausible RST, where it is shorter. Default 120 s.
    pub reset: Millis,
    /// How long a new backend takes to grow to its weight. Default 0: it has it at once.
    pub slow_start: Millis,
    /// Where more than this share of the weight would be taken for dead, in percent, no flow is moved. Default 50.
    pub panic_percent: u8,
    /// Backends, in the file's order.
    pub backends: Vec<Backend>,
}

/// `pool.encap`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encap {
    /// IP in IP: RFC 2003, RFC 4213, RFC 2473, by the families of the VIP and of the backend.
    #[default]
    Ipip,
    /// Only the destination MAC changes; backends are on link.
    L2Dsr,
}

/// `[[pool.backend]]`
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Name; default: the address. Unique in its pool, and what the Maglev permutation is drawn from.
    pub name: String,
    /// Where packets go.
    pub address: IpAddr,
    /// Share of the slots relative to the pool's other weights; 0 takes none. Default 100, at most 65,535.
    pub weight: u32,
}

/// `[[service]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Name.
    pub name: String,
    /// VIP address or prefix (`/32` or `/128` for an address).
    pub address: IpNet,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Destination ports, sorted, not overlapping; a single `0..=65535` for any.
    pub ports: Vec<std::ops::RangeInclusive<u16>>,
    /// How the flows of a UDP service are told apart; `None`: [`UdpFlows::Sticky`], and of other protocols.
    ///
    /// Left out of the views' records, whose form it would change: at a restart, what is wanted says it anew.
    #[serde(skip)]
    pub flows: Option<UdpFlows>,
    /// Index into [`Config::pools`].
    pub pool: usize,
}

/// `service.flows`: UDP has no SYN, so the service says which packets may go to another backend when its slots move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UdpFlows {
    /// None: for one T_idle all flows count as old, and stay.
    #[default]
    Sticky,
    /// All, at once: no packet has to do with another, as in DNS.
    Stateless,
    /// Those that begin a QUIC connection; the others stay.
    Quic,
}

/// `service.protocol`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP, 6.
    Tcp,
    /// UDP, 17.
    Udp,
    /// SCTP, 132.
    Sctp,
}

impl Protocol {
    /// How long a flow of this protocol may be silent and yet be alive, where the pool doesn't say. The kernel's TCP
    /// keepalive comes after two hours; SCTP's associations are as long-lived.
    #[must_use]
    pub const fn default_idle(self) -> Millis {
        match self {
            Self::Tcp | Self::Sctp => TCP_IDLE,
            Self::Udp => UDP_IDLE,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}
