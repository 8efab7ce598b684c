//! Capture files as a port, in pure Rust: no driver, no root, constant memory.
//!
//! [`Reader`] takes pcap and pcapng apart, [`Writer`] makes pcapng, [`PcapPort`] is both behind the
//! [`Queue`](super::Queue) that the graph's workers know. Only Ethernet is read.
//!
//! Sources: draft-ietf-opsawg-pcap (the classic format), draft-ietf-opsawg-pcapng. The formats are read here and
//! not by a library, because the fault's exact offset, timestamps in powers of two and a read without
//! allocation are wanted together; the tests hold it against `pcap-parser`.
//!
//! A capture is a stranger's file. A fault is a [`ReadError`] with its offset, never a panic and never an
//! allocation of a size that the file asks for: what is larger than [`MAX_PACKET`] is refused.

mod buffer;
mod classic;
mod error;
mod interface;
mod ng;
mod queue;
mod reader;
mod window;
mod writer;

pub use buffer::{HEADROOM, HeapBuffer};
pub use error::{Fault, ReadError};
pub use queue::PcapPort;
pub use reader::{Reader, Record, Scan, scan};
pub use writer::Writer;

/// Longest packet that is read, in bytes: what libpcap itself allows for Ethernet.
pub const MAX_PACKET: usize = 262_144;

/// Longest block that is held in memory: a packet of the largest size and generous options.
const MAX_BLOCK: usize = 2 * MAX_PACKET;

/// The only link type that is read (LINKTYPE_ETHERNET).
const ETHERNET: u32 = 1;

/// A file's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// The 16-bit number at `bytes[at..]`, which the caller knows to be there.
    fn u16(self, bytes: &[u8], at: usize) -> u16 {
        let raw = array(bytes, at);
        match self {
            Order::Little => u16::from_le_bytes(raw),
            Order::Big => u16::from_be_bytes(raw),
        }
    }

    /// The 32-bit number at `bytes[at..]`, which the caller knows to be there.
    fn u32(self, bytes: &[u8], at: usize) -> u32 {
        let raw = array(bytes, at);
        match self {
            Order::Little => u32::from_le_bytes(raw),
            Order::Big => u32::from_be_bytes(raw),
        }
    }

    /// The 64-bit number at `bytes[at..]`, which the caller knows to be there.
    fn i64(self, bytes: &[u8], at: usize) -> i64 {
        let raw = array(bytes, at);
        match self {
            Order::Little => i64::from_le_bytes(raw),
            Order::Big => i64::from_be_bytes(raw),
        }
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut raw = [0; N];
    raw.copy_from_slice(&bytes[at..at + N]);
    raw
}
