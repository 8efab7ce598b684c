//! Reads `port.exception`.

use super::device::interface_problem;
use super::place::Found;
use super::report::{Problem, Report};
use super::section::Section;
use super::{Device, Exception};

impl Exception {
    /// The TAP's name, if there is one.
    pub(super) fn tap(&self) -> Option<&str> {
        match self {
            Self::Tap(name) => Some(name),
            Self::Kernel | Self::Off => None,
        }
    }

    /// The TAP that stands for a port unless the file names another one.
    fn default_tap(port: String) -> Self {
        Self::Tap(format!("tt-{port}"))
    }
}

/// The exception path: what the file says, or what the device makes the default. `None` if it can't be known,
/// because something is wrong with it, the device or the port's name.
pub(super) fn read(
    section: &Section,
    device: Option<&Found<Device>>,
    port: Option<&Found<String>>,
) -> Option<Found<Exception>> {
    let tap = port.cloned().map(|port| port.map(Exception::default_tap));
    let Some(value) = section.value("exception") else {
        return default(device?, tap);
    };
    let kernel = device.map(|device| device.value.interface().is_some());
    let place = value.place.clone();
    match value.parse(|text| chosen(text, kernel))?.value {
        Some(value) => Some(Found { value, place }),
        None => Some(Found { place, ..tap? }),
    }
}

fn default(device: &Found<Device>, tap: Option<Found<Exception>>) -> Option<Found<Exception>> {
    let value = match &device.value {
        Device::Pci(_) => return tap,
        Device::Vdev {
            interface: Some(_), ..
        } => Exception::Kernel,
        Device::Vdev {
            interface: None, ..
        } => Exception::Off,
    };
    Some(Found {
        value,
        place: device.place.clone(),
    })
}

/// What a file chose; `None` is the TAP of the default name. `kernel`: whether the kernel keeps the device.
fn chosen(text: &str, kernel: Option<bool>) -> Result<Option<Exception>, Problem> {
    match (text, text.strip_prefix("tap:"), kernel) {
        ("off", ..) => Ok(Some(Exception::Off)),
        ("kernel", _, Some(false)) => Err(Problem::new(
            "the kernel doesn't keep this device, so it sees none of its packets",
            "write \"tap\" or \"off\"",
        )),
        ("kernel", ..) => Ok(Some(Exception::Kernel)),
        ("tap", _, Some(true)) | (_, Some(_), Some(true)) => Err(Problem::new(
            "the kernel keeps this device and sees its own packets: it needs no TAP",
            "write \"kernel\"",
        )),
        ("tap", ..) => Ok(None),
        (_, Some(name), _) => Ok(Some(Exception::Tap(name.to_owned()))),
        _ => Err(Problem::new(
            format!("{text:?} is not known here"),
            "write \"kernel\", \"tap\", \"tap:NAME\" or \"off\"",
        )),
    }
}

/// Reports a TAP name that Linux would refuse.
pub(super) fn check(exception: &Found<Exception>, report: &Report) {
    let Some(name) = exception.value.tap() else {
        return;
    };
    if let Some(problem) = interface_problem(name) {
        report.fault(
            &exception.place,
            format!("the TAP's name {name:?} {problem}"),
            "name it with `exception = \"tap:NAME\"`, at most 15 characters",
        );
    }
}
