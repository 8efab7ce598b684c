//! `run`: the appliance.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use tracing::level_filters::LevelFilter;

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

/// The level that `wish` names, or the default one; and whether that is what was wished.
fn level(wish: &str) -> (LevelFilter, bool) {
    match wish.trim() {
        "" => (LevelFilter::INFO, true),
        name => name
            .parse()
            .map_or((LevelFilter::INFO, false), |level| (level, true)),
    }
}

/// Runs until told to stop.
///
/// # Errors
/// Whatever keeps the appliance from running, with its mend.
pub fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let wish = std::env::var("TENTETSU_LOG").unwrap_or_default();
    let (level, is_level) = level(&wish);
    // A second subscriber can't be: this is the process's one command.
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let _ = tracing_subscriber::fmt()
        .with_ansi(ansi)
        // A log that can't be written must not stop the packets.
        .log_internal_errors(false)
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .try_init();
    if !is_level {
        tracing::warn!(
            "TENTETSU_LOG={wish:?} is no level: write error, warn, info or debug. It is info now"
        );
    }
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
    let denied = match error {
        Error::Dpdk(error) => error.is_permission(),
        Error::Key(error) => error.is_permission(),
        Error::Store(error) => error.is_permission(),
        Error::Flows(error) => error.is_permission(),
        Error::Api(error) => error.is_permission(),
        Error::System { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        _ => false,
    };
    let wrong = match error {
        Error::OwnAddress(_) => true,
        Error::Dpdk(error) => error.is_config(),
        Error::Api(error) => error.is_config(),
        _ => false,
    };
    match (denied, wrong) {
        (true, _) => Exit::Permission,
        (false, true) => Exit::Config,
        (false, false) => Exit::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_silences_nothing() {
        assert_eq!(level("warn"), (LevelFilter::WARN, true));
        assert_eq!(level("DEBUG"), (LevelFilter::DEBUG, true));
        assert_eq!(level(""), (LevelFilter::INFO, true));
        assert_eq!(level("warning"), (LevelFilter::INFO, false));
    }
}
