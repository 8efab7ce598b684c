//! The transition machine: brings slots from one backend to another without breaking a connection. Sans-IO.
//!
//! ```text
//!             T changes            all workers consult, and         the clean clock
//!                                  syn_guard is over                 reaches T_idle
//!   settled ----------> armed ---------------------------> steered ----------------> frozen
//!      ^                  ^ |                                 ^ |                     |   |
//!      |                  | | no room                         | +---- something left -+   | all workers froze,
//!      |                  | v                                 |       unlisted            | and it still stands
//!      |                waiting                               |                           v
//!      +--- no entry left -------------------- draining <----------- D becomes T: the flip
//! ```
//!
//! A frozen slot stays so with another target, and one whose default dies flips at once and is frozen then.
//!
//! A phase counts only from when every worker has it: *armed* is a barrier before *steered*, *frozen* one before the
//! flip, and the flip itself, behind which the slot is frozen still, one before it drains: before new flows of the new D
//! go unlisted, and entries equal to it are dropped. Each is confirmed by the round that
//! published it. What the workers are to one node, nodes are to a cluster.
//!
//! Overlapping changes need nothing special: D stays the oldest, T is the newest, entries name backends.

mod leave;
mod members;
mod slots;
mod stages;
mod step;
mod sweep;

pub use slots::Slots;
pub use step::Tick;
pub use sweep::{Census, Sweep};

/// How far a view's slots are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Slots whose D is not T.
    pub moving: usize,
    /// Slots that are consulted; among them those whose D is T, with entries left.
    pub consulted: usize,
    /// Slots whose new flows go to D still.
    pub armed: usize,
    /// Slots that wait for room.
    pub waiting: usize,
    /// Defaults changed so far.
    pub flips: u64,
}
