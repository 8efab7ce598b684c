//! What holds for any packet, over any tables.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod graph_fixture;
#[path = "graph_fixture/packets.rs"]
mod packets;

use graph_fixture::judge::judge;
use graph_fixture::{CONFIG, OWN_MAC, Outcome, snapshot, walk};
use packets::{Body, Parts};
use proptest::prelude::*;
use tentetsu::graph::Stage;
use tentetsu::packet::{DropReason, FRAME_SIZE, NONE};
use tentetsu::table::Snapshot;

/// Backends that pools are filled from; how each is reached, its address's last byte says.
const FOUR: [&str; 6] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.251",
    "10.0.0.252",
    "10.0.0.253",
    "10.0.0.254",
];
const SIX: [&str; 5] = [
    "2001:db8:1::1",
    "2001:db8:1::2",
    "2001:db8:1::fb",
    "2001:db8:1::fc",
    "2001:db8:1::fd",
];

/// The fixture's configuration with other backends in its first two pools.
fn tables() -> impl Strategy<Value = Snapshot> {
    let some = |addresses: Vec<&'static str>| prop::sample::subsequence(addresses, 1..=5);
    let (four, both) = (FOUR.to_vec(), [&FOUR[..], &SIX].concat());
    let weights = prop::collection::vec(1..1000_i64, 5);
    (some(four), some(both), weights).prop_map(|(four, mixed, weights)| {
        let mut config: toml::Table = CONFIG.parse().unwrap();
        let pools = config["pool"].as_array_mut().unwrap();
        for (pool, addresses) in pools.iter_mut().zip([four, mixed]) {
            let backend = |(address, weight): (&&str, &i64)| {
                let mut backend = toml::Table::new();
                backend.insert("address".into(), (*address).into());
                backend.insert("weight".into(), (*weight).into());
                backend.into()
            };
            let backends: Vec<toml::Value> = addresses.iter().zip(&weights).map(backend).collect();
            pool.as_table_mut()
                .unwrap()
                .insert("backends".into(), backends.into());
        }
        snapshot(&config.to_string())
    })
}

fn judged(snapshot: &Snapshot, packets: &[Vec<u8>]) -> Vec<Outcome> {
    let outcomes = walk(snapshot, None, packets);
    outcomes.iter().for_each(|outcome| judge(snapshot, outcome));
    outcomes
}

fn one(snapshot: &Snapshot, packet: Vec<u8>) -> Outcome {
    judged(snapshot, &[packet]).remove(0)
}

/// What may become of a packet of a service: all but being forwarded is the way's fault or the packet's size.
fn is_for_a_backend(outcome: &Outcome) -> bool {
    let way = [
        DropReason::NoRoute,
        DropReason::NeighbourUnresolved,
        DropReason::MtuExceeded,
    ];
    outcome.meta.backend != NONE
        && (outcome.door == Stage::Forward || way.contains(&outcome.meta.reason))
}

proptest! {
    #[test]
    fn any_bytes_leave_by_one_door(
        snapshot in tables(),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..40),
    ) {
        judged(&snapshot, &packets);
    }

    #[test]
    fn whatever_leaves_is_right_and_needs_no_company(
        snapshot in tables(),
        packets in prop::collection::vec(packets::frame(), 0..64),
    ) {
        let together = judged(&snapshot, &packets);
        let mut turned = packets.clone();
        turned.reverse();
        for (a, b) in together.iter().rev().zip(walk(&snapshot, None, &turned)) {
            prop_assert_eq!(a.essence(), b.essence());
        }
        for (packet, outcome) in packets.into_iter().zip(&together) {
            let alone = one(&snapshot, packet);
            prop_assert_eq!(alone.essence(), outcome.essence());
        }
    }

    #[test]
    fn a_flow_has_one_backend_in_any_frame(
        snapshot in tables(),
        six: bool,
        source: u16,
        fields in (0..=2_usize, any::<u8>(), any::<bool>(), 0..=7_usize),
        lengths in prop::collection::vec(0..1400_usize, 1..=FRAME_SIZE),
    ) {
        let (tags, tos, dont_fragment, options) = fields;
        let packet = |len: &usize| {
            let plain = Parts::plain(six, Body::Transport(6, source, 80, *len));
            // Every second packet differs in all that is not the 5-tuple.
            let other = Parts { tags, tos, dont_fragment, options, ..plain.clone() };
            if len.is_multiple_of(2) { plain } else { other }.frame()
        };
        let outcomes = judged(&snapshot, &lengths.iter().map(packet).collect::<Vec<_>>());
        for outcome in &outcomes {
            prop_assert!(is_for_a_backend(outcome));
            prop_assert_eq!(outcome.meta.backend, outcomes[0].meta.backend);
        }
    }

    #[test]
    fn an_icmp_error_goes_to_the_backend_of_its_flow(
        snapshot in tables(),
        six: bool,
        ports in (any::<u16>(), 8000..8100_u16),
        protocol in prop::sample::select(vec![6_u8, 17, 132]),
        kind in 0..4_usize,
        quoted_len in 8..40_usize,
    ) {
        let flow = one(&snapshot, Parts::plain(six, Body::Transport(protocol, ports.0, ports.1, 0)).frame());
        let mut answer = Parts::plain(six, Body::Transport(protocol, ports.1, ports.0, 40));
        (answer.source, answer.destination) = (0, 4);
        let mut quoted = answer.packet();
        quoted.truncate(if six { 40 } else { 20 } + quoted_len);
        let kind = if six { [1, 2, 3, 4][kind] } else { [3, 4, 11, 12][kind] };
        let router = Parts { source: 5, ..Parts::plain(six, Body::Message(kind, quoted)) };
        let error = one(&snapshot, router.frame());
        prop_assert!(is_for_a_backend(&error));
        prop_assert_eq!(
            (error.meta.service, error.meta.slot, error.meta.backend),
            (flow.meta.service, flow.meta.slot, flow.meta.backend)
        );
    }

    #[test]
    fn an_echo_request_is_answered(six: bool, tags in 0..=2_usize, options in 0..=7_usize, len in 0..1400_usize) {
        let request = Parts { tags, options, ..Parts::plain(six, Body::Echo(len)) };
        prop_assert_eq!(one(&snapshot(CONFIG), request.frame()).door, Stage::Answer);
    }

    #[test]
    fn a_fragment_is_dropped_only_where_it_is_for_a_service(parts in packets::parts(), offset in 0..8000_u16) {
        let parts = Parts { fragment: (offset, true), ..parts };
        let outcome = one(&snapshot(CONFIG), parts.frame());
        let is_service = if parts.six { parts.destination == 0 } else { parts.destination < 3 };
        if is_service {
            prop_assert_eq!((outcome.door, outcome.meta.reason), (Stage::Drop, DropReason::Fragment));
        } else {
            prop_assert_eq!(outcome.door, Stage::Punt);
        }
    }

    #[test]
    fn a_port_takes_its_own_address_only(parts in packets::parts(), mac: [u8; 6]) {
        let mut frame = parts.frame();
        frame[..6].copy_from_slice(&mac);
        let outcomes = walk(&snapshot(CONFIG), Some(OWN_MAC), &[frame, parts.frame()]);
        let group = mac[0] & 1 == 1;
        prop_assert_eq!(outcomes[0].door, if group { Stage::Punt } else { Stage::Drop });
        prop_assert!(group || outcomes[0].meta.reason == DropReason::OtherHost);
        prop_assert!(outcomes[1].door != Stage::Drop || outcomes[1].meta.reason != DropReason::OtherHost);
    }
}
