//! `explain`: where a connection goes, and why.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::offline::Offline;
use super::protocol::Protocol;
use super::remote::connection::{Output, Target};
use super::remote::explain::ask;
use super::{Exit, Failure};
use crate::control::api::schema::{EntryOfFlow, ExplainQuery, Explanation, Moving, OuterHeader};
use crate::explain::explain;

/// Say where a connection goes, and why
///
/// Asks the running appliance: the answer is by its tables of now, and tells of a slot that is moving which entry and
/// which rule decide. With --config it is by that file alone, and needs no root, no NIC, and no running appliance.
/// Either way a packet of the connection walks through the graph, and leaves no trace.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 it goes to a backend, 1 it is dropped or left to the host, 2 a wrong command line,
69 the appliance can't be reached, 77 no permission, 78 the configuration has faults

Examples:
  tentetsu explain tcp 198.51.100.7:40000 203.0.113.10:80
  tentetsu explain --config lb1.toml tcp 198.51.100.7:40000 203.0.113.10:80
  tentetsu explain --config lb1.toml udp '[2001:db8::7]:5353' '[2001:db8:1::10]:53' -o json")]
pub struct ExplainArgs {
    /// Explain by this configuration file (TOML) instead of asking the running appliance
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Transport protocol
    #[arg(value_enum)]
    protocol: Protocol,
    /// The client's address and port
    #[arg(value_name = "CLIENT:PORT", value_parser = endpoint)]
    client: SocketAddr,
    /// The service's address and port
    #[arg(value_name = "VIP:PORT", value_parser = endpoint)]
    vip: SocketAddr,
    /// How the answer is printed
    #[arg(
        short = 'o',
        long,
        visible_alias = "output",
        value_enum,
        default_value = "text"
    )]
    format: Format,
    #[command(flatten)]
    target: Target,
}

fn endpoint(text: &str) -> Result<SocketAddr, &'static str> {
    let hint = "write an address and a port, such as 203.0.113.10:80 or [2001:db8::1]:80";
    text.parse().map_err(|_| hint)
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    #[value(alias = "table")]
    Text,
    /// For programs
    Json,
}

/// Prints the explanation.
///
/// # Errors
/// Faults of the configuration, a node that can't be reached, or a client and VIP of different families.
pub fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    if args.client.is_ipv4() != args.vip.is_ipv4() {
        let message = format!(
            "{} and {} are of different families: give both as IPv4 or both as IPv6",
            args.client, args.vip
        );
        let exit = Exit::Usage;
        return Err(Failure { exit, message });
    }
    let query = ExplainQuery {
        protocol: args.protocol.into(),
        client: args.client,
        vip: args.vip,
    };
    match &args.config {
        Some(config) => by_file(config, &query, args.format),
        None => by_node(&args.target, &query, args.format),
    }
}

fn by_file(config: &Path, query: &ExplainQuery, format: Format) -> Result<ExitCode, Failure> {
    let offline = Offline::load(config)?;
    let Some(explanation) = explain(query, &offline.snapshot, None) else {
        return Ok(Exit::No.into());
    };
    let mut out = io::stdout().lock();
    match format {
        Format::Text => write(&explanation, &mut out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &explanation).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(exit(&explanation).into())
}

fn by_node(target: &Target, query: &ExplainQuery, format: Format) -> Result<ExitCode, Failure> {
    let output = match format {
        Format::Text => Output::Table,
        Format::Json => Output::Json,
    };
    target.run(output, |session| {
        let answer = ask(session, query)?;
        session.print(&answer, |explanation: Explanation, out| {
            write(&explanation, out)
        })?;
        answer.read().map(|explanation| exit(&explanation))
    })
}

/// Whether it goes to a backend.
fn exit(explanation: &Explanation) -> Exit {
    if explanation.reason.is_none() && explanation.backend.is_some() {
        Exit::Ok
    } else {
        Exit::No
    }
}

fn write(explanation: &Explanation, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(
        out,
        "{} {} -> {}: {}",
        explanation.protocol, explanation.client, explanation.vip, explanation.verdict
    )?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "  {name:8} {value}"),
        None => Ok(()),
    };
    line("service", explanation.service.clone())?;
    line("pool", explanation.pool.clone())?;
    line("hash", explanation.hash.clone())?;
    let slot = explanation.slot.zip(explanation.slots);
    line(
        "slot",
        slot.map(|(slot, slots)| format!("{slot} of {slots}")),
    )?;
    let backend = explanation.backend.as_ref();
    line(
        "backend",
        backend.map(|b| format!("{} ({}, weight {})", b.name, b.address, b.weight)),
    )?;
    line("encap", explanation.encap.clone())?;
    let outer = |o: &OuterHeader| {
        format!(
            "{} -> {}, TTL {}, ToS {:#04x}",
            o.source, o.destination, o.ttl, o.tos
        )
    };
    line("outer", explanation.outer.as_ref().map(outer))?;
    line("reason", explanation.reason.clone())?;
    let moving = explanation.moving.as_ref();
    line("slot is", moving.map(phase))?;
    let listed = moving.map(|moving| moving.entry.as_ref());
    line("entry", listed.map(own))?;
    for other in moving.iter().flat_map(|moving| &moving.others) {
        let told = format!("another connection by the same ports: {}", entry(other));
        line("beside", Some(told))?;
    }
    line("why", Some(explanation.why.clone()))
}

/// How far a moving slot is, and between which backends.
fn phase(moving: &Moving) -> String {
    let name = |backend: &Option<String>| backend.clone().unwrap_or("none".to_owned());
    let (default, target) = (name(&moving.default), name(&moving.target));
    format!(
        "{}: unlisted flows to {default}, new ones to {target}",
        moving.phase
    )
}

/// What is known of the flow itself.
fn own(listed: Option<&EntryOfFlow>) -> String {
    listed.map_or("none: the flow is not listed".to_owned(), entry)
}

fn entry(entry: &EntryOfFlow) -> String {
    let backend = entry.backend.as_deref().unwrap_or("a backend that is gone");
    format!("{backend}, silent for {} ms", entry.idle_ms)
}
