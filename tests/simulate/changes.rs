//! Random histories of changes, as an operator might make them at the worst of times.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use tentetsu::config::{Millis, UdpFlows};
use tentetsu::control::command::Command;
use tentetsu::control::state::{BackendSpec, Definitions, Mode, PoolSpec, ServiceSpec, State};
use tentetsu::table::Generation;

use super::catalogue::{OFFERS, Offer, Traffic, renamed};
use super::climate::Climate;
use super::random::Random;

/// Backends that a pool may have.
const NAMES: u64 = 9;

/// The state that all begins with.
pub fn first(climate: &Climate) -> Command {
    let pools = [("web", 0), ("blue", 100)].map(|(name, base)| {
        let backends = (1..=3).map(|n| named(base, n));
        (name.to_owned(), pool(climate, name, backends.collect()))
    });
    let services = OFFERS.iter().filter(|offer| !offer.exact);
    let services = services.map(|offer| (offer.name.to_owned(), offer.spec("web")));
    Command::ReplaceAll(Definitions {
        services: services.collect(),
        pools: pools.into(),
    })
}

fn pool(climate: &Climate, name: &str, backends: BTreeMap<String, BackendSpec>) -> PoolSpec {
    let slack = climate.slack_of(name);
    PoolSpec {
        idle_ms: Some(Millis(climate.idle * slack)),
        half_closed_ms: Some(Millis(climate.half_closed * slack)),
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
            let spec = super::changes::pool(climate, &pool, backends);
            Command::PutPool { name: pool, spec }
        }
        80..87 => repoint(random.pick(&OFFERS), state),
        87..89 => retrack(state),
        89..91 => {
            let (name, spec) = moved(base, &old, random.within(0..8) as u8);
            Command::SetBackend { pool, name, spec }
        }
        91..94 => {
            let (name, _) = service(state, random);
            Command::DeleteService { name }
        }
        94..96 => rename(state, random),
        _ => {
            let back = random.within(1..6);
            // Before the first there was nothing.
            let to = generation.0.saturating_sub(back).max(1);
            Command::Rollback { to: Generation(to) }
        }
    }
}

/// Some service that is there.
fn service(state: &State, random: &mut Random) -> (String, ServiceSpec) {
    let count = state.services.len() as u64;
    let mut services = state.services.iter();
    let nth = services.nth(random.within(0..count) as usize);
    nth.map(|(name, service)| (name.clone(), service.spec.clone()))
        .unwrap()
}

/// A service goes to the other pool, or is made.
fn repoint(offer: Offer, state: &State) -> Command {
    let (name, pool) = match offer.found(state) {
        Some((name, spec)) if spec.pool == "web" => (name, "blue"),
        Some((name, _)) => (name, "web"),
        None => (offer.name, "web"),
    };
    Command::PutService {
        name: name.to_owned(),
        spec: offer.spec(pool),
    }
}

/// Another service takes a service's place, at once.
fn rename(state: &State, random: &mut Random) -> Command {
    let services = state.services.iter();
    let services = services.map(|(name, service)| (name.clone(), service.spec.clone()));
    let pools = state.pools.iter();
    let mut definitions = Definitions {
        services: services.collect(),
        pools: pools
            .map(|(name, pool)| (name.clone(), pool.spec.clone()))
            .collect(),
    };
    let (name, spec) = service(state, random);
    definitions.services.remove(&name);
    definitions.services.insert(renamed(&name), spec);
    Command::ReplaceAll(definitions)
}

/// Its clients speak QUIC, whether the service knows or not.
fn retrack(state: &State) -> Command {
    let quic = OFFERS.iter().find(|offer| offer.traffic == Traffic::Quic);
    let quic = *quic.unwrap();
    let Some((name, of)) = quic.found(state) else {
        return repoint(quic, state);
    };
    let flows = match of.flows {
        Some(UdpFlows::Quic) => Some(UdpFlows::Sticky),
        _ => Some(UdpFlows::Quic),
    };
    Command::PutService {
        name: name.to_owned(),
        spec: ServiceSpec {
            flows,
            ..of.clone()
        },
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
