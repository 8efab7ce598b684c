//! The Internet checksum (RFC 1071).

/// A running one's-complement sum of up to 128 KiB of data, which can't overflow it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checksum(u32);

impl Checksum {
    /// An empty sum.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds a 16-bit word, given as its value in network order.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, value: u16) -> Self {
        Self(self.0 + value as u32)
    }

    /// Adds a 32-bit word, given as its value in network order.
    #[inline(always)]
    #[must_use]
    pub const fn long(self, value: u32) -> Self {
        Self(self.0 + (value >> 16) + (value & 0xffff))
    }

    /// Adds bytes that start at an even offset of the summed data; an odd end is padded with zero.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        debug_assert!(bytes.len() <= 128 << 10);
        let (words, rest) = bytes.as_chunks::<4>();
        let sum = words
            .iter()
            .fold(self, |sum, word| sum.long(u32::from_be_bytes(*word)));
        match *rest {
            [a, b, c] => sum
                .word(u16::from_be_bytes([a, b]))
                .word(u16::from_be_bytes([c, 0])),
            [a, b] => sum.word(u16::from_be_bytes([a, b])),
            [a] => sum.word(u16::from_be_bytes([a, 0])),
            _ => sum,
        }
    }

    /// The folded sum, not complemented: `0xffff` over data that contains a right checksum.
    #[inline(always)]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // Two folds leave 16 bits.
    pub const fn fold(self) -> u16 {
        let sum = (self.0 & 0xffff) + (self.0 >> 16);
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    /// The value of a header's checksum field.
    #[inline(always)]
    #[must_use]
    pub const fn complement(self) -> u16 {
        !self.fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071, section 3: the worked example.
    #[test]
    fn rfc1071_example() {
        let sum = Checksum::new().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.fold(), 0xddf2);
    }

    #[test]
    fn odd_lengths_are_padded() {
        for len in 1..40_usize {
            let bytes: Vec<u8> = (0..len)
                .map(|i| u8::try_from(i * 7 % 256).unwrap())
                .collect();
            let padded: Vec<u8> = bytes
                .iter()
                .copied()
                .chain(std::iter::repeat_n(0, 4 - len % 4))
                .collect();
            assert_eq!(
                Checksum::new().bytes(&bytes).fold(),
                Checksum::new().bytes(&padded).fold()
            );
        }
    }
}
