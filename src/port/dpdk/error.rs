//! What can go wrong when a NIC is brought up, each with its mend.

use std::io;

use thiserror::Error;

use super::sysfs::Nic;

/// A fault of the DPDK layer. Its text names the fault and what to do about it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A shared library of DPDK is not on this machine.
    #[error("{library} is missing: apt install {package}\n  ({message})")]
    LibraryMissing {
        /// Its file name.
        library: String,
        /// Debian's packages that bring it.
        package: String,
        /// The loader's own words.
        message: String,
    },
    /// The anonymous file for the embedded objects could not be made.
    #[error("cannot make an anonymous file for the DPDK shim: {0}")]
    AnonymousFile(#[source] io::Error),
    /// DPDK can be started once in a process.
    #[error("DPDK was already started in this process; start a new process instead")]
    AlreadyStarted,
    /// Something needs rights that this process does not have. Exit code 77.
    #[error("no permission to {what}: run as root, or with {capabilities}")]
    NoPermission {
        /// What was to be done.
        what: String,
        /// What would allow it.
        capabilities: &'static str,
    },
    /// DPDK's environment refused to start.
    #[error(
        "DPDK did not start{}{}{}",
        because(reason, log),
        no_memory(reason),
        own_arguments(eal_args)
    )]
    Start {
        /// The error's text.
        reason: io::Error,
        /// As configured.
        eal_args: Vec<String>,
        /// What DPDK logged.
        log: Vec<String>,
    },
    /// Another appliance on this host has the same `dpdk.file_prefix`.
    #[error(
        "dpdk.file_prefix \"{prefix}\" is in use by process {pid}: \
         stop that one, or give this node another file_prefix"
    )]
    PrefixInUse {
        /// The prefix.
        prefix: String,
        /// Who has it.
        pid: String,
    },
    /// Another process drives the device.
    #[error("port \"{port}\": {device} is in use by {owner}: stop that one, or use another device")]
    Busy {
        /// The port's name.
        port: String,
        /// PCI address or interface.
        device: String,
        /// Who has it, as far as it is known.
        owner: String,
    },
    /// The file that keeps two processes apart could not be made.
    #[error("cannot lock {path}: {source}")]
    Claim {
        /// The lock file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Too few huge pages are free.
    #[error(
        "port memory needs {needed_mib} MiB of huge pages on NUMA node {node}, and {free_mib} MiB are free ({why}).\n  \
         Reserve them: echo {pages} > /sys/devices/system/node/node{node}/hugepages/hugepages-2048kB/nr_hugepages\n  \
         or lower dpdk.memory_mib"
    )]
    HugePages {
        /// NUMA node.
        node: usize,
        /// MiB wanted.
        needed_mib: u64,
        /// MiB free.
        free_mib: u64,
        /// Number of 2 MiB pages to have.
        pages: u64,
        /// Who needs them.
        why: &'static str,
    },
    /// `dpdk.memory_mib` is too small for the queues.
    #[error(
        "dpdk.memory_mib = {memory_mib} holds {have} packets, and the ports' queues need {needed}: \
         set memory_mib to at least {needed_mib}, or use fewer descriptors"
    )]
    Memory {
        /// As configured.
        memory_mib: u32,
        /// Packets that fit.
        have: u64,
        /// Packets needed.
        needed: u64,
        /// Enough.
        needed_mib: u64,
    },
    /// No such PCI device.
    #[error(
        "port \"{port}\": there is no PCI network device {address}.{}",
        listed("Network devices", nics)
    )]
    UnknownPci {
        /// The port's name.
        port: String,
        /// As configured.
        address: String,
        /// Those that exist.
        nics: Vec<Nic>,
    },
    /// The kernel drives the device.
    #[error(
        "port \"{port}\": {nic} belongs to the kernel.\n  \
         To give it to DPDK:{} modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {}\n  \
         (without an IOMMU: modprobe uio_pci_generic && dpdk-devbind.py --bind=uio_pci_generic {})\n  \
         To let the kernel keep it: device = \"net_af_xdp0,iface={}\"\n  \
         Never give away the machine's only NIC, or the one that your SSH session comes by: it is gone from the kernel",
         down(nic), nic.address, nic.address, nic.interface()
    )]
    KernelDriver {
        /// The port's name.
        port: String,
        /// The device.
        nic: Box<Nic>,
    },
    /// No driver has the device.
    #[error(
        "port \"{port}\": {} has no driver.\n  Bind it: modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {}\n  \
         (without an IOMMU: modprobe uio_pci_generic && dpdk-devbind.py --bind=uio_pci_generic {})",
        nic.address, nic.address, nic.address
    )]
    Unbound {
        /// The port's name.
        port: String,
        /// The device.
        nic: Box<Nic>,
    },
    /// No DPDK driver of that name.
    #[error(
        "port \"{port}\": DPDK has no driver for \"{device}\".{}\n  \
         A driver of DPDK's that is missing here comes with: apt install dpdk",
        listed("Virtual drivers on this machine", drivers)
    )]
    UnknownDriver {
        /// The port's name.
        port: String,
        /// The vdev's name.
        device: String,
        /// The virtual drivers that are installed.
        drivers: Vec<String>,
    },
    /// The vdev names an interface that does not exist here.
    #[error(
        "port \"{port}\": there is no interface \"{interface}\".{}",
        listed("Interfaces here", interfaces)
    )]
    UnknownInterface {
        /// The port's name.
        port: String,
        /// As configured.
        interface: String,
        /// Those of this network namespace.
        interfaces: Vec<String>,
    },
    /// A core in `workers.cores` that this process can't run on.
    #[error("workers.cores: core {core} {why}. This process may use: {allowed}")]
    Core {
        /// As configured.
        core: usize,
        /// "does not exist" or "is not allowed ...".
        why: &'static str,
        /// List of cores.
        allowed: String,
    },
    /// More queues than the device has.
    #[error("port \"{port}\": {queues} queues are configured and {device} ({driver}) has {max}{}", fewer(*max))]
    Queues {
        /// The port's name.
        port: String,
        /// The device.
        device: String,
        /// Its driver.
        driver: String,
        /// As configured.
        queues: u16,
        /// What the device has.
        max: u16,
    },
    /// Longer packets than the device takes.
    #[error(
        "port \"{port}\": mtu = {mtu} is more than {device} ({driver}) takes: set mtu to at most {max}"
    )]
    Mtu {
        /// The port's name.
        port: String,
        /// The device.
        device: String,
        /// Its driver.
        driver: String,
        /// As configured.
        mtu: u16,
        /// What the driver says.
        max: u16,
    },
    /// A step of the device's bring-up failed.
    #[error(
        "port \"{port}\": {device} could not be {step}{}{}{hint}",
        because(reason, log),
        no_memory(reason)
    )]
    Device {
        /// The port's name.
        port: String,
        /// The device.
        device: String,
        /// "opened", "started" ...
        step: &'static str,
        /// The error's text.
        reason: io::Error,
        /// What DPDK logged.
        log: Vec<String>,
        /// What to try, or nothing.
        hint: String,
    },
    /// A thread could not be made known to DPDK.
    #[error("this thread could not be registered with DPDK: {0} (it takes at most 127 workers)")]
    Register(#[source] io::Error),
    /// The TAP interface that stands for a port could not be set up.
    #[error("the TAP interface {name} could not be {step}: {reason}")]
    Tap {
        /// Its name.
        name: String,
        /// "made", ...
        step: &'static str,
        /// Why not.
        reason: io::Error,
    },
    /// The VIPs of a port could not be given to its XDP program.
    #[error("port \"{port}\": cannot tell the XDP program on {interface} about the VIPs: {reason}")]
    Steer {
        /// The port's name.
        port: String,
        /// The kernel's interface.
        interface: String,
        /// Why not.
        reason: io::Error,
    },
}

impl Error {
    /// Whether another file would mend it: exit code 78, not 69.
    #[must_use]
    pub fn is_config(&self) -> bool {
        matches!(self, Self::Memory { .. })
    }

    /// Whether the process lacks rights: exit code 77, not 69.
    #[must_use]
    pub fn is_permission(&self) -> bool {
        let denied = |e: &io::Error| e.kind() == io::ErrorKind::PermissionDenied;
        match self {
            Self::NoPermission { .. } => true,
            Self::Start { reason, .. }
            | Self::Device { reason, .. }
            | Self::Steer { reason, .. }
            | Self::Tap { reason, .. } => denied(reason),
            Self::Claim { source, .. } => denied(source),
            _ => false,
        }
    }
}

/// The reason, as far as there is one, and DPDK's own words. Where a call says only that it failed, they are all.
fn because(reason: &io::Error, log: &[String]) -> String {
    let known = reason.raw_os_error().is_some() || log.is_empty();
    let reason = if known {
        format!(" {reason}")
    } else {
        String::new()
    };
    format!(":{reason}{}", said(log))
}

/// An option that DPDK does not know is the likeliest fault of all.
fn own_arguments(eal_args: &[String]) -> String {
    if eal_args.is_empty() {
        return String::new();
    }
    format!(
        "\n  Does DPDK take what dpdk.eal_args adds ({})? The options are in its \"EAL parameters\" guide",
        eal_args.join(" ")
    )
}

/// What DPDK logged, as an indented tail of a message.
fn said(log: &[String]) -> String {
    let mut text = String::new();
    for line in log.iter().rev().take(8).rev() {
        text.push_str("\n  DPDK: ");
        text.push_str(line);
    }
    text
}

fn no_memory(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::OutOfMemory => {
            "\n  Lower dpdk.memory_mib: this machine has not so much memory to give"
        }
        _ => "",
    }
}

fn listed<T: std::fmt::Display>(what: &str, items: &[T]) -> String {
    if items.is_empty() {
        return format!("\n  {what}: none");
    }
    items.iter().fold(format!("\n  {what}:"), |text, item| {
        format!("{text}\n    {item}")
    })
}

fn down(nic: &Nic) -> String {
    nic.interfaces.iter().fold(String::new(), |text, i| {
        format!("{text} ip link set {i} down &&")
    })
}

fn fewer(max: u16) -> String {
    if max == 0 {
        String::new()
    } else {
        format!(": set queues = {max}, or use fewer workers")
    }
}
