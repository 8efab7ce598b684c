//! Random histories of changes, as an operator might make them at the worst of times.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use tentetsu::config::{Millis, UdpFlows};
use tentetsu::control::command::Command;
use tentetsu::control::state::{BackendSpec, Definitions, Mode, PoolSpec, ServiceSpec, State};
use tentetsu::table::Generation;

use super::catalogue::{OFFERS, Offer};
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
    let services = OFFERS.iter().filter(|offer| !offer.exact);
    let services = services.map(|offer| (offer.name.to_owned(), offer.spec("web")));
    Command::ReplaceAll(Definitions {
        services: services.collect(),
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
        80..88 => repoint(random.pick(&OFFERS), state),
        88..90 => retrack(state),
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

/// The service goes to the other pool, or is made.
fn repoint(offer: Offer, state: &State) -> Command {
    let (name, spec) = match state.services.get(offer.name) {
        Some(of) if of.spec.pool == "web" => (offer.name, offer.spec("blue")),
        _ => (offer.name, offer.spec("web")),
    };
    let name = name.to_owned();
    Command::PutService { name, spec }
}

/// Its clients speak QUIC, whether the service knows or not.
fn retrack(state: &State) -> Command {
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
