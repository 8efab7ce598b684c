//! The steps from a configured port to a started device, with errors that name the port.

use std::io;

use super::device::{RawInfo, RawSetup, c_string, device_name, text_of};
use super::eal::{PoolPointer, errno_of};
use super::shim::Shim;
use super::steer::{self, Program};
use super::{Error, log};
use crate::config;

/// The steps of a device's start, and the port to name in their errors.
pub struct Bringup<'a> {
    pub shim: &'static Shim,
    pub port: &'a config::Port,
}

impl Bringup<'_> {
    /// Has DPDK find the device (PCI devices were found at DPDK's start) and gives its number.
    pub fn probe(&self, program: Option<&Program>) -> Result<u16, Error> {
        if let config::Device::Vdev { spec, .. } = &self.port.device {
            let program = program.map(Program::device_argument).unwrap_or_default();
            let spec = c_string(&format!(
                "{spec}{}{program}",
                queue_argument(spec, self.port.queues)
            ));
            // SAFETY: a C string, which DPDK copies.
            let errno = unsafe { (self.shim.probe)(spec.as_ptr()) };
            if errno < 0 {
                return Err(self.failed("opened", errno_of(errno)));
            }
        }
        let name = c_string(device_name(self.port));
        // SAFETY: a C string.
        let id = unsafe { (self.shim.port_by_name)(name.as_ptr()) };
        u16::try_from(id).map_err(|_| self.failed("found", errno_of(id)))
    }

    pub fn info(&self, id: u16) -> Result<RawInfo, Error> {
        let mut info = RawInfo::default();
        // SAFETY: `info` is a `struct tt_info`.
        match unsafe { (self.shim.port_info)(id, &raw mut info) } {
            0 => Ok(info),
            errno => Err(self.failed("asked what it can do", errno_of(errno))),
        }
    }

    pub fn start(
        &self,
        id: u16,
        info: &RawInfo,
        pool: PoolPointer,
        one_pool: bool,
    ) -> Result<(), Error> {
        let max = info.max_rx_queues.min(info.max_tx_queues);
        if self.port.queues > max {
            return Err(self.too_many_queues(max, &info.driver));
        }
        let driver = text_of(&info.driver);
        // AF_PACKET claims 1,514 octets at most, whatever its interface carries.
        if self.port.mtu > info.max_mtu && driver != "net_af_packet" {
            return Err(self.too_long_packets(info.max_mtu, driver));
        }
        let mut setup = RawSetup {
            queues: self.port.queues,
            rx_descriptors: self.port.rx_descriptors,
            tx_descriptors: self.port.tx_descriptors,
            mtu: self.port.mtu,
            all_multicast: matches!(self.port.exception, config::Exception::Tap(_)),
            one_pool,
            pool: pool.0.as_ptr(),
        };
        // SAFETY: `setup` is a `struct tt_setup` and the pool lives until DPDK's end.
        match unsafe { (self.shim.port_start)(id, &raw mut setup) } {
            0 => Ok(()),
            errno => Err(self.failed("started", errno_of(errno))),
        }
    }

    fn too_many_queues(&self, max: u16, driver: &[u8]) -> Error {
        Error::Queues {
            port: self.port.name.clone(),
            device: device_name(self.port).to_owned(),
            driver: text_of(driver),
            queues: self.port.queues,
            max,
        }
    }

    fn too_long_packets(&self, max: u16, driver: String) -> Error {
        Error::Mtu {
            port: self.port.name.clone(),
            device: device_name(self.port).to_owned(),
            driver,
            mtu: self.port.mtu,
            max,
        }
    }

    pub fn failed(&self, step: &'static str, reason: io::Error) -> Error {
        let log = log::take();
        let port = self.port.name.clone();
        let device = device_name(self.port).to_owned();
        let busy = |line: &String| line.to_ascii_lowercase().contains("busy");
        if reason.kind() == io::ErrorKind::ResourceBusy || log.iter().any(busy) {
            let owner = format!("another process ({})", log.join("; "));
            return Error::Busy {
                port,
                device,
                owner,
            };
        }
        Error::Device {
            port,
            device,
            step,
            reason,
            log,
            hint: self.hint(),
        }
    }

    /// What to try instead.
    fn hint(&self) -> String {
        match &self.port.device {
            config::Device::Vdev {
                spec,
                interface: Some(interface),
            } if spec.starts_with("net_af_xdp") && self.port.queues > 1 => format!(
                "\n  Does {interface} have {queues} queues (ethtool -l {interface})? Set queues = 1, or make them: \
                 ethtool -L {interface} combined {queues}",
                queues = self.port.queues
            ),
            config::Device::Vdev {
                spec,
                interface: Some(interface),
            } if spec.starts_with("net_af_xdp") => format!(
                "\n  Where AF_XDP can't be had (kernel, driver, rights), device = \"net_af_packet0,iface={interface}\" \
                 is the slower way that works everywhere"
            ),
            _ => String::new(),
        }
    }
}

/// The program that `net_af_xdp` attaches where it is given no other: it takes all packets, and a killed process
/// leaves it behind. The driver goes on with one that is there.
const TAKES_ALL: &str = "xsk_def_prog";

/// The steering program, where the kernel keeps the NIC through AF_XDP and no other program was configured.
pub fn steering_program(shim: &Shim, port: &config::Port) -> Result<Option<Program>, Error> {
    let config::Device::Vdev {
        spec,
        interface: Some(interface),
    } = &port.device
    else {
        return Ok(None);
    };
    if !spec.starts_with("net_af_xdp") {
        return Ok(None);
    }
    let steers = port.exception == config::Exception::Kernel && !spec.contains("xdp_prog=");
    match steer::clear(shim, interface) {
        Some(foreign) if steers || foreign != TAKES_ALL => Err(Error::Busy {
            port: port.name.clone(),
            device: interface.clone(),
            owner: format!("the XDP program {foreign} (ip link set dev {interface} xdp off)"),
        }),
        _ if steers => Program::new().map(Some),
        _ => Ok(None),
    }
}

/// Virtual drivers make one queue pair unless they are told.
fn queue_argument(spec: &str, queues: u16) -> String {
    let known = [("net_af_packet", "qpairs"), ("net_af_xdp", "queue_count")];
    let key = known
        .iter()
        .find(|(driver, _)| spec.starts_with(driver))
        .map(|&(_, key)| key);
    match key {
        Some(key) if queues > 1 && !spec.contains(key) => format!(",{key}={queues}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_drivers_are_told_their_queues() {
        assert_eq!(queue_argument("net_af_packet0,iface=x", 2), ",qpairs=2");
        assert_eq!(queue_argument("net_af_xdp0,iface=x", 4), ",queue_count=4");
        assert_eq!(queue_argument("net_af_packet0,iface=x,qpairs=4", 2), "");
        assert_eq!(queue_argument("net_af_packet0,iface=x", 1), "");
        assert_eq!(queue_argument("net_null0", 2), "");
    }
}
