//! DPDK's packet buffer. The only file that knows its fields.

use std::mem::offset_of;
use std::ptr::NonNull;

use super::shim;
use crate::packet::{Buffer, NoRoom};

/// The fields of `struct rte_mbuf` that are read in place. shim.c asserts the same offsets when it is compiled.
#[repr(C)]
pub struct RawMbuf {
    buf_addr: *mut u8,
    _buf_iova: u64,
    data_off: u16,
    _refcnt: u16,
    nb_segs: u16,
    _port: u16,
    _ol_flags: u64,
    _packet_type: u32,
    pkt_len: u32,
    data_len: u16,
    _vlan_tci: u16,
    _hash: [u32; 2],
    _vlan_tci_outer: u16,
    buf_len: u16,
}

const _: () = assert!(offset_of!(RawMbuf, buf_addr) == 0);
const _: () = assert!(offset_of!(RawMbuf, data_off) == 16);
const _: () = assert!(offset_of!(RawMbuf, nb_segs) == 20);
const _: () = assert!(offset_of!(RawMbuf, pkt_len) == 36);
const _: () = assert!(offset_of!(RawMbuf, data_len) == 40);
const _: () = assert!(offset_of!(RawMbuf, buf_len) == 54);

/// One packet of a DPDK port, in one segment. Dropping it gives it back to its pool; many are freed faster by
/// [`Queue::free`](crate::port::Queue::free).
///
/// Its layout is that of `struct rte_mbuf *`, so bursts are received into a `Vec<Mbuf>` and sent from it as they are.
#[repr(transparent)]
pub struct Mbuf(NonNull<RawMbuf>);

// SAFETY: an mbuf is never cloned (its reference count is 1), so whoever owns the `Mbuf` is alone with it; DPDK's
// pools take frees from any thread.
unsafe impl Send for Mbuf {}

impl Mbuf {
    /// Takes over an mbuf.
    ///
    /// # Safety
    /// `raw` is an mbuf of a live pool, alone owned by the caller, with one segment and its packet inside its buffer.
    pub(super) unsafe fn from_raw(raw: NonNull<RawMbuf>) -> Self {
        Self(raw)
    }

    fn raw(&self) -> &RawMbuf {
        // SAFETY: the mbuf is live and ours by the contract of `from_raw` and of the receive burst.
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut RawMbuf {
        // SAFETY: as in `raw`; `&mut self` makes it the only reference.
        unsafe { self.0.as_mut() }
    }

    /// Segments of the packet: 1, except right after a receive burst of a driver that chains them.
    pub(super) fn segments(&self) -> u16 {
        self.raw().nb_segs
    }

    /// The raw pointer, still owned by this `Mbuf`.
    pub(super) fn as_ptr(&self) -> *mut RawMbuf {
        self.0.as_ptr()
    }

    /// Bytes that [`append`](Self::append) can still take.
    fn tailroom(&self) -> usize {
        let raw = self.raw();
        usize::from(raw.buf_len)
            .saturating_sub(usize::from(raw.data_off) + usize::from(raw.data_len))
    }

    /// Adds bytes at the packet's end.
    ///
    /// # Errors
    /// [`NoRoom`] when the buffer's end is nearer; the packet is unchanged.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let added = u16::try_from(bytes.len()).map_err(|_| NoRoom)?;
        if bytes.len() > self.tailroom() {
            return Err(NoRoom);
        }
        let old = usize::from(self.raw().data_len);
        let raw = self.raw_mut();
        raw.data_len += added;
        raw.pkt_len += u32::from(added);
        self.bytes_mut()[old..].copy_from_slice(bytes);
        Ok(())
    }
}

impl Buffer for Mbuf {
    fn bytes(&self) -> &[u8] {
        let raw = self.raw();
        // SAFETY: the driver put `data_len` bytes at `data_off` inside the buffer; all changes here keep that.
        unsafe {
            std::slice::from_raw_parts(
                raw.buf_addr.add(usize::from(raw.data_off)),
                raw.data_len.into(),
            )
        }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        let raw = self.raw_mut();
        // SAFETY: as in `bytes`, and `&mut self` makes it the only slice.
        unsafe {
            std::slice::from_raw_parts_mut(
                raw.buf_addr.add(usize::from(raw.data_off)),
                raw.data_len.into(),
            )
        }
    }

    #[inline(always)]
    fn reframe(&mut self, cut: usize, len: usize, room: usize) -> Result<&mut [u8], NoRoom> {
        let raw = self.raw_mut();
        // Each field is read once and written once: a load right behind a store of the same field waits for it.
        let (old_off, old_len) = (usize::from(raw.data_off), usize::from(raw.data_len));
        let cut = cut.min(old_len);
        let kept = len.min(old_len - cut);
        let start = (old_off + cut).checked_sub(room).ok_or(NoRoom)?;
        // Both fit: the packet still lies in its buffer, whose length is a `u16`.
        #[allow(clippy::cast_possible_truncation)]
        let (data_off, data_len) = (start as u16, (room + kept) as u16);
        raw.data_off = data_off;
        raw.data_len = data_len;
        raw.pkt_len = u32::from(data_len);
        // SAFETY: `start` lies in the buffer, at or behind its begin; `room + kept` bytes from there end where kept
        // bytes of the packet ended; `&mut self` makes it the only slice.
        Ok(unsafe { std::slice::from_raw_parts_mut(raw.buf_addr.add(start), room + kept) })
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        if let Some(shim) = shim::loaded() {
            // SAFETY: the mbuf is ours and not used after this.
            unsafe { (shim.free)(self.0.as_ptr()) }
        }
    }
}

impl std::fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mbuf")
            .field("len", &self.bytes().len())
            .finish()
    }
}
