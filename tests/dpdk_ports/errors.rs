//! What users see when a port can't be had: the fault and the mend.

use std::fs::File;

use super::bed::{VETH, dpdk, isolated, port, sh};
use nix::fcntl::{Flock, FlockArg};
use tentetsu::config::{Device, HugePages, Port};
use tentetsu::port::dpdk::{Eal, Error, check_cores, host_warnings};

/// The error of starting and opening one port.
fn error(port: &Port) -> Error {
    let eal = Eal::start(&dpdk(), std::slice::from_ref(port));
    eal.and_then(|eal| eal.open(port))
        .err()
        .expect("this port can't be had")
}

/// Asserts that the error's text has all parts.
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    println!("{text}\n");
    assert!(
        parts.iter().all(|part| text.contains(part)),
        "{parts:?} in {text}"
    );
}

#[test]
fn checks_before_the_start_name_fault_and_mend() {
    isolated(
        "errors::checks_before_the_start_name_fault_and_mend",
        VETH,
        || {
            let mut nic = port("wan", "net_null0");
            nic.device = Device::Pci("0000:99:00.0".into());
            says(
                &error(&nic),
                &[
                    "\"wan\"",
                    "no PCI network device 0000:99:00.0",
                    "Network devices:",
                ],
            );
            says(
                &error(&port("wan", "net_af_pakcet0,iface=dut")),
                &["no driver for \"net_af_pakcet0\"", "net_af_packet"],
            );
            says(
                &error(&port("wan", "net_af_xdp0,iface=dutt")),
                &["no interface \"dutt\"", "    dut", "    peer"],
            );
            says(
                &check_cores(&[9999]).unwrap_err(),
                &["core 9999 does not exist", "may use: 0"],
            );
            let mut config = dpdk();
            (config.huge_pages, config.memory_mib) = (HugePages::Required, 1 << 20);
            let error = Eal::start(&config, &[port("wan", "net_null0")])
                .err()
                .unwrap();
            says(
                &error,
                &["1048600 MiB of huge pages", "echo 524300 >", "nr_hugepages"],
            );
            // None of them has used up the process's one start.
            assert!(Eal::start(&dpdk(), &[port("wan", "net_null0")]).is_ok());
        },
    );
}

/// A lock as another appliance would hold it.
struct Held {
    path: String,
    _lock: Flock<File>,
}

impl Drop for Held {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
    }
}

fn held(name: &str) -> Held {
    std::fs::create_dir_all("/run/tentetsu").unwrap();
    let path = format!("/run/tentetsu/{name}.lock");
    std::fs::write(&path, "4711\n").unwrap();
    let _lock = Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
    Held { path, _lock }
}

#[test]
fn another_appliance_is_named() {
    isolated("errors::another_appliance_is_named", VETH, || {
        let namespace = std::fs::read_link("/proc/self/ns/net").unwrap();
        let namespace = namespace
            .to_string_lossy()
            .replace(|c: char| !c.is_ascii_digit(), "");
        let interface = held(&format!("net-{namespace}-dut"));
        says(
            &error(&port("wan", "net_af_packet0,iface=dut")),
            &["dut is in use by process 4711"],
        );
        // The other one holds the memory too, which is not the fault.
        let mut config = dpdk();
        (config.huge_pages, config.memory_mib) = (HugePages::Required, 1 << 20);
        let refused = Eal::start(&config, &[port("wan", "net_af_packet0,iface=dut")]).err();
        says(&refused.unwrap(), &["dut is in use by process 4711"]);
        drop(interface);
        let _prefix = held(&format!("prefix-{}", dpdk().file_prefix));
        says(
            &error(&port("wan", "net_null0")),
            &[
                "file_prefix",
                "in use by process 4711",
                "give this node another",
            ],
        );
    });
}

#[test]
fn more_queues_than_the_device_has() {
    isolated("errors::more_queues_than_the_device_has", VETH, || {
        let mut port = port("wan", "net_af_packet0,iface=dut,qpairs=1");
        port.queues = 2;
        says(
            &error(&port),
            &[
                "2 queues are configured",
                "net_af_packet0 (net_af_packet) has 1",
                "queues = 1",
            ],
        );
    });
}

#[test]
fn what_af_xdp_can_not_have_is_told_with_what_it_can() {
    let name = "errors::what_af_xdp_can_not_have_is_told_with_what_it_can";
    isolated(name, VETH, || {
        let mut port = port("wan", "net_af_xdp0,iface=dut");
        let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
        port.queues = 2;
        says(
            &eal.open(&port).err().unwrap(),
            &["Set queues = 1", "ethtool -L dut combined 2"],
        );
        (port.queues, port.mtu) = (1, 9000);
        says(
            &eal.open(&port).err().unwrap(),
            &[
                "mtu = 9000 is more than net_af_xdp0",
                "set mtu to at most 3",
            ],
        );
    });
}

#[test]
fn a_reason_that_only_the_driver_tells_stands_alone() {
    let name = "errors::a_reason_that_only_the_driver_tells_stands_alone";
    isolated(name, "", || {
        let refused = error(&port(
            "wan",
            "net_pcap0,rx_pcap=/no/such/file,tx_pcap=/dev/null",
        ));
        says(
            &refused,
            &["net_pcap0 could not be opened:\n  DPDK: ", "/no/such/file"],
        );
        assert!(!refused.to_string().contains("no reason"), "{refused}");
    });
}

#[test]
fn an_unknown_argument_of_dpdk_is_told_with_its_key() {
    let name = "errors::an_unknown_argument_of_dpdk_is_told_with_its_key";
    isolated(name, "", || {
        let mut config = dpdk();
        config.eal_args.push("--no-such-option".to_owned());
        let refused = Eal::start(&config, &[port("wan", "net_null0")]).err();
        says(
            &refused.unwrap(),
            &["DPDK did not start", "dpdk.eal_args", "--no-such-option"],
        );
    });
}

#[test]
fn more_memory_than_there_is() {
    isolated("errors::more_memory_than_there_is", VETH, || {
        let mut config = dpdk();
        config.memory_mib = 1 << 28;
        let error = Eal::start(&config, &[port("wan", "net_null0")])
            .err()
            .unwrap();
        says(&error, &["Lower dpdk.memory_mib"]);
    });
}

#[test]
fn an_interface_that_was_removed_is_missed() {
    isolated(
        "errors::an_interface_that_was_removed_is_missed",
        VETH,
        || {
            let port = port("wan", "net_af_packet0,iface=dut");
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let device = eal.open(&port).unwrap();
            assert_eq!(device.lost_interface(), None);
            sh("ip link del dut");
            assert_eq!(device.lost_interface(), Some("dut"));
        },
    );
}

#[test]
fn without_af_xdp_the_fallback_is_named() {
    isolated("errors::without_af_xdp_the_fallback_is_named", VETH, || {
        let first = port("first", "net_af_xdp0,iface=dut,xdp_prog=/nowhere/x.o");
        says(
            &error(&first),
            &[
                "net_af_xdp0 could not be opened",
                "net_af_packet0,iface=dut",
            ],
        );
    });
}

#[test]
fn without_rights_the_exit_code_is_known() {
    isolated(
        "errors::without_rights_the_exit_code_is_known",
        VETH,
        || {
            nix::unistd::setgid(65534.into()).unwrap();
            nix::unistd::setuid(65534.into()).unwrap();
            let error = error(&port("wan", "net_af_packet0,iface=dut"));
            says(
                &error,
                &["no permission to receive the packets of dut", "run as root"],
            );
            assert!(error.is_permission());
        },
    );
}

#[test]
fn a_kernel_that_would_spoil_it_is_told() {
    let setup = format!(
        "{VETH}\nip addr add 203.0.113.10/32 dev dut\nsysctl -qw net.ipv4.conf.dut.forwarding=1"
    );
    isolated(
        "errors::a_kernel_that_would_spoil_it_is_told",
        &setup,
        || {
            let vips = ["203.0.113.0/24".parse().unwrap()];
            let warnings = host_warnings(&port("wan", "net_af_packet0,iface=dut"), &vips);
            assert_eq!(warnings.len(), 2, "{warnings:?}");
            assert!(warnings[0].contains("ip addr del 203.0.113.10 dev dut"));
            assert!(warnings[1].contains("sysctl -w net.ipv4.conf.dut.forwarding=0"));
            let vips = ["198.51.100.0/24".parse().unwrap()];
            assert!(host_warnings(&port("wan", "net_af_xdp0,iface=dut"), &vips).is_empty());
        },
    );
}
