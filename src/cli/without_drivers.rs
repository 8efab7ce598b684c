//! `run` and `bench` in a build without the feature `dpdk`: they say why they are not there.

use std::process::ExitCode;

use clap::Args;

use super::{Exit, Failure};

/// Not in this build: it has no driver layer
#[derive(Debug, Args)]
pub struct AnyArgs {
    /// Taken, whatever they are
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Says what this build lacks.
///
/// # Errors
/// Always.
pub fn run(_args: &AnyArgs) -> Result<ExitCode, Failure> {
    Err(Failure {
        exit: Exit::Unreachable,
        message: "this build has no driver layer: build it with the feature `dpdk`, which is on by default".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::{Cli, Command};

    #[test]
    fn whatever_is_asked_of_it_is_understood() {
        let cli = Cli::parse_from(["tentetsu", "run", "--config", "lb1.toml"]);
        let Command::Run(args) = cli.command else {
            panic!("{cli:?}");
        };
        assert!(
            super::run(&args)
                .unwrap_err()
                .message
                .contains("no driver layer")
        );
    }
}
