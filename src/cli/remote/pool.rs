//! `pool`: groups of backends that serve the same.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

use super::EXIT_CODES;
use super::change::ChangeArgs;
use super::connection::Connection;
use super::error::Error;
use super::route::{self, Route};
use super::session::{Session, Write};
use super::tables;
use crate::cli::{Exit, Failure};
use crate::config::{self, Millis};
use crate::control::api::schema::PoolState;

/// List, show and change pools: groups of backends that serve the same
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu pool list
  tentetsu pool add web --encap ipip --slow-start 30s
  tentetsu backend add web web1 10.0.0.5
  tentetsu pool show web
  tentetsu pool set web --idle 2h
  tentetsu pool rm web"))]
pub struct PoolArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all pools
    List,
    /// Show one pool with its backends
    Show {
        /// The pool
        #[arg(value_parser = route::name)]
        name: String,
    },
    /// Add a pool without backends; what is left out is as in the configuration file
    Add(SpecArgs),
    /// Change how a pool treats its flows; what is left out stays, and so do its backends
    #[command(group(clap::ArgGroup::new("changes").required(true).multiple(true).args(
        ["encap", "idle", "half_closed", "reset", "slow_start", "panic_percent"]
    )))]
    Set(SpecArgs),
    /// Remove a pool that no service is served from
    Rm {
        /// The pool
        #[arg(value_parser = route::name)]
        name: String,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

#[derive(Debug, Args)]
struct SpecArgs {
    /// The pool
    #[arg(value_parser = route::name)]
    name: String,
    /// How packets reach its backends
    #[arg(long, value_enum)]
    encap: Option<Encap>,
    /// How long a flow may be silent and yet be alive, such as 7500s
    #[arg(long, value_name = "SPAN")]
    idle: Option<Millis>,
    /// The same after a FIN
    #[arg(long, value_name = "SPAN")]
    half_closed: Option<Millis>,
    /// The same after a RST
    #[arg(long, value_name = "SPAN")]
    reset: Option<Millis>,
    /// How long a new backend takes to grow to its weight; 0s: none
    #[arg(long, value_name = "SPAN")]
    slow_start: Option<Millis>,
    /// Where more of the weight than this would be taken for dead, no flow is moved
    #[arg(long, value_name = "PERCENT")]
    panic_percent: Option<u8>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Encap {
    /// IP in IP
    Ipip,
    /// The destination MAC alone changes; backends are on link
    L2dsr,
}

impl From<Encap> for config::Encap {
    fn from(encap: Encap) -> Self {
        match encap {
            Encap::Ipip => Self::Ipip,
            Encap::L2dsr => Self::L2Dsr,
        }
    }
}

impl SpecArgs {
    /// What was given, as the API has it.
    fn given(&self) -> Map<String, Value> {
        let span = |span: Option<Millis>| span.map(|span| json!(span));
        let values = [
            (
                "encap",
                self.encap.map(|encap| json!(config::Encap::from(encap))),
            ),
            ("idle_ms", span(self.idle)),
            ("half_closed_ms", span(self.half_closed)),
            ("reset_ms", span(self.reset)),
            ("slow_start_ms", span(self.slow_start)),
            (
                "panic_percent",
                self.panic_percent.map(|percent| json!(percent)),
            ),
        ];
        let given = values.into_iter();
        given
            .filter_map(|(key, value)| Some((key.to_owned(), value?)))
            .collect()
    }
}

/// Does what was asked for.
///
/// # Errors
/// When the node can't be reached, or says no.
pub fn run(args: &PoolArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| match &args.command {
        Command::List => list(session),
        Command::Show { name } => show(session, name),
        Command::Add(args) => add(session, args),
        Command::Set(args) => set(session, args),
        Command::Rm { name, change } => remove(session, name, change),
    })
}

fn list(session: &Session) -> Result<Exit, Error> {
    session.show(
        &Route::to(&["pools"]),
        |pools: BTreeMap<String, PoolState>, out| tables::pools(&pools).print(out),
    )
}

fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    session.show(&route(name), |pool: PoolState, out| {
        tables::pool(name, &pool, out)
    })
}

fn add(session: &Session, args: &SpecArgs) -> Result<Exit, Error> {
    let write = Write::create(route(&args.name), Value::Object(args.given()));
    let taken = format!("pool {} is there already: `pool set` changes it", args.name);
    let made = args.change.make(session, write);
    made.map_err(|error| error.advise(412, taken))
}

/// Reads, changes and writes, if nobody else wrote meanwhile.
fn set(session: &Session, args: &SpecArgs) -> Result<Exit, Error> {
    let answer = session.get(&route(&args.name))?;
    let mut pool = answer.read()?;
    super::definitions::strip_pool(&mut pool);
    if let Some(spec) = pool.as_object_mut() {
        spec.extend(args.given());
    }
    args.change
        .make(session, Write::replace(route(&args.name), pool, answer))
}

fn remove(session: &Session, name: &str, change: &ChangeArgs) -> Result<Exit, Error> {
    let absent = format!("there is no pool {name}");
    let made = change.make(session, Write::remove(route(name)));
    made.map_err(|error| error.advise(412, absent))
}

fn route(name: &str) -> Route {
    Route::to(&["pools", name])
}
