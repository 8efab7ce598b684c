//! What the graph needs of a driver's packet buffer.

/// One packet in memory that its driver owns: contiguous bytes with room in front.
///
/// The graph sees packets only through this trait, so that the same stages run over a NIC's mbufs and a
/// capture's heap buffers and give the same bytes. None of the methods panics, allocates or blocks.
pub trait Buffer: Send {
    /// The packet, from its Ethernet destination on.
    fn bytes(&self) -> &[u8];

    /// The packet, writable.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Keeps `len` bytes from offset `cut` on (or what there is of them), with `room` bytes in front, and gives
    /// the packet. The content of the room is left over from earlier packets: the caller writes each byte.
    ///
    /// It is one operation, since the same fields of a buffer written and read back three times in a row cost
    /// more than the rest of an encapsulation.
    ///
    /// # Errors
    /// [`NoRoom`] when the headroom is too short; the packet is unchanged.
    fn reframe(&mut self, cut: usize, len: usize, room: usize) -> Result<&mut [u8], NoRoom>;
}

/// The buffer has less headroom than a header needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet buffer's headroom is too short")]
pub struct NoRoom;
