//! What the API's answers look like to people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::table::{Table, list};
use crate::config::Millis;
use crate::control::api::schema::{
    BackendState, DropCount, Flows, LinkState, PoolState, PortStatus, ServiceState, Stats,
    Transition, ViewName, WorkerStatus,
};
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
    let lines = [
        ("service", name.to_owned()),
        ("address", address(service)),
        ("protocol", service.protocol.to_string()),
        ("ports", ports_of(service)),
        ("pool", service.pool.clone()),
        ("owner", lowercase(&service.owner)),
    ];
    list(out, lines.map(|(name, value)| (name, Some(value))))
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
pub fn pools(pools: &BTreeMap<String, PoolState>) -> Table<6> {
    let rows = pools.iter().map(|(name, pool)| {
        let up = pool.backends.values().filter(|of| of.mode == Mode::Up);
        [
            name.clone(),
            lowercase(&pool.encap),
            span(pool.idle_ms),
            pool.backends.len().to_string(),
            up.count().to_string(),
            lowercase(&pool.owner),
        ]
    });
    Table::new(["POOL", "ENCAP", "IDLE", "BACKENDS", "UP", "OWNER"], rows)
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
        ("panic", Some(format!("{} %", pool.panic_percent))),
        ("owner", Some(lowercase(&pool.owner))),
    ];
    list(out, lines)?;
    backends(&pool.backends).print(out)
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

/// Views, and below them how many flows of each backend are listed.
///
/// # Errors
/// When they can't be written.
pub fn transitions(views: Vec<Transition>, out: &mut dyn Write) -> io::Result<()> {
    let rows = views.iter().map(|view| {
        let clean = view.oldest_clean_ms.map_or("-".to_owned(), |clean| {
            format!("{} of {}", seconds(clean), seconds(view.idle_ms))
        });
        let counts = [
            view.slots,
            view.moving,
            view.consulted,
            view.armed,
            view.waiting,
        ];
        let [slots, moving, consulted, armed, waiting] = counts.map(|count| count.to_string());
        let (flips, entries) = (view.flips.to_string(), view.entries.to_string());
        [
            name(&view.view),
            slots,
            moving,
            consulted,
            armed,
            waiting,
            flips,
            entries,
            clean,
        ]
    });
    let heads = [
        "VIEW",
        "SLOTS",
        "MOVING",
        "CONSULTED",
        "ARMED",
        "WAITING",
        "FLIPS",
        "LISTED FLOWS",
        "CLEAN FOR",
    ];
    Table::new(heads, rows).print(out)?;
    let listed: Vec<_> = views.iter().flat_map(listed).collect();
    if listed.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    Table::new(["VIEW", "BACKEND", "LISTED FLOWS"], listed).print(out)
}

/// The backends of a view that moves.
fn listed(view: &Transition) -> impl Iterator<Item = [String; 3]> {
    let backends = view.backends.iter().filter(|_| view.consulted > 0);
    backends.map(|of| {
        [
            name(&view.view),
            of.name.clone(),
            of.listed_flows.to_string(),
        ]
    })
}

fn name(view: &ViewName) -> String {
    match view {
        ViewName::Pool(name) => format!("pool {name}"),
        ViewName::Service(name) => format!("service {name}"),
    }
}

fn seconds(millis: u64) -> String {
    format!("{}s", millis / 1_000)
}

/// Listed flows.
///
/// # Errors
/// When they can't be written.
pub fn flows(flows: Flows, out: &mut dyn Write) -> io::Result<()> {
    let rows = flows.flows.iter().map(|flow| {
        [
            flow.protocol.to_string(),
            flow.client.to_string(),
            flow.vip.to_string(),
            flow.pool.clone(),
            flow.backend.clone(),
            lowercase(&flow.origin),
            lowercase(&flow.closed),
            seconds(flow.idle_ms),
            flow.slot.to_string(),
        ]
    });
    let heads = [
        "PROTOCOL",
        "CLIENT",
        "VIP",
        "POOL",
        "BACKEND",
        "LISTED AS",
        "CLOSED",
        "SILENT FOR",
        "SLOT",
    ];
    Table::new(heads, rows).print(out)?;
    if flows.truncated {
        writeln!(
            out,
            "{} of {}: --limit shows more",
            flows.flows.len(),
            flows.total
        )?;
    }
    Ok(())
}

/// Dropped packets.
///
/// # Errors
/// When they can't be written.
pub fn drops(drops: Vec<DropCount>, out: &mut dyn Write) -> io::Result<()> {
    let rows = drops
        .into_iter()
        .map(|of| [of.port, of.reason, of.count.to_string(), of.explanation]);
    Table::new(["PORT", "REASON", "PACKETS", "WHAT IT MEANS"], rows).print(out)
}

/// Ports.
///
/// # Errors
/// When they can't be written.
pub fn ports(ports: Vec<PortStatus>, out: &mut dyn Write) -> io::Result<()> {
    let rows = ports.into_iter().map(|port| {
        let lost =
            port.device_missed + port.device_no_buffer + port.device_errors + port.device_unsent;
        let counts = [
            port.rx,
            port.forwarded,
            port.answered,
            port.punted,
            port.dropped,
            port.tx,
            lost,
        ];
        let [rx, forwarded, answered, punted, dropped, tx, lost] =
            counts.map(|count| count.to_string());
        let link = link(port.link);
        [
            port.name,
            port.driver,
            link,
            rx,
            forwarded,
            answered,
            punted,
            dropped,
            tx,
            lost,
        ]
    });
    let heads = [
        "PORT",
        "DRIVER",
        "LINK",
        "RX",
        "FORWARDED",
        "ANSWERED",
        "PUNTED",
        "DROPPED",
        "TX",
        "LOST BY DEVICE",
    ];
    Table::new(heads, rows).print(out)
}

fn link(link: LinkState) -> String {
    match (link.up, link.mbit_per_s) {
        (false, _) => "down".to_owned(),
        (true, 0) => "up".to_owned(),
        (true, speed) => format!("up, {speed} Mbit/s"),
    }
}

/// Workers.
///
/// # Errors
/// When they can't be written.
pub fn workers(workers: Vec<WorkerStatus>, out: &mut dyn Write) -> io::Result<()> {
    let rows = workers.into_iter().map(|worker| {
        let latency = worker.latency_us;
        let numbers = [
            worker.index.into(),
            worker.core.into(),
            worker.turns,
            worker.rx,
            latency.p50,
            latency.p99,
            latency.max,
        ];
        numbers.map(|number: u64| number.to_string())
    });
    let heads = [
        "WORKER",
        "CORE",
        "TURNS",
        "RX",
        "BATCH P50 µs",
        "P99 µs",
        "MAX µs",
    ];
    Table::new(heads, rows).print(out)
}

/// Traffic by service, and by backend.
///
/// # Errors
/// When it can't be written.
pub fn stats(stats: &Stats, out: &mut dyn Write) -> io::Result<()> {
    let services = stats.services.iter();
    let rows = services.map(|of| {
        [
            of.name.clone(),
            of.packets.to_string(),
            of.bytes.to_string(),
        ]
    });
    Table::new(["SERVICE", "PACKETS", "BYTES"], rows).print(out)?;
    writeln!(out)?;
    let backends = stats.backends.iter();
    let rows = backends.map(|of| {
        let (packets, bytes) = (of.packets.to_string(), of.bytes.to_string());
        [of.pool.clone(), of.name.clone(), packets, bytes]
    });
    Table::new(["POOL", "BACKEND", "PACKETS", "BYTES"], rows).print(out)
}
