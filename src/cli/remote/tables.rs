//! What is wanted, as people see it: services, pools and backends.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::table::{Table, list};
use crate::config::{Millis, Protocol};
use crate::control::api::schema::{BackendState, PoolState, ServiceState};
use crate::control::state::Mode;

/// A word of the API's, such as a stage or an owner.
pub fn lowercase(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

/// Services by name.
pub fn services(services: &BTreeMap<String, ServiceState>) -> Table<6> {
    let rows = services.iter().map(|(name, service)| {
        [
            name.clone(),
            address(service),
            service.protocol.to_string(),
            ports_of(service),
            service.pool.clone(),
            lowercase(&service.owner),
        ]
    });
    let heads = ["SERVICE", "ADDRESS", "PROTOCOL", "PORTS", "POOL", "OWNER"];
    Table::new(heads, rows)
}

/// One service.
///
/// # Errors
/// When it can't be written.
pub fn service(name: &str, service: &ServiceState, out: &mut dyn Write) -> io::Result<()> {
    let udp = service.protocol == Protocol::Udp;
    let lines = [
        ("service", Some(name.to_owned())),
        ("address", Some(address(service))),
        ("protocol", Some(service.protocol.to_string())),
        ("ports", Some(ports_of(service))),
        (
            "flows",
            udp.then(|| lowercase(&service.flows.unwrap_or_default())),
        ),
        ("pool", Some(service.pool.clone())),
        ("owner", Some(lowercase(&service.owner))),
    ];
    list(out, lines)
}

fn address(service: &ServiceState) -> String {
    let net = service.address;
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

fn ports_of(service: &ServiceState) -> String {
    let ports = service
        .ports
        .iter()
        .map(|ports| match (ports.start(), ports.end()) {
            (0, &u16::MAX) => "any".to_owned(),
            (low, high) if low == high => low.to_string(),
            (low, high) => format!("{low}-{high}"),
        });
    ports.collect::<Vec<_>>().join(",")
}

/// Pools by name.
pub fn pools(pools: &BTreeMap<String, PoolState>) -> Table<7> {
    let rows = pools.iter().map(|(name, pool)| {
        let up = pool.backends.values().filter(|of| of.mode == Mode::Up);
        [
            name.clone(),
            lowercase(&pool.encap),
            span(pool.idle_ms),
            pool.backends.len().to_string(),
            up.count().to_string(),
            if pool.panics { "yes" } else { "no" }.to_owned(),
            lowercase(&pool.owner),
        ]
    });
    let heads = ["POOL", "ENCAP", "IDLE", "BACKENDS", "UP", "PANICS", "OWNER"];
    Table::new(heads, rows)
}

fn span(span: Option<Millis>) -> String {
    span.map_or("by protocol".to_owned(), |span| span.to_string())
}

/// One pool with its backends.
///
/// # Errors
/// When it can't be written.
pub fn pool(name: &str, pool: &PoolState, out: &mut dyn Write) -> io::Result<()> {
    let half_closed = pool.half_closed_ms.map(|span| span.to_string());
    let lines = [
        ("pool", Some(name.to_owned())),
        ("encap", Some(lowercase(&pool.encap))),
        ("idle", Some(span(pool.idle_ms))),
        (
            "half closed",
            Some(half_closed.unwrap_or("as idle".to_owned())),
        ),
        ("reset", Some(pool.reset_ms.to_string())),
        ("slow start", Some(pool.slow_start_ms.to_string())),
        ("panic", Some(panic(pool))),
        ("owner", Some(lowercase(&pool.owner))),
    ];
    list(out, lines)?;
    backends(&pool.backends).print(out)
}

/// From where on a pool panics, and whether it does.
fn panic(pool: &PoolState) -> String {
    let percent = pool.panic_percent;
    if pool.panics {
        format!("{percent} %; more of the weight is in maintenance: its table stays as it is")
    } else {
        format!("{percent} %")
    }
}

/// Backends by name.
pub fn backends(backends: &BTreeMap<String, BackendState>) -> Table<4> {
    let rows = backends.iter().map(|(name, backend)| {
        [
            name.clone(),
            backend.address.to_string(),
            backend.weight.to_string(),
            lowercase(&backend.mode),
        ]
    });
    Table::new(["BACKEND", "ADDRESS", "WEIGHT", "MODE"], rows)
}

/// One backend.
///
/// # Errors
/// When it can't be written.
pub fn backend(name: &str, backend: &BackendState, out: &mut dyn Write) -> io::Result<()> {
    let lines = [
        ("backend", name.to_owned()),
        ("address", backend.address.to_string()),
        ("weight", backend.weight.to_string()),
        ("mode", lowercase(&backend.mode)),
    ];
    list(out, lines.map(|(name, value)| (name, Some(value))))
}
