//! Why a request was not done.

use crate::control::command::Faults;
use crate::control::store::{Pending, StoreError};
use crate::table::Generation;

use super::etag::{ETag, Resource};

/// Why a request was not done. Nothing was changed, but for [`Refusal::Store`], where the next start tells.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The command is wrong: all its faults.
    #[error(transparent)]
    Invalid(#[from] Faults),
    /// A precondition doesn't hold: somebody else was faster.
    #[error("{resource} is not as you saw it: read it again, and decide anew")]
    PreconditionFailed {
        /// What was looked at.
        resource: Resource,
        /// What it is now; `None`: it is not there.
        current: Option<ETag>,
    },
    /// Another change waits for its confirmation.
    #[error(
        "generation {} waits for its confirmation until {}: confirm it, or roll back to generation {}",
        .0.generation.0, .0.deadline, .0.back_to.0
    )]
    Unconfirmed(Pending),
    /// There is nothing to confirm.
    #[error(
        "no change waits for a confirmation: it was confirmed, or its time ran out and it was rolled back"
    )]
    NothingToConfirm,
    /// Another generation was made between preparing and storing.
    #[error("generation {} was made meanwhile: read again, and decide anew", .0.0)]
    Conflict(Generation),
    /// It can't be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}
