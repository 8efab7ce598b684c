//! Any bytes as a capture: read whole or refused at an offset inside, however they trickle in.
#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use tentetsu::port::pcap::{Reader, scan};

/// Hands out at most seven bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = into.len().min(7);
        self.0.read(&mut into[..len])
    }
}

/// Packets and bytes of a capture, or where its fault lies.
fn trickled(capture: &[u8]) -> Result<(u64, u64), u64> {
    let mut reader = Reader::open(Trickle(capture)).map_err(|error| error.offset)?;
    let mut sum = (0, 0);
    while let Some(record) = reader.read().map_err(|error| error.offset)? {
        sum.0 += 1;
        sum.1 += record.bytes.len() as u64;
    }
    Ok(sum)
}

fuzz_target!(|capture: &[u8]| {
    let whole = scan(capture)
        .map(|scan| (scan.packets, scan.bytes))
        .map_err(|error| {
            assert!(!error.to_string().is_empty());
            error.offset
        });
    match whole {
        Ok((_, bytes)) => assert!(bytes <= capture.len() as u64),
        Err(offset) => assert!(offset <= capture.len() as u64),
    }
    assert_eq!(whole, trickled(capture));
});
