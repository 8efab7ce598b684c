//! Which packets leave a NIC that the kernel keeps (AF_XDP): those to a VIP, told to our XDP program at run time.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_int, c_uint};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ipnet::IpNet;
use nix::net::if_::if_nametoindex;

use super::Error;
use super::eal::errno_of;
use super::shim::{self, Shim};

/// `struct tt_prefix`: a key of the program's map. IPv4 is mapped into `::ffff:0:0/96`.
#[repr(C)]
#[derive(Debug, PartialEq, Eq)]
pub struct RawPrefix {
    bits: u32,
    address: [u8; 16],
}

/// The program, as clang made it.
static PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/steer.o"));

/// Its name in the kernel, by which a left-over of a killed process is known.
const NAME: &str = "tentetsu_steer";

/// The program's map of VIP prefixes.
const MAP: &CStr = c"vips";

/// The program in a file that the driver can open.
pub struct Program(OwnedFd);

impl Program {
    /// Makes the file. It must outlive the start of the device.
    pub fn new() -> Result<Self, Error> {
        shim::file_of(PROGRAM).map(Self)
    }

    /// What makes `net_af_xdp` load it.
    pub fn device_argument(&self) -> String {
        format!(",xdp_prog={}", shim::path_of(&self.0))
    }
}

/// Takes our program off the interface where a killed process left it, and gives the name of one that is not ours:
/// that must not be touched.
pub fn clear(shim: &Shim, interface: &str) -> Option<String> {
    let index = if_nametoindex(interface).ok()?;
    let mut name = [0_u8; 32];
    // SAFETY: the buffer is as long as said; the shim ends the name with a zero.
    let found = unsafe { (shim.xdp_attached)(index, name.as_mut_ptr().cast(), name.len()) };
    if found != 0 {
        return None;
    }
    let name = CStr::from_bytes_until_nul(&name)
        .unwrap_or_default()
        .to_string_lossy();
    if name != NAME {
        return Some(name.into_owned());
    }
    tracing::info!("{interface}: took off the XDP program of an appliance that was killed");
    // SAFETY: no memory is passed.
    unsafe { (shim.xdp_detach)(index) };
    None
}

/// The map of the program on one interface.
pub struct Steering {
    map: OwnedFd,
    vips: BTreeSet<IpNet>,
}

impl Steering {
    /// Finds the map of the program that the driver has attached.
    pub fn find(shim: &Shim, interface: &str) -> Result<Self, io::Error> {
        let index: c_uint = if_nametoindex(interface)?;
        // SAFETY: the name is a C string.
        let map = unsafe { (shim.xdp_map)(index, MAP.as_ptr()) };
        if map < 0 {
            return Err(errno_of(map));
        }
        // SAFETY: a fresh descriptor that is ours.
        let map = unsafe { OwnedFd::from_raw_fd(map) };
        Ok(Self {
            map,
            vips: BTreeSet::new(),
        })
    }

    /// Makes these the prefixes whose packets come to us. New ones are there before old ones go.
    pub fn set(&mut self, shim: &Shim, vips: &[IpNet]) -> Result<(), io::Error> {
        let wanted: BTreeSet<IpNet> = vips.iter().map(IpNet::trunc).collect();
        let done = |errno: c_int| {
            if errno < 0 {
                Err(errno_of(errno))
            } else {
                Ok(())
            }
        };
        for vip in wanted.difference(&self.vips) {
            // SAFETY: the key has the map's layout (asserted in shim.c) and lives for the call.
            done(unsafe { (shim.map_put)(self.map.as_raw_fd(), &key(vip)) })?;
        }
        for vip in self.vips.difference(&wanted) {
            // SAFETY: as above.
            done(unsafe { (shim.map_remove)(self.map.as_raw_fd(), &key(vip)) })?;
        }
        self.vips = wanted;
        Ok(())
    }
}

fn key(prefix: &IpNet) -> RawPrefix {
    let bits = u32::from(prefix.prefix_len());
    match prefix.addr() {
        IpAddr::V4(v4) => RawPrefix {
            bits: 96 + bits,
            address: v4.to_ipv6_mapped().octets(),
        },
        IpAddr::V6(v6) => RawPrefix {
            bits,
            address: v6.octets(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_prefixes_are_mapped() {
        let v4 = key(&"203.0.113.0/24".parse().unwrap());
        assert_eq!(v4.bits, 120);
        assert_eq!(v4.address[..10], [0; 10]);
        assert_eq!(v4.address[10..], [0xff, 0xff, 203, 0, 113, 0]);
        let v6 = key(&"2001:db8::/64".parse().unwrap());
        assert_eq!(
            (v6.bits, v6.address[..4].to_vec()),
            (64, vec![0x20, 0x01, 0x0d, 0xb8])
        );
    }
}
