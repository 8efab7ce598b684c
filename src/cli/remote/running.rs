//! What is under way and what is counted, as people see it.

use std::io::{self, Write};

use super::table::Table;
use super::tables::lowercase;
use crate::control::api::schema::{
    DropCount, Flows, LinkState, PortStatus, Stats, Transition, ViewName, WorkerStatus,
};

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
    for view in views.iter().filter(|view| view.panics) {
        let (view, pool) = (name(&view.view), &view.pool);
        writeln!(
            out,
            "{view} stays as it is: pool {pool} panics, `tentetsu pool show {pool}` tells why"
        )?;
    }
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
