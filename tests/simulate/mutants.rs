//! Mutants: without any one of its guards the protocol fails, and the simulation sees it. A guard that nobody misses
//! is either not needed, or guards against what no history here has.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tentetsu::flow::guards::{self, Guard};

use super::live;
use super::report::Violation;

/// How a mutant was caught: in which seed, and by what.
type Caught = Option<(u64, Violation)>;

/// Takes each guard away in turn, and prints after how many seeds it was missed.
pub fn hunt(first: u64, seeds: u64) -> ExitCode {
    let next = AtomicUsize::new(0);
    let caught: Mutex<Vec<(Guard, Caught)>> = Mutex::default();
    let work = || {
        while let Some(&guard) = Guard::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = without(guard, first, seeds);
            print(guard, &found, first, seeds);
            caught.lock().unwrap().push((guard, found));
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    let caught = caught.into_inner().unwrap();
    let survivors = caught.iter().filter(|(_, caught)| caught.is_none()).count();
    println!("{} mutants, {survivors} survived", caught.len());
    ExitCode::from(u8::from(survivors > 0))
}

/// The first violation that the world without `guard` has.
fn without(guard: Guard, first: u64, seeds: u64) -> Caught {
    guards::remove(Some(guard));
    let caught = (first..first + seeds).find_map(|seed| {
        let violation = live(seed, None).0.violations.into_iter().next()?;
        Some((seed, violation))
    });
    guards::remove(None);
    caught
}

fn print(guard: Guard, caught: &Caught, first: u64, seeds: u64) {
    let name = format!("{guard:?}");
    match caught {
        Some((seed, violation)) => {
            println!(
                "{name:<18} caught after {:>3} seeds: {}",
                seed - first + 1,
                violation.what
            );
        }
        None => println!("{name:<18} SURVIVED {seeds} seeds: {}", guard.explanation()),
    }
}
