//! A command in one line, for the log.

use std::fmt;

use super::Command;
use crate::config::counted;
use crate::control::state::{Definitions, State};

/// A command, and what else the log is to say of the way from one state to the other.
pub fn summary(command: &Command, before: &State, after: &State) -> String {
    match after.site.respread_since(&before.site) {
        Some(respread) => format!("{command}; {respread}"),
        None => command.to_string(),
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReplaceAll(all) => write!(f, "replace all: {}", Counted(all)),
            Self::PutService { name, .. } => write!(f, "put service {name}"),
            Self::DeleteService { name } => write!(f, "delete service {name}"),
            Self::PutPool { name, spec } => {
                let backends = counted(spec.backends.len(), "backend");
                write!(f, "put pool {name}: {backends}")
            }
            Self::DeletePool { name } => write!(f, "delete pool {name}"),
            Self::AddBackend { pool, name, .. } => write!(f, "add backend {pool}/{name}"),
            Self::SetBackend { pool, name, .. } => write!(f, "set backend {pool}/{name}"),
            Self::SetWeight { pool, name, weight } => {
                write!(f, "set weight of {pool}/{name} to {weight}")
            }
            Self::Drain { pool, name } => write!(f, "drain {pool}/{name}"),
            Self::Undrain { pool, name } => write!(f, "undrain {pool}/{name}"),
            Self::Maintain { pool, name } => write!(f, "maintenance of {pool}/{name}"),
            Self::Remove { pool, name, now } => {
                write!(f, "remove {pool}/{name}{}", if *now { " now" } else { "" })
            }
            Self::Rollback { to } => write!(f, "roll back to generation {}", to.0),
            Self::Confirm => f.write_str("confirm"),
            Self::LoadFile { definitions, .. } => {
                write!(f, "load the file: {}", Counted(definitions))
            }
            Self::FinishRemoval { pool, name } => {
                write!(f, "removed {pool}/{name}: its last flow ended")
            }
        }
    }
}

struct Counted<'d>(&'d Definitions);

impl fmt::Display for Counted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Definitions { services, pools } = self.0;
        let backends: usize = pools.values().map(|pool| pool.backends.len()).sum();
        let counts = [
            counted(services.len(), "service"),
            counted(pools.len(), "pool"),
            counted(backends, "backend"),
        ];
        f.write_str(&counts.join(", "))
    }
}
