//! IPv4 (RFC 791), and the outer header of what we encapsulate in it (RFC 2003, RFC 4213).

use std::net::Ipv4Addr;

use super::Checksum;

/// Why bytes are no IPv4 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ipv4Fault {
    /// Shorter than the header, its options or the total length.
    Truncated,
    /// Version, header length or total length are impossible.
    BadHeader,
    /// The header checksum is wrong.
    BadChecksum,
}

/// An IPv4 packet whose header, options and total length are right.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4View<'a> {
    header: &'a [u8; 20],
    header_len: u16,
}

impl<'a> Ipv4View<'a> {
    /// Checks a packet that starts at `bytes[0]`; what lies behind its total length is padding.
    ///
    /// # Errors
    /// [`Ipv4Fault`] says what is wrong.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Ipv4Fault> {
        let view = Self::parse_quoted(bytes)?;
        let total_len = view.total_len();
        // RFC 1122, section 3.2.1: the total length holds at least the header.
        if total_len < view.header_len {
            return Err(Ipv4Fault::BadHeader);
        }
        if usize::from(total_len) > bytes.len() {
            return Err(Ipv4Fault::Truncated);
        }
        if !view.checksum_is_right(bytes) {
            return Err(Ipv4Fault::BadChecksum);
        }
        Ok(view)
    }

    /// Checks a header that an ICMP error quotes: the payload may be cut, and routers on the way may
    /// have left its checksum behind.
    ///
    /// # Errors
    /// [`Ipv4Fault::Truncated`] or [`Ipv4Fault::BadHeader`].
    #[inline(always)]
    pub fn parse_quoted(bytes: &'a [u8]) -> Result<Self, Ipv4Fault> {
        let header = bytes.first_chunk::<20>().ok_or(Ipv4Fault::Truncated)?;
        let header_len = u16::from(header[0] & 0x0f) * 4;
        if header[0] >> 4 != 4 || header_len < 20 {
            return Err(Ipv4Fault::BadHeader);
        }
        if usize::from(header_len) > bytes.len() {
            return Err(Ipv4Fault::Truncated);
        }
        Ok(Self { header, header_len })
    }

    /// Whether the header's checksum is right. A one's-complement sum does not depend on the byte order, as long as
    /// only its being all ones is asked for (RFC 1071, section 2 (B)), so words are added as they lie in memory.
    #[inline(always)]
    fn checksum_is_right(&self, bytes: &[u8]) -> bool {
        let mut sum = add_words(0, self.header);
        if self.header_len > 20 {
            sum = add_options(sum, bytes, self.header_len);
        }
        // Two folds leave at most 0x2fffc of any sum of 15 words, in which all ones has two forms.
        let folded = (sum >> 32) + (sum & 0xffff_ffff);
        let folded = (folded >> 16) + (folded & 0xffff);
        folded == 0xffff || folded == 0x1_fffe
    }

    /// Length of the header with its options.
    #[inline(always)]
    #[must_use]
    pub const fn header_len(&self) -> u16 {
        self.header_len
    }

    /// Length of the whole packet.
    #[inline(always)]
    #[must_use]
    pub const fn total_len(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// DSCP and ECN.
    #[inline(always)]
    #[must_use]
    pub const fn tos(&self) -> u8 {
        self.header[1]
    }

    /// Identification.
    #[inline(always)]
    #[must_use]
    pub const fn id(&self) -> u16 {
        u16::from_be_bytes([self.header[4], self.header[5]])
    }

    /// Whether routers must not fragment it.
    #[inline(always)]
    #[must_use]
    pub const fn dont_fragment(&self) -> bool {
        self.header[6] & 0x40 != 0
    }

    /// Whether it is a part of a larger datagram: an offset, or more to come.
    #[inline(always)]
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        u16::from_be_bytes([self.header[6], self.header[7]]) & 0x3fff != 0
    }

    /// Whether it is such a part, but not the first: it has no transport header.
    #[inline(always)]
    #[must_use]
    pub const fn is_later_fragment(&self) -> bool {
        u16::from_be_bytes([self.header[6], self.header[7]]) & 0x1fff != 0
    }

    /// Protocol of the payload.
    #[inline(always)]
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        self.header[9]
    }

    /// Source and destination, as they stand in the packet.
    #[inline(always)]
    #[must_use]
    pub const fn addresses(&self) -> [u8; 8] {
        let [.., a, b, c, d, e, f, g, h] = *self.header;
        [a, b, c, d, e, f, g, h]
    }
}

#[inline(always)]
fn add_words(sum: u64, bytes: &[u8]) -> u64 {
    let add = |sum, word: &[u8; 4]| sum + u64::from(u32::from_ne_bytes(*word));
    bytes.as_chunks::<4>().0.iter().fold(sum, add)
}

/// Out of the way of packets without options, which are nearly all.
#[cold]
#[inline(never)]
fn add_options(sum: u64, bytes: &[u8], header_len: u16) -> u64 {
    add_words(sum, bytes.get(20..header_len.into()).unwrap_or_default())
}

/// TTL of packets to backends: that of a fresh packet (RFC 2003, section 3.1: the tunnel is one hop of
/// the inner packet, however long it is).
pub const OUTER_TTL: u8 = 64;

/// The outer IPv4 header of one backend, all but what differs from packet to packet.
///
/// Words lie as in the packet, whatever the CPU's byte order: a one's-complement sum does not depend on it
/// (RFC 1071, section 2 (B)), so nothing needs swapping but the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OuterIpv4 {
    source: u32,
    source_hosts: u32,
    destination: u32,
    /// Sum of version, header length and destination.
    fixed: Checksum,
}

impl OuterIpv4 {
    /// A header from the addresses of `source` (host bits of the prefix length `source_len` vary) to
    /// `destination`.
    #[must_use]
    pub fn new(source: Ipv4Addr, source_len: u8, destination: Ipv4Addr) -> Self {
        let hosts = u32::MAX.checked_shr(source_len.into()).unwrap_or(0);
        let destination = u32::from_ne_bytes(destination.octets());
        Self {
            source: (source.to_bits() & !hosts).to_be(),
            source_hosts: hosts.to_be(),
            destination,
            fixed: Checksum::new().word(0x4500_u16.to_be()).long(destination),
        }
    }

    /// Writes the header before a payload of `payload_len` bytes. `entropy` chooses the source, so that
    /// flows spread over the backend's receive queues.
    #[inline(always)]
    #[allow(clippy::cast_possible_truncation)] // The lower half is as good as any.
    pub fn write(&self, out: &mut [u8; 20], payload_len: u16, inner: InnerFields, entropy: u64) {
        let [total0, total1] = payload_len.saturating_add(20).to_be_bytes();
        let [id0, id1] = inner.id.to_ne_bytes();
        let first = u32::from_ne_bytes([0x45, inner.tos, total0, total1]);
        let second = u32::from_ne_bytes([id0, id1, inner.dont_fragment & 0x40, 0]);
        let ttl_protocol = u16::from_ne_bytes([OUTER_TTL, inner.protocol]);
        let source = self.source | (entropy as u32).to_be() & self.source_hosts;
        // `fixed` has the first word's 0x4500 already.
        let varying = first - u32::from_ne_bytes([0x45, 0, 0, 0]);
        let sum = self
            .fixed
            .long(varying)
            .long(second)
            .word(ttl_protocol)
            .long(source);
        let [ttl, protocol] = ttl_protocol.to_ne_bytes();
        let [sum0, sum1] = sum.complement().to_ne_bytes();
        let third = u32::from_ne_bytes([ttl, protocol, sum0, sum1]);
        let words = [first, second, third, source, self.destination];
        for (chunk, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *chunk = word.to_ne_bytes();
        }
    }
}

/// What the outer header takes over from the inner one.
#[derive(Debug, Clone, Copy)]
pub struct InnerFields {
    /// Protocol number of the inner packet: 4 for IPv4, 41 for IPv6.
    pub protocol: u8,
    /// DSCP and ECN, copied (RFC 2983 uniform model; RFC 6040, section 4.1, normal mode).
    pub tos: u8,
    /// Identification as it lies in memory, unique enough for reassembly when fragments are allowed (RFC 6864).
    pub id: u16,
    /// The byte with the flag DF (`0x40`), copied as RFC 2003, section 3.1 asks when it is set; set before IPv6,
    /// which routers don't cut. The other bits count for nothing.
    pub dont_fragment: u8,
}

impl InnerFields {
    /// The fields of a checked IPv4 packet. `entropy` is mixed into the identification, since many
    /// clients' packets share an outer pair of addresses.
    #[inline(always)]
    #[must_use]
    pub fn of_ipv4(packet: &[u8], entropy: u16) -> Self {
        let Some([_, tos, _, _, i0, i1, flags, _]) = packet.first_chunk::<8>() else {
            return Self::of_ipv6(packet);
        };
        let id = u16::from_ne_bytes([*i0, *i1]) ^ entropy.to_be();
        Self {
            protocol: 4,
            tos: *tos,
            id,
            dont_fragment: *flags,
        }
    }

    /// The fields of a checked IPv6 packet.
    #[inline(always)]
    #[must_use]
    pub fn of_ipv6(packet: &[u8]) -> Self {
        let tos = packet
            .first_chunk::<2>()
            .map_or(0, |[a, b]| a << 4 | b >> 4);
        Self {
            protocol: 41,
            tos,
            id: 0,
            dont_fragment: 0x40,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> [u8; 20] {
        let mut out = [0; 20];
        let outer = OuterIpv4::new(Ipv4Addr::new(10, 0, 0, 0), 24, Ipv4Addr::new(10, 9, 8, 7));
        outer.write(
            &mut out,
            0,
            InnerFields {
                protocol: 4,
                tos: 0xb9,
                id: 7_u16.to_be(),
                dont_fragment: 0x40,
            },
            0xffff_ff05,
        );
        out
    }

    #[test]
    fn an_outer_header_parses_and_varies_its_source() {
        let bytes = header();
        let view = Ipv4View::parse(&bytes).unwrap();
        assert_eq!(view.addresses(), [10, 0, 0, 5, 10, 9, 8, 7]);
        assert_eq!(
            (view.tos(), view.id(), view.dont_fragment()),
            (0xb9, 7, true)
        );
        assert_eq!(
            (view.protocol(), view.total_len(), view.is_fragment()),
            (4, 20, false)
        );
    }

    #[test]
    fn a_host_source_is_left_whole() {
        let outer = OuterIpv4::new(Ipv4Addr::new(10, 0, 0, 1), 32, Ipv4Addr::LOCALHOST);
        assert_eq!((outer.source.to_be(), outer.source_hosts), (0x0a00_0001, 0));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        for bit in 0..160 {
            let mut bytes = header();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Ipv4View::parse(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_packet_is_truncated() {
        let bytes = header();
        for len in 0..20 {
            assert_eq!(
                Ipv4View::parse(&bytes[..len]).err(),
                Some(Ipv4Fault::Truncated)
            );
        }
    }
}
