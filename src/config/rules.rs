//! What must hold between sections.

use std::collections::HashMap;
use std::net::IpAddr;

use super::Encap;
use super::report::Report;
use super::section::similar;
use super::{pool, port, service};

/// Reports what is wrong between services, their pools, and the ports.
pub(super) fn check(
    ports: &[port::Draft],
    pools: &[pool::Draft],
    services: &[service::Draft],
    report: &Report,
) {
    let pool_of = pool_indices(pools);
    for service in services {
        check_host(service, ports, report);
        let Some(pool) = &service.pool else { continue };
        match pool_of.get(&pool.value).and_then(|&index| pools.get(index)) {
            Some(pool) => check_families(service, pool, report),
            None => unknown_pool(service, &pool_of, report),
        }
    }
}

/// Pools by name; of two with one name, the first.
pub(super) fn pool_indices(pools: &[pool::Draft]) -> HashMap<String, usize> {
    let named = pools.iter().enumerate().rev();
    named
        .filter_map(|(index, pool)| Some((pool.name.as_ref()?.value.clone(), index)))
        .collect()
}

fn unknown_pool(service: &service::Draft, pool_of: &HashMap<String, usize>, report: &Report) {
    let Some(pool) = &service.pool else { return };
    let mut names: Vec<_> = pool_of.keys().map(String::as_str).collect();
    names.sort_unstable();
    let hint = match similar(&pool.value, &names) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("add `[[pool]]` with `name = {:?}`", pool.value),
    };
    report.fault(
        &pool.place,
        format!("no pool is named {:?}", pool.value),
        hint,
    );
}

/// A service on the host's own address would take the host's own connections.
fn check_host(service: &service::Draft, ports: &[port::Draft], report: &Report) {
    let Some(vip) = &service.address else { return };
    let mut own = ports.iter().flat_map(|port| &port.addresses);
    if let Some(own) = own.find(|own| vip.value.contains(&own.value.addr())) {
        report.fault(
            &vip.place,
            format!(
                "the service takes {}, the port's own address on line {}",
                own.value.addr(),
                report.line(&own.place)
            ),
            "give the service an address of its own",
        );
    }
}

/// A frame whose destination MAC alone changes keeps the VIP's family up to the backend.
fn check_families(service: &service::Draft, pool: &pool::Draft, report: &Report) {
    let (Encap::L2Dsr, Some(vip)) = (pool.encap, &service.address) else {
        return;
    };
    let is_other = |address: &IpAddr| address.is_ipv4() != vip.value.addr().is_ipv4();
    let mut addresses = pool
        .backends
        .iter()
        .filter_map(|backend| backend.address.as_ref());
    if let Some(other) = addresses.find(|address| is_other(&address.value)) {
        report.fault(
            &vip.place,
            format!(
                "the pool is l2dsr, and its backend {} on line {} is of another address family than {}",
                other.value,
                report.line(&other.place),
                vip.value.addr()
            ),
            "use a pool with `encap = \"ipip\"`, or one whose backends are all of the service's family",
        );
    }
}
