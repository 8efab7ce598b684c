//! Captures made by hand, field by field, in either byte order.

#![allow(dead_code, reason = "each test file uses a part of it")]

/// A file's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    pub fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Order::Little => value.to_le_bytes(),
            Order::Big => value.to_be_bytes(),
        }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|&value| self.u32(value)).collect()
    }
}

/// Magic numbers of the classic format.
pub const MICRO: u32 = 0xa1b2_c3d4;
pub const NANO: u32 = 0xa1b2_3c4d;

/// A classic file header.
pub fn classic(order: Order, magic: u32, link: u32) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend(order.u16(2));
    file.extend(order.u16(4));
    file.extend(order.words(&[0, 0, 65_535, link]));
    file
}

/// A classic record.
pub fn record(order: Order, seconds: u32, fraction: u32, original: u32, bytes: &[u8]) -> Vec<u8> {
    let mut record = order.words(&[seconds, fraction, bytes.len() as u32, original]);
    record.extend(bytes);
    record
}

/// A pcapng block around a body, padded.
pub fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = body.len() as u32 + 12;
    [
        order.words(&[kind, length]),
        body,
        order.u32(length).to_vec(),
    ]
    .concat()
}

/// A pcapng section header.
pub fn section(order: Order) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    block(order, 0x0a0d_0d0a, &body)
}

/// A pcapng interface; options are (code, value).
pub fn interface(order: Order, link: u16, snap: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = [order.u16(link), [0, 0]].concat();
    body.extend(order.u32(snap));
    for (code, value) in options {
        body.extend(order.u16(*code));
        body.extend(order.u16(value.len() as u16));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    if !options.is_empty() {
        body.extend([0; 4]);
    }
    block(order, 1, &body)
}

/// A pcapng enhanced packet block.
pub fn enhanced(order: Order, interface: u32, units: u64, original: u32, bytes: &[u8]) -> Vec<u8> {
    let (high, low) = ((units >> 32) as u32, units as u32);
    let mut body = order.words(&[interface, high, low, bytes.len() as u32, original]);
    body.extend(bytes);
    block(order, 6, &body)
}

/// A pcapng simple packet block.
pub fn simple(order: Order, original: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = order.u32(original).to_vec();
    body.extend(bytes);
    block(order, 3, &body)
}

/// A pcapng packet block of the obsolete kind.
pub fn obsolete(order: Order, interface: u16, units: u64, bytes: &[u8]) -> Vec<u8> {
    let (high, low) = ((units >> 32) as u32, units as u32);
    let mut body = [order.u16(interface), order.u16(7)].concat();
    body.extend(order.words(&[high, low, bytes.len() as u32, bytes.len() as u32]));
    body.extend(bytes);
    block(order, 2, &body)
}
