//! The control side: what is wanted, and from that and the kernel's routes the snapshots that workers read.
//!
//! A [`command::Command`] says what is asked; [`command::apply`] makes a new [`state::State`] of it, or all its faults;
//! the [`ledger::Ledger`] gives that a generation, which its [`store::Store`] has on disk before anybody is answered.

pub mod api;
pub mod command;
mod compile;
pub mod controller;
mod extent;
mod key;
pub mod ledger;
pub mod nexthop;
mod plan;
mod reach;
pub mod state;
pub mod store;
mod synthetic;
pub mod views;

pub use compile::{Known, compile_snapshot, compile_successor, compile_tables};
pub use key::{KeyError, KeyOrigin, fingerprint, resolve_key};
pub use plan::{Plan, ServicePlan, ViewPlan};
pub use reach::{Reach, kernel_reach};
pub use synthetic::{synthetic_next_hops, synthetic_reach, synthetic_snapshot};
