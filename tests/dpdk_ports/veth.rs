//! NICs that the kernel keeps: `net_af_packet` and `net_af_xdp` on a veth pair.

use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::bed::{CLIENT, RuntimeFolder, VETH, VETH_APART, dpdk, isolated, port, sh};
use nix::sys::signal::{Signal, raise};
use tentetsu::config::Exception;
use tentetsu::packet::Buffer;
use tentetsu::port::Queue;
use tentetsu::port::dpdk::{Eal, Mbuf};

/// How long a packet may take over a veth pair on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// Receives until a packet has `needle` in it.
fn receive(queue: &mut impl Queue<Buffer = Mbuf>, needle: &[u8]) -> Option<Mbuf> {
    let deadline = Instant::now() + PATIENCE;
    let mut frame = Vec::with_capacity(1);
    while Instant::now() < deadline {
        queue.receive(&mut frame, 1);
        let found = frame
            .iter()
            .position(|packet| contains(packet.bytes(), needle));
        if let Some(at) = found {
            return Some(frame.swap_remove(at));
        }
        queue.free(&mut frame);
    }
    None
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// Makes a UDP packet over IPv4 its own answer; the checksums stay right.
fn turn_round(packet: &mut [u8]) {
    for (a, b, len) in [(0, 6, 6), (26, 30, 4), (34, 36, 2)] {
        let (left, right) = packet.split_at_mut(b);
        left[a..a + len].swap_with_slice(&mut right[..len]);
    }
}

/// One packet each way through a port of this vdev.
fn both_ways(spec: &str, vip: Ipv4Addr) {
    let port = port("wan", spec);
    let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
    let mut device = eal.open(&port).unwrap();
    device
        .set_vips(&[ipnet::IpNet::from(std::net::IpAddr::from(vip))])
        .unwrap();
    let mut queue = device.take_queues().remove(0);
    assert!(device.link().up);

    let client = UdpSocket::bind("10.9.0.2:0").unwrap();
    client.send_to(b"to the vip", (vip, 9)).unwrap();
    let mut packet = receive(&mut queue, b"to the vip").expect("the packet to the VIP");

    turn_round(packet.bytes_mut());
    assert_eq!(queue.transmit(&mut vec![packet]), 1);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = [0; 64];
    let (n, from) = client.recv_from(&mut bytes).expect("the port's answer");
    assert_eq!(
        (&bytes[..n], from.to_string()),
        (&b"to the vip"[..], format!("{vip}:9"))
    );
}

/// The client lives on `peer`; the VIP is behind the port's MAC.
fn setup() -> String {
    format!(
        "{VETH}
        ip addr add 10.9.0.2/24 dev peer
        ip route add 203.0.113.0/24 dev peer
        ip neigh add 203.0.113.10 lladdr $(cat /sys/class/net/dut/address) dev peer"
    )
}

#[test]
fn af_packet_receives_and_sends() {
    isolated("veth::af_packet_receives_and_sends", &setup(), || {
        both_ways("net_af_packet0,iface=dut", Ipv4Addr::new(203, 0, 113, 10));
    });
}

#[test]
fn af_xdp_receives_and_sends() {
    isolated("veth::af_xdp_receives_and_sends", &setup(), || {
        both_ways("net_af_xdp0,iface=dut", Ipv4Addr::new(203, 0, 113, 10));
    });
}

/// What the client does, as a shell line.
fn in_client(line: &str) -> String {
    format!("ip netns exec {} {line}", std::env::var(CLIENT).unwrap())
}

/// Has the client send one UDP packet with this content.
fn send(vip: &str, content: &str) {
    sh(&in_client(&format!(
        "bash -c 'echo -n \"{content}\" > /dev/udp/{vip}/9'"
    )));
}

/// Has the client send a packet to 198.51.100.7 behind two VLAN tags. (This needs no VLAN devices.)
fn send_tagged(content: &str) {
    let script = format!(
        "import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(('peer', 0)); \
         ip = bytes.fromhex('4500003c00000000401100000a090002c6336407'); \
         s.send(bytes(12) + bytes.fromhex('88a80064810000070800') + ip + bytes(8) + b'{content}'.ljust(32))"
    );
    sh(&in_client(&format!("/usr/bin/python3 -c \"{script}\"")));
}

/// The port's addresses are the host's own; the VIPs are routed to it.
fn apart() -> String {
    format!(
        "{VETH_APART}
        ip addr add 10.9.0.1/24 dev dut
        ip addr add 2001:db8:9::1/64 dev dut nodad
        $client ip route add 203.0.113.0/24 via 10.9.0.1
        $client ip -6 route add 2001:db8:1::/64 via 2001:db8:9::1"
    )
}

#[test]
fn af_xdp_takes_vips_and_leaves_the_host_alone() {
    isolated(
        "veth::af_xdp_takes_vips_and_leaves_the_host_alone",
        &apart(),
        || {
            let port = port("wan", "net_af_xdp0,iface=dut");
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let mut device = eal.open(&port).unwrap();
            let vips = ["203.0.113.0/24", "198.51.100.7/32", "2001:db8:1::10/128"]
                .map(|vip| vip.parse().unwrap());
            device.set_vips(&vips).unwrap();
            let mut queue = device.take_queues().remove(0);
            send("203.0.113.99", "content v4");
            send("2001:db8:1::10", "content v6");
            send_tagged("content tagged");
            for content in ["content v4", "content v6", "content tagged"] {
                assert!(
                    receive(&mut queue, content.as_bytes()).is_some(),
                    "{content}"
                );
            }
            sh(&in_client("ping -c 2 -i 0.2 -W 2 10.9.0.1"));
            sh(&in_client("ping -c 2 -i 0.2 -W 2 2001:db8:9::1"));
            // A reload without the prefix: its packets are the kernel's, while those that stay are still ours.
            device.set_vips(&vips[1..]).unwrap();
            send("203.0.113.99", "gone");
            send("2001:db8:1::10", "stays");
            let packet = receive(&mut queue, b"s").map(|packet| packet.bytes().to_vec());
            assert!(packet.is_some_and(|bytes| contains(&bytes, b"stays")));
        },
    );
}

/// Starts a port in a process that is killed, then again in this one. `name` is the test, `program` what is left.
fn killed_and_restarted(name: &str, exception: &Exception, program: &str) {
    const VICTIM: &str = "TENTETSU_TEST_VICTIM";
    let is_victim = std::env::var_os(VICTIM).is_some();
    if !is_victim {
        let this = std::env::current_exe().unwrap();
        let victim = Command::new(this)
            .args(["--exact", name])
            .env(VICTIM, "1")
            .status()
            .unwrap();
        assert_eq!(victim.signal(), Some(9));
        sh(&format!("ip -d link show dev dut | grep -q {program}"));
    }
    let mut port = port("wan", "net_af_xdp0,iface=dut");
    port.exception = exception.clone();
    let mut config = dpdk();
    config.file_prefix = format!("tt-test-{program}");
    let _folder = RuntimeFolder(config.file_prefix.clone());
    let eal = Eal::start(&config, std::slice::from_ref(&port)).unwrap();
    let mut device = eal.open(&port).unwrap();
    device
        .set_vips(&["203.0.113.0/24".parse().unwrap()])
        .unwrap();
    if is_victim {
        raise(Signal::SIGKILL).unwrap();
    }
    let mut queue = device.take_queues().remove(0);
    let client = UdpSocket::bind("10.9.0.2:0").unwrap();
    client.send_to(b"after all", "203.0.113.10:9").unwrap();
    assert!(receive(&mut queue, b"after all").is_some());
}

#[test]
fn a_killed_appliance_leaves_nothing_in_the_way() {
    let name = "veth::a_killed_appliance_leaves_nothing_in_the_way";
    isolated(name, &setup(), || {
        killed_and_restarted(name, &Exception::Kernel, "tentetsu_steer")
    });
}

#[test]
fn nor_does_one_that_owned_the_port_alone() {
    let name = "veth::nor_does_one_that_owned_the_port_alone";
    isolated(name, &setup(), || {
        killed_and_restarted(name, &Exception::Tap("host0".into()), "xsk_def_prog")
    });
}

#[test]
fn a_foreign_xdp_program_is_left_alone() {
    isolated(
        "veth::a_foreign_xdp_program_is_left_alone",
        &setup(),
        || {
            let mut port = port("wan", "net_af_xdp0,iface=dut");
            port.exception = Exception::Tap("host0".into());
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let _takes_all = eal.open(&port).unwrap();
            port.exception = Exception::Kernel;
            let error = eal.open(&port).err().unwrap().to_string();
            assert!(
                error.contains("the XDP program xsk_def_prog (ip link set dev dut xdp off)"),
                "{error}"
            );
        },
    );
}

#[test]
fn the_link_follows_the_carrier() {
    isolated("veth::the_link_follows_the_carrier", &setup(), || {
        let port = port("wan", "net_af_packet0,iface=dut");
        let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
        let device = eal.open(&port).unwrap();
        for (state, up) in [("down", false), ("up", true)] {
            sh(&format!("ip link set peer {state}"));
            let deadline = Instant::now() + PATIENCE;
            while device.link().up != up {
                assert!(Instant::now() < deadline, "the link is not seen {state}");
            }
        }
    });
}

#[test]
fn af_packet_spreads_flows_over_its_queues() {
    isolated(
        "veth::af_packet_spreads_flows_over_its_queues",
        &setup(),
        || {
            let mut port = port("wan", "net_af_packet0,iface=dut");
            port.queues = 2;
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let mut queues = eal.open(&port).unwrap().take_queues();
            assert_eq!(queues.len(), 2);
            for _ in 0..64 {
                let client = UdpSocket::bind("10.9.0.2:0").unwrap();
                client.send_to(b"spread", "203.0.113.10:9").unwrap();
            }
            assert!(
                queues
                    .iter_mut()
                    .all(|queue| receive(queue, b"spread").is_some())
            );
        },
    );
}

/// What the host sends over the interface is not received; what the wire brings is. The port still sends.
fn hears_only_the_wire(queues: u16) {
    let mut port = port("wan", "net_af_packet0,iface=dut");
    port.queues = queues;
    let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
    let mut device = eal.open(&port).unwrap();
    let host = UdpSocket::bind("10.9.0.1:9").unwrap();
    for _ in 0..64 {
        host.send_to(b"the host's own", "10.9.0.2:9").unwrap();
    }
    // Of many source ports, so that each queue has some. They come after the host's.
    for n in 0..32 {
        send("203.0.113.10", &format!("off the wire {n}"));
    }
    for mut queue in device.take_queues() {
        let mut frame = Vec::with_capacity(256);
        let deadline = Instant::now() + PATIENCE;
        let of_wire = |frame: &Vec<Mbuf>| {
            let found = |packet: &Mbuf| contains(packet.bytes(), b"off the wire");
            frame.iter().position(found)
        };
        while of_wire(&frame).is_none() && Instant::now() < deadline {
            queue.receive(&mut frame, 128);
        }
        // By its MAC: the client's ICMP errors quote what the host sent.
        let own = |packet: &Mbuf| packet.bytes()[6..12] == device.mac();
        assert!(!frame.iter().any(own));
        let at = of_wire(&frame).expect("a packet off the wire");
        let packet = frame.swap_remove(at);
        queue.free(&mut frame);
        assert_eq!(queue.transmit(&mut vec![packet]), 1);
    }
    assert_eq!(device.stats().tx_packets, u64::from(queues));
}

#[test]
fn af_packet_receives_nothing_of_the_hosts_own() {
    let name = "veth::af_packet_receives_nothing_of_the_hosts_own";
    isolated(name, &apart(), || hears_only_the_wire(1));
}

#[test]
fn nor_do_several_queues_of_it() {
    let name = "veth::nor_do_several_queues_of_it";
    isolated(name, &apart(), || hears_only_the_wire(2));
}
