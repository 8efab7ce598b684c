//! One receive/transmit queue pair: the two calls of the hot path.

use std::ffi::c_uint;
use std::sync::Arc;

use super::device::Opened;
use super::mbuf::Mbuf;
use super::shim::Shim;
use crate::port;

/// Attempts to send what a full ring refused, before it is freed. Each takes some tens of nanoseconds on a NIC.
const TRIES: c_uint = 8;

/// A queue pair of a [`Device`](super::Device). Each exists once, so a worker that has it is alone on it.
pub struct Queue {
    /// Keeps the device open.
    _device: Arc<Opened>,
    shim: &'static Shim,
    port: u16,
    queue: u16,
    chained: u64,
}

impl Queue {
    pub(super) fn new(device: &Arc<Opened>, port: u16, queue: u16) -> Self {
        Self {
            _device: device.clone(),
            shim: device.shim(),
            port,
            queue,
            chained: 0,
        }
    }

    /// Packets dropped because they came in several buffers and did not fit in one.
    #[must_use]
    pub fn chained(&self) -> u64 {
        self.chained
    }

    /// Makes one segment of each packet from `start` on, or drops it. Only drivers that copy (`net_pcap` with
    /// frames beyond the MTU) ever chain.
    #[cold]
    fn join(&mut self, packets: &mut Vec<Mbuf>, start: usize) {
        let mut at = start;
        while let Some(packet) = packets.get(at) {
            // SAFETY: a live chain of mbufs that is ours.
            let joined =
                packet.segments() == 1 || unsafe { (self.shim.linearize)(packet.as_ptr()) } == 0;
            if joined {
                at += 1;
            } else {
                drop(packets.remove(at));
                self.chained += 1;
            }
        }
    }
}

impl port::Queue for Queue {
    type Buffer = Mbuf;

    fn receive(&mut self, into: &mut Vec<Mbuf>, max: usize) -> usize {
        let start = into.len();
        let room = into.spare_capacity_mut();
        let n = u16::try_from(room.len().min(max)).unwrap_or(u16::MAX);
        // SAFETY: `n` places are writable; an `Mbuf` is a pointer to an mbuf; no other thread has this queue.
        let got = unsafe { (self.shim.rx)(self.port, self.queue, room.as_mut_ptr().cast(), n) };
        // SAFETY: the burst wrote `got` <= `n` mbufs, which are now ours.
        unsafe { into.set_len(start + usize::from(got)) };
        if into[start..].iter().any(|packet| packet.segments() != 1) {
            self.join(into, start);
        }
        into.len() - start
    }

    fn transmit(&mut self, out: &mut Vec<Mbuf>) -> usize {
        let (mut at, mut sent) = (0, 0);
        while at < out.len() {
            let n = u16::try_from(out.len() - at).unwrap_or(u16::MAX);
            // SAFETY: `n` mbufs stand there and are ours; the call takes all of them (what is not sent is freed).
            sent += usize::from(unsafe {
                (self.shim.tx)(
                    self.port,
                    self.queue,
                    out.as_mut_ptr().add(at).cast(),
                    n,
                    TRIES,
                )
            });
            at += usize::from(n);
        }
        // SAFETY: nothing in `out` is ours any more, so nothing may be dropped.
        unsafe { out.set_len(0) };
        sent
    }

    fn free(&mut self, packets: &mut Vec<Mbuf>) {
        let n = c_uint::try_from(packets.len()).unwrap_or(c_uint::MAX);
        // SAFETY: `n` mbufs stand there and are ours; afterwards they are the pool's, so the length is 0.
        unsafe {
            (self.shim.free_bulk)(packets.as_mut_ptr().cast(), n);
            packets.set_len(0);
        }
    }
}
