//! Two hosts on one link, each a network namespace without a name, which ends with the test however that ends.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::Command;

use nix::sched::{CloneFlags, setns, unshare};

/// This host, in which the calling thread is (`port0`, 10.9.0.1/24, fd09::1/64), and its neighbour (`peer0`, .2 and ::2).
pub struct Lab {
    here: File,
    there: File,
}

impl Lab {
    /// Makes both namespaces and leaves the calling thread in the first. `None` without root.
    pub fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: making network namespaces needs root");
            return None;
        }
        let lab = Self {
            there: namespace(),
            here: namespace(),
        };
        lab.here("link set lo up");
        lab.link();
        Some(lab)
    }

    /// Makes the link between the two, as at the start.
    pub fn link(&self) {
        let there = format!("/proc/{}/fd/{}", std::process::id(), self.there.as_raw_fd());
        self.here(&format!(
            "link add port0 address 02:00:00:00:00:01 type veth peer name peer0 netns {there}"
        ));
        self.there("link set peer0 address 02:00:00:00:00:02");
        self.there("addr add 10.9.0.2/24 dev peer0");
        self.there("addr add fd09::2/64 dev peer0 nodad");
        self.there("link set peer0 up");
        self.here("addr add 10.9.0.1/24 dev port0");
        self.here("addr add fd09::1/64 dev port0 nodad");
        self.here("link set port0 up");
    }

    /// Runs `ip` in this host.
    pub fn here(&self, arguments: &str) -> String {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        self.run_here(&[&["ip"], arguments.as_slice()].concat())
    }

    /// Runs `ip` in the neighbour.
    pub fn there(&self, arguments: &str) -> String {
        self.in_neighbour(|| self.here(arguments))
    }

    /// Runs a program in this host.
    pub fn run_here(&self, program: &[&str]) -> String {
        let output = Command::new(program[0])
            .args(&program[1..])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {errors}", program.join(" "));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sets a kernel setting in this host: a path below `/proc/sys/net`.
    pub fn set_here(&self, path: &str, value: &str) {
        std::fs::write(format!("/proc/sys/net/{path}"), value).unwrap();
    }

    /// Sets a kernel setting in the neighbour.
    pub fn set_there(&self, path: &str, value: &str) {
        self.in_neighbour(|| self.set_here(path, value));
    }

    fn in_neighbour<T>(&self, act: impl FnOnce() -> T) -> T {
        setns(&self.there, CloneFlags::CLONE_NEWNET).unwrap();
        let done = act();
        setns(&self.here, CloneFlags::CLONE_NEWNET).unwrap();
        done
    }
}

/// Moves the calling thread into a new network namespace.
fn namespace() -> File {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    File::open("/proc/thread-self/ns/net").unwrap()
}
