//! A pcapng interface description: snap length, and how its timestamps are meant.

use super::Order;
use super::error::Fault;

const OPTION_END: u16 = 0;
const OPTION_TSRESOL: u16 = 9;
const OPTION_TSOFFSET: u16 = 14;

/// One interface's clock and snap length.
pub(super) struct Interface {
    /// Timestamp units per second.
    resolution: u64,
    /// Seconds to add to each timestamp.
    offset: i64,
    /// Bytes captured of a packet at most.
    pub(super) snap: u32,
}

impl Interface {
    /// Reads an interface description block; a fault comes with its place in the block.
    pub(super) fn parse(order: Order, block: &[u8]) -> Result<Self, (usize, Fault)> {
        let snap = match order.u32(block, 12) {
            0 => u32::MAX,
            limit => limit,
        };
        let mut interface = Interface {
            resolution: 1_000_000,
            offset: 0,
            snap,
        };
        let (mut at, end) = (16, block.len() - 4);
        while at + 4 <= end {
            let (code, length) = (order.u16(block, at), usize::from(order.u16(block, at + 2)));
            at += 4;
            if code == OPTION_END {
                break;
            }
            if at + length > end {
                let missing = (at + length - end) as u64;
                return Err((
                    at - 2,
                    Fault::Truncated {
                        what: "an interface's option",
                        missing,
                    },
                ));
            }
            match (code, length) {
                (OPTION_TSRESOL, 1) => {
                    interface.resolution =
                        resolution(block[at]).ok_or((at, Fault::Resolution(block[at])))?;
                }
                (OPTION_TSOFFSET, 8) => interface.offset = order.i64(block, at),
                _ => {}
            }
            at += length.next_multiple_of(4);
        }
        Ok(interface)
    }

    /// A timestamp as nanoseconds since 1970, held within what 64 bits can say (1970 to 2554).
    pub(super) fn nanoseconds(&self, units: u64) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        if self.offset == 0 && SECOND.is_multiple_of(self.resolution) {
            return units.saturating_mul(SECOND / self.resolution);
        }
        let resolution = i128::from(self.resolution);
        let since = i128::from(units) * i128::from(SECOND) / resolution;
        let shifted = since + i128::from(self.offset) * i128::from(SECOND);
        u64::try_from(shifted.max(0)).unwrap_or(u64::MAX)
    }
}

/// Section 4.2: a power of ten, or with the top bit set a power of two.
fn resolution(option: u8) -> Option<u64> {
    match option {
        0..0x80 => 10_u64.checked_pow(option.into()),
        0x80.. => 1_u64.checked_shl(u32::from(option & 0x7f)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolutions_are_powers_of_ten_or_of_two() {
        assert_eq!(resolution(6), Some(1_000_000));
        assert_eq!(resolution(0x80 | 20), Some(1 << 20));
        assert_eq!(resolution(20), None);
        assert_eq!(resolution(0x80 | 64), None);
    }

    #[test]
    fn timestamps_become_nanoseconds() {
        let clock = |resolution, offset| Interface {
            resolution,
            offset,
            snap: 0,
        };
        assert_eq!(clock(1_000_000, 0).nanoseconds(1_500_000), 1_500_000_000);
        assert_eq!(clock(1 << 10, 0).nanoseconds(1536), 1_500_000_000);
        assert_eq!(clock(1_000_000_000_000, 0).nanoseconds(1_999), 1);
        assert_eq!(clock(1_000, 2).nanoseconds(1_000), 3_000_000_000);
        assert_eq!(clock(1_000, -2).nanoseconds(1_000), 0);
        assert_eq!(clock(1, 0).nanoseconds(u64::MAX), u64::MAX);
    }
}
