//! Checks before DPDK is started, where the kernel's own files allow a better message than DPDK's.

use std::fs;
use std::path::{Path, PathBuf};

use nix::net::if_::if_nameindex;

use super::Error;
use super::sysfs::{Nic, Sysfs};
use crate::config::{Device, Port};

/// Kernel drivers that DPDK works beside: these NICs are not taken from the kernel.
const SHARED: [&str; 3] = ["mlx4_core", "mlx5_core", "mana"];

/// DPDK's own names for what drives a NIC from user space.
const HANDED_OVER: [&str; 3] = ["vfio-pci", "uio_pci_generic", "igb_uio"];

/// Virtual drivers by the names that a configuration uses.
const VIRTUAL: [&str; 11] = [
    "af_packet",
    "af_xdp",
    "bond",
    "failsafe",
    "memif",
    "null",
    "pcap",
    "ring",
    "tap",
    "vhost",
    "virtio_user",
];

const CAP_NET_ADMIN: u32 = 12;
const CAP_NET_RAW: u32 = 13;

/// Checks what can be checked of one port without DPDK.
pub fn check(port: &Port, sysfs: &Sysfs) -> Result<(), Error> {
    match &port.device {
        Device::Pci(address) => check_pci(&port.name, address, sysfs),
        Device::Vdev { spec, interface } => {
            check_driver(&port.name, spec, &drivers())?;
            match interface {
                Some(interface) => check_interface(&port.name, interface),
                None => Ok(()),
            }
        }
    }
}

fn check_pci(port: &str, address: &str, sysfs: &Sysfs) -> Result<(), Error> {
    let nics = sysfs.nics();
    let port = port.to_owned();
    let Some(nic) = nics.iter().find(|nic| nic.address == address).cloned() else {
        return Err(Error::UnknownPci {
            port,
            address: address.to_owned(),
            nics,
        });
    };
    match nic.driver.as_deref() {
        Some(driver) if HANDED_OVER.contains(&driver) || SHARED.contains(&driver) => Ok(()),
        Some(_) => Err(Error::KernelDriver {
            port,
            nic: nic.into(),
        }),
        None => Err(Error::Unbound {
            port,
            nic: nic.into(),
        }),
    }
}

fn check_driver(port: &str, spec: &str, drivers: &[String]) -> Result<(), Error> {
    let device = vdev_name(spec);
    // No list: a DPDK in an unusual place. It will say itself what it does not know.
    if drivers.is_empty()
        || drivers
            .iter()
            .any(|driver| device.starts_with(driver.as_str()))
    {
        return Ok(());
    }
    Err(Error::UnknownDriver {
        port: port.to_owned(),
        device: device.to_owned(),
        drivers: drivers.to_vec(),
    })
}

fn check_interface(port: &str, interface: &str) -> Result<(), Error> {
    let interfaces = interfaces();
    if !interfaces.iter().any(|name| name == interface) {
        let (port, interface) = (port.to_owned(), interface.to_owned());
        return Err(Error::UnknownInterface {
            port,
            interface,
            interfaces,
        });
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if [CAP_NET_ADMIN, CAP_NET_RAW]
        .iter()
        .all(|&cap| has_capability(&status, cap))
    {
        return Ok(());
    }
    let what = format!("receive the packets of {interface}");
    Err(Error::NoPermission {
        what,
        capabilities: "CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF",
    })
}

/// A device's name in DPDK: what stands before the first comma.
pub fn vdev_name(spec: &str) -> &str {
    spec.split(',').next().unwrap_or(spec)
}

/// Interfaces of this process's network namespace. (`/sys/class/net` may show another one's.)
fn interfaces() -> Vec<String> {
    let list = if_nameindex();
    list.iter()
        .flatten()
        .map(|i| i.name().to_string_lossy().into_owned())
        .collect()
}

/// The virtual drivers installed in DPDK's driver folder.
fn drivers() -> Vec<String> {
    driver_folders()
        .iter()
        .flat_map(|folder| drivers_in(folder))
        .collect()
}

fn drivers_in(folder: &Path) -> Vec<String> {
    let there = |name: &&&str| folder.join(format!("librte_net_{name}.so")).exists();
    let mut found: Vec<String> = VIRTUAL
        .iter()
        .filter(there)
        .map(|n| format!("net_{n}"))
        .collect();
    if folder.join("librte_net_virtio.so").exists() {
        found.push("net_virtio_user".to_owned());
    }
    if folder.join("librte_net_bond.so").exists() {
        found.push("net_bonding".to_owned());
    }
    found
}

/// `/usr/lib/*/dpdk/pmds-*`, as Debian lays it out.
fn driver_folders() -> Vec<PathBuf> {
    let children = |folder: PathBuf| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let libraries = children("/usr/lib".into()).into_iter();
    let dpdk = libraries
        .map(|folder| folder.join("dpdk"))
        .filter(|folder| folder.is_dir());
    dpdk.flat_map(children)
        .filter(|path| path.to_string_lossy().contains("/pmds-"))
        .collect()
}

/// Reads the effective capabilities of `/proc/self/status`.
fn has_capability(status: &str, capability: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = line
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    set >> capability & 1 == 1
}

/// The NIC of a PCI port, for its NUMA node.
pub fn node_of(port: &Port, sysfs: &Sysfs) -> usize {
    let Device::Pci(address) = &port.device else {
        return 0;
    };
    sysfs
        .nics()
        .iter()
        .find(|nic: &&Nic| nic.address == *address)
        .map_or(0, |nic| nic.node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::dpdk::sysfs::fake;

    fn refused(address: &str) -> String {
        let (_folder, sysfs) = fake::sysfs();
        check_pci("wan", address, &sysfs).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_address_lists_the_nics() {
        let text = refused("0000:09:00.0");
        assert!(
            text.contains("\"wan\": there is no PCI network device 0000:09:00.0"),
            "{text}"
        );
        assert!(
            text.contains("0000:03:00.0 [8086:10d3] driver ixgbe, interface eth1"),
            "{text}"
        );
    }

    #[test]
    fn a_kernel_driver_gets_the_commands_to_bind() {
        let text = refused("0000:03:00.0");
        for part in [
            "ip link set eth1 down && modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci 0000:03:00.0",
            "--bind=uio_pci_generic 0000:03:00.0",
            "device = \"net_af_xdp0,iface=eth1\"",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(refused("0000:05:00.0").contains("has no driver"));
    }

    #[test]
    fn a_nic_of_vfio_is_fine() {
        let (_folder, sysfs) = fake::sysfs();
        assert!(check_pci("wan", "0000:04:00.0", &sysfs).is_ok());
    }

    #[test]
    fn an_unknown_virtual_driver_lists_those_installed() {
        let drivers = ["net_pcap".to_owned(), "net_af_xdp".to_owned()];
        assert!(check_driver("wan", "net_af_xdp0,iface=eth1", &drivers).is_ok());
        let text = check_driver("wan", "net_afxdp0,iface=eth1", &drivers)
            .unwrap_err()
            .to_string();
        assert!(text.contains("no driver for \"net_afxdp0\""), "{text}");
        assert!(text.contains("net_af_xdp"), "{text}");
    }

    #[test]
    fn an_unknown_interface_lists_those_here() {
        let text = check_interface("wan", "no-such-if")
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("\"no-such-if\"") && text.contains("    lo"),
            "{text}"
        );
    }

    #[test]
    fn capabilities_are_read() {
        let status = "Name:\tx\nCapEff:\t0000000000001000\n";
        assert!(has_capability(status, CAP_NET_ADMIN));
        assert!(!has_capability(status, CAP_NET_RAW));
    }
}
