//! Headers on the wire: checked views of bytes, and builders of what we send.
//!
//! A view is made once, by a function that checks every length; its accessors can't fail then.
//! Nothing here panics, whatever the bytes.

#![warn(clippy::cast_possible_truncation)]

mod checksum;
mod ethernet;
mod icmp;
mod ipv4;
mod ipv6;
mod quic;
mod segment;
mod transport;

pub use checksum::Checksum;
pub use ethernet::{EtherType, EthernetView, MacAddr, TagStack, VlanTag, swap_macs};
pub use icmp::{ICMP4, ICMP6, IcmpKind, IcmpView, answer_echo4, answer_echo6};
pub use ipv4::{InnerFields, Ipv4Fault, Ipv4View, OuterIpv4};
pub use ipv6::{Ipv6Fault, Ipv6View, OuterIpv6};
pub use quic::QuicView;
pub use segment::{SctpView, TcpView};
pub use transport::{PortPair, SCTP, TCP, TransportFault, UDP, parse_ports, quoted_ports};
