//! What DPDK is told at its start: memory, devices, names. Pure, so that it can be tested.

use std::collections::BTreeMap;

use super::Error;
use super::preflight;
use super::sysfs::Sysfs;
use crate::config::{Device, Dpdk, HugePages, Port, memory};

/// DPDK's own needs beside packets: caches per core, rings, descriptors.
const OWN_MIB: u32 = 24;

/// Where a pool's packets lie in memory. `enum tt_layout`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// For hardware: none crosses into another page, since that may lie anywhere in real memory.
    Contiguous,
    /// One after the other: the fastest, as they spread over all sets of the cache.
    Dense,
    /// Each fills a page of its own. For AF_XDP without huge pages: zero-copy NICs need packets inside a page, and
    /// `net_af_xdp` takes a pool to be as long as its packets are together, so there must be no gaps.
    Paged,
}

/// Packet memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In huge pages.
    pub huge: bool,
    /// NUMA nodes with packet memory: one pool each.
    pub nodes: Vec<usize>,
    /// Packets per pool.
    pub packets: u32,
    /// Bytes per packet, headroom included.
    pub room: u16,
    /// Where they lie.
    pub layout: Layout,
}

impl Plan {
    /// Decides where packets live.
    ///
    /// # Errors
    /// [`Error::HugePages`] where they are needed and not free, [`Error::Memory`] where the queues need more packets.
    pub fn new(config: &Dpdk, ports: &[Port], sysfs: &Sysfs) -> Result<Self, Error> {
        let mut nodes: Vec<usize> = ports.iter().map(|p| preflight::node_of(p, sysfs)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        let huge = huge(config, ports, &nodes, sysfs)?;
        let layout = layout(ports, huge);
        let paged = layout == Layout::Paged;
        // Without huge pages DPDK has one heap, whatever the machine's nodes.
        let nodes = if huge { nodes } else { vec![0] };
        let packets = memory::packets(config.memory_mib, ports, paged);
        let packets = packets.map_err(|shortage| Error::Memory {
            memory_mib: config.memory_mib,
            have: shortage.have,
            needed: shortage.needed,
            needed_mib: shortage.needed_mib,
        })?;
        Ok(Self {
            huge,
            nodes,
            packets,
            room: memory::room(ports, paged),
            layout,
        })
    }

    /// DPDK's command line.
    pub fn arguments(&self, config: &Dpdk, ports: &[Port], cores: &[usize]) -> Vec<String> {
        let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
        let mut arguments = vec![
            "tentetsu".to_owned(),
            // One lcore that floats over all our cores: workers pin and register themselves.
            format!("--lcores=0@({})", cores.join(",")),
            format!("--file-prefix={}", config.file_prefix),
            "--no-telemetry".to_owned(),
        ];
        if self.huge {
            // Nothing is left in hugetlbfs (nor need it be mounted), even after kill -9.
            arguments.push("--in-memory".to_owned());
        } else {
            arguments
                .extend(["--no-huge", "--no-shconf", "--iova-mode=va", "-m"].map(str::to_owned));
            arguments.push((config.memory_mib + OWN_MIB).to_string());
        }
        let pci: Vec<&String> = ports.iter().filter_map(pci_address).collect();
        if pci.is_empty() {
            arguments.push("--no-pci".to_owned());
        }
        arguments.extend(pci.iter().map(|address| format!("--allow={address}")));
        arguments.extend(config.eal_args.iter().cloned());
        arguments
    }
}

fn pci_address(port: &Port) -> Option<&String> {
    match &port.device {
        Device::Pci(address) => Some(address),
        Device::Vdev { .. } => None,
    }
}

fn layout(ports: &[Port], huge: bool) -> Layout {
    if ports.iter().any(|port| pci_address(port).is_some()) {
        Layout::Contiguous
    } else if memory::fills_pages(ports, huge) {
        Layout::Paged
    } else {
        Layout::Dense
    }
}

fn huge(config: &Dpdk, ports: &[Port], nodes: &[usize], sysfs: &Sysfs) -> Result<bool, Error> {
    let why = match config.huge_pages {
        HugePages::Off => return Ok(false),
        HugePages::Required => Some("dpdk.huge_pages = \"required\""),
        // Their hardware needs memory whose place does not change.
        HugePages::Auto if ports.iter().any(|port| pci_address(port).is_some()) => {
            Some("a PCI device needs them")
        }
        HugePages::Auto => None,
    };
    let needed_mib = u64::from(config.memory_mib + OWN_MIB);
    let free: BTreeMap<usize, u64> = nodes.iter().map(|&n| (n, sysfs.free_huge_mib(n))).collect();
    match (free.iter().find(|&(_, &free)| free < needed_mib), why) {
        (None, _) => Ok(true),
        (Some(_), None) => Ok(false),
        (Some((&node, &free_mib)), Some(why)) => Err(Error::HugePages {
            node,
            needed_mib,
            free_mib,
            pages: needed_mib.div_ceil(2),
            why,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Exception;
    use crate::port::dpdk::sysfs::fake;

    fn port(device: Device) -> Port {
        Port {
            name: "wan".into(),
            device,
            queues: 1,
            rx_descriptors: 1024,
            tx_descriptors: 1024,
            mtu: 1500,
            addresses: vec![],
            encap_source: vec![],
            exception: Exception::Off,
        }
    }

    fn vdev() -> Port {
        port(Device::Vdev {
            spec: "net_null0".into(),
            interface: None,
        })
    }

    fn dpdk(huge_pages: HugePages, memory_mib: u32) -> Dpdk {
        Dpdk {
            huge_pages,
            memory_mib,
            file_prefix: "t".into(),
            eal_args: vec!["--x".into()],
        }
    }

    #[test]
    fn huge_pages_are_taken_where_they_are_free() {
        let (_folder, sysfs) = fake::sysfs();
        let huge = |mib| {
            Plan::new(&dpdk(HugePages::Auto, mib), &[vdev()], &sysfs)
                .unwrap()
                .huge
        };
        assert!(huge(1000));
        assert!(!huge(2000));
    }

    #[test]
    fn missing_huge_pages_say_how_to_have_them() {
        let (_folder, sysfs) = fake::sysfs();
        let nic = port(Device::Pci("0000:03:00.0".into()));
        let text = Plan::new(&dpdk(HugePages::Auto, 100), &[nic], &sysfs)
            .unwrap_err()
            .to_string();
        assert!(
            text.contains("124 MiB of huge pages on NUMA node 1, and 0 MiB are free"),
            "{text}"
        );
        assert!(
            text.contains("echo 62 > /sys/devices/system/node/node1/hugepages"),
            "{text}"
        );
    }

    #[test]
    fn too_little_memory_says_how_much_is_enough() {
        let (_folder, sysfs) = fake::sysfs();
        let off = |mib| Plan::new(&dpdk(HugePages::Off, mib), &[vdev()], &sysfs);
        let Error::Memory { needed_mib, .. } = off(8).unwrap_err() else {
            panic!()
        };
        let needed_mib = u32::try_from(needed_mib).unwrap();
        assert!(off(needed_mib).is_ok());
        assert!(off(needed_mib - 2).is_err());
    }

    #[test]
    fn af_xdp_packets_fill_pages() {
        let (_folder, sysfs) = fake::sysfs();
        let nic = port(Device::Vdev {
            spec: "net_af_xdp0,iface=x".into(),
            interface: None,
        });
        let plan = |huge| Plan::new(&dpdk(huge, 100), std::slice::from_ref(&nic), &sysfs).unwrap();
        let small = plan(HugePages::Off);
        // A page, less the headers of a buffer.
        assert_eq!((small.layout, small.room), (Layout::Paged, 4096 - 192));
        assert_eq!(plan(HugePages::Auto).layout, Layout::Dense);
    }

    #[test]
    fn dpdk_is_told_memory_devices_and_extras() {
        let (_folder, sysfs) = fake::sysfs();
        let ports = [vdev()];
        let config = dpdk(HugePages::Off, 64);
        let plan = Plan::new(&config, &ports, &sysfs).unwrap();
        let line = plan.arguments(&config, &ports, &[0, 3]).join(" ");
        let expected = "tentetsu --lcores=0@(0,3) --file-prefix=t --no-telemetry --no-huge --no-shconf --iova-mode=va \
                        -m 88 --no-pci --x";
        assert_eq!(line, expected);
        let ports = [port(Device::Pci("0000:04:00.0".into()))];
        let config = dpdk(HugePages::Auto, 64);
        let plan = Plan::new(&config, &ports, &sysfs).unwrap();
        let line = plan.arguments(&config, &ports, &[0]).join(" ");
        assert!(line.contains("--in-memory --allow=0000:04:00.0"), "{line}");
    }
}
