//! What TCP and SCTP headers say of a flow: where it begins and ends, and where in it a packet stands.

/// A TCP header (RFC 9293, section 3.1), as far as a balancer reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpView {
    /// Sequence number of the first octet, or of the SYN.
    pub seq: u32,
    /// Acknowledgement number; means something with the ACK flag only.
    pub ack: u32,
    /// Octets of payload.
    pub payload_len: u16,
    flags: u8,
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

impl TcpView {
    /// Reads a header at `segment[0]`, in a packet of which the bytes of `segment` belong to it.
    #[inline]
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // A segment is part of an IP packet: below 64 KiB.
    pub fn parse(segment: &[u8]) -> Option<Self> {
        let header = segment.first_chunk::<20>()?;
        let [_, _, _, _, a, b, c, d, e, f, g, h, offset, flags, ..] = *header;
        let header_len = usize::from(offset >> 4) * 4;
        Some(Self {
            seq: u32::from_be_bytes([a, b, c, d]),
            ack: u32::from_be_bytes([e, f, g, h]),
            payload_len: segment.len().saturating_sub(header_len) as u16,
            flags,
        })
    }

    /// The flag FIN.
    #[must_use]
    pub const fn fin(self) -> bool {
        self.flags & FIN != 0
    }

    /// The flag SYN.
    #[must_use]
    pub const fn syn(self) -> bool {
        self.flags & SYN != 0
    }

    /// The flag RST.
    #[must_use]
    pub const fn rst(self) -> bool {
        self.flags & RST != 0
    }

    /// The acknowledgement number, where the flag ACK makes it one.
    #[must_use]
    pub const fn acknowledged(self) -> Option<u32> {
        if self.flags & ACK == 0 {
            None
        } else {
            Some(self.ack)
        }
    }

    /// The sequence number behind the segment: payload, SYN and FIN take one each (RFC 9293, section 3.4).
    #[must_use]
    pub fn end(self) -> u32 {
        let controls = u32::from(self.syn()) + u32::from(self.fin());
        self.seq
            .wrapping_add(u32::from(self.payload_len))
            .wrapping_add(controls)
    }
}

/// An SCTP packet (RFC 9260, section 3), as far as a balancer reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SctpView {
    /// The verification tag: the same in all packets of a direction, save the INIT.
    pub tag: u32,
    /// Type of the first chunk.
    pub chunk: u8,
}

impl SctpView {
    /// The chunk that begins an association.
    pub const INIT: u8 = 1;
    /// The chunk that ends it at once.
    pub const ABORT: u8 = 6;
    /// The chunk that only the host sends to which the INIT's answer came.
    pub const COOKIE_ECHO: u8 = 10;

    /// Reads the common header at `packet[0]` and the chunk behind it. An INIT's own header has no tag: it is the one
    /// that the INIT offers.
    #[inline]
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [_, _, _, _, a, b, c, d, _, _, _, _, chunk] = *packet.first_chunk::<13>()?;
        let offered = packet.get(16..20).and_then(|tag| tag.first_chunk::<4>());
        let tag = match offered {
            Some(offered) if chunk == Self::INIT => *offered,
            _ => [a, b, c, d],
        };
        Some(Self {
            tag: u32::from_be_bytes(tag),
            chunk,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(flags: u8, payload: usize) -> Vec<u8> {
        let mut segment = vec![0; 20 + payload];
        segment[4..8].copy_from_slice(&0xffff_fffe_u32.to_be_bytes());
        segment[8..12].copy_from_slice(&7_u32.to_be_bytes());
        (segment[12], segment[13]) = (0x50, flags);
        segment
    }

    #[test]
    fn a_segment_ends_behind_payload_and_controls() {
        let end = |flags, payload| TcpView::parse(&tcp(flags, payload)).unwrap().end();
        assert_eq!(end(SYN, 0), 0xffff_ffff);
        assert_eq!(end(ACK, 5), 3);
        assert_eq!(end(ACK | FIN, 5), 4);
    }

    #[test]
    fn an_acknowledgement_needs_its_flag() {
        let ack = |flags| TcpView::parse(&tcp(flags, 0)).unwrap().acknowledged();
        assert_eq!((ack(ACK), ack(SYN)), (Some(7), None));
    }

    #[test]
    fn short_headers_are_none() {
        assert_eq!(TcpView::parse(&[0; 19]), None);
        assert_eq!(SctpView::parse(&[0; 12]), None);
        // A data offset beyond the segment leaves no payload.
        let mut segment = tcp(ACK, 4);
        segment[12] = 0xf0;
        assert_eq!(TcpView::parse(&segment).unwrap().payload_len, 0);
    }
}
