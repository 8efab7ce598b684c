//! The report of a replay, as JSON or as a table for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::compare::{Comparison, Moved, PoolComparison, Unmatched};
use super::tally::{Tally, Traffic};
use crate::config::counted;
use crate::packet::DropReason;
use crate::table::{Snapshot, View};

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
    /// What a clock says is for people only: the same input gives the same JSON.
    #[serde(skip)]
    elapsed: Duration,
    #[serde(skip_serializing_if = "Option::is_none")]
    compare: Option<Comparison>,
}

/// All packets for a service, and those for each of its pool's backends that got some: services that share a pool of
/// thousands would list it thousands of times.
#[derive(Debug, Serialize)]
struct ServiceReport {
    #[serde(flatten)]
    traffic: Traffic,
    backends: BTreeMap<String, Traffic>,
    /// How many of the pool's backends got none.
    #[serde(skip)]
    others: usize,
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
            elapsed,
            compare,
        }
    }

    /// How many packets, how long they took, and the rate.
    pub(super) fn pace(&self) -> String {
        format!("{} in {}", counted(self.rx, "packet"), self.time())
    }

    fn time(&self) -> String {
        let seconds = self.elapsed.as_secs_f64();
        let rate = (self.rx as f64 / seconds.max(1e-9)) as u64;
        format!("{seconds:.2} s, {rate} packets/s")
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
    let services = snapshot.tables.services.iter().zip(0..);
    services
        .map(|(service, index)| {
            let view = snapshot.tables.views.get(service.view as usize);
            let report = service_report(tally, view, index);
            (service.name.to_string(), report)
        })
        .collect()
}

/// The report of service `index`, whose pool is `view`.
fn service_report(tally: &Tally, view: Option<&View>, index: u32) -> ServiceReport {
    let reached = tally.backends.range((index, 0)..=(index, u32::MAX));
    let backends: BTreeMap<_, _> = reached
        .filter_map(|(&(_, number), &traffic)| {
            let place = number.checked_sub(view?.first_backend)?;
            let backend = view?.backends.get(place as usize)?;
            Some((backend.name.to_string(), traffic))
        })
        .collect();
    ServiceReport {
        traffic: tally.services.get(&index).copied().unwrap_or_default(),
        others: view.map_or(0, |view| view.backends.len()) - backends.len(),
        backends,
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "received    {:>12}   in {}", self.rx, self.time())?;
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
        let mut silent = Vec::new();
        for (name, service) in &self.services {
            if service.traffic.packets == 0 {
                silent.push(name.as_str());
            } else {
                service.write(name, f)?;
            }
        }
        if silent.is_empty() {
            return Ok(());
        }
        let shown = &silent[..silent.len().min(SHOWN)];
        write!(f, "\nno packets for {}", shown.join(", "))?;
        match silent.len() - shown.len() {
            0 => writeln!(f),
            more => writeln!(f, " and {}", counted(more, "more service")),
        }
    }
}

impl ServiceReport {
    fn write(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { packets, bytes } = self.traffic;
        let (sent, long) = (counted(packets, "packet"), counted(bytes, "byte"));
        writeln!(f, "\nservice {name}: {sent}, {long}")?;
        for (name, traffic) in &self.backends {
            let share = 100.0 * traffic.packets as f64 / packets.max(1) as f64;
            let Traffic { packets, bytes } = traffic;
            writeln!(
                f,
                "  {name:<22}{packets:>12} packets {bytes:>14} bytes {share:>6.2} %"
            )?;
        }
        match self.others {
            0 => Ok(()),
            others => writeln!(f, "  no packets for {others} more of its pool's backends"),
        }
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
            "  {} of {}{estimated} and {} of {} ({:.2} %) go to another backend",
            self.moved_flows,
            counted(self.flows, "flow"),
            self.moved_packets,
            counted(self.packets, "packet"),
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
