//! Reads `[workers]`.

use super::section::Section;
use super::{Idle, Workers};

pub(super) const KEYS: [&str; 3] = ["cores", "idle", "burst"];

const IDLE: [(&str, Idle); 2] = [("poll", Idle::Poll), ("adaptive", Idle::Adaptive)];

/// As many as DPDK takes (`RTE_MAX_LCORE`).
const MAX_WORKERS: usize = 128;
/// The kernel's `CPU_SETSIZE` less one.
const MAX_CORE: usize = 1_023;

impl Workers {
    /// How many workers there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        // At most MAX_WORKERS.
        self.cores.len().max(1) as u16
    }
}

pub(super) fn read(section: &Section) -> Workers {
    let cores = section
        .value("cores")
        .and_then(|value| value.list(MAX_WORKERS, "cores = [1, 2]"));
    let cores = cores.unwrap_or_default();
    let cores: Vec<_> = cores
        .iter()
        .filter_map(|core| core.integer(0..=MAX_CORE))
        .collect();
    section.report.unique("core", &cores);

    let idle = section.value("idle").and_then(|value| value.choice(&IDLE));
    let burst = section
        .value("burst")
        .and_then(|value| value.integer(1..=256));
    Workers {
        cores: cores.into_iter().map(|core| core.value).collect(),
        idle: idle.map(|idle| idle.value),
        burst: burst.map_or(64, |burst| burst.value),
    }
}
