//! The histories that broke earlier drafts of the flow protocol, one by one, on the real code.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers are the simulation's, and fail as a test's body does"
)]

#[path = "../simulate/catalogue.rs"]
mod catalogue;
#[path = "../simulate/disk.rs"]
mod disk;
#[path = "../simulate/node.rs"]
mod node;
#[path = "../simulate/segments.rs"]
mod segments;
mod trace;

use tentetsu::config::UdpFlows;
use tentetsu::control::command::Command;
use tentetsu::flow::Limits;
use trace::{Flow, Trace};

const AMPLE: Limits = Limits::of(4_096);

/// A -> B, and back to A after 10 s: a flow that began at B stays there.
#[test]
fn rollback_keeps_a_flow_listed_on_the_former_target() {
    let mut trace = Trace::moving(AMPLE);
    let flow = trace.opened(1, "B");
    trace.pass(6_000);
    trace.pool("A");
    for _ in 0..10 {
        trace.pass(4_000);
        trace.sends(&flow, "B");
    }
    assert_eq!(trace.syn(&Flow::new(2)), "A");
}

/// A flow whose only packets met a full table just before the flip holds the flip up.
#[test]
fn an_unlisted_packet_holds_the_flip_up() {
    let mut trace = Trace::new(Limits::of(2));
    let (listed, unlisted) = (Flow::new(1), Flow::new(2));
    trace.opens(&listed, "A");
    trace.opens(&unlisted, "A");
    trace.pool("B");
    trace.pass(4_000);
    trace.sends(&listed, "A");
    trace.pass(5_000);
    // There is room for one learned flow.
    trace.sends(&unlisted, "A");
    trace.sends(&listed, "A");
    trace.pass(8_000);
    trace.sends(&unlisted, "A");
}

/// A change to C while A -> B is half done: everybody stays where he is, and new flows go to C.
#[test]
fn a_second_change_overlaps_the_first() {
    let mut trace = Trace::new(AMPLE);
    let old = Flow::new(1);
    trace.opens(&old, "A");
    trace.pool("B");
    trace.pass(4_000);
    let middle = trace.opened(2, "B");
    trace.pool("C");
    trace.pass(4_000);
    trace.sends(&old, "A");
    trace.sends(&middle, "B");
    trace.opened(3, "C");
    trace.pass(9_000);
    trace.sends(&old, "A");
    trace.sends(&middle, "B");
}

/// A slow SYN-ACK of D races a repeated SYN: that goes to D too.
#[test]
fn a_repeated_syn_goes_where_the_first_one_did() {
    let mut trace = Trace::new(AMPLE);
    trace.pool("B");
    trace.pass(2_500);
    let flow = Flow::new(1);
    assert_eq!(trace.syn(&flow), "A");
    trace.pass(1_000);
    assert_eq!(trace.syn(&flow), "A");
    assert_eq!(trace.syn(&Flow::new(2)), "B");
    trace.sends(&flow, "A");
}

/// An upload goes round the whole sequence space.
#[test]
fn an_upload_leaves_its_window_behind() {
    let mut trace = Trace::moving(AMPLE);
    let mut flow = trace.opened(1, "B");
    for _ in 0..70_000 {
        trace.sends(&flow, "B");
        flow.advance(64_000);
    }
}

/// A keepalive stands one before the next octet: at the ISN, if nothing was sent.
#[test]
fn a_keepalive_belongs_to_its_flow() {
    let mut trace = Trace::moving(AMPLE);
    let mut flow = trace.opened(1, "B");
    flow.advance(u32::MAX);
    trace.sends(&flow, "B");
}

/// SYNs that hit the window of a live flow, one further on than the other, leave it where it is.
#[test]
fn lucky_forged_syns_move_nobody() {
    let mut trace = Trace::moving(AMPLE);
    let flow = trace.opened(1, "B");
    trace.pool("C");
    trace.pass(4_000);
    for step in 0..64 {
        trace.forged_syn(&flow, step << 23);
        // More than what a new connection is believed in.
        trace.acknowledges(&flow, step * 200_000, "B");
    }
}

/// A client takes its port again while its former connection is half closed, and new flows go elsewhere by now: each of the
/// two stays where it is, and the slot is as clean as if they had ports of their own.
#[test]
fn a_port_that_is_taken_again_is_another_flow() {
    let mut trace = Trace::moving(AMPLE);
    let first = trace.opened(1, "B");
    trace.fin(&first, "B");
    trace.pool("C");
    trace.pass(4_000);
    let second = first.again(1 << 30);
    let third = second.again(1 << 16);
    trace.opens(&second, "C");
    trace.fin(&second, "C");
    trace.opens(&third, "C");
    for _ in 0..3 {
        trace.pass(3_000);
        trace.sends(&first, "B");
        trace.sends(&third, "C");
    }
    assert!(trace.flips() > 0, "nothing left on A unlisted");
    trace.pass(9_000);
    trace.sends(&third, "C");
}

/// A connection that was there before the change ends, and its client takes the port again: the next one begins at the new
/// backend, again and again, and the old one's entry ends with it.
#[test]
fn the_port_of_an_old_connection_is_taken_again() {
    let mut trace = Trace::new(AMPLE);
    let mut old = trace.opened(1, "A");
    trace.pool("B");
    trace.pass(4_000);
    trace.sends(&old, "A");
    trace.fin(&old, "A");
    old.advance(1);
    trace.sends(&old, "A");
    let mut next = old.again(1 << 16);
    for round in 2..10 {
        trace.opens_at(&next, round << 26, "B");
        if round < 4 {
            trace.sends(&old, "A");
        }
        trace.pass(6_000);
        trace.acknowledges(&next, round << 26, "B");
        trace.fin_at(&next, round << 26, "B");
        next = next.again(1 << 16);
        next.advance(1);
    }
    assert_eq!(trace.flips(), 31, "all of A is listed");
    assert_eq!(trace.listed(), 0, "nothing is left on A");
}

/// Where a new connection goes to the default, beside an old one by the same port that goes elsewhere: it is whole as well,
/// even if the two stand near each other.
#[test]
fn a_port_is_taken_again_whatever_the_slot_does() {
    let mut trace = Trace::new(AMPLE);
    let mut old = trace.opened(1, "A");
    trace.pool("B");
    for _ in 0..4 {
        trace.pass(4_000);
        trace.sends(&old, "A");
    }
    assert_eq!(trace.flips(), 31);
    trace.fin(&old, "A");
    old.advance(1);
    // The slot drains: B is all there is, but for the old one.
    let second = old.again(1);
    trace.opens_at(&second, 2 << 26, "B");
    trace.pass(2_000);
    trace.sends(&old, "A");
    trace.acknowledges(&second, 2 << 26, "B");
    // It is armed, and then goes to C.
    trace.pool("C");
    trace.pass(1_000);
    let third = second.again(1);
    trace.opens_at(&third, 4 << 26, "B");
    trace.pass(6_000);
    let fourth = third.again(1);
    trace.opens_at(&fourth, 6 << 26, "C");
    for _ in 0..2 {
        trace.sends(&old, "A");
        trace.acknowledges(&second, 2 << 26, "B");
        trace.acknowledges(&third, 4 << 26, "B");
        trace.acknowledges(&fourth, 6 << 26, "C");
        // Beside these there is no room: it goes where what follows would go, too.
        let fifth = fourth.again(1 << 29);
        trace.opens_at(&fifth, 8 << 26, "A");
        trace.fin_at(&fifth, 8 << 26, "A");
        trace.pass(2_000);
    }
    trace.pass(10_000);
    trace.opens_at(&fourth.again(1), 10 << 26, "C");
}

/// A FIN that is not where the flow stands proves nothing: a SYN goes to the flow still.
#[test]
fn a_forged_fin_makes_no_room() {
    let mut trace = Trace::new(AMPLE);
    let old = trace.opened(1, "A");
    let mut other = trace.opened(2, "A");
    trace.pool("B");
    trace.pass(4_000);
    trace.sends(&old, "A");
    trace.fin(&old.again(1 << 20), "A");
    assert_eq!(trace.syn(&old.again(1)), "A");
    // Where it does stand, it is one: as long as nothing follows.
    trace.sends(&other, "A");
    trace.fin(&other, "A");
    other.advance(2);
    trace.sends(&other, "A");
    assert_eq!(trace.syn(&other.again(1)), "A");
}

/// Whoever makes up connections of a client's ports has no more than four, and none is the client's.
#[test]
fn made_up_connections_take_little_room() {
    let mut trace = Trace::moving(AMPLE);
    let real = trace.opened(1, "B");
    let mut forged = real.again(1 << 30);
    for _ in 0..9 {
        forged = forged.again((1 << 30) + (1 << 27));
        trace.syn(&forged);
        trace.sends(&real, "B");
    }
    assert_eq!(trace.listed(), 4);
}

/// A forged RST shortens nothing.
#[test]
fn a_forged_rst_ends_nobody() {
    let mut trace = Trace::new(AMPLE);
    let old = Flow::new(1);
    trace.opens(&old, "A");
    trace.pool("B");
    trace.pass(4_000);
    trace.sends(&old, "A");
    let new = trace.opened(2, "B");
    trace.forged_rst(&old);
    trace.forged_rst(&new);
    trace.pass(9_900);
    trace.sends(&old, "A");
    trace.sends(&new, "B");
}

/// After its FIN a client listens for long.
#[test]
fn a_half_closed_flow_may_be_silent() {
    let mut trace = Trace::moving(AMPLE);
    let flow = trace.opened(1, "B");
    trace.fin(&flow, "B");
    trace.pass(9_900);
    trace.sends(&flow, "B");
}

/// The target dies between a SYN and its answer: the repeated SYN finds another.
#[test]
fn an_attempt_survives_its_target() {
    let mut trace = Trace::new(AMPLE);
    trace.pool("BC");
    trace.pass(4_000);
    let flow = Flow::new(1);
    let first = trace.syn(&flow);
    let (pool, name) = ("web".to_owned(), first.to_owned());
    trace.change(Command::Maintain { pool, name });
    trace.pass(1_000);
    let second = trace.syn(&flow);
    assert_ne!(first, second);
    trace.sends(&flow, second);
}

/// A kill in the middle of a transition: who was listed stays, and so does who was not.
#[test]
fn a_restart_keeps_both_sides() {
    let mut trace = Trace::new(AMPLE);
    let (old, silent) = (Flow::new(1), Flow::new(2));
    trace.opens(&old, "A");
    trace.opens(&silent, "A");
    trace.pool("B");
    trace.pass(4_000);
    trace.sends(&old, "A");
    let new = trace.opened(3, "B");
    trace.restart();
    trace.sends(&silent, "A");
    trace.sends(&old, "A");
    trace.sends(&new, "B");
    trace.pass(9_000);
    trace.sends(&new, "B");
    trace.sends(&silent, "A");
}

/// A QUIC packet with a long header of version 1: an Initial, to this connection ID.
const fn initial(id: u8) -> [u8; 15] {
    [0xc0, 0, 0, 0, 1, 8, id, id, id, id, id, id, id, id, 0]
}

/// A 1-RTT packet.
const SHORT: [u8; 20] = [0x41; 20];

/// A handshake begins at arm and goes on after steer: its next Initial has another connection ID, and is no new flow's.
#[test]
fn a_quic_handshake_ends_where_it_began() {
    let mut trace = Trace::new(AMPLE);
    trace.flows(UdpFlows::Quic);
    let (old, silent, shaking) = (Flow::quic(1), Flow::quic(2), Flow::quic(3));
    for flow in [&old, &silent] {
        assert_eq!(trace.datagram(flow, &initial(1)), "A");
        assert_eq!(trace.datagram(flow, &SHORT), "A");
    }
    trace.pool("B");
    trace.pass(2_500);
    assert_eq!(trace.datagram(&old, &SHORT), "A");
    assert_eq!(trace.datagram(&shaking, &initial(3)), "A");
    trace.pass(1_500);
    assert_eq!(trace.datagram(&shaking, &initial(33)), "A");
    assert_eq!(trace.datagram(&shaking, &SHORT), "A");
    // Who begins now goes to B, and the next of its Initials too.
    let new = Flow::quic(4);
    assert_eq!(trace.datagram(&new, &initial(4)), "B");
    assert_eq!(trace.datagram(&new, &initial(44)), "B");
    assert_eq!(trace.datagram(&new, &SHORT), "B");
    trace.pass(5_500);
    for flow in [&old, &shaking, &silent] {
        assert_eq!(trace.datagram(flow, &SHORT), "A");
    }
    trace.pass(5_000);
    for (flow, backend) in [(&old, "A"), (&silent, "A"), (&shaking, "A"), (&new, "B")] {
        assert_eq!(trace.datagram(flow, &SHORT), backend);
    }
}

/// Nobody waits for a query's flow to end: all go to B as soon as every worker steers, and none is listed.
#[test]
fn a_stateless_service_turns_at_steer() {
    let mut trace = Trace::new(AMPLE);
    trace.flows(UdpFlows::Stateless);
    let flow = Flow::quic(1);
    assert_eq!(trace.datagram(&flow, b"query"), "A");
    trace.pool("B");
    trace.pass(2_500);
    assert_eq!(trace.datagram(&flow, b"query"), "A");
    trace.pass(1_500);
    assert_eq!(trace.datagram(&flow, b"query"), "B");
    assert_eq!(trace.listed(), 0);
}

/// A service learns to tell its flows apart while slots move: who is listed stays where he is.
#[test]
fn another_way_to_tell_flows_apart_moves_no_listed_flow() {
    let mut trace = Trace::new(AMPLE);
    let (old, new) = (Flow::quic(1), Flow::quic(2));
    assert_eq!(trace.datagram(&old, &SHORT), "A");
    trace.pool("B");
    trace.pass(4_000);
    // Nothing tells a new flow from an old one.
    assert_eq!(trace.datagram(&old, &SHORT), "A");
    assert_eq!(trace.datagram(&Flow::quic(3), &initial(3)), "A");
    trace.flows(UdpFlows::Quic);
    assert_eq!(trace.datagram(&Flow::quic(3), &initial(33)), "A");
    assert_eq!(trace.datagram(&new, &initial(2)), "B");
    trace.flows(UdpFlows::Sticky);
    assert_eq!(trace.datagram(&new, &SHORT), "B");
    assert_eq!(trace.datagram(&old, &SHORT), "A");
    trace.flows(UdpFlows::Stateless);
    assert_eq!(trace.datagram(&old, &SHORT), "B");
    trace.flows(UdpFlows::Quic);
    assert_eq!(trace.datagram(&old, &SHORT), "A");
}

/// Flows of all backends, and where each began.
fn spread_out(trace: &mut Trace, ports: std::ops::Range<u16>) -> Vec<(Flow, &'static str)> {
    let open = |port| {
        let flow = Flow::new(port);
        let backend = trace.syn(&flow);
        trace.sends(&flow, backend);
        (flow, backend)
    };
    ports.map(open).collect()
}

/// The hash key is rotated, and the table gets another size: twice, the second time in mid-transition, and in a restart.
/// Everybody stays where he began, and at the end all goes by the newest.
#[test]
fn another_key_and_another_number_of_slots() {
    let mut trace = Trace::new(AMPLE);
    trace.pool("ABC");
    trace.pass(20_000);
    let mut flows = spread_out(&mut trace, 0..60);
    let moved = |of: &[(Flow, &str)], as_of: &[(Flow, &str)]| {
        let pairs = of.iter().zip(as_of);
        pairs.filter(|(a, b)| a.1 != b.1).count()
    };
    trace.spread(1, 61);
    trace.pass(4_000);
    let second = spread_out(&mut trace, 100..160);
    trace.spread(2, 31);
    trace.restart();
    trace.pass(4_000);
    let third = spread_out(&mut trace, 200..260);
    assert!(moved(&flows, &second) > 10 && moved(&second, &third) > 10);
    flows.extend(second);
    flows.extend(third);
    for _ in 0..10 {
        trace.pass(4_000);
        for (flow, backend) in &flows {
            trace.sends(flow, backend);
        }
    }
    trace.pass(25_000);
    assert!(!trace.is_moving());
}

/// A backend dies while flows of former slots go to it: theirs go where new ones do, the others stay.
#[test]
fn a_backend_of_former_slots_dies() {
    let mut trace = Trace::new(AMPLE);
    trace.pool("ABC");
    trace.pass(20_000);
    let flows = spread_out(&mut trace, 0..60);
    trace.spread(1, 31);
    trace.pass(1_000);
    let (pool, name) = ("web".to_owned(), "B".to_owned());
    trace.change(Command::Maintain { pool, name });
    trace.pass(1_000);
    for (flow, backend) in &flows {
        match *backend {
            "B" => assert_ne!(trace.syn(flow), "B"),
            backend => trace.sends(flow, backend),
        }
    }
}
