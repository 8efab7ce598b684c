//! The C shim: embedded as a shared object, loaded when the first port is started.
//!
//! Loading it loads libdpdk, so only the commands that drive a NIC need libdpdk on the machine.

use std::error::Error as _;
use std::ffi::{c_char, c_int, c_uint};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::OnceLock;

use libloading::Library;
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Error;
use super::device::{RawInfo, RawLink, RawSetup, Stats};
use super::mbuf::RawMbuf;
use super::plan::Layout;
use super::steer::RawPrefix;

/// `struct rte_mempool`, which only C looks into.
#[repr(C)]
pub struct RawPool {
    _opaque: [u8; 0],
}

/// Takes a line or a part of a line of DPDK's log.
pub type LogSink = unsafe extern "C" fn(text: *const c_char, len: usize);

macro_rules! functions {
    ($($name:ident = $symbol:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The shim's functions, by the names of `shim.h` without their `tt_`.
        pub struct Shim {
            $(pub $name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Shim {
            fn resolve(library: &Library) -> Result<Self, libloading::Error> {
                Ok(Self {
                    // SAFETY: the object is built from shim.c along with this file; the types are those of shim.h.
                    $($name: *unsafe { library.get($symbol) }?,)*
                })
            }
        }
    };
}

functions! {
    eal_init = "tt_eal_init": fn(c_int, *mut *mut c_char, LogSink) -> c_int;
    eal_cleanup = "tt_eal_cleanup": fn() -> c_int;
    thread_register = "tt_thread_register": fn() -> c_int;
    thread_unregister = "tt_thread_unregister": fn();
    probe = "tt_probe": fn(*const c_char) -> c_int;
    port_by_name = "tt_port_by_name": fn(*const c_char) -> c_int;
    port_info = "tt_port_info": fn(u16, *mut RawInfo) -> c_int;
    port_start = "tt_port_start": fn(u16, *mut RawSetup) -> c_int;
    port_stop = "tt_port_stop": fn(u16) -> c_int;
    port_close = "tt_port_close": fn(u16) -> c_int;
    port_link = "tt_port_link": fn(u16, *mut RawLink) -> c_int;
    port_stats = "tt_port_stats": fn(u16, *mut Stats) -> c_int;
    pool_create = "tt_pool_create": fn(*const c_char, c_uint, c_uint, u16, Layout, c_int, *mut c_int) -> *mut RawPool;
    pool_in_use = "tt_pool_in_use": fn(*mut RawPool) -> c_uint;
    alloc = "tt_alloc": fn(*mut RawPool) -> *mut RawMbuf;
    rx = "tt_rx": fn(u16, u16, *mut *mut RawMbuf, u16) -> u16;
    tx = "tt_tx": fn(u16, u16, *mut *mut RawMbuf, u16, c_uint) -> u16;
    free = "tt_free": fn(*mut RawMbuf);
    free_bulk = "tt_free_bulk": fn(*mut *mut RawMbuf, c_uint);
    linearize = "tt_linearize": fn(*mut RawMbuf) -> c_int;
    xdp_attached = "tt_xdp_attached": fn(c_uint, *mut c_char, usize) -> c_int;
    xdp_detach = "tt_xdp_detach": fn(c_uint) -> c_int;
    xdp_map = "tt_xdp_map": fn(c_uint, *const c_char) -> c_int;
    map_put = "tt_map_put": fn(c_int, *const RawPrefix) -> c_int;
    map_remove = "tt_map_remove": fn(c_int, *const RawPrefix) -> c_int;
}

static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/shim.so"));
static LOADED: OnceLock<Shim> = OnceLock::new();

/// The shim, if [`load`] has been called. There are no mbufs without it.
pub fn loaded() -> Option<&'static Shim> {
    LOADED.get()
}

/// Loads the shim and libdpdk into the process. They stay until its end: DPDK can't be unloaded.
///
/// # Errors
/// [`Error::LibraryMissing`] names the library and the Debian package.
pub fn load() -> Result<&'static Shim, Error> {
    if let Some(shim) = LOADED.get() {
        return Ok(shim);
    }
    let file = file_of(OBJECT)?;
    // SAFETY: the object has no constructors of its own; those of libdpdk only register drivers.
    let library = unsafe { Library::new(path_of(&file)) }.map_err(|error| missing(&error))?;
    let shim = Shim::resolve(&library).map_err(|error| missing(&error))?;
    std::mem::forget(library);
    Ok(LOADED.get_or_init(|| shim))
}

/// An anonymous file with this content.
pub fn file_of(content: &[u8]) -> Result<OwnedFd, Error> {
    let file = memfd_create(c"tentetsu", MFdFlags::MFD_CLOEXEC).map_err(std::io::Error::from);
    let mut file = std::fs::File::from(file.map_err(Error::AnonymousFile)?);
    file.write_all(content).map_err(Error::AnonymousFile)?;
    Ok(file.into())
}

/// A path under which libraries of this process can open it.
pub fn path_of(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// Finds the library in a message such as `librte_eal.so.23: cannot open shared object file: ...`.
fn missing(error: &libloading::Error) -> Error {
    // The loader's own words are in the source; the error itself says only what was called.
    let message = error.source().unwrap_or(error).to_string();
    let library = message
        .split(':')
        .next()
        .unwrap_or(&message)
        .trim()
        .to_owned();
    let package = match library.split_once(".so.") {
        Some(("libbpf", version)) => format!("libbpf{version}"),
        Some((stem, version)) if stem.starts_with("librte_") => {
            let name = stem.replace('_', "-");
            let version = version.split('.').next().unwrap_or(version);
            // DPDK 22.11 is ABI 23; Debian takes it into the package's name.
            format!("dpdk {name}{version}")
        }
        _ => "dpdk".to_owned(),
    };
    Error::LibraryMissing {
        library,
        package,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_library_names_its_package() {
        // SAFETY: there is no such library, so none of its code runs.
        let error = unsafe { Library::new("librte_nowhere.so.23") }
            .err()
            .unwrap();
        let text = missing(&error).to_string();
        assert!(
            text.starts_with("librte_nowhere.so.23 is missing: "),
            "{text}"
        );
        assert!(text.contains("apt install dpdk librte-nowhere23"), "{text}");
        assert!(text.contains("cannot open shared object file"), "{text}");
    }
}
