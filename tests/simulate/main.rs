//! The simulation: the real controller, tables, entries and decisions under random histories, and what must hold checked
//! at every step. One seed is one history, and the same one each time.
//!
//! `scripts/simulate` runs it, and says how.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as its body does"
)]

mod attack;
mod catalogue;
mod changes;
mod client;
mod climate;
mod disk;
mod force;
mod judge;
mod mutants;
mod node;
mod options;
mod promise;
mod random;
mod report;
mod segments;
mod world;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use climate::Climate;
use options::Options;
use random::Random;
use report::{Outcome, Report};
use world::World;

/// Lives through a seed's history. With a story, the steps of one flow are told; without a flow, the changes alone.
fn live(seed: u64, story: Option<Option<usize>>) -> (Outcome, Vec<String>) {
    let mut random = Random::new(seed);
    let climate = Climate::of(&mut random);
    // Now and then a table of a product's size.
    let climate = if seed % 64 == 63 {
        climate.wide()
    } else {
        climate
    };
    World::new(climate, random, story).run()
}

/// Lives through many, on all cores.
fn run(seeds: Range<u64>) -> Report {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut report = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return report;
            }
            report.add(seed, live(seed, None).0);
        }
    };
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            report.append(thread.join().unwrap());
        }
    });
    report
}

/// Tells a seed's history: the changes, and the steps of the flow that was cut.
fn tell(seed: u64) {
    let (outcome, _) = live(seed, None);
    let flow = outcome
        .violations
        .first()
        .and_then(|violation| violation.flow);
    let (_, story) = live(seed, Some(flow));
    println!("{:?}", Climate::of(&mut Random::new(seed)));
    for line in story {
        println!("{line}");
    }
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(fault) => {
            eprintln!("{fault}");
            return ExitCode::from(2);
        }
    };
    if options.mutants {
        return mutants::hunt(options.first, options.count);
    }
    if options.story {
        tell(options.first);
    }
    let report = run(options.first..options.first + options.count);
    report.print();
    if let Some(file) = &options.json {
        std::fs::write(file, report.json()).expect("the report can't be written");
    }
    ExitCode::from(u8::from(!report.is_clean()))
}
