//! `run` by somebody without rights: exit code 77, and the mend is to have them.

#![cfg(feature = "dpdk")]
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

const KEY: &str = "[maglev]\nhash_key = \"000102030405060708090a0b0c0d0e0f\"";

/// One run at a time: a program that is being copied can't be started, and a prefix of DPDK's is one process's.
static TURN: Mutex<()> = Mutex::new(());

/// Runs with a state directory, a flow file and a socket in these folders, as somebody without rights.
fn run(more: &str, [state, flows, socket]: [&str; 3]) -> Output {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    for (name, mode) in [("theirs", 0o777), ("ours", 0o555)] {
        fs::create_dir(folder.path().join(name)).unwrap();
        open(&folder.path().join(name), mode);
    }
    open(folder.path(), 0o755);
    let program = folder.path().join("tentetsu");
    // The checkout may be where only its owner gets. Not this process copies it: what another test forks off meanwhile would
    // have it open for writing, and then it does not run.
    let copy = env!("CARGO_BIN_EXE_tentetsu");
    let copied = Command::new("cp").arg(copy).arg(&program).status();
    assert!(copied.unwrap().success());
    let top = folder.path().display();
    let config = format!(
        "[node]\nstate_dir = \"{top}/{state}\"\n[flows]\nfile = \"{top}/{flows}/flows\"\n\
         [api]\nsocket = \"{top}/{socket}/api.sock\"\n\
         [dpdk]\nhuge_pages = \"off\"\nmemory_mib = 64\nfile_prefix = \"tt-test-{}\"\n\
         [[port]]\nname = \"wan\"\ndevice = \"net_null0\"\nexception = \"off\"\naddresses = [\"192.0.2.1/24\"]\n{more}\n",
        std::process::id()
    );
    fs::write(folder.path().join("lb.toml"), config).unwrap();
    let mut command = Command::new(program);
    command.current_dir(folder.path());
    command.env("XDG_RUNTIME_DIR", folder.path().join("theirs"));
    if nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .args(["run", "--config", "lb.toml"])
        .output()
        .unwrap()
}

fn is_a_matter_of_permission(output: &Output, what: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(77), "{told}");
    assert!(
        told.contains(what) && told.contains("run as root"),
        "{told}"
    );
}

#[test]
fn the_hash_key_can_not_be_kept() {
    let output = run("", ["ours", "theirs", "theirs"]);
    is_a_matter_of_permission(&output, "can't keep the hash key");
}

#[test]
fn the_socket_can_not_be_made() {
    let output = run(KEY, ["theirs", "theirs", "ours"]);
    is_a_matter_of_permission(&output, "can't listen on");
}

#[test]
fn the_store_can_not_be_kept() {
    let output = run(KEY, ["ours", "theirs", "theirs"]);
    is_a_matter_of_permission(&output, "state.redb");
}

#[test]
fn flow_entries_can_not_be_kept() {
    let output = run(KEY, ["theirs", "ours", "theirs"]);
    is_a_matter_of_permission(&output, "the file of flow entries");
}
