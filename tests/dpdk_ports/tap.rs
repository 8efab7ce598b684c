//! A port that DPDK owns alone: a TAP interface stands for it in the host.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::bed::{CLIENT, VETH_APART, dpdk, isolated, port, sh};
use tentetsu::config::Exception;
use tentetsu::port::Queue as _;
use tentetsu::port::dpdk::{Device, Eal, Mbuf, Queue, Tap};
use tentetsu::port::exception::{Inject, Path, Punt};

/// A worker that balances nothing: all goes to the host, and what the host sends goes out.
fn work(mut queue: Queue, punt: &Punt<Mbuf>, inject: &Inject<Mbuf>, stop: &AtomicBool) {
    let mut frame = Vec::with_capacity(64);
    while !stop.load(Ordering::Relaxed) {
        queue.receive(&mut frame, 64);
        for packet in frame.drain(..) {
            let _full = punt.push(packet);
        }
        inject.take(&mut frame, 64);
        queue.transmit(&mut frame);
        // The bed has two cores for everybody.
        std::thread::yield_now();
    }
}

/// A port on `dut` with a TAP `host0` that has 10.9.0.1, served by one thread.
struct Served {
    path: Arc<Path<Mbuf>>,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
    _tap: Tap,
    _device: Device,
}

impl Served {
    fn start() -> Self {
        let mut port = port("wan", "net_af_xdp0,iface=dut");
        port.exception = Exception::Tap("host0".into());
        let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
        let mut device = eal.open(&port).unwrap();
        let addresses = ["10.9.0.1/24", "2001:db8:9::1/64"].map(|a| a.parse().unwrap());
        let tap = Tap::create("host0", device.mac(), port.mtu, &addresses).unwrap();
        let pool = device.pool();
        let path = Path::start("exception", tap.file().unwrap(), move |b| pool.packet(b)).unwrap();
        let (punt, inject, stop) = (path.punt(), path.inject(), Arc::new(AtomicBool::new(false)));
        let (queue, stopped) = (device.take_queues().remove(0), stop.clone());
        let worker = std::thread::spawn(move || {
            let _known = eal.register_thread().unwrap();
            work(queue, &punt, &inject, &stopped);
        });
        Self {
            path: Arc::new(path),
            stop,
            worker: Some(worker),
            _tap: tap,
            _device: device,
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.worker.take().unwrap().join().unwrap();
    }
}

fn in_client(command: &str) -> String {
    format!("ip netns exec {} {command}", std::env::var(CLIENT).unwrap())
}

/// An iperf3 server for one client, listening.
fn server() -> Child {
    let server = Command::new("iperf3")
        .args(["-s", "-1"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let listens = || {
        let sockets = Command::new("ss")
            .args(["-Htln", "sport = :5201"])
            .output()
            .unwrap();
        !sockets.stdout.is_empty()
    };
    while !listens() {
        assert!(Instant::now() < deadline, "iperf3 does not listen");
    }
    server
}

#[test]
fn the_host_is_reached_through_its_tap() {
    isolated(
        "tap::the_host_is_reached_through_its_tap",
        VETH_APART,
        || {
            let served = Served::start();
            sh(&in_client("ping -c 3 -i 0.2 -W 2 10.9.0.1"));
            sh(&in_client("ping -c 3 -i 0.2 -W 2 2001:db8:9::1"));
            let to_host = served.path.counters().to_host.load(Ordering::Relaxed);
            // At least ARP or ND and three echoes of each family.
            assert!(to_host >= 8, "{:?}", served.path.counters());
            assert!(served.path.counters().from_host.load(Ordering::Relaxed) >= 8);
        },
    );
}

#[test]
fn a_stream_to_the_host_passes() {
    isolated("tap::a_stream_to_the_host_passes", VETH_APART, || {
        let served = Served::start();
        for way in ["", "-R"] {
            let mut server = server();
            let line = in_client(&format!("timeout 20 iperf3 -c 10.9.0.1 -n 20M -J {way}"));
            let output = Command::new("sh").args(["-c", &line]).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let report: serde_json::Value = serde_json::from_str(&text).expect(&text);
            let rate = report["end"]["sum_received"]["bits_per_second"]
                .as_f64()
                .unwrap_or(0.0);
            println!(
                "{way:>2} {:.0} Mbit/s, {:?}",
                rate / 1e6,
                served.path.counters()
            );
            assert!(rate > 20e6, "{text}");
            server.wait().unwrap();
        }
    });
}

#[test]
fn a_name_in_use_is_said() {
    isolated(
        "tap::a_name_in_use_is_said",
        "ip tuntap add host0 mode tap",
        || {
            let error = Tap::create("host0", [2, 0, 0, 0, 0, 1], 1500, &[])
                .err()
                .unwrap();
            assert!(
                error.to_string().contains("host0 could not be made"),
                "{error}"
            );
        },
    );
}
