//! Reads `[flows]`.

use std::path::{Path, PathBuf};

use super::section::Section;
use super::{Flows, Millis, Node};

pub(super) const KEYS: [&str; 4] = ["entries", "file", "syn_guard", "moving_slots"];

const DEFAULT_ENTRIES: usize = 1 << 20;
const FEWEST_ENTRIES: usize = 1_024;
/// 16 GiB of them.
const MOST_ENTRIES: usize = 1 << 28;
/// A SYN-ACK takes a round trip; a first packet is repeated after a second, then after two more.
const DEFAULT_SYN_GUARD: Millis = Millis::seconds(3);
const LONGEST_SYN_GUARD: Millis = Millis::seconds(60);

const SWITCH: [(&str, bool); 2] = [("on", true), ("off", false)];

pub(super) fn read(section: &Section, folder: &Path, node: &Node) -> Flows {
    let entries = section
        .value("entries")
        .and_then(|value| value.integer(FEWEST_ENTRIES..=MOST_ENTRIES));
    let file = section.value("file").and_then(|value| value.path(folder));
    let syn_guard = section
        .value("syn_guard")
        .and_then(|value| value.span(Millis::seconds(0)..=LONGEST_SYN_GUARD));
    let moving_slots = section
        .value("moving_slots")
        .and_then(|value| value.choice(&SWITCH));
    Flows {
        entries: entries.map_or(DEFAULT_ENTRIES, |entries| entries.value),
        file: file.map_or_else(|| default_file(node), |file| file.value),
        syn_guard: syn_guard.map_or(DEFAULT_SYN_GUARD, |guard| guard.value),
        moving_slots: moving_slots.is_none_or(|switch| switch.value),
    }
}

/// In memory, so that no disk is waited for, and yet outliving the process.
fn default_file(node: &Node) -> PathBuf {
    PathBuf::from("/run/tentetsu").join(format!("{}.flows", node.name))
}
