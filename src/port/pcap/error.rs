//! What can be wrong with a capture, and where.

use std::io;

/// A capture can't be read any further. The packets before the fault were delivered.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}: {fault}")]
pub struct ReadError {
    /// Offset in the file, in bytes from 0: of the wrong field, or of the record that the file ends in.
    pub offset: u64,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The first bytes belong to no known format.
    #[error("this is neither a pcap nor a pcapng capture (it begins with {0:02x?})")]
    NotACapture(Vec<u8>),
    /// A compressed file.
    #[error("the capture is compressed; unpack it first: {0}")]
    Compressed(&'static str),
    /// The file ends too early.
    #[error("the file ends inside {what}, {missing} bytes too early")]
    Truncated {
        /// What it ends in.
        what: &'static str,
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// Packets of another link type.
    #[error(
        "link type {number} ({}) is not Ethernet; capture on an Ethernet interface (not on \"any\")",
        link_type_name(*number)
    )]
    LinkType {
        /// The number in the file (tcpdump.org/linktypes.html).
        number: u32,
    },
    /// A length that no sane file has.
    #[error("{what} claims a length of {length} bytes; at most {limit} are read")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The length that the file claims.
        length: u64,
        /// The length that is accepted.
        limit: u64,
    },
    /// A pcapng block that is shorter than its own headers, or not a multiple of 4.
    #[error("a block's length of {0} bytes can't be: it is too short or not a multiple of 4")]
    BlockLength(u32),
    /// A pcapng block whose two lengths differ.
    #[error("a block begins with length {head} and ends with length {tail}")]
    Trailer {
        /// The first one.
        head: u32,
        /// The last one.
        tail: u32,
    },
    /// A packet that claims more bytes than its block holds.
    #[error("a packet claims {claimed} bytes, its block holds {held}")]
    Overrun {
        /// Captured length.
        claimed: u32,
        /// Bytes there.
        held: usize,
    },
    /// A section header without a byte order.
    #[error("the section header's byte-order magic is {0:#010x}, neither order of 0x1a2b3c4d")]
    ByteOrder(u32),
    /// A version of the format that did not exist when this was written.
    #[error("version {major}.{minor} of the format is unknown")]
    Version {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A packet of an interface that no block described.
    #[error("a packet names interface {id}, but {known} are described before it")]
    Interface {
        /// The interface's number, from 0.
        id: u32,
        /// How many there are.
        known: usize,
    },
    /// Too many interfaces for constant memory.
    #[error("more than {0} interfaces in one section")]
    Interfaces(usize),
    /// A timestamp resolution that doesn't fit 64 bits.
    #[error("the timestamp resolution {0:#04x} is beyond 64 bits")]
    Resolution(u8),
    /// The operating system could not read on.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}

/// The names of the link types that people meet (tcpdump.org/linktypes.html).
fn link_type_name(number: u32) -> &'static str {
    match number {
        0 => "BSD loopback",
        9 => "PPP",
        101 | 12 | 14 => "raw IP",
        105 => "IEEE 802.11",
        108 => "OpenBSD loopback",
        113 => "Linux cooked v1",
        127 => "IEEE 802.11 radiotap",
        228 => "raw IPv4",
        229 => "raw IPv6",
        276 => "Linux cooked v2",
        _ => "another kind",
    }
}
