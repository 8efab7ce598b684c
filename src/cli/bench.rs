//! `bench`: how fast the packet path is, on one core of this machine.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{Exit, Failure};
use crate::appliance::bench::{Load, Measured, Reading, bench};
use crate::config::{self, Against};

/// Measure the packet path on one core, over a capture replayed from memory
///
/// The capture's packets (not pcapng) are served by DPDK's net_pcap device for ever, and walk through the services of
/// the configuration, whose ports are not touched. scripts/bench compares the figure with testpmd's on the same device.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Needs root (for DPDK), and about 3 KiB of packet memory (dpdk.memory_mib) per packet of the capture.

Example:
  tentetsu bench --config lb1.toml --in noon.pcap --seconds 5")]
pub struct BenchArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The capture (pcap)
    #[arg(long = "in", value_name = "FILE")]
    input: PathBuf,
    /// How long to measure
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Drain so many backends of each pool before: their slots are on the move while it measures
    #[arg(long, value_name = "N", default_value_t = 0)]
    drained: usize,
    /// Change a backend's weight so many times a second while it measures, and measure as long without, in turns
    #[arg(long, value_name = "RATE", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000))]
    changes: u32,
    /// How the figures are printed
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

/// The figures.
#[derive(Debug, Serialize)]
struct Figures {
    mpps: f64,
    ns_per_packet: f64,
    clocks_per_packet: f64,
    tsc_ghz: f64,
    forwarded_share: f64,
    consulted_share: f64,
    entries: usize,
    changes: usize,
    /// The rate between changes, in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    mpps_between_changes: Option<f64>,
    stages: Vec<StageFigures>,
}

#[derive(Debug, Serialize)]
struct StageFigures {
    stage: &'static str,
    packets_per_call: f64,
    clocks_per_packet: f64,
}

/// Measures and prints.
///
/// # Errors
/// As of `run`: no permission, no memory, no such file.
pub fn run(args: &BenchArgs) -> Result<ExitCode, Failure> {
    let config = config::load(&args.config, Against::HashKey)?;
    if let Err(error) = std::fs::File::open(&args.input) {
        let exit = Exit::unopened(&error);
        let message = format!("can't read {}: {error}", args.input.display());
        return Err(Failure { exit, message });
    }
    let load = Load {
        drained: args.drained,
        changes: args.changes,
    };
    let measured = bench(config, &args.input, Duration::from_secs(args.seconds), load)
        .map_err(super::run::failure)?;
    if measured.totals.received == 0 {
        return Err(Failure {
            exit: Exit::No,
            message: format!(
                "no packets came from {}: is it empty?",
                args.input.display()
            ),
        });
    }
    let figures = Figures::of(&measured);
    let mut out = io::stdout().lock();
    match args.format {
        Format::Table => figures.write(&mut out)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &figures).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(Exit::Ok.into())
}

impl Figures {
    #[allow(clippy::cast_precision_loss)] // Figures for people.
    fn of(measured: &Measured) -> Self {
        let Reading {
            packets,
            elapsed,
            clocks,
        } = measured.loaded;
        let (packets, clocks, seconds) =
            (packets.max(1) as f64, clocks as f64, elapsed.as_secs_f64());
        let between = measured.between;
        let stages = measured
            .stages
            .iter()
            .filter(|stage| stage.calls > 0)
            .map(|stage| StageFigures {
                stage: stage.stage.name(),
                packets_per_call: stage.packets as f64 / stage.calls as f64,
                clocks_per_packet: stage.clocks_per_packet,
            });
        Self {
            mpps: packets / seconds / 1e6,
            ns_per_packet: seconds * 1e9 / packets,
            clocks_per_packet: clocks / packets,
            tsc_ghz: clocks / seconds / 1e9,
            forwarded_share: measured.totals.forwarded as f64
                / measured.totals.received.max(1) as f64,
            consulted_share: measured.moving.consulted_share,
            entries: measured.moving.entries,
            changes: measured.moving.changes,
            mpps_between_changes: (between.packets > 0)
                .then(|| between.packets as f64 / between.elapsed.as_secs_f64() / 1e6),
            stages: stages.collect(),
        }
    }

    fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{:.2} Mpps, {:.1} ns/packet, {:.0} TSC clocks/packet (TSC {:.2} GHz), {:.1} % forwarded",
            self.mpps,
            self.ns_per_packet,
            self.clocks_per_packet,
            self.tsc_ghz,
            self.forwarded_share * 100.0
        )?;
        if self.entries + self.changes > 0 {
            writeln!(
                out,
                "  {:.1} % of slots consulted, {} flow entries, {} changes",
                self.consulted_share * 100.0,
                self.entries,
                self.changes
            )?;
        }
        if let Some(between) = self.mpps_between_changes {
            let cost = (1.0 - self.mpps / between) * 100.0;
            writeln!(
                out,
                "  {between:.2} Mpps between the changes: they cost {cost:.1} %"
            )?;
        }
        for stage in &self.stages {
            let (vector, clocks) = (stage.packets_per_call, stage.clocks_per_packet);
            writeln!(
                out,
                "  {:10} {vector:6.1} packets/call {clocks:6.1} clocks/packet",
                stage.stage
            )?;
        }
        Ok(())
    }
}
