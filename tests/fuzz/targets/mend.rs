//! Puts checksums right, so that a fuzzer gets behind their checks.

/// Puts the IPv4 header's checksum right, and that of an ICMP or ICMPv6 message directly behind the header.
pub fn checksums(frame: &mut [u8]) {
    let mut at = 12;
    while at < 20 && matches!(frame.get(at..at + 2), Some([0x81, 0] | [0x88, 0xa8])) {
        at += 4;
    }
    let Some(packet) = frame.get_mut(at + 2..) else {
        return;
    };
    match packet.first() {
        Some(version) if version >> 4 == 4 => mend_v4(packet),
        Some(version) if version >> 4 == 6 => mend_v6(packet),
        _ => {}
    }
}

fn mend_v4(packet: &mut [u8]) {
    let header_len = usize::from(packet[0] & 15) * 4;
    let Some((header, rest)) = packet.split_at_mut_checked(header_len) else {
        return;
    };
    if header.len() < 20 {
        return;
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    set(header, 10, 0);
    let end = total.saturating_sub(header_len).min(rest.len());
    if header[9] == 1 {
        set(&mut rest[..end], 2, 0);
    }
}

fn mend_v6(packet: &mut [u8]) {
    let Some((header, rest)) = packet.split_at_mut_checked(40) else {
        return;
    };
    let end = usize::from(u16::from_be_bytes([header[4], header[5]])).min(rest.len());
    if header[6] == 58 {
        let pseudo = sum(&header[8..]) + end as u64 + 58;
        set(&mut rest[..end], 2, pseudo);
    }
}

fn sum(bytes: &[u8]) -> u64 {
    bytes
        .chunks(2)
        .map(|pair| u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low)))
        .sum()
}

/// Sets the checksum field at `offset` of `bytes`, if they are that long.
fn set(bytes: &mut [u8], offset: usize, start: u64) {
    if bytes.len() < offset + 2 {
        return;
    }
    bytes[offset..offset + 2].fill(0);
    let mut sum = start + sum(bytes);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[offset..offset + 2].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}
