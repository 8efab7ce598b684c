//! Starts the workers' threads.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread::{Builder, Scope, ScopedJoinHandle};

use core_affinity::CoreId;

use super::Error;
use crate::config::Idle;
use crate::port::dpdk::{Eal, Queue};
use crate::table::Subscriber;
use crate::worker::{
    Backoff, Lane, LatencySamples, Publication, Shared, Worker, WorkerCounters, latency,
};

/// What all workers share.
pub struct Spawn<'scope, 'env> {
    /// The scope of their threads.
    pub scope: &'scope Scope<'scope, 'env>,
    /// The driver layer.
    pub eal: &'env Eal,
    /// Ends them.
    pub stop: &'env AtomicBool,
    /// What they do when idle.
    pub idle: Idle,
    /// Flows in transition, and the clock.
    pub shared: &'env Shared,
    /// Packets taken at once.
    pub burst: usize,
}

impl<'scope, 'env> Spawn<'scope, 'env> {
    /// Starts a worker on `core`, and returns when it is pinned and known to DPDK.
    pub fn worker(
        &self,
        core: usize,
        lanes: Vec<Lane<'env, Queue>>,
        tables: Subscriber<Publication>,
        counters: &'env WorkerCounters,
    ) -> Result<(Running<'scope>, LatencySamples), Error> {
        let (latency, samples) = latency().map_err(|error| failed(core, error))?;
        let worker = Worker::new(
            lanes,
            tables,
            counters,
            Backoff::new(self.idle),
            self.burst,
            latency,
            self.shared,
        );
        let (eal, stop) = (self.eal, self.stop);
        let (ready, started) = mpsc::channel();
        let body = move || {
            let pinned = core_affinity::set_for_current(CoreId { id: core });
            let registered = if pinned {
                eal.register_thread().map_err(|e| e.to_string())
            } else {
                Err(NOT_PINNED.into())
            };
            let result = registered.as_ref().map(|_| ()).map_err(String::clone);
            // Nobody listens only when the start was given up.
            let _ = ready.send(result);
            if let Ok(_registered) = registered {
                worker.run(stop);
            }
        };
        let thread = Builder::new()
            .name(format!("worker {core}"))
            .spawn_scoped(self.scope, body)
            .map_err(Error::system(format!(
                "can't start the worker on core {core}"
            )))?;
        match started.recv() {
            Ok(Ok(())) => Ok((Running { core, thread }, samples)),
            Ok(Err(why)) => Err(failed(core, why)),
            Err(_) => Err(failed(core, "it ended at once")),
        }
    }
}

const NOT_PINNED: &str = "the kernel does not let this thread be pinned there";

fn failed(core: usize, why: impl ToString) -> Error {
    Error::Worker {
        core,
        why: why.to_string(),
    }
}

/// A worker that runs.
pub struct Running<'scope> {
    core: usize,
    thread: ScopedJoinHandle<'scope, ()>,
}

impl Running<'_> {
    /// The core it is pinned to.
    pub const fn core(&self) -> usize {
        self.core
    }

    /// Whether it ended, which it does only when told to.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }
}
