//! What is written is read again: by our reader, by another library and, where it is installed, by tshark.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod pcap_fixture;

use std::io::{self, Write};
use std::process::{Command, Stdio};

use pcap_fixture::{MICRO, Order, classic, record};
use pcap_parser::traits::{PcapNGPacketBlock, PcapReaderIterator};
use pcap_parser::{Block, PcapBlockOwned, PcapError, PcapNGReader};
use proptest::prelude::*;
use tentetsu::packet::Buffer;
use tentetsu::port::Queue;
use tentetsu::port::pcap::{HeapBuffer, PcapPort, Reader, Writer, scan};

/// One packet: timestamp, original length, bytes.
type Packet = (u64, u32, Vec<u8>);

fn written(packets: &[Packet]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    for (timestamp, original, bytes) in packets {
        writer.write(*timestamp, *original, bytes).unwrap();
    }
    assert_eq!(writer.packets(), packets.len() as u64);
    writer.finish().unwrap()
}

fn ours(capture: &[u8]) -> Vec<Packet> {
    let mut reader = Reader::open(capture).unwrap();
    let mut packets = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        packets.push((record.timestamp, record.original, record.bytes.to_vec()));
    }
    packets
}

fn theirs(capture: &[u8]) -> Vec<Packet> {
    let mut reader = PcapNGReader::new(1 << 16, capture).unwrap();
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok((length, PcapBlockOwned::NG(block))) => {
                if let Block::EnhancedPacket(packet) = block {
                    let timestamp = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                    packets.push((timestamp, packet.origlen, packet.packet_data().to_vec()));
                }
                reader.consume(length);
            }
            Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
            Err(PcapError::Eof) => return packets,
            _ => panic!("this is not pcapng"),
        }
    }
}

fn packets() -> impl Strategy<Value = Vec<Packet>> {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let packet = (any::<u64>(), 0..400_u32, bytes)
        .prop_map(|(timestamp, more, bytes)| (timestamp, bytes.len() as u32 + more, bytes));
    prop::collection::vec(packet, 0..20)
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(packets in packets()) {
        let capture = written(&packets);
        prop_assert_eq!(&ours(&capture), &packets);
        prop_assert_eq!(&theirs(&capture), &packets);
    }

    #[test]
    fn a_broken_capture_never_panics(packets in packets(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut capture = written(&packets);
        let at = at.index(capture.len());
        capture[at] = byte;
        capture.truncate(cut.index(capture.len()) + 1);
        if let Err(error) = scan(&capture) {
            prop_assert!(error.offset <= capture.len() as u64, "{}", error);
        }
    }

    #[test]
    fn noise_never_panics(magic in 0..4_usize, noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let heads = [vec![], classic(Order::Little, MICRO, 1), classic(Order::Big, MICRO, 1), written(&[])];
        let capture = [heads[magic].clone(), noise].concat();
        if let Err(error) = scan(&capture) {
            prop_assert!(error.offset <= capture.len() as u64, "{}", error);
        }
    }
}

#[test]
fn a_port_sends_what_it_received_and_reuses_its_buffers() {
    let order = Order::Big;
    let mut capture = classic(order, MICRO, 1);
    for n in 0..10 {
        capture.extend(record(order, n, 0, 70, &[n as u8; 60]));
    }
    let output = Writer::new(Vec::new()).unwrap();
    let mut port = PcapPort::new(Reader::open(&capture[..]).unwrap(), Some(output));
    let mut frame: Vec<HeapBuffer> = Vec::with_capacity(4);
    let mut places = std::collections::BTreeSet::new();
    let mut sizes = Vec::new();
    while port.receive(&mut frame, 256) > 0 {
        sizes.push(frame.len());
        places.extend(frame.iter().map(|packet| packet.bytes().as_ptr() as usize));
        assert_eq!(port.transmit(&mut frame), *sizes.last().unwrap());
    }
    assert_eq!((sizes, places.len()), (vec![4, 4, 2], 4));
    assert!(port.finish().unwrap().is_ok());
}

#[test]
fn a_port_delivers_what_lies_before_a_fault() {
    let mut capture = classic(Order::Little, MICRO, 1);
    capture.extend(record(Order::Little, 0, 0, 3, &[1, 2, 3]));
    capture.extend([1; 7]);
    let mut port = PcapPort::<_, Vec<u8>>::new(Reader::open(&capture[..]).unwrap(), None);
    let mut frame = Vec::with_capacity(8);
    assert_eq!(
        (port.receive(&mut frame, 8), port.receive(&mut frame, 8)),
        (1, 0)
    );
    assert_eq!(port.finish().unwrap().unwrap_err().offset, 24 + 19);
}

/// A disk that is full after so many bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(taken)
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error_however_late() {
    for size in [0, 100, 300_000] {
        let writer = Writer::new(Full(size)).unwrap();
        let capture = written(&vec![(0, 0, vec![0; 1_000]); 1_000]);
        let mut port = PcapPort::new(Reader::open(&capture[..]).unwrap(), Some(writer));
        let mut frame = Vec::with_capacity(256);
        while port.receive(&mut frame, 256) > 0 {
            port.transmit(&mut frame);
        }
        assert_eq!(
            port.finish().unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}

#[test]
fn tshark_reads_it_without_complaint() {
    let Ok(mut tshark) = Command::new("tshark")
        .args([
            "-r",
            "-",
            "-T",
            "fields",
            "-e",
            "frame.time_epoch",
            "-e",
            "frame.len",
            "-e",
            "eth.src",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
    else {
        eprintln!("skipped: tshark is not installed");
        return;
    };
    let mut packet = vec![2; 61];
    packet[12] = 0x88;
    let capture = written(&[(1_600_000_000_123_456_789, 99, packet)]);
    tshark.stdin.take().unwrap().write_all(&capture).unwrap();
    let output = tshark.wait_with_output().unwrap();
    assert!(output.status.success());
    let line = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        line.trim_end(),
        "1600000000.123456789\t99\t02:02:02:02:02:02"
    );
}
