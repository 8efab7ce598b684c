//! The command line: a `Result` becomes an exit code here, and nowhere else.

use std::process::ExitCode;

fn main() -> ExitCode {
    tentetsu::cli::main()
}
