//! `tentetsu replay`: the graph over a capture.

mod compare;
mod estimate;
mod files;
mod flows;
mod lane;
mod progress;
mod report;
mod run;
mod tally;
mod verdicts;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::offline::Offline;
use super::{Exit, Failure};
use crate::port::pcap::{PcapPort, ReadError, Reader, Writer};
use crate::table::Snapshot;
use files::{Files, Input, OpenError};
use report::Report;
use run::{Replay, RunError};

/// Run a capture through the packet graph, and report what became of each packet
///
/// The same graph as on a NIC, with a virtual clock, on a pcap or pcapng file; needs no root, no NIC and no DPDK.
/// The same input gives the same output, byte for byte: packets, verdicts and the report as JSON. How long it took and
/// packets per second are in the table, and beside JSON on standard error. The kernel's routes and neighbours are not
/// asked: each backend is on link, with a MAC address made of its own address (02:01 and the last four bytes).
///
/// The report goes to standard output, everything else to standard error. It counts a packet for its backend once that
/// is chosen, as `run` does, so also one that is dropped later (mtu_exceeded), and lists backends that got packets. A
/// damaged capture is replayed up to the fault, whose byte offset is named; the exit code is then 1.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tentetsu replay --config lb1.toml --in clients.pcap
  tentetsu replay --config lb1.toml --in clients.pcap --out sent.pcapng --verdicts verdicts.jsonl
  tcpdump -i eth1 -c 1000 -w - | tentetsu replay --config lb1.toml --in - --report json | jq .dropped
  tentetsu replay --config lb1.toml --in clients.pcap --compare new.toml

A line of --verdicts (n counts input packets, out lists packets of --out, both from 1):
  {\"n\":1,\"verdict\":\"forwarded\",\"reason\":null,\"service\":\"web\",\"slot\":123,\"backend\":\"10.0.0.5\",\"out\":[1]}")]
pub struct ReplayArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The capture, pcap or pcapng, Ethernet only; "-" reads standard input
    #[arg(long = "in", value_name = "CAPTURE")]
    input: PathBuf,
    /// Write forwarded and answered packets here, as pcapng with the input's timestamps
    #[arg(long, value_name = "PCAPNG")]
    out: Option<PathBuf>,
    /// Write one JSON line per input packet here
    #[arg(long, value_name = "JSONL")]
    verdicts: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value = "table")]
    report: Format,
    /// Also tell which flows of the capture another configuration sends to other backends; a table shows 20 of them,
    /// JSON all (up to --max-flows)
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Count flows exactly up to so many, and estimate beyond
    #[arg(long, value_name = "N", default_value = "1000000")]
    max_flows: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs: one object with rx, tx, forwarded, answered, punted, dropped, flows, services
    Json,
}

/// Replays the capture and prints the report.
///
/// # Errors
/// When a file can't be read or written, when the configuration is wrong, or at a fault of the capture (after
/// the packets before it were replayed and reported).
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Failure> {
    let mut files = Files::default();
    let first = snapshot(&args.config, &mut files)?;
    let other = args
        .compare
        .as_deref()
        .map(|path| snapshot(path, &mut files))
        .transpose()?;
    let Input { stream, size } = files.open(&args.input)?;
    let capture = Reader::open(stream).map_err(|error| damaged(&args.input, &error))?;
    let output = args
        .out
        .as_deref()
        .map(|path| writer(path, &mut files))
        .transpose()?;
    let verdicts = args
        .verdicts
        .as_deref()
        .map(|path| files.create(path))
        .transpose()?;

    let replay = Replay {
        port: PcapPort::new(capture, output),
        size,
        snapshot: first,
        verdicts,
        compare: other.zip(
            args.compare
                .as_deref()
                .map(|path| path.display().to_string()),
        ),
        max_flows: args.max_flows,
    };
    let done = replay.run().map_err(|error| failed(args, error))?;
    print(&done.report, args.report)?;
    done.capture.map_err(|error| damaged(&args.input, &error))?;
    Ok(Exit::Ok.into())
}

fn snapshot(path: &Path, files: &mut Files) -> Result<Arc<Snapshot>, Failure> {
    let offline = Offline::load(path)?;
    files.protect(path);
    Ok(offline.snapshot)
}

fn writer(path: &Path, files: &mut Files) -> Result<Writer<File>, Failure> {
    let file = files.create(path)?;
    Writer::new(file).map_err(|error| unwritten(path, &error))
}

fn print(report: &Report, format: Format) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match format {
        Format::Table => write!(out, "{report}")?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, report)?;
            writeln!(out)?;
            // Not in the object: the same input gives the same bytes. Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "tentetsu: {}", report.pace());
        }
    }
    out.flush()
}

fn damaged(path: &Path, error: &ReadError) -> Failure {
    Failure {
        exit: Exit::No,
        message: format!("{}: {error}", path.display()),
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    let message = format!(
        "can't write {}: {error}; what is in it is not complete",
        path.display()
    );
    Failure {
        exit: Exit::No,
        message,
    }
}

fn failed(args: &ReplayArgs, error: RunError) -> Failure {
    let nowhere = Path::new("the output");
    match error {
        RunError::Packets(error) => unwritten(args.out.as_deref().unwrap_or(nowhere), &error),
        RunError::Verdicts(error) => unwritten(args.verdicts.as_deref().unwrap_or(nowhere), &error),
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let exit = match &error {
            OpenError::Refused { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                Exit::Permission
            }
            OpenError::Refused { .. } => Exit::No,
            OpenError::Clash(_) | OpenError::StandardOutput => Exit::Usage,
        };
        Failure {
            exit,
            message: error.to_string(),
        }
    }
}
