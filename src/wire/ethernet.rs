//! Ethernet II, with 802.1Q and 802.1ad tags.

use std::fmt;

use arrayvec::ArrayVec;

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// Whether the group bit is set: multicast or broadcast.
    #[inline(always)]
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The type of what follows the Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);
    /// 802.1Q customer tag.
    pub const VLAN: Self = Self(0x8100);
    /// 802.1ad service tag.
    pub const QINQ: Self = Self(0x88a8);
}

/// One tag of a packet that we send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// [`EtherType::VLAN`] or [`EtherType::QINQ`].
    pub kind: EtherType,
    /// VLAN id, 1 to 4,094.
    pub id: u16,
}

/// Tags from the outermost in; more than two are not had in the field.
pub type TagStack = ArrayVec<VlanTag, 2>;

/// A frame whose Ethernet header and tags are whole.
#[derive(Debug, Clone, Copy)]
pub struct EthernetView<'a> {
    header: &'a [u8; 14],
    /// Type of the payload, behind the tags.
    pub ether_type: EtherType,
    /// Offset of the payload: 14, 18 or 22.
    pub payload: u16,
}

impl<'a> EthernetView<'a> {
    /// Checks the header and at most two tags. A third tag is the payload's type.
    ///
    /// Returns `None` when the frame is too short.
    #[inline(always)]
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.first_chunk::<14>()?;
        let outer = EtherType(u16::from_be_bytes([header[12], header[13]]));
        let (ether_type, payload) = match outer {
            EtherType::VLAN | EtherType::QINQ => skip_tags(outer, bytes)?,
            _ => (outer, 14),
        };
        Some(Self {
            header,
            ether_type,
            payload,
        })
    }

    /// The destination.
    #[inline(always)]
    #[must_use]
    pub const fn destination(&self) -> MacAddr {
        let [a, b, c, d, e, f, ..] = *self.header;
        MacAddr([a, b, c, d, e, f])
    }
}

/// The type and the offset of what stands behind at most two tags, the first of type `outer`.
#[cold]
fn skip_tags(outer: EtherType, bytes: &[u8]) -> Option<(EtherType, u16)> {
    let (mut ether_type, mut payload) = (outer, 14);
    for _ in 0..2 {
        if !matches!(ether_type, EtherType::VLAN | EtherType::QINQ) {
            break;
        }
        let [_, _, a, b] = *bytes.get(usize::from(payload)..)?.first_chunk::<4>()?;
        ether_type = EtherType(u16::from_be_bytes([a, b]));
        payload += 4;
    }
    Some((ether_type, payload))
}

/// Sends a frame back to where it came from; its tags stay. No effect on less than a header.
pub fn swap_macs(bytes: &mut [u8]) {
    if let Some(addresses) = bytes.first_chunk_mut::<12>() {
        addresses.rotate_left(6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(types: &[u16]) -> Vec<u8> {
        let mut bytes = vec![1; 12];
        for (i, ether_type) in types.iter().enumerate() {
            if i > 0 {
                bytes.extend([0, 100]);
            }
            bytes.extend(ether_type.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn up_to_two_tags_are_skipped() {
        for (types, expected) in [
            (&[0x0800][..], (0x0800, 14)),
            (&[0x8100, 0x86dd], (0x86dd, 18)),
            (&[0x88a8, 0x8100, 0x0800], (0x0800, 22)),
            (&[0x88a8, 0x8100, 0x8100, 0x0800], (0x8100, 22)),
        ] {
            let bytes = frame(types);
            let view = EthernetView::parse(&bytes).unwrap();
            assert_eq!((view.ether_type.0, view.payload), expected);
        }
    }

    #[test]
    fn a_cut_header_or_tag_is_no_frame() {
        let bytes = frame(&[0x88a8, 0x8100, 0x0800]);
        for len in 0..bytes.len() {
            assert!(EthernetView::parse(&bytes[..len]).is_none(), "{len} bytes");
        }
    }
}
