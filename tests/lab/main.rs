//! The appliance in a network: real TCP from a client through it to real web servers, in namespaces.
//!
//! Each test makes a lab of its own with `scripts/lab` and removes it. They take turns, since a machine with
//! two cores has room for one lab under load. They need root.
#![cfg(feature = "dpdk")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail as its body does"
)]

mod api;
mod capture;
mod changes;
mod host;
mod lab;
mod signals;
mod tcp;
mod workers;
