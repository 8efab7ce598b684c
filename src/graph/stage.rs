//! The stages of the graph, in the order of a packet's way, and where each may send a packet.

/// A place in the graph. The first ones work on packets, the last four are the doors out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Ethernet header, tags, destination MAC.
    Ethernet,
    /// IPv4 header.
    Ip4,
    /// IPv6 header and extension headers.
    Ip6,
    /// Destination to service.
    Lookup,
    /// Messages to a service address: echo, and errors about a flow.
    Icmp,
    /// Flow hash, slot, backend.
    Select,
    /// Entries of flows whose slot is in transition.
    Consult,
    /// Outer IPv4 header.
    Ipip4,
    /// Outer IPv6 header.
    Ipip6,
    /// No outer header.
    L2Dsr,
    /// Ethernet header of the next hop.
    Neighbour,
    /// Door: to a backend.
    Forward,
    /// Door: the packet became its own answer.
    Answer,
    /// Door: to the host's kernel.
    Punt,
    /// Door: dropped with a reason.
    Drop,
}

impl Stage {
    /// How many there are, doors included.
    pub const COUNT: usize = 15;

    /// The working stages in the order in which the walker runs them: a packet only moves forward.
    pub const WALK: [Self; 11] = [
        Self::Ethernet,
        Self::Ip4,
        Self::Ip6,
        Self::Lookup,
        Self::Icmp,
        Self::Select,
        Self::Consult,
        Self::Ipip4,
        Self::Ipip6,
        Self::L2Dsr,
        Self::Neighbour,
    ];

    /// The doors.
    pub const DOORS: [Self; 4] = [Self::Forward, Self::Answer, Self::Punt, Self::Drop];

    /// Where this stage may send a packet.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Ethernet => &[Self::Ip4, Self::Ip6, Self::Punt, Self::Drop],
            Self::Ip4 | Self::Ip6 => &[Self::Lookup, Self::Drop],
            Self::Lookup => &[Self::Select, Self::Icmp, Self::Punt, Self::Drop],
            Self::Icmp => &[Self::Select, Self::Answer, Self::Drop],
            Self::Select => &[
                Self::Ipip4,
                Self::Ipip6,
                Self::L2Dsr,
                Self::Consult,
                Self::Drop,
            ],
            Self::Consult => &[Self::Ipip4, Self::Ipip6, Self::L2Dsr, Self::Drop],
            Self::Ipip4 | Self::Ipip6 | Self::L2Dsr => &[Self::Neighbour, Self::Drop],
            Self::Neighbour => &[Self::Forward, Self::Drop],
            Self::Forward | Self::Answer | Self::Punt | Self::Drop => &[],
        }
    }

    /// The name in counters and in the picture.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::Ip4 => "ip4",
            Self::Ip6 => "ip6",
            Self::Lookup => "lookup",
            Self::Icmp => "icmp",
            Self::Select => "select",
            Self::Consult => "consult",
            Self::Ipip4 => "ipip4",
            Self::Ipip6 => "ipip6",
            Self::L2Dsr => "l2dsr",
            Self::Neighbour => "neighbour",
            Self::Forward => "forward",
            Self::Answer => "answer",
            Self::Punt => "punt",
            Self::Drop => "drop",
        }
    }
}
