//! The program's whole write interface: one enum, and what becomes of a state under it.
//!
//! [`apply`] is pure and total: it gives the new state, or everything that is wrong with the command at once. A
//! command that changes nothing gives an equal state, so that it can be sent again. What is written here of a
//! *definition* holds for API-owned objects; a command that would change one of the file's is refused with a fault that
//! says so.

mod apply;
mod backends;
mod fault;
mod objects;
mod rollback;
mod summary;

use super::state::{BackendSpec, Definitions, PoolSpec, ServiceSpec, Site};
use crate::table::Generation;

pub use apply::apply;
pub use fault::{Fault, Faults};
pub(super) use summary::summary;

/// Everything that can be asked of the control side.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// The API's objects become exactly these; the file's are untouched. Backends that remain keep their modes.
    ReplaceAll(Definitions),
    /// A service becomes this, or is made.
    PutService {
        /// Its name.
        name: String,
        /// What it becomes.
        spec: ServiceSpec,
    },
    /// A service goes. One that is not there is no fault.
    DeleteService {
        /// Its name.
        name: String,
    },
    /// A pool becomes this, or is made. Backends that remain keep their modes.
    PutPool {
        /// Its name.
        name: String,
        /// What it becomes.
        spec: PoolSpec,
    },
    /// A pool goes; no service may refer to it. One that is not there is no fault.
    DeletePool {
        /// Its name.
        name: String,
    },
    /// A backend is added. The same one again is no fault; another of its name is.
    AddBackend {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
        /// What it is.
        spec: BackendSpec,
    },
    /// A backend that is there becomes this.
    SetBackend {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
        /// What it becomes.
        spec: BackendSpec,
    },
    /// A backend's weight changes.
    SetWeight {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
        /// The weight.
        weight: u32,
    },
    /// No new flows to a backend, whoever owns it; those that are there go on.
    Drain {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
    },
    /// A backend takes part again: ends drain, maintenance and a removal that is not done.
    Undrain {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
    },
    /// A backend is taken for dead, whoever owns it: its flows are cut.
    Maintain {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
    },
    /// A backend is drained and goes when its last flow ended; one in maintenance goes at once.
    Remove {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
        /// It goes at once, and its flows are cut.
        now: bool,
    },
    /// The API's definitions become those of an earlier generation. The file's objects stay, and so do drain and
    /// maintenance of backends that are there now.
    Rollback {
        /// The earlier generation.
        to: Generation,
    },
    /// The change that waits for its confirmation is to stay.
    Confirm,
    /// The file's objects become exactly these: sent at start and at SIGHUP, never by the API.
    LoadFile {
        /// The file's services and pools.
        definitions: Definitions,
        /// What the rules need of the rest of the file.
        site: Site,
    },
    /// The last flow of a backend that is being removed has ended: sent by the data path's follower, never by the API.
    /// No fault if the removal was called off meanwhile.
    FinishRemoval {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
    },
}

/// What a command is about, which says when it may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What the API wants; it may wait for a confirmation, and not while another change does.
    Definition,
    /// What an operator does to a backend: at any time.
    Operation,
    /// Back to what was; it ends the wait for a confirmation.
    Rollback,
    /// Ends the wait for a confirmation.
    Confirm,
    /// The appliance's own: at any time.
    Internal,
}

impl Command {
    /// What it is about.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::ReplaceAll(_)
            | Self::PutService { .. }
            | Self::DeleteService { .. }
            | Self::PutPool { .. }
            | Self::DeletePool { .. }
            | Self::AddBackend { .. }
            | Self::SetBackend { .. }
            | Self::SetWeight { .. }
            | Self::Remove { .. } => Kind::Definition,
            Self::Drain { .. } | Self::Undrain { .. } | Self::Maintain { .. } => Kind::Operation,
            Self::Rollback { .. } => Kind::Rollback,
            Self::Confirm => Kind::Confirm,
            Self::LoadFile { .. } | Self::FinishRemoval { .. } => Kind::Internal,
        }
    }

    /// Whether a backend's flows are cut when this takes it away.
    #[must_use]
    pub fn cuts(&self, backend_pool: &str, backend: &str) -> bool {
        let Self::Remove { pool, name, now } = self else {
            return false;
        };
        *now && pool == backend_pool && name == backend
    }
}
