//! What the appliance says of itself: at start, on changes, and its totals at the end.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::events::House;
use super::ports::Ports;
use super::publisher::TablePublisher;
use crate::config::{Config, Device, Exception, Idle, Port};
use crate::control::nexthop::{NextHop, NextHops, Watcher};
use crate::flow::Recovered;
use crate::port::dpdk::{Eal, Stats, host_warnings};
use crate::worker::{PortTotals, StageTotals, TrafficTotals};

/// Prints a line. A full disk or a reader that is gone behind standard output must not stop the packets.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Says what the appliance runs on.
pub fn started(config: &Config, ports: &Ports, eal: &Eal, cores: &[usize], idle: Idle) {
    let memory = if eal.uses_huge_pages() {
        "huge pages"
    } else {
        "ordinary pages"
    };
    say(format_args!(
        "tentetsu {}: node {}",
        env!("CARGO_PKG_VERSION"),
        config.node.name
    ));
    for (port, open) in config.ports.iter().zip(ports.iter()) {
        let device = match &port.device {
            Device::Pci(address) => address,
            Device::Vdev { spec, .. } => spec,
        };
        let mac = crate::wire::MacAddr(open.device.mac());
        let host = match &port.exception {
            Exception::Kernel => "the kernel's own interface".to_owned(),
            Exception::Tap(name) => format!("TAP {name}"),
            Exception::Off => "none".to_owned(),
        };
        say(format_args!(
            "  port {}: {device}, driver {}, MAC {mac}, {} queue pair(s), MTU {}, host side: {host}",
            port.name,
            open.device.driver(),
            port.queues,
            port.mtu
        ));
    }
    let cores: Vec<String> = cores.iter().map(ToString::to_string).collect();
    let idle = match idle {
        Idle::Poll => "poll",
        Idle::Adaptive => "adaptive",
    };
    say(format_args!(
        "  {} worker(s) on core(s) {}, idle = {idle}, packets in {memory}",
        cores.len(),
        cores.join(", ")
    ));
}

/// Says what is served.
pub fn serving(publisher: &TablePublisher) {
    let (plan, tables) = (publisher.plan(), publisher.tables());
    say(format_args!(
        "  {} service(s), {} pool(s), {} backend(s)",
        plan.services.len(),
        plan.views.len(),
        tables.backend_count()
    ));
    for service in &plan.services {
        let view = plan.views.get(service.view as usize);
        let pool = view.map_or("?", |view| &view.pool);
        let service = &service.definition;
        say(format_args!(
            "  service {}: {} {} -> pool {pool}",
            service.name, service.address, service.protocol
        ));
    }
}

/// Says what was there of flows in transition.
pub fn recovered(recovered: &Recovered) {
    match recovered {
        Recovered::Fresh | Recovered::Entries(0) => {}
        Recovered::Entries(entries) => tracing::info!("{entries} flow entries are taken over"),
        Recovered::SetAside { why, to } => tracing::warn!(
            "the file of flow entries is not taken over, since {why}: it is now {}. Connections that were in \
             transition may break",
            to.display()
        ),
    }
}

/// Warns when the kernel can't be made to ask for neighbours.
pub fn warn_of_rights(watcher: &Watcher) {
    if !watcher.may_solicit() {
        tracing::warn!(
            "no right (CAP_NET_ADMIN) to make the kernel ask for MAC addresses: only backends that it talks to \
             itself will be reached. Run as root, or add the capability"
        );
    }
}

/// Warns of what in the host's own set-up would go wrong with packets to these addresses.
pub fn warn_of_host(ports: &[Port], vips: &[IpNet]) {
    for port in ports {
        for warning in host_warnings(port, vips) {
            tracing::warn!("{warning}");
        }
    }
}

/// At most so many next hops are told one by one when they change together.
const MOST_NEXT_HOPS: usize = 64;

/// Says which next hops are others than before.
pub fn next_hops(old: &NextHops, new: &BTreeMap<IpAddr, Option<Arc<NextHop>>>) {
    let (mut told, mut more) = (0, 0);
    for (address, hop) in new {
        let (Some(hop), before) = (hop, old.by_address.get(address)) else {
            continue;
        };
        if before == Some(hop) {
            continue;
        }
        if told == MOST_NEXT_HOPS {
            more += 1;
            continue;
        }
        let now = state(hop);
        if before.map(|before| state(before)).as_ref() != Some(&now) {
            tracing::info!("next hop of {address}: {now}");
            told += 1;
        }
    }
    if more > 0 {
        tracing::info!("{more} more next hops changed");
    }
}

fn state(hop: &NextHop) -> String {
    match hop {
        NextHop::Resolved {
            destination_mac, ..
        } => format!("MAC {}", crate::wire::MacAddr(*destination_mac)),
        NextHop::Unresolved {
            gateway: Some(gateway),
            ..
        } => format!("asking for gateway {gateway}"),
        NextHop::Unresolved { gateway: None, .. } => "asking for its MAC address".to_owned(),
        NextHop::Unroutable(why) => format!("unreachable: {why}"),
    }
}

/// Prints what was done in all, and checks it: the workers have ended, so every packet has left by a door.
pub fn totals(house: &mut House<'_>, ports: &Ports) {
    counters("totals", house, ports);
    for (index, port) in house.publisher.ports().iter().enumerate() {
        let totals = PortTotals::sum(
            house
                .counters
                .iter()
                .filter_map(|worker| worker.ports.get(index)),
        );
        if !totals.adds_up() {
            tracing::error!(
                port = port.name,
                "the counters do not add up; this is a defect of the program"
            );
        }
    }
}

/// Prints what was done so far.
pub fn counters(heading: &str, house: &mut House<'_>, ports: &Ports) {
    say(format_args!("{heading}"));
    let workers = house.counters;
    for ((index, port), open) in house.publisher.ports().iter().enumerate().zip(ports.iter()) {
        port_totals(
            &port.name,
            &PortTotals::sum(workers.iter().filter_map(|worker| worker.ports.get(index))),
        );
        device_losses(&port.name, &open.device.stats());
    }
    let totals = house.publisher.totals();
    for (service, traffic) in &totals.services {
        say(format_args!("  service {service}: {}", packets(traffic)));
    }
    for ((pool, backend), traffic) in &totals.backends {
        say(format_args!(
            "  pool {pool} backend {backend}: {}",
            packets(traffic)
        ));
    }
    for stage in StageTotals::sum(workers)
        .iter()
        .filter(|stage| stage.calls > 0)
    {
        #[allow(clippy::cast_precision_loss)] // A figure for people.
        let vector = stage.packets as f64 / stage.calls as f64;
        say(format_args!(
            "  stage {}: {} packets, {vector:.1} per call, {:.0} clocks/packet",
            stage.stage.name(),
            stage.packets,
            stage.clocks_per_packet
        ));
    }
    for (index, (worker, samples)) in workers.iter().zip(&mut house.latencies).enumerate() {
        let received: u64 = worker
            .ports
            .iter()
            .map(|port| port.received.packets.get())
            .sum();
        let histogram = samples.collect();
        let at = |quantile| micros(histogram.value_at_quantile(quantile));
        say(format_args!(
            "  worker {index}: rx {received}; batch latency p50 {} us, p99 {} us, max {} us",
            at(0.5),
            at(0.99),
            at(1.0)
        ));
    }
}

/// What the device lost before a worker saw it, or could not send.
fn device_losses(name: &str, stats: &Stats) {
    let losses = [
        ("missed (receive queue full)", stats.rx_missed),
        ("without a packet buffer", stats.rx_no_buffer),
        ("received damaged", stats.rx_errors),
        ("not sent", stats.tx_errors),
    ];
    for (what, count) in losses.into_iter().filter(|(_, count)| *count > 0) {
        say(format_args!("  port {name} device: {count} {what}"));
    }
}

fn port_totals(name: &str, totals: &PortTotals) {
    say(format_args!(
        "  port {name}: rx {} = forwarded {} + answered {} + punted {} + dropped {}; tx {}, of these the host's {}",
        totals.received,
        totals.forwarded,
        totals.answered,
        totals.punted,
        totals.dropped_total(),
        totals.transmitted,
        totals.injected
    ));
    if totals.relay_lost > 0 {
        say(format_args!(
            "  port {name} relay: {} not sent (transmit ring full)",
            totals.relay_lost
        ));
    }
    for (reason, count) in &totals.dropped {
        say(format_args!(
            "  port {name} dropped {}: {count} ({})",
            reason.name(),
            reason.explanation()
        ));
    }
}

fn packets(traffic: &TrafficTotals) -> String {
    format!("{} packets, {} bytes", traffic.packets, traffic.bytes)
}

/// Microseconds, rounded up, of nanoseconds.
pub const fn micros(nanoseconds: u64) -> u64 {
    nanoseconds.div_ceil(1000)
}
