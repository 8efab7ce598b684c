//! Next hops: the port, and the Ethernet header in front of the packet.

use crate::wire::{MacAddr, TagStack};

/// A next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Adjacency {
    /// Index of the port.
    pub port: u8,
    /// Largest IP packet.
    pub mtu: u16,
    /// Whether the next hop's MAC address is known.
    pub resolved: bool,
    header_len: u8,
    header: [u8; 20],
}

impl Adjacency {
    /// A next hop whose MAC address is not known yet: packets to it are dropped by name.
    #[must_use]
    pub const fn unresolved(port: u8) -> Self {
        Self {
            port,
            mtu: 0,
            resolved: false,
            header_len: 0,
            header: [0; 20],
        }
    }

    /// A next hop by `port`, with up to two VLAN tags.
    #[must_use]
    pub fn resolved(
        port: u8,
        mtu: u16,
        source: MacAddr,
        destination: MacAddr,
        tags: &TagStack,
    ) -> Self {
        let mut bytes = arrayvec::ArrayVec::<u8, 20>::new();
        bytes.extend(destination.0);
        bytes.extend(source.0);
        for tag in tags {
            bytes.extend(tag.kind.0.to_be_bytes());
            bytes.extend(tag.id.to_be_bytes());
        }
        let mut header = [0; 20];
        header[..bytes.len()].copy_from_slice(&bytes);
        // At most 20: a `TagStack` holds two tags.
        let header_len = u8::try_from(bytes.len()).unwrap_or(20);
        Self {
            port,
            mtu,
            resolved: true,
            header_len,
            header,
        }
    }

    /// Length of the whole Ethernet header, type included.
    #[must_use]
    pub const fn room(&self) -> u8 {
        self.header_len + 2
    }

    /// What stands in front of the payload's type: 12, 16 or 20 bytes of addresses and tags.
    #[inline(always)]
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.header
            .get(..usize::from(self.header_len))
            .unwrap_or_default()
    }
}
