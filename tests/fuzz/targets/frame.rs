//! Any frame of packets through the whole graph: one door each, counters that add up, and what leaves is right.
//!
//! An input is a byte of flags, then packets, each behind its length in two bytes, little-endian. With flag 1
//! checksums are put right first, since no fuzzer guesses them; with flag 2 the port has a MAC address.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tentetsu::packet::FRAME_SIZE;
use tentetsu::table::Snapshot;

#[path = "../../graph_fixture/mod.rs"]
mod graph_fixture;
mod mend;

use graph_fixture::judge::judge;
use graph_fixture::{CONFIG, OWN_MAC, snapshot, walk};

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| snapshot(CONFIG));

fn packets(mut input: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((len, rest)) = input.split_first_chunk::<2>() {
        let len = usize::from(u16::from_le_bytes(*len)).min(rest.len());
        let (packet, rest) = rest.split_at(len);
        packets.push(packet.to_vec());
        input = rest;
    }
    packets.truncate(FRAME_SIZE);
    packets
}

fuzz_target!(|input: &[u8]| {
    let Some((flags, rest)) = input.split_first() else {
        return;
    };
    let mut packets = packets(rest);
    if flags & 1 != 0 {
        packets
            .iter_mut()
            .for_each(|packet| mend::checksums(packet));
    }
    let mac = (flags & 2 != 0).then_some(OWN_MAC);
    let outcomes = walk(&SNAPSHOT, mac, &packets);
    outcomes
        .iter()
        .for_each(|outcome| judge(&SNAPSHOT, outcome));
    // The same packets one by one.
    for (packet, outcome) in packets.into_iter().zip(&outcomes) {
        let alone = walk(&SNAPSHOT, mac, &[packet]);
        assert_eq!(alone[0].essence(), outcome.essence());
    }
});
