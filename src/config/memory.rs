//! How much packet memory ports need. Known from the file alone, but for whether huge pages will be free.

use super::{Device, Port};

/// Room in front of a packet, `RTE_PKTMBUF_HEADROOM`.
const HEADROOM: u32 = 128;

/// What a buffer needs beside its room: the pool's header and `struct rte_mbuf`.
const HEADERS: u32 = 192;

/// Cache lines that DPDK may add to spread buffers over memory channels.
const SPREAD: u32 = 64;

/// A small page.
const PAGE: u32 = 4096;

/// Packets kept in a core's cache. A frame in and a frame out never touch the pool's shared ring.
pub(crate) const CACHE: u32 = 512;

/// Packets that may be on their way inside a worker or in the exception rings.
const IN_FLIGHT: u64 = 4096;

/// Too little memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// Packets that fit.
    pub have: u64,
    /// Packets needed.
    pub needed: u64,
    /// Enough.
    pub needed_mib: u64,
}

/// Whether each packet fills a page of its own: for AF_XDP without huge pages, where no NIC of DPDK's own is.
pub(crate) fn fills_pages(ports: &[Port], huge: bool) -> bool {
    let is_pci = |port: &Port| matches!(port.device, Device::Pci(_));
    let is_af_xdp = |port: &Port| matches!(&port.device, Device::Vdev { spec, .. } if spec.starts_with("net_af_xdp"));
    !huge && ports.iter().any(is_af_xdp) && !ports.iter().any(is_pci)
}

/// Bytes for the largest frame of any port (Ethernet, two tags, checksum) and the headroom. Many NICs count a buffer's
/// room in whole KiB, and would chain buffers otherwise.
pub(crate) fn room(ports: &[Port], paged: bool) -> u16 {
    let mtus = ports.iter().map(|port| u32::from(port.mtu));
    let mtu = mtus.max().unwrap_or(1500);
    let frame = (mtu + 14 + 2 * 4 + 4).max(2048).next_multiple_of(1024);
    let mut each = frame + HEADROOM + HEADERS;
    if paged {
        each = each.next_multiple_of(PAGE);
    }
    u16::try_from(each - HEADERS).unwrap_or(u16::MAX)
}

/// How many packets so much memory holds.
///
/// # Errors
/// When the ports' queues need more.
pub(crate) fn packets(memory_mib: u32, ports: &[Port], paged: bool) -> Result<u32, Shortage> {
    let each = each(room(ports, paged), paged);
    let have = u64::from(memory_mib) * 1024 * 1024 / each;
    let needed = ports.iter().map(queues).sum::<u64>() + IN_FLIGHT;
    if have >= needed {
        return Ok(u32::try_from(have).unwrap_or(u32::MAX));
    }
    Err(Shortage {
        have,
        needed,
        needed_mib: (needed.div_ceil(256) * each).div_ceil(4096),
    })
}

/// Bytes of memory per packet.
fn each(room: u16, paged: bool) -> u64 {
    let spread = if paged { 0 } else { SPREAD };
    u64::from(u32::from(room) + HEADERS + spread)
}

/// Packets that a port's queues may hold.
fn queues(port: &Port) -> u64 {
    let descriptors = u32::from(port.rx_descriptors) + u32::from(port.tx_descriptors);
    u64::from(port.queues) * u64::from(descriptors + 2 * CACHE)
}
