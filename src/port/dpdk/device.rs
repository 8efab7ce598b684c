//! One DPDK device: brought up, watched, closed.

use std::ffi::{CStr, CString};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use super::bringup::{Bringup, steering_program};
use super::eal::{Environment, Pool, PoolPointer};
use super::queue::Queue;
use super::shim::{RawPool, Shim};
use super::steer::Steering;
use super::{Error, log, preflight};
use crate::config;

/// `struct tt_info`.
#[repr(C)]
#[derive(Default)]
pub struct RawInfo {
    pub(super) driver: [u8; 32],
    pub(super) socket: i32,
    pub(super) max_rx_queues: u16,
    pub(super) max_tx_queues: u16,
    pub(super) max_mtu: u16,
    pub(super) mac: [u8; 6],
}

/// `struct tt_setup`.
#[repr(C)]
pub struct RawSetup {
    pub(super) queues: u16,
    pub(super) rx_descriptors: u16,
    pub(super) tx_descriptors: u16,
    pub(super) mtu: u16,
    pub(super) all_multicast: bool,
    pub(super) one_pool: bool,
    pub(super) pool: *mut RawPool,
}

/// `struct tt_link`.
#[repr(C)]
#[derive(Default)]
pub struct RawLink {
    mbit_per_s: u32,
    up: u8,
}

const _: () = assert!(size_of::<RawInfo>() == 48);
const _: () = assert!(size_of::<RawSetup>() == 24);
const _: () = assert!(size_of::<RawLink>() == 8);
const _: () = assert!(size_of::<Stats>() == 64);

/// The device's own counters, since it was started.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received with an error, and dropped by the device.
    pub rx_errors: u64,
    /// Packets lost because the receive queue was full (`imissed`).
    pub rx_missed: u64,
    /// Packets lost because the pool was empty (`rx_nombuf`).
    pub rx_no_buffer: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets that the device failed to send.
    pub tx_errors: u64,
}

/// State of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whether there is a carrier.
    pub up: bool,
    /// Speed in Mbit/s; 0 where the device has none.
    pub mbit_per_s: u32,
}

/// A started device. It stops and closes when it and all its queues are dropped.
pub struct Device {
    opened: Arc<Opened>,
    queues: Vec<Queue>,
}

/// What a device and its queues share.
pub(super) struct Opened {
    eal: Arc<Environment>,
    id: u16,
    port: String,
    name: String,
    driver: String,
    mac: [u8; 6],
    interface: Option<String>,
    pool: PoolPointer,
    steering: Mutex<Option<Steering>>,
}

// SAFETY: the pool's pointer is for calls that all threads may make; all else is plain or behind a lock.
unsafe impl Sync for Opened {}

impl Device {
    pub(super) fn open(eal: &Arc<Environment>, port: &config::Port) -> Result<Self, Error> {
        let program = steering_program(eal.shim, port)?;
        let at = Bringup {
            shim: eal.shim,
            port,
        };
        log::take();
        let id = at.probe(program.as_ref())?;
        let info = at.info(id)?;
        let node = usize::try_from(info.socket).unwrap_or(0);
        let pool = eal
            .pool(node)
            .map_err(|reason| at.failed("given packet memory", reason))?;
        // From here on a failure closes the device again.
        let mut opened = Opened::new(eal, port, id, &info, pool);
        at.start(id, &info, pool, eal.has_one_pool())?;
        if program.is_some() {
            opened.find_steering()?;
        }
        let opened = Arc::new(opened);
        let queues = (0..port.queues)
            .map(|queue| Queue::new(&opened, id, queue))
            .collect();
        Ok(Self { opened, queues })
    }

    /// Takes the queue pairs, one for each worker that serves the port. A second call gives none.
    pub fn take_queues(&mut self) -> Vec<Queue> {
        std::mem::take(&mut self.queues)
    }

    /// The device's MAC address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.opened.mac
    }

    /// DPDK's name of the driver, such as `net_ixgbe`.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.opened.driver
    }

    /// The kernel interface behind the device, if any.
    #[must_use]
    pub fn interface(&self) -> Option<&str> {
        self.opened.interface.as_deref()
    }

    /// Where packets for this device's NUMA node are made.
    #[must_use]
    pub fn pool(&self) -> Pool {
        Pool::new(&self.opened.eal, self.opened.pool)
    }

    /// The state of the wire, without waiting for it. Drivers over a kernel interface don't follow its carrier, so
    /// there the kernel is asked.
    #[must_use]
    pub fn link(&self) -> Link {
        if let Some(interface) = self.interface() {
            return Link {
                up: carrier(interface),
                mbit_per_s: 0,
            };
        }
        let mut link = RawLink::default();
        // SAFETY: `link` is a `struct tt_link`.
        let known = unsafe { (self.opened.shim().port_link)(self.opened.id, &raw mut link) } == 0;
        Link {
            up: known && link.up != 0,
            mbit_per_s: link.mbit_per_s,
        }
    }

    /// The kernel interface behind the device, if it is there no more.
    #[must_use]
    pub fn lost_interface(&self) -> Option<&str> {
        self.interface()
            .filter(|name| if_nametoindex(*name).is_err())
    }

    /// The device's counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        // SAFETY: `stats` is a `struct tt_stats`. Where the driver has none it stays zero.
        unsafe { (self.opened.shim().port_stats)(self.opened.id, &raw mut stats) };
        stats
    }

    /// Makes these the addresses whose packets come to us, where our XDP program chooses them; elsewhere all do,
    /// and nothing happens.
    ///
    /// # Errors
    /// [`Error::Steer`] when the kernel refuses; those set before it stay set.
    pub fn set_vips(&self, vips: &[IpNet]) -> Result<(), Error> {
        let mut steering = self
            .opened
            .steering
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(steering) = steering.as_mut() else {
            return Ok(());
        };
        steering
            .set(self.opened.shim(), vips)
            .map_err(|reason| self.opened.unsteered(reason))
    }
}

impl Opened {
    fn new(
        eal: &Arc<Environment>,
        port: &config::Port,
        id: u16,
        info: &RawInfo,
        pool: PoolPointer,
    ) -> Self {
        Self {
            eal: eal.clone(),
            id,
            port: port.name.clone(),
            name: device_name(port).to_owned(),
            driver: text_of(&info.driver),
            mac: info.mac,
            interface: interface(port).map(str::to_owned),
            pool,
            steering: Mutex::new(None),
        }
    }

    pub fn shim(&self) -> &'static Shim {
        self.eal.shim
    }

    fn find_steering(&mut self) -> Result<(), Error> {
        let interface = self.interface.as_deref().unwrap_or_default();
        let found = Steering::find(self.eal.shim, interface).map_err(|e| self.unsteered(e))?;
        self.steering = Mutex::new(Some(found));
        Ok(())
    }

    fn unsteered(&self, reason: io::Error) -> Error {
        let interface = self.interface.clone().unwrap_or_default();
        Error::Steer {
            port: self.port.clone(),
            interface,
            reason,
        }
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        tracing::debug!("closing {}", self.name);
        // SAFETY: no queue is left that could be in a burst: each holds this.
        unsafe {
            (self.eal.shim.port_stop)(self.id);
            (self.eal.shim.port_close)(self.id);
        }
    }
}

/// Whether the kernel has the interface up and with a carrier.
fn carrier(interface: &str) -> bool {
    let running = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let mut entries = getifaddrs().into_iter().flatten();
    entries.any(|entry| entry.interface_name == interface && entry.flags.contains(running))
}

pub(super) fn device_name(port: &config::Port) -> &str {
    match &port.device {
        config::Device::Pci(address) => address,
        config::Device::Vdev { spec, .. } => preflight::vdev_name(spec),
    }
}

fn interface(port: &config::Port) -> Option<&str> {
    match &port.device {
        config::Device::Pci(_) => None,
        config::Device::Vdev { interface, .. } => interface.as_deref(),
    }
}

/// Configuration has no zero bytes; one would cut the text short.
pub(super) fn c_string(text: &str) -> CString {
    let text: Vec<u8> = text.bytes().take_while(|&byte| byte != 0).collect();
    CString::new(text).unwrap_or_default()
}

pub(super) fn text_of(zero_ended: &[u8]) -> String {
    let text = CStr::from_bytes_until_nul(zero_ended).unwrap_or_default();
    text.to_string_lossy().into_owned()
}
