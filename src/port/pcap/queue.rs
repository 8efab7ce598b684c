//! A capture as the queue of a port: received from one file, sent to another.

use std::io::{self, Read, Write};

use super::buffer::HeapBuffer;
use super::error::ReadError;
use super::reader::Reader;
use super::writer::Writer;
use crate::packet::Buffer;
use crate::port::Queue;

/// A port whose wire is a capture. Buffers come back to it by [`Queue::transmit`] and [`Queue::free`], so that it
/// allocates nothing once as many exist as are on their way at once.
pub struct PcapPort<R, W: Write> {
    input: Reader<R>,
    output: Option<Writer<W>>,
    spare: Vec<HeapBuffer>,
    read: Result<(), ReadError>,
    written: io::Result<()>,
}

impl<R: Read, W: Write> PcapPort<R, W> {
    /// A port that receives what `input` holds, and sends to `output` or nowhere.
    pub fn new(input: Reader<R>, output: Option<Writer<W>>) -> Self {
        PcapPort {
            input,
            output,
            spare: Vec::new(),
            read: Ok(()),
            written: Ok(()),
        }
    }

    /// How many bytes of the input were taken.
    pub fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// Whether all that was transmitted so far went out.
    #[must_use]
    pub fn can_write(&self) -> bool {
        self.written.is_ok()
    }

    /// Ends the port: completes the output, and says how the input ended (it may have a fault: the packets
    /// before it were received).
    ///
    /// # Errors
    /// The first error of writing.
    pub fn finish(self) -> io::Result<Result<(), ReadError>> {
        self.written?;
        if let Some(output) = self.output {
            output.finish()?;
        }
        Ok(self.read)
    }

    /// The next packet in a buffer; `None` at the input's end or fault.
    fn next(&mut self) -> Option<HeapBuffer> {
        match self.input.read() {
            Ok(Some(record)) => {
                let mut buffer = self.spare.pop().unwrap_or_default();
                buffer.load(&record);
                Some(buffer)
            }
            Ok(None) => None,
            Err(error) => {
                self.read = Err(error);
                None
            }
        }
    }
}

impl<R: Read, W: Write> Queue for PcapPort<R, W> {
    type Buffer = HeapBuffer;

    fn receive(&mut self, into: &mut Vec<HeapBuffer>, max: usize) -> usize {
        let before = into.len();
        let room = max.min(into.capacity() - before);
        while into.len() - before < room && self.read.is_ok() {
            match self.next() {
                Some(buffer) => into.push(buffer),
                None => break,
            }
        }
        into.len() - before
    }

    /// A packet that can't be written is not taken, nor is any after it; [`PcapPort::finish`] says why.
    fn transmit(&mut self, out: &mut Vec<HeapBuffer>) -> usize {
        let mut taken = 0;
        if let Some(output) = &mut self.output {
            for packet in out.iter() {
                if self.written.is_ok() {
                    self.written =
                        output.write(packet.timestamp(), packet.original(), packet.bytes());
                    taken += usize::from(self.written.is_ok());
                }
            }
        }
        self.free(out);
        taken
    }

    fn free(&mut self, packets: &mut Vec<HeapBuffer>) {
        self.spare.append(packets);
    }
}
