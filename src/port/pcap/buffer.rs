//! A packet buffer on the heap, with room in front for the headers that the graph adds.

use super::reader::Record;
use crate::packet::{Buffer, NoRoom};

/// Bytes in front of a received packet, as much as a DPDK mbuf has.
pub const HEADROOM: usize = 128;

/// One packet of a capture, writable. Made once, then loaded with one packet after the other.
#[derive(Debug, Default, Clone)]
pub struct HeapBuffer {
    /// The packet is `storage[start..]`.
    storage: Vec<u8>,
    start: usize,
    timestamp: u64,
    /// Bytes of the packet that the capture lacks.
    missing: u32,
}

impl HeapBuffer {
    /// A buffer that holds `bytes` as a whole packet.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut buffer = HeapBuffer::default();
        buffer.set(bytes);
        buffer
    }

    /// Takes `bytes` as a whole packet, in the place of the one before.
    pub fn set(&mut self, bytes: &[u8]) {
        let original = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.load(&Record {
            timestamp: 0,
            original,
            bytes,
        });
    }

    /// Forgets the packet before and takes this one; allocates only for one longer than all before.
    pub fn load(&mut self, record: &Record<'_>) {
        self.storage.resize(HEADROOM, 0);
        self.storage.extend_from_slice(record.bytes);
        self.start = HEADROOM;
        self.timestamp = record.timestamp;
        self.missing = (record.original as usize).saturating_sub(record.bytes.len()) as u32;
    }

    /// When the packet was captured, in nanoseconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Whether the capture holds less than the whole packet.
    #[must_use]
    pub fn is_snapped(&self) -> bool {
        self.missing > 0
    }

    /// The packet's length on the wire, with the headers that were added since.
    #[must_use]
    pub fn original(&self) -> u32 {
        self.missing.saturating_add(self.bytes().len() as u32)
    }
}

impl Buffer for HeapBuffer {
    fn bytes(&self) -> &[u8] {
        &self.storage[self.start..]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..]
    }

    fn reframe(&mut self, cut: usize, len: usize, room: usize) -> Result<&mut [u8], NoRoom> {
        let cut = cut.min(self.bytes().len());
        let front = self.start + cut;
        let start = front.checked_sub(room).ok_or(NoRoom)?;
        self.storage.truncate(front.saturating_add(len));
        self.start = start;
        Ok(self.bytes_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_grows_and_shrinks_at_its_front() {
        let mut buffer = HeapBuffer::new(&[1, 2, 3]);
        buffer.reframe(0, 9, 2).unwrap()[..2].copy_from_slice(&[8, 9]);
        assert_eq!(buffer.bytes(), [8, 9, 1, 2, 3]);
        assert_eq!(buffer.reframe(3, 1, 0).unwrap(), [2]);
        assert_eq!(buffer.reframe(9, 9, 0).unwrap(), [0_u8; 0]);
    }

    #[test]
    fn the_headroom_ends() {
        let mut buffer = HeapBuffer::new(&[7]);
        assert_eq!(buffer.reframe(0, 1, HEADROOM + 1), Err(NoRoom));
        assert_eq!(buffer.bytes(), [7]);
        assert_eq!(buffer.reframe(0, 1, HEADROOM).unwrap().len(), HEADROOM + 1);
    }

    #[test]
    fn a_buffer_keeps_nothing_of_the_packet_before() {
        let mut buffer = HeapBuffer::new(&[1; 40]);
        buffer.reframe(0, usize::MAX, 100).unwrap();
        buffer.reframe(0, 1, 0).unwrap();
        buffer.load(&Record {
            timestamp: 5,
            original: 60,
            bytes: &[3, 4],
        });
        assert_eq!((buffer.bytes(), buffer.timestamp()), (&[3, 4][..], 5));
        assert!(buffer.is_snapped());
        buffer.reframe(0, usize::MAX, 20).unwrap();
        assert_eq!(buffer.original(), 80);
    }
}
