//! What a file names on this machine: `check` finds it missing, `run` ends by it with the same faults and exit code, and
//! for a file of another machine nothing is looked for.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

const REST: &str = r#"
[[port]]
name = "lan"
device = "net_null0"
"#;

/// Names everything that can be named; all of it is there.
const NAMES: &str = r#"[maglev]
hash_key_file = "key"
[api]
peers = [{ user = "root", role = "read" }]
tls_certificate = "api.crt"
tls_key = "api.key"
tokens = [{ name = "ci", role = "read", file = "ci.token" }]
"#;

/// A folder with the program, and what [`NAMES`] names.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let made = rcgen::generate_simple_self_signed(["lb1.example".to_owned()]).unwrap();
    write("api.crt", &made.cert.pem());
    write("api.key", &made.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["lb2.example".to_owned()]).unwrap();
    write("other.key", &other.signing_key.serialize_pem());
    write("ci.token", "0123456789abcdef\n");
    write("short.token", "0123\n");
    write("key", "000102030405060708090a0b0c0d0e0f\n");
    write("text", "something else\n");
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    // The checkout may be where only its owner gets. Not this process copies it: what another test forks off meanwhile would
    // have it open for writing, and then it does not run.
    let program = env!("CARGO_BIN_EXE_tentetsu");
    let copied = Command::new("cp").arg(program).arg(folder.path()).status();
    assert!(copied.unwrap().success());
    folder
}

/// Runs the program on `lb.toml` with this text, as this user or as somebody without rights.
fn tentetsu(folder: &Path, text: &str, arguments: &[&str], nobody: bool) -> Output {
    fs::write(folder.join("lb.toml"), format!("{text}{REST}")).unwrap();
    let mut command = Command::new(folder.join("tentetsu"));
    command.current_dir(folder).args(arguments);
    if nobody && nix::unistd::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(["--config", "lb.toml"]).output().unwrap()
}

/// What is wrong if these words of [`NAMES`] are replaced, and the line and column where it is told.
const WRONG: [(&str, &str, &str, &str); 9] = [
    (
        "\"ci.token\"",
        "\"no.token\"",
        "7:48",
        "can't read a token from no.token",
    ),
    (
        "\"ci.token\"",
        "\"empty\"",
        "7:48",
        "not a small regular file",
    ),
    (
        "\"ci.token\"",
        "\"short.token\"",
        "7:48",
        "one word of 16 characters or more",
    ),
    (
        "\"api.crt\"",
        "\"no.crt\"",
        "5:19",
        "can't read a certificate from no.crt",
    ),
    (
        "\"api.crt\"",
        "\"text\"",
        "5:19",
        "there is no certificate in it",
    ),
    (
        "\"api.key\"",
        "\"no.key\"",
        "6:11",
        "can't read a private key from no.key",
    ),
    ("\"api.key\"", "\"text\"", "6:11", "can't use text"),
    (
        "\"api.key\"",
        "\"other.key\"",
        "6:11",
        "can't be used together",
    ),
    (
        "\"root\"",
        "\"no-such-user\"",
        "4:19",
        "this host has no user \"no-such-user\"",
    ),
];

#[test]
fn what_a_file_names_has_to_be_there() {
    let folder = folder();
    let good = tentetsu(folder.path(), NAMES, &["check"], false);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    for (there, wrong, place, words) in WRONG {
        let text = NAMES.replace(there, wrong);
        let output = tentetsu(folder.path(), &text, &["check"], false);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(78), "{told}");
        assert!(told.contains(&format!("lb.toml:{place}\n")), "{told}");
        assert!(told.contains(words) && told.contains("= help: "), "{told}");
        assert!(told.ends_with("\n1 fault\n"), "{told}");
    }
}

#[test]
fn all_of_it_is_told_at_once() {
    let folder = folder();
    let wrong = WRONG.iter().step_by(2);
    let text = wrong.fold(NAMES.to_owned(), |text, (there, wrong, ..)| {
        text.replace(there, wrong)
    });
    let text = text.replace("\"key\"", "\"no-key\"");
    let output = tentetsu(folder.path(), &text, &["check"], false);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.ends_with("\n5 faults\n"), "{told}");
}

#[test]
fn a_file_for_another_machine_is_good_by_itself() {
    let folder = folder();
    let names = ["key", "api.crt", "api.key", "ci.token"];
    for name in names {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let text = NAMES.replace("\"root\"", "\"no-such-user\"");
    let output = tentetsu(folder.path(), &text, &["check", "--elsewhere"], false);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = text.replace("\"read\"", "\"reed\"");
    let output = tentetsu(folder.path(), &text, &["check", "--elsewhere"], false);
    assert_eq!(output.status.code(), Some(78));
}

/// Who may not look can't tell whether it is good; what else is wrong is told all the same.
#[test]
fn what_may_not_be_read_is_a_matter_of_permission() {
    let folder = folder();
    for name in ["key", "api.key", "ci.token"] {
        let path = folder.path().join(name);
        fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    }
    let output = tentetsu(folder.path(), NAMES, &["check"], true);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(77), "{told}");
    assert!(
        told.contains("do this as root") && told.ends_with("\n3 faults\n"),
        "{told}"
    );
    let text = NAMES.replace("\"api.crt\"", "\"no.crt\"");
    let output = tentetsu(folder.path(), &text, &["check"], true);
    assert_eq!(output.status.code(), Some(78));
    let output = tentetsu(folder.path(), NAMES, &["check", "--elsewhere"], true);
    assert_eq!(output.status.code(), Some(0));
}

/// Tables are made without the API's files: a laptop has the configuration, and not the secrets.
#[test]
fn explain_needs_the_hash_key_only() {
    let folder = folder();
    let text = NAMES.replace("ci.token", "no.token");
    let explain = |text: &str| {
        let arguments = ["explain", "tcp", "198.51.100.7:40000", "203.0.113.10:80"];
        tentetsu(folder.path(), text, &arguments, false)
            .status
            .code()
    };
    assert_eq!(explain(&text), Some(1));
    assert_eq!(explain(&text.replace("\"key\"", "\"no-key\"")), Some(78));
}

#[cfg(feature = "dpdk")]
mod run {
    use super::*;

    #[test]
    fn it_ends_by_what_check_finds() {
        let folder = folder();
        for (there, wrong, place, words) in WRONG {
            let text = NAMES.replace(there, wrong);
            let output = tentetsu(folder.path(), &text, &["run"], false);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{told}");
            assert!(told.contains(&format!("lb.toml:{place}\n")), "{told}");
            assert!(told.contains(words), "{told}");
        }
        let text = format!(
            "{NAMES}[dpdk]\nmemory_mib = 32\n[[port]]\nname = \"wan\"\n{}",
            "device = \"net_null1\"\nrx_descriptors = 32768\n"
        );
        let output = tentetsu(folder.path(), &text, &["run"], false);
        assert_eq!(output.status.code(), Some(78), "{output:?}");
    }
}
