//! `status`: the node as a whole.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::HumanDuration;

use super::EXIT_CODES;
use super::connection::Connection;
use super::outcome::waits;
use super::route::Route;
use super::table::list;
use super::tables::lowercase;
use crate::cli::Failure;
use crate::control::api::schema::NodeStatus;

/// Show the running node: its version, its newest generation, and how far that is
#[derive(Debug, Args)]
#[command(after_long_help = format!("\
{EXIT_CODES}

Examples:
  tentetsu status
  tentetsu status --api https://lb1.example:8642 --token-file ci.token --ca-file ca.crt
  tentetsu status -o json | jq .generation"))]
pub struct StatusArgs {
    #[command(flatten)]
    connection: Connection,
}

/// Prints it.
///
/// # Errors
/// When the node can't be reached.
pub fn run(args: &StatusArgs) -> Result<ExitCode, Failure> {
    args.connection
        .run(|session| session.show(&Route::to(&["node"]), write))
}

fn write(node: NodeStatus, out: &mut dyn io::Write) -> io::Result<()> {
    let entries = &node.entries;
    let listed = entries.unconfirmed + entries.confirmed + entries.learned;
    let up = HumanDuration(Duration::from_millis(node.uptime_ms));
    let ready = if node.ready {
        "yes"
    } else {
        "no: /readyz?verbose of the API says why"
    };
    let degraded = node.degraded.iter();
    let degraded: Vec<String> = degraded
        .map(|check| format!("{}: {}", check.name, check.detail))
        .collect();
    let lines = [
        ("node", Some(node.name)),
        ("version", Some(node.version)),
        ("up for", Some(up.to_string())),
        ("ready", Some(ready.to_owned())),
        (
            "degraded",
            (!degraded.is_empty()).then(|| degraded.join("; ")),
        ),
        (
            "generation",
            Some(format!("{}, {}", node.generation, lowercase(&node.stage))),
        ),
        ("unconfirmed", node.pending.as_ref().map(waits)),
        ("slots", Some(node.slots.to_string())),
        ("hash key", Some(node.hash_key_fingerprint)),
        (
            "listed flows",
            Some(format!("{listed} of at most {}", entries.limit)),
        ),
    ];
    list(out, lines)
}
