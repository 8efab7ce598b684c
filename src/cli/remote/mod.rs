//! Commands that ask a running node, through its HTTP API.
//!
//! ```text
//!   arguments -> Session -> Client -> HTTP over a unix socket, TCP or TLS -> Answer -> table, or the API's JSON
//! ```
//!
//! A command knows routes and the types of [`crate::control::api::schema`]; [`session::Session`] sends, and makes
//! [`error::Error`] of what is not a success. One file per family of commands.

mod address;
pub mod backend;
mod change;
mod client;
pub mod connection;
pub mod definitions;
mod drain;
mod error;
mod events;
pub mod explain;
pub mod generations;
mod outcome;
pub mod pool;
mod route;
mod running;
pub mod service;
mod session;
pub mod show;
pub mod status;
mod table;
mod tables;
mod tls;
pub mod transition;

/// The end of each command's help.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 a negative answer (not there, somebody was faster, not in time),
2 a wrong command line, 69 the appliance can't be reached, 77 no permission,
78 what was sent has faults, or a file that was named can't be used";
