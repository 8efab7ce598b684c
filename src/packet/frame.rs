//! A frame: the vector of packets that one walk through the graph moves.

use super::{Buffer, FRAME_SIZE, FlowKeys, Meta};

/// Up to [`FRAME_SIZE`] packets with their metadata; index `i` is the same packet in each field.
///
/// Everything is allocated once. Arrays have exactly [`FRAME_SIZE`] entries and are indexed by `u8`,
/// so that the compiler needs no bounds check.
pub struct Frame<B> {
    /// The packets. Filled by a port, moved out by the worker.
    pub packets: Vec<B>,
    /// What is known of each.
    pub meta: Box<[Meta; FRAME_SIZE]>,
    /// Their flow keys.
    pub keys: Box<FlowKeys>,
    /// Their flow hashes as IPv4 and as IPv6 packets; see [`Self::hash`]. Written by select; consult puts those in their
    /// place that flow entries lie by.
    pub hashes: Box<[[u64; FRAME_SIZE]; 2]>,
    /// Whether there are IPv4 and IPv6 packets. Written by ip4, ip6.
    pub families: [bool; 2],
    /// Bit set of the ports by which packets leave. Written by neighbour.
    pub tx_ports: u64,
}

impl<B: Buffer> Default for Frame<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Buffer> Frame<B> {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self {
            packets: Vec::with_capacity(FRAME_SIZE),
            meta: Box::new([Meta::BLANK; FRAME_SIZE]),
            keys: Box::default(),
            hashes: Box::new([[0; FRAME_SIZE]; 2]),
            families: [false; 2],
            tx_ports: 0,
        }
    }

    /// The flow hash of packet `index`, behind the select stage.
    #[inline(always)]
    #[must_use]
    pub fn hash(&self, index: u8) -> u64 {
        let i = usize::from(index);
        self.hashes[usize::from(self.meta[i].ip6)][i]
    }
}
