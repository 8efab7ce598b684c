//! Counts distinct flows: exactly up to a limit, in constant memory beyond it.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Serialize, Serializer};

use super::estimate::Estimate;
use crate::packet::FlowKeys;

/// A 5-tuple, as the words that the flow hash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Flow {
    V4([u64; 2]),
    V6([u64; 5]),
}

impl Flow {
    /// The flow of packet `index` of a frame.
    pub(super) fn of(keys: &FlowKeys, index: usize, ip6: bool) -> Self {
        if ip6 {
            Flow::V6(keys.words::<5>().each_ref().map(|word| word[index]))
        } else {
            Flow::V4(keys.words::<2>().each_ref().map(|word| word[index]))
        }
    }

    /// Source and destination, as on the wire.
    fn addresses(&self) -> (IpAddr, IpAddr) {
        match self {
            Flow::V4([both, _]) => {
                let (source, destination) = (*both as u32, (*both >> 32) as u32);
                let address = |bytes: u32| Ipv4Addr::from(bytes.to_le_bytes()).into();
                (address(source), address(destination))
            }
            Flow::V6([a, b, c, d, _]) => {
                let address = |low: u64, high: u64| {
                    Ipv6Addr::from((u128::from(high) << 64 | u128::from(low)).to_le_bytes()).into()
                };
                (address(*a, *b), address(*c, *d))
            }
        }
    }

    /// Source port, destination port and protocol.
    fn transport(&self) -> (u16, u16, u8) {
        let (Flow::V4([_, last]) | Flow::V6([_, _, _, _, last])) = self;
        let [s0, s1, d0, d1, protocol, ..] = last.to_le_bytes();
        (
            u16::from_be_bytes([s0, s1]),
            u16::from_be_bytes([d0, d1]),
            protocol,
        )
    }
}

/// `tcp 198.51.100.7:4711 203.0.113.10:80`: what `explain` takes.
impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, destination) = self.addresses();
        let (source_port, destination_port, protocol) = self.transport();
        match protocol {
            6 => f.write_str("tcp ")?,
            17 => f.write_str("udp ")?,
            132 => f.write_str("sctp ")?,
            other => write!(f, "protocol-{other} ")?,
        }
        let (from, to) = (
            SocketAddr::new(source, source_port),
            SocketAddr::new(destination, destination_port),
        );
        write!(f, "{from} {to}")
    }
}

impl Serialize for Flow {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How many distinct flows there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FlowCount {
    pub(super) flows: u64,
    /// More than the limit: the number is an estimate.
    pub(super) estimated: bool,
}

/// A set of flows that stops remembering them when it has grown to its limit, and estimates from there on.
pub(super) struct FlowCounter {
    limit: usize,
    v4: HashSet<[u64; 2]>,
    v6: HashSet<[u64; 5]>,
    estimate: Option<Estimate>,
}

impl FlowCounter {
    /// A counter that is exact up to `limit` flows.
    pub(super) fn new(limit: usize) -> Self {
        FlowCounter {
            limit,
            v4: HashSet::new(),
            v6: HashSet::new(),
            estimate: None,
        }
    }

    /// Counts a flow; `true` when it is certainly new.
    pub(super) fn insert(&mut self, flow: Flow) -> bool {
        if let Some(estimate) = &mut self.estimate {
            estimate.insert(&flow);
            return false;
        }
        let is_new = match flow {
            Flow::V4(words) => self.v4.insert(words),
            Flow::V6(words) => self.v6.insert(words),
        };
        if is_new && self.v4.len() + self.v6.len() > self.limit {
            self.forget();
        }
        is_new
    }

    /// How many there were.
    pub(super) fn count(&self) -> FlowCount {
        match &self.estimate {
            Some(estimate) => {
                let flows = estimate.count().max(self.limit as u64 + 1);
                FlowCount {
                    flows,
                    estimated: true,
                }
            }
            None => FlowCount {
                flows: (self.v4.len() + self.v6.len()) as u64,
                estimated: false,
            },
        }
    }

    /// Goes over to estimating, with all flows so far.
    fn forget(&mut self) {
        let mut estimate = Estimate::new();
        std::mem::take(&mut self.v4)
            .into_iter()
            .for_each(|words| estimate.insert(&Flow::V4(words)));
        std::mem::take(&mut self.v6)
            .into_iter()
            .for_each(|words| estimate.insert(&Flow::V6(words)));
        self.estimate = Some(estimate);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Transport;
    use crate::wire::PortPair;

    fn flow(n: u32) -> Flow {
        let mut keys = FlowKeys::default();
        let [a, b, c, d] = n.to_be_bytes();
        let transport = Transport {
            ports: PortPair::new(4711, 80),
            protocol: 6,
        };
        keys.set_v4(9, [a, b, c, d, 203, 0, 113, 10], transport);
        Flow::of(&keys, 9, false)
    }

    #[test]
    fn flows_are_named_as_explain_takes_them() {
        assert_eq!(
            flow(0x0a00_0001).to_string(),
            "tcp 10.0.0.1:4711 203.0.113.10:80"
        );
        let mut keys = FlowKeys::default();
        let mut addresses = [0; 32];
        (addresses[0], addresses[15], addresses[16], addresses[31]) = (0x20, 1, 0x20, 2);
        keys.set_v6(
            0,
            addresses,
            Transport {
                ports: PortPair::new(1, 53),
                protocol: 17,
            },
        );
        assert_eq!(
            Flow::of(&keys, 0, true).to_string(),
            "udp [2000::1]:1 [2000::2]:53"
        );
    }

    #[test]
    fn up_to_the_limit_the_count_is_exact() {
        let mut counter = FlowCounter::new(1_000);
        for n in 0..1_000 {
            assert!(counter.insert(flow(n)));
            assert!(!counter.insert(flow(n / 2)));
        }
        assert_eq!(
            counter.count(),
            FlowCount {
                flows: 1_000,
                estimated: false
            }
        );
    }

    #[test]
    fn beyond_the_limit_it_is_a_marked_estimate() {
        let mut counter = FlowCounter::new(1_000);
        (0..50_000).for_each(|n| _ = counter.insert(flow(n)));
        let FlowCount { flows, estimated } = counter.count();
        assert!(estimated);
        assert!(flows.abs_diff(50_000) < 1_500, "{flows}");
        assert!(counter.v4.is_empty());
    }
}
