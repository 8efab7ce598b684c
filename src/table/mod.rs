//! Tables: services, the keyed flow hash, Maglev, and the immutable snapshot that workers read.
//!
//! Everything here is pure and computed off the data path; a worker only looks up.

mod adjacency;
mod former;
mod hash;
pub mod maglev;
mod publish;
mod service;
mod snapshot;
mod view;
mod word;

pub use adjacency::Adjacency;
pub use former::{BY_FORMER, Former, Spread};
pub use hash::{FlowHasher, HashKey};
pub use publish::{Publisher, Round, Subscriber, channel};
pub use service::{Match, Rule, ServiceIndex};
pub use snapshot::{
    Backend, BackendId, Generation, Rewrite, Service, Snapshot, Tables, Tracking, Way,
};
pub use view::{
    CONSULT, CleanClocks, FlowTimes, Member, Moving, MovingSlot, NO_BACKEND, Phase, View, slot_of,
};
pub(crate) use word::Word;
