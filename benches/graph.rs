//! The graph over heap buffers, and the building of tables: nanoseconds, and allocations per packet (0).
//!
//! `walk/…` is a whole walk, loading the packets included; `stage/…` is what the stage's own clocks say of it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    reason = "a bench may stop at a fault of its own making"
)]

use std::hint::black_box;
use std::net::IpAddr;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use etherparse::PacketBuilder;
use tentetsu::control::synthetic_snapshot;
use tentetsu::flow::Millis;
use tentetsu::graph::{Context, Graph, GraphCounters, Ingress, PortCounters, Stage, TrafficSheet};
use tentetsu::packet::Frame;
use tentetsu::port::pcap::HeapBuffer;
use tentetsu::table::maglev::{self, Claim};
use tentetsu::table::{HashKey, Snapshot};

const FLOWS: u16 = 4096;
const BURST: usize = 64;

/// One service of the VIP's family over 16 backends of the other.
fn snapshot(vip: &str, backends: &str, encap: &str) -> Snapshot {
    let backends: String = (1..=16)
        .map(|n| format!("{{ address = \"{backends}{n}\" }}, "))
        .collect();
    let text = format!(
        "[[port]]\nname = \"p\"\ndevice = \"net_null0\"\naddresses = [\"192.0.2.1/24\", \"2001:db8::1/64\"]\n\
         [[pool]]\nname = \"pool\"\nencap = \"{encap}\"\nbackends = [{backends}]\n\
         [[service]]\nname = \"web\"\naddress = \"{vip}\"\nprotocol = \"tcp\"\nports = [80]\npool = \"pool\"\n"
    );
    let config = tentetsu::config::parse("bench", &text).unwrap();
    synthetic_snapshot(&config, HashKey::new([7; 16]))
}

/// A TCP packet of flow `n` to the VIP, at least 60 bytes with its Ethernet header.
fn packet(vip: IpAddr, n: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let [a, b] = n.to_be_bytes();
    let builder = match vip {
        IpAddr::V4(vip) => builder.ipv4([198, 18, a, b], vip.octets(), 64),
        IpAddr::V6(vip) => {
            let [.., host] = vip.octets();
            builder.ipv6(
                [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, host, a, b],
                vip.octets(),
                64,
            )
        }
    };
    let mut bytes = Vec::new();
    builder.tcp(n, 80, 0, 1024).write(&mut bytes, &[]).unwrap();
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

/// A frame whose packets are loaded anew for each walk.
struct Traffic {
    packets: Vec<Vec<u8>>,
    next: usize,
    frame: Frame<HeapBuffer>,
}

impl Traffic {
    fn new(vip: IpAddr) -> Self {
        let packets: Vec<Vec<u8>> = (0..FLOWS).map(|n| packet(vip, n)).collect();
        let mut frame = Frame::new();
        frame.packets.extend(
            packets
                .iter()
                .take(BURST)
                .map(|bytes| HeapBuffer::new(bytes)),
        );
        Self {
            packets,
            next: 0,
            frame,
        }
    }

    fn load(&mut self) {
        for buffer in &mut self.frame.packets {
            let bytes = &self.packets[self.next];
            self.next = (self.next + 1) % self.packets.len();
            buffer.set(bytes);
        }
    }
}

fn walks(c: &mut Criterion) {
    for (name, vip, backends, encap) in [
        ("tcp4-ipip", "203.0.113.10", "10.0.0.", "ipip"),
        ("tcp4-ipip6", "203.0.113.10", "2001:db8:1::", "ipip"),
        ("tcp6-ipip", "2001:db8:f::1", "10.0.0.", "ipip"),
        ("tcp6-ipip6", "2001:db8:f::1", "2001:db8:1::", "ipip"),
        ("tcp4-l2dsr", "203.0.113.10", "10.0.0.", "l2dsr"),
    ] {
        let snapshot = snapshot(vip, backends, encap);
        let (port, traffic) = (PortCounters::default(), TrafficSheet::new(1, 16));
        let ingress = Ingress { mac: None };
        let context = Context {
            snapshot: &snapshot,
            ingress,
            traffic: &traffic,
            port: &port,
            flows: None,
            now: Millis::default(),
        };
        let counters = GraphCounters::default();
        let mut graph = Graph::new(&counters);
        let mut load = Traffic::new(vip.parse().unwrap());
        let mut walk = || {
            load.load();
            graph.process(&mut load.frame, black_box(&context));
            assert_eq!(graph.at(Stage::Forward).len(), BURST);
        };
        let allocated = allocation_counter::measure(|| (0..1000).for_each(|_| walk()));
        println!(
            "walk/{name}: {} allocations in {} packets",
            allocated.count_total,
            1000 * BURST
        );
        let mut group = c.benchmark_group("walk");
        group.throughput(Throughput::Elements(BURST as u64));
        group.bench_function(name, |b| b.iter(&mut walk));
        group.finish();
        stages(c, name, &counters, &mut walk);
    }
}

/// One bench per stage that the walk calls: the time that its own counters give, not the walk's.
fn stages(c: &mut Criterion, name: &str, counters: &GraphCounters, walk: &mut impl FnMut()) {
    let clock = quanta::Clock::new();
    let mut group = c.benchmark_group(format!("stage/{name}"));
    group
        .throughput(Throughput::Elements(BURST as u64))
        .sample_size(10)
        .measurement_time(Duration::from_secs(1));
    for (stage, cell) in Stage::WALK
        .iter()
        .zip(&counters.stages)
        .filter(|(_, cell)| cell.calls.get() > 0)
    {
        group.bench_function(stage.name(), |b| {
            b.iter_custom(|frames| {
                let (clocks, timed) = (cell.clocks.get(), cell.timed_packets.get());
                // One frame in 64 is timed.
                for _ in 0..frames.max(64) {
                    walk();
                }
                let (clocks, timed) =
                    (cell.clocks.get() - clocks, cell.timed_packets.get() - timed);
                let per_frame = clocks as f64 / timed as f64 * BURST as f64;
                Duration::from_nanos(clock.delta_as_nanos(0, (per_frame * frames as f64) as u64))
            });
        });
    }
    group.finish();
}

fn tables(c: &mut Criterion) {
    let names: Vec<String> = (0..1000)
        .map(|i| format!("10.0.{}.{}", i / 256, i % 256))
        .collect();
    let equal: Vec<Claim<'_>> = names
        .iter()
        .map(|name| Claim { name, weight: 100 })
        .collect();
    let weighted: Vec<Claim<'_>> = names
        .iter()
        .zip(1..)
        .map(|(name, weight)| Claim { name, weight })
        .collect();
    let mut group = c.benchmark_group("maglev");
    group.bench_function("65537x1000", |b| {
        b.iter(|| maglev::build(black_box(&equal), 65_537))
    });
    group.bench_function("65537x1000-weighted", |b| {
        b.iter(|| maglev::build(black_box(&weighted), 65_537))
    });
    group.finish();
}

criterion_group!(benches, walks, tables);
criterion_main!(benches);
