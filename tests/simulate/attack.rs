//! Somebody off the path: sees no packet, and guesses wrong where a flow stands.

use std::net::Ipv4Addr;

use tentetsu::flow::{Kind, Segment};

use super::client::{Habit, State, Traffic, at, key};
use super::climate::Attack;
use super::world::World;

/// What one moment of an attack sends.
pub fn round(world: &mut World) {
    match world.climate.attack {
        Attack::None => {}
        Attack::Flood => flood(world),
        Attack::Forge => forge(world),
    }
}

/// SYNs of random sources.
fn flood(world: &mut World) {
    for _ in 0..4 {
        let random = &mut world.random;
        let [a, b, c, d, ..] = random.next().to_le_bytes();
        let port = 1_024 + random.within(0..60_000) as u16;
        let vip = random.pick(&[7, 8]);
        let key = key(
            [a, b, c, d],
            port,
            Ipv4Addr::new(203, 0, 113, vip),
            Traffic::Tcp,
        );
        let segment = at(Kind::First, random.word(), 1, None);
        send(world, key, segment);
    }
}

/// Packets on somebody's 5-tuple.
fn forge(world: &mut World) {
    let clients = world.clients.len() as u64;
    let victim = world.random.within(0..clients) as usize;
    let of = &world.clients[victim];
    if of.traffic != Traffic::Tcp || of.habit == Habit::Uploader || of.state == State::Over {
        return;
    }
    let (key, next, of_server) = (of.key, of.next, of.server);
    let (seq, ack) = (guess(world), guess(world));
    match world.random.within(0..6) {
        0 if world
            .listed_at(&key)
            .is_some_and(|at| of_server == Some(at)) =>
        {
            // By luck it hits the window of a flow that is listed: no SYN moves that.
            let near = next.wrapping_add(world.random.within(0..30 << 20) as u32);
            send(
                world,
                key,
                at(Kind::First, near.wrapping_sub(15 << 20), 1, None),
            );
        }
        0 | 1 => send(world, key, at(Kind::First, seq, 1, None)),
        // Who sends a SYN knows what follows it.
        2 => {
            send(world, key, at(Kind::First, seq, 1, None));
            send(
                world,
                key,
                at(Kind::Within, seq.wrapping_add(1), 0, Some(ack)),
            );
        }
        3 => send(world, key, at(Kind::Within, seq, 0, Some(ack))),
        4 => send(world, key, at(Kind::Fin, seq, 1, Some(ack))),
        _ => send(world, key, at(Kind::Reset, seq, 0, None)),
    }
}

/// A number from the half of the space that no client of this world is in; what luck may do is arithmetic, and told
/// beside the windows of `flow::follow`.
fn guess(world: &mut World) -> u32 {
    let margin = 64 << 20;
    let half = (1 << 30) + margin..3 * (1 << 30) - margin;
    world.random.within(half) as u32
}

fn send(world: &mut World, key: tentetsu::packet::FlowKey, segment: Segment) {
    let worker = world.random.within(0..world.climate.workers as u64) as usize;
    if world.stands_still(worker) {
        return;
    }
    let now = world.now;
    let sent = world.node().forward(worker, &key, segment, now);
    world.outcome.packet(now, usize::MAX, sent);
    world.tell_forged(key, segment, worker, sent);
}
