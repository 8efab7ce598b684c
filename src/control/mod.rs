//! The control side: from a configuration and the kernel's routes to the snapshots that workers read.

mod compile;
mod key;
pub mod nexthop;
mod plan;
mod reach;
mod synthetic;

pub use compile::{compile_snapshot, compile_tables};
pub use key::{KeyError, resolve_key};
pub use plan::{MemberPlan, Plan, ServicePlan, ViewPlan};
pub use reach::{Reach, kernel_reach};
pub use synthetic::{synthetic_reach, synthetic_snapshot};
