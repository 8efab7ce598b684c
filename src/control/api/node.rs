//! What the API needs of the node that it speaks for.
//!
//! Requests are served on a thread of their own. What they need of the node they ask of its owner, in a [`Call`]: so
//! there is one writer, and a request can only wait for it.

use std::sync::Arc;

use super::schema::{
    DropCount, ExplainQuery, Explanation, Flow, FlowQuery, Forced, NodeStatus, PortStatus,
    Readiness, Stats, Transition, WorkerStatus,
};
use crate::control::controller::Stage;
use crate::control::ledger::{Ledger, Receipt, Refusal, Request};
use crate::control::views::{Led, Standing, ViewKey};
use crate::table::{BackendId, Generation};

/// Something to do with the node, by the thread that owns it. It takes microseconds, or it has no business there.
pub type Call = Box<dyn FnOnce(&mut dyn Node) + Send>;

/// Takes calls to the node's owner; `false`: there is none any more.
pub type Door = Arc<dyn Fn(Call) -> bool + Send + Sync>;

/// Listed flows of a stretch of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stretch {
    /// How many there are of those asked for.
    pub total: u64,
    /// The first of them, as many as were asked for.
    pub flows: Vec<Flow>,
    /// Where the next stretch begins; `None`: this was the last.
    pub next: Option<usize>,
}

/// A node, seen from the API. Nothing but [`Node::execute`] and [`Node::force`] changes it.
pub trait Node {
    /// What is wanted, its log, and what waits for a confirmation.
    fn ledger(&self) -> &Ledger;

    /// Does what is asked; it is stored when this returns.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is changed then.
    fn execute(&mut self, request: &Request) -> Result<Receipt, Refusal>;

    /// How far a generation is on its way to the workers.
    fn stage(&self, generation: Generation) -> Stage;

    /// The node as a whole.
    fn status(&self) -> NodeStatus;

    /// Whether it can take traffic.
    fn readiness(&self) -> Readiness;

    /// Its ports.
    fn ports(&self) -> Vec<PortStatus>;

    /// Its workers.
    fn workers(&mut self) -> Vec<WorkerStatus>;

    /// What its ports dropped; only reasons that occurred.
    fn drops(&self) -> Vec<DropCount>;

    /// Traffic to services and backends.
    fn stats(&self) -> Stats;

    /// Views, and how far their slots are.
    fn transitions(&self) -> Vec<Transition>;

    /// Where the new flows of a view go; `None`: there is no such view.
    fn standing(&self, view: &ViewKey) -> Option<Standing>;

    /// Those of the listed flows that lie in a stretch of the table that begins at `from`; 0 is its beginning.
    fn flows(&self, query: &FlowQuery, from: usize) -> Stretch;

    /// How many listed flows are at a backend.
    fn listed(&self, pool: &str, backend: &str) -> u64;

    /// Which slots lead to a backend what is not listed.
    fn led(&self, backend: BackendId) -> Led;

    /// Sends a pool's slots over at once, or says what that would do; `None`: there is no such pool.
    fn force(&mut self, pool: &str, dry_run: bool) -> Option<Forced>;

    /// Where a connection goes, and why; `None` if client and service address are of different families.
    fn explain(&self, query: &ExplainQuery) -> Option<Explanation>;
}
