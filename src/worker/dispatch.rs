//! Takes the packets of a walked frame out by their doors, and counts what the devices took.

use super::lane::Lane;
use crate::graph::{Graph, Stage};
use crate::packet::{DropReason, Frame};
use crate::port::Queue;

/// Moves every packet of `frame`, which lane `from` received, to where its door leads.
#[inline(always)]
pub(super) fn dispatch<Q: Queue>(
    frame: &mut Frame<Q::Buffer>,
    graph: &Graph<'_>,
    lanes: &mut [Lane<'_, Q>],
    from: usize,
) {
    let forwarded = graph.at(Stage::Forward).len();
    if forwarded == frame.packets.len() && frame.tx_ports.is_power_of_two() {
        let to = frame.tx_ports.trailing_zeros() as usize;
        if let Some(lane) = lanes.get_mut(to) {
            std::mem::swap(&mut lane.out, &mut frame.packets);
        }
    } else {
        split(frame, graph, lanes, from);
    }
    let mut tx_ports = frame.tx_ports;
    while tx_ports != 0 {
        forward(lanes, tx_ports.trailing_zeros() as usize, from);
        tx_ports &= tx_ports - 1;
    }
}

/// Sends what waits at lane `to`.
#[inline(always)]
fn forward<Q: Queue>(lanes: &mut [Lane<'_, Q>], to: usize, from: usize) {
    let Some(lane) = lanes.get_mut(to) else {
        return;
    };
    let packets = lane.out.len() as u64;
    let sent = lane.transmit();
    let Some(lane) = lanes.get(from) else { return };
    lane.counters.forwarded.add(sent);
    if sent < packets {
        lane.counters.drop(DropReason::TxRingFull, packets - sent);
    }
}

/// The frame's packets part: first the answers go, then the rest waits at its lanes.
#[inline(never)]
fn split<Q: Queue>(
    frame: &mut Frame<Q::Buffer>,
    graph: &Graph<'_>,
    lanes: &mut [Lane<'_, Q>],
    from: usize,
) {
    let doors = graph.doors();
    let Frame { packets, meta, .. } = frame;
    let mut forwards: u64 = 0;
    for ((packet, door), meta) in packets.drain(..).zip(doors).zip(meta.iter()) {
        let to = if door == Stage::Forward {
            usize::from(meta.tx_port)
        } else {
            from
        };
        forwards |= u64::from(door == Stage::Forward) << (to & 63);
        let Some(lane) = lanes.get_mut(to) else {
            continue;
        };
        match door {
            Stage::Forward => lane.out.push(packet),
            Stage::Answer => lane.answers.push(packet),
            Stage::Punt => lane.punts.push(packet),
            _ => lane.drops.push(packet),
        }
    }
    frame.tx_ports = forwards;
    if let Some(lane) = lanes.get_mut(from) {
        lane.answer();
        lane.punt();
        lane.free();
    }
}
