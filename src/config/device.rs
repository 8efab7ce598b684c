//! Reads `port.device`.

use super::Device;
use super::report::Problem;

const HINT: &str =
    "write a PCI address (\"0000:03:00.0\") or a DPDK vdev (\"net_af_xdp0,iface=eth1\")";

/// The drivers whose NIC stays with the kernel.
const KERNEL_DRIVERS: [&str; 2] = ["net_af_xdp", "net_af_packet"];
/// How the names of DPDK's vdevs for Ethernet begin.
const VDEV_PREFIXES: [&str; 2] = ["net_", "virtio_user"];
/// DPDK's `RTE_DEV_NAME_MAX_LEN`, its NUL included.
const MAX_VDEV_NAME: usize = 63;

impl Device {
    /// What tells this device from others: the PCI address, or the vdev's name.
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Pci(address) => address,
            Self::Vdev { spec, .. } => spec.split(',').next().unwrap_or(spec),
        }
    }

    /// The kernel's interface, where the kernel keeps the NIC.
    pub(super) fn interface(&self) -> Option<&str> {
        match self {
            Self::Pci(_) => None,
            Self::Vdev { interface, .. } => interface.as_deref(),
        }
    }
}

/// Parses a device.
pub(super) fn device(text: &str) -> Result<Device, Problem> {
    if is_pci(text) {
        return Ok(Device::Pci(text.to_ascii_lowercase()));
    }
    if VDEV_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
        return vdev(text);
    }
    Err(Problem::new(
        format!("{text:?} is neither a PCI address nor a DPDK vdev"),
        hint(text),
    ))
}

/// Whether `text` is domain:bus:device.function, as `lspci -D` prints it.
fn is_pci(text: &str) -> bool {
    let hexadecimal =
        |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit());
    let Some((address, function)) = text.rsplit_once('.') else {
        return false;
    };
    let parts: Vec<_> = address.split(':').collect();
    matches!(function.as_bytes(), [b'0'..=b'7'])
        && matches!(parts[..], [domain, bus, device]
            if hexadecimal(domain, 4) && hexadecimal(bus, 2) && hexadecimal(device, 2))
}

fn hint(text: &str) -> String {
    if is_pci(&format!("0000:{text}")) {
        format!("write it with its domain: \"0000:{text}\"")
    } else if !text.contains([',', ':']) && interface_problem(text).is_none() {
        format!("for a kernel interface write \"net_af_xdp0,iface={text}\"")
    } else {
        HINT.to_owned()
    }
}

/// A vdev: name, then arguments. Only what would fail in EAL without a clear message is checked.
fn vdev(spec: &str) -> Result<Device, Problem> {
    let mut parts = spec.split(',');
    let name = parts.next().unwrap_or_default();
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.len() > MAX_VDEV_NAME || !name.bytes().all(letters) {
        return Err(Problem::new(
            format!("{name:?} is not the name of a DPDK vdev"),
            HINT,
        ));
    }
    let mut interface = None;
    for part in parts {
        match part.split_once('=') {
            Some(("iface", given)) => interface = Some(given),
            Some((key, _)) if !key.is_empty() && !part.contains('\0') => {}
            _ => {
                return Err(Problem::new(
                    format!("the argument {part:?} is not KEY=VALUE"),
                    HINT,
                ));
            }
        }
    }
    let kernel = KERNEL_DRIVERS.iter().any(|driver| name.starts_with(driver));
    let interface = kernel.then(|| checked(interface)).transpose()?;
    Ok(Device::Vdev {
        spec: spec.to_owned(),
        interface,
    })
}

fn checked(interface: Option<&str>) -> Result<String, Problem> {
    let Some(interface) = interface else {
        let hint = "add `,iface=NAME`, such as \"net_af_xdp0,iface=eth1\"";
        return Err(Problem::new("this device needs its interface", hint));
    };
    if let Some(problem) = interface_problem(interface) {
        let message = format!("the interface name in `iface=` {problem}");
        return Err(Problem::new(message, "`ip -brief link` lists the names"));
    }
    Ok(interface.to_owned())
}

/// What Linux would refuse in an interface's name (`dev_valid_name`).
pub(super) fn interface_problem(name: &str) -> Option<&'static str> {
    let refused = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > 15 {
        Some("is longer than 15 characters")
    } else if matches!(name, "." | "..") || name.contains(refused) {
        Some("has a character that Linux refuses")
    } else {
        None
    }
}
