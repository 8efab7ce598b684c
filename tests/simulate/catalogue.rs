//! The services that a world may have, and the 5-tuples of their flows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use tentetsu::config::{Protocol, UdpFlows};
use tentetsu::control::state::{ServiceSpec, State};
use tentetsu::packet::{FlowKey, FlowKeys, Transport};
use tentetsu::wire::{PortPair, SCTP, TCP, UDP};

/// What a client speaks, and by that how the service tells its flows apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Tcp,
    Sticky,
    Stateless,
    Quic,
    Sctp,
}

impl Traffic {
    /// The service's port and protocol.
    const fn port(self) -> (u16, u8) {
        match self {
            Self::Tcp => (80, TCP),
            Self::Sticky => (80, UDP),
            Self::Stateless => (53, UDP),
            Self::Quic => (443, UDP),
            Self::Sctp => (2905, SCTP),
        }
    }
}

/// A service that may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    pub name: &'static str,
    pub traffic: Traffic,
    pub ip6: bool,
    /// One address of those of another.
    pub exact: bool,
}

/// All of them.
pub const OFFERS: [Offer; 9] = [
    offer("wide", Traffic::Tcp),
    Offer {
        exact: true,
        ..offer("exact", Traffic::Tcp)
    },
    offer("datagrams", Traffic::Sticky),
    offer("queries", Traffic::Stateless),
    offer("quic", Traffic::Quic),
    offer("associations", Traffic::Sctp),
    over_ip6("wide6", Traffic::Tcp),
    over_ip6("datagrams6", Traffic::Sticky),
    over_ip6("associations6", Traffic::Sctp),
];

const fn offer(name: &'static str, traffic: Traffic) -> Offer {
    Offer {
        name,
        traffic,
        ip6: false,
        exact: false,
    }
}

const fn over_ip6(name: &'static str, traffic: Traffic) -> Offer {
    Offer {
        ip6: true,
        ..offer(name, traffic)
    }
}

/// What a service may be called beside its offer's name.
const AGAIN: &str = "-again";

/// The other of a service's two names.
pub fn renamed(name: &str) -> String {
    match name.strip_suffix(AGAIN) {
        Some(first) => first.to_owned(),
        None => format!("{name}{AGAIN}"),
    }
}

/// Hosts of the services' networks that clients connect to; the first has a service of its own at times.
pub const HOSTS: [u8; 2] = [7, 8];

impl Offer {
    fn address(self) -> IpNet {
        let (host, length) = match (self.exact, self.ip6) {
            (true, _) => (HOSTS[0], 32),
            (false, false) => (0, 24),
            (false, true) => (0, 64),
        };
        IpNet::new(vip(self.ip6, host), length).unwrap()
    }

    pub fn spec(self, pool: &str) -> ServiceSpec {
        let port = self.traffic.port().0;
        ServiceSpec {
            address: self.address(),
            protocol: match self.traffic {
                Traffic::Tcp => Protocol::Tcp,
                Traffic::Sctp => Protocol::Sctp,
                Traffic::Sticky | Traffic::Stateless | Traffic::Quic => Protocol::Udp,
            },
            ports: vec![port..=port],
            flows: match self.traffic {
                Traffic::Tcp | Traffic::Sticky | Traffic::Sctp => None,
                Traffic::Stateless => Some(UdpFlows::Stateless),
                Traffic::Quic => Some(UdpFlows::Quic),
            },
            pool: pool.to_owned(),
        }
    }

    /// What it is called, and what it is, where it is there.
    pub fn found(self, state: &State) -> Option<(&str, &ServiceSpec)> {
        let wanted = self.spec("");
        let is_this = |spec: &ServiceSpec| {
            spec.address == wanted.address
                && spec.protocol == wanted.protocol
                && spec.ports == wanted.ports
        };
        let mut services = state.services.iter();
        let (name, service) = services.find(|(_, service)| is_this(&service.spec))?;
        Some((name, &service.spec))
    }
}

/// A service's address.
pub fn vip(ip6: bool, host: u8) -> IpAddr {
    if ip6 {
        Ipv6Addr::new(0x2001, 0xdb8, 113, 0, 0, 0, 0, host.into()).into()
    } else {
        Ipv4Addr::new(203, 0, 113, host).into()
    }
}

/// A 5-tuple. Both addresses are of one family.
pub fn key(source: IpAddr, port: u16, vip: IpAddr, traffic: Traffic) -> FlowKey {
    let (service, protocol) = traffic.port();
    let transport = Transport {
        ports: PortPair::new(port, service),
        protocol,
    };
    let mut keys = FlowKeys::default();
    match (source, vip) {
        (IpAddr::V4(source), IpAddr::V4(vip)) => {
            let mut addresses = [0; 8];
            addresses[..4].copy_from_slice(&source.octets());
            addresses[4..].copy_from_slice(&vip.octets());
            keys.set_v4(0, addresses, transport);
        }
        (IpAddr::V6(source), IpAddr::V6(vip)) => {
            let mut addresses = [0; 32];
            addresses[..16].copy_from_slice(&source.octets());
            addresses[16..].copy_from_slice(&vip.octets());
            keys.set_v6(0, addresses, transport);
        }
        _ => panic!("{source} and {vip} are of different families"),
    }
    keys.key(0, vip.is_ipv6())
}
