//! `show`: what is wanted, what is under way, and what is counted.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::EXIT_CODES;
use super::connection::Connection;
use super::error::Error;
use super::events;
use super::route::{Route, name};
use super::running;
use super::session::Session;
use super::tables;
use crate::cli::{Exit, Failure};
use crate::control::api::schema::{CurrentState, Stats};

/// Show what is wanted, what is under way, and what is counted
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu show state -o json > state.json
  tentetsu show transitions
  tentetsu show flows --pool web --backend web4
  tentetsu show drops
  tentetsu show events"))]
pub struct ShowArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// All services, and all pools with their backends
    State,
    /// How far the slots of all pools are that move from one backend to another
    ///
    /// A line for each pool, and for each service on its way to another pool. Those that are settled are listed, too: no
    /// slot of them moves or is consulted.
    Transitions,
    /// Flows that are listed because their slot moves
    Flows(FlowsArgs),
    /// Packets that were dropped, by port and reason
    Drops,
    /// Ports, their links and their packets
    Ports,
    /// Workers, their cores and how long a batch takes
    Workers,
    /// Packets and bytes by service and backend
    Stats,
    /// Events as they happen, until Ctrl-C
    Events(EventsArgs),
}

#[derive(Debug, Args)]
struct FlowsArgs {
    /// Only those of this pool
    #[arg(long, value_parser = name)]
    pool: Option<String>,
    /// Only those at the backend of this name
    #[arg(long, value_parser = name)]
    backend: Option<String>,
    /// How many at most
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Args)]
struct EventsArgs {
    /// Go on after the event of this number
    #[arg(long, value_name = "NUMBER")]
    after: Option<u64>,
    /// End after so many
    #[arg(long, value_name = "COUNT")]
    count: Option<u64>,
}

/// Prints it.
///
/// # Errors
/// When the node can't be reached.
pub fn run(args: &ShowArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| show(session, &args.what))
}

fn show(session: &Session, what: &What) -> Result<Exit, Error> {
    let to = |name| Route::to(&[name]);
    match what {
        What::State => session.show(&to("state"), |state: CurrentState, out| {
            tables::services(&state.services).print(out)?;
            let pools = state.pools.iter();
            pools.into_iter().try_for_each(|(name, pool)| {
                writeln!(out)?;
                tables::pool(name, pool, out)
            })
        }),
        What::Transitions => session.show(&to("transitions"), running::transitions),
        What::Flows(args) => session.show(&args.route(), running::flows),
        What::Drops => session.show(&to("drops"), running::drops),
        What::Ports => session.show(&to("ports"), running::ports),
        What::Workers => session.show(&to("workers"), running::workers),
        What::Stats => session.show(&to("stats"), |stats: Stats, out| {
            running::stats(&stats, out)
        }),
        What::Events(args) => events::follow(session, args.after, args.count).map(|()| Exit::Ok),
    }
}

impl FlowsArgs {
    fn route(&self) -> Route {
        let route = Route::to(&["flows"]).with("limit", self.limit);
        let of = [("pool", &self.pool), ("backend", &self.backend)];
        of.into_iter()
            .fold(route, |route, (key, value)| match value {
                Some(value) => route.with(key, value),
                None => route,
            })
    }
}
