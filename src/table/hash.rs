//! The keyed flow hash: SipHash-1-3 over the 5-tuple, a whole frame at once.
//!
//! # What is hashed
//! SipHash-1-3 (Aumasson and Bernstein, INDOCRYPT 2012, with one compression and three finalisation
//! rounds) under the cluster's 128-bit key, over these bytes as they stand in the packet, big-endian:
//!
//! | family | bytes | layout |
//! |---|---|---|
//! | IPv4 | 13 | source (4), destination (4), source port (2), destination port (2), protocol (1) |
//! | IPv6 | 37 | source (16), destination (16), source port (2), destination port (2), protocol (1) |
//!
//! Any SipHash-1-3 gives the same value. A keyed hash keeps a client from aiming its 5-tuples at one backend;
//! CRC and Toeplitz are linear and don't.
//!
//! # Test vectors
//! `protocol source destination = hash`, under the key `000102030405060708090a0b0c0d0e0f`:
//!
//! ```text
//! 6 198.51.100.1:40000 203.0.113.10:80 = 47786063f3cd2402
//! 17 192.0.2.77:53124 203.0.113.10:443 = df93101446bba9a9
//! 0 0.0.0.0:0 0.0.0.0:0 = 23c1a1b1aaa0af63
//! 255 255.255.255.255:65535 255.255.255.255:65535 = fe140ad8ca5c77d2
//! 6 [2001:db8:9::1]:40000 [2001:db8:2::10]:80 = c8b65e42d268d416
//! 132 [2001:db8::dead:beef]:5060 [2001:db8:2::10]:5060 = 07fb9ece110a14dc
//! 0 [::]:0 [::]:0 = c0a67181f905a146
//! ```
//!
//! # How it is fast
//! The rounds of eight packets run side by side in plain arrays, which the compiler turns into vector
//! instructions. The same source is compiled for AVX-512, AVX2 and the build's baseline; the best one that
//! the CPU has is chosen once. There is no second implementation to keep in step.
#![allow(unsafe_code)]

use crate::packet::{FRAME_SIZE, FlowKey, FlowKeys};

/// Packets hashed side by side.
const LANES: usize = 8;

type Lanes = [u64; LANES];

/// The cluster's secret: the first and second half of the 16 key bytes, little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct HashKey {
    k0: u64,
    k1: u64,
}

impl HashKey {
    /// Makes a key of its 16 bytes.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        let value = u128::from_le_bytes(bytes);
        #[allow(clippy::cast_possible_truncation)]
        Self {
            k0: value as u64,
            k1: (value >> 64) as u64,
        }
    }

    /// Its halves.
    #[must_use]
    pub const fn words(self) -> [u64; 2] {
        [self.k0, self.k1]
    }

    /// Makes a key of its halves.
    #[must_use]
    pub const fn of_words([k0, k1]: [u64; 2]) -> Self {
        Self { k0, k1 }
    }
}

/// A secret does not belong in a log.
impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// Hashes flow keys under one key with the best instructions that this CPU has.
#[derive(Debug, Clone)]
pub struct FlowHasher {
    key: HashKey,
    kernel: Kernel,
}

/// Which compilation of the rounds runs. Only [`Kernel::best`] makes the first two, after it asked the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Avx512,
    Avx2,
    Baseline,
}

impl Kernel {
    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            Self::Avx512
        } else if is_x86_feature_detected!("avx2") {
            Self::Avx2
        } else {
            Self::Baseline
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::Baseline
    }
}

impl FlowHasher {
    /// Its key.
    #[must_use]
    pub const fn key(&self) -> HashKey {
        self.key
    }

    /// A hasher under `key`.
    #[must_use]
    pub fn new(key: HashKey) -> Self {
        Self {
            key,
            kernel: Kernel::best(),
        }
    }

    /// Hashes the first `count` IPv4 keys of a frame into `out`.
    pub fn hash_v4(&self, keys: &FlowKeys, count: usize, out: &mut [u64; FRAME_SIZE]) {
        self.hash::<2>(keys.words::<2>(), count, out);
    }

    /// Hashes the first `count` IPv6 keys of a frame into `out`.
    pub fn hash_v6(&self, keys: &FlowKeys, count: usize, out: &mut [u64; FRAME_SIZE]) {
        self.hash::<5>(keys.words::<5>(), count, out);
    }

    /// Hashes one key.
    #[must_use]
    pub fn hash_key(&self, key: &FlowKey) -> u64 {
        let mut state = State::new(self.key);
        for word in key.words() {
            state.compress(&[*word; LANES]);
        }
        let [hash, ..] = state.finish();
        hash
    }

    fn hash<const W: usize>(
        &self,
        words: &[[u64; FRAME_SIZE]; W],
        count: usize,
        out: &mut [u64; FRAME_SIZE],
    ) {
        match self.kernel {
            // SAFETY: `Kernel::best` makes this variant only when the CPU has AVX-512 F and VL.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => unsafe { hash_avx512(self.key, words, count, out) },
            // SAFETY: `Kernel::best` makes this variant only when the CPU has AVX2.
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => unsafe { hash_avx2(self.key, words, count, out) },
            _ => hash_frame(self.key, words, count, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn hash_avx512<const W: usize>(
    key: HashKey,
    words: &[[u64; FRAME_SIZE]; W],
    count: usize,
    out: &mut [u64; FRAME_SIZE],
) {
    hash_frame(key, words, count, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn hash_avx2<const W: usize>(
    key: HashKey,
    words: &[[u64; FRAME_SIZE]; W],
    count: usize,
    out: &mut [u64; FRAME_SIZE],
) {
    hash_frame(key, words, count, out);
}

/// Hashes whole groups of lanes; what lies beyond `count` in the last group is scratch.
#[inline(always)]
fn hash_frame<const W: usize>(
    key: HashKey,
    words: &[[u64; FRAME_SIZE]; W],
    count: usize,
    out: &mut [u64; FRAME_SIZE],
) {
    let groups = count.min(FRAME_SIZE).div_ceil(LANES);
    let (out, _) = out.as_chunks_mut::<LANES>();
    for (group, out) in out.iter_mut().enumerate().take(groups) {
        let mut state = State::new(key);
        for word in words {
            state.compress(&word.as_chunks::<LANES>().0[group]);
        }
        *out = state.finish();
    }
}

struct State {
    v0: Lanes,
    v1: Lanes,
    v2: Lanes,
    v3: Lanes,
}

impl State {
    #[inline(always)]
    fn new(key: HashKey) -> Self {
        Self {
            v0: [key.k0 ^ 0x736f_6d65_7073_6575; LANES],
            v1: [key.k1 ^ 0x646f_7261_6e64_6f6d; LANES],
            v2: [key.k0 ^ 0x6c79_6765_6e65_7261; LANES],
            v3: [key.k1 ^ 0x7465_6462_7974_6573; LANES],
        }
    }

    #[inline(always)]
    fn round(&mut self) {
        for i in 0..LANES {
            self.v0[i] = self.v0[i].wrapping_add(self.v1[i]);
            self.v2[i] = self.v2[i].wrapping_add(self.v3[i]);
            self.v1[i] = self.v1[i].rotate_left(13) ^ self.v0[i];
            self.v3[i] = self.v3[i].rotate_left(16) ^ self.v2[i];
            self.v0[i] = self.v0[i].rotate_left(32);
            self.v2[i] = self.v2[i].wrapping_add(self.v1[i]);
            self.v0[i] = self.v0[i].wrapping_add(self.v3[i]);
            self.v1[i] = self.v1[i].rotate_left(17) ^ self.v2[i];
            self.v3[i] = self.v3[i].rotate_left(21) ^ self.v0[i];
            self.v2[i] = self.v2[i].rotate_left(32);
        }
    }

    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // Lane by lane, as in `round`.
    fn compress(&mut self, word: &Lanes) {
        for i in 0..LANES {
            self.v3[i] ^= word[i];
        }
        self.round();
        for i in 0..LANES {
            self.v0[i] ^= word[i];
        }
    }

    #[inline(always)]
    fn finish(mut self) -> Lanes {
        for i in 0..LANES {
            self.v2[i] ^= 0xff;
        }
        for _ in 0..3 {
            self.round();
        }
        std::array::from_fn(|i| self.v0[i] ^ self.v1[i] ^ self.v2[i] ^ self.v3[i])
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher as _;
    use std::net::SocketAddr;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;
    use crate::packet::Transport;
    use crate::wire::PortPair;

    /// A 5-tuple.
    #[derive(Debug, Clone, Copy)]
    struct Tuple {
        source: SocketAddr,
        destination: SocketAddr,
        protocol: u8,
    }

    impl Tuple {
        /// The bytes that this file's doc says are hashed.
        fn message(&self) -> Vec<u8> {
            let address = |a: SocketAddr| match a {
                SocketAddr::V4(a) => a.ip().octets().to_vec(),
                SocketAddr::V6(a) => a.ip().octets().to_vec(),
            };
            [
                address(self.source),
                address(self.destination),
                self.source.port().to_be_bytes().to_vec(),
                self.destination.port().to_be_bytes().to_vec(),
                vec![self.protocol],
            ]
            .concat()
        }

        fn enter(&self, keys: &mut FlowKeys, index: u8) {
            let transport = Transport {
                ports: PortPair::new(self.source.port(), self.destination.port()),
                protocol: self.protocol,
            };
            let message = self.message();
            if self.source.is_ipv4() {
                keys.set_v4(index, message[..8].try_into().unwrap(), transport);
            } else {
                keys.set_v6(index, message[..32].try_into().unwrap(), transport);
            }
        }

        fn by_siphasher(&self, key: [u8; 16]) -> u64 {
            let mut hasher = SipHasher13::new_with_key(&key);
            hasher.write(&self.message());
            hasher.finish()
        }
    }

    const KEY: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

    /// The vectors of this file's doc, as others read them.
    fn published() -> Vec<(Tuple, u64)> {
        let vector = |line: &str| {
            let (tuple, hash) = line.strip_prefix("//! ")?.split_once(" = ")?;
            let [protocol, source, destination] =
                tuple.split(' ').collect::<Vec<_>>().try_into().ok()?;
            let tuple = Tuple {
                source: source.parse().ok()?,
                destination: destination.parse().ok()?,
                protocol: protocol.parse().ok()?,
            };
            Some((tuple, u64::from_str_radix(hash, 16).ok()?))
        };
        include_str!("hash.rs").lines().filter_map(vector).collect()
    }

    /// A hasher of each compilation that this CPU can run.
    fn hashers(key: [u8; 16]) -> Vec<FlowHasher> {
        let kernels = match Kernel::best() {
            Kernel::Avx512 => &[Kernel::Baseline, Kernel::Avx2, Kernel::Avx512][..],
            Kernel::Avx2 => &[Kernel::Baseline, Kernel::Avx2],
            Kernel::Baseline => &[Kernel::Baseline],
        };
        let hasher = |kernel: &Kernel| FlowHasher {
            key: HashKey::new(key),
            kernel: *kernel,
        };
        kernels.iter().map(hasher).collect()
    }

    /// The hashes of a frame that holds these tuples.
    fn hash(hasher: &FlowHasher, tuples: &[Tuple]) -> Vec<u64> {
        let mut keys = FlowKeys::default();
        for (tuple, index) in tuples.iter().zip(0..=u8::MAX) {
            tuple.enter(&mut keys, index);
        }
        let (mut v4, mut v6) = ([0; FRAME_SIZE], [0; FRAME_SIZE]);
        hasher.hash_v4(&keys, tuples.len(), &mut v4);
        hasher.hash_v6(&keys, tuples.len(), &mut v6);
        let chosen =
            |(i, tuple): (usize, &Tuple)| if tuple.source.is_ipv4() { v4[i] } else { v6[i] };
        tuples.iter().enumerate().map(chosen).collect()
    }

    #[test]
    fn the_published_vectors_hold_in_each_compilation() {
        let (tuples, hashes): (Vec<Tuple>, Vec<u64>) = published().into_iter().unzip();
        assert_eq!(tuples.len(), 7);
        for hasher in hashers(KEY) {
            assert_eq!(hash(&hasher, &tuples), hashes, "{:?}", hasher.kernel);
        }
    }

    prop_compose! {
        fn tuple()(v6 in any::<bool>(), a in any::<[u8; 16]>(), b in any::<[u8; 16]>(), ports in any::<(u16, u16)>(), protocol: u8) -> Tuple {
            let address = |bytes: [u8; 16], port| {
                let [a, b, c, d, ..] = bytes;
                if v6 { SocketAddr::from((bytes, port)) } else { SocketAddr::from(([a, b, c, d], port)) }
            };
            Tuple { source: address(a, ports.0), destination: address(b, ports.1), protocol }
        }
    }

    proptest! {
        #[test]
        fn each_compilation_is_siphash_1_3(key: [u8; 16], tuples in prop::collection::vec(tuple(), 0..=FRAME_SIZE)) {
            let expected: Vec<u64> = tuples.iter().map(|tuple| tuple.by_siphasher(key)).collect();
            for hasher in hashers(key) {
                prop_assert_eq!(hash(&hasher, &tuples), expected.clone(), "{:?}", hasher.kernel);
            }
        }
    }

    /// Tuples that differ little, as a client's do, spread like balls thrown at random: the chi-squared of
    /// 65,536 of them over 256 slots lies within five standard deviations of its mean.
    #[test]
    fn neighbouring_tuples_spread_over_the_slots() {
        let mut counts = [0_u32; 256];
        let hasher = FlowHasher::new(HashKey::new(KEY));
        for block in 0..=u8::MAX {
            let tuple = |port: u16| Tuple {
                source: ([198, 51, 100, block], 40_000 + port).into(),
                destination: ([203, 0, 113, 10], 80).into(),
                protocol: 6,
            };
            let tuples: Vec<Tuple> = (0..256).map(tuple).collect();
            for hash in hash(&hasher, &tuples) {
                counts[(hash >> 56) as usize] += 1;
            }
        }
        let squares: f64 = counts.iter().map(|n| (f64::from(*n) - 256.0).powi(2)).sum();
        let chi_squared = squares / 256.0;
        let deviation = (2.0 * 255.0_f64).sqrt();
        assert!(
            (chi_squared - 255.0).abs() < 5.0 * deviation,
            "{chi_squared}"
        );
    }
}
