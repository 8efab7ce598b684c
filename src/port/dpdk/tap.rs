//! A TAP interface that stands for a port in the host: with its MAC and addresses, and gone with the process.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use ipnet::IpNet;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::libc;
use nix::net::if_::if_nametoindex;

use super::Error;

nix::ioctl_write_ptr_bad!(tun_set_iff, libc::TUNSETIFF, libc::ifreq);

/// The interface. It vanishes when all of its descriptors are closed.
pub struct Tap {
    name: String,
    file: File,
}

impl Tap {
    /// Makes the interface, gives it MAC, MTU and addresses, and sets it up.
    ///
    /// # Errors
    /// [`Error::Tap`] names the step that the kernel refused.
    pub fn create(name: &str, mac: [u8; 6], mtu: u16, addresses: &[IpNet]) -> Result<Self, Error> {
        let failed = |step: &'static str| {
            move |reason: io::Error| Error::Tap {
                name: name.to_owned(),
                step,
                reason,
            }
        };
        let file = open(name).map_err(failed("made (modprobe tun; an interface of that name?)"))?;
        let index = if_nametoindex(name)
            .map_err(io::Error::from)
            .map_err(failed("found"))?;
        let mut netlink = Netlink::new().map_err(failed("set up: no netlink"))?;
        netlink
            .change_link(index, mac, mtu)
            .map_err(failed("given its MAC and MTU"))?;
        for address in addresses {
            netlink
                .add_address(index, address)
                .map_err(failed("given its addresses"))?;
        }
        Ok(Self {
            name: name.to_owned(),
            file,
        })
    }

    /// The interface's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A further descriptor for its packets: one per read and write, not blocking.
    ///
    /// # Errors
    /// When the process has too many files open.
    pub fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

fn open(name: &str) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open("/dev/net/tun")?;
    // SAFETY: all zeros is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the name has more than 15 letters",
        ));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed();
    }
    // Whole frames and no header in front of them. Exclusive: never a second user's packets on one interface.
    let kind = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_TUN_EXCL;
    request.ifr_ifru.ifru_flags = kind as i16;
    // SAFETY: `request` is an `ifreq`, as TUNSETIFF wants, and lives for the call.
    unsafe { tun_set_iff(file.as_raw_fd(), &raw const request) }?;
    Ok(file)
}

/// Requests to the kernel's route netlink, each answered before the next.
struct Netlink(Socket);

impl Netlink {
    fn new() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    fn change_link(&mut self, index: u32, mac: [u8; 6], mtu: u16) -> io::Result<()> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes = vec![
            LinkAttribute::Address(mac.to_vec()),
            LinkAttribute::Mtu(mtu.into()),
        ];
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(link), 0)
    }

    fn add_address(&mut self, index: u32, address: &IpNet) -> io::Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = match address {
            IpNet::V4(_) => AddressFamily::Inet,
            IpNet::V6(_) => AddressFamily::Inet6,
        };
        message.header.prefix_len = address.prefix_len();
        message.header.index = index;
        // Only DPDK hears the wire, and the address is configured: usable at once, not after a second of probes.
        message.header.flags = AddressHeaderFlags::Nodad;
        message.attributes = vec![
            AddressAttribute::Local(address.addr()),
            AddressAttribute::Address(address.addr()),
        ];
        self.request(
            RouteNetlinkMessage::NewAddress(message),
            NLM_F_CREATE | NLM_F_REPLACE,
        )
    }

    fn request(&mut self, payload: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut message = NetlinkMessage::from(payload);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.0.send(&bytes, 0)?;
        let (answer, _) = self.0.recv_from_full()?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer);
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
            _ => Ok(()),
        }
    }
}
