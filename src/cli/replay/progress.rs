//! A bar on the terminal, when somebody looks at it and it takes long.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

/// A replay that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Frames between two looks at the clock.
const FRAMES: u32 = 64;

/// Shows how far a replay is. Writes to standard error, and only if that is a terminal.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    size: Option<u64>,
    start: Instant,
    frames: u32,
}

impl Progress {
    /// `size` is the capture's length in bytes, where it is a file.
    pub(super) fn new(size: Option<u64>) -> Self {
        Progress {
            bar: None,
            size,
            start: Instant::now(),
            frames: 0,
        }
    }

    /// Another frame is done, and with it so many bytes and packets.
    pub(super) fn update(&mut self, bytes: u64, packets: u64) {
        self.frames += 1;
        if !self.frames.is_multiple_of(FRAMES) || self.start.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| bar(self.size));
        bar.set_position(bytes);
        bar.set_message(format!("{} packets", HumanCount(packets)));
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Drawn a few times a second, and not at all unless standard error is a terminal.
fn bar(size: Option<u64>) -> ProgressBar {
    let template = match size {
        Some(_) => "{wide_bar} {percent} % {binary_bytes_per_sec} {msg}, {eta} left",
        None => "{spinner} {binary_bytes} {binary_bytes_per_sec} {msg}",
    };
    let bar = match size {
        Some(size) => ProgressBar::new(size),
        None => ProgressBar::new_spinner(),
    };
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
