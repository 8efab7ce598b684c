//! What one datagram from the kernel holds: several messages, each with a header, aligned to four bytes.

use netlink_packet_core::{
    NetlinkBuffer, NetlinkHeader, NetlinkMessage, NetlinkPayload, Parseable,
};
use netlink_packet_route::RouteNetlinkMessage;

/// The kernel sends no larger datagram to whoever reads into a buffer of this size.
pub(super) const SIZE: usize = 64 * 1024;

/// The messages in a datagram, undecoded. Ends early at bytes that are no message.
pub(super) fn split(datagram: &[u8]) -> impl Iterator<Item = (NetlinkHeader, &[u8])> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let buffer = NetlinkBuffer::new_checked(rest).ok()?;
        let header = NetlinkHeader::parse(&buffer).ok()?;
        let length = header.length as usize;
        let message = &rest[..length];
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, message))
    })
}

/// Decodes one message. One that the decoder doesn't know (kernels grow) counts as empty.
pub(super) fn decode(
    (header, message): (NetlinkHeader, &[u8]),
) -> NetlinkMessage<RouteNetlinkMessage> {
    NetlinkMessage::deserialize(message).unwrap_or_else(|error| {
        tracing::debug!(kind = header.message_type, %error, "skipped a message of the kernel's");
        NetlinkMessage::new(header, NetlinkPayload::Noop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, length: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn splits_at_four_byte_boundaries() {
        let mut datagram = message(3, 18, &[1, 2, 0, 0]);
        datagram.extend(message(1, 16, &[]));
        let parts: Vec<_> = split(&datagram)
            .map(|(header, bytes)| (header.message_type, bytes.len()))
            .collect();
        assert_eq!(parts, [(3, 18), (1, 16)]);
    }

    #[test]
    fn ends_at_a_length_that_cannot_be() {
        for length in [0, 15, 17, u32::MAX] {
            assert_eq!(
                split(&message(1, length, &[])).count(),
                0,
                "length {length}"
            );
        }
        assert_eq!(split(&[0; 15]).count(), 0);
    }

    #[test]
    fn an_unknown_message_counts_as_empty() {
        let unknown = message(999, 20, &[9; 4]);
        let decoded: Vec<_> = split(&unknown).map(decode).collect();
        assert!(matches!(
            decoded.as_slice(),
            [NetlinkMessage {
                payload: NetlinkPayload::Noop,
                ..
            }]
        ));
    }
}
