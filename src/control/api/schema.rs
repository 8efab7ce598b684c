//! What goes over the wire: the types of all requests and answers, which the server writes and the command line reads.
//!
//! A service's, pool's or backend's own definition is in [`crate::control::state`]. Spans and moments are whole
//! milliseconds, and say so in their names; moments are counted from 1970.

mod change;
mod event;
mod explanation;
mod flow;
mod node;
mod problem;
mod state;

pub use change::{
    BackendWeight, Cuts, GenerationEntry, GenerationStatus, Move, Outcome, Panic, Pending, Preview,
    Receipt, Unserved,
};
pub use event::{BackendEvent, Event, Gap, LinkEvent, StageEvent, TransitionEvent};
pub use explanation::{
    EntryOfFlow, ExplainQuery, Explanation, Moving, OuterHeader, SelectedBackend,
};
pub use flow::{Breaks, ClosedBy, Flow, FlowOrigin, FlowQuery, Flows, Forced, MovingBackend};
pub use flow::{Transition, ViewName};
pub use node::{
    BackendTraffic, Check, DropCount, Entries, LatencyMicros, LinkState, NodeStatus, PortStatus,
    Readiness, ServiceTraffic, Stats, WorkerStatus,
};
pub use problem::Problem;
pub use state::{BackendState, CurrentState, PoolState, ServiceState};
