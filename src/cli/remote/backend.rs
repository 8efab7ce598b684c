//! `backend`: the servers of a pool.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::json;

use super::EXIT_CODES;
use super::change::ChangeArgs;
use super::connection::Connection;
use super::drain::{self, DrainArgs};
use super::error::Error;
use super::route::{Route, name};
use super::session::{Session, Write};
use super::tables;
use crate::cli::{Exit, Failure};
use crate::control::api::schema::BackendState;

/// List, show and change the backends of a pool
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu backend list web
  tentetsu backend add web web4 10.0.0.8 --weight 100 --wait steered
  tentetsu backend set web web4 --weight 50
  tentetsu backend drain web web4 --wait
  tentetsu backend undrain web web4
  tentetsu backend rm web web4"))]
pub struct BackendArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the backends of a pool
    List {
        /// The pool
        #[arg(value_parser = name)]
        pool: String,
    },
    /// Show one backend
    Show(NameArgs),
    /// Add a backend; new flows go to it, those that are there stay where they are
    Add(AddArgs),
    /// Change a backend's weight or address; what is left out stays
    Set(SetArgs),
    /// Send no new flows to a backend; those that are there go on
    ///
    /// Waiting shows how many flows are left. Flows that are silent are waited for as long as the pool's `idle` says.
    #[command(after_long_help = "\
Examples:
  tentetsu backend drain web web4
  tentetsu backend drain web web4 --wait --timeout 10m && ssh web4 reboot")]
    Drain(DrainArgs),
    /// Have a backend take part again: ends drain, maintenance, and a removal that is not done
    Undrain(OperateArgs),
    /// Take a backend for dead: its flows are cut, and go to others
    Maintenance(OperateArgs),
    /// Remove a backend: it is drained, and goes with its last flow
    Rm(RemoveArgs),
}

/// A backend, by its pool and name.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The pool
    #[arg(value_parser = name)]
    pub pool: String,
    /// The backend
    #[arg(value_parser = name)]
    pub name: String,
}

#[derive(Debug, Args)]
struct OperateArgs {
    #[command(flatten)]
    of: NameArgs,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Where packets go
    address: IpAddr,
    /// Share of the new flows relative to the pool's other weights; 0 takes none
    #[arg(long, default_value_t = 100)]
    weight: u32,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(id = "changes", required = true, multiple = true, args = ["weight", "address"])]
struct SetArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Share of the new flows relative to the pool's other weights; 0 takes none
    #[arg(long)]
    weight: Option<u32>,
    /// Where packets go; flows move there with it
    #[arg(long)]
    address: Option<IpAddr>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct RemoveArgs {
    #[command(flatten)]
    of: NameArgs,
    /// Remove it at once: its flows are cut
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// When the node can't be reached, or says no.
pub fn run(args: &BackendArgs) -> Result<ExitCode, Failure> {
    args.connection.run(|session| match &args.command {
        Command::List { pool } => list(session, pool),
        Command::Show(of) => show(session, of),
        Command::Add(args) => add(session, args),
        Command::Set(args) => set(session, args),
        Command::Drain(args) => drain::run(session, args),
        Command::Undrain(args) => operate(session, args, "undrain"),
        Command::Maintenance(args) => operate(session, args, "maintenance"),
        Command::Rm(args) => remove(session, args),
    })
}

impl NameArgs {
    /// The backend's path.
    fn route(&self) -> Route {
        Route::to(&["pools", &self.pool, "backends", &self.name])
    }

    /// The path of something about the backend.
    pub fn step(&self, step: &str) -> Route {
        Route::to(&["pools", &self.pool, "backends", &self.name, step])
    }
}

fn list(session: &Session, pool: &str) -> Result<Exit, Error> {
    session.show(
        &Route::to(&["pools", pool, "backends"]),
        |backends: BTreeMap<String, BackendState>, out| tables::backends(&backends).print(out),
    )
}

fn show(session: &Session, of: &NameArgs) -> Result<Exit, Error> {
    session.show(&of.route(), |backend: BackendState, out| {
        tables::backend(&of.name, &backend, out)
    })
}

fn add(session: &Session, args: &AddArgs) -> Result<Exit, Error> {
    let spec = json!({ "address": args.address, "weight": args.weight });
    let write = Write::create(args.of.route(), spec);
    let NameArgs { pool, name } = &args.of;
    let taken = format!("pool {pool} has a backend {name} already: `backend set` changes it");
    let made = args.change.make(session, write);
    made.map_err(|error| error.advise(412, taken))
}

/// A weight is an operator's; an address is part of the definition, which is read, changed and written.
fn set(session: &Session, args: &SetArgs) -> Result<Exit, Error> {
    let Some(address) = args.address else {
        let write = Write {
            body: Some(json!({ "weight": args.weight })),
            ..Write::new(Method::PUT, args.of.step("weight"))
        };
        return args.change.make(session, write);
    };
    let answer = session.get(&args.of.route())?;
    let backend: BackendState = answer.read()?;
    let weight = args.weight.unwrap_or(backend.weight);
    let spec = json!({ "address": address, "weight": weight });
    let write = Write::replace(args.of.route(), spec, answer);
    args.change.make(session, write)
}

fn operate(session: &Session, args: &OperateArgs, step: &str) -> Result<Exit, Error> {
    let write = Write::new(Method::POST, args.of.step(step));
    args.change.make(session, write)
}

fn remove(session: &Session, args: &RemoveArgs) -> Result<Exit, Error> {
    let mut write = Write::remove(args.of.route());
    if args.now {
        write.route = write.route.with("now", true);
    }
    let NameArgs { pool, name } = &args.of;
    let absent = format!("pool {pool} has no backend {name}");
    let made = args.change.make(session, write);
    made.map_err(|error| error.advise(412, absent))
}
