//! The report of a replay, as JSON or as a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::compare::{Comparison, Moved, PoolComparison, Unmatched};
use super::tally::{Tally, Traffic};
use crate::packet::DropReason;
use crate::table::Snapshot;

/// Moved flows that people are shown; programs get all.
const SHOWN: usize = 20;

/// Totals of a replay: `rx` = `forwarded` + `answered` + `punted` + the sum of `dropped`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Packets read.
    rx: u64,
    /// Packets that left by a port: what `--out` holds.
    tx: u64,
    forwarded: u64,
    answered: u64,
    punted: u64,
    /// Reason to count; reasons that did not occur are left out.
    dropped: BTreeMap<&'static str, u64>,
    /// Distinct flows to services.
    flows: u64,
    /// Whether `flows` is an estimate.
    flows_estimated: bool,
    /// Packets of which the capture holds only a part.
    snapped: u64,
    /// Name to traffic.
    services: BTreeMap<String, ServiceReport>,
    seconds: f64,
    packets_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Comparison>,
}

/// All packets for a service, and what was forwarded to each of its pool's backends.
#[derive(Debug, Serialize)]
struct ServiceReport {
    #[serde(flatten)]
    traffic: Traffic,
    backends: BTreeMap<String, Traffic>,
}

impl Report {
    /// Sums up.
    pub(super) fn new(
        tally: &Tally,
        snapshot: &Snapshot,
        elapsed: Duration,
        compare: Option<Comparison>,
    ) -> Self {
        let flows = tally.flows();
        let seconds = elapsed.as_secs_f64();
        Report {
            rx: tally.received,
            tx: tally.sent(),
            forwarded: tally.forwarded,
            answered: tally.answered,
            punted: tally.punted,
            dropped: drops(tally),
            flows: flows.flows,
            flows_estimated: flows.estimated,
            snapped: tally.snapped,
            services: services(tally, snapshot),
            seconds,
            packets_per_second: (tally.received as f64 / seconds.max(1e-9)) as u64,
            compare,
        }
    }
}

fn drops(tally: &Tally) -> BTreeMap<&'static str, u64> {
    let reasons = DropReason::ALL.iter().zip(tally.dropped);
    reasons
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.name(), count))
        .collect()
}

fn services(tally: &Tally, snapshot: &Snapshot) -> BTreeMap<String, ServiceReport> {
    let services = snapshot
        .tables
        .services
        .iter()
        .zip(0..)
        .map(|(service, index)| {
            let traffic = tally.services.get(&index).copied().unwrap_or_default();
            let view = snapshot.tables.views.get(service.view as usize);
            let backends = view.into_iter().flat_map(|view| {
                let numbers = view.first_backend..;
                view.backends.iter().zip(numbers)
            });
            let backends = backends.map(|(backend, number)| {
                let traffic = tally
                    .backends
                    .get(&(index, number))
                    .copied()
                    .unwrap_or_default();
                (backend.name.to_string(), traffic)
            });
            (
                service.name.to_string(),
                ServiceReport {
                    traffic,
                    backends: backends.collect(),
                },
            )
        });
    services.collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rate, seconds) = (self.packets_per_second, self.seconds);
        writeln!(
            f,
            "received    {:>12}   in {seconds:.2} s, {rate} packets/s",
            self.rx
        )?;
        for (name, count) in [
            ("forwarded", self.forwarded),
            ("answered", self.answered),
            ("punted", self.punted),
            ("dropped", self.dropped.values().sum()),
        ] {
            writeln!(f, "{name:<12}{count:>12}")?;
        }
        self.write_drops(f)?;
        writeln!(f, "sent        {:>12}", self.tx)?;
        if self.snapped > 0 {
            writeln!(
                f,
                "cut short   {:>12}   by the capture's snap length",
                self.snapped
            )?;
        }
        let estimated = if self.flows_estimated {
            "   an estimate"
        } else {
            ""
        };
        writeln!(f, "flows       {:>12}{estimated}", self.flows)?;
        self.write_services(f)?;
        self.compare
            .as_ref()
            .map_or(Ok(()), |compare| compare.fmt(f))
    }
}

impl Report {
    fn write_drops(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for reason in DropReason::ALL {
            if let Some(count) = self.dropped.get(reason.name()) {
                writeln!(
                    f,
                    "  {:<22}{count:>12}   {}",
                    reason.name(),
                    reason.explanation()
                )?;
            }
        }
        Ok(())
    }

    fn write_services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, service) in &self.services {
            let Traffic { packets, bytes } = service.traffic;
            writeln!(f, "\nservice {name}: {packets} packets, {bytes} bytes")?;
            for (name, traffic) in &service.backends {
                let share = 100.0 * traffic.packets as f64 / packets.max(1) as f64;
                let Traffic { packets, bytes } = traffic;
                writeln!(
                    f,
                    "  {name:<22}{packets:>12} packets {bytes:>14} bytes {share:>6.2} %"
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let estimated = if self.flows_estimated {
            " (estimates)"
        } else {
            ""
        };
        writeln!(f, "\nunder {}", self.other)?;
        writeln!(
            f,
            "  {} of {} flows{estimated} and {} of {} packets ({:.2} %) go to another backend",
            self.moved_flows,
            self.flows,
            self.moved_packets,
            self.packets,
            100.0 * self.packet_share
        )?;
        self.pools.iter().try_for_each(|pool| pool.fmt(f))?;
        self.unmatched.iter().try_for_each(|lone| lone.fmt(f))?;
        let shown = &self.listed[..self.listed.len().min(SHOWN)];
        shown.iter().try_for_each(|moved| moved.fmt(f))?;
        if self.moved_flows > shown.len() as u64 {
            let more = self.moved_flows - shown.len() as u64;
            writeln!(f, "  ... and {more} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for PoolComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.moved_slots, self.slot_share) {
            (Some(moved), Some(share)) => {
                let share = 100.0 * share;
                writeln!(
                    f,
                    "  pool {}: {moved} of {} slots move ({share:.2} %)",
                    self.pool, self.slots
                )
            }
            _ => writeln!(
                f,
                "  pool {}: {}, slots can't be compared",
                self.pool,
                self.incomparable.unwrap_or_default()
            ),
        }
    }
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            only_in,
        } = self;
        writeln!(f, "  {kind} {name}: only in the file of {only_in}")
    }
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |backend: Option<std::net::IpAddr>| {
            backend.map_or_else(|| "no backend".to_owned(), |address| address.to_string())
        };
        writeln!(
            f,
            "  {}: {} -> {}",
            self.flow,
            name(self.from),
            name(self.to)
        )
    }
}
