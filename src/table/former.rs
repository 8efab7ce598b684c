//! What a view was before its hash key or its number of slots changed: the flows that were there before go by it until
//! their new slots are clean.

use std::sync::Arc;

use super::view::slot_of;
use super::{FlowHasher, HashKey, NO_BACKEND};
use crate::packet::FlowKey;

/// How flows are spread over a view's slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The flow hash's key.
    pub key: HashKey,
    /// How many slots there are.
    pub slots: u32,
}

/// As a slot's default: the backend that the [`Former`] slots give. It is no one's local number.
pub const BY_FORMER: u16 = NO_BACKEND - 1;

/// The defaults of a view under another hash key, or over another number of slots.
#[derive(Debug)]
pub struct Former {
    /// Of the key that flows were spread by.
    pub hasher: FlowHasher,
    /// D of each slot, by local numbers of the view that is.
    pub defaults: Box<[u16]>,
    /// What was before that, while one of the defaults is [`BY_FORMER`].
    pub former: Option<Arc<Self>>,
}

impl Former {
    /// D of a flow: a local number, or [`NO_BACKEND`].
    #[must_use]
    pub fn default_of(&self, key: &FlowKey) -> u16 {
        let slot = slot_of(self.hasher.hash_key(key), self.defaults.len());
        match (self.defaults.get(slot as usize), &self.former) {
            (Some(&BY_FORMER), Some(former)) => former.default_of(key),
            (Some(&default), _) if default != BY_FORMER => default,
            _ => NO_BACKEND,
        }
    }

    /// The same without the defaults that are `gone`: no backend has their flows.
    #[must_use]
    pub fn without(&self, gone: &impl Fn(u16) -> bool) -> Self {
        let left = |default: &u16| if gone(*default) { NO_BACKEND } else { *default };
        let former = self.former.as_ref();
        Self {
            hasher: self.hasher.clone(),
            defaults: self.defaults.iter().map(left).collect(),
            former: former.map(|former| Arc::new(former.without(gone))),
        }
    }

    /// Every local number that is a default, some of them several times.
    pub fn named(&self) -> impl Iterator<Item = u16> {
        let chain = std::iter::successors(Some(self), |of| of.former.as_deref());
        let defaults = chain.flat_map(|of| of.defaults.iter().copied());
        defaults.filter(|default| *default < BY_FORMER)
    }
}
