//! What DPDK and its drivers say: kept for error messages instead of printed over ours.

use std::collections::VecDeque;
use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

/// Lines kept. A driver that fails says why in its last few.
const KEPT: usize = 32;

struct Recent {
    lines: VecDeque<String>,
    partial: String,
}

static RECENT: Mutex<Recent> = Mutex::new(Recent {
    lines: VecDeque::new(),
    partial: String::new(),
});

/// Takes text of DPDK's log; lines may come in several parts.
pub unsafe extern "C" fn sink(text: *const c_char, len: usize) {
    // SAFETY: stdio and the shim give `len` readable bytes for the time of the call.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    keep(&String::from_utf8_lossy(bytes));
}

fn keep(text: &str) {
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    for part in text.split_inclusive('\n') {
        recent.partial.push_str(part);
        if !part.ends_with('\n') {
            continue;
        }
        let line = std::mem::take(&mut recent.partial).trim_end().to_owned();
        tracing::debug!(target: "dpdk", "{line}");
        if recent.lines.len() == KEPT {
            recent.lines.pop_front();
        }
        recent.lines.push_back(line);
    }
}

/// Takes the lines since the last call, at most the last 32.
pub fn take() -> Vec<String> {
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.lines.drain(..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_parts_are_joined_and_old_ones_dropped() {
        keep("EAL: one");
        keep(" line\nEAL: next\n");
        assert_eq!(take(), ["EAL: one line", "EAL: next"]);
        for n in 0..KEPT + 5 {
            keep(&format!("{n}\n"));
        }
        let lines = take();
        assert_eq!((lines.len(), lines[0].as_str()), (KEPT, "5"));
        assert!(take().is_empty());
    }
}
