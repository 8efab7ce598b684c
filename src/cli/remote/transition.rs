//! `transition force`: ends a transition before its time, and says first what that breaks.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;

use super::EXIT_CODES;
use super::connection::Connection;
use super::error::Error;
use super::route::{Route, name};
use super::session::{Session, Write};
use crate::cli::{Exit, Failure};
use crate::config::counted;
use crate::control::api::schema::Forced;

/// End the transitions of a pool before their time
#[derive(Debug, Args)]
pub struct TransitionArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send all slots of a pool over to their new backends at once
    ///
    /// Flows that are listed go on; those that are not are cut. Says first how many slots may have such flows, and
    /// asks; where nobody can be asked, --yes is needed.
    #[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu show transitions
  tentetsu transition force web --dry-run
  tentetsu transition force web --yes"))]
    Force(ForceArgs),
}

#[derive(Debug, Args)]
struct ForceArgs {
    /// The pool
    #[arg(value_parser = name)]
    pool: String,
    /// Do not ask
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// Say what it would break, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Does what was asked for.
///
/// # Errors
/// When nobody says yes, or the node can't be reached, or says no.
pub fn run(args: &TransitionArgs) -> Result<ExitCode, Failure> {
    let Command::Force(force) = &args.command;
    args.connection.run(|session| run_force(session, force))
}

fn run_force(session: &Session, args: &ForceArgs) -> Result<Exit, Error> {
    let route = Route::to(&["transitions", &args.pool, "force"]);
    let look = Write::new(Method::POST, route.clone().with("dry_run", true));
    let answer = session.send(look)?;
    let would: Forced = answer.read()?;
    if args.dry_run {
        session.print(&answer, |would: Forced, out| {
            writeln!(out, "{}", consequences(&would))
        })?;
        return Ok(Exit::Ok);
    }
    if session.is_for_people() {
        writeln!(io::stdout(), "{}", consequences(&would))?;
    }
    if !args.yes && would.flips > 0 && !is_agreed()? {
        return Err(Error::failed(Exit::No, "nothing was changed"));
    }
    let answer = session.send(Write::new(Method::POST, route))?;
    session.print(&answer, |done: Forced, out| {
        writeln!(out, "{} went over", counted(done.flips, "slot"))
    })?;
    Ok(Exit::Ok)
}

fn consequences(forced: &Forced) -> String {
    let Forced {
        pool,
        flips,
        breaks,
    } = forced;
    match flips {
        0 => format!("no slot of pool {pool} moves"),
        _ => format!(
            "{} of pool {pool} would go over; on {} of them flows may be that are not listed: they would be cut",
            counted(*flips, "slot"),
            breaks.unlisted_possible_slots
        ),
    }
}

/// Asks on the terminal.
fn is_agreed() -> Result<bool, Error> {
    if !io::stdin().is_terminal() {
        let message = "nobody can be asked here: say --yes, or --dry-run to look only";
        return Err(Error::failed(Exit::Usage, message));
    }
    write!(io::stderr(), "Go on? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
