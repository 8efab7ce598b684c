//! Any bytes as a capture, replayed through the port and the graph: every packet that was read has a door, and
//! what was sent is a whole capture of the packets that left.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tentetsu::graph::Stage;
use tentetsu::packet::{Buffer as _, FRAME_SIZE};
use tentetsu::port::Queue as _;
use tentetsu::port::pcap::{HeapBuffer, PcapPort, Reader, Writer, scan};
use tentetsu::table::Snapshot;

#[path = "../../graph_fixture/mod.rs"]
mod graph_fixture;

use graph_fixture::judge::judge;
use graph_fixture::{CONFIG, snapshot, walk};

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| snapshot(CONFIG));

fuzz_target!(|capture: &[u8]| {
    let Ok(reader) = Reader::open(capture) else {
        return;
    };
    let mut out = Vec::new();
    let writer = Writer::new(&mut out).expect("memory takes it");
    let mut port = PcapPort::new(reader, Some(writer));
    let mut received = Vec::with_capacity(FRAME_SIZE);
    let (mut taken, mut sent) = (0, 0);
    while port.receive(&mut received, FRAME_SIZE) > 0 {
        taken += received.len() as u64;
        let packets: Vec<Vec<u8>> = received
            .iter()
            .map(|packet| packet.bytes().to_vec())
            .collect();
        port.free(&mut received);
        let outcomes = walk(&SNAPSHOT, None, &packets);
        outcomes
            .iter()
            .for_each(|outcome| judge(&SNAPSHOT, outcome));
        let leaves = |door| matches!(door, Stage::Forward | Stage::Answer);
        let mut leaving: Vec<HeapBuffer> = outcomes
            .iter()
            .filter(|outcome| leaves(outcome.door))
            .map(|outcome| HeapBuffer::new(&outcome.bytes))
            .collect();
        let count = leaving.len();
        assert_eq!(port.transmit(&mut leaving), count, "memory takes them all");
        sent += count as u64;
    }
    let read = port.finish().expect("memory takes it");
    if read.is_ok() {
        assert_eq!(scan(capture).expect("it was read just now").packets, taken);
    }
    assert_eq!(scan(&out).expect("our own capture").packets, sent);
});
