//! What is wrong with a command, and where.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::state::Path;

/// One thing that is wrong. As JSON: `path`, `what` and `hint`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where, as a JSON pointer into the state.
    #[schema(value_type = String)]
    pub path: Path,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Fault {
    /// A fault at `path`.
    pub fn new(path: Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            path,
            what: what.into(),
            hint: hint.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.what, self.hint)
    }
}

/// All faults of a command, at least one, ordered by path. As JSON: a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}
