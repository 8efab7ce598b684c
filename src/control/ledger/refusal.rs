//! Why a request was not done.

use crate::control::command::Faults;
use crate::control::store::{Pending, StoreError, WallTime};
use crate::table::Generation;

use super::etag::{ETag, Expect, Precondition};

/// Why a request was not done. Nothing was changed, but for [`Refusal::Store`], where the next start tells.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The command is wrong: all its faults.
    #[error(transparent)]
    Invalid(#[from] Faults),
    /// A precondition doesn't hold: somebody else was faster, or it is another one than was thought.
    #[error("{}", unlike(.precondition, .current.as_ref()))]
    PreconditionFailed {
        /// What was demanded.
        precondition: Precondition,
        /// What it is now; `None`: it is not there.
        current: Option<ETag>,
    },
    /// Another change waits for its confirmation.
    #[error(
        "generation {} waits for its confirmation until {}, in {} s: confirm it, or roll back to generation {}",
        .pending.generation.0, .pending.deadline, .now.until(.pending.deadline).as_secs(), .pending.back_to.0
    )]
    Unconfirmed {
        /// The change.
        pending: Pending,
        /// The time now.
        now: WallTime,
    },
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

/// How a resource is not what was demanded, and what to do.
fn unlike(demanded: &Precondition, current: Option<&ETag>) -> String {
    let resource = &demanded.resource;
    match (&demanded.expect, current) {
        (Expect::Absent, _) => {
            format!("{resource} is there already: change it, or take another name")
        }
        (Expect::Present, _) => format!("{resource} is not there"),
        (Expect::OneOf(_), None) => {
            format!("{resource} is not there any more: read again, and decide anew")
        }
        (Expect::OneOf(_), Some(_)) => {
            format!("{resource} is not as you saw it: read it again, and decide anew")
        }
    }
}
