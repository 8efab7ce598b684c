//! `confirm`, `rollback` and `generations`: the log of changes, and the ways in it.

use std::process::ExitCode;

use clap::Args;
use hyper::Method;
use indicatif::HumanDuration;

use super::EXIT_CODES;
use super::change::ChangeArgs;
use super::connection::Connection;
use super::outcome::{self, since};
use super::route::Route;
use super::session::Write;
use super::table::Table;
use crate::cli::{Exit, Failure};
use crate::control::api::schema::GenerationEntry;

/// Keep the change that waits for its confirmation
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 done, 1 no change waits: it was confirmed, or its time ran out and it was rolled back,
69 the appliance can't be reached, 77 no permission

Examples:
  tentetsu apply state.json --confirm 60s
  tentetsu confirm")]
pub struct ConfirmArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Make the API's services and pools what they were at an earlier generation
///
/// What belongs to the configuration file, and which backends are drained, stays as it is.
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu generations
  tentetsu rollback 7 --dry-run
  tentetsu rollback 7"))]
pub struct RollbackArgs {
    /// The generation to go back to
    generation: u64,
    #[command(flatten)]
    change: ChangeArgs,
    #[command(flatten)]
    connection: Connection,
}

/// List the changes that were made, newest first
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu generations
  tentetsu generations --limit 5 -o json"))]
pub struct GenerationsArgs {
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Only those before this one
    #[arg(long, value_name = "GENERATION")]
    before: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

/// Confirms.
///
/// # Errors
/// When nothing waits, or the node can't be reached.
pub fn confirm(args: &ConfirmArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| {
        let answer = session.send(Write::new(Method::POST, Route::to(&["confirm"])))?;
        session.print(&answer, outcome::print_confirmed)?;
        Ok(Exit::Ok)
    })
}

/// Rolls back.
///
/// # Errors
/// When the generation is not known any more, or the node can't be reached.
pub fn rollback(args: &RollbackArgs) -> Result<ExitCode, Failure> {
    let route = Route::to(&["generations", &args.generation.to_string(), "rollback"]);
    let write = Write::new(Method::POST, route);
    args.connection
        .run(|session| args.change.make(session, write))
}

/// Lists.
///
/// # Errors
/// When the node can't be reached.
pub fn list(args: &GenerationsArgs) -> Result<ExitCode, Failure> {
    let mut route = Route::to(&["generations"]).with("limit", args.limit);
    if let Some(before) = args.before {
        route = route.with("before", before);
    }
    args.connection.run(|session| {
        session.show(&route, |log: Vec<GenerationEntry>, out| {
            let rows = log.into_iter().map(|entry| {
                let age = format!("{} ago", HumanDuration(since(entry.at_ms)));
                [
                    entry.generation.to_string(),
                    age,
                    entry.author,
                    entry.summary,
                ]
            });
            Table::new(["GENERATION", "MADE", "BY", "WHAT"], rows).print(out)
        })
    })
}
