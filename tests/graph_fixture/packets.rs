//! Packets for properties: anything that is a packet, and some that nearly are.

#![allow(dead_code, reason = "each test uses a part of it")]

use etherparse::{IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header};
use proptest::prelude::*;

/// Clients, services and hosts of either family, by index; services first.
const V4: [[u8; 4]; 6] = [
    [203, 0, 113, 10],
    [203, 0, 113, 70],
    [203, 0, 113, 11],
    [192, 0, 2, 10],
    [198, 51, 100, 1],
    [198, 51, 100, 2],
];
const V6: [u16; 6] = [0x10, 0x11, 0x12, 0x13, 0x901, 0x902];

/// What a packet is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub six: bool,
    pub source: usize,
    pub destination: usize,
    pub tags: usize,
    pub tos: u8,
    pub dont_fragment: bool,
    /// Offset in 8-byte units, and whether more follows.
    pub fragment: (u16, bool),
    /// 4-byte words of IPv4 options, or IPv6 extension headers.
    pub options: usize,
    pub body: Body,
}

/// What stands behind the IP header.
#[derive(Debug, Clone)]
pub enum Body {
    /// Protocol, ports and bytes behind a whole transport header.
    Transport(u8, u16, u16, usize),
    /// An echo request with so many bytes.
    Echo(usize),
    /// A type, and bytes that it may quote.
    Message(u8, Vec<u8>),
    /// A protocol with bytes of no meaning.
    Other(u8, Vec<u8>),
}

impl Parts {
    /// A plain packet of a client to the first service.
    pub fn plain(six: bool, body: Body) -> Self {
        Self {
            six,
            source: 4,
            destination: 0,
            tags: 0,
            tos: 0,
            dont_fragment: false,
            fragment: (0, false),
            options: 0,
            body,
        }
    }

    /// The Ethernet frame.
    pub fn frame(&self) -> Vec<u8> {
        let mut frame = [[2, 0, 0, 0, 0, 0], [2, 9, 9, 9, 9, 9]].concat();
        for tag in [[0x88, 0xa8, 0, 7], [0x81, 0, 0, 100]]
            .iter()
            .take(self.tags)
        {
            frame.extend(tag);
        }
        frame.extend(if self.six { [0x86, 0xdd] } else { [8, 0] });
        frame.extend(self.packet());
        frame
    }

    /// The IP packet.
    pub fn packet(&self) -> Vec<u8> {
        if self.six { self.v6() } else { self.v4() }
    }

    fn v4(&self) -> Vec<u8> {
        let (source, destination) = (V4[self.source], V4[self.destination]);
        let (protocol, body) = self.body.bytes(None);
        let mut header = Ipv4Header::new(
            body.len() as u16,
            60,
            IpNumber(protocol),
            source,
            destination,
        )
        .unwrap();
        header.identification = 0x1234;
        header.dont_fragment = self.dont_fragment;
        header.fragment_offset = IpFragOffset::try_new(self.fragment.0).unwrap();
        header.more_fragments = self.fragment.1;
        let options = [1_u8; 40];
        header.options = Ipv4Options::try_from(&options[..self.options * 4]).unwrap();
        header.total_len += self.options as u16 * 4;
        let mut bytes = header.to_bytes().to_vec();
        bytes[1] = self.tos;
        bytes[10..12].fill(0);
        let sum = !ones_sum(&bytes);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        [bytes, body].concat()
    }

    fn v6(&self) -> Vec<u8> {
        let address = |index: usize| {
            let mut address = [0x20, 1, 0xd, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            address[14..].copy_from_slice(&V6[index].to_be_bytes());
            address
        };
        let (source, destination) = (address(self.source), address(self.destination));
        let (protocol, body) = self.body.bytes(Some((source, destination)));
        let (first, extensions) = self.extensions(protocol);
        let header = Ipv6Header {
            traffic_class: self.tos,
            flow_label: Ipv6FlowLabel::try_new(7).unwrap(),
            payload_length: (extensions.len() + body.len()) as u16,
            next_header: IpNumber(first),
            hop_limit: 60,
            source,
            destination,
        };
        [&header.to_bytes()[..], &extensions, &body].concat()
    }

    /// Destination options before a fragment header; the number of the first of them, else the protocol's.
    fn extensions(&self, protocol: u8) -> (u8, Vec<u8>) {
        let (mut first, mut bytes) = (protocol, Vec::new());
        if self.fragment != (0, false) {
            let [a, b] = (self.fragment.0 << 3 | u16::from(self.fragment.1)).to_be_bytes();
            bytes = vec![protocol, 0, a, b, 0, 0, 0, 9];
            first = 44;
        }
        for _ in 0..self.options {
            bytes.splice(0..0, [first, 0, 1, 4, 0, 0, 0, 0]);
            first = 60;
        }
        (first, bytes)
    }
}

impl Body {
    /// Protocol and bytes; `pseudo` are the addresses of an IPv6 packet.
    fn bytes(&self, pseudo: Option<([u8; 16], [u8; 16])>) -> (u8, Vec<u8>) {
        let icmp = |kind: u8, rest: &[u8]| {
            let mut message = [&[kind, 0, 0, 0, 0, 7, 0, 1], rest].concat();
            let start = pseudo.map_or(0, |(source, destination)| {
                let sum = u32::from(ones_sum(&[source, destination].concat()));
                sum + message.len() as u32 + 58
            });
            let mut sum = start + u32::from(ones_sum(&message));
            sum = (sum & 0xffff) + (sum >> 16);
            sum = (sum & 0xffff) + (sum >> 16);
            message[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
            (if pseudo.is_some() { 58 } else { 1 }, message)
        };
        match self {
            Self::Transport(protocol, source, destination, len) => {
                let header = match protocol {
                    6 => 20,
                    17 => 8,
                    _ => 12,
                };
                let mut bytes = [source.to_be_bytes(), destination.to_be_bytes()].concat();
                bytes.resize(header + len, 0xa5);
                (*protocol, bytes)
            }
            Self::Echo(len) => icmp(if pseudo.is_some() { 128 } else { 8 }, &vec![0x5a; *len]),
            Self::Message(kind, rest) => icmp(*kind, rest),
            Self::Other(protocol, bytes) => (*protocol, bytes.clone()),
        }
    }
}

/// A transport packet's body.
pub fn transport() -> impl Strategy<Value = Body> {
    let protocol = prop::sample::select(vec![6_u8, 17, 132]);
    let port = prop_oneof![Just(80_u16), 8000..8102_u16, any::<u16>()];
    let len = prop_oneof![0..64_usize, 1380..1500_usize];
    (protocol, any::<u16>(), port, len).prop_map(|(protocol, source, destination, len)| {
        Body::Transport(protocol, source, destination, len)
    })
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        6 => transport(),
        1 => (0..100_usize).prop_map(Body::Echo),
        2 => (any::<u8>(), quoted()).prop_map(|(kind, quoted)| Body::Message(kind, quoted)),
        1 => (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(protocol, bytes)| Body::Other(protocol, bytes)),
    ]
}

/// A packet of a service, or a part of it.
fn quoted() -> impl Strategy<Value = Vec<u8>> {
    (any::<bool>(), transport(), 0..80_usize).prop_map(|(six, body, len)| {
        let mut parts = Parts::plain(six, body);
        (parts.source, parts.destination) = (0, 4);
        let mut packet = parts.packet();
        packet.truncate(len);
        packet
    })
}

prop_compose! {
    /// A packet that is right in every field.
    pub fn parts()(
        six: bool,
        source in 0..6_usize,
        destination in prop_oneof![4 => Just(0_usize), 2 => 0..6_usize],
        tags in 0..=2_usize,
        tos: u8,
        dont_fragment: bool,
        fragment in prop_oneof![6 => Just((0, false)), 1 => (0..8000_u16, any::<bool>())],
        options in prop_oneof![3 => Just(0_usize), 1 => 0..=7_usize],
        body in body(),
    ) -> Parts {
        Parts { six, source, destination, tags, tos, dont_fragment, fragment, options, body }
    }
}

/// A frame with padding, cut short, or with a wrong byte: what a wire may deliver.
pub fn frame() -> impl Strategy<Value = Vec<u8>> {
    let padding = prop_oneof![Just(0_usize), 1..50_usize];
    let cut = prop_oneof![5 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)];
    let wrong = prop_oneof![5 => Just(None), 1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(Some)];
    (parts(), padding, cut, wrong).prop_map(|(parts, padding, cut, wrong)| {
        let mut frame = parts.frame();
        frame.resize(frame.len() + padding, 0xee);
        if let Some((index, value)) = wrong {
            let len = frame.len();
            frame[index.index(len)] = value;
        }
        if let Some(index) = cut {
            frame.truncate(index.index(frame.len()));
        }
        frame
    })
}

fn ones_sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
