//! What a packet says of its flow.

use crate::table::Tracking;
use crate::wire::{QuicView, SctpView, TcpView};

/// What a packet says of its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// What it is to the flow.
    pub kind: Kind,
    /// Where in the flow it stands.
    pub place: Place,
}

/// What a packet is to its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It begins one: TCP SYN, SCTP INIT, QUIC Initial and 0-RTT.
    First,
    /// Any packet in between.
    Within,
    /// The client has nothing more to send: TCP FIN.
    Fin,
    /// The flow is over: TCP RST, SCTP ABORT.
    Reset,
    /// It is about the flow, and not of it: an ICMP error.
    Related,
}

/// Where in its flow a packet stands, which somebody off the path can only guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// TCP.
    Sequence {
        /// First sequence number.
        seq: u32,
        /// The one behind the last.
        end: u32,
        /// Acknowledged so far.
        ack: Option<u32>,
    },
    /// SCTP.
    Tag {
        /// Verification tag.
        tag: u32,
        /// Whether the packet proves that the INIT's answer arrived.
        echo: bool,
    },
    /// Nothing tells.
    Unknown,
}

/// Octets of a UDP header (RFC 768).
const UDP_HEADER: usize = 8;

impl Segment {
    /// What tells a first packet's repetition from the first packet of another flow with the same 5-tuple: its initial
    /// sequence number or tag, spread over 64 bits (Steele et al., "Fast Splittable Pseudorandom Number Generators", 2014).
    /// QUIC has none: all first packets of a 5-tuple are alike.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let initial = match self.place {
            Place::Sequence { seq, .. } => seq,
            Place::Tag { tag, .. } => tag,
            Place::Unknown => 0,
        };
        let mut mark = u64::from(initial)
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mark = (mark ^ mark >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mark ^ mark >> 27
    }

    /// A packet that says nothing but that its flow lives.
    pub const WITHIN: Self = Self {
        kind: Kind::Within,
        place: Place::Unknown,
    };

    /// A packet about a flow.
    pub const RELATED: Self = Self {
        kind: Kind::Related,
        place: Place::Unknown,
    };

    /// Reads a transport header at `bytes[0]`, where all of `bytes` belongs to the packet.
    #[inline]
    #[must_use]
    pub fn parse(tracking: Tracking, bytes: &[u8]) -> Self {
        match tracking {
            Tracking::Tcp => TcpView::parse(bytes).map_or(Self::WITHIN, Self::of_tcp),
            Tracking::Sctp => SctpView::parse(bytes).map_or(Self::WITHIN, Self::of_sctp),
            Tracking::Quic => {
                let payload = bytes.get(UDP_HEADER..).unwrap_or_default();
                QuicView::parse(payload).map_or(Self::WITHIN, Self::of_quic)
            }
            Tracking::Sticky | Tracking::Stateless => Self::WITHIN,
        }
    }

    /// An Initial begins a connection. So does 0-RTT, which goes beside the client's first Initials and may overtake them; a
    /// connection that stands sends neither, so who sends one is no flow from before.
    ///
    /// Their Destination Connection ID is no [`Place`]: after the server's answer, or its Retry, the same client's next
    /// Initial has the one that the server chose, and must not count as another connection's. So what is remembered of a
    /// first packet is its 5-tuple alone, and one whose flow is listed goes where the flow does.
    ///
    /// Handshake and 1-RTT follow an answer. Retry and Version Negotiation come from servers only. Of versions that are
    /// not known, types mean nothing. All of these may be of a flow that is old, and count as such.
    fn of_quic(quic: QuicView<'_>) -> Self {
        let kind = if quic.is_initial() || quic.is_early() {
            Kind::First
        } else {
            Kind::Within
        };
        let place = Place::Unknown;
        Self { kind, place }
    }

    /// A SYN with an ACK begins nothing: a client answers no SYN of a server's.
    fn of_tcp(tcp: TcpView) -> Self {
        let kind = if tcp.rst() {
            Kind::Reset
        } else if tcp.syn() && tcp.acknowledged().is_none() {
            Kind::First
        } else if tcp.fin() {
            Kind::Fin
        } else {
            Kind::Within
        };
        let place = Place::Sequence {
            seq: tcp.seq,
            end: tcp.end(),
            ack: tcp.acknowledged(),
        };
        Self { kind, place }
    }

    fn of_sctp(sctp: SctpView) -> Self {
        let kind = match sctp.chunk {
            SctpView::INIT => Kind::First,
            SctpView::ABORT => Kind::Reset,
            _ => Kind::Within,
        };
        let place = Place::Tag {
            tag: sctp.tag,
            echo: sctp.chunk == SctpView::COOKIE_ECHO,
        };
        Self { kind, place }
    }
}
