//! `run`: the appliance.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tracing_subscriber::EnvFilter;

use super::{Exit, Failure};
use crate::appliance::{self, Error};

/// Run the appliance
///
/// Starts the workers on the configured ports, says what it runs on, and serves until SIGTERM or SIGINT; then it
/// stops cleanly and prints totals.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Signals:
  SIGHUP            read the file again and publish new tables; a file with faults changes nothing
  SIGUSR1           print the counters to standard output; nothing stops
  SIGTERM, SIGINT   stop, and print totals

Environment:
  TENTETSU_LOG      what is logged to standard error: error, warn, info (default), debug

Examples:
  tentetsu run --config /etc/tentetsu.toml
  tentetsu check --config /etc/tentetsu.toml && kill -HUP \"$(pidof tentetsu)\"")]
pub struct RunArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs until told to stop.
///
/// # Errors
/// Whatever keeps the appliance from running, with its mend.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let filter = EnvFilter::try_from_env("TENTETSU_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    // A second subscriber can't be: this is the process's one command.
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::fmt()
        .with_ansi(ansi)
        // A log that can't be written must not stop the packets.
        .log_internal_errors(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
    appliance::run(&args.config).map_err(failure)?;
    Ok(Exit::Ok.into())
}

/// What an error of the appliance is on the command line.
pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Config(error) => error.into(),
        error => Failure {
            exit: exit(&error),
            message: error.to_string(),
        },
    }
}

fn exit(error: &Error) -> Exit {
    if matches!(error, Error::OwnAddress(_)) {
        return Exit::Config;
    }
    let denied = match error {
        Error::Dpdk(error) => error.is_permission(),
        Error::Key(error) => error.is_permission(),
        Error::Store(error) => error.is_permission(),
        Error::Flows(error) => error.is_permission(),
        Error::Api(error) => error.is_permission(),
        Error::System { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    };
    if denied {
        Exit::Permission
    } else {
        Exit::Unreachable
    }
}
