//! Ports: where frames come from and go to. Knows packets only, nothing of services.

#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod exception;
pub mod pcap;

use crate::packet::Buffer;

/// One receive/transmit queue pair of a port, owned by one worker.
pub trait Queue {
    /// The driver's packet buffer.
    type Buffer: Buffer;

    /// Appends up to `max` received packets to `into` and returns how many; never grows `into` beyond
    /// its capacity, never blocks.
    fn receive(&mut self, into: &mut Vec<Self::Buffer>, max: usize) -> usize;

    /// Hands the packets to the device and returns how many it took. `out` is empty afterwards: what the
    /// device did not take (its ring was full) was freed.
    fn transmit(&mut self, out: &mut Vec<Self::Buffer>) -> usize;

    /// Frees packets without sending them, in bulk.
    fn free(&mut self, packets: &mut Vec<Self::Buffer>) {
        packets.clear();
    }
}
