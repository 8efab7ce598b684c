//! Compiles a configuration, and what is known of the ways to its backends, into tables.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::Reach;
use crate::config::{Config, Encap, Port, Protocol};
use crate::packet::DropReason;
use crate::table::maglev::{self, Claim};
use crate::table::{
    Adjacency, Backend, FlowHasher, Generation, HashKey, Pool, Rewrite, Rule, Service,
    ServiceIndex, Snapshot, Tables, Way,
};
use crate::wire::{OuterIpv4, OuterIpv6, SCTP, TCP, UDP};

/// Builds services, pools and Maglev tables.
#[must_use]
pub fn compile_tables(config: &Config, key: HashKey) -> Tables {
    let mut tables = Tables {
        hasher: FlowHasher::new(key),
        index: ServiceIndex::new(&service_rules(config)),
        services: Vec::with_capacity(config.services.len()),
        pools: Vec::with_capacity(config.pools.len()),
        backends: Vec::new(),
    };
    for service in &config.services {
        tables.services.push(Service {
            name: service.name.as_str().into(),
            pool: id(service.pool),
        });
    }
    for pool in &config.pools {
        let claims: Vec<Claim<'_>> = pool
            .backends
            .iter()
            .map(|b| Claim {
                name: &b.name,
                weight: b.weight,
            })
            .collect();
        let backend = |b: &crate::config::Backend| Backend {
            name: b.name.as_str().into(),
            address: b.address,
            weight: b.weight,
            pool: id(tables.pools.len()),
        };
        let backends: Vec<Backend> = pool.backends.iter().map(backend).collect();
        tables.pools.push(Pool {
            name: pool.name.as_str().into(),
            first_backend: id(tables.backends.len()),
            slots: maglev::build(&claims, config.maglev.slots).into(),
        });
        tables.backends.extend(backends);
    }
    tables
}

/// Adds the ways to the backends: outer headers and next hops.
#[must_use]
pub fn compile_snapshot(
    generation: Generation,
    config: &Config,
    tables: &Arc<Tables>,
    reach: impl Fn(IpAddr) -> Reach,
) -> Snapshot {
    let mut adjacencies = Adjacencies::default();
    let rewrites = tables
        .backends
        .iter()
        .map(|backend| {
            let encap = config
                .pools
                .get(backend.pool as usize)
                .map_or(Encap::Ipip, |pool| pool.encap);
            match reach(backend.address) {
                Reach::NoRoute => Rewrite::unreachable(DropReason::NoRoute),
                Reach::Via { adjacency, source } => {
                    let port = config.ports.get(usize::from(adjacency.port));
                    let way = way(encap, backend.address, port, source);
                    Rewrite {
                        way,
                        adjacency: adjacencies.index(adjacency),
                        l2_room: adjacency.room(),
                    }
                }
            }
        })
        .collect();
    Snapshot {
        generation,
        tables: Arc::clone(tables),
        rewrites,
        adjacencies: adjacencies.list,
    }
}

/// What each service listens on.
#[must_use]
pub fn service_rules(config: &Config) -> Vec<Rule> {
    let rule = |(index, service): (usize, &crate::config::Service)| Rule {
        prefix: service.address,
        protocol: match service.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
            Protocol::Sctp => SCTP,
        },
        ports: service.ports.clone(),
        service: id(index),
    };
    config.services.iter().enumerate().map(rule).collect()
}

fn way(encap: Encap, backend: IpAddr, port: Option<&Port>, kernel: Option<IpAddr>) -> Way {
    if encap == Encap::L2Dsr {
        return Way::L2Dsr;
    }
    match (backend, outer_source(port, kernel, backend)) {
        (IpAddr::V4(to), Some(IpNet::V4(from))) => {
            Way::Ipip4(OuterIpv4::new(from.addr(), from.prefix_len(), to))
        }
        (IpAddr::V6(to), Some(IpNet::V6(from))) => {
            Way::Ipip6(OuterIpv6::new(from.addr(), from.prefix_len(), to))
        }
        _ => Way::Unreachable(DropReason::NoSource),
    }
}

/// The prefix that the outer source is drawn from: the configured one, else the port's own address, else
/// what the kernel would use.
fn outer_source(port: Option<&Port>, kernel: Option<IpAddr>, backend: IpAddr) -> Option<IpNet> {
    let same_family = |net: &&IpNet| net.addr().is_ipv4() == backend.is_ipv4();
    let configured = port
        .and_then(|port| port.encap_source.iter().find(same_family))
        .copied();
    let own = || {
        port.and_then(|port| port.addresses.iter().find(same_family))
            .map(|net| IpNet::from(net.addr()))
    };
    let usable = |source: &IpAddr| source.is_ipv4() == backend.is_ipv4() && !is_unspecified(source);
    configured
        .or_else(own)
        .or_else(|| kernel.filter(usable).map(IpNet::from))
}

fn is_unspecified(address: &IpAddr) -> bool {
    *address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) || *address == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
}

/// Distinct next hops: many backends share a gateway.
#[derive(Default)]
struct Adjacencies {
    list: Vec<Adjacency>,
    known: HashMap<Adjacency, u32>,
}

impl Adjacencies {
    fn index(&mut self, adjacency: Adjacency) -> u32 {
        *self.known.entry(adjacency).or_insert_with(|| {
            self.list.push(adjacency);
            id(self.list.len() - 1)
        })
    }
}

/// Indices that the configuration's limits keep far below 2^32.
fn id(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
