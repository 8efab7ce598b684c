//! `tentetsu completions`: what a shell needs to complete the command line.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory, ValueEnum};

use super::{Cli, Failure};

/// Print a shell's completions for this program
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tentetsu completions bash > /etc/bash_completion.d/tentetsu
  tentetsu completions zsh  > /usr/local/share/zsh/site-functions/_tentetsu
  tentetsu completions fish > ~/.config/fish/completions/tentetsu.fish")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Shell> for clap_complete::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => Self::Bash,
            Shell::Zsh => Self::Zsh,
            Shell::Fish => Self::Fish,
        }
    }
}

/// Prints the completions, made from the command line's own definition.
///
/// # Errors
/// When they can't be written.
pub fn run(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    let shell = clap_complete::Shell::from(args.shell);
    clap_complete::generate(shell, &mut Cli::command(), "tentetsu", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
