//! Every kind of capture that is read, and where the broken ones are broken.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod pcap_fixture;

use pcap_fixture::{MICRO, NANO, Order, block, classic, enhanced, interface, obsolete, record};
use pcap_fixture::{section, simple};
use tentetsu::port::pcap::{Fault, MAX_PACKET, ReadError, Reader, Scan, scan};

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

/// One packet: timestamp, original length, bytes.
type Packet = (u64, u32, Vec<u8>);

/// All packets, and how the capture ended.
fn read(capture: &[u8]) -> (Vec<Packet>, Result<(), ReadError>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::open(capture) {
        Ok(reader) => reader,
        Err(error) => return (packets, Err(error)),
    };
    loop {
        match reader.read() {
            Ok(Some(record)) => {
                packets.push((record.timestamp, record.original, record.bytes.to_vec()));
            }
            Ok(None) => return (packets, Ok(())),
            Err(error) => return (packets, Err(error)),
        }
    }
}

fn fault(capture: &[u8]) -> ReadError {
    read(capture).1.unwrap_err()
}

#[test]
fn classic_captures_of_both_orders_and_resolutions() {
    for order in ORDERS {
        for (magic, nanoseconds) in [(MICRO, 7_000), (NANO, 7)] {
            let mut file = classic(order, magic, 1);
            file.extend(record(order, 3, 7, 5, &[1, 2, 3]));
            file.extend(record(order, 4, 0, 1, &[9]));
            let (packets, end) = read(&file);
            assert!(end.is_ok());
            let first = (3_000_000_000 + nanoseconds, 5, vec![1, 2, 3]);
            assert_eq!(packets, [first, (4_000_000_000, 1, vec![9])]);
        }
    }
}

#[test]
fn a_classic_capture_with_a_frame_check_sequence_is_ethernet() {
    let mut file = classic(Order::Little, MICRO, 0x4400_0001);
    file.extend(record(Order::Little, 0, 0, 1, &[1]));
    assert_eq!(scan(&file).unwrap().packets, 1);
}

#[test]
fn pcapng_interfaces_have_clocks_of_their_own() {
    for order in ORDERS {
        let offset = match order {
            Order::Little => 100_i64.to_le_bytes(),
            Order::Big => 100_i64.to_be_bytes(),
        };
        let file = [
            section(order),
            interface(order, 1, 0, &[(2, b"eth0")]),
            interface(order, 1, 0, &[(9, &[9])]),
            interface(order, 1, 0, &[(9, &[0x80 | 1]), (14, &offset)]),
            enhanced(order, 0, 5, 1, &[10]),
            enhanced(order, 1, 5 << 32, 3, &[11]),
            enhanced(order, 2, 3, 1, &[12]),
        ]
        .concat();
        let (packets, end) = read(&file);
        assert!(end.is_ok());
        let second = (5 << 32, 3, vec![11]);
        assert_eq!(
            packets,
            [(5_000, 1, vec![10]), second, (101_500_000_000, 1, vec![12])]
        );
    }
}

#[test]
fn every_kind_of_packet_block_is_read_and_others_are_skipped() {
    for order in ORDERS {
        let file = [
            section(order),
            block(order, 0x0bad, &[0; 1000]),
            interface(order, 1, 4, &[]),
            obsolete(order, 0, 1, &[1, 2]),
            block(order, 5, &vec![0; 2_000_000]),
            simple(order, 9, &[3, 4, 5, 6]),
            enhanced(order, 0, 2, 1, &[7]),
        ]
        .concat();
        let (packets, end) = read(&file);
        assert!(end.is_ok());
        let snapped = (1_000, 9, vec![3, 4, 5, 6]);
        assert_eq!(
            packets,
            [(1_000, 2, vec![1, 2]), snapped, (2_000, 1, vec![7])]
        );
    }
}

#[test]
fn a_new_section_has_its_own_order_and_interfaces() {
    let (little, big) = (Order::Little, Order::Big);
    let first = [section(little), interface(little, 1, 0, &[])].concat();
    let second = [
        section(big),
        interface(big, 1, 0, &[]),
        enhanced(big, 0, 0, 1, &[1]),
    ]
    .concat();
    assert_eq!(scan(&[first.clone(), second].concat()).unwrap().packets, 1);
    let orphan = [first, section(big), enhanced(big, 0, 0, 1, &[1])].concat();
    assert!(matches!(
        fault(&orphan).fault,
        Fault::Interface { id: 0, known: 0 }
    ));
}

#[test]
fn packets_before_a_cut_are_delivered_and_the_cut_is_named() {
    let order = Order::Little;
    let whole = [
        classic(order, MICRO, 1),
        record(order, 0, 0, 8, &[1; 8]),
        record(order, 0, 0, 8, &[2; 8]),
    ]
    .concat();
    let last = whole.len() as u64 - 24;
    for cut in 1..24 {
        let (packets, end) = read(&whole[..whole.len() - cut]);
        let error = end.unwrap_err();
        assert_eq!((packets.len(), error.offset), (1, last));
        assert!(
            matches!(error.fault, Fault::Truncated { missing: 1.., .. }),
            "{error}"
        );
    }
    assert_eq!(read(&whole[..whole.len() - 24]).0.len(), 1);
}

#[test]
fn a_cut_pcapng_is_named_too() {
    let order = Order::Big;
    let head = [
        section(order),
        interface(order, 1, 0, &[]),
        enhanced(order, 0, 0, 4, &[1; 4]),
    ]
    .concat();
    for kind in [6, 5] {
        let tail = block(order, kind, &[0; 40]);
        for cut in 1..tail.len() {
            let file = [head.clone(), tail[..tail.len() - cut].to_vec()].concat();
            let (packets, end) = read(&file);
            let error = end.unwrap_err();
            assert_eq!(
                (packets.len(), error.offset),
                (1, head.len() as u64),
                "{error}"
            );
            assert!(matches!(error.fault, Fault::Truncated { .. }), "{error}");
        }
    }
}

#[test]
fn link_types_other_than_ethernet_are_refused_by_name() {
    let error = fault(&classic(Order::Little, MICRO, 113));
    assert_eq!(error.offset, 20);
    assert!(
        error.to_string().contains("113 (Linux cooked v1)"),
        "{error}"
    );
    let file = [section(Order::Big), interface(Order::Big, 101, 0, &[])].concat();
    let error = fault(&file);
    assert_eq!(error.offset, 28 + 8);
    assert!(error.to_string().contains("raw IP"), "{error}");
}

#[test]
fn what_is_no_capture_is_refused() {
    assert!(matches!(
        fault(b"").fault,
        Fault::Truncated { missing: 4, .. }
    ));
    assert!(matches!(fault(b"\x7fELF....").fault, Fault::NotACapture(_)));
    assert!(fault(&[0x1f, 0x8b, 8, 0]).to_string().contains("gunzip"));
}

#[test]
fn insane_lengths_are_refused_where_they_stand() {
    let order = Order::Little;
    let mut file = classic(order, MICRO, 1);
    file.extend([0; 8]);
    file.extend(order.u32(u32::MAX));
    file.extend([0; 4]);
    let error = fault(&file);
    assert_eq!(error.offset, 24 + 8);
    assert!(matches!(
        error.fault,
        Fault::TooLong {
            length: 0xffff_ffff,
            ..
        }
    ));

    let head = [section(order), interface(order, 1, 0, &[])].concat();
    let at = head.len() as u64 + 4;
    let length = |length: u32| {
        let block = [order.u32(6), order.u32(length)].concat();
        fault(&[head.clone(), block, vec![0; 40]].concat())
    };
    assert_eq!((length(0).offset, length(0x4000_0000).offset), (at, at));
    assert!(matches!(length(33).fault, Fault::BlockLength(33)));
    assert!(matches!(length(0x4000_0000).fault, Fault::TooLong { .. }));
}

#[test]
fn the_longest_packet_is_read_and_a_longer_one_is_not() {
    let order = Order::Little;
    let packet = |length: usize| {
        let body = vec![0; length];
        [
            section(order),
            interface(order, 1, 0, &[]),
            enhanced(order, 0, 0, 0, &body),
        ]
        .concat()
    };
    assert_eq!(scan(&packet(MAX_PACKET)).unwrap().bytes, MAX_PACKET as u64);
    assert!(matches!(
        scan(&packet(MAX_PACKET + 1)).unwrap_err().fault,
        Fault::TooLong { .. }
    ));
}

#[test]
fn wrong_fields_of_pcapng_are_named_with_their_offset() {
    let order = Order::Little;
    let head = [section(order), interface(order, 1, 0, &[])].concat();
    let at = head.len() as u64;
    let with = |tail: Vec<u8>| fault(&[head.clone(), tail].concat());

    let mut differs = enhanced(order, 0, 0, 4, &[1; 4]);
    differs[32] = 99;
    let error = with(differs);
    assert_eq!(error.offset, at + 32);
    assert!(matches!(error.fault, Fault::Trailer { head: 36, tail: 99 }));

    let mut overrun = enhanced(order, 0, 0, 4, &[1; 4]);
    overrun[20] = 5;
    let error = with(overrun);
    assert_eq!(error.offset, at + 20);
    assert!(matches!(
        error.fault,
        Fault::Overrun {
            claimed: 5,
            held: 4
        }
    ));

    let error = with(enhanced(order, 3, 0, 4, &[1; 4]));
    assert!(matches!(error.fault, Fault::Interface { id: 3, known: 1 }));

    let error = with(interface(order, 1, 0, &[(9, &[77])]));
    assert_eq!(error.offset, at + 20);
    assert!(matches!(error.fault, Fault::Resolution(77)));
}

#[test]
fn versions_of_the_future_are_refused() {
    let mut file = section(Order::Little);
    file[12] = 2;
    assert!(matches!(
        fault(&file).fault,
        Fault::Version { major: 2, minor: 0 }
    ));
    file[8] = 0;
    assert!(matches!(fault(&file).fault, Fault::ByteOrder(_)));
    let mut file = classic(Order::Big, MICRO, 1);
    file[5] = 3;
    assert!(matches!(
        fault(&file).fault,
        Fault::Version { major: 3, minor: 4 }
    ));
}

#[test]
fn a_scan_counts_what_there_is() {
    let order = Order::Little;
    let mut file = classic(order, NANO, 1);
    file.extend(record(order, 0, 0, 60, &[0; 60]));
    file.extend(record(order, 0, 0, 1_500, &[0; 96]));
    assert_eq!(
        scan(&file).unwrap(),
        Scan {
            packets: 2,
            bytes: 156,
            snapped: 1
        }
    );
}
