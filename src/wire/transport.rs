//! The part of TCP, UDP and SCTP that a balancer reads: the ports.

/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// SCTP's protocol number.
pub const SCTP: u8 = 132;

/// Source and destination port, as they stand in the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortPair([u8; 4]);

impl PortPair {
    /// A pair of these ports.
    #[must_use]
    pub const fn new(source: u16, destination: u16) -> Self {
        let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
        Self([a, b, c, d])
    }

    /// The four bytes.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(self) -> [u8; 4] {
        self.0
    }

    /// Destination port.
    #[inline(always)]
    #[must_use]
    pub const fn destination(self) -> u16 {
        let Self([_, _, a, b]) = self;
        u16::from_be_bytes([a, b])
    }

    /// The pair of the opposite direction.
    #[inline(always)]
    #[must_use]
    pub const fn reversed(self) -> Self {
        let Self([a, b, c, d]) = self;
        Self([c, d, a, b])
    }
}

/// The transport header is shorter than its protocol's shortest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFault;

/// Reads the ports of a transport header that starts at `transport[0]`, in a packet of which `len` bytes belong to
/// it; protocols without ports have the pair 0, 0.
///
/// # Errors
/// [`TransportFault`] when fewer bytes are there than the fixed header has: 20 for TCP (RFC 9293,
/// section 3.1), 8 for UDP (RFC 768), 12 for SCTP (RFC 9260, section 3.1).
#[inline(always)]
pub fn parse_ports(protocol: u8, transport: &[u8], len: u16) -> Result<PortPair, TransportFault> {
    let shortest = match protocol {
        TCP => 20,
        UDP => 8,
        SCTP => 12,
        _ => return Ok(PortPair::default()),
    };
    if len < shortest {
        return Err(TransportFault);
    }
    quoted_ports(transport).ok_or(TransportFault)
}

/// Reads the ports of a header of which an ICMP error quotes at least the first 4 bytes.
#[inline(always)]
#[must_use]
pub fn quoted_ports(transport: &[u8]) -> Option<PortPair> {
    transport.first_chunk::<4>().copied().map(PortPair)
}
