//! What happened lately: a ring of events with one writer, the node's owner, and readers that may fall behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::schema::{Event, Gap};
use crate::control::store::WallTime;

/// Events that are kept for readers that fall behind or come again.
pub const CAPACITY: usize = 4_096;

/// The events. Numbers go up by one, and begin with the time of the start: a reader that comes again after a restart has
/// seen none of them.
#[derive(Debug)]
pub struct Events {
    ring: Mutex<Ring>,
    /// The number of the newest event.
    newest: watch::Sender<u64>,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    /// The number of the next event.
    next: u64,
}

impl Events {
    /// None yet; the first will have a number later than `now`.
    #[must_use]
    pub fn new(now: WallTime) -> Self {
        let ring = Ring {
            events: VecDeque::new(),
            next: now.0 + 1,
        };
        Self {
            ring: Mutex::new(ring),
            newest: watch::Sender::new(now.0),
        }
    }

    /// Something happened.
    pub fn push(&self, event: Event) {
        self.push_all(std::iter::once(event));
    }

    /// All this happened. Of more events than are kept the first have their numbers, but are not made.
    pub fn push_all(&self, events: impl ExactSizeIterator<Item = Event>) {
        let (all, passed) = (events.len(), events.len().saturating_sub(CAPACITY));
        if all == 0 {
            return;
        }
        let mut ring = self.ring();
        let room = CAPACITY - (all - passed);
        let surplus = ring.events.len().saturating_sub(room);
        ring.events.drain(..surplus);
        ring.events.extend(events.skip(passed).map(Arc::new));
        ring.next += all as u64;
        let newest = ring.next - 1;
        drop(ring);
        self.newest.send_replace(newest);
    }

    /// Tells each new event's number.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Reads on behind event `seen`, or from now on.
    #[must_use]
    pub fn read_after(self: &Arc<Self>, seen: Option<u64>) -> Reader {
        let news = self.newest.subscribe();
        let next = self.ring().next;
        Reader {
            // A number that is yet to come was given by nobody.
            next: seen.map_or(next, |seen| if seen < next { seen + 1 } else { 0 }),
            events: Arc::clone(self),
            news,
        }
    }

    /// The event of this number, or what is to be told in its place; `None`: it is yet to come.
    fn get(&self, number: u64) -> Option<(u64, Arc<Event>)> {
        let ring = self.ring();
        let oldest = ring.next - ring.events.len() as u64;
        if number < oldest {
            let resumes_at = oldest;
            return Some((oldest - 1, Arc::new(Event::Gap(Gap { resumes_at }))));
        }
        let at = usize::try_from(number - oldest).ok()?;
        Some((number, Arc::clone(ring.events.get(at)?)))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads events one by one.
#[derive(Debug)]
pub struct Reader {
    next: u64,
    events: Arc<Events>,
    news: watch::Receiver<u64>,
}

impl Reader {
    /// The next event and its number, once there is one. `None`: there will be none.
    pub async fn next(&mut self) -> Option<(u64, Arc<Event>)> {
        loop {
            if let Some((number, event)) = self.events.get(self.next) {
                self.next = number + 1;
                return Some((number, event));
            }
            self.news.changed().await.ok()?;
        }
    }
}
