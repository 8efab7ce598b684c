//! Places for connections. When all are taken, the connection that has waited longest for a request goes for one that
//! comes: clients that say nothing, or half of something, keep nobody out, however many they are.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use hyper::rt::{Sleep, Timer};
use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places of one listener. Its clients can't keep those of another out.
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// A place is wanted: of those that wait, the first to begin is told.
    wanted: Arc<Notify>,
}

impl Places {
    /// As many as this.
    pub fn new(most: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(most)),
            wanted: Arc::new(Notify::new()),
        }
    }

    /// A place, once there is one. If all are taken, whoever has waited longest has to go; if nobody waits, the next who
    /// begins to.
    pub async fn take(&self) -> io::Result<Place> {
        let taken = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(taken) => taken,
            Err(_) => {
                self.wanted.notify_one();
                let taken = Arc::clone(&self.free).acquire_owned().await;
                let taken = taken.map_err(io::Error::other)?;
                // If somebody left by himself, nobody has to go any more.
                self.wanted.notified().now_or_never();
                taken
            }
        };
        Ok(Place {
            wanted: Arc::clone(&self.wanted),
            _taken: taken,
        })
    }
}

/// A connection's place, until this is dropped.
pub(super) struct Place {
    wanted: Arc<Notify>,
    _taken: OwnedSemaphorePermit,
}

impl Place {
    /// A wait for the client, for as long as this.
    pub fn wait(&self, span: Duration) -> Wait {
        Wait::until(Instant::now() + span, &self.wanted)
    }

    /// Makes waits of the times that `hyper` grants for heads: it asks for one when an answer is sent and the next request
    /// may come, and drops it as soon as that has.
    pub fn timer(&self) -> HeadTimer {
        HeadTimer(Arc::clone(&self.wanted))
    }
}

/// See [`Place::timer`].
pub(super) struct HeadTimer(Arc<Notify>);

impl Timer for HeadTimer {
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + span)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(Wait::until(deadline, &self.0))
    }
}

/// A wait for the client: over at its deadline, or when its place is wanted more.
pub(super) struct Wait {
    deadline: Pin<Box<tokio::time::Sleep>>,
    wanted: Pin<Box<OwnedNotified>>,
}

impl Wait {
    fn until(deadline: Instant, wanted: &Arc<Notify>) -> Self {
        Self {
            deadline: Box::pin(tokio::time::sleep_until(deadline.into())),
            wanted: Box::pin(Arc::clone(wanted).notified_owned()),
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.wanted.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => self.deadline.as_mut().poll(cx),
        }
    }
}

impl Sleep for Wait {}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(test);
    }

    /// Looks once, as `hyper` does when there is nothing to read.
    fn is_over(wait: &mut Wait) -> bool {
        wait.now_or_never().is_some()
    }

    #[test]
    fn who_waits_longest_goes_first_and_who_is_served_stays() {
        run(async {
            let places = Places::new(3);
            let served = places.take().await.unwrap();
            let (first, second) = (places.take().await.unwrap(), places.take().await.unwrap());
            let (mut late, mut early) = (second.wait(LONG), first.wait(LONG));
            assert!(!is_over(&mut early) && !is_over(&mut late));
            let next =
                tokio::spawn(async move { places.take().await.map(|place| (places, place)) });
            tokio::task::yield_now().await;
            assert!(!is_over(&mut late) && is_over(&mut early));
            drop((early, first));
            let (places, _next) = next.await.unwrap().unwrap();
            drop(served);
            // There is room: nobody has to go.
            assert!(places.take().await.is_ok() && !is_over(&mut late));
        });
    }

    #[test]
    fn where_nobody_waits_the_next_to_do_so_goes() {
        run(async {
            let places = Places::new(1);
            let only = places.take().await.unwrap();
            let next = tokio::spawn(async move { places.take().await.map(drop) });
            tokio::task::yield_now().await;
            assert!(is_over(&mut only.wait(LONG)));
            drop(only);
            next.await.unwrap().unwrap();
        });
    }

    #[test]
    fn a_place_that_became_free_by_itself_costs_nobody_his() {
        run(async {
            let places = Places::new(2);
            let (served, other) = (places.take().await.unwrap(), places.take().await.unwrap());
            let next = tokio::spawn(async move { places.take().await });
            tokio::task::yield_now().await;
            drop(served);
            let _next = next.await.unwrap().unwrap();
            assert!(!is_over(&mut other.wait(LONG)));
        });
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        run(async {
            let places = Places::new(1);
            let place = places.take().await.unwrap();
            place.wait(Duration::from_millis(5)).await;
        });
    }
}
