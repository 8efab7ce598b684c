//! `tentetsu config`: help with the configuration file.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Failure;

/// The file with every key; the tests hold it against the parser.
const EXAMPLE: &str = include_str!("../../config/example.toml");

/// Help with the configuration file
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tentetsu config example > lb1.toml")]
pub struct ConfigArgs {
    #[command(subcommand)]
    command: Topic,
}

#[derive(Debug, Subcommand)]
enum Topic {
    /// Print a commented configuration file with every key and its default
    ///
    /// The file is complete and passes `tentetsu check`. A line that ends in `# default` may be left out; a key
    /// behind `#` has a default that depends on the machine or on other keys.
    #[command(after_long_help = "\
Examples:
  tentetsu config example > lb1.toml
  tentetsu config example | grep -A3 encap")]
    Example,
}

/// Prints what was asked for.
///
/// # Errors
/// When the answer can't be written.
pub fn run(args: &ConfigArgs) -> Result<ExitCode, Failure> {
    match args.command {
        Topic::Example => io::stdout().lock().write_all(EXAMPLE.as_bytes())?,
    }
    Ok(ExitCode::SUCCESS)
}
