//! A window of fixed size that slides over the input and knows where in the file it is.

use std::io::{self, Read};

use super::MAX_BLOCK;
use super::error::{Fault, ReadError};

/// Bytes asked of the input at once, beside the longest block.
const READ_AHEAD: usize = 256 * 1024;

pub(super) struct Window<R> {
    input: R,
    buffer: Box<[u8]>,
    /// The bytes that are held and not yet taken: `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Where `buffer[start]` lies in the file.
    offset: u64,
    /// Where the record that is being read begins.
    record: u64,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R) -> Self {
        let buffer = vec![0; MAX_BLOCK + READ_AHEAD].into_boxed_slice();
        Window {
            input,
            buffer,
            start: 0,
            end: 0,
            offset: 0,
            record: 0,
        }
    }

    /// Where in the file the next byte lies.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// An error at `at` bytes from here.
    pub(super) fn fault(&self, at: usize, fault: Fault) -> ReadError {
        ReadError {
            offset: self.offset + at as u64,
            fault,
        }
    }

    /// Marks the beginning of a record; `false` at the file's end.
    pub(super) fn begin(&mut self) -> Result<bool, ReadError> {
        self.record = self.offset;
        Ok(!self.peek(1)?.is_empty())
    }

    /// At least the next `n` bytes (at most [`MAX_BLOCK`]), or fewer when the file ends there.
    pub(super) fn peek(&mut self, n: usize) -> Result<&[u8], ReadError> {
        if self.end - self.start < n {
            self.fill(n)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// At least the next `n` bytes, which belong to `what`.
    pub(super) fn need(&mut self, n: usize, what: &'static str) -> Result<&[u8], ReadError> {
        let held = self.peek(n)?.len();
        if held < n {
            return Err(self.truncated(what, (n - held) as u64));
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Moves past exactly `n` bytes and gives them.
    pub(super) fn take(&mut self, n: usize, what: &'static str) -> Result<&[u8], ReadError> {
        self.need(n, what)?;
        let from = self.start;
        self.start += n;
        self.offset += n as u64;
        Ok(&self.buffer[from..from + n])
    }

    /// Moves past `n` bytes, however many, without holding them.
    pub(super) fn skip(&mut self, n: u64, what: &'static str) -> Result<(), ReadError> {
        let mut left = n;
        while left > 0 {
            let held = self.peek(1)?.len() as u64;
            if held == 0 {
                return Err(self.truncated(what, left));
            }
            let step = left.min(held);
            self.take(step as usize, what)?;
            left -= step;
        }
        Ok(())
    }

    fn truncated(&self, what: &'static str, missing: u64) -> ReadError {
        ReadError {
            offset: self.record,
            fault: Fault::Truncated { what, missing },
        }
    }

    /// Reads until `n` bytes are held or the input ends.
    fn fill(&mut self, n: usize) -> Result<(), ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < n {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(got) => self.end += got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.fault(self.end, Fault::Io(error))),
            }
        }
        Ok(())
    }
}
