//! Reads `[dpdk]`.

use super::memory;
use super::report::Problem;
use super::section::Section;
use super::value;
use super::{Dpdk, HugePages, Port};

pub(super) const KEYS: [&str; 4] = ["huge_pages", "memory_mib", "file_prefix", "eal_args"];

const HUGE_PAGES: [(&str, HugePages); 3] = [
    ("auto", HugePages::Auto),
    ("required", HugePages::Required),
    ("off", HugePages::Off),
];

const MAX_EAL_ARGS: usize = 64;

pub(super) fn read(section: &Section, node: &str) -> Dpdk {
    let huge_pages = section
        .value("huge_pages")
        .and_then(|value| value.choice(&HUGE_PAGES));
    let memory_mib = section
        .value("memory_mib")
        .and_then(|value| value.integer(32..=1 << 20));
    let file_prefix = section
        .value("file_prefix")
        .and_then(|value| value.parse(file_prefix));
    let eal_args = section.value("eal_args");
    let eal_args = eal_args.and_then(|value| value.list(MAX_EAL_ARGS, "eal_args = []"));
    let eal_args = eal_args.unwrap_or_default();
    let eal_args = eal_args.iter().filter_map(|value| value.parse(eal_arg));
    Dpdk {
        huge_pages: huge_pages.map_or(HugePages::Auto, |found| found.value),
        memory_mib: memory_mib.map_or(256, |found| found.value),
        file_prefix: file_prefix.map_or_else(|| default_prefix(node), |found| found.value),
        eal_args: eal_args.map(|found| found.value).collect(),
    }
}

/// The ports' queues have the packets that they need at least, wherever those will lie.
pub(super) fn check_memory(section: &Section, dpdk: &Dpdk, ports: &[Port]) {
    let huge = dpdk.huge_pages != HugePages::Off;
    let Err(shortage) = memory::packets(dpdk.memory_mib, ports, memory::fills_pages(ports, huge))
    else {
        return;
    };
    let message = format!(
        "{} MiB hold {} packets, and the ports' queues need {}",
        dpdk.memory_mib, shortage.have, shortage.needed
    );
    let hint = format!(
        "set `memory_mib` under [dpdk] to at least {}, or use fewer descriptors or queues",
        shortage.needed_mib
    );
    let place = section.value("memory_mib").map(|value| value.place);
    let place = place.unwrap_or_else(|| section.place.clone());
    section.report.fault(&place, message, hint);
}

fn is_safe(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.".contains(character)
}

/// DPDK makes file names of it.
fn file_prefix(text: &str) -> Result<String, Problem> {
    if !text.chars().all(is_safe) {
        return Err(Problem::new(
            "a file prefix has only ASCII letters, digits, `-`, `_` and `.`",
            "write a short word, such as \"tentetsu-lb1\"",
        ));
    }
    if text == "." || text == ".." {
        return Err(Problem::new(
            "a file prefix is not a folder itself",
            "write a short word, such as \"tentetsu-lb1\"",
        ));
    }
    value::name(text)
}

fn default_prefix(node: &str) -> String {
    let safe = |character| if is_safe(character) { character } else { '-' };
    format!("tentetsu-{}", node.chars().map(safe).collect::<String>())
}

fn eal_arg(text: &str) -> Result<String, Problem> {
    if text.is_empty() || text.contains('\0') {
        let hint = "write one, such as \"--log-level=6\"";
        return Err(Problem::new(
            "an EAL argument is not empty and has no NUL",
            hint,
        ));
    }
    Ok(text.to_owned())
}
