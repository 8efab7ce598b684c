//! The classic pcap format (draft-ietf-opsawg-pcap): a header, then records without any marks between them.

use std::io::Read;

use super::error::{Fault, ReadError};
use super::reader::Record;
use super::window::Window;
use super::{ETHERNET, MAX_PACKET, Order};

/// The file header's length in bytes.
const FILE_HEADER: usize = 24;

/// How this file's records are laid out.
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds per unit of a record's fraction field.
    unit: u64,
    /// A record header's length: 16 bytes, or 24 in Kuznetzov's old Linux patch.
    header: usize,
}

impl Classic {
    /// Reads the file header; `None` when `magic` is not one of this format's.
    pub(super) fn open<R: Read>(
        window: &mut Window<R>,
        magic: [u8; 4],
    ) -> Result<Option<Self>, ReadError> {
        let (order, unit, header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1_000, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1_000, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1, 16),
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, 1_000, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, 1_000, 24),
            _ => return Ok(None),
        };
        let head = window.need(FILE_HEADER, "the file's header")?;
        let (major, minor) = (order.u16(head, 4), order.u16(head, 6));
        // The upper bits tell of a frame check sequence, which the IP header's own length cuts off.
        let number = order.u32(head, 20) & 0x03ff_ffff;
        if major != 2 {
            return Err(window.fault(4, Fault::Version { major, minor }));
        }
        if number != ETHERNET {
            return Err(window.fault(20, Fault::LinkType { number }));
        }
        window.take(FILE_HEADER, "the file's header")?;
        Ok(Some(Classic {
            order,
            unit,
            header,
        }))
    }

    /// The next record.
    pub(super) fn read<'w, R: Read>(
        &self,
        window: &'w mut Window<R>,
    ) -> Result<Option<Record<'w>>, ReadError> {
        if !window.begin()? {
            return Ok(None);
        }
        let head = window.need(self.header, "a packet's header")?;
        let [seconds, fraction, captured, original] =
            [0, 4, 8, 12].map(|at| self.order.u32(head, at));
        if captured as usize > MAX_PACKET {
            let (length, limit) = (captured.into(), MAX_PACKET as u64);
            return Err(window.fault(
                8,
                Fault::TooLong {
                    what: "a packet",
                    length,
                    limit,
                },
            ));
        }
        let timestamp = u64::from(seconds) * 1_000_000_000 + u64::from(fraction) * self.unit;
        let record = window.take(self.header + captured as usize, "a packet")?;
        Ok(Some(Record {
            timestamp,
            original,
            bytes: &record[self.header..],
        }))
    }
}
