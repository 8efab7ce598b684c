//! How far views are, for people and programs.

use std::net::IpAddr;
use std::sync::Arc;

use super::view::PoolView;
use super::{ViewKey, Views};
use crate::flow::Millis;
use crate::flow::transition::Progress;
use crate::packet::FlowKey;
use crate::table::{BackendId, ServiceIndex};

/// One view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewReport<'v> {
    /// Whose slots it has.
    pub key: &'v ViewKey,
    /// The pool whose backends it leads to.
    pub pool: Arc<str>,
    /// Slots in all.
    pub slots: usize,
    /// How far they are.
    pub progress: Progress,
    /// How long a flow may be silent and yet be alive, in milliseconds.
    pub idle: u32,
    /// How long the slot that has been clean for longest has been so, in milliseconds; `None`: none is on its way.
    pub oldest_clean: Option<u32>,
    /// Names of the backends that slots or entries name, by local number.
    pub members: Vec<(u16, Arc<str>)>,
}

/// Where a view's new flows go, or are on their way to. That is what is wanted, but while the pool panics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Per slot the local number of a backend.
    pub slots: Vec<u16>,
    /// The backends' names and addresses, by local number.
    pub backends: Vec<Option<(Arc<str>, IpAddr)>>,
}

impl Standing {
    /// Per slot the backend.
    pub fn table(&self) -> impl Iterator<Item = Option<(&str, IpAddr)>> {
        self.slots.iter().map(|local| {
            let backend = self.backends.get(usize::from(*local))?.as_ref();
            backend.map(|(name, address)| (&**name, *address))
        })
    }
}

/// How much of the tables that a backend is in is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Led {
    /// Slots whose flows go to it, but for those that are listed elsewhere.
    pub slots: usize,
    /// Slots in all.
    pub of: usize,
}

/// Where a listed flow is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowPlace {
    /// The pool of its backend.
    pub pool: Arc<str>,
    /// Its backend's name.
    pub backend: Arc<str>,
    /// Its slot.
    pub slot: u32,
}

impl Views {
    /// All views.
    pub fn reports(&self, now: Millis) -> impl Iterator<Item = ViewReport<'_>> {
        self.views.iter().map(move |(key, view)| ViewReport {
            key,
            pool: Arc::clone(&view.pool),
            slots: view.slots.len(),
            progress: view.slots.progress(),
            idle: view.slots.times().idle,
            oldest_clean: view.slots.oldest_clean(now),
            members: view.members(),
        })
    }

    /// Where the new flows of a view go; `None`: there is no such view.
    #[must_use]
    pub fn standing(&self, key: &ViewKey) -> Option<Standing> {
        self.views.get(key).map(PoolView::standing)
    }

    /// Which slots lead to a backend what is not listed, in all views that know it.
    #[must_use]
    pub fn led(&self, backend: BackendId) -> Led {
        let views = self.views.values();
        let known = views.filter_map(|view| Some((view, view.slots.local(backend)?)));
        known.fold(Led::default(), |led, (view, local)| Led {
            slots: led.slots + view.slots.leading_to(local),
            of: led.of + view.slots.len(),
        })
    }

    /// Where the flow `key` is whose entry names `backend`; `None`: no service or pool knows it any more.
    #[must_use]
    pub fn locate(
        &self,
        key: &FlowKey,
        backend: BackendId,
        index: &ServiceIndex,
    ) -> Option<FlowPlace> {
        let (view, slot) = self.place(key, self.hasher.hash_key(key), index)?;
        let view = self.views.get(view)?;
        Some(FlowPlace {
            pool: Arc::clone(&view.pool),
            backend: view.name_of(backend)?,
            slot,
        })
    }
}
