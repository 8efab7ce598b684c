//! Reads captures: finds out which format it is, then hands out one record after the other.

use std::io::Read;

use super::classic::Classic;
use super::error::{Fault, ReadError};
use super::ng::{self, Section};
use super::window::Window;

/// A streaming reader of pcap and pcapng captures; holds less than 1 MiB whatever the file's size.
pub struct Reader<R> {
    window: Window<R>,
    format: Format,
}

enum Format {
    Classic(Classic),
    Ng(Section),
}

/// One packet of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Nanoseconds since 1970; a pcapng *simple* packet has none and gets that of the packet before it.
    pub timestamp: u64,
    /// Length on the wire, in bytes.
    pub original: u32,
    /// What was captured of it, from the Ethernet destination on.
    pub bytes: &'a [u8],
}

impl Record<'_> {
    /// Whether the capture holds less than the whole packet.
    #[must_use]
    pub fn is_snapped(&self) -> bool {
        self.bytes.len() < self.original as usize
    }
}

impl<R: Read> Reader<R> {
    /// Reads the file's header.
    ///
    /// # Errors
    /// [`ReadError`] when it is no capture, or none of Ethernet packets.
    pub fn open(input: R) -> Result<Self, ReadError> {
        let mut window = Window::new(input);
        let first = window.need(4, "the file's header")?;
        let format = match [first[0], first[1], first[2], first[3]] {
            ng::SECTION_MAGIC => Format::Ng(Section::open(&mut window)?),
            magic => match Classic::open(&mut window, magic)? {
                Some(classic) => Format::Classic(classic),
                None => return Err(window.fault(0, unknown(magic))),
            },
        };
        Ok(Reader { window, format })
    }

    /// The next packet; `None` at the file's end.
    ///
    /// # Errors
    /// [`ReadError`] at the first fault; there is nothing to read after it.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, ReadError> {
        match &mut self.format {
            Format::Classic(classic) => classic.read(&mut self.window),
            Format::Ng(section) => section.read(&mut self.window),
        }
    }

    /// How many bytes of the file were taken so far.
    pub fn offset(&self) -> u64 {
        self.window.offset()
    }
}

fn unknown(magic: [u8; 4]) -> Fault {
    match magic {
        [0x1f, 0x8b, ..] => Fault::Compressed("gunzip FILE"),
        [0x28, 0xb5, 0x2f, 0xfd] => Fault::Compressed("unzstd FILE"),
        [0xfd, b'7', b'z', b'X'] => Fault::Compressed("unxz FILE"),
        other => Fault::NotACapture(other.to_vec()),
    }
}

/// What a whole capture holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Packets.
    pub packets: u64,
    /// Captured bytes of all packets.
    pub bytes: u64,
    /// Packets of which only a part was captured.
    pub snapped: u64,
}

/// Reads a capture that lies in memory from its beginning to its end.
///
/// # Errors
/// [`ReadError`] at the first fault; its offset is never beyond the capture's end.
pub fn scan(capture: &[u8]) -> Result<Scan, ReadError> {
    let mut reader = Reader::open(capture)?;
    let mut scan = Scan::default();
    while let Some(record) = reader.read()? {
        scan.packets += 1;
        scan.bytes += record.bytes.len() as u64;
        scan.snapped += u64::from(record.is_snapped());
    }
    Ok(scan)
}
