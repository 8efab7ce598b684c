//! `net_pcap`: what is read from one capture is written to another, byte for byte.

use std::path::Path;

use super::bed::{dpdk, isolated, port};
use tentetsu::packet::Buffer;
use tentetsu::port::Queue;
use tentetsu::port::dpdk::Eal;

/// Writes a little-endian microsecond capture.
pub fn write_capture(path: &Path, packets: &[Vec<u8>]) {
    let mut file = vec![];
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1_u32] {
        file.extend(word.to_le_bytes());
    }
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    std::fs::write(path, file).unwrap();
}

/// The packets of such a capture.
pub fn read_capture(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[24..];
    let mut packets = vec![];
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        packets.push(rest[16..16 + len].to_vec());
        rest = &rest[16 + len..];
    }
    packets
}

fn packets(n: usize) -> Vec<Vec<u8>> {
    let packet = |i: usize| {
        (0..60 + i * 7 % 1440)
            .map(|byte| (i + byte) as u8)
            .collect()
    };
    (0..n).map(packet).collect()
}

#[test]
fn pcap_to_pcap_gives_the_same_bytes() {
    isolated("pcap::pcap_to_pcap_gives_the_same_bytes", "", || {
        let folder = tempfile::TempDir::new().unwrap();
        let (from, to) = (
            folder.path().join("in.pcap"),
            folder.path().join("out.pcap"),
        );
        let sent = packets(1000);
        write_capture(&from, &sent);
        let spec = format!(
            "net_pcap0,rx_pcap={},tx_pcap={}",
            from.display(),
            to.display()
        );
        let port = port("file", &spec);
        let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
        let mut device = eal.open(&port).unwrap();
        let _known = eal.register_thread().unwrap();
        let mut queue = device.take_queues().remove(0);
        let mut frame = Vec::with_capacity(64);
        let mut moved = 0;
        while queue.receive(&mut frame, 64) > 0 {
            moved += queue.transmit(&mut frame);
        }
        assert_eq!(moved, sent.len());
        let stats = device.stats();
        assert_eq!((stats.rx_packets, stats.tx_packets), (1000, 1000));
        assert_eq!(device.driver(), "net_pcap");
        assert!(device.link().up);
        drop((queue, device, eal));
        assert_eq!(read_capture(&to), sent);
    });
}

#[test]
fn buffers_grow_and_shrink_within_their_bounds() {
    isolated(
        "pcap::buffers_grow_and_shrink_within_their_bounds",
        "",
        || {
            let port = port("null", "net_null0");
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let pool = eal.open(&port).unwrap().pool();
            let mut packet = pool.packet(b"0123456789").unwrap();
            packet.reframe(0, 10, 2).unwrap()[..2].copy_from_slice(b"ab");
            assert_eq!(packet.reframe(1, 7, 0).unwrap(), b"b012345");
            assert_eq!(packet.reframe(0, 100, 0).unwrap().len(), 7);
            // 128 bytes of headroom, of which 1 is taken.
            assert!(packet.reframe(0, 7, 128).is_err() && packet.reframe(0, 7, 127).is_ok());
            assert!(packet.reframe(70_000, 7, 0).unwrap().is_empty());
            assert!(pool.packet(&[0; 3000]).is_none());
            assert!(pool.packet(&[0; 2048]).is_some());
        },
    );
}

#[test]
fn frames_beyond_a_buffer_are_dropped_and_counted() {
    isolated(
        "pcap::frames_beyond_a_buffer_are_dropped_and_counted",
        "",
        || {
            let folder = tempfile::TempDir::new().unwrap();
            let from = folder.path().join("in.pcap");
            write_capture(&from, &[vec![1; 60], vec![2; 9000], vec![3; 60]]);
            let port = port("file", &format!("net_pcap0,rx_pcap={}", from.display()));
            let eal = Eal::start(&dpdk(), std::slice::from_ref(&port)).unwrap();
            let mut queue = eal.open(&port).unwrap().take_queues().remove(0);
            let mut frame = Vec::with_capacity(8);
            assert_eq!(queue.receive(&mut frame, 8), 2);
            assert_eq!([frame[0].bytes()[0], frame[1].bytes()[0]], [1, 3]);
            assert_eq!(queue.chained(), 1);
            queue.free(&mut frame);
            assert!(frame.is_empty());
        },
    );
}
