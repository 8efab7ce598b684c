//! Somebody off the path: sees no packet, and guesses wrong where a flow stands.

use std::net::{Ipv4Addr, Ipv6Addr};

use tentetsu::flow::{Kind, Segment};

use super::catalogue::{HOSTS, Traffic, key, vip};
use super::client::{Habit, State};
use super::climate::Attack;
use super::segments::{at, cookie_echo, tagged};
use super::world::World;

/// What one moment of an attack sends.
pub fn round(world: &mut World) {
    match world.climate.attack {
        Attack::None => {}
        Attack::Flood => flood(world),
        Attack::Forge => forge(world),
    }
}

/// First packets of random sources.
fn flood(world: &mut World) {
    for _ in 0..4 {
        let random = &mut world.random;
        let ip6 = random.percent(25);
        let source = if ip6 {
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(random.next())).into()
        } else {
            Ipv4Addr::from_bits(random.word()).into()
        };
        let port = 1_024 + random.within(0..60_000) as u16;
        let vip = vip(ip6, random.pick(&HOSTS));
        let (traffic, number) = (random.pick(&[Traffic::Tcp, Traffic::Sctp]), random.word());
        let first = match traffic {
            Traffic::Sctp => tagged(Kind::First, number),
            _ => at(Kind::First, number, 1, None),
        };
        send(world, key(source, port, vip, traffic), first);
    }
}

/// Packets on somebody's 5-tuple.
fn forge(world: &mut World) {
    let clients = world.clients.len() as u64;
    let victim = world.random.within(0..clients) as usize;
    let of = &world.clients[victim];
    if of.habit == Habit::Uploader || of.state == State::Over {
        return;
    }
    match of.traffic {
        Traffic::Tcp => forge_tcp(world, victim),
        Traffic::Sctp => forge_sctp(world, victim),
        Traffic::Sticky | Traffic::Stateless | Traffic::Quic => {}
    }
}

fn forge_tcp(world: &mut World, victim: usize) {
    let of = &world.clients[victim];
    let (key, next) = (of.key, of.next);
    let (seq, ack) = (guess(world), guess(world));
    // In its window by luck.
    let near = next.wrapping_add(world.random.within(1..15 << 20) as u32);
    match world.random.within(0..6) {
        0 if is_known(world, victim) => {
            world.clients[victim].guessed = true;
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
        3 | 4 => {
            let kind = world.random.pick(&[Kind::Within, Kind::Fin]);
            // Without an acknowledgement, or with one that is wrong, it is nobody's.
            let (seq, ack) = world
                .random
                .pick(&[(seq, Some(ack)), (seq, None), (near, None)]);
            send(world, key, at(kind, seq, 1, ack));
        }
        _ => {
            // Not where its next packet would be (RFC 5961).
            let seq = world.random.pick(&[seq, near]);
            send(world, key, at(Kind::Reset, seq, 0, None));
        }
    }
}

/// Whether an entry knows where a client's flow is: of others luck may be told (see [`guess`]).
fn is_known(world: &World, client: usize) -> bool {
    let place = world.clients[client].place();
    let entry = world.entry_of(client);
    entry.is_some_and(|entry| entry.ack.is_some() && entry.distance(place) < 1 << 20)
}

fn forge_sctp(world: &mut World, victim: usize) {
    let (key, echoed) = (world.clients[victim].key, world.clients[victim].echoed);
    let tag = guess(world);
    let forged = match world.random.within(0..4) {
        // The entry that an INIT made believes the first COOKIE ECHO, whatever its tag. So nobody makes one for the
        // client's here, or is before it.
        0 | 1 if !echoed => return,
        0 => tagged(Kind::First, tag),
        1 => cookie_echo(tag),
        2 => tagged(Kind::Within, tag),
        _ => tagged(Kind::Reset, tag),
    };
    send(world, key, forged);
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
