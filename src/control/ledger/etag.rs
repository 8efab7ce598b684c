//! Tags that tell whether a resource is still what somebody saw (RFC 9110, section 8.8.3).

use std::fmt;
use std::hash::Hasher as _;

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::control::state::{Object, ObjectKey, State, encode};
use crate::control::store::Head;

/// A strong entity tag, without its quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ETag(pub String);

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What has a tag.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Resource {
    /// The whole state. Its tag is the generation, and whether that waits for its confirmation.
    Whole,
    /// A service.
    Service(String),
    /// A pool with its backends.
    Pool(String),
    /// A backend of a pool.
    Backend {
        /// The pool.
        pool: String,
        /// The backend.
        name: String,
    },
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the state"),
            Self::Service(name) => write!(f, "service {name}"),
            Self::Pool(name) => write!(f, "pool {name}"),
            Self::Backend { pool, name } => write!(f, "backend {name} of pool {pool}"),
        }
    }
}

/// What a request demands of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Precondition {
    /// What is looked at.
    pub resource: Resource,
    /// What it must be.
    pub expect: Expect,
}

/// What a resource must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// One of these versions (`If-Match: "…"`).
    OneOf(Vec<ETag>),
    /// There, whatever its version (`If-Match: *`).
    Present,
    /// Not there (`If-None-Match: *`).
    Absent,
}

impl Precondition {
    /// Whether a resource of this tag is as demanded.
    pub(super) fn holds(&self, current: Option<&ETag>) -> bool {
        match (&self.expect, current) {
            (Expect::OneOf(tags), Some(current)) => tags.contains(current),
            (Expect::OneOf(_), None) => false,
            (Expect::Present, current) => current.is_some(),
            (Expect::Absent, current) => current.is_none(),
        }
    }
}

/// The tag of a resource; `None` if it is not there. An object's tag depends on its content alone.
pub(super) fn of(state: &State, head: &Head, resource: &Resource) -> Option<ETag> {
    let object = |key: ObjectKey| encode(&state.object(&key)?).ok();
    let bytes = match resource {
        Resource::Whole => return Some(of_head(head)),
        Resource::Service(name) => object(ObjectKey::Service(name.clone()))?,
        Resource::Pool(name) => object(ObjectKey::Pool(name.clone()))?,
        Resource::Backend { pool, name } => backend(state, pool, name)?,
    };
    let mut hasher = SipHasher13::new();
    hasher.write(&bytes);
    Some(ETag(format!("{:032x}", hasher.finish128().as_u128())))
}

/// The tag of the whole state. A confirmation changes what is told of it, and makes no generation.
pub(super) fn of_head(head: &Head) -> ETag {
    let waits = if head.pending.is_some() {
        "-pending"
    } else {
        ""
    };
    ETag(format!("g{}{waits}", head.generation.0))
}

fn backend(state: &State, pool: &str, name: &str) -> Option<Vec<u8>> {
    let Object::Pool(pool) = state.object(&ObjectKey::Pool(pool.to_owned()))? else {
        return None;
    };
    let spec = pool.spec.backends.get(name)?;
    serde_json::to_vec(&(pool.owner, spec, pool.mode(name))).ok()
}
