//! The command line. One file per subcommand family.

#[cfg(feature = "dpdk")]
mod bench;
mod check;
mod completions;
mod config;
mod explain;
mod man;
mod offline;
mod protocol;
mod remote;
mod replay;
#[cfg(feature = "dpdk")]
mod run;
#[cfg(not(feature = "dpdk"))]
mod without_drivers;

use std::io::{self, ErrorKind, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::LoadError;

/// Exit codes of the program, after `sysexits.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or a positive answer.
    Ok = 0,
    /// A negative answer.
    No = 1,
    /// A wrong command line.
    Usage = 2,
    /// What is needed can't be reached.
    Unreachable = 69,
    /// Not permitted.
    Permission = 77,
    /// The configuration is wrong.
    Config = 78,
}

impl Exit {
    /// That a file can't be read which the configuration, or an argument that says what is wanted, is in.
    fn unread(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::Permission,
            _ => Self::Config,
        }
    }

    /// That a capture, or a file to write, which the command line names can't be opened.
    fn unopened(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::PermissionDenied => Self::Permission,
            _ => Self::Usage,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: what to print, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What to print on standard error.
    pub message: String,
}

/// A layer-4 load balancer appliance.
#[derive(Debug, Parser)]
#[command(name = "tentetsu", version, propagate_version = true)]
#[command(after_long_help = "\
Examples:
  tentetsu config example > lb1.toml && tentetsu check --config lb1.toml
  tentetsu run --config lb1.toml

Exit codes: 0 done, 1 a negative answer, 2 a wrong command line, or a capture or output in it that can't be opened,
69 something can't be had or reached, 77 not permitted, 78 the configuration, or a file of a state or a token, is wrong
or can't be read")]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "dpdk")]
    Run(run::RunArgs),
    #[cfg(feature = "dpdk")]
    Bench(bench::BenchArgs),
    #[cfg(not(feature = "dpdk"))]
    Run(without_drivers::AnyArgs),
    #[cfg(not(feature = "dpdk"))]
    Bench(without_drivers::AnyArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Replay(replay::ReplayArgs),
    Status(remote::status::StatusArgs),
    Show(remote::show::ShowArgs),
    Service(remote::service::ServiceArgs),
    Pool(remote::pool::PoolArgs),
    Backend(remote::backend::BackendArgs),
    Apply(remote::definitions::ApplyArgs),
    Confirm(remote::generations::ConfirmArgs),
    Diff(remote::definitions::DiffArgs),
    Rollback(remote::generations::RollbackArgs),
    Generations(remote::generations::GenerationsArgs),
    Transition(remote::transition::TransitionArgs),
    Config(config::ConfigArgs),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        #[cfg(feature = "dpdk")]
        Command::Run(args) => run::run(&args),
        #[cfg(feature = "dpdk")]
        Command::Bench(args) => bench::run(&args),
        #[cfg(not(feature = "dpdk"))]
        Command::Run(args) | Command::Bench(args) => without_drivers::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Status(args) => remote::status::run(&args),
        Command::Show(args) => remote::show::run(&args),
        Command::Service(args) => remote::service::run(&args),
        Command::Pool(args) => remote::pool::run(&args),
        Command::Backend(args) => remote::backend::run(&args),
        Command::Apply(args) => remote::definitions::apply(&args),
        Command::Confirm(args) => remote::generations::confirm(&args),
        Command::Diff(args) => remote::definitions::diff(&args),
        Command::Rollback(args) => remote::generations::rollback(&args),
        Command::Generations(args) => remote::generations::list(&args),
        Command::Transition(args) => remote::transition::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    result.unwrap_or_else(|failure| {
        // A reader that has seen enough, as `head`, is told nothing.
        if !failure.message.is_empty() {
            let _ = writeln!(io::stderr(), "tentetsu: {}", failure.message);
        }
        failure.exit.into()
    })
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let exit = if error.is_permission() {
            Exit::Permission
        } else {
            Exit::Config
        };
        Self {
            exit,
            message: error.to_string(),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            return Self {
                exit: Exit::No,
                message: String::new(),
            };
        }
        Self {
            exit: Exit::Unreachable,
            message: format!("can't write the answer: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Root may read every file, so the system can't be asked for this answer.
    #[test]
    fn a_file_that_may_not_be_read_is_a_matter_of_permission() {
        for (kind, exit) in [
            (ErrorKind::PermissionDenied, Exit::Permission),
            (ErrorKind::NotFound, Exit::Config),
        ] {
            let failure = Failure::from(LoadError::Read {
                path: "lb.toml".into(),
                source: kind.into(),
            });
            assert_eq!(failure.exit, exit);
            assert!(failure.message.starts_with("can't read lb.toml: "));
        }
    }
}
