//! The DPDK driver layer over drivers that need no spare NIC: captures, and veth pairs in namespaces of their own.
#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bed;
mod errors;
mod pcap;
#[path = "../replay_fixture/mod.rs"]
mod replay_fixture;
mod same_bytes;
mod tap;
mod veth;
