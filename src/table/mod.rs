//! Tables: services, the keyed flow hash, Maglev, and the immutable snapshot that workers read.
//!
//! Everything here is pure and computed off the data path; a worker only looks up.

mod adjacency;
mod hash;
pub mod maglev;
mod publish;
mod service;
mod snapshot;

pub use adjacency::Adjacency;
pub use hash::{FlowHasher, HashKey};
pub use publish::{Publisher, Subscriber, channel};
pub use service::{Match, Rule, ServiceIndex};
pub use snapshot::{Backend, Generation, Pool, Rewrite, Service, Snapshot, Tables, Way};
