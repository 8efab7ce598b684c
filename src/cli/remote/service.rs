//! `service`: addresses that clients connect to.

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
use crate::cli::protocol::Protocol;
use crate::cli::{Exit, Failure};
use crate::config;
use crate::control::api::schema::ServiceState;

/// List, show and change services: the addresses that clients connect to
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu service list
  tentetsu service add http --address 203.0.113.10 --protocol tcp --port 80 --port 8000-8099 --pool web
  tentetsu service add dns --address 203.0.113.10 --protocol udp --port 53 --flows stateless --pool dns
  tentetsu service set http --pool blue --dry-run
  tentetsu service set http --pool blue
  tentetsu service rm http"))]
pub struct ServiceArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all services
    List,
    /// Show one service
    Show {
        /// The service
        #[arg(value_parser = route::name)]
        name: String,
    },
    /// Add a service
    Add(AddArgs),
    /// Change a service; what is left out stays
    ///
    /// With another pool the service is pointed there: its flows stay with their backends until they end, new ones go
    /// to the new pool.
    Set(SetArgs),
    /// Remove a service: packets to it are the host's from then on
    Rm {
        /// The service
        #[arg(value_parser = route::name)]
        name: String,
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// How the flows of a UDP service are told apart when its slots move.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum UdpFlows {
    /// All that are there may be old, and stay for as long as a flow may be silent
    Sticky,
    /// No packet has to do with another, as in DNS: all go to the new backend at once
    Stateless,
    /// QUIC connections that begin go to the new backend, the others stay
    Quic,
}

impl From<UdpFlows> for config::UdpFlows {
    fn from(flows: UdpFlows) -> Self {
        match flows {
            UdpFlows::Sticky => Self::Sticky,
            UdpFlows::Stateless => Self::Stateless,
            UdpFlows::Quic => Self::Quic,
        }
    }
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Its name
    #[arg(value_parser = route::name)]
    name: String,
    /// VIP address, or a prefix of them
    #[arg(long, value_name = "ADDRESS")]
    address: String,
    /// Transport protocol
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// A port, a range such as 8000-8099, or any; several times for several
    #[arg(long = "port", value_name = "PORT", required = true)]
    ports: Vec<String>,
    /// How UDP flows are told apart while slots move [default: sticky]
    #[arg(long, value_enum)]
    flows: Option<UdpFlows>,
    /// The pool that serves it
    #[arg(long, value_parser = route::name)]
    pool: String,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
#[group(id = "changes", required = true, multiple = true, args = ["address", "protocol", "ports", "flows", "pool"])]
struct SetArgs {
    /// The service
    #[arg(value_parser = route::name)]
    name: String,
    /// VIP address, or a prefix of them
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Transport protocol
    #[arg(long, value_enum)]
    protocol: Option<Protocol>,
    /// A port, a range such as 8000-8099, or any; several times for several; those that it had go
    #[arg(long = "port", value_name = "PORT")]
    ports: Vec<String>,
    /// How UDP flows are told apart while slots move
    #[arg(long, value_enum)]
    flows: Option<UdpFlows>,
    /// The pool that serves it
    #[arg(long, value_parser = route::name)]
    pool: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

/// Does what was asked for.
///
/// # Errors
/// When the node can't be reached, or says no.
pub fn run(args: &ServiceArgs) -> Result<ExitCode, Failure> {
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
        &Route::to(&["services"]),
        |services: BTreeMap<String, ServiceState>, out| tables::services(&services).print(out),
    )
}

fn show(session: &Session, name: &str) -> Result<Exit, Error> {
    session.show(&route(name), |service: ServiceState, out| {
        tables::service(name, &service, out)
    })
}

fn add(session: &Session, args: &AddArgs) -> Result<Exit, Error> {
    let mut spec = json!({
        "address": args.address,
        "protocol": config::Protocol::from(args.protocol),
        "ports": ports(&args.ports),
        "pool": args.pool,
    });
    if let Some(flows) = args.flows.map(config::UdpFlows::from) {
        spec["flows"] = json!(flows);
    }
    let taken = format!(
        "service {} is there already: `service set` changes it",
        args.name
    );
    let made = args
        .change
        .make(session, Write::create(route(&args.name), spec));
    made.map_err(|error| error.advise(412, taken))
}

/// Reads, changes and writes, if nobody else wrote meanwhile.
fn set(session: &Session, args: &SetArgs) -> Result<Exit, Error> {
    let answer = session.get(&route(&args.name))?;
    let mut spec: Map<String, Value> = answer.read()?;
    spec.remove("owner");
    let protocol = args.protocol.map(config::Protocol::from);
    if protocol.is_some_and(|protocol| protocol != config::Protocol::Udp) {
        // They are UDP's, and go with it.
        spec.remove("flows");
    }
    let flows = args.flows.map(config::UdpFlows::from);
    let ports = Some(ports(&args.ports)).filter(|_| !args.ports.is_empty());
    let changes = [
        ("address", args.address.as_ref().map(|value| json!(value))),
        ("protocol", protocol.map(|value| json!(value))),
        ("ports", ports),
        ("flows", flows.map(|value| json!(value))),
        ("pool", args.pool.as_ref().map(|value| json!(value))),
    ];
    for (key, value) in changes {
        spec.extend(value.map(|value| (key.to_owned(), value)));
    }
    let write = Write::replace(route(&args.name), Value::Object(spec), answer);
    args.change.make(session, write)
}

fn remove(session: &Session, name: &str, change: &ChangeArgs) -> Result<Exit, Error> {
    let absent = format!("there is no service {name}");
    let made = change.make(session, Write::remove(route(name)));
    made.map_err(|error| error.advise(412, absent))
}

fn route(name: &str) -> Route {
    Route::to(&["services", name])
}

/// As the API has them: numbers, ranges, or `"any"` alone.
fn ports(given: &[String]) -> Value {
    match given {
        [any] if any == "any" => json!("any"),
        some => some.iter().map(|text| port(text)).collect(),
    }
}

/// A port, or else the text, which the API reads as a range.
fn port(text: &str) -> Value {
    text.parse::<u16>().map_or(json!(text), |port| json!(port))
}
