//! Traffic that a change leaves without a service, or a service without a backend.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::schema::Unserved;
use crate::control::extent::Extent;
use crate::control::state::{Service, ServiceSpec, State};

/// The services of `before` whose addresses and ports are not all served by `after`, whichever service does it, and those
/// whose new flows find a backend no more.
pub(super) async fn unserved(before: &State, after: &State) -> Vec<Unserved> {
    let (were_dry, are_dry) = (dry(before), dry(after));
    let mut unserved = Vec::new();
    for (name, service) in &before.services {
        let now = after.services.get(name);
        let pool = now.map(|now| &now.spec.pool);
        let pool = pool.filter(|pool| are_dry.contains(pool));
        if let Some(pool) = pool.filter(|_| !were_dry.contains(&service.spec.pool)) {
            unserved.push(Unserved {
                service: name.clone(),
                whole: true,
                pool: Some(pool.clone()),
            });
            continue;
        }
        if now.is_some_and(|now| now.spec == service.spec) {
            continue;
        }
        let left = left(&service.spec, after);
        if left != Left::All {
            unserved.push(Unserved {
                service: name.clone(),
                whole: left == Left::Nothing,
                pool: None,
            });
        }
        tokio::task::yield_now().await;
    }
    unserved
}

/// The pools of which no backend takes new flows.
fn dry(state: &State) -> BTreeSet<&String> {
    let pools = state.pools.iter();
    let dry = pools.filter(|(_, pool)| !pool.takes_flows());
    dry.map(|(name, _)| name).collect()
}

/// The most specific service that has all that is another's.
pub(super) fn covering<'s>(state: &'s State, spec: &ServiceSpec) -> Option<&'s Service> {
    let services = state.services.values().map(AsRef::as_ref);
    Extent::from(spec).covering(services, |of: &&Service| Extent::from(&of.spec))
}

/// How much of a service's traffic is served.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    All,
    Some,
    Nothing,
}

/// How much of what is `spec`'s is served by `state`.
fn left(spec: &ServiceSpec, state: &State) -> Left {
    let services = state.services.values().map(|service| &service.spec);
    let others: Vec<&ServiceSpec> = services
        .filter(|other| other.protocol == spec.protocol && overlap(other.address, spec.address))
        .collect();
    let pieces = pieces(spec, &others);
    let each: Vec<Left> = pieces
        .into_iter()
        .map(|ports| left_of(spec.address, &ports, &others))
        .collect();
    let all = |wanted: Left| each.iter().all(|left| *left == wanted);
    match (all(Left::All), all(Left::Nothing)) {
        (true, _) => Left::All,
        (_, true) => Left::Nothing,
        _ => Left::Some,
    }
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// The service's ports in pieces, each of which another service has as a whole or not at all.
fn pieces(spec: &ServiceSpec, others: &[&ServiceSpec]) -> Vec<RangeInclusive<u16>> {
    let edges = others.iter().flat_map(|other| &other.ports);
    let edges = edges.flat_map(|ports| [Some(*ports.start()), ports.end().checked_add(1)]);
    let mut edges: Vec<u16> = edges.flatten().collect();
    edges.sort_unstable();
    edges.dedup();
    let mut pieces = Vec::new();
    for ports in &spec.ports {
        let mut first = *ports.start();
        for &edge in edges.iter().filter(|edge| ports.contains(edge)) {
            if edge > first {
                pieces.push(first..=edge - 1);
                first = edge;
            }
        }
        pieces.push(first..=*ports.end());
    }
    pieces
}

/// How much of an address is served on these ports.
fn left_of(address: IpNet, ports: &RangeInclusive<u16>, others: &[&ServiceSpec]) -> Left {
    let has = |other: &ServiceSpec| other.ports.iter().any(|of| of.contains(ports.start()));
    let serving = others.iter().filter(|other| has(other));
    let serving: Vec<IpNet> = serving.map(|other| other.address).collect();
    let joined = IpNet::aggregate(&serving);
    if joined.iter().any(|net| net.contains(&address)) {
        Left::All
    } else if joined.is_empty() {
        Left::Nothing
    } else {
        Left::Some
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Protocol;
    use crate::control::command::{Command, apply};
    use crate::control::state::{Definitions, PoolSpec};

    /// A state of these services; all on one pool.
    fn state(services: &[(&str, &str, RangeInclusive<u16>)]) -> State {
        let service = |(name, address, ports): &(&str, &str, RangeInclusive<u16>)| {
            let spec = ServiceSpec {
                address: address.parse().unwrap(),
                protocol: Protocol::Tcp,
                ports: vec![ports.clone()],
                flows: None,
                pool: "p".to_owned(),
            };
            ((*name).to_owned(), spec)
        };
        let all = Definitions {
            services: services.iter().map(service).collect(),
            pools: [("p".to_owned(), PoolSpec::default())].into(),
        };
        apply(&State::default(), &Command::ReplaceAll(all), None).unwrap()
    }

    /// Whether service `s` is served as a whole, and if not whether at all.
    fn told(services: &[(&str, &str, RangeInclusive<u16>)]) -> Option<bool> {
        let before = state(&[("s", "203.0.113.0/28", 80..=89)]);
        let after = state(services);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let told = runtime.block_on(unserved(&before, &after));
        assert!(told.iter().all(|of| of.service == "s") && told.len() < 2);
        told.first().map(|of| of.whole)
    }

    #[test]
    fn what_no_service_has_any_more_is_told() {
        assert_eq!(told(&[]), Some(true));
        assert_eq!(told(&[("t", "203.0.113.16/28", 80..=89)]), Some(true));
        assert_eq!(told(&[("s", "203.0.113.0/28", 90..=99)]), Some(true));
        assert_eq!(told(&[("s", "203.0.113.0/28", 80..=88)]), Some(false));
        assert_eq!(told(&[("s", "203.0.113.0/29", 80..=89)]), Some(false));
        assert_eq!(told(&[("t", "203.0.113.5/32", 83..=83)]), Some(false));
    }

    #[test]
    fn what_others_take_over_is_served() {
        assert_eq!(told(&[("s", "203.0.113.0/28", 80..=89)]), None);
        assert_eq!(told(&[("t", "203.0.113.0/24", 1..=1_000)]), None);
        let halves = [
            ("t", "203.0.113.0/29", 80..=89),
            ("u", "203.0.113.8/29", 80..=84),
            ("v", "203.0.113.8/29", 85..=65_535),
        ];
        assert_eq!(told(&halves), None);
        assert_eq!(told(&halves[..2]), Some(false));
    }
}
