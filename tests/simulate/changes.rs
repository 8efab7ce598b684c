//! Random histories of changes, as an operator might make them at the worst of times.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use tentetsu::config::{Millis, Protocol, UdpFlows};
use tentetsu::control::command::Command;
use tentetsu::control::state::{BackendSpec, Definitions, Mode, PoolSpec, ServiceSpec, State};
use tentetsu::table::Generation;

use super::client::Traffic;
use super::climate::Climate;
use super::random::Random;

/// Backends that a pool may have.
const NAMES: u64 = 9;

/// The state that all begins with.
pub fn first(climate: &Climate) -> Command {
    let pools = [("web", 0), ("blue", 100)].map(|(name, base)| {
        let backends = (1..=3).map(|n| named(base, n));
        (name.to_owned(), pool(climate, backends.collect()))
    });
    let services = [
        ("wide", Traffic::Tcp),
        ("datagrams", Traffic::Sticky),
        ("queries", Traffic::Stateless),
        ("quic", Traffic::Quic),
    ];
    let services = services.map(|(name, traffic)| (name.to_owned(), service(24, traffic, "web")));
    Command::ReplaceAll(Definitions {
        services: services.into(),
        pools: pools.into(),
    })
}

fn pool(climate: &Climate, backends: BTreeMap<String, BackendSpec>) -> PoolSpec {
    PoolSpec {
        idle_ms: Some(Millis(climate.idle)),
        half_closed_ms: Some(Millis(climate.half_closed)),
        reset_ms: Millis(climate.reset),
        slow_start_ms: Millis(climate.slow_start),
        backends,
        ..PoolSpec::default()
    }
}

fn named(base: u8, n: u8) -> (String, BackendSpec) {
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, base + n));
    (
        format!("b{n}"),
        BackendSpec {
            address,
            weight: 100,
        },
    )
}

/// A backend at another address, which is no other's.
fn moved(base: u8, name: &str, place: u8) -> (String, BackendSpec) {
    let n: u8 = name.trim_start_matches('b').parse().unwrap();
    let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, base + 20 + n * 8 + place));
    let spec = BackendSpec {
        address,
        weight: 100,
    };
    (name.to_owned(), spec)
}

fn service(length: u8, traffic: Traffic, pool: &str) -> ServiceSpec {
    let address = Ipv4Addr::new(203, 0, 113, if length == 24 { 0 } else { 7 });
    ServiceSpec {
        address: IpNet::new(address.into(), length).unwrap(),
        protocol: match traffic {
            Traffic::Tcp => Protocol::Tcp,
            _ => Protocol::Udp,
        },
        ports: vec![traffic.port().0..=traffic.port().0],
        flows: match traffic {
            Traffic::Tcp | Traffic::Sticky => None,
            Traffic::Stateless => Some(UdpFlows::Stateless),
            Traffic::Quic => Some(UdpFlows::Quic),
        },
        pool: pool.to_owned(),
    }
}

/// A change of what is there. Not all of them are possible.
pub fn random(
    climate: &Climate,
    state: &State,
    generation: Generation,
    random: &mut Random,
) -> Command {
    let (pool, base) = random.pick(&[("web", 0_u8), ("web", 0), ("blue", 100)]);
    let (name, spec) = named(base, random.within(1..NAMES) as u8);
    let pool = pool.to_owned();
    let there: Vec<String> = state.pools[&pool].spec.backends.keys().cloned().collect();
    let old = match there.len() {
        0 => name.clone(),
        count => there[random.within(0..count as u64) as usize].clone(),
    };
    match random.within(0..100) {
        0..18 => Command::AddBackend { pool, name, spec },
        18..30 => {
            let weight = random.pick(&[1, 20, 50, 100, 300]);
            Command::SetWeight {
                pool,
                name: old,
                weight,
            }
        }
        30..42 => Command::Drain { pool, name: old },
        42..54 => Command::Undrain { pool, name: old },
        54..60 => Command::Maintain { pool, name: old },
        60..66 => Command::Remove {
            pool,
            name: old,
            now: true,
        },
        66..70 => Command::Remove {
            pool,
            name: old,
            now: false,
        },
        70..78 => {
            let mut spec = state.pools[&pool].spec.clone();
            if spec.backends.len() > 1 {
                spec.backends.remove(&old);
            }
            Command::PutPool { name: pool, spec }
        }
        78..80 => {
            let from = random.within(1..NAMES - 3) as u8;
            let backends = (from..from + 3).map(|n| named(base, n)).collect();
            Command::PutPool {
                name: pool,
                spec: super::changes::pool(climate, backends),
            }
        }
        80..88 => {
            let (service, traffic) = random.pick(&[
                ("wide", Traffic::Tcp),
                ("exact", Traffic::Tcp),
                ("datagrams", Traffic::Sticky),
                ("queries", Traffic::Stateless),
                ("quic", Traffic::Quic),
            ]);
            let of = state.services.get(service);
            let length = if service == "exact" { 32 } else { 24 };
            let pool = match of {
                Some(of) if of.spec.pool == "web" => "blue",
                _ => "web",
            };
            let spec = super::changes::service(length, traffic, pool);
            Command::PutService {
                name: service.to_owned(),
                spec,
            }
        }
        88..90 => {
            // Its clients speak QUIC, whether the service knows or not.
            let of = state.services["quic"].spec.clone();
            let flows = match of.flows {
                Some(UdpFlows::Quic) => Some(UdpFlows::Sticky),
                _ => Some(UdpFlows::Quic),
            };
            Command::PutService {
                name: "quic".to_owned(),
                spec: ServiceSpec { flows, ..of },
            }
        }
        90..92 => {
            let (name, spec) = moved(base, &old, random.within(0..8) as u8);
            Command::SetBackend { pool, name, spec }
        }
        _ => {
            let back = random.within(1..6);
            Command::Rollback {
                to: Generation(generation.0.saturating_sub(back)),
            }
        }
    }
}

/// What ends all drains and the like, so that what stands at the end is known.
pub fn heal(state: &State) -> Vec<Command> {
    let mut commands = Vec::new();
    for (pool, of) in &state.pools {
        for (name, _) in of.modes.iter().filter(|(_, mode)| **mode != Mode::Drain) {
            let (pool, name) = (pool.clone(), name.clone());
            commands.push(Command::Undrain { pool, name });
        }
    }
    commands
}
