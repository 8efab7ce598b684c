//! DPDK: the drivers of NICs, behind [`Queue`](crate::port::Queue).
//!
//! ```text
//!   Eal::start(config, ports) --> Eal::open(port) --> Device --> take_queues() --> one Queue per worker
//!                |                                      |
//!                +--> register_thread() (each worker)   +--> stats, link, MAC, set_vips
//! ```
//!
//! The binding is small enough to be read in one sitting, and the only place with `unsafe`. Two existing crates were
//! tried first and do not build any more: `capsule` 0.1.5 wants DPDK 19.11's removed KNI, and `dpdk-sys` 0.1.5 a
//! musl cross toolchain. Nothing is generated either: `shim.c` wraps the thirty functions that are needed (the
//! static inlines of the hot path among them), and [`Mbuf`] reads six fields in place, whose offsets the
//! C compiler asserts.
//!
//! The shim is a shared object inside this binary, loaded when DPDK is started: a machine without libdpdk can still
//! check configurations and replay captures.
#![allow(unsafe_code)]

mod bringup;
mod claim;
mod cores;
mod device;
mod eal;
mod error;
mod host;
mod log;
mod mbuf;
mod plan;
mod preflight;
mod queue;
mod shim;
mod steer;
mod sysfs;
mod tap;

pub use cores::{allowed as allowed_cores, check as check_cores};
pub use device::{Device, Link, Stats};
pub use eal::{Eal, Pool, Registered};
pub use error::Error;
pub use host::warnings as host_warnings;
pub use mbuf::Mbuf;
pub use queue::Queue;
pub use sysfs::{Nic, Sysfs};
pub use tap::Tap;
