//! The packets that flows are made of, as the node reads them.

use tentetsu::flow::{Kind, Place, Segment};

/// A QUIC Initial, which says nothing of where it stands.
pub const INITIAL: Segment = Segment {
    kind: Kind::First,
    place: Place::Unknown,
};

/// An SCTP packet with this tag.
pub const fn tagged(kind: Kind, tag: u32) -> Segment {
    let place = Place::Tag { tag, echo: false };
    Segment { kind, place }
}

/// The packet that answers the answer to an INIT.
pub const fn cookie_echo(tag: u32) -> Segment {
    let place = Place::Tag { tag, echo: true };
    let kind = Kind::Within;
    Segment { kind, place }
}

/// A TCP segment that takes so many numbers.
pub const fn at(kind: Kind, seq: u32, takes: u32, ack: Option<u32>) -> Segment {
    let end = seq.wrapping_add(takes);
    Segment {
        kind,
        place: Place::Sequence { seq, end, ack },
    }
}
