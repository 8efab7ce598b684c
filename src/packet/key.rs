//! Flow keys of a frame, laid out for hashing many at once.

use std::net::IpAddr;

use super::FRAME_SIZE;
use crate::wire::PortPair;

/// Words of the longest key, IPv6.
const WORDS: usize = 5;

/// The 5-tuples of a frame's packets, word by word: `words[w][i]` is word `w` of packet `i`.
///
/// A key is the message that the flow hash takes (see `table::hash`), cut into little-endian words,
/// the last of which carries the message's length in its highest byte, as SipHash wants it:
///
/// | family | words |
/// |---|---|
/// | IPv4 | source and destination; ports, protocol, 13 |
/// | IPv6 | source (2), destination (2); ports, protocol, 37 |
///
/// Stages write a packet's key at the packet's own index, so that the hash reads whole vector
/// registers without gathering.
pub struct FlowKeys {
    words: [[u64; FRAME_SIZE]; WORDS],
}

/// The first of sixteen bits of a transport word that are 0 in every key.
const SPARE: u32 = 40;

/// The part of a 5-tuple behind the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transport {
    /// Ports, or 0 and 0.
    pub ports: PortPair,
    /// IP protocol number.
    pub protocol: u8,
}

impl Transport {
    #[inline(always)]
    fn word(self, message_len: u8) -> u64 {
        let ports = u32::from_le_bytes(self.ports.bytes());
        u64::from(ports) | u64::from(self.protocol) << 32 | u64::from(message_len) << 56
    }

    #[inline(always)]
    fn of_word(word: u64) -> Self {
        let [a, b, c, d, protocol, ..] = word.to_le_bytes();
        let ports = PortPair::new(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Self { ports, protocol }
    }
}

impl Default for FlowKeys {
    fn default() -> Self {
        Self {
            words: [[0; FRAME_SIZE]; WORDS],
        }
    }
}

impl FlowKeys {
    /// Writes packet `index`'s IPv4 key; `addresses` is source, then destination, as on the wire.
    #[inline(always)]
    pub fn set_v4(&mut self, index: u8, addresses: [u8; 8], transport: Transport) {
        let i = usize::from(index);
        self.words[0][i] = u64::from_le_bytes(addresses);
        self.words[1][i] = transport.word(13);
    }

    /// Writes packet `index`'s IPv6 key; `addresses` is source, then destination, as on the wire.
    #[inline(always)]
    pub fn set_v6(&mut self, index: u8, addresses: [u8; 32], transport: Transport) {
        let i = usize::from(index);
        for (word, bytes) in self.words.iter_mut().zip(addresses.as_chunks::<8>().0) {
            word[i] = u64::from_le_bytes(*bytes);
        }
        self.words[4][i] = transport.word(37);
    }

    /// Destination of packet `index`'s IPv4 key.
    #[inline(always)]
    #[must_use]
    pub fn destination_v4(&self, index: u8) -> [u8; 4] {
        let [_, _, _, _, a, b, c, d] = self.words[0][usize::from(index)].to_le_bytes();
        [a, b, c, d]
    }

    /// Destination of packet `index`'s IPv6 key.
    #[inline(always)]
    #[must_use]
    pub fn destination_v6(&self, index: u8) -> [u8; 16] {
        let i = usize::from(index);
        let value = u128::from(self.words[2][i]) | u128::from(self.words[3][i]) << 64;
        value.to_le_bytes()
    }

    /// What a service is looked up by, of packet `index`'s IPv4 key: destination, its port and the protocol in one
    /// word, to be compared only.
    #[inline(always)]
    #[must_use]
    pub fn target_v4(&self, index: u8) -> u64 {
        let i = usize::from(index);
        self.words[0][i] & 0xffff_ffff_0000_0000 | self.words[1][i] >> 16 & 0x00ff_ffff
    }

    /// Ports and protocol of packet `index`'s IPv4 key.
    #[inline(always)]
    #[must_use]
    pub fn transport_v4(&self, index: u8) -> Transport {
        Transport::of_word(self.words[1][usize::from(index)])
    }

    /// Ports and protocol of packet `index`'s IPv6 key.
    #[inline(always)]
    #[must_use]
    pub fn transport_v6(&self, index: u8) -> Transport {
        Transport::of_word(self.words[4][usize::from(index)])
    }

    /// Packet `index`'s key by itself.
    #[inline(always)]
    #[must_use]
    pub fn key(&self, index: u8, ip6: bool) -> FlowKey {
        let word = |w: usize| self.words[w][usize::from(index)];
        if ip6 {
            FlowKey([word(0), word(1), word(2), word(3), word(4)])
        } else {
            FlowKey([word(0), word(1), 0, 0, 0])
        }
    }

    /// The first `W` words of all packets.
    #[inline(always)]
    #[must_use]
    pub fn words<const W: usize>(&self) -> &[[u64; FRAME_SIZE]; W] {
        const { assert!(W <= WORDS) };
        // The assertion above makes the chunk exist.
        self.words
            .first_chunk::<W>()
            .unwrap_or_else(|| unreachable!())
    }
}

/// One 5-tuple, in the words of [`FlowKeys`]; an IPv4 key has two, and zeros behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey(pub [u64; WORDS]);

impl FlowKey {
    /// Whether it is an IPv6 key.
    #[inline(always)]
    #[must_use]
    pub const fn is_ip6(&self) -> bool {
        self.0[4] != 0
    }

    /// The words that are hashed.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> &[u64] {
        if self.is_ip6() { &self.0 } else { &self.0[..2] }
    }

    /// Source and destination.
    #[must_use]
    pub fn addresses(&self) -> (IpAddr, IpAddr) {
        let [a, b, c, d, _] = self.0;
        if self.is_ip6() {
            let address = |low: u64, high: u64| {
                (u128::from(low) | u128::from(high) << 64)
                    .to_le_bytes()
                    .into()
            };
            (address(a, b), address(c, d))
        } else {
            let [e, f, g, h, i, j, k, l] = a.to_le_bytes();
            ([e, f, g, h].into(), [i, j, k, l].into())
        }
    }

    /// Ports and protocol.
    #[must_use]
    pub fn transport(&self) -> Transport {
        Transport::of_word(self.0[self.transport_word()])
    }

    /// This key with a number in the bits that are 0 in every key: for who keeps several things of one 5-tuple.
    #[inline(always)]
    #[must_use]
    pub const fn numbered(mut self, number: u16) -> Self {
        self.0[self.transport_word()] |= (number as u64) << SPARE;
        self
    }

    /// A numbered key without its number, and that.
    #[inline(always)]
    #[must_use]
    pub const fn unnumbered(mut self) -> (Self, u16) {
        let word = &mut self.0[self.transport_word()];
        let [.., low, high, _] = word.to_le_bytes();
        *word &= !(0xffff << SPARE);
        (self, u16::from_le_bytes([low, high]))
    }

    #[inline(always)]
    const fn transport_word(&self) -> usize {
        if self.is_ip6() { 4 } else { 1 }
    }
}
