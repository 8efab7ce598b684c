//! IPv6 (RFC 8200), and the outer header of what we encapsulate in it (RFC 2473).

use std::net::Ipv6Addr;

use super::ipv4::{InnerFields, OUTER_TTL};

/// Extension headers that are followed on the way to the transport header.
const MAX_EXTENSIONS: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// Why bytes are no IPv6 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv6Fault {
    /// Shorter than the header, an extension header or the payload length.
    Truncated,
    /// Another version, or too many extension headers.
    BadHeader,
}

/// An IPv6 packet whose header, extension headers and payload length are right.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6View<'a> {
    header: &'a [u8; 40],
    /// Length of the header with its extension headers.
    pub header_len: u16,
    /// Protocol behind the extension headers.
    pub protocol: u8,
    /// Whether it is a part of a larger datagram.
    pub fragment: bool,
    /// Whether it is such a part, but not the first: it has no transport header.
    pub later_fragment: bool,
}

impl<'a> Ipv6View<'a> {
    /// Checks a packet that starts at `bytes[0]`; what lies behind its payload length is padding.
    ///
    /// # Errors
    /// [`Ipv6Fault`] says what is wrong.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Ipv6Fault> {
        let header = bytes.first_chunk::<40>().ok_or(Ipv6Fault::Truncated)?;
        let total_len = 40 + usize::from(u16::from_be_bytes([header[4], header[5]]));
        let packet = bytes.get(..total_len).ok_or(Ipv6Fault::Truncated)?;
        Self::parse_quoted(packet)
    }

    /// Checks a header that an ICMP error quotes: the payload may be cut.
    ///
    /// # Errors
    /// [`Ipv6Fault`] says what is wrong.
    #[inline(always)]
    pub fn parse_quoted(packet: &'a [u8]) -> Result<Self, Ipv6Fault> {
        let header = packet.first_chunk::<40>().ok_or(Ipv6Fault::Truncated)?;
        if header[0] >> 4 != 6 {
            return Err(Ipv6Fault::BadHeader);
        }
        let view = Self {
            header,
            header_len: 40,
            protocol: header[6],
            fragment: false,
            later_fragment: false,
        };
        if is_extension(view.protocol) {
            view.walk(packet)
        } else {
            Ok(view)
        }
    }

    /// Follows the chain of extension headers (RFC 8200, section 4) to the first part of a fragment.
    #[cold]
    fn walk(mut self, packet: &[u8]) -> Result<Self, Ipv6Fault> {
        for _ in 0..MAX_EXTENSIONS {
            if !is_extension(self.protocol) {
                return Ok(self);
            }
            let rest = packet
                .get(usize::from(self.header_len)..)
                .ok_or(Ipv6Fault::Truncated)?;
            let start = rest.first_chunk::<8>().ok_or(Ipv6Fault::Truncated)?;
            let len = match self.protocol {
                FRAGMENT => 8,
                // RFC 4302, section 2.2: counted in 4-byte units, less 2.
                AUTHENTICATION => (u16::from(start[1]) + 2) * 4,
                _ => (u16::from(start[1]) + 1) * 8,
            };
            if usize::from(len) > rest.len() {
                return Err(Ipv6Fault::Truncated);
            }
            let offset_and_more = u16::from_be_bytes([start[2], start[3]]) & 0xfff9;
            // RFC 6946: offset 0 and nothing more to come is a whole datagram.
            let fragment = self.protocol == FRAGMENT && offset_and_more != 0;
            self.fragment |= fragment;
            self.later_fragment |= fragment && offset_and_more > 1;
            self.protocol = start[0];
            self.header_len += len;
            if fragment {
                // What follows may be the middle of a payload.
                return Ok(self);
            }
        }
        if is_extension(self.protocol) {
            Err(Ipv6Fault::BadHeader)
        } else {
            Ok(self)
        }
    }

    /// Length of the whole packet, as the header says.
    #[inline(always)]
    #[must_use]
    pub const fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]]).saturating_add(40)
    }

    /// Traffic class: DSCP and ECN.
    #[inline(always)]
    #[must_use]
    pub const fn traffic_class(&self) -> u8 {
        self.header[0] << 4 | self.header[1] >> 4
    }

    /// Source and destination, as they stand in the packet.
    #[inline(always)]
    #[must_use]
    pub fn addresses(&self) -> [u8; 32] {
        // The last 32 of 40 bytes always exist.
        self.header.last_chunk::<32>().copied().unwrap_or([0; 32])
    }
}

const fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS | MOBILITY
    )
}

/// The outer IPv6 header of one backend, all but what differs from packet to packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterIpv6 {
    source: [u64; 2],
    source_hosts: u64,
    destination: [u64; 2],
}

impl OuterIpv6 {
    /// A header from the addresses of `source` (host bits of the prefix length `source_len`, at most
    /// the lower 64, vary) to `destination`.
    #[must_use]
    pub fn new(source: Ipv6Addr, source_len: u8, destination: Ipv6Addr) -> Self {
        let source_hosts = u64::MAX
            .checked_shr(u32::from(source_len).saturating_sub(64))
            .unwrap_or(0);
        let [high, low] = halves(source);
        Self {
            source: [high, low & !source_hosts],
            source_hosts,
            destination: halves(destination),
        }
    }

    /// Writes the header before a payload of `payload_len` bytes. `entropy` chooses the source and the
    /// flow label (RFC 6438), so that flows spread over paths and the backend's receive queues. Of the
    /// inner fields IPv6 has no room for the identification and DF.
    #[inline(always)]
    pub fn write(&self, out: &mut [u8; 40], payload_len: u16, inner: InnerFields, entropy: u64) {
        let label = entropy >> 12 & 0xf_ffff;
        let first = 6 << 60
            | u64::from(inner.tos) << 52
            | label << 32
            | u64::from(payload_len) << 16
            | u64::from(inner.protocol) << 8
            | u64::from(OUTER_TTL);
        let source = self.source[1] | entropy & self.source_hosts;
        let words = [
            first,
            self.source[0],
            source,
            self.destination[0],
            self.destination[1],
        ];
        for (chunk, word) in out.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *chunk = word.to_be_bytes();
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // The halves are what is wanted.
fn halves(address: Ipv6Addr) -> [u64; 2] {
    [(address.to_bits() >> 64) as u64, address.to_bits() as u64]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inner(protocol: u8, tos: u8) -> InnerFields {
        InnerFields {
            protocol,
            tos,
            id: 0,
            dont_fragment: 0x40,
        }
    }

    fn packet(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; 40];
        let outer = OuterIpv6::new(Ipv6Addr::LOCALHOST, 128, Ipv6Addr::LOCALHOST);
        outer.write(
            &mut header,
            u16::try_from(payload.len()).unwrap(),
            inner(next_header, 0),
            0,
        );
        [&header, payload].concat()
    }

    #[test]
    fn an_outer_header_parses_and_varies_its_source() {
        let mut bytes = [0; 40];
        let prefix: Ipv6Addr = "2001:db8:1:2::".parse().unwrap();
        let backend: Ipv6Addr = "2001:db8::9".parse().unwrap();
        OuterIpv6::new(prefix, 112, backend).write(
            &mut bytes,
            0,
            inner(4, 0xb9),
            0x1234_5678_9abc_def0,
        );
        let view = Ipv6View::parse(&bytes).unwrap();
        let source: Ipv6Addr = "2001:db8:1:2::def0".parse().unwrap();
        assert_eq!(
            view.addresses(),
            [source.octets(), backend.octets()].concat()[..]
        );
        assert_eq!(
            (view.traffic_class(), view.protocol, view.total_len()),
            (0xb9, 4, 40)
        );
    }

    #[test]
    fn extension_headers_are_walked() {
        let chain = [
            43, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0,
        ];
        let bytes = packet(HOP_BY_HOP, &chain);
        let view = Ipv6View::parse(&bytes).unwrap();
        assert_eq!(
            (view.protocol, view.header_len, view.fragment),
            (6, 64, false)
        );
    }

    #[test]
    fn fragments_are_told_from_atomic_ones() {
        for (offset_and_more, fragment, later) in [
            (0_u16, false, false),
            (1, true, false),
            (8, true, true),
            (6, false, false),
        ] {
            let [a, b] = offset_and_more.to_be_bytes();
            let bytes = packet(FRAGMENT, &[17, 0, a, b, 0, 0, 0, 1]);
            let view = Ipv6View::parse(&bytes).unwrap();
            assert_eq!(
                (view.protocol, view.header_len, view.fragment),
                (17, 48, fragment)
            );
            assert_eq!(view.later_fragment, later);
        }
    }

    #[test]
    fn endless_chains_and_cut_ones_are_refused() {
        let endless = packet(HOP_BY_HOP, &[0; 80]);
        assert_eq!(Ipv6View::parse(&endless).err(), Some(Ipv6Fault::BadHeader));
        let cut = packet(HOP_BY_HOP, &[6, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Ipv6View::parse(&cut).err(), Some(Ipv6Fault::Truncated));
    }
}
