//! Which service a packet is for: by destination address or prefix, protocol and port.
//!
//! The most specific rule wins: the longest prefix first, then the protocol, then the shortest port range.
//! All of that is decided when the index is built. A lookup costs one probe per distinct prefix length and
//! family, and a search in the few port spans of one address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::packet::FlowKey;

/// One service's rule, as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Address or prefix.
    pub prefix: IpNet,
    /// IP protocol number.
    pub protocol: u8,
    /// Destination ports.
    pub ports: Vec<RangeInclusive<u16>>,
    /// What a match returns.
    pub service: u32,
}

/// What a destination is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// This service's.
    Service(u32),
    /// A service address, but on no service's protocol and port.
    NoPort,
    /// No service address.
    NotVip,
}

/// The services of one generation, built for lookup.
#[derive(Debug, Clone, Default)]
pub struct ServiceIndex {
    v4: Vec<PrefixTable<u32>>,
    v6: Vec<PrefixTable<u128>>,
    listeners: Vec<Listener>,
    spans: Vec<PortSpan>,
}

/// The spans of one prefix and protocol.
#[derive(Debug, Clone, Copy)]
struct Listener {
    protocol: u8,
    first: u32,
    last: u32,
}

/// Ports that go to one service. The spans of a listener are sorted and disjoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PortSpan {
    first: u16,
    last: u16,
    service: u32,
}

impl ServiceIndex {
    /// Builds the index; `rules` in any order.
    #[must_use]
    pub fn new(rules: &[Rule]) -> Self {
        let mut prefixes: Vec<IpNet> = rules.iter().map(|rule| rule.prefix.trunc()).collect();
        prefixes.sort_unstable_by_key(|p| (std::cmp::Reverse(p.prefix_len()), *p));
        prefixes.dedup();
        let mut index = Self::default();
        for prefix in prefixes {
            let first = index.listeners.len();
            index.add_listeners(&prefix, rules);
            let listeners = (entry(first), entry(index.listeners.len()));
            match prefix {
                IpNet::V4(p) => insert(
                    &mut index.v4,
                    p.network().to_bits(),
                    p.netmask().to_bits(),
                    listeners,
                ),
                IpNet::V6(p) => insert(
                    &mut index.v6,
                    p.network().to_bits(),
                    p.netmask().to_bits(),
                    listeners,
                ),
            }
        }
        index
    }

    /// Adds what listens on `prefix`: its own rules, and under them those of the prefixes around it.
    fn add_listeners(&mut self, prefix: &IpNet, rules: &[Rule]) {
        let mut by_protocol: BTreeMap<u8, Vec<&Rule>> = BTreeMap::new();
        for rule in rules.iter().filter(|rule| rule.prefix.contains(prefix)) {
            by_protocol.entry(rule.protocol).or_default().push(rule);
        }
        for (protocol, rules) in by_protocol {
            let first = entry(self.spans.len());
            self.spans.extend(flatten(&rules));
            self.listeners.push(Listener {
                protocol,
                first,
                last: entry(self.spans.len()),
            });
        }
    }

    /// Looks up an IPv4 destination, address as on the wire.
    #[inline]
    #[must_use]
    pub fn find_v4(&self, address: [u8; 4], protocol: u8, port: u16) -> Match {
        let address = u32::from_be_bytes(address);
        self.port(
            self.v4.iter().find_map(|table| table.find(address)),
            protocol,
            port,
        )
    }

    /// Looks up an IPv6 destination, address as on the wire.
    #[inline]
    #[must_use]
    pub fn find_v6(&self, address: [u8; 16], protocol: u8, port: u16) -> Match {
        let address = u128::from_be_bytes(address);
        self.port(
            self.v6.iter().find_map(|table| table.find(address)),
            protocol,
            port,
        )
    }

    /// Looks up the destination of a flow.
    #[must_use]
    pub fn find(&self, key: &FlowKey) -> Match {
        let transport = key.transport();
        let (protocol, port) = (transport.protocol, transport.ports.destination());
        match key.addresses().1 {
            IpAddr::V4(address) => self.find_v4(address.octets(), protocol, port),
            IpAddr::V6(address) => self.find_v6(address.octets(), protocol, port),
        }
    }

    #[inline]
    fn port(&self, listeners: Option<(u32, u32)>, protocol: u8, port: u16) -> Match {
        let Some((first, last)) = listeners else {
            return Match::NotVip;
        };
        let listeners = self
            .listeners
            .get(first as usize..last as usize)
            .unwrap_or_default();
        let Some(listener) = listeners.iter().find(|l| l.protocol == protocol) else {
            return Match::NoPort;
        };
        let spans = self
            .spans
            .get(listener.first as usize..listener.last as usize)
            .unwrap_or_default();
        let behind = spans.partition_point(|span| span.first <= port);
        match behind.checked_sub(1).and_then(|i| spans.get(i)) {
            Some(span) if port <= span.last => Match::Service(span.service),
            _ => Match::NoPort,
        }
    }
}

/// Indices of tables that the configuration's limits keep far below 2^32.
fn entry(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// Cuts the overlapping port ranges of `rules` into disjoint spans, each of the most specific rule.
fn flatten(rules: &[&Rule]) -> Vec<PortSpan> {
    let ranges = || {
        rules
            .iter()
            .flat_map(|rule| rule.ports.iter().map(move |ports| (*rule, ports)))
    };
    let mut cuts: Vec<u32> = ranges()
        .flat_map(|(_, p)| [u32::from(*p.start()), u32::from(*p.end()) + 1])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut spans: Vec<PortSpan> = Vec::new();
    for pair in cuts.windows(2) {
        let (Ok(first), Ok(last)) = (u16::try_from(pair[0]), u16::try_from(pair[1] - 1)) else {
            continue;
        };
        let specificity = |(rule, ports): &(&Rule, &RangeInclusive<u16>)| {
            (
                rule.prefix.prefix_len(),
                std::cmp::Reverse(ports.end() - ports.start()),
            )
        };
        let Some((rule, _)) = ranges()
            .filter(|(_, p)| p.contains(&first))
            .max_by_key(specificity)
        else {
            continue;
        };
        match spans.last_mut() {
            Some(span)
                if span.service == rule.service && span.last.checked_add(1) == Some(first) =>
            {
                span.last = last
            }
            _ => spans.push(PortSpan {
                first,
                last,
                service: rule.service,
            }),
        }
    }
    spans
}

/// The prefixes of one length: an open-addressing hash table with linear probing, a quarter full.
#[derive(Debug, Clone)]
struct PrefixTable<A> {
    mask: A,
    shift: u32,
    entries: Vec<Option<(A, (u32, u32))>>,
    used: usize,
}

/// What a prefix table needs of an address.
trait Address: Copy + Eq {
    fn masked(self, mask: Self) -> Self;
    /// Mixes the address into the upper bits.
    fn mix(self) -> u64;
}

/// 2^64 divided by the golden ratio: Fibonacci hashing (Knuth, TAOCP volume 3, section 6.4). The stored
/// keys are the operator's; a stranger's address can only miss, after a few probes.
const FIBONACCI: u64 = 0x9e37_79b9_7f4a_7c15;

impl Address for u32 {
    #[inline(always)]
    fn masked(self, mask: Self) -> Self {
        self & mask
    }

    #[inline(always)]
    fn mix(self) -> u64 {
        u64::from(self).wrapping_mul(FIBONACCI)
    }
}

impl Address for u128 {
    #[inline(always)]
    fn masked(self, mask: Self) -> Self {
        self & mask
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // The halves are what is wanted.
    fn mix(self) -> u64 {
        ((self >> 64) as u64)
            .wrapping_mul(FIBONACCI)
            .rotate_left(32)
            .wrapping_add(self as u64)
            .wrapping_mul(FIBONACCI)
    }
}

impl<A: Address> PrefixTable<A> {
    fn new(mask: A) -> Self {
        Self {
            mask,
            shift: 61,
            entries: vec![None; 8],
            used: 0,
        }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // The shift leaves an index of the table.
    fn home(&self, key: A) -> usize {
        (key.mix() >> self.shift) as usize
    }

    #[inline]
    fn find(&self, address: A) -> Option<(u32, u32)> {
        let key = address.masked(self.mask);
        let mut i = self.home(key);
        loop {
            match self.entries[i] {
                Some((stored, value)) if stored == key => return Some(value),
                Some(_) => i = (i + 1) & (self.entries.len() - 1),
                None => return None,
            }
        }
    }

    fn insert(&mut self, key: A, value: (u32, u32)) {
        if (self.used + 1) * 4 > self.entries.len() {
            self.grow();
        }
        let mut i = self.home(key);
        while self.entries[i].is_some() {
            i = (i + 1) & (self.entries.len() - 1);
        }
        self.entries[i] = Some((key, value));
        self.used += 1;
    }

    fn grow(&mut self) {
        let doubled = vec![None; self.entries.len() * 2];
        let old = std::mem::replace(&mut self.entries, doubled);
        (self.shift, self.used) = (self.shift - 1, 0);
        old.into_iter()
            .flatten()
            .for_each(|(key, value)| self.insert(key, value));
    }
}

/// Adds a prefix to the table of its length; prefixes come longest first.
fn insert<A: Address>(tables: &mut Vec<PrefixTable<A>>, key: A, mask: A, value: (u32, u32)) {
    if tables.last().is_none_or(|table| table.mask != mask) {
        tables.push(PrefixTable::new(mask));
    }
    if let Some(table) = tables.last_mut() {
        table.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    fn rule(prefix: &str, protocol: u8, ports: &[RangeInclusive<u16>], service: u32) -> Rule {
        Rule {
            prefix: prefix.parse().unwrap(),
            protocol,
            ports: ports.to_vec(),
            service,
        }
    }

    fn find(index: &ServiceIndex, address: &str, protocol: u8, port: u16) -> Match {
        match address.parse().unwrap() {
            IpAddr::V4(a) => index.find_v4(a.octets(), protocol, port),
            IpAddr::V6(a) => index.find_v6(a.octets(), protocol, port),
        }
    }

    #[test]
    fn the_most_specific_rule_wins() {
        let index = ServiceIndex::new(&[
            rule("10.0.0.0/8", 6, &[0..=65_535], 1),
            rule("10.1.0.0/16", 6, &[80..=89], 2),
            rule("10.1.2.3/32", 6, &[443..=443], 3),
            rule("10.1.2.3/32", 17, &[53..=53], 4),
            rule("2001:db8::/64", 6, &[80..=80], 5),
        ]);
        assert_eq!(find(&index, "10.9.9.9", 6, 7), Match::Service(1));
        assert_eq!(find(&index, "10.1.9.9", 6, 85), Match::Service(2));
        assert_eq!(find(&index, "10.1.2.3", 6, 443), Match::Service(3));
        assert_eq!(find(&index, "10.1.2.3", 6, 80), Match::Service(2));
        assert_eq!(find(&index, "10.1.2.3", 6, 79), Match::Service(1));
        assert_eq!(find(&index, "10.1.2.3", 17, 53), Match::Service(4));
        assert_eq!(find(&index, "10.1.2.3", 17, 54), Match::NoPort);
        assert_eq!(find(&index, "11.0.0.1", 6, 80), Match::NotVip);
        assert_eq!(find(&index, "2001:db8::77", 6, 80), Match::Service(5));
        assert_eq!(find(&index, "2001:db8:0:1::77", 6, 80), Match::NotVip);
    }

    #[test]
    fn the_last_port_and_the_default_route_are_covered() {
        let index = ServiceIndex::new(&[rule("0.0.0.0/0", 17, &[65_535..=65_535], 9)]);
        assert_eq!(
            find(&index, "255.255.255.255", 17, 65_535),
            Match::Service(9)
        );
        assert_eq!(find(&index, "0.0.0.0", 17, 65_534), Match::NoPort);
    }

    /// What the index must equal: the best of all rules, looked at one by one.
    fn model(rules: &[Rule], address: IpAddr, protocol: u8, port: u16) -> Match {
        let covering: Vec<&Rule> = rules
            .iter()
            .filter(|r| r.prefix.contains(&address))
            .collect();
        let hit = covering
            .iter()
            .filter(|r| r.protocol == protocol)
            .flat_map(|r| {
                r.ports
                    .iter()
                    .filter(|p| p.contains(&port))
                    .map(move |p| (r, p.end() - p.start()))
            })
            .max_by_key(|(r, len)| (r.prefix.prefix_len(), std::cmp::Reverse(*len)));
        match hit {
            Some((rule, _)) => Match::Service(rule.service),
            None if covering.is_empty() => Match::NotVip,
            None => Match::NoPort,
        }
    }

    prop_compose! {
        fn rules()(raw in prop::collection::vec((0_u32..16, 24_u8..=32, 0_u8..2, 0_u16..20, 0_u16..20), 1..24)) -> Vec<Rule> {
            raw.into_iter().zip(0..).map(|((host, len, protocol, a, b), service)| Rule {
                prefix: IpNet::new(IpAddr::from((0x0a00_0000 + host).to_be_bytes()), len).unwrap().trunc(),
                protocol,
                ports: vec![a.min(b)..=a.max(b)],
                service,
            }).collect()
        }
    }

    proptest! {
        #[test]
        fn lookups_equal_the_model(rules in rules(), host in 0_u32..300, protocol in 0_u8..3, port in 0_u16..22) {
            let index = ServiceIndex::new(&rules);
            let address = (0x0a00_0000 + host).to_be_bytes();
            let found = index.find_v4(address, protocol, port);
            let expected = model(&rules, IpAddr::from(address), protocol, port);
            // Equally specific rules are a configuration fault; either may win.
            match (found, expected) {
                (Match::Service(a), Match::Service(b)) => {
                    let key = |s: u32| { let r = &rules[s as usize]; (r.prefix.prefix_len(), r.ports[0].end() - r.ports[0].start()) };
                    prop_assert_eq!(key(a), key(b));
                }
                other => prop_assert_eq!(other.0, other.1),
            }
        }
    }
}
