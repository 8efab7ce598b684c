//! What became of a seed, and of all of them.

use std::net::IpAddr;

use serde_json::json;
use tentetsu::packet::DropReason;

/// Something that must not be.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Milliseconds from the start.
    pub at: u64,
    /// The flow that it befell.
    pub flow: Option<usize>,
    pub what: String,
}

/// What became of a seed.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    pub flows: u64,
    /// Those of them that were of SCTP, and over IPv6.
    pub sctp: u64,
    pub ip6: u64,
    pub packets: u64,
    pub flips: u64,
    pub drops: u64,
    pub restarts: u64,
    /// Services that were taken away.
    pub removed: u64,
    /// Defaults that were forced.
    pub forced: u64,
    /// Flows that found their server again when their service came back.
    pub resumed: u64,
    /// Flows that lost their server, as nothing else was promised to them.
    pub excused: u64,
    pub publications: u64,
    pub violations: Vec<Violation>,
    /// Of when each packet went where: the same seed has the same.
    pub digest: u64,
    /// Turns of the controller.
    pub turns: u64,
}

impl Outcome {
    /// Counts a packet, and where it went.
    pub fn packet(&mut self, at: u64, flow: usize, sent: Result<IpAddr, DropReason>) {
        self.packets += 1;
        let to = match sent {
            Ok(IpAddr::V4(server)) => u64::from(server.to_bits()),
            Ok(IpAddr::V6(_)) => 0,
            Err(reason) => reason as u64,
        };
        for word in [at, flow as u64, to] {
            let mixed = (self.digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.digest = mixed ^ mixed >> 29;
        }
    }

    fn add(&mut self, other: &Self) {
        self.flows += other.flows;
        self.sctp += other.sctp;
        self.ip6 += other.ip6;
        self.packets += other.packets;
        self.flips += other.flips;
        self.drops += other.drops;
        self.restarts += other.restarts;
        self.removed += other.removed;
        self.forced += other.forced;
        self.resumed += other.resumed;
        self.excused += other.excused;
        self.publications += other.publications;
        self.violations.extend_from_slice(&other.violations);
        self.digest ^= other.digest;
    }

    fn json(&self) -> serde_json::Value {
        let violations: Vec<_> = self
            .violations
            .iter()
            .map(|violation| &violation.what)
            .collect();
        json!({
            "flows": self.flows,
            "sctp": self.sctp,
            "ip6": self.ip6,
            "packets": self.packets,
            "flips": self.flips,
            "drops": self.drops,
            "restarts": self.restarts,
            "removed": self.removed,
            "forced": self.forced,
            "resumed": self.resumed,
            "excused": self.excused,
            "violations": violations,
            "digest": format!("{:016x}", self.digest),
        })
    }
}

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    seeds: Vec<(u64, Outcome)>,
}

impl Report {
    pub fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds.push((seed, outcome));
    }

    pub fn append(&mut self, other: Self) {
        self.seeds.extend(other.seeds);
        self.seeds.sort_unstable_by_key(|(seed, _)| *seed);
    }

    pub fn is_clean(&self) -> bool {
        self.seeds
            .iter()
            .all(|(_, outcome)| outcome.violations.is_empty())
    }

    fn totals(&self) -> Outcome {
        let mut totals = Outcome::default();
        self.seeds
            .iter()
            .for_each(|(_, outcome)| totals.add(outcome));
        totals
    }

    pub fn print(&self) {
        for (seed, outcome) in &self.seeds {
            for violation in &outcome.violations {
                let at = violation.at as f64 / 1e3;
                println!("seed {seed}, {at:.3} s: {}", violation.what);
            }
        }
        let all = self.totals();
        println!(
            "{} seeds: {} flows ({} of SCTP, {} over IPv6), {} packets, {} flips, {} drops, {} restarts, {} services removed, {} defaults forced, {} flows resumed, {} excused, {} violations; digest {:016x}",
            self.seeds.len(),
            all.flows,
            all.sctp,
            all.ip6,
            all.packets,
            all.flips,
            all.drops,
            all.restarts,
            all.removed,
            all.forced,
            all.resumed,
            all.excused,
            all.violations.len(),
            all.digest
        );
    }

    pub fn json(&self) -> String {
        let seeds = self.seeds.iter().map(|(seed, outcome)| {
            let mut of = outcome.json();
            of["seed"] = json!(seed);
            of
        });
        let report = json!({ "seeds": seeds.collect::<Vec<_>>(), "totals": self.totals().json() });
        format!("{report:#}\n")
    }
}
