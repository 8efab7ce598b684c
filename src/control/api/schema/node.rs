//! The running node: what it is, and what it counts.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Pending;
use crate::control::controller::Stage;
use crate::control::ledger::Ledger;

/// The node as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// Since it serves.
    pub uptime_ms: u64,
    /// The newest generation.
    pub generation: u64,
    /// How far that is on its way to the workers.
    pub stage: Stage,
    /// As `/readyz` has it.
    pub ready: bool,
    /// What is wrong all the same: checks of `/readyz` that fail, and take the node out of no service.
    pub degraded: Vec<Check>,
    /// Slots of each lookup table.
    pub slots: u32,
    /// Tells hash keys apart without telling them: the same on nodes that hash alike.
    pub hash_key_fingerprint: String,
    /// Flows in transition.
    pub entries: Entries,
    /// The change that waits for its confirmation.
    pub pending: Option<Pending>,
}

/// Entries of flows in transition, by how the flow came to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entries {
    /// By its first packet, which nothing followed yet.
    pub unconfirmed: u64,
    /// By its first packet, which others followed.
    pub confirmed: u64,
    /// By a packet from its middle.
    pub learned: u64,
    /// How many there may be in all.
    pub limit: u64,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortStatus {
    /// Its name.
    pub name: String,
    /// What drives it, as in the file.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// Its MAC address.
    pub mac: String,
    /// Largest IP packet.
    pub mtu: u16,
    /// Its link.
    pub link: LinkState,
    /// Packets received; the sum of the next four.
    pub rx: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Sent on to backends.
    pub forwarded: u64,
    /// Answered by the balancer itself.
    pub answered: u64,
    /// Handed to the host's kernel.
    pub punted: u64,
    /// Dropped, for any reason.
    pub dropped: u64,
    /// Packets sent by this port.
    pub tx: u64,
    /// Of these, the host's own.
    pub injected: u64,
    /// The host's packets that the device did not take.
    pub relay_lost: u64,
    /// Lost by the device for want of a free descriptor.
    pub device_missed: u64,
    /// Lost by the device for want of a packet buffer.
    pub device_no_buffer: u64,
    /// Received damaged.
    pub device_errors: u64,
    /// Not sent by the device.
    pub device_unsent: u64,
}

/// A port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkState {
    /// Whether it is up.
    pub up: bool,
    /// Its speed; 0: the driver doesn't say.
    pub mbit_per_s: u32,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkerStatus {
    /// Its number.
    pub index: u32,
    /// Its core.
    pub core: u32,
    /// Turns of its loop: stands still when the worker does.
    pub turns: u64,
    /// Packets received.
    pub rx: u64,
    /// How long a batch took, sampled.
    pub latency_us: LatencyMicros,
    /// The newest publication that it has.
    pub taken_round: u64,
    /// What arrived before so long ago it has done, and what it lost then was repeated. Flows' silence is counted up to
    /// there. `null` while nothing moves.
    pub behind_ms: Option<u64>,
}

/// Quantiles in microseconds, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LatencyMicros {
    /// Half are as short.
    pub p50: u64,
    /// 99 in 100 are as short.
    pub p99: u64,
    /// The longest.
    pub max: u64,
}

/// Packets that a port dropped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DropCount {
    /// The port.
    pub port: String,
    /// The reason's name.
    pub reason: String,
    /// What it means.
    pub explanation: String,
    /// How many.
    pub count: u64,
}

/// Traffic to backends since the start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Stats {
    /// By service.
    pub services: Vec<ServiceTraffic>,
    /// By backend.
    pub backends: Vec<BackendTraffic>,
}

/// A service's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceTraffic {
    /// The service.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

/// A backend's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackendTraffic {
    /// Its pool.
    pub pool: String,
    /// The backend.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes from the IP header on.
    pub bytes: u64,
}

/// Whether the node can take traffic, and what that depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Whether all checks are good that it depends on.
    pub ready: bool,
    /// One by one; only if asked for (`?verbose`).
    pub checks: Vec<Check>,
}

/// Milliseconds that a worker may be behind, as it is after one stall.
const BEHIND: u64 = 5_000;

/// One thing that is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it is good.
    pub ok: bool,
    /// Whether the node is not ready without it. If not it takes traffic as ever, and something else is hindered.
    pub decides: bool,
    /// In words.
    pub detail: String,
}

impl Readiness {
    /// Of these checks.
    #[must_use]
    pub fn of(checks: Vec<Check>) -> Self {
        Self {
            ready: checks.iter().all(|check| check.ok || !check.decides),
            checks,
        }
    }

    /// The checks that fail, and don't decide.
    #[must_use]
    pub fn degraded(self) -> Vec<Check> {
        let checks = self.checks.into_iter();
        checks.filter(|check| !check.ok && !check.decides).collect()
    }
}

impl Check {
    /// Whether the store's last write succeeded. Packets don't need it, changes do.
    #[must_use]
    pub fn of_store(ledger: &Ledger) -> Self {
        let failed = ledger.unwritten();
        Self {
            name: "store".to_owned(),
            ok: failed.is_none(),
            decides: false,
            detail: failed.map_or_else(
                || "the last write did not fail".to_owned(),
                |error| {
                    format!(
                        "the last write failed, changes are not kept until one succeeds: {error}"
                    )
                },
            ),
        }
    }

    /// Whether workers have done what arrived lately; each is behind by so many milliseconds. Changes come to their end
    /// later by that.
    #[must_use]
    pub fn of_workers(behind: impl Iterator<Item = Option<u64>>) -> Self {
        let known = (0..).zip(behind);
        let known = known.filter_map(|(worker, behind): (u32, _)| Some((behind?, worker)));
        let slowest = known.filter(|(behind, _)| *behind > BEHIND).max();
        Self {
            name: "workers".to_owned(),
            ok: slowest.is_none(),
            decides: false,
            detail: slowest.map_or_else(
                || "none stalls".to_owned(),
                |(behind, worker)| {
                    format!(
                        "worker {worker} stalls, and changes wait: what it lost in the last {} s may not have been repeated; \
                         give its core to nothing else",
                        behind / 1_000
                    )
                },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_that_is_behind_most_is_named() {
        let check = |behind: &[Option<u64>]| Check::of_workers(behind.iter().copied());
        let behind = check(&[None, Some(31_500), Some(6_000)]);
        assert!(!behind.ok && !behind.decides);
        assert!(behind.detail.starts_with("worker 1 stalls"));
        assert!(behind.detail.contains("last 31 s"));
        for good in [[None, None], [Some(0), Some(5_000)]] {
            assert!(check(&good).ok);
        }
    }
}
