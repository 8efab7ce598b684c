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

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::offline::Offline;
use super::{Exit, Failure};
use crate::port::pcap::{PcapPort, ReadError, Reader, Writer};
use files::{Input, OpenError, Outputs, keep_apart};
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
Exit codes: 0 done, 1 the capture is damaged, 2 a wrong command line, or a file in it that can't be opened,
69 no room to write, 77 a file that may not be read or written, 78 the configuration can't be read or has faults

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
    keep_apart(&args.read(), &args.written())?;
    let snapshot = |path: &PathBuf| Offline::load(path).map(|offline| offline.snapshot);
    let first = snapshot(&args.config)?;
    let other = args.compare.as_ref().map(snapshot).transpose()?;
    let Input { stream, size } = Input::open(&args.input)?;
    let capture = Reader::open(stream).map_err(|error| damaged(&args.input, &error))?;
    let Outputs { packets, verdicts } =
        Outputs::open(args.out.as_deref(), args.verdicts.as_deref())?;
    let output = packets.map(Writer::new).transpose();
    let output = output.map_err(|error| failed(args, RunError::Packets(error)))?;

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

impl ReplayArgs {
    /// The files that are read.
    fn read(&self) -> Vec<&Path> {
        let both = [self.config.as_path(), &self.input];
        both.into_iter().chain(self.compare.as_deref()).collect()
    }

    /// The files that are written.
    fn written(&self) -> Vec<&Path> {
        [&self.out, &self.verdicts]
            .into_iter()
            .filter_map(Option::as_deref)
            .collect()
    }
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
        exit: Exit::Unreachable,
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
            OpenError::Refused { source, .. } => Exit::unopened(source),
            OpenError::Clash(_) | OpenError::StandardOutput => Exit::Usage,
        };
        Failure {
            exit,
            message: error.to_string(),
        }
    }
}
