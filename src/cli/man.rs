//! `tentetsu man`: the manual page.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory};

use super::{Cli, Failure};

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  tentetsu man | man -l -
  tentetsu man > /usr/local/share/man/man1/tentetsu.1")]
pub struct ManArgs {}

/// Prints the manual, made from the command line's own definition: the program's page, then each command's.
///
/// # Errors
/// When it can't be written.
pub fn run(_args: &ManArgs) -> Result<ExitCode, Failure> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    render(&program, &mut pages)?;
    io::stdout().lock().write_all(&pages)?;
    Ok(ExitCode::SUCCESS)
}

fn render(command: &clap::Command, pages: &mut Vec<u8>) -> io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(pages)?;
    command
        .get_subcommands()
        .try_for_each(|command| render(command, pages))
}
