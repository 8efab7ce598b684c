//! What became of a write, and what one would do, for people.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::Value;

use super::table::Table;
use crate::control::api::schema::{
    Cuts, Move, Outcome, Panic, Pending, Preview, Receipt, Unserved,
};
use crate::control::state::Change;
use crate::control::store::WallTime;

/// Prints what a write answered.
///
/// # Errors
/// When it can't be written.
pub fn print(outcome: Outcome, out: &mut dyn Write) -> io::Result<()> {
    match outcome {
        Outcome::Receipt(receipt) => print_receipt(&receipt, out),
        Outcome::Preview(preview) => print_preview(&preview, out),
    }
}

fn print_receipt(receipt: &Receipt, out: &mut dyn Write) -> io::Result<()> {
    if receipt.changed {
        writeln!(out, "generation {}", receipt.generation)?;
    } else {
        writeln!(
            out,
            "generation {}, as before: nothing to change",
            receipt.generation
        )?;
    }
    print_cuts(receipt.cuts.as_ref(), &IS, out)?;
    if let Some(pending) = &receipt.pending {
        writeln!(out, "{}", waits(pending))?;
    }
    print_unserved(&receipt.unserved, &IS, out)?;
    print_panics(&receipt.panics, out)
}

/// Why less moves than was asked for.
fn print_panics(panics: &[Panic], out: &mut dyn Write) -> io::Result<()> {
    panics.iter().try_for_each(|panic| {
        writeln!(
            out,
            "{panic}; undrain backends, or raise its panic_percent, and it moves"
        )
    })
}

/// What happens to a change that is not confirmed.
pub fn waits(pending: &Pending) -> String {
    let deadline = WallTime(pending.deadline_ms);
    format!(
        "generation {} goes back to {} at {deadline}, in {} s, unless you run: tentetsu confirm",
        pending.generation,
        pending.back_to,
        WallTime::now().until(deadline).as_secs()
    )
}

/// How long ago a moment was, by this machine's clock.
pub fn since(moment_ms: u64) -> Duration {
    WallTime(moment_ms).until(WallTime::now())
}

fn print_preview(preview: &Preview, out: &mut dyn Write) -> io::Result<()> {
    if preview.difference.is_empty() {
        return writeln!(
            out,
            "nothing would change (generation {})",
            preview.generation
        );
    }
    print_difference(&preview.difference, out)?;
    if !preview.moves.is_empty() {
        writeln!(out)?;
        print_moves(&preview.moves, out)?;
    } else if preview.unserved.is_empty() && preview.cuts.is_none() {
        writeln!(out, "no flow would get another backend")?;
    }
    print_cuts(preview.cuts.as_ref(), &WOULD_BE, out)?;
    print_unserved(&preview.unserved, &WOULD_BE, out)?;
    print_panics(&preview.panics, out)
}

/// How is told what a write does.
struct Verbs {
    takes: &'static str,
    are: &'static str,
    is_not: &'static str,
}

const IS: Verbs = Verbs {
    takes: "takes",
    are: "are",
    is_not: "is no longer",
};
const WOULD_BE: Verbs = Verbs {
    takes: "would take",
    are: "would be",
    is_not: "would no longer be",
};

fn print_unserved(unserved: &[Unserved], verbs: &Verbs, out: &mut dyn Write) -> io::Result<()> {
    let Verbs { takes, are, is_not } = verbs;
    unserved.iter().try_for_each(|of| {
        let service = &of.service;
        let share = if of.whole { "100 %" } else { "a part" };
        match &of.pool {
            Some(pool) => writeln!(
                out,
                "no backend of pool {pool} {takes} new flows: those of service {service} {are} dropped as no_backend \
                 until one is added, undrained or given a weight"
            ),
            None => writeln!(
                out,
                "{share} of the traffic of service {service} {is_not} served"
            ),
        }
    })
}

/// All that is cut, as far as it can be counted.
fn print_cuts(cuts: Option<&Cuts>, verbs: &Verbs, out: &mut dyn Write) -> io::Result<()> {
    let Some(cuts) = cuts else {
        return Ok(());
    };
    let (are, listed) = (verbs.are, cuts.listed);
    let (backend, pool) = (&cuts.backend, &cuts.pool);
    let (unlisted, slots) = (cuts.unlisted_slots, cuts.slots);
    write!(
        out,
        "flows of backend {backend} of pool {pool} {are} cut: {listed} that are listed"
    )?;
    if unlisted == 0 {
        return writeln!(out);
    }
    let share = unlisted as f64 / slots as f64 * 100.0;
    writeln!(
        out,
        ", and all others on {unlisted} of {slots} slots ({share:.1} % of the traffic), which are listed nowhere and \
         can't be counted"
    )
}

/// A line for each change, as `diff` marks them.
fn print_difference(changes: &[Change], out: &mut dyn Write) -> io::Result<()> {
    for Change {
        path,
        before,
        after,
    } in changes
    {
        match (before, after) {
            (None, after) => writeln!(out, "+ {path}  {}", shown(after.as_ref()))?,
            (before, None) => writeln!(out, "- {path}  {}", shown(before.as_ref()))?,
            (before, after) => {
                let (before, after) = (shown(before.as_ref()), shown(after.as_ref()));
                writeln!(out, "~ {path}  {before} -> {after}")?;
            }
        }
    }
    Ok(())
}

fn shown(value: Option<&Value>) -> String {
    value.map(Value::to_string).unwrap_or_default()
}

fn print_moves(moves: &[Move], out: &mut dyn Write) -> io::Result<()> {
    let rows = moves.iter().map(|of| {
        let share = format!("{:.1} %", of.share_of_traffic * 100.0);
        [
            of.view.clone(),
            of.slots_moved.to_string(),
            of.slots.to_string(),
            share,
        ]
    });
    Table::new(
        ["NEW FLOWS OF", "SLOTS MOVED", "OF", "SHARE OF TRAFFIC"],
        rows,
    )
    .print(out)
}

/// Prints what a confirmation answered: it makes no generation.
///
/// # Errors
/// When it can't be written.
pub fn print_confirmed(receipt: Receipt, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "generation {} stays", receipt.generation)
}
