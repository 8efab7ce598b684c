//! DPDK's environment: started once, before any port, and stopped after the last one.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_int};
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::claim::{self, Claim};
use super::device::Device;
use super::mbuf::Mbuf;
use super::plan::Plan;
use super::shim::{self, RawPool, Shim};
use super::sysfs::Sysfs;
use super::{Error, cores, log, preflight};
use crate::config::{self, memory::CACHE};

/// DPDK, running in this process. Cheap to clone; it stops when the last clone, device and queue are gone.
#[derive(Clone)]
pub struct Eal(Arc<Environment>);

/// What all parts of the running DPDK share.
pub(super) struct Environment {
    pub shim: &'static Shim,
    plan: Plan,
    pools: Mutex<BTreeMap<usize, PoolPointer>>,
    _claims: Vec<Claim>,
}

#[derive(Clone, Copy)]
pub(super) struct PoolPointer(pub NonNull<RawPool>);

// SAFETY: DPDK's packet pools may be used from all threads at once.
unsafe impl Send for PoolPointer {}

static STARTED: AtomicBool = AtomicBool::new(false);

impl Eal {
    /// Starts DPDK for these ports, and checks first what can be checked: devices, interfaces, memory, rights,
    /// other processes. The calling thread's affinity is left alone.
    ///
    /// # Errors
    /// Each names the fault and its mend. DPDK can be started once in a process, whether that succeeds or not.
    pub fn start(dpdk: &config::Dpdk, ports: &[config::Port]) -> Result<Self, Error> {
        let sysfs = Sysfs::default();
        ports
            .iter()
            .try_for_each(|port| preflight::check(port, &sysfs))?;
        // First whose the devices are: the other appliance holds the huge pages too, but they are not the fault.
        let claims = claims(dpdk, ports)?;
        let plan = Plan::new(dpdk, ports, &sysfs)?;
        let shim = shim::load()?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(Error::AlreadyStarted);
        }
        let arguments = plan.arguments(dpdk, ports, &cores::allowed());
        init(shim, arguments).map_err(|reason| Error::Start {
            reason,
            eal_args: dpdk.eal_args.clone(),
            log: log::take(),
        })?;
        let pools = Mutex::default();
        Ok(Self(Arc::new(Environment {
            shim,
            plan,
            pools,
            _claims: claims,
        })))
    }

    /// Opens and starts the device of one of the ports that [`Eal::start`] was given.
    ///
    /// # Errors
    /// [`Error::Device`], [`Error::Queues`], [`Error::Busy`] ... with the driver's own words.
    pub fn open(&self, port: &config::Port) -> Result<Device, Error> {
        Device::open(&self.0, port)
    }

    /// Makes the calling thread known to DPDK, so that it gets packet caches of its own. To be called by each
    /// worker after it is pinned, and kept while it works.
    ///
    /// # Errors
    /// [`Error::Register`] when there are too many threads.
    pub fn register_thread(&self) -> Result<Registered, Error> {
        // SAFETY: no arguments; the environment is up.
        match unsafe { (self.0.shim.thread_register)() } {
            0 => Ok(Registered {
                eal: self.clone(),
                _not_send: PhantomData,
            }),
            errno => Err(Error::Register(errno_of(errno))),
        }
    }

    /// Whether packets lie in huge pages.
    #[must_use]
    pub fn uses_huge_pages(&self) -> bool {
        self.0.plan.huge
    }
}

impl Environment {
    /// The pool of a NUMA node, made at the first call.
    pub fn pool(&self, node: usize) -> Result<PoolPointer, io::Error> {
        let node = if self.plan.nodes.contains(&node) {
            node
        } else {
            self.plan.nodes[0]
        };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&pool) = pools.get(&node) {
            return Ok(pool);
        }
        let name = CString::new(format!("packets{node}"))?;
        let socket = c_int::try_from(node).unwrap_or(0);
        let Plan {
            packets,
            room,
            layout,
            ..
        } = self.plan;
        let mut errno = 0;
        // SAFETY: the name lives for the call, which is all that DPDK needs; `errno` is ours.
        let pool = unsafe {
            (self.shim.pool_create)(
                name.as_ptr(),
                packets,
                CACHE,
                room,
                layout,
                socket,
                &raw mut errno,
            )
        };
        let pool = PoolPointer(NonNull::new(pool).ok_or_else(|| errno_of(errno))?);
        pools.insert(node, pool);
        Ok(pool)
    }

    /// Whether every packet of the process comes from one pool.
    pub fn has_one_pool(&self) -> bool {
        self.plan.nodes.len() == 1
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        let pools = self.pools.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the pools are alive until the cleanup below.
        let in_use = |pool: &PoolPointer| unsafe { (self.shim.pool_in_use)(pool.0.as_ptr()) } > 0;
        // The cleanup unmaps packet memory. Where somebody still holds a packet, leave it to the process's end.
        if pools.values().any(in_use) {
            tracing::debug!("packets are still held: DPDK's memory is left mapped");
            return;
        }
        // SAFETY: devices and queues hold this environment, so all are closed; and no packet is outside the pools.
        unsafe { (self.shim.eal_cleanup)() };
    }
}

/// Shows that the thread is known to DPDK; undone when dropped.
pub struct Registered {
    eal: Eal,
    /// It belongs to the thread that made it.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: this thread was registered, and has not been unregistered, by the type's construction.
        unsafe { (self.eal.0.shim.thread_unregister)() }
    }
}

/// Makes packets from bytes: for those that do not come from a NIC.
#[derive(Clone)]
pub struct Pool {
    pointer: PoolPointer,
    eal: Arc<Environment>,
}

// SAFETY: as for `PoolPointer`: DPDK's pools may be used from all threads at once.
unsafe impl Sync for Pool {}

impl Pool {
    pub(super) fn new(eal: &Arc<Environment>, pointer: PoolPointer) -> Self {
        Self {
            pointer,
            eal: eal.clone(),
        }
    }

    /// A packet of these bytes (from the Ethernet destination on) with the usual headroom; `None` when the pool is
    /// empty or the packet longer than a buffer. Does not allocate from the heap.
    #[must_use]
    pub fn packet(&self, bytes: &[u8]) -> Option<Mbuf> {
        // SAFETY: the pool is alive as long as the environment that `self` holds.
        let raw = NonNull::new(unsafe { (self.eal.shim.alloc)(self.pointer.0.as_ptr()) })?;
        // SAFETY: a fresh mbuf is alone ours, has one segment and is empty.
        let mut packet = unsafe { Mbuf::from_raw(raw) };
        packet.append(bytes).ok().map(|()| packet)
    }
}

/// Takes the names that must be ours alone on this host.
fn claims(dpdk: &config::Dpdk, ports: &[config::Port]) -> Result<Vec<Claim>, Error> {
    let prefix = dpdk.file_prefix.clone();
    let claim = Claim::take(&format!("prefix-{prefix}"));
    let taken = |pid| Error::PrefixInUse { prefix, pid };
    let mut claims = vec![claim.map_err(|refused| refused.into_error(taken))?];
    for port in ports {
        let (name, device) = match &port.device {
            config::Device::Pci(address) => (format!("pci-{address}"), address),
            config::Device::Vdev {
                interface: Some(interface),
                ..
            } => (format!("net-{}-{interface}", claim::namespace()), interface),
            config::Device::Vdev { .. } => continue,
        };
        let taken = |pid| Error::Busy {
            port: port.name.clone(),
            device: device.clone(),
            owner: format!("process {pid}"),
        };
        claims.push(Claim::take(&name).map_err(|refused| refused.into_error(taken))?);
    }
    Ok(claims)
}

/// Runs `rte_eal_init` on a thread of its own, because it pins the thread that calls it.
fn init(shim: &'static Shim, arguments: Vec<String>) -> io::Result<()> {
    tracing::debug!("DPDK's arguments: {}", arguments.join(" "));
    log::take();
    let start = move || {
        // DPDK keeps pointers into its arguments, so they are never freed.
        let mut pointers: Vec<*mut c_char> = arguments
            .into_iter()
            .filter_map(|a| CString::new(a).ok())
            .map(CString::into_raw)
            .collect();
        let count = c_int::try_from(pointers.len()).unwrap_or(c_int::MAX);
        pointers.push(std::ptr::null_mut());
        // SAFETY: argc strings and a null, all alive for ever; this is the only call in the process (STARTED).
        unsafe { (shim.eal_init)(count, pointers.leak().as_mut_ptr(), log::sink) }
    };
    let thread = std::thread::Builder::new()
        .name("dpdk-start".into())
        .spawn(start);
    match thread?.join() {
        Ok(0) => Ok(()),
        Ok(errno) => Err(errno_of(errno)),
        Err(_) => Err(io::Error::other("its start-up thread panicked")),
    }
}

/// The error of a negative errno.
pub(super) fn errno_of(errno: c_int) -> io::Error {
    // A few functions of DPDK give -1 for "some error"; that is no errno of theirs.
    if errno == -1 {
        return io::Error::other("the driver gave no reason");
    }
    io::Error::from_raw_os_error(-errno)
}
