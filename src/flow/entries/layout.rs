//! Where things lie in the table's memory, and how an entry is written in words.
//!
//! | words | what |
//! |---|---|
//! | 512 | header, one page |
//! | one per bucket | tags of its eight positions, lowest byte first; 0 is free |
//! | 64 per bucket | its positions, eight words each |
//!
//! | word of a position | what |
//! |---|---|
//! | 0 | [`Control`] |
//! | 1 | sequence and acknowledgement number, sealed by the version (see [`Control::seal`]) |
//! | 2 | backend, and above it a check over backend, key, tag and position |
//! | 3 to 7 | flow key, and which of its 5-tuple's connections it is (see [`FlowKey::numbered`]) |

use super::super::{Closed, Entry, Millis, Origin};
use crate::packet::FlowKey;
use crate::table::BackendId;

/// Positions in a bucket: as many as a word has bytes for their tags.
pub const LANES: usize = 8;
/// Words of a position: a cache line.
pub const POSITION_WORDS: usize = 8;
/// Words before the tags.
pub const HEADER_WORDS: usize = 512;
/// Most entries that a table may be made for: 64 GiB of them.
pub const MOST_ENTRIES: usize = 1 << 30;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// A table's measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Buckets of eight positions.
    pub buckets: usize,
}

impl Layout {
    /// For at most `entries`. A quarter is added, so that of two buckets one nearly always has a free position.
    pub fn of(entries: usize) -> Self {
        let positions = entries + entries.div_ceil(4);
        Self {
            buckets: positions.div_ceil(LANES).max(2),
        }
    }

    /// Words of the whole.
    pub const fn words(self) -> usize {
        self.first_position() + self.buckets * LANES * POSITION_WORDS
    }

    /// The word of a bucket's tags.
    #[inline(always)]
    pub const fn tags(bucket: usize) -> usize {
        HEADER_WORDS + bucket
    }

    /// The first word of a position; they begin at a cache line.
    #[inline(always)]
    pub const fn position(self, position: usize) -> usize {
        self.first_position() + position * POSITION_WORDS
    }

    const fn first_position(self) -> usize {
        (HEADER_WORDS + self.buckets).next_multiple_of(POSITION_WORDS)
    }

    /// Where a flow of this hash may lie. Of the hash a slot's flows have the highest bits in common, so the first
    /// bucket takes the lower half, and the rest comes of all bits mixed.
    #[inline(always)]
    pub fn candidates(self, hash: u64) -> Candidates {
        let mixed = mix(hash);
        let first = self.scale(hash & 0xffff_ffff);
        let second = self.scale(mixed >> 32);
        let next = if first + 1 == self.buckets {
            0
        } else {
            first + 1
        };
        Candidates {
            buckets: [first, if second == first { next } else { second }],
            tag: (mixed & 0xff).max(1),
        }
    }

    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // Below the number of buckets, which is a usize.
    const fn scale(self, half: u64) -> usize {
        ((half * self.buckets as u64) >> 32) as usize
    }
}

/// The two buckets in which a flow may lie, which are never the same, and its tag there.
#[derive(Debug, Clone, Copy)]
pub struct Candidates {
    /// Buckets.
    pub buckets: [usize; 2],
    /// 1 to 255.
    pub tag: u64,
}

/// Spreads a value's bits over a word.
#[inline(always)]
pub const fn mix(value: u64) -> u64 {
    let spread = (value ^ value >> 29).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread ^ spread >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ spread >> 29
}

/// The lanes of a bucket whose tag is `tag`, lowest first.
#[inline(always)]
pub const fn matching(tags: u64, tag: u64) -> Lanes {
    // A byte of `differ` is zero where the tags are the same; adding to seven bits carries into no neighbour.
    let differ = tags ^ (tag * LOW);
    let low = (differ & !HIGH) + !HIGH;
    Lanes(!(low | differ) & HIGH)
}

/// Some lanes of a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Lanes(u64);

impl Lanes {
    /// How many.
    #[inline(always)]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The bucket's other lanes.
    #[inline(always)]
    pub const fn others(self) -> Self {
        Self(!self.0 & HIGH)
    }
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let lane = self.0.trailing_zeros() as usize / LANES;
        self.0 &= self.0.wrapping_sub(1);
        (lane < LANES).then_some(lane)
    }
}

/// Who may look at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody; whoever has its tag may write it.
    Free,
    /// Others that insert the same flow.
    Tentative,
    /// Everybody.
    Live,
}

/// The control word of a position.
///
/// | bits | what |
/// |---|---|
/// | 0 and 1 | state |
/// | 2 and 3 | origin |
/// | 4 and 5 | closed |
/// | 6 | whether there is an acknowledgement number |
/// | 7 to 31 | version, another each time that the position is written anew |
/// | 32 to 63 | when the last packet came, in milliseconds |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control(pub u64);

const STATE: u64 = 0b11;
const ORIGIN: u64 = 0b11 << 2;
const CLOSED: u64 = 0b11 << 4;
const ACK: u64 = 1 << 6;
const VERSION: u64 = 0xffff_ff80;

impl Control {
    /// The control word of `entry`; state and version are those of `self`.
    #[inline(always)]
    pub const fn describing(self, entry: &Entry) -> Self {
        let origin = match entry.origin {
            Origin::Unconfirmed => 0,
            Origin::Confirmed => 1 << 2,
            Origin::Learned => 2 << 2,
        };
        let closed = match entry.closed {
            Closed::No => 0,
            Closed::Fin => 1 << 4,
            Closed::Reset => 2 << 4,
        };
        let ack = if entry.ack.is_some() { ACK } else { 0 };
        let kept = self.0 & (STATE | VERSION);
        Self(kept | origin | closed | ack).seen(entry.seen)
    }

    /// The next version, in another state.
    #[inline(always)]
    pub const fn renewed(self, state: State) -> Self {
        let version = (self.0 & VERSION).wrapping_add(1 << 7) & VERSION;
        Self(version).turned(state)
    }

    /// In another state.
    #[inline(always)]
    pub const fn turned(self, state: State) -> Self {
        Self(self.0 & !STATE | state as u64)
    }

    /// With another time of the last packet.
    #[inline(always)]
    pub const fn seen(self, seen: Millis) -> Self {
        Self(self.0 & 0xffff_ffff | (seen.0 as u64) << 32)
    }

    /// Whether the entry counts.
    #[inline(always)]
    pub const fn is_live(self) -> bool {
        self.0 & STATE == State::Live as u64
    }

    /// Whether it waits to be live.
    #[inline(always)]
    pub const fn is_tentative(self) -> bool {
        self.0 & STATE == State::Tentative as u64
    }

    /// Whether both are of one insertion, in the same state.
    #[inline(always)]
    pub const fn is_same(self, other: Self) -> bool {
        (self.0 ^ other.0) & (STATE | VERSION) == 0
    }

    /// Whether it says something that this program says.
    pub const fn is_sound(self) -> bool {
        self.0 & STATE != STATE && self.0 & ORIGIN != ORIGIN && self.0 & CLOSED != CLOSED
    }

    /// How the flow came to be listed.
    #[inline(always)]
    pub const fn origin(self) -> Origin {
        match (self.0 & ORIGIN) >> 2 {
            0 => Origin::Unconfirmed,
            1 => Origin::Confirmed,
            _ => Origin::Learned,
        }
    }

    /// What makes a position word of one version that of no other. An update exchanges the word only if it is the one
    /// that it read; flows whose numbers are all zero would else look the same to it, should one take the place of
    /// another in between.
    #[inline(always)]
    const fn seal(self) -> u64 {
        mix(self.0 & VERSION)
    }

    /// The word of `entry`'s sequence and acknowledgement numbers; `before` is the one that it replaces, whose
    /// acknowledgement number stays as long as the control word may still speak of it.
    #[inline(always)]
    pub fn numbers(self, entry: &Entry, before: u64) -> u64 {
        let ack = entry.ack.unwrap_or(high(before ^ self.seal()));
        (u64::from(entry.seq) | u64::from(ack) << 32) ^ self.seal()
    }

    /// When the last packet came.
    #[inline(always)]
    pub const fn time(self) -> Millis {
        Millis(high(self.0))
    }

    /// The entry that it describes, with the word of its numbers.
    #[inline(always)]
    pub fn entry(self, numbers: u64, backend: BackendId) -> Entry {
        let numbers = numbers ^ self.seal();
        let ack = (self.0 & ACK != 0).then_some(high(numbers));
        Entry {
            backend,
            origin: self.origin(),
            closed: match (self.0 & CLOSED) >> 4 {
                0 => Closed::No,
                1 => Closed::Fin,
                _ => Closed::Reset,
            },
            seq: low(numbers),
            ack,
            seen: self.time(),
        }
    }
}

/// The word of a backend: its number, and above it a check by which a damaged file is told from a sound one.
pub fn backend_word(backend: BackendId, key: &FlowKey, tag: u64, position: usize) -> u64 {
    let start = u64::from(backend.0) << 32 ^ tag << 56 ^ position as u64;
    let sum = key.0.iter().fold(mix(start), |sum, word| mix(sum ^ word));
    u64::from(backend.0) | sum & 0xffff_ffff_0000_0000
}

/// The backend's number in its word.
pub const fn backend_of(word: u64) -> BackendId {
    BackendId(low(word))
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)] // The lower half is meant.
const fn low(word: u64) -> u32 {
    word as u32
}

#[inline(always)]
const fn high(word: u64) -> u32 {
    low(word >> 32)
}
