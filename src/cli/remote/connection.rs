//! What all commands that ask a running node have in common: where it is, who asks, and how answers are printed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::address::Address;
use super::error::Error;
use super::session::Session;
use crate::cli::{Exit, Failure};

/// Where the node is, and who asks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Target {
    /// Where the node's API is: unix:PATH, http://HOST:PORT on this host, or https://HOST:PORT
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "TENTETSU_API",
        default_value = "unix:/run/tentetsu/api.sock",
        global = true
    )]
    pub(super) api: Address,
    /// A file that holds the token to show
    #[arg(long, value_name = "FILE", env = "TENTETSU_TOKEN_FILE", global = true)]
    pub(super) token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust over https; those that the system trusts if left out
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) ca_file: Option<PathBuf>,
}

/// Where the node is, who asks, and how answers are printed.
#[derive(Debug, Args)]
pub struct Connection {
    #[command(flatten)]
    target: Target,
    /// How answers are printed
    #[arg(
        short,
        long,
        value_enum,
        default_value = "table",
        global = true,
        help_heading = "Connection"
    )]
    output: Output,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs: exactly what the API answers, also of errors
    Json,
}

impl Connection {
    /// Does what `command` says with the node.
    ///
    /// # Errors
    /// What the program ends with.
    pub fn run(
        &self,
        command: impl FnOnce(&Session) -> Result<Exit, Error>,
    ) -> Result<ExitCode, Failure> {
        self.target.run(self.output, command)
    }
}

impl Target {
    /// Does what `command` says with the node.
    ///
    /// # Errors
    /// What the program ends with.
    pub fn run(
        &self,
        output: Output,
        command: impl FnOnce(&Session) -> Result<Exit, Error>,
    ) -> Result<ExitCode, Failure> {
        let done = Session::open(self, output).and_then(|session| command(&session));
        done.map(ExitCode::from).map_err(|error| error.end(output))
    }
}
