//! Makes snapshots of the configuration and the next hops, and publishes them to the workers.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ports::{OwnAddress, with_kernel_addresses};
use crate::config::{self, Config};
use crate::control::nexthop::NextHops;
use crate::control::{Plan, compile_snapshot, compile_tables, kernel_reach};
use crate::table::{Generation, HashKey, Publisher, Snapshot, Subscriber, Tables, channel};
use crate::worker::{Publication, Totals};

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The file.
    #[error(transparent)]
    Config(#[from] config::LoadError),
    /// Something that is fixed at start.
    #[error("[{0}] differs from the running one; that takes a restart. Nothing was changed")]
    NeedsRestart(&'static str),
    /// A service on the host's own address.
    #[error(transparent)]
    OwnAddress(#[from] OwnAddress),
}

/// The writer's side of the tables.
pub struct TablePublisher {
    path: PathBuf,
    /// As the file has it.
    written: Config,
    /// With what the kernel says of the ports.
    config: Config,
    key: HashKey,
    plan: Plan,
    tables: Arc<Tables>,
    hops: NextHops,
    generation: Generation,
    workers: Vec<Published>,
    /// What was counted on publications that are no longer in use.
    past: Totals,
}

/// One worker's end, and the publications that it may still count on.
struct Published {
    publisher: Publisher<Publication>,
    in_use: Vec<Arc<Publication>>,
}

impl Published {
    /// Takes back what the worker has left, for `past` to remember.
    fn reclaim(&mut self, past: &mut Totals) {
        for old in self.publisher.reclaim() {
            past.add(&old);
            self.in_use
                .retain(|publication| !Arc::ptr_eq(publication, &old));
        }
    }

    fn publish(&mut self, snapshot: &Arc<Snapshot>) {
        let new = Arc::new(Publication::new(Arc::clone(snapshot)));
        self.in_use.push(Arc::clone(&new));
        if let Some(unseen) = self.publisher.publish(new) {
            self.in_use
                .retain(|publication| !Arc::ptr_eq(publication, &unseen));
        }
    }
}

impl TablePublisher {
    /// Compiles the first generation, and gives each worker its end.
    pub fn new(
        path: &Path,
        written: Config,
        config: Config,
        key: HashKey,
        hops: NextHops,
        workers: usize,
    ) -> (Self, Vec<Subscriber<Publication>>) {
        let generation = Generation(1);
        let plan = Plan::of_config(&config);
        let tables = Arc::new(compile_tables(&plan, key));
        let reach = |address| kernel_reach(&hops, address);
        let snapshot = Arc::new(compile_snapshot(
            generation,
            &plan,
            &config.ports,
            &tables,
            reach,
        ));
        let first = || {
            let publication = Arc::new(Publication::new(Arc::clone(&snapshot)));
            let (publisher, subscriber) = channel(Arc::clone(&publication));
            (
                Published {
                    publisher,
                    in_use: vec![publication],
                },
                subscriber,
            )
        };
        let (workers, subscribers) = std::iter::repeat_with(first).take(workers).unzip();
        let past = Totals::default();
        let path = path.to_owned();
        (
            Self {
                path,
                written,
                config,
                key,
                plan,
                tables,
                hops,
                generation,
                workers,
                past,
            },
            subscribers,
        )
    }

    /// The configuration in force.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The version published last.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The addresses that next hops are needed for.
    pub fn wanted(&self) -> impl Iterator<Item = IpAddr> {
        self.tables.backends.iter().map(|backend| backend.address)
    }

    /// The next hops in force.
    pub const fn hops(&self) -> &NextHops {
        &self.hops
    }

    /// What was counted so far, on past and present publications.
    pub fn totals(&self) -> Totals {
        let mut totals = self.past.clone();
        let in_use = self.workers.iter().flat_map(|worker| &worker.in_use);
        in_use.for_each(|publication| totals.add(publication));
        totals
    }

    /// Publishes other next hops; the Maglev tables stay.
    pub fn set_next_hops(&mut self, hops: NextHops) {
        self.hops = hops;
        self.publish();
    }

    /// Reads the file again, and publishes what it says.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing is changed then.
    pub fn reload(&mut self) -> Result<(), ReloadError> {
        let written = config::load(&self.path)?;
        if let Some(section) = needs_restart(&self.written, &written) {
            return Err(ReloadError::NeedsRestart(section));
        }
        self.config = with_kernel_addresses(written.clone())?;
        self.written = written;
        self.plan = Plan::of_config(&self.config);
        self.tables = Arc::new(compile_tables(&self.plan, self.key));
        self.publish();
        Ok(())
    }

    /// Counts and frees what workers have left.
    pub fn reclaim(&mut self) {
        for worker in &mut self.workers {
            worker.reclaim(&mut self.past);
        }
    }

    fn publish(&mut self) {
        self.reclaim();
        self.generation = Generation(self.generation.0 + 1);
        let reach = |address| kernel_reach(&self.hops, address);
        let snapshot = Arc::new(compile_snapshot(
            self.generation,
            &self.plan,
            &self.config.ports,
            &self.tables,
            reach,
        ));
        for worker in &mut self.workers {
            worker.publish(&snapshot);
        }
    }
}

/// The first section that differs and can't be changed while workers run.
fn needs_restart(old: &Config, new: &Config) -> Option<&'static str> {
    let fixed = [
        ("node", old.node != new.node),
        ("dpdk", old.dpdk != new.dpdk),
        ("workers", old.workers != new.workers),
        ("maglev", old.maglev != new.maglev),
        ("[port]", old.ports != new.ports),
    ];
    fixed
        .iter()
        .find(|(_, differs)| *differs)
        .map(|(name, _)| *name)
}
