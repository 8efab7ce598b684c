//! The pcapng format (draft-ietf-opsawg-pcapng): sections of blocks, each with its length at both ends.

use std::io::Read;
use std::ops::Range;

use super::error::{Fault, ReadError};
use super::interface::Interface;
use super::reader::Record;
use super::window::Window;
use super::{ETHERNET, MAX_BLOCK, MAX_PACKET, Order};

/// First bytes of a section, the same in both byte orders.
pub(super) const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Interfaces per section: a bound on memory.
const MAX_INTERFACES: usize = 65_536;

/// The section that is being read.
pub(super) struct Section {
    order: Order,
    interfaces: Vec<Interface>,
    /// Timestamp of the last packet that had one.
    clock: u64,
}

/// Where a packet lies in its block, and what is known of it.
struct Packet {
    block: usize,
    data: Range<usize>,
    timestamp: u64,
    original: u32,
}

impl Section {
    /// Reads the first section header.
    pub(super) fn open<R: Read>(window: &mut Window<R>) -> Result<Self, ReadError> {
        let mut section = Section {
            order: Order::Little,
            interfaces: Vec::new(),
            clock: 0,
        };
        section.begin(window)?;
        Ok(section)
    }

    /// The next packet.
    pub(super) fn read<'w, R: Read>(
        &mut self,
        window: &'w mut Window<R>,
    ) -> Result<Option<Record<'w>>, ReadError> {
        let packet = loop {
            if !window.begin()? {
                return Ok(None);
            }
            if let Some(packet) = self.block(window)? {
                break packet;
            }
        };
        self.clock = packet.timestamp;
        let block = window.take(packet.block, "a packet block")?;
        let Packet {
            timestamp,
            original,
            data,
            ..
        } = packet;
        Ok(Some(Record {
            timestamp,
            original,
            bytes: &block[data],
        }))
    }

    /// Looks at the next block. A packet is left in the window; all others are taken.
    fn block<R: Read>(&mut self, window: &mut Window<R>) -> Result<Option<Packet>, ReadError> {
        let head = window.need(8, "a block's header")?;
        let (kind, length) = (self.order.u32(head, 0), self.order.u32(head, 4));
        match kind {
            SECTION => self.begin(window)?,
            INTERFACE => self.interface(window, length)?,
            ENHANCED_PACKET => return self.enhanced(window, length).map(Some),
            OBSOLETE_PACKET => return self.obsolete(window, length).map(Some),
            SIMPLE_PACKET => return self.simple(window, length).map(Some),
            _ => self.skip(window, length)?,
        }
        Ok(None)
    }

    /// Section 4.1: the header says in which byte order its section is, and forgets the interfaces.
    fn begin<R: Read>(&mut self, window: &mut Window<R>) -> Result<(), ReadError> {
        let head = window.need(28, "a section header")?;
        self.order = match Order::Little.u32(head, 8) {
            BYTE_ORDER => Order::Little,
            other if other.swap_bytes() == BYTE_ORDER => Order::Big,
            other => return Err(window.fault(8, Fault::ByteOrder(other))),
        };
        let length = self.order.u32(head, 4);
        let (major, minor) = (self.order.u16(head, 12), self.order.u16(head, 14));
        if major != 1 {
            return Err(window.fault(12, Fault::Version { major, minor }));
        }
        self.hold(window, length, 28, "a section header")?;
        self.interfaces.clear();
        window.take(length as usize, "a section header")?;
        Ok(())
    }

    /// Section 4.2: an interface's link type, snap length and clock.
    fn interface<R: Read>(&mut self, window: &mut Window<R>, length: u32) -> Result<(), ReadError> {
        let block = self.hold(window, length, 20, "an interface description")?;
        let number = self.order.u16(block, 8).into();
        let interface = Interface::parse(self.order, block);
        if number != ETHERNET {
            return Err(window.fault(8, Fault::LinkType { number }));
        }
        if self.interfaces.len() == MAX_INTERFACES {
            return Err(window.fault(0, Fault::Interfaces(MAX_INTERFACES)));
        }
        self.interfaces
            .push(interface.map_err(|(at, fault)| window.fault(at, fault))?);
        window.take(length as usize, "an interface description")?;
        Ok(())
    }

    /// Section 4.3.
    fn enhanced<R: Read>(&self, window: &mut Window<R>, length: u32) -> Result<Packet, ReadError> {
        let block = self.hold(window, length, 32, "a packet block")?;
        let id = self.order.u32(block, 8);
        self.stamped(window, length, id)
    }

    /// Appendix A: the obsolete packet block has a drop count where the interface's upper half is now.
    fn obsolete<R: Read>(&self, window: &mut Window<R>, length: u32) -> Result<Packet, ReadError> {
        let block = self.hold(window, length, 32, "a packet block")?;
        let id = self.order.u16(block, 8).into();
        self.stamped(window, length, id)
    }

    /// The part that both packet blocks with a timestamp share; `need` bytes of it are held.
    fn stamped<R: Read>(
        &self,
        window: &mut Window<R>,
        length: u32,
        id: u32,
    ) -> Result<Packet, ReadError> {
        let block = window.need(length as usize, "a packet block")?;
        let [high, low, captured, original] = [12, 16, 20, 24].map(|at| self.order.u32(block, at));
        let held = length as usize - 32;
        let Some(interface) = self.interfaces.get(id as usize) else {
            return Err(window.fault(
                8,
                Fault::Interface {
                    id,
                    known: self.interfaces.len(),
                },
            ));
        };
        if captured as usize > held {
            return Err(window.fault(
                20,
                Fault::Overrun {
                    claimed: captured,
                    held,
                },
            ));
        }
        limit(window, 20, captured as usize)?;
        let timestamp = interface.nanoseconds(u64::from(high) << 32 | u64::from(low));
        Ok(Packet {
            block: length as usize,
            data: 28..28 + captured as usize,
            timestamp,
            original,
        })
    }

    /// Section 4.4: no timestamp, always the first interface, and its snap length tells what was captured.
    fn simple<R: Read>(&self, window: &mut Window<R>, length: u32) -> Result<Packet, ReadError> {
        let block = self.hold(window, length, 16, "a simple packet block")?;
        let original = self.order.u32(block, 8);
        let held = length as usize - 16;
        let Some(interface) = self.interfaces.first() else {
            return Err(window.fault(0, Fault::Interface { id: 0, known: 0 }));
        };
        let captured = original.min(interface.snap);
        if captured as usize > held {
            return Err(window.fault(
                8,
                Fault::Overrun {
                    claimed: captured,
                    held,
                },
            ));
        }
        limit(window, 8, captured as usize)?;
        let data = 12..12 + captured as usize;
        Ok(Packet {
            block: length as usize,
            data,
            timestamp: self.clock,
            original,
        })
    }

    /// A block that says nothing about packets; it may be of any size.
    fn skip<R: Read>(&self, window: &mut Window<R>, length: u32) -> Result<(), ReadError> {
        check_length(window, length, 12)?;
        window.skip(u64::from(length) - 4, "a block")?;
        let tail = self.order.u32(window.need(4, "a block")?, 0);
        if tail != length {
            return Err(window.fault(0, Fault::Trailer { head: length, tail }));
        }
        window.take(4, "a block")?;
        Ok(())
    }

    /// The whole next block, whose both lengths agree and are at least `least`.
    fn hold<'w, R: Read>(
        &self,
        window: &'w mut Window<R>,
        length: u32,
        least: u32,
        what: &'static str,
    ) -> Result<&'w [u8], ReadError> {
        check_length(window, length, least)?;
        if length as usize > MAX_BLOCK {
            let fault = Fault::TooLong {
                what,
                length: length.into(),
                limit: MAX_BLOCK as u64,
            };
            return Err(window.fault(4, fault));
        }
        let at = length as usize - 4;
        let tail = self.order.u32(window.need(length as usize, what)?, at);
        if tail != length {
            return Err(window.fault(at, Fault::Trailer { head: length, tail }));
        }
        Ok(&window.need(length as usize, what)?[..length as usize])
    }
}

fn check_length<R: Read>(window: &Window<R>, length: u32, least: u32) -> Result<(), ReadError> {
    if length < least || !length.is_multiple_of(4) {
        return Err(window.fault(4, Fault::BlockLength(length)));
    }
    Ok(())
}

fn limit<R: Read>(window: &Window<R>, at: usize, captured: usize) -> Result<(), ReadError> {
    if captured > MAX_PACKET {
        let (length, limit) = (captured as u64, MAX_PACKET as u64);
        return Err(window.fault(
            at,
            Fault::TooLong {
                what: "a packet",
                length,
                limit,
            },
        ));
    }
    Ok(())
}
