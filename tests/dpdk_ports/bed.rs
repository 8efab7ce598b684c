//! A test bed for the driver layer: each test in a process and a network namespace of its own, because DPDK can be
//! started once per process. The bed makes and removes what it needs, and touches nothing else.

use std::process::Command;

use tentetsu::config::{Device, Dpdk, Exception, HugePages, Port};

const INSIDE: &str = "TENTETSU_TEST_INSIDE";

/// Name of the second namespace, for a client that must not share the port's kernel.
pub const CLIENT: &str = "TENTETSU_TEST_CLIENT";

/// An empty network namespace, removed with all that is in it.
struct Namespace(String);

impl Namespace {
    fn new(test: &str, role: &str) -> Self {
        let name = format!(
            "tt-{}-{}{role}",
            std::process::id(),
            test.replace("::", "-")
        );
        sh(&format!("ip netns add {name}"));
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// DPDK's runtime folder for this `file_prefix`; removed when dropped, which is after the last use of DPDK.
pub struct RuntimeFolder(pub String);

impl Drop for RuntimeFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(format!("/run/dpdk/{}", self.0));
    }
}

/// Runs `body` in a process of its own, in a fresh network namespace in which the shell lines of `setup` ran.
/// `test` is the test's own path in this crate.
pub fn isolated(test: &str, setup: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let _folder = RuntimeFolder(dpdk().file_prefix);
        return body();
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("{test}: skipped, it needs root for its network namespace");
        return;
    }
    let namespace = Namespace::new(test, "");
    let client = Namespace::new(test, "-client");
    let this = std::env::current_exe().unwrap();
    let script = format!(
        "set -e; ip link set lo up; {setup}\nexec timeout 60 {} --exact {test} --nocapture",
        this.display()
    );
    let output = Command::new("ip")
        .args(["netns", "exec", &namespace.0, "sh", "-c", &script])
        .env(INSIDE, "1")
        .env(CLIENT, &client.0)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

/// Shell lines that make a veth pair `dut` (the port) and `peer` (the wire's other end), without offloads.
pub const VETH: &str = "
    ip link add dut type veth peer name peer
    for i in dut peer; do
        ethtool -K $i tx off tso off gso off gro off >/dev/null
        sysctl -qw net.ipv6.conf.$i.disable_ipv6=1
        ip link set $i up
    done";

/// The same with `peer`, 10.9.0.2, in the client's namespace.
pub const VETH_APART: &str = "
    ip link add dut type veth peer name peer netns $TENTETSU_TEST_CLIENT
    client=\"ip netns exec $TENTETSU_TEST_CLIENT\"
    for run in 'env i=dut' \"$client env i=peer\"; do
        $run sh -c 'ethtool -K $i tx off tso off gso off gro off >/dev/null; ip link set $i up'
    done
    $client ip addr add 10.9.0.2/24 dev peer
    $client ip addr add 2001:db8:9::2/64 dev peer nodad";

/// Runs a shell line that must succeed.
pub fn sh(line: &str) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    assert!(
        output.status.success(),
        "{line}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A small DPDK without huge pages.
pub fn dpdk() -> Dpdk {
    Dpdk {
        huge_pages: HugePages::Off,
        memory_mib: 64,
        file_prefix: format!("tt-test-{}", std::process::id()),
        eal_args: vec![],
    }
}

/// A port over this vdev.
pub fn port(name: &str, spec: &str) -> Port {
    let interface = spec
        .split_once("iface=")
        .map(|(_, rest)| rest.split(',').next().unwrap_or(rest).to_owned());
    Port {
        name: name.into(),
        exception: if interface.is_some() {
            Exception::Kernel
        } else {
            Exception::Off
        },
        device: Device::Vdev {
            spec: spec.into(),
            interface,
        },
        queues: 1,
        rx_descriptors: 512,
        tx_descriptors: 512,
        mtu: 1500,
        addresses: vec![],
        encap_source: vec![],
    }
}
