//! What must hold between the file's services, their pools, and the ports.

use std::collections::HashMap;
use std::net::IpAddr;

use super::place::Place;
use super::report::Report;
use super::rules;
use super::{pool, port, service};

/// Reports what is wrong between services, their pools, and the ports.
pub(super) fn check(
    ports: &[port::Draft],
    pools: &[pool::Draft],
    services: &[service::Draft],
    report: &Report,
) {
    check_backends(ports, pools, services, report);
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
    let add = |name: &str| format!("add `[[pool]]` with `name = {name:?}`");
    rules::unknown_pool(&pool.value, &pool.place, &names, add, report);
}

fn check_backends(
    ports: &[port::Draft],
    pools: &[pool::Draft],
    services: &[service::Draft],
    report: &Report,
) {
    let vips = services
        .iter()
        .filter_map(|service| service.address.as_ref());
    let taken = rules::taken(
        vips.map(|vip| (vip.value, &vip.place)),
        own_addresses(ports),
    );
    let backends = pools.iter().flat_map(|pool| &pool.backends);
    let addresses = backends.filter_map(|backend| backend.address.as_ref());
    let addresses = addresses.map(|address| (address.value, &address.place));
    rules::backends(&taken, addresses, report);
}

fn own_addresses(ports: &[port::Draft]) -> impl Iterator<Item = (IpAddr, &Place)> {
    let own = ports.iter().flat_map(|port| &port.addresses);
    own.map(|own| (own.value.addr(), &own.place))
}

fn check_host(service: &service::Draft, ports: &[port::Draft], report: &Report) {
    let Some(vip) = &service.address else { return };
    rules::host((vip.value, &vip.place), own_addresses(ports), report);
}

fn check_families(service: &service::Draft, pool: &pool::Draft, report: &Report) {
    let Some(vip) = &service.address else { return };
    let addresses = pool
        .backends
        .iter()
        .filter_map(|backend| backend.address.as_ref());
    let addresses = addresses.map(|address| (address.value, &address.place));
    rules::families((vip.value, &vip.place), pool.encap, addresses, report);
}
