//! `explain`: where a connection goes, and why.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::offline::Offline;
use super::{Exit, Failure};
use crate::config;
use crate::control::api::schema::{ExplainQuery, Explanation, OuterHeader};
use crate::explain::explain;

/// Say where a connection goes, and why
///
/// Walks a packet of the connection through the same graph that the appliance runs, and tells what each stage
/// decided. Needs no root, no NIC, and no running appliance.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Exit codes: 0 it goes to a backend, 1 it is dropped or left to the host, 78 the configuration has faults

Examples:
  tentetsu explain --config lb1.toml tcp 198.51.100.7:40000 203.0.113.10:80
  tentetsu explain --config lb1.toml udp '[2001:db8::7]:5353' '[2001:db8:1::10]:53' --format json")]
pub struct ExplainArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
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
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

fn endpoint(text: &str) -> Result<SocketAddr, &'static str> {
    let hint = "write an address and a port, such as 203.0.113.10:80 or [2001:db8::1]:80";
    text.parse().map_err(|_| hint)
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl From<Protocol> for config::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
            Protocol::Sctp => Self::Sctp,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Prints the explanation.
///
/// # Errors
/// Faults of the configuration, or a client and VIP of different families.
pub fn run(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let offline = Offline::load(&args.config)?;
    let query = ExplainQuery {
        protocol: args.protocol.into(),
        client: args.client,
        vip: args.vip,
    };
    let explanation = explain(&query, &offline.snapshot, None).ok_or_else(|| Failure {
        exit: Exit::Usage,
        message: format!(
            "{} and {} are of different families: give both as IPv4 or both as IPv6",
            args.client, args.vip
        ),
    })?;
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => write(&explanation, &mut out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &explanation).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    let forwarded = explanation.reason.is_none() && explanation.backend.is_some();
    Ok(if forwarded { Exit::Ok } else { Exit::No }.into())
}

fn write(explanation: &Explanation, out: &mut impl io::Write) -> io::Result<()> {
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
    line("why", Some(explanation.why.clone()))
}
