//! The golden cases: each folder of `tests/golden` holds a description, a configuration, a capture, the packets
//! that must come out and the verdict on each. scapy built them; see `tests/golden/make.py`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tentetsu::packet::DropReason;
use tentetsu::port::pcap::{Reader, Writer};

/// Reasons that need a NIC, a kernel's routes or a full ring; a replay has none of them.
const NOT_IN_A_REPLAY: &[DropReason] = &[
    DropReason::OtherHost,
    DropReason::FlowsFull,
    DropReason::BackendUnknown,
    DropReason::NoRoute,
    DropReason::NeighbourUnresolved,
    DropReason::NoSource,
    DropReason::NoHeadroom,
    DropReason::PuntUnavailable,
    DropReason::PuntRingFull,
    DropReason::TxRingFull,
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The cases' folders, sorted by name.
fn cases() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.join("in.pcap").is_file());
    cases.sort();
    assert!(cases.len() > 30, "{} cases", cases.len());
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

/// Timestamps and bytes of a capture's packets.
fn packets(path: &Path) -> Vec<(u64, Vec<u8>)> {
    let mut reader = Reader::open(fs::File::open(path).unwrap()).unwrap();
    let mut packets = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        packets.push((record.timestamp, record.bytes.to_vec()));
    }
    packets
}

/// Replays a case into `left`, and says what differs from what must come out.
fn differences(case: &Path, left: &Path) -> Vec<String> {
    fs::create_dir_all(left).unwrap();
    let replay = Command::new(env!("CARGO_BIN_EXE_tentetsu"))
        .arg("replay")
        .arg("--config")
        .arg(case.join("lb.toml"))
        .arg("--in")
        .arg(case.join("in.pcap"))
        .arg("--out")
        .arg(left.join("out.pcapng"))
        .arg("--verdicts")
        .arg(left.join("verdicts.jsonl"))
        .output()
        .unwrap();
    if !replay.status.success() {
        return vec![String::from_utf8_lossy(&replay.stderr).into_owned()];
    }
    let mut differences = different_verdicts(case, left);
    let sent = packets(&left.join("out.pcapng"));
    let expected = packets(&case.join("out.pcap"));
    if sent.len() != expected.len() {
        differences.push(format!(
            "{} packets out, not {}",
            sent.len(),
            expected.len()
        ));
    }
    let pairs = sent.iter().zip(&expected).enumerate();
    differences.extend(
        pairs
            .filter(|(_, (sent, expected))| sent != expected)
            .map(|(n, _)| format!("packet {} of the output is another", n + 1)),
    );
    differences
}

fn different_verdicts(case: &Path, left: &Path) -> Vec<String> {
    let [said, expected] =
        [left, case].map(|folder| fs::read_to_string(folder.join("verdicts.jsonl")).unwrap());
    if said.lines().count() != expected.lines().count() {
        return vec!["another number of verdicts".to_owned()];
    }
    said.lines()
        .zip(expected.lines())
        .filter(|(said, expected)| said != expected)
        .map(|(said, expected)| format!("verdict {said}\n    must be {expected}"))
        .collect()
}

#[test]
fn each_case_comes_out_as_scapy_says() {
    let mut failed = String::new();
    for case in cases() {
        let left = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("golden")
            .join(name(&case));
        let differences = differences(&case, &left);
        if !differences.is_empty() {
            failed += &format!(
                "\n{}:\n  {}\n  open {} beside {}\n",
                name(&case),
                differences.join("\n  "),
                left.join("out.pcapng").display(),
                case.join("out.pcap").display()
            );
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn each_drop_reason_of_a_replay_has_its_case() {
    let mut given = BTreeSet::new();
    for case in cases() {
        let text = fs::read_to_string(case.join("verdicts.jsonl")).unwrap();
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        given.extend(lines.filter_map(|line| line["reason"].as_str().map(str::to_owned)));
    }
    let expected: BTreeSet<String> = DropReason::ALL
        .iter()
        .filter(|reason| !NOT_IN_A_REPLAY.contains(reason))
        .map(|reason| reason.name().to_owned())
        .collect();
    assert_eq!(given, expected);
}

#[test]
fn each_case_says_what_it_shows() {
    for case in cases() {
        let text = fs::read_to_string(case.join("README")).unwrap();
        assert!(text.trim_end().ends_with('.'), "{}", case.display());
    }
}

/// The committed files are what scapy makes of the cases today.
#[test]
fn scapy_builds_the_same_files_again() {
    let again = tempfile::tempdir().unwrap();
    let Some(output) = judge_by(
        Command::new("/usr/bin/python3")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .arg(folder().join("make.py"))
            .arg("rebuild")
            .arg(again.path()),
        &["No module named 'scapy'"],
    ) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    for case in cases() {
        for file in ["README", "lb.toml", "in.pcap", "out.pcap", "verdicts.jsonl"] {
            let path = again.path().join(name(&case)).join(file);
            let same = fs::read(&path).ok() == fs::read(case.join(file)).ok();
            assert!(same, "{} of {} is another now", file, name(&case));
        }
    }
}

/// Wireshark's dissectors find no wrong checksum and no malformed header in what comes out.
#[test]
fn tshark_finds_nothing_wrong_in_the_output() {
    let (capture, origins) = all_outputs();
    let bad = ["ip", "tcp", "udp", "icmp", "icmpv6", "sctp"]
        .map(|protocol| format!("{protocol}.checksum.status == \"Bad\""))
        .join(" || ");
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(capture.path());
    tshark.args(["-Y", &format!("_ws.malformed || {bad}")]);
    tshark.args(["-T", "fields", "-e", "frame.number"]);
    for option in [
        "ip.check_checksum",
        "tcp.check_checksum",
        "udp.check_checksum",
        "sctp.checksum",
    ] {
        tshark.args(["-o", &format!("{option}:TRUE")]);
    }
    let Some(output) = judge_by(&mut tshark, &[]) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let found = String::from_utf8_lossy(&output.stdout);
    let origin = |number: &str| &origins[number.trim().parse::<usize>().unwrap() - 1];
    let found: Vec<&String> = found.lines().map(origin).collect();
    assert!(found.is_empty(), "tshark objects to {found:#?}");
}

/// The packets of every case in one capture, and where each is from.
fn all_outputs() -> (tempfile::NamedTempFile, Vec<String>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut writer = Writer::new(file.reopen().unwrap()).unwrap();
    let mut origins = Vec::new();
    for case in cases() {
        for (n, (timestamp, packet)) in packets(&case.join("out.pcap")).into_iter().enumerate() {
            let len = u32::try_from(packet.len()).unwrap();
            writer.write(timestamp, len, &packet).unwrap();
            origins.push(format!("packet {} of {}/out.pcap", n + 1, case.display()));
        }
    }
    writer.finish().unwrap();
    assert!(origins.len() > 200, "{} packets", origins.len());
    (file, origins)
}

/// Runs a judge from outside; `None`, and a word about it, where it is not installed.
fn judge_by(command: &mut Command, missing: &[&str]) -> Option<Output> {
    let output = command.output().ok().filter(|output| {
        let errors = String::from_utf8_lossy(&output.stderr);
        !missing.iter().any(|words| errors.contains(words))
    });
    if output.is_none() {
        eprintln!(
            "skipped: {} is not installed",
            command.get_program().display()
        );
    }
    output
}
