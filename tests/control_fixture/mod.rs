//! A small world for tests of the control side: few names and addresses, so that random commands meet each other.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod model;
pub mod random;
pub mod world;

use std::net::IpAddr;

use tentetsu::config::{Encap, Millis, Protocol};
use tentetsu::control::command::Command;
use tentetsu::control::ledger::{Ledger, Request};
use tentetsu::control::state::{BackendSpec, Definitions, PoolSpec, ServiceSpec, Site};
use tentetsu::control::store::{FileStore, MemoryStore, WallTime};

/// The port's own address.
pub const OWN: &str = "192.0.2.9";

/// A moment, in seconds.
pub const fn at(seconds: u64) -> WallTime {
    WallTime(1_700_000_000_000 + seconds * 1_000)
}

/// A ledger in memory.
pub fn memory() -> Ledger {
    Ledger::open(Box::new(MemoryStore::default())).unwrap()
}

/// A ledger over a file.
pub fn over(path: &std::path::Path) -> Ledger {
    Ledger::open(Box::new(FileStore::open(path).unwrap())).unwrap()
}

/// A request of nobody in particular.
pub fn request(command: Command) -> Request {
    Request {
        command,
        preconditions: Vec::new(),
        author: "test".to_owned(),
        confirm_within: None,
    }
}

/// The same, that waits for its confirmation.
pub fn tentative(command: Command, within: Millis) -> Request {
    let confirm_within = Some(within);
    Request {
        confirm_within,
        ..request(command)
    }
}

/// A backend.
pub fn backend(address: &str, weight: u32) -> BackendSpec {
    let address: IpAddr = address.parse().unwrap();
    BackendSpec { address, weight }
}

/// A pool of backends of weight 100.
pub fn pool(backends: &[(&str, &str)]) -> PoolSpec {
    let backends = backends.iter();
    let backends = backends.map(|(name, address)| ((*name).to_owned(), backend(address, 100)));
    PoolSpec {
        backends: backends.collect(),
        ..PoolSpec::default()
    }
}

/// A TCP service on port 80.
pub fn service(address: &str, pool: &str) -> ServiceSpec {
    let address: IpAddr = address.parse().unwrap();
    ServiceSpec {
        address: address.into(),
        protocol: Protocol::Tcp,
        ports: vec![80..=80],
        flows: None,
        pool: pool.to_owned(),
    }
}

/// A definition of each kind.
pub fn definitions<const S: usize, const P: usize>(
    services: [(&str, ServiceSpec); S],
    pools: [(&str, PoolSpec); P],
) -> Definitions {
    Definitions {
        services: services.map(|(name, spec)| (name.to_owned(), spec)).into(),
        pools: pools.map(|(name, spec)| (name.to_owned(), spec)).into(),
    }
}

/// What the file says of the appliance.
pub fn site() -> Site {
    Site {
        slots: 3,
        own: vec![OWN.parse().unwrap()],
        hash_key: None,
    }
}

/// An l2dsr pool.
pub fn on_link(pool: PoolSpec) -> PoolSpec {
    PoolSpec {
        encap: Encap::L2Dsr,
        ..pool
    }
}
