//! The exception path of a port that DPDK owns alone: packets that are for the host, and the host's own.
//!
//! ```text
//!   workers --Punt::push--> ring --> thread --write--> TAP (the host's kernel)
//!   worker 0 <--Inject::take-- ring <-- thread <--read-- TAP
//! ```
//!
//! Workers touch the rings only: no system call, no allocation, no lock. The thread sleeps in `ppoll` while nothing
//! moves; since nobody can wake it for the workers without a system call, it looks at their ring at least every two
//! milliseconds, and every 50 microseconds while packets are about.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::queue::ArrayQueue;
use nix::poll::{PollFd, PollFlags, ppoll};

use crate::packet::Buffer;

/// Packets that each ring holds: 20 ms of a 500 Mbit/s stream.
const RING: usize = 1024;

/// Packets moved each way before the other way is looked at.
const BATCH: usize = 64;

/// The longest frame read from the host.
const LONGEST: usize = 16 * 1024;

/// Waits: the first after a packet, and the longest.
const BUSY_WAIT: Duration = Duration::from_micros(50);
const IDLE_WAIT: Duration = Duration::from_millis(2);

/// A worker's end: hands packets to the host. One clone for each worker.
pub struct Punt<B>(Arc<Rings<B>>);

impl<B> Clone for Punt<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B> Punt<B> {
    /// Hands one packet to the host.
    ///
    /// # Errors
    /// Gives the packet back when the ring is full; the caller drops it and counts.
    pub fn push(&self, packet: B) -> Result<(), B> {
        self.0.to_host.push(packet)
    }
}

/// The end of the one worker that sends what the host sends.
pub struct Inject<B>(Arc<Rings<B>>);

impl<B> Inject<B> {
    /// Appends up to `max` packets of the host to `into`, never beyond its capacity, and gives their number.
    pub fn take(&self, into: &mut Vec<B>, max: usize) -> usize {
        let most = max.min(into.capacity() - into.len());
        // An empty ring, the usual case, costs two loads.
        let packets = std::iter::from_fn(|| self.0.from_host.pop()).take(most);
        let before = into.len();
        into.extend(packets);
        into.len() - before
    }
}

/// What the path has moved and lost. thread: wo, control: ro
#[derive(Debug, Default)]
pub struct Counters {
    /// Packets given to the host.
    pub to_host: AtomicU64,
    /// Packets of the host put on the ring.
    pub from_host: AtomicU64,
    /// Packets that the host refused (its interface is down, or its queue full).
    pub refused: AtomicU64,
    /// Packets of the host lost because the ring was full or the pool empty.
    pub lost: AtomicU64,
}

struct Rings<B> {
    to_host: ArrayQueue<B>,
    from_host: ArrayQueue<B>,
    counters: Counters,
    stop: AtomicBool,
}

/// The running thread. Dropping it ends the thread, within two milliseconds, and frees what is in the rings.
pub struct Path<B> {
    rings: Arc<Rings<B>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: Buffer + 'static> Path<B> {
    /// Starts the thread between `host` (a TAP's descriptor, not blocking) and the workers. `make` puts bytes from
    /// the host into a packet of the driver, or gives `None` when it has no buffer left.
    ///
    /// # Errors
    /// When the thread can't be started.
    pub fn start(
        name: &str,
        host: File,
        make: impl FnMut(&[u8]) -> Option<B> + Send + 'static,
    ) -> io::Result<Self> {
        let rings = Arc::new(Rings {
            to_host: ArrayQueue::new(RING),
            from_host: ArrayQueue::new(RING),
            counters: Counters::default(),
            stop: AtomicBool::new(false),
        });
        let mover = Mover {
            host,
            make,
            rings: rings.clone(),
            bytes: vec![0; LONGEST],
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(|| mover.run())?;
        Ok(Self {
            rings,
            thread: Some(thread),
        })
    }

    /// The workers' end.
    #[must_use]
    pub fn punt(&self) -> Punt<B> {
        Punt(self.rings.clone())
    }

    /// The sending worker's end.
    #[must_use]
    pub fn inject(&self) -> Inject<B> {
        Inject(self.rings.clone())
    }
}

impl<B> Path<B> {
    /// What was moved and lost so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.rings.counters
    }
}

impl<B> Drop for Path<B> {
    fn drop(&mut self) {
        self.rings.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the exception thread panicked");
        }
        while self.rings.to_host.pop().is_some() {}
        while self.rings.from_host.pop().is_some() {}
    }
}

/// The thread's own.
struct Mover<B, M> {
    host: File,
    make: M,
    rings: Arc<Rings<B>>,
    bytes: Vec<u8>,
}

impl<B: Buffer, M: FnMut(&[u8]) -> Option<B>> Mover<B, M> {
    fn run(mut self) {
        let mut wait = BUSY_WAIT;
        while !self.rings.stop.load(Ordering::Relaxed) {
            if self.deliver() + self.collect() > 0 {
                wait = BUSY_WAIT;
                continue;
            }
            let mut host = [PollFd::new(self.host.as_fd(), PollFlags::POLLIN)];
            // An interrupted wait is as good as an ended one.
            let _ = ppoll(&mut host, Some(wait.into()), None);
            wait = (wait * 2).min(IDLE_WAIT);
        }
    }

    /// Writes what the workers punted.
    fn deliver(&mut self) -> usize {
        let mut moved = 0;
        while moved < BATCH
            && let Some(packet) = self.rings.to_host.pop()
        {
            let counters = &self.rings.counters;
            let written = self.host.write(packet.bytes());
            add(if written.is_ok() {
                &counters.to_host
            } else {
                &counters.refused
            });
            moved += 1;
        }
        moved
    }

    /// Reads what the host sends. Nothing to read, and a host interface that is down, end the batch.
    fn collect(&mut self) -> usize {
        let mut moved = 0;
        while moved < BATCH {
            let n = match self.host.read(&mut self.bytes) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let packet = (self.make)(&self.bytes[..n]);
            let pushed = packet.is_some_and(|packet| self.rings.from_host.push(packet).is_ok());
            let counters = &self.rings.counters;
            add(if pushed {
                &counters.from_host
            } else {
                &counters.lost
            });
            moved += 1;
        }
        moved
    }
}

/// One thread writes, so a load and a store do.
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::time::Instant;

    use crate::packet::NoRoom;

    /// A packet that only has bytes.
    struct Bytes(Vec<u8>);

    impl Buffer for Bytes {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
        fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.0
        }
        fn reframe(&mut self, _: usize, _: usize, _: usize) -> Result<&mut [u8], NoRoom> {
            Err(NoRoom)
        }
    }

    /// A path whose host is the other end of a pair of sockets.
    fn path(name: &str) -> (Path<Bytes>, UnixDatagram) {
        let (host, ours) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let file = File::from(std::os::fd::OwnedFd::from(ours));
        let make = |bytes: &[u8]| (bytes != b"no room").then(|| Bytes(bytes.to_vec()));
        (Path::start(name, file, make).unwrap(), host)
    }

    #[test]
    fn packets_go_both_ways_in_order() {
        let (path, host) = path("both-ways");
        let (punt, inject) = (path.punt(), path.inject());
        for n in 0..100 {
            assert!(punt.push(Bytes(vec![n; 60])).is_ok());
            host.send(&[n; 70]).unwrap();
        }
        host.send(b"no room").unwrap();
        let mut bytes = [0; 100];
        for n in 0..100 {
            assert_eq!((host.recv(&mut bytes).unwrap(), bytes[0]), (60, n));
        }
        let mut frame = Vec::with_capacity(128);
        let deadline = Instant::now() + Duration::from_secs(10);
        while frame.len() < 100 && Instant::now() < deadline {
            inject.take(&mut frame, 7);
        }
        assert!(
            frame
                .iter()
                .zip(0..100)
                .all(|(packet, n)| packet.0 == [n; 70])
        );
        drop(punt);
        while path.counters().lost.load(Ordering::Relaxed) == 0 && Instant::now() < deadline {}
        let count = |c: &AtomicU64| c.load(Ordering::Relaxed);
        let c = path.counters();
        assert_eq!(
            [&c.to_host, &c.from_host, &c.refused, &c.lost].map(count),
            [100, 100, 0, 1]
        );
    }

    #[test]
    fn a_full_ring_gives_the_packet_back() {
        let rings = Arc::new(Rings {
            to_host: ArrayQueue::new(1),
            from_host: ArrayQueue::new(1),
            counters: Counters::default(),
            stop: AtomicBool::new(false),
        });
        let punt = Punt(rings);
        assert!(punt.push(Bytes(vec![1])).is_ok());
        assert_eq!(punt.push(Bytes(vec![2])).err().unwrap().0, [2]);
    }

    /// Nanoseconds that this process's thread of that name has run.
    fn ran(name: &str) -> u64 {
        let tasks = std::fs::read_dir("/proc/self/task")
            .unwrap()
            .flatten()
            .map(|task| task.path());
        let named = |task: &std::path::PathBuf| {
            std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let task = tasks.into_iter().find(named).unwrap();
        let schedule = std::fs::read_to_string(task.join("schedstat")).unwrap();
        schedule.split(' ').next().unwrap().parse().unwrap()
    }

    #[test]
    fn an_idle_path_hardly_runs() {
        const SPAN: Duration = Duration::from_millis(500);
        let (_path, _host) = path("idle-path");
        std::thread::sleep(SPAN / 10);
        let before = ran("idle-path");
        std::thread::sleep(SPAN);
        let share =
            Duration::from_nanos(ran("idle-path") - before).as_secs_f64() / SPAN.as_secs_f64();
        println!("{:.2} % of a core", share * 100.0);
        assert!(share < 0.05, "{share}");
    }
}
