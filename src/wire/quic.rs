//! The long header of QUIC: what all versions share (RFC 8999), and which of its packets only a connection that begins
//! has.

/// A long header (RFC 8999, section 5.1), at the begin of a datagram. What else the datagram holds is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuicView<'p> {
    /// The version; 0 in a Version Negotiation packet.
    pub version: u32,
    /// Destination Connection ID.
    pub destination: &'p [u8],
    /// Source Connection ID.
    pub source: &'p [u8],
    first: u8,
}

const LONG: u8 = 0x80;
/// Always set in versions 1 and 2. Who was told that it need not be (RFC 9287) may clear it.
const FIXED: u8 = 0x40;
/// RFC 9000.
const V1: u32 = 1;
/// RFC 9369.
const V2: u32 = 0x6b33_43cf;
/// The longest connection ID of versions 1 and 2 (RFC 9000, section 17.2).
const MAX_ID: usize = 20;

impl<'p> QuicView<'p> {
    /// Reads the header at `payload[0]`, where all of `payload` belongs to the datagram. `None`: it is a short one, or
    /// cut off.
    #[inline]
    #[must_use]
    pub fn parse(payload: &'p [u8]) -> Option<Self> {
        let ([first, a, b, c, d], rest) = payload.split_first_chunk()?;
        if first & LONG == 0 {
            return None;
        }
        let (destination, rest) = connection_id(rest)?;
        let (source, _) = connection_id(rest)?;
        Some(Self {
            version: u32::from_be_bytes([*a, *b, *c, *d]),
            destination,
            source,
            first: *first,
        })
    }

    /// Whether this is an Initial packet (RFC 9000, section 17.2.2), the client's first one or a later one.
    #[must_use]
    pub fn is_initial(&self) -> bool {
        self.is_of_type(0)
    }

    /// Whether this is a 0-RTT packet (RFC 9000, section 17.2.3).
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.is_of_type(1)
    }

    /// Whether this is of a type that version 1 numbers so; version 2 numbers each one higher (RFC 9369, section 3.2).
    fn is_of_type(&self, number: u8) -> bool {
        let number = match self.version {
            V1 => number,
            V2 => (number + 1) & 3,
            _ => return false,
        };
        self.first & FIXED != 0
            && self.first >> 4 & 3 == number
            && self.destination.len() <= MAX_ID
            && self.source.len() <= MAX_ID
    }
}

/// A connection ID behind its length, and what follows it.
fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(first: u8, version: u32, destination: &[u8], source: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend(version.to_be_bytes());
        for id in [destination, source] {
            bytes.push(u8::try_from(id.len()).unwrap());
            bytes.extend(id);
        }
        bytes
    }

    /// Whether it is an Initial, and whether it is 0-RTT.
    fn kind(bytes: &[u8]) -> (bool, bool) {
        let view = QuicView::parse(bytes).unwrap();
        (view.is_initial(), view.is_early())
    }

    const INITIAL: (bool, bool) = (true, false);
    const EARLY: (bool, bool) = (false, true);
    const OTHER: (bool, bool) = (false, false);

    /// The client's Initials of RFC 9001, appendix A.2, and of RFC 9369, appendix A.2.
    #[test]
    fn the_published_samples_are_initials() {
        let id = [0x83, 0x94, 0xc8, 0xf0, 0x3e, 0x51, 0x57, 0x08];
        for (first, version) in [(0xc0, V1), (0xd7, V2)] {
            let mut bytes = header(first, version, &id, &[]);
            bytes.extend([0, 0x44, 0x9e, 0x7b, 0x9a]);
            let view = QuicView::parse(&bytes).unwrap();
            assert_eq!((view.version, view.destination), (version, &id[..]));
            assert!(view.source.is_empty() && view.is_initial() && !view.is_early());
        }
    }

    #[test]
    fn each_version_numbers_its_types() {
        let kinds = |version| {
            [0xc0, 0xd0, 0xe0, 0xf0].map(|first| kind(&header(first, version, &[1; 8], &[2; 4])))
        };
        assert_eq!(kinds(V1), [INITIAL, EARLY, OTHER, OTHER]);
        assert_eq!(kinds(V2), [OTHER, INITIAL, EARLY, OTHER]);
        // Version Negotiation, draft 29, one for greasing (RFC 9000, section 15).
        for version in [0, 0xff00_001d, 0x0a0a_0a0a] {
            assert_eq!(kinds(version), [OTHER; 4]);
        }
    }

    #[test]
    fn the_fixed_bit_counts() {
        assert_eq!(kind(&header(0x80, V1, &[1; 8], &[])), OTHER);
    }

    #[test]
    fn a_short_header_is_none() {
        assert_eq!(QuicView::parse(&header(0x40, V1, &[1; 8], &[])), None);
        assert_eq!(QuicView::parse(&[]), None);
    }

    #[test]
    fn lengths_are_held_against_the_datagram() {
        let whole = header(0xc0, V1, &[1; 20], &[2; 20]);
        assert_eq!(kind(&whole), INITIAL);
        for end in 0..whole.len() {
            assert_eq!(QuicView::parse(&whole[..end]), None, "{end}");
        }
        // Other versions may have longer ones, these may not.
        for (destination, source) in [(21, 0), (0, 21), (255, 255)] {
            let long = header(0xc0, V1, &vec![1; destination], &vec![2; source]);
            assert_eq!(kind(&long), OTHER);
        }
        let mut beyond = whole.clone();
        beyond[5] = 255;
        assert_eq!(QuicView::parse(&beyond), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            start in prop::sample::select(vec![vec![], vec![0xc0, 0, 0, 0, 1], vec![0xd0, 0x6b, 0x33, 0x43, 0xcf]]),
            rest in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let bytes = [start, rest].concat();
            if let Some(view) = QuicView::parse(&bytes) {
                prop_assert!(7 + view.destination.len() + view.source.len() <= bytes.len());
                prop_assert!(!(view.is_initial() && view.is_early()));
            }
        }
    }
}
