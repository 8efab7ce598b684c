//! Reads `[node]`.

use std::path::{Path, PathBuf};

use super::Node;
use super::report::Problem;
use super::section::Section;
use super::value;

pub(super) const KEYS: [&str; 2] = ["name", "state_dir"];

pub(super) fn read(section: &Section, folder: &Path) -> Node {
    let name = section.value("name").and_then(|value| value.parse(name));
    let state_dir = section
        .value("state_dir")
        .and_then(|value| value.path(folder));
    Node {
        name: name.map_or_else(host_name, |name| name.value),
        state_dir: state_dir.map_or_else(|| PathBuf::from("/var/lib/tentetsu"), |dir| dir.value),
    }
}

/// A node's name is part of file names, so it has no slash in it.
fn name(text: &str) -> Result<String, Problem> {
    if text.contains(['/', ' ']) {
        let hint = "write a host name, such as \"lb1\"";
        return Err(Problem::new(
            "a node's name has no slash and no space",
            hint,
        ));
    }
    value::name(text)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "tentetsu" } else { name }.to_owned()
}
