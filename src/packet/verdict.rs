//! The doors by which a packet leaves, and the one list of reasons to drop it.

/// Makes the enum, the names, the explanations and the list of all reasons from one table.
macro_rules! drop_reasons {
    ($($variant:ident $name:literal $why:literal),+ $(,)?) => {
        /// Why a packet was dropped: the counter's name, the metric's label and the verdict's `reason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $why] $variant),+
        }

        impl DropReason {
            /// Every reason, in the order of the packet's way.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in counters, metrics and verdicts.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// One sentence for an operator.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $why),+ }
            }
        }
    };
}

drop_reasons! {
    EthernetTruncated "ethernet_truncated" "The frame is shorter than its Ethernet header and tags.",
    OtherHost "other_host" "The destination MAC is another host's: a switch flooded the frame.",
    Ip4Truncated "ip4_truncated" "The frame is shorter than its IPv4 header or total length says.",
    Ip4BadHeader "ip4_bad_header" "The IPv4 version, header length or total length is impossible.",
    Ip4BadChecksum "ip4_bad_checksum" "The IPv4 header checksum is wrong.",
    Ip6Truncated "ip6_truncated" "The frame is shorter than its IPv6 header or payload length says.",
    Ip6BadHeader "ip6_bad_header" "The IPv6 version or an extension header is impossible, or there are too many.",
    TransportTruncated "transport_truncated" "The transport header is cut short.",
    NoService "no_service" "The address is a service's, but no service listens on this protocol and port.",
    Fragment "fragment" "A fragment of a datagram to a service: only its first part names the ports.",
    IcmpUnsupported "icmp_unsupported" "An ICMP message to a service address that is neither echo nor an error about a flow.",
    IcmpMalformed "icmp_malformed" "An ICMP message to a service address that is cut short, quotes no whole header, or comes from no host's address.",
    NoBackend "no_backend" "No backend of the pool takes connections: each is drained, in maintenance, or of weight 0.",
    FlowsFull "flows_full" "The slot's backend is about to change, and there is no room to list the flow: the sender tries again.",
    BackendUnknown "backend_unknown" "The flow was listed by another worker, whose tables are newer and have its backend: the sender tries again.",
    NoRoute "no_route" "The host has no route to the backend by any of the appliance's ports.",
    NeighbourUnresolved "neighbour_unresolved" "The backend's or gateway's MAC address is being asked for.",
    NoSource "no_source" "The port has no address of the outer header's family to send from.",
    MtuExceeded "mtu_exceeded" "With its outer header the packet exceeds the port's MTU.",
    NoHeadroom "no_headroom" "The packet buffer has no room for the outer header.",
    PuntUnavailable "punt_unavailable" "The packet is for this host, but the port has no exception path.",
    PuntRingFull "punt_ring_full" "The ring to the host's kernel is full.",
    TxRingFull "tx_ring_full" "The device's transmit ring is full.",
}

/// Where a packet left the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// To a backend, by the port with this index.
    Forwarded {
        /// Index of the port in the configuration.
        port: u8,
    },
    /// Turned into its own answer, back by the port that it came from.
    Answered,
    /// To the host's kernel.
    Punted,
    /// Nowhere.
    Dropped(DropReason),
}
