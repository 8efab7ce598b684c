//! The HTTP API: what is wanted is read and changed by it, and the running node is looked into.
//!
//! ```text
//!   connection -> admit (who asks) -> route -> body, query, conditions -> Call -> the node's owner -> answer
//! ```
//!
//! It runs on one thread of its own. What it needs of the node it asks of the thread that owns it ([`node::Call`]), which
//! stays the one writer: a slow client, a large body and a flood of requests wait here, and never there. `GET` changes
//! nothing. A write is stored before it is answered.

mod access;
mod body;
mod condition;
mod document;
mod doubled;
pub mod events;
mod moves;
pub mod node;
mod observer;
mod panics;
mod problem;
mod query;
mod readable;
mod routes;
pub mod schema;
pub mod serve;
mod told;
mod unserved;
mod write;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use access::Access;
use events::Events;
use node::{Call, Door, Node};
use schema::Problem;

pub use body::{Form, MAX_BYTES, read};
pub use document::document;
pub use doubled::doubled;
pub use observer::Observer;

/// How long a request waits for the node's owner.
const PATIENCE: Duration = Duration::from_secs(10);
/// Readers of `/events` at a time: each holds a connection for as long as it likes.
const MOST_STREAMS: usize = 64;

/// What all handlers share.
#[derive(Clone)]
struct Api(Arc<Shared>);

struct Shared {
    door: Door,
    events: Arc<Events>,
    access: Access,
    /// Room for bodies that are being read, in KiB.
    bodies: Semaphore,
    /// Places for readers of events.
    streams: Arc<Semaphore>,
}

impl Deref for Api {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// Has the node's owner do something with it, and waits for the answer.
    async fn ask<T: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Node) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, receiver) = oneshot::channel();
        // Whoever asked may have gone.
        let call: Call = Box::new(move |node| drop(sender.send(what(node))));
        if !(self.door)(call) {
            return Err(unavailable("the node is stopping"));
        }
        let answer = timeout(PATIENCE, receiver).await;
        let answer = answer.map_err(|_| {
            unavailable(
                "the node does not answer; a write may still be done: read before you repeat it",
            )
        })?;
        answer.map_err(|_| unavailable("the node is stopping"))
    }
}

fn unavailable(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}
