//! A lap over the views: each is told what is wanted, moved on and prepared for publication. There may be hundreds, and
//! some milliseconds of work in each, so a lap goes by stretches, between which its owner answers others.
//!
//! What a lap does is published by its end, whole: until then services look through the views that the workers know, and
//! rounds are counted from the publication to come.

use std::sync::Arc;

use super::view::PoolView;
use super::{Assigned, ViewKey, Views, Wanted, WantedPool};
use crate::config;
use crate::control::extent::Extent;
use crate::flow::transition::Tick;
use crate::table::{BackendId, FlowHasher, Spread};

/// The views of a stretch, of so many that take about ten milliseconds. A simulation, which has few, makes each a stretch,
/// to meet whatever may come in between.
#[must_use]
pub const fn stretch(views: usize) -> usize {
    if cfg!(feature = "mutants") { 1 } else { views }
}

/// A lap under way.
#[derive(Debug)]
pub(super) struct Lap {
    /// What the views are told; `None`: nothing new.
    news: Option<News>,
    /// Views to be visited yet.
    left: std::vec::IntoIter<ViewKey>,
    /// In how many milliseconds a slot may go on, by those that were.
    wait: Option<u32>,
}

/// What is wanted from now on.
#[derive(Debug)]
struct News {
    wanted: Wanted,
    spread: Spread,
    /// Services as they are to look through views.
    services: Vec<Assigned>,
    /// Other backends than before are dead.
    deaths: bool,
}

impl News {
    /// The pool that a view is to lead to; `None`: no longer wanted.
    fn target(&self, key: &ViewKey) -> Option<&Arc<WantedPool>> {
        match key {
            ViewKey::Pool(name) => self.wanted.pool(name),
            ViewKey::Service(name) => {
                let (service, of) = find(&self.services, name)?;
                let own = (of == key).then_some(service.pool)?;
                self.wanted.pools.get(own)
            }
        }
    }
}

impl Views {
    /// Whether a lap is under way.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.lap.is_some()
    }

    /// Whether the views' flows are spread otherwise than [`Self::index_recorded`] knows.
    #[must_use]
    pub fn is_respread(&self) -> bool {
        let news = self.lap.as_ref().and_then(|lap| lap.news.as_ref());
        self.respread || news.is_some_and(|news| news.spread != self.spread)
    }

    /// Whether [`Self::begin_with`] would have flows go over to slots of other views, or to other slots of theirs. Then
    /// every worker has to have the newest round, and nothing may have changed since: what is taken over must be one thing.
    #[must_use]
    pub fn would_take_over(&self, wanted: &Wanted, spread: Spread) -> bool {
        let mut services = wanted.services.iter();
        spread != self.spread
            || services.any(|service| {
                let pool = wanted.pools.get(service.pool);
                let of_pool = pool.map(|pool| ViewKey::Pool(pool.name.to_string()));
                of_pool.is_some_and(|of_pool| self.left_by(service, &of_pool).is_some())
            })
    }

    /// Begins a lap that moves on whatever may.
    pub fn begin(&mut self) {
        let views = self.views.keys().cloned();
        self.lap = Some(Lap {
            news: None,
            left: views.collect::<Vec<_>>().into_iter(),
            wait: None,
        });
    }

    /// Begins a lap that makes `wanted` the target of all, with flows spread so. Mind [`Self::would_take_over`].
    pub fn begin_with(&mut self, wanted: Wanted, spread: Spread, tick: &Tick) {
        let services = self.assign(&wanted, tick);
        let new = wanted.pools.iter();
        let new = new.map(|pool| ViewKey::Pool(pool.name.to_string()));
        let new = new.filter(|key| !self.views.contains_key(key));
        let views: Vec<ViewKey> = self.views.keys().cloned().chain(new).collect();
        self.lap = Some(Lap {
            news: Some(News {
                deaths: self.dead != wanted.dead,
                wanted,
                spread,
                services,
            }),
            left: views.into_iter(),
            wait: None,
        });
    }

    /// Goes on with the lap, until so many views have changed by it. Returns whether all are prepared.
    pub fn go_on(&mut self, most: usize, tick: &Tick) -> bool {
        self.visit(most, tick) && self.prepare(most)
    }

    fn visit(&mut self, most: usize, tick: &Tick) -> bool {
        let Some(mut lap) = self.lap.take() else {
            return true;
        };
        let mut changed = 0;
        while changed < most
            && let Some(key) = lap.left.next()
        {
            if let Some(news) = &lap.news {
                self.tell(&key, news, tick);
            }
            if let Some(view) = self.views.get_mut(&key) {
                let wait = view.slots.step(tick);
                lap.wait = lap.wait.into_iter().chain(wait).min();
                changed += usize::from(view.slots.is_dirty());
            }
        }
        let ended = lap.left.as_slice().is_empty();
        self.lap = Some(lap);
        ended
    }

    fn tell(&mut self, key: &ViewKey, news: &News, tick: &Tick) {
        let slots = news.spread.slots;
        if let Some(view) = self.views.get_mut(key)
            && news.spread != self.spread
        {
            *view = view.respread(self.hasher.clone(), slots, tick);
        }
        if let Some(pool) = news.target(key) {
            self.views
                .entry(key.clone())
                .or_insert_with(|| PoolView::new(pool, slots))
                .want(pool, &news.wanted, news.deaths, tick);
        }
    }

    fn prepare(&mut self, most: usize) -> bool {
        let changed = |view: &&mut PoolView| view.slots.is_dirty();
        for view in self.views.values_mut().filter(changed).take(most) {
            view.prepare();
            self.unpublished = true;
        }
        !self.views.values().any(|view| view.slots.is_dirty())
    }

    /// Lets services look through the views that the lap gave them, to be published at once. Returns the backends that
    /// are on their way out, if there is news of them.
    pub fn close(&mut self) -> Option<Vec<BackendId>> {
        let news = self.lap.as_mut().and_then(|lap| lap.news.take());
        let leaving = news.map(|news| self.follow(news));
        self.rejoin();
        leaving
    }

    fn follow(&mut self, news: News) -> Vec<BackendId> {
        let before = self.views.len();
        // A view that was parted has taken over what its service needs of one that goes.
        self.views.retain(|key, _| news.target(key).is_some());
        let gone = self.views.len() < before;
        if news.spread != self.spread {
            (self.spread, self.hasher) = (news.spread, FlowHasher::new(news.spread.key));
            self.respread = true;
        }
        if self.respread || gone || news.services != self.services {
            self.services = news.services;
            self.reassign();
        }
        self.dead = news.wanted.dead;
        self.loosened = true;
        news.wanted.leaving
    }

    fn reassign(&mut self) {
        (self.reassigned, self.unpublished) = (true, true);
    }

    /// A service whose own view has settled looks through its pool's again, if that has settled too and they are equal.
    fn rejoin(&mut self) {
        let mut any = false;
        for (service, key) in &mut self.services {
            let ViewKey::Service(_) = key else { continue };
            let Some(own) = self.views.get(key) else {
                continue;
            };
            let of_pool = ViewKey::Pool(own.pool.to_string());
            // They differ as long as the pool's table is doubted (see `WantedPool::panics`).
            let same = |pool: &PoolView| own.slots.stands_as(&pool.slots);
            if self.views.get(&of_pool).is_some_and(same) {
                self.views.remove(key);
                tracing::debug!(
                    service = service.name,
                    "looks through its pool's table again"
                );
                *key = of_pool;
                any = true;
            }
        }
        if any {
            self.loosened = true;
            self.reassign();
        }
    }

    /// Ends the lap, since what it did is published. Returns in how many milliseconds a slot may go on, if nothing
    /// happens but time.
    pub fn end(&mut self) -> Option<u32> {
        self.lap.take()?.wait
    }

    /// Which view each wanted service is to look through. One whose pool is another than before gets a view of its own,
    /// parted from the one it had.
    fn assign(&mut self, wanted: &Wanted, tick: &Tick) -> Vec<Assigned> {
        let mut assigned = Vec::with_capacity(wanted.services.len());
        for service in &wanted.services {
            let Some(pool) = wanted.pools.get(service.pool) else {
                continue;
            };
            let own = ViewKey::Service(service.name.clone());
            let of_pool = ViewKey::Pool(pool.name.to_string());
            let key = match self.left_by(service, &of_pool) {
                _ if self.views.contains_key(&own) => own,
                Some(left) if tick.moves => {
                    self.part(&left, &own, tick);
                    own
                }
                _ => of_pool,
            };
            assigned.push((service.clone(), key));
        }
        assigned
    }

    /// The view that the service's flows leave for that of a pool, if that is another: the one that they went through up to
    /// now, or that of the service that covered it.
    fn left_by(&self, service: &config::Service, of_pool: &ViewKey) -> Option<ViewKey> {
        let own = ViewKey::Service(service.name.clone());
        let found = find(&self.services, &service.name).or_else(|| self.covering(service))?;
        let left = found.1 != *of_pool && !self.views.contains_key(&own);
        left.then(|| found.1.clone())
    }

    /// The most specific service that had what is now this service's.
    fn covering(&self, service: &config::Service) -> Option<&Assigned> {
        Extent::from(service).covering(self.services.iter(), |(old, _)| Extent::from(old))
    }

    fn part(&mut self, from: &ViewKey, own: &ViewKey, tick: &Tick) {
        if let Some(view) = self.views.get(from) {
            let parted = view.parted(tick);
            self.views.insert(own.clone(), parted);
        }
    }
}

/// A service by its name; they are ordered by that.
fn find<'a>(services: &'a [Assigned], name: &str) -> Option<&'a Assigned> {
    let at = services.binary_search_by(|(service, _)| (*service.name).cmp(name));
    services.get(at.ok()?)
}
