//! Publication: a writer hands each worker the newest version, and gets the old ones back to free.
//!
//! A worker looks into its mailbox between frames, the quiescent point: behind it no packet refers to the
//! old version. It neither locks, waits nor frees; two bounded lock-free queues carry the versions forth
//! and back.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::queue::ArrayQueue;

use super::Word;

/// The number of a publication; each is at least as high as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Round(pub u64);

impl Round {
    /// The one after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A bounded queue, each of whose operations is one step, as a word's are.
#[derive(Debug)]
struct Queue<V, W>(ArrayQueue<V>, PhantomData<W>);

impl<V, W: Word> Queue<V, W> {
    fn of(room: usize) -> Self {
        Self(ArrayQueue::new(room), PhantomData)
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        W::step();
        self.0.is_empty()
    }

    fn pop(&self) -> Option<V> {
        W::step();
        self.0.pop()
    }

    /// Adds a value, or returns it when there is no room.
    fn push(&self, value: V) -> Result<(), V> {
        W::step();
        self.0.push(value)
    }

    /// Adds a value, and returns the oldest one when there was no room.
    fn replace(&self, value: V) -> Option<V> {
        W::step();
        self.0.force_push(value)
    }
}

/// The two directions between the publisher and one worker.
#[derive(Debug)]
struct Mailbox<T, W> {
    /// The version to be taken; a newer one replaces it.
    fresh: Queue<(Round, Arc<T>), W>,
    /// Versions that the worker has left. The publisher empties it before each publication. Meanwhile a worker can take
    /// the version that waits and the one that is published, so two come back at most.
    retired: Queue<Arc<T>, W>,
    /// The round of the version in use. worker: wo, publisher: ro
    taken: W,
    /// Up to when, by the clock of both, the worker has done all that had arrived. worker: wo, publisher: ro
    caught_up: W,
}

/// The writer's end: publishes to one worker.
#[derive(Debug)]
pub struct Publisher<T, W = AtomicU64>(Arc<Mailbox<T, W>>);

/// A worker's end: holds the version in use.
#[derive(Debug)]
pub struct Subscriber<T, W = AtomicU64> {
    mailbox: Arc<Mailbox<T, W>>,
    current: Arc<T>,
}

/// Makes the two ends, with a first version in use.
#[must_use]
pub fn channel<T>(first: Arc<T>) -> (Publisher<T>, Subscriber<T>) {
    ends(first)
}

fn ends<T, W: Word>(first: Arc<T>) -> (Publisher<T, W>, Subscriber<T, W>) {
    let mailbox = Arc::new(Mailbox {
        fresh: Queue::of(1),
        retired: Queue::of(4),
        taken: W::new(0),
        caught_up: W::new(0),
    });
    (
        Publisher(Arc::clone(&mailbox)),
        Subscriber {
            mailbox,
            current: first,
        },
    )
}

impl<T, W: Word> Publisher<T, W> {
    /// Offers a version. A version that the worker had not taken yet comes back: it was never in use.
    pub fn publish(&self, round: Round, version: Arc<T>) -> Option<Arc<T>> {
        let unseen = self.0.fresh.replace((round, version));
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

impl<T, W: Word> Subscriber<T, W> {
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

    /// Both ends under each order of their steps that shuttle finds. Those are sequentially consistent ones: what would
    /// go wrong without `Release` and `Acquire` is not seen here.
    mod interleaved {
        use shuttle::sync::Mutex;
        use shuttle::sync::atomic::{AtomicBool, AtomicU64 as Step};
        use shuttle::thread::{self, ThreadId};

        use super::*;

        const VERSIONS: u64 = 4;
        const FRAMES: u64 = 5;
        const SCHEDULES: usize = 10_000;

        /// What becomes of each version.
        #[derive(Default)]
        struct Fates {
            /// Who freed it.
            freed: Mutex<Vec<(u64, ThreadId)>>,
            /// From here on no older one may be used. publisher: wo, worker: ro
            over: Step,
            /// Frames that the worker has begun and finished with each; relaxed, as what it writes in tables is.
            begun: [Step; VERSIONS as usize + 1],
            done: [Step; VERSIONS as usize + 1],
            /// Frames that it has finished at all.
            frames: Step,
        }

        struct Version {
            round: u64,
            fates: Arc<Fates>,
        }

        impl Drop for Version {
            fn drop(&mut self) {
                let freed = (self.round, thread::current().id());
                self.fates.freed.lock().unwrap().push(freed);
            }
        }

        impl Version {
            fn of(round: u64, fates: &Arc<Fates>) -> Arc<Self> {
                let fates = Arc::clone(fates);
                Arc::new(Self { round, fates })
            }

            /// A worker's frame: it looks into the version more than once.
            fn walk(&self) {
                let round = usize::try_from(self.round).unwrap();
                self.fates.begun[round].add(1, Ordering::Relaxed);
                let over = self.fates.over.load(Ordering::Relaxed);
                assert!(
                    over <= self.round,
                    "round {over} was taken, {round} is used"
                );
                self.fates.done[round].add(1, Ordering::Relaxed);
                self.fates.frames.add(1, Ordering::Relaxed);
            }
        }

        fn work(
            mut subscriber: Subscriber<Version, Step>,
            stop: &AtomicBool,
        ) -> Subscriber<Version, Step> {
            let mut newest = 0;
            for frame in 1.. {
                let last = frame > FRAMES && stop.load(Ordering::Acquire);
                subscriber.refresh();
                let version = subscriber.current();
                assert!(
                    version.round >= newest,
                    "{newest} came before {}",
                    version.round
                );
                newest = version.round;
                version.walk();
                subscriber.caught_up(frame);
                if last {
                    break;
                }
            }
            subscriber
        }

        /// What the publisher may conclude from what the worker said.
        fn conclude(publisher: &Publisher<Version, Step>, fates: &Fates) {
            let moment = publisher.caught_up();
            assert!(fates.frames.load(Ordering::Relaxed) >= moment);
            let taken = publisher.taken().0;
            fates.over.store(taken, Ordering::Relaxed);
            for round in 0..usize::try_from(taken).unwrap() {
                let count = |frames: &[Step]| frames[round].load(Ordering::Relaxed);
                // Behind it is seen all that was done with an older version; see `Version::walk` for what must not follow.
                assert_eq!(count(&fates.done), count(&fates.begun));
            }
        }

        fn history() {
            let fates = Arc::new(Fates::default());
            let (publisher, subscriber) = ends(Version::of(0, &fates));
            let stop = Arc::new(AtomicBool::new(false));
            let worker = {
                let stop = Arc::clone(&stop);
                thread::spawn(move || work(subscriber, &stop))
            };
            for round in 1..=VERSIONS {
                let returned = publisher.reclaim().count();
                assert!(returned <= 2, "{returned} came back at once");
                drop(publisher.publish(Round(round), Version::of(round, &fates)));
                conclude(&publisher, &fates);
            }
            stop.store(true, Ordering::Release);
            let subscriber = worker.join().unwrap();
            conclude(&publisher, &fates);
            assert_eq!(publisher.taken().0, VERSIONS);
            assert_eq!(subscriber.current().round, VERSIONS);
            drop(subscriber);
            assert!(publisher.reclaim().count() <= 2);

            let mut freed = fates.freed.lock().unwrap().clone();
            let me = thread::current().id();
            assert!(freed.iter().all(|(_, by)| *by == me), "{freed:?}");
            freed.sort_by_key(|(round, _)| *round);
            let rounds: Vec<u64> = freed.iter().map(|(round, _)| *round).collect();
            assert_eq!(rounds, (0..=VERSIONS).collect::<Vec<_>>());
        }

        #[test]
        fn a_version_that_was_left_is_done_with_and_freed_by_the_publisher() {
            shuttle::check_random(history, SCHEDULES);
            shuttle::check_pct(history, SCHEDULES, 3);
        }
    }
}
