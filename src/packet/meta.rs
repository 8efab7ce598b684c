//! What the graph knows of a packet, beside its bytes.

use super::DropReason;

/// The index of nothing.
pub const NONE: u32 = u32::MAX;

/// The metadata record of one packet in a frame. Each field is written by the stage that its comment
/// names, and read by later ones.
#[derive(Debug, Clone, Copy)]
pub struct Meta {
    /// Length of the packet from its IP header on, without Ethernet padding. Written by ip4, ip6.
    pub ip_len: u16,
    /// Offset of the IP header. Written by ethernet.
    pub l3: u16,
    /// Offset of the transport (or ICMP) header. Written by ip4, ip6.
    pub l4: u16,
    /// Protocol behind the IP header and its extensions. Written by ip4, ip6.
    pub protocol: u8,
    /// IPv6 rather than IPv4. Written by ip4, ip6.
    pub ip6: bool,
    /// Part of a fragmented datagram. Written by ip4, ip6.
    pub fragment: bool,
    /// Port by which a forwarded packet leaves. Written by neighbour.
    pub tx_port: u8,
    /// Why the packet was dropped; has a meaning only behind the drop door. Written by the dropping stage.
    pub reason: DropReason,
    /// Index of the service, or [`NONE`]. Written by lookup, icmp.
    pub service: u32,
    /// Slot in the pool's table, or [`NONE`]. Written by select.
    pub slot: u32,
    /// Index of the backend in the snapshot, or [`NONE`]. Written by select.
    pub backend: u32,
}

impl Meta {
    /// A packet of which nothing is known yet.
    pub const BLANK: Self = Self {
        ip_len: 0,
        l3: 0,
        l4: 0,
        protocol: 0,
        ip6: false,
        fragment: false,
        tx_port: 0,
        reason: DropReason::EthernetTruncated,
        service: NONE,
        slot: NONE,
        backend: NONE,
    };
}
