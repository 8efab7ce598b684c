//! `tentetsu check`: all faults of a configuration file at once.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::{Exit, Failure};
use crate::config::{self, Against, Config, Fault, LoadError, counted};

/// Check a configuration file and report all of its faults at once
///
/// Needs no root, no NIC and no DPDK. Each fault names its file, line and column, shows the line, and says what
/// to write instead. Exits with 0 if the file is good, with 78 if not, with 77 if all that is wrong is that this user may
/// not read it, or a file that it names.
///
/// What the file names has to be there, as for `run`: the hash key's file, the API's tokens, certificate and key, and the
/// users of `api.peers`. With --elsewhere these are not looked for: the file is for another machine. NICs, cores, huge
/// pages and addresses to listen on are looked at by `run` alone.
///
/// A running appliance re-reads its file on SIGHUP, by the same rules, but for `[api]`, which is read at its start.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tentetsu config example > lb1.toml
  tentetsu check --config lb1.toml
  tentetsu check --config lb1.toml --format json | jq -r '.[] | \"\\(.line): \\(.message)\"'
  tentetsu check --elsewhere --config lb1.toml          # in a repository of configurations
  tentetsu check --config lb1.toml && kill -HUP \"$(pidof tentetsu)\"")]
pub struct CheckArgs {
    /// The configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The file is for another machine: do not look for the files and users that it names
    #[arg(long)]
    elsewhere: bool,
    /// How faults are printed
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people: each fault with its line and a hint
    Text,
    /// For programs: a list of {file, line, column, message, hint, path}, empty for a good file
    Json,
}

/// Prints what is wrong in the file, or that nothing is.
///
/// # Errors
/// When the file can't be read, or the answer not be written.
pub fn run(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let against = if args.elsewhere {
        Against::Nothing
    } else {
        Against::Everything
    };
    let (exit, faults) = match config::load(&args.config, against) {
        Ok(config) => (Exit::Ok, Ok(config)),
        Err(LoadError::Faults(faults)) if faults.is_permission() => (Exit::Permission, Err(faults)),
        Err(LoadError::Faults(faults)) => (Exit::Config, Err(faults)),
        Err(LoadError::Read { path, source }) => return unread(args, path, source),
    };
    let mut out = io::stdout().lock();
    match (args.format, faults) {
        (Format::Text, Ok(config)) => {
            writeln!(out, "{}: ok: {}", args.config.display(), summary(&config))?
        }
        (Format::Text, Err(faults)) => writeln!(out, "{faults}")?,
        (Format::Json, faults) => {
            let list = faults
                .as_ref()
                .err()
                .map_or(&[] as &[Fault], |faults| faults.list());
            serde_json::to_writer_pretty(&mut out, list).map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(exit.into())
}

/// The file can't be read: a program that reads the list finds that in it.
fn unread(args: &CheckArgs, path: PathBuf, source: io::Error) -> Result<ExitCode, Failure> {
    if matches!(args.format, Format::Json) {
        let fault = serde_json::json!([{
            "file": args.config,
            "line": 1,
            "column": 1,
            "message": format!("can't read the file: {source}"),
            "hint": "name a file that is there and that this user may read",
            "path": "",
        }]);
        writeln!(io::stdout(), "{fault:#}")?;
    }
    Err(LoadError::Read { path, source }.into())
}

fn summary(config: &Config) -> String {
    let backends = config.pools.iter().map(|pool| pool.backends.len()).sum();
    let counts = [
        (config.ports.len(), "port"),
        (config.services.len(), "service"),
        (config.pools.len(), "pool"),
        (backends, "backend"),
    ];
    counts.map(|(count, what)| counted(count, what)).join(", ")
}
