//! The histogram of batch latency: from a frame's receipt to its last packet's hand-over to the device.
//!
//! The worker times one frame in a few and puts the figure on a bounded ring; a full ring loses it. The
//! histogram is on the reader's side, off the hot path.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use hdrhistogram::Histogram;

/// One frame in this many is timed.
const EVERY: u32 = 64;
/// Samples that wait for the reader.
const RING: usize = 4096;
/// Longest latency told apart: ten seconds, in nanoseconds.
const LONGEST: u64 = 10_000_000_000;

/// A worker's end.
#[derive(Debug)]
pub struct Latency {
    ring: Arc<ArrayQueue<u64>>,
    untimed: u32,
}

/// The reader's end.
#[derive(Debug)]
pub struct LatencySamples {
    ring: Arc<ArrayQueue<u64>>,
    histogram: Histogram<u64>,
}

/// Makes the two ends.
///
/// # Errors
/// Never in practice: the histogram's bounds are constants that it accepts.
pub fn latency() -> Result<(Latency, LatencySamples), hdrhistogram::CreationError> {
    let ring = Arc::new(ArrayQueue::new(RING));
    let histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
    Ok((
        Latency {
            ring: Arc::clone(&ring),
            untimed: 0,
        },
        LatencySamples { ring, histogram },
    ))
}

impl Latency {
    /// Whether this frame is to be timed.
    #[inline(always)]
    pub fn is_due(&mut self) -> bool {
        let due = self.untimed == 0;
        self.untimed = if due { EVERY - 1 } else { self.untimed - 1 };
        due
    }

    /// Notes a frame's latency in nanoseconds.
    pub fn record(&self, nanoseconds: u64) {
        // A full ring loses a sample, never the worker's time.
        let _ = self.ring.push(nanoseconds);
    }
}

impl LatencySamples {
    /// Takes over what the worker noted, and gives the histogram in nanoseconds.
    pub fn collect(&mut self) -> &Histogram<u64> {
        while let Some(nanoseconds) = self.ring.pop() {
            self.histogram.saturating_record(nanoseconds);
        }
        &self.histogram
    }
}
