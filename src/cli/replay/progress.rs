//! A bar on the terminal, when somebody looks at it and it takes long.

use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A replay that is done sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Frames between two looks at the clock.
const FRAMES: u32 = 64;

/// Shows how far a replay is. Writes to standard error, and only if that is a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    start: Instant,
    frames: u32,
}

impl Progress {
    /// `size` is the capture's length in bytes, where it is a file.
    pub(super) fn new(size: Option<u64>) -> Self {
        Progress {
            bar: bar(size),
            start: Instant::now(),
            frames: 0,
        }
    }

    /// Another frame is done, and with it so many bytes and packets.
    pub(super) fn update(&mut self, bytes: u64, packets: u64) {
        self.frames += 1;
        if !self.frames.is_multiple_of(FRAMES) {
            return;
        }
        // Told from the start, or the first rate that is shown would be that of an instant.
        self.bar.set_position(bytes);
        if self.start.elapsed() < PATIENCE {
            return;
        }
        if self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar
            .set_message(format!("{} packets", HumanCount(packets)));
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Hidden at first; then drawn a few times a second, and not at all unless standard error is a terminal.
fn bar(size: Option<u64>) -> ProgressBar {
    let template = match size {
        Some(_) => "{wide_bar} {percent} % {binary_bytes_per_sec} {msg}, {eta} left",
        None => "{spinner} {binary_bytes} {binary_bytes_per_sec} {msg}",
    };
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::hidden());
    let style = ProgressStyle::with_template(template);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
