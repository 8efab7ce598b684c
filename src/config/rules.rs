//! What must hold between values, wherever they come from: the file and the API refuse the same. A rule takes values
//! with their places, and tells a [`Witness`], which knows what a place is.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Display;
use std::hash::Hash;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::maglev::next_prime;
use super::section::similar;
use super::{Encap, Protocol};

/// Who takes note of faults. `P` is a place.
pub(crate) trait Witness<P> {
    /// Something is wrong at a place.
    fn fault(&self, at: P, message: String, hint: String);

    /// How another fault's message refers to a place, such as `on line 7`.
    fn mention(&self, at: P) -> String;
}

/// Each value is there once; `what` names it in messages, such as `port name`.
pub(crate) fn unique<T: Hash + Eq + Display, P: Copy>(
    what: &str,
    found: impl IntoIterator<Item = (T, P)>,
    witness: &impl Witness<P>,
) {
    let mut first = HashMap::new();
    for (value, place) in found {
        match first.entry(value) {
            Entry::Vacant(entry) => _ = entry.insert(place),
            Entry::Occupied(entry) => witness.fault(
                place,
                format!(
                    "{what} `{}` is used twice, first {}",
                    entry.key(),
                    witness.mention(*entry.get())
                ),
                format!("each {what} is used once: change this one or take it out"),
            ),
        }
    }
}

/// A pool that has backends has one that takes flows.
pub(crate) fn weights<P>(
    pool: P,
    weights: impl IntoIterator<Item = u32>,
    witness: &impl Witness<P>,
) {
    let mut weights = weights.into_iter().peekable();
    if weights.peek().is_some() && weights.all(|weight| weight == 0) {
        let hint = "give one backend a weight above 0; a pool that is to drop everything has no backends at all";
        let message = "all backends of this pool have weight 0";
        witness.fault(pool, message.to_owned(), hint.to_owned());
    }
}

/// Each backend with a weight needs a slot; a hundred of them keep shares within a few percent
/// (Maglev paper, section 5.3).
pub(crate) fn slots<P>(pool: P, weighted: usize, slots: u32, witness: &impl Witness<P>) {
    if weighted > slots as usize {
        let wanted = u32::try_from(weighted.saturating_mul(100)).unwrap_or(u32::MAX);
        witness.fault(
            pool,
            format!("{weighted} backends have a weight, but a table has {slots} slots"),
            format!(
                "set `maglev.slots` to {} in the configuration file, a hundred times as many, or give fewer of them a weight",
                next_prime(wanted)
            ),
        );
    }
}

/// A port of an address and protocol belongs to one service. Values come in the order in which they were written.
pub(crate) fn overlaps<'v, P: Copy>(
    ports: impl IntoIterator<Item = (IpNet, Protocol, &'v RangeInclusive<u16>, P)>,
    witness: &impl Witness<P>,
) {
    let mut groups: HashMap<_, Vec<_>> = HashMap::new();
    for (order, (address, protocol, ports, place)) in ports.into_iter().enumerate() {
        let group = groups.entry((address, protocol)).or_default();
        group.push(Claim {
            ports,
            order,
            place,
        });
    }
    for mut claims in groups.into_values() {
        sweep(&mut claims, witness);
    }
}

/// A range of ports that a service wants.
#[derive(Clone, Copy)]
struct Claim<'v, P> {
    ports: &'v RangeInclusive<u16>,
    order: usize,
    place: P,
}

/// One sweep over the ranges of one address and protocol, in order of their first ports.
fn sweep<P: Copy>(claims: &mut [Claim<'_, P>], witness: &impl Witness<P>) {
    claims.sort_by_key(|claim| (*claim.ports.start(), claim.order));
    let mut claims = claims.iter().copied();
    let Some(mut widest) = claims.next() else {
        return;
    };
    for claim in claims {
        if claim.ports.start() <= widest.ports.end() {
            let (first, second) = if claim.order < widest.order {
                (claim, widest)
            } else {
                (widest, claim)
            };
            overlap(first, second, witness);
        }
        if claim.ports.end() > widest.ports.end() {
            widest = claim;
        }
    }
}

fn overlap<P: Copy>(first: Claim<'_, P>, second: Claim<'_, P>, witness: &impl Witness<P>) {
    let message = format!(
        "ports {} overlap {} {}, of the same address and protocol",
        written(second.ports),
        written(first.ports),
        witness.mention(first.place)
    );
    let hint = "a port of an address belongs to one service: take it out of one of the two";
    witness.fault(second.place, message, hint.to_owned());
}

fn written(ports: &RangeInclusive<u16>) -> String {
    match (*ports.start(), *ports.end()) {
        (0, u16::MAX) => "\"any\"".to_owned(),
        (low, high) if low == high => low.to_string(),
        (low, high) => format!("{low}-{high}"),
    }
}

/// A service's pool is there; `add` says how to add one of a name.
pub(crate) fn unknown_pool<P>(
    pool: &str,
    at: P,
    known: &[&str],
    add: impl FnOnce(&str) -> String,
    witness: &impl Witness<P>,
) {
    let hint = match similar(pool, known) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => add(pool),
    };
    witness.fault(at, format!("no pool is named {pool:?}"), hint);
}

/// A service on the host's own address would take the host's own connections; `own` are the ports' addresses, with
/// how a message refers to each.
pub(crate) fn host<P>(
    (vip, at): (IpNet, P),
    own: impl IntoIterator<Item = (IpAddr, P)>,
    witness: &impl Witness<P>,
) {
    let mut own = own.into_iter();
    if let Some((own, place)) = own.find(|(own, _)| vip.contains(own)) {
        let place = witness.mention(place);
        witness.fault(
            at,
            format!("the service takes {own}, the port's own address {place}"),
            "give the service an address of its own".to_owned(),
        );
    }
}

/// Addresses that no backend may have, with what each is and its place.
pub(crate) type Taken<P> = HashMap<IpAddr, (&'static str, P)>;

/// The services' addresses (of prefixes only those of one address: a wider one may hold backends) and the ports' own.
pub(crate) fn taken<P>(
    vips: impl IntoIterator<Item = (IpNet, P)>,
    own: impl IntoIterator<Item = (IpAddr, P)>,
) -> Taken<P> {
    let vips = vips.into_iter();
    let single = vips.filter(|(vip, _)| vip.prefix_len() == vip.max_prefix_len());
    let vips = single.map(|(vip, place)| (vip.addr(), ("a service's address", place)));
    let own = own.into_iter();
    vips.chain(own.map(|(own, place)| (own, ("the port's own address", place))))
        .collect()
}

/// What is sent to a backend leaves: at an address that is taken it would come back.
pub(crate) fn backends<P: Copy>(
    taken: &Taken<P>,
    backends: impl IntoIterator<Item = (IpAddr, P)>,
    witness: &impl Witness<P>,
) {
    for (address, at) in backends {
        if let Some((what, place)) = taken.get(&address) {
            let place = witness.mention(*place);
            witness.fault(
                at,
                format!("the backend has {address}, {what} {place}: its packets would come back"),
                "give the backend an address of its own".to_owned(),
            );
        }
    }
}

/// A frame whose destination MAC alone changes keeps the VIP's family up to the backend.
pub(crate) fn families<P>(
    (vip, at): (IpNet, P),
    encap: Encap,
    backends: impl IntoIterator<Item = (IpAddr, P)>,
    witness: &impl Witness<P>,
) {
    if encap != Encap::L2Dsr {
        return;
    }
    let is_other = |address: &IpAddr| address.is_ipv4() != vip.addr().is_ipv4();
    let mut backends = backends.into_iter();
    if let Some((other, place)) = backends.find(|(address, _)| is_other(address)) {
        let message = format!(
            "the pool is l2dsr, and its backend {other} {} is of another address family than {}",
            witness.mention(place),
            vip.addr()
        );
        let hint = "use a pool whose `encap` is \"ipip\", or one whose backends are all of the service's family";
        witness.fault(at, message, hint.to_owned());
    }
}
