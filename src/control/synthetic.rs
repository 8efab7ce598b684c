//! Next hops where there is no kernel to ask: `replay` and `explain` run anywhere, and must give the same
//! bytes everywhere.

use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::config::{Backend, Config};
use crate::table::{Adjacency, Generation, HashKey, Snapshot};
use crate::wire::{MacAddr, TagStack};

use super::nexthop::{NextHop, NextHops};
use super::{Plan, Reach, compile_snapshot, compile_tables};

/// The configuration's tables with made-up next hops.
#[must_use]
pub fn synthetic_snapshot(config: &Config, key: HashKey) -> Snapshot {
    let plan = Plan::of_config(config, key);
    let tables = Arc::new(compile_tables(&plan));
    let reach = |address| synthetic_reach(config, address);
    compile_snapshot(Generation::default(), &config.ports, &tables, reach)
}

/// Reaches every address: by the first port whose own network holds it, else by the first port; with
/// locally administered MAC addresses made of the port's index (`02:00:00:00:00:PP`) and of the last four
/// bytes of the backend's address (`02:01:…`).
#[must_use]
pub fn synthetic_reach(config: &Config, address: IpAddr) -> Reach {
    let on_link = config
        .ports
        .iter()
        .position(|port| port.addresses.iter().any(|net| net.contains(&address)));
    let index = on_link.unwrap_or(0);
    let Some(port) = config.ports.get(index) else {
        return Reach::NoRoute;
    };
    let number = u8::try_from(index).unwrap_or(u8::MAX);
    let (source, destination) = (MacAddr([2, 0, 0, 0, 0, number]), backend_mac(address));
    let adjacency = Adjacency::resolved(number, port.mtu, source, destination, &TagStack::new());
    // From the documentation's blocks (RFC 5737, RFC 3849), where the port has no address.
    let source = match address {
        IpAddr::V4(_) => IpAddr::from([192, 0, 2, 1]),
        IpAddr::V6(_) => IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
    };
    Reach::Via {
        adjacency,
        source: Some(source),
    }
}

/// The same as of the kernel: every backend on link at the first port.
#[must_use]
pub fn synthetic_next_hops(config: &Config) -> NextHops {
    let mtu = config.ports.first().map_or(0, |port| port.mtu);
    let hop = |backend: &Backend| {
        let hop = NextHop::Resolved {
            port: 0,
            tags: ArrayVec::new(),
            source_mac: [2, 0, 0, 0, 0, 0],
            destination_mac: backend_mac(backend.address).0,
            gateway: None,
            prefsrc: None,
            mtu,
        };
        (backend.address, Arc::new(hop))
    };
    let backends = config.pools.iter().flat_map(|pool| &pool.backends);
    NextHops {
        ports: Vec::new(),
        by_address: backends.map(hop).collect(),
    }
}

fn backend_mac(address: IpAddr) -> MacAddr {
    let [.., a, b, c, d] = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    MacAddr([2, 1, a, b, c, d])
}
