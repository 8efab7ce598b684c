//! Runs the program over captures made here.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use etherparse::PacketBuilder;
use serde_json::Value;
use tempfile::TempDir;
use tentetsu::port::pcap::{Reader, Writer};

/// One IPv4 and one IPv6 service, three backends.
pub const CONFIG: &str = r#"
[maglev]
hash_key = "000102030405060708090a0b0c0d0e0f"
[[port]]
name = "wan"
device = "net_af_packet0,iface=eth1"
addresses = ["192.0.2.10/24", "2001:db8::10/64"]
[[pool]]
name = "web"
encap = "ipip"
backends = [
  { name = "web1", address = "10.0.0.5" },
  { name = "web2", address = "10.0.0.6" },
  { name = "web3", address = "2001:db8:1::7" },
]
[[service]]
name = "web"
address = "203.0.113.10"
protocol = "tcp"
ports = [80]
pool = "web"
[[service]]
name = "web6"
address = "2001:db8:2::10"
protocol = "tcp"
ports = [80]
pool = "web"
"#;

/// A folder with configurations and captures, gone when dropped.
pub struct Bench {
    pub folder: TempDir,
}

impl Bench {
    /// A folder with [`CONFIG`] as `lb.toml`.
    pub fn new() -> Self {
        let bench = Bench {
            folder: tempfile::tempdir().unwrap(),
        };
        bench.write("lb.toml", CONFIG.as_bytes());
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// `tentetsu replay --config lb.toml` and these arguments, in the folder.
    pub fn replay(&self, arguments: &[&str]) -> Output {
        program(self.folder.path())
            .args(["replay", "--config", "lb.toml"])
            .args(arguments)
            .output()
            .unwrap()
    }

    /// The JSON report of `in.pcapng` with further arguments.
    pub fn report(&self, arguments: &[&str]) -> Value {
        let output = self.replay(&[&["--in", "in.pcapng", "--report", "json"], arguments].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The lines of a verdicts file.
    pub fn verdicts(&self, name: &str) -> Vec<Value> {
        let text = String::from_utf8(self.read(name)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// The program, to be run in a folder.
pub fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tentetsu"));
    command.current_dir(folder);
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A capture of packets, one microsecond apart.
pub fn capture(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for (packet, n) in packets.iter().zip(0..) {
        writer
            .write(
                1_600_000_000_000_000_000 + n * 1_000,
                packet.len() as u32,
                packet,
            )
            .unwrap();
    }
    writer.finish().unwrap()
}

/// The packets of a capture, with their timestamps.
pub fn packets(capture: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut reader = Reader::open(capture).unwrap();
    let mut packets = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        packets.push((record.timestamp, record.bytes.to_vec()));
    }
    packets
}

const MACS: ([u8; 6], [u8; 6]) = ([2, 9, 9, 9, 9, 9], [2, 0, 0, 0, 0, 0]);

/// A SYN of client `client` to 203.0.113.10.
pub fn syn4(client: u16, port: u16) -> Vec<u8> {
    let [high, low] = client.to_be_bytes();
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4([198, 51, high, low], [203, 0, 113, 10], 60)
        .tcp(40_000, port, 7, 1024)
        .syn();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// A SYN of client `client` to 2001:db8:2::10.
pub fn syn6(client: u16, port: u16) -> Vec<u8> {
    let address = |head: [u16; 3], tail: u16| {
        std::net::Ipv6Addr::new(head[0], head[1], head[2], 0, 0, 0, 0, tail).octets()
    };
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv6(
            address([0x2001, 0xdb8, 9], client),
            address([0x2001, 0xdb8, 2], 0x10),
            60,
        )
        .tcp(40_000, port, 7, 1024)
        .syn();
    let mut packet = Vec::new();
    builder.write(&mut packet, &[]).unwrap();
    packet
}

/// A ping of 203.0.113.10.
pub fn ping4() -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(MACS.0, MACS.1)
        .ipv4([198, 51, 100, 1], [203, 0, 113, 10], 60)
        .icmpv4_echo_request(1, 2);
    let mut packet = Vec::new();
    builder.write(&mut packet, b"hello").unwrap();
    packet
}

/// An ARP request.
pub fn arp() -> Vec<u8> {
    let mut packet = [
        [0xff; 6].as_slice(),
        &MACS.0,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        &[0; 20],
    ]
    .concat();
    packet.resize(60, 0);
    packet
}
