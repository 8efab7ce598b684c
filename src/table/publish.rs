//! Publication: a writer hands each worker the newest version, and gets the old ones back to free.
//!
//! A worker looks into its mailbox between frames, the quiescent point: behind it no packet refers to the
//! old version. It neither locks, waits nor frees; two bounded lock-free queues carry the versions forth
//! and back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;

/// The number of a publication; each is higher than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Round(pub u64);

impl Round {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// The two directions between the publisher and one worker.
#[derive(Debug)]
struct Mailbox<T> {
    /// The version to be taken; a newer one replaces it.
    fresh: ArrayQueue<(Round, Arc<T>)>,
    /// Versions that the worker has left. The publisher empties it before each publication, and a worker
    /// returns at most one version per publication, so it never fills.
    retired: ArrayQueue<Arc<T>>,
    /// The round of the version in use. worker: wo, publisher: ro
    taken: AtomicU64,
    /// Up to when, by the clock of both, the worker has done all that had arrived. worker: wo, publisher: ro
    caught_up: AtomicU64,
}

/// The writer's end: publishes to one worker.
#[derive(Debug)]
pub struct Publisher<T>(Arc<Mailbox<T>>);

/// A worker's end: holds the version in use.
#[derive(Debug)]
pub struct Subscriber<T> {
    mailbox: Arc<Mailbox<T>>,
    current: Arc<T>,
}

/// Makes the two ends, with a first version in use.
#[must_use]
pub fn channel<T>(first: Arc<T>) -> (Publisher<T>, Subscriber<T>) {
    let mailbox = Arc::new(Mailbox {
        fresh: ArrayQueue::new(1),
        retired: ArrayQueue::new(4),
        taken: AtomicU64::new(0),
        caught_up: AtomicU64::new(0),
    });
    (
        Publisher(Arc::clone(&mailbox)),
        Subscriber {
            mailbox,
            current: first,
        },
    )
}

impl<T> Publisher<T> {
    /// Offers a version. A version that the worker had not taken yet comes back: it was never in use.
    pub fn publish(&self, round: Round, version: Arc<T>) -> Option<Arc<T>> {
        let unseen = self.0.fresh.force_push((round, version));
        unseen.map(|(_, version)| version)
    }

    /// The versions that the worker has left since the last call, for the caller to free. Call it before
    /// each publication at the latest.
    pub fn reclaim(&self) -> impl Iterator<Item = Arc<T>> + '_ {
        std::iter::from_fn(|| self.0.retired.pop())
    }

    /// The newest round that the worker has taken; what it did with older versions is done, and seen by the caller.
    #[must_use]
    pub fn taken(&self) -> Round {
        Round(self.0.taken.load(Ordering::Acquire))
    }

    /// What the worker said last of [`Subscriber::caught_up`]; what it did up to then is seen by the caller.
    #[must_use]
    pub fn caught_up(&self) -> u64 {
        self.0.caught_up.load(Ordering::Acquire)
    }
}

impl<T> Subscriber<T> {
    /// Takes the newest version, if there is one. To be called between frames.
    #[inline(always)]
    pub fn refresh(&mut self) {
        if !self.mailbox.fresh.is_empty() {
            self.take();
        }
    }

    #[cold]
    fn take(&mut self) {
        if let Some((round, version)) = self.mailbox.fresh.pop() {
            let old = std::mem::replace(&mut self.current, version);
            // It has room (see `Mailbox::retired`); were it full, the old version would be freed here.
            drop(self.mailbox.retired.push(old));
            // Behind all that was done with the old version: see `Publisher::taken`.
            self.mailbox.taken.store(round.0, Ordering::Release);
        }
    }

    /// Tells the publisher a moment, by the clock of both, up to which all that had arrived is done.
    #[inline(always)]
    pub fn caught_up(&self, moment: u64) {
        // Behind all that was done up to then.
        self.mailbox.caught_up.store(moment, Ordering::Release);
    }

    /// The version in use.
    #[inline(always)]
    #[must_use]
    pub fn current(&self) -> &T {
        &self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_wins_and_old_ones_come_back() {
        let (publisher, mut subscriber) = channel(Arc::new(1));
        assert_eq!(publisher.publish(Round(1), Arc::new(2)), None);
        assert_eq!(publisher.publish(Round(2), Arc::new(3)), Some(Arc::new(2)));
        assert_eq!(publisher.taken(), Round(0));
        subscriber.refresh();
        assert_eq!((*subscriber.current(), publisher.taken()), (3, Round(2)));
        assert_eq!(publisher.reclaim().map(|v| *v).collect::<Vec<_>>(), [1]);
    }

    /// Each version's destructor runs on the publisher's thread, once.
    #[test]
    fn the_publisher_frees_every_version() {
        struct Freed(Arc<std::sync::Mutex<Vec<std::thread::ThreadId>>>);
        impl Drop for Freed {
            fn drop(&mut self) {
                self.0.lock().unwrap().push(std::thread::current().id());
            }
        }
        const VERSIONS: usize = 10_000;
        let log = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (publisher, mut subscriber) = channel(Arc::new(Freed(Arc::clone(&log))));
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Acquire) {
                    subscriber.refresh();
                }
                subscriber.refresh();
                subscriber
            });
            for round in 0..VERSIONS {
                publisher.reclaim().for_each(drop);
                drop(publisher.publish(Round(round as u64), Arc::new(Freed(Arc::clone(&log)))));
            }
            stop.store(true, std::sync::atomic::Ordering::Release);
            drop(worker.join().unwrap());
        });
        publisher.reclaim().for_each(drop);
        let me = std::thread::current().id();
        let log = log.lock().unwrap();
        assert_eq!(log.len(), VERSIONS + 1);
        assert!(log.iter().all(|thread| *thread == me));
    }
}
