//! Changes: what became of one, what one would do, and how far one is.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::controller::Stage;
use crate::control::state::object::as_objects;
use crate::control::state::{Change, Pool};
use crate::control::{ledger, store};

as_objects!(BackendWeight);

/// A backend's new weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct BackendWeight {
    /// Share of the slots relative to the pool's other weights, at most 65,535; 0 takes none.
    #[schema(maximum = 65_535, example = 100)]
    pub weight: u32,
}

/// What a write answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Outcome {
    /// It was done.
    Receipt(Receipt),
    /// It was only looked at (`?dry_run`).
    Preview(Preview),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// The newest generation.
    pub generation: u64,
    /// Whether this write made it.
    pub changed: bool,
    /// The entity tag that the service, pool or backend of the path has now, without its quotes: what `If-Match` of the
    /// next write there takes. Null: it is gone. Where the path names none of them it is that of the whole state.
    pub etag: Option<String>,
    /// The entity tag of the whole state, without its quotes: for `PUT /state`.
    pub state_etag: String,
    /// The change that waits for its confirmation now.
    pub pending: Option<Pending>,
    /// What was cut, if this write cut a backend's flows.
    pub cuts: Option<Cuts>,
    /// Pools whose tables this write would change, and that stay as they are since they panic.
    pub panics: Vec<Panic>,
    /// Services whose traffic is no longer served since this write.
    pub unserved: Vec<Unserved>,
}

/// A pool that panics: more of its weight than it admits is taken for dead, which is doubted, so its table stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Panic {
    /// The pool.
    pub pool: String,
    /// The share of its weight that may be taken for dead, in percent.
    pub panic_percent: u8,
}

/// A change that is rolled back unless it is confirmed in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// The generation that it made.
    pub generation: u64,
    /// The generation that it would go back to.
    pub back_to: u64,
    /// When.
    pub deadline_ms: u64,
}

/// Flows that are cut: all of a backend's. Only those that are listed can be counted; there is no state of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cuts {
    /// The backend's pool.
    pub pool: String,
    /// The backend.
    pub backend: String,
    /// Its listed flows, at the last count.
    pub listed: u64,
    /// Slots whose other flows went to it, which are cut, too, and not counted. 0 while the pool panics: its table stays as
    /// it is, and so do they.
    pub unlisted_slots: u64,
    /// Slots in all of the tables that it is in: what `unlisted_slots` is a part of.
    pub slots: u64,
}

/// What a write would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Preview {
    /// The generation that it was looked at on.
    pub generation: u64,
    /// What would be different in the state.
    pub difference: Vec<Change>,
    /// Where new flows would go to other backends.
    pub moves: Vec<Move>,
    /// Services whose traffic would no longer be served.
    pub unserved: Vec<Unserved>,
    /// Pools whose tables would change, and that would stay as they are since they panic.
    pub panics: Vec<Panic>,
    /// What would be cut, if this write cuts a backend's flows.
    pub cuts: Option<Cuts>,
}

/// A service whose traffic is no longer served, by it or by another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unserved {
    /// Its name, as it is now.
    pub service: String,
    /// Whether that is all of its traffic; if not, some of its addresses or ports are still served.
    pub whole: bool,
    /// Its pool, where that is why: no backend of it takes new flows, which are dropped as `no_backend`. Flows that are
    /// there stay with their backends. Null: the packets are no service's, and the host's.
    pub pool: Option<String>,
}

/// How much of a pool's or service's traffic would go to other backends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Move {
    /// `pool NAME`, or `service NAME` for one that is pointed at another pool.
    pub view: String,
    /// Slots that would get another backend.
    pub slots_moved: u32,
    /// Slots in all.
    pub slots: u32,
    /// The share of new flows, from 0 to 1.
    pub share_of_traffic: f64,
}

/// One line of the generation log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GenerationEntry {
    /// The generation.
    pub generation: u64,
    /// When it was made.
    pub at_ms: u64,
    /// Who made it, such as `uid 0`, `token ci` or `file`.
    pub author: String,
    /// What was asked, in one line.
    pub summary: String,
}

/// A generation, and how far it is on its way to the workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GenerationStatus {
    /// The generation.
    pub generation: u64,
    /// When it was made.
    pub at_ms: u64,
    /// Who made it.
    pub author: String,
    /// What was asked, in one line.
    pub summary: String,
    /// How far it is.
    pub stage: Stage,
}

impl Panic {
    /// Of this pool, if it panics.
    #[must_use]
    pub fn of(name: &str, pool: &Pool) -> Option<Self> {
        pool.panics().then(|| Self {
            pool: name.to_owned(),
            panic_percent: pool.spec.panic_percent,
        })
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pool,
            panic_percent,
        } = self;
        write!(
            f,
            "pool {pool} panics: more than {panic_percent} % of its weight is in maintenance, which is doubted, so its \
             table stays as it is"
        )
    }
}

impl From<ledger::Receipt> for Receipt {
    fn from(receipt: ledger::Receipt) -> Self {
        Self {
            generation: receipt.generation.0,
            changed: receipt.changed,
            etag: None,
            state_etag: receipt.etag.0,
            pending: receipt.pending.map(Pending::from),
            cuts: None,
            panics: Vec::new(),
            unserved: Vec::new(),
        }
    }
}

impl From<store::Pending> for Pending {
    fn from(pending: store::Pending) -> Self {
        Self {
            generation: pending.generation.0,
            back_to: pending.back_to.0,
            deadline_ms: pending.deadline.0,
        }
    }
}

impl From<store::Entry> for GenerationEntry {
    fn from(entry: store::Entry) -> Self {
        Self {
            generation: entry.generation.0,
            at_ms: entry.at.0,
            author: entry.author,
            summary: entry.summary,
        }
    }
}

impl GenerationEntry {
    /// With how far it is.
    #[must_use]
    pub fn at_stage(self, stage: Stage) -> GenerationStatus {
        GenerationStatus {
            generation: self.generation,
            at_ms: self.at_ms,
            author: self.author,
            summary: self.summary,
            stage,
        }
    }
}
