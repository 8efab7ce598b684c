//! Writes pcapng: one section, one Ethernet interface with nanoseconds, enhanced packet blocks.

use std::io::{self, BufWriter, Write};

/// Little-endian on every machine, so that the same packets give the same bytes.
const SECTION: [u8; 28] = [
    0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, // type, length
    0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, // byte order, version 1.0
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // section length: not given
    28, 0, 0, 0,
];

const INTERFACE: [u8; 32] = [
    1, 0, 0, 0, 32, 0, 0, 0, // type, length
    1, 0, 0, 0, 0, 0, 0, 0, // Ethernet, no snap length
    9, 0, 1, 0, 9, 0, 0, 0, // if_tsresol: 10^-9
    0, 0, 0, 0, 32, 0, 0, 0, // opt_endofopt, length
];

/// What surrounds a packet's bytes in its block.
const BLOCK_FRAME: usize = 32;

/// Bytes written to the file at once.
const BUFFER: usize = 256 * 1024;

/// A pcapng file in the making. Call [`Writer::finish`]: only then is everything in the file.
pub struct Writer<W: Write> {
    output: BufWriter<W>,
    packets: u64,
}

impl<W: Write> Writer<W> {
    /// Writes the file's header.
    ///
    /// # Errors
    /// Those of `output`.
    pub fn new(output: W) -> io::Result<Self> {
        let mut output = BufWriter::with_capacity(BUFFER, output);
        output.write_all(&SECTION)?;
        output.write_all(&INTERFACE)?;
        Ok(Writer { output, packets: 0 })
    }

    /// Appends one packet: nanoseconds since 1970, its length on the wire, the bytes that are known of it.
    ///
    /// # Errors
    /// Those of the output; a packet of 4 GiB or more is `InvalidInput`.
    pub fn write(&mut self, timestamp: u64, original: u32, bytes: &[u8]) -> io::Result<()> {
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a packet of 4 GiB or more");
        let length = u32::try_from(bytes.len() + padding + BLOCK_FRAME).map_err(too_long)?;
        let captured = u32::try_from(bytes.len()).map_err(too_long)?;
        let (high, low) = ((timestamp >> 32) as u32, timestamp as u32);
        let mut head = [0; 28];
        let fields = [6, length, 0, high, low, captured, original.max(captured)];
        for (place, field) in head.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        self.output.write_all(&head)?;
        self.output.write_all(bytes)?;
        self.output.write_all(&[0; 3][..padding])?;
        self.output.write_all(&length.to_le_bytes())?;
        self.packets += 1;
        Ok(())
    }

    /// Packets written so far.
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Hands everything to the output, and the output back.
    ///
    /// # Errors
    /// Those of the output, for instance a full disk.
    pub fn finish(self) -> io::Result<W> {
        let mut output = self
            .output
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        output.flush()?;
        Ok(output)
    }
}
