//! What the kernel says of NICs, huge pages and cores, read from a sysfs folder.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A sysfs tree: `/sys`, or a fake one in tests.
#[derive(Debug, Clone)]
pub struct Sysfs(PathBuf);

/// A network device on the PCI bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// PCI address such as `0000:03:00.0`.
    pub address: String,
    /// Vendor and device id such as `8086:10d3`.
    pub id: String,
    /// The kernel driver bound to it.
    pub driver: Option<String>,
    /// Its kernel interfaces.
    pub interfaces: Vec<String>,
    /// NUMA node; 0 where the machine does not say.
    pub node: usize,
}

impl Nic {
    /// The first interface's name, or a placeholder for messages.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.interfaces
            .first()
            .map_or("ITS-INTERFACE", String::as_str)
    }
}

impl fmt::Display for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.address, self.id)?;
        write!(f, " driver {}", self.driver.as_deref().unwrap_or("none"))?;
        self.interfaces
            .iter()
            .try_for_each(|i| write!(f, ", interface {i}"))
    }
}

impl Default for Sysfs {
    fn default() -> Self {
        Self::at("/sys")
    }
}

impl Sysfs {
    /// The tree below `root`.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self(root.into())
    }

    /// All network devices on the PCI bus, by address.
    #[must_use]
    pub fn nics(&self) -> Vec<Nic> {
        let devices = self.0.join("bus/pci/devices");
        let mut nics: Vec<Nic> = names_in(&devices)
            .into_iter()
            .filter_map(|address| nic(&devices, address))
            .collect();
        nics.sort_by(|a, b| a.address.cmp(&b.address));
        nics
    }

    /// Free huge pages of a NUMA node, of all sizes, in MiB.
    #[must_use]
    pub fn free_huge_mib(&self, node: usize) -> u64 {
        let per_node = self
            .0
            .join(format!("devices/system/node/node{node}/hugepages"));
        // Kernels without NUMA have the machine's pages only.
        let all = self.0.join("kernel/mm/hugepages");
        let folder = if per_node.is_dir() { per_node } else { all };
        let free = |size: &String| {
            let kib: u64 = size
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()?;
            let pages: u64 = read(&folder.join(size).join("free_hugepages"))?
                .parse()
                .ok()?;
            Some(kib * pages / 1024)
        };
        names_in(&folder).iter().filter_map(free).sum()
    }

    /// Whether the machine has this core and it is switched on.
    #[must_use]
    pub fn core_online(&self, core: usize) -> bool {
        let folder = self.0.join(format!("devices/system/cpu/cpu{core}"));
        // A core that can't be switched off has no such file.
        folder.is_dir() && read(&folder.join("online")).is_none_or(|on| on == "1")
    }
}

fn nic(devices: &Path, address: String) -> Option<Nic> {
    let folder = devices.join(&address);
    // Class 02: network controllers of all kinds.
    read(&folder.join("class"))?.strip_prefix("0x02")?;
    let id = |file| read(&folder.join(file)).map(|id| id.trim_start_matches("0x").to_owned());
    let driver = fs::read_link(folder.join("driver")).ok();
    let mut interfaces = names_in(&folder.join("net"));
    // Virtio NICs have them one level down.
    for child in names_in(&folder)
        .iter()
        .filter(|name| name.starts_with("virtio"))
    {
        interfaces.extend(names_in(&folder.join(child).join("net")));
    }
    Some(Nic {
        id: format!("{}:{}", id("vendor")?, id("device")?),
        driver: driver.and_then(|d| Some(d.file_name()?.to_string_lossy().into_owned())),
        interfaces,
        node: read(&folder.join("numa_node"))
            .and_then(|n| n.parse().ok())
            .unwrap_or(0),
        address,
    })
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// Names in a folder, sorted; none where it can't be read.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
pub mod fake {
    //! A sysfs tree with two NICs and some huge pages.

    use super::*;
    use tempfile::TempDir;

    /// Writes a file and the folders above it.
    pub fn put(root: &Path, path: &str, content: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// One PCI device of class `class`.
    pub fn device(root: &Path, address: &str, class: &str, driver: Option<&str>) {
        let folder = format!("bus/pci/devices/{address}");
        put(root, &format!("{folder}/class"), class);
        put(root, &format!("{folder}/vendor"), "0x8086\n");
        put(root, &format!("{folder}/device"), "0x10d3\n");
        put(root, &format!("{folder}/numa_node"), "-1\n");
        if let Some(driver) = driver {
            let target = root.join("bus/pci/drivers").join(driver);
            fs::create_dir_all(&target).unwrap();
            std::os::unix::fs::symlink(target, root.join(folder).join("driver")).unwrap();
        }
    }

    /// The tree.
    pub fn sysfs() -> (TempDir, Sysfs) {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        device(root, "0000:03:00.0", "0x020000\n", Some("ixgbe"));
        put(root, "bus/pci/devices/0000:03:00.0/net/eth1/ifindex", "3");
        put(root, "bus/pci/devices/0000:03:00.0/numa_node", "1\n");
        device(root, "0000:04:00.0", "0x020000\n", Some("vfio-pci"));
        device(root, "0000:05:00.0", "0x020000\n", None);
        device(root, "0000:00:1f.0", "0x060100\n", None);
        let pages = "devices/system/node/node0/hugepages";
        put(
            root,
            &format!("{pages}/hugepages-2048kB/free_hugepages"),
            "40\n",
        );
        put(
            root,
            &format!("{pages}/hugepages-1048576kB/free_hugepages"),
            "1\n",
        );
        put(root, "devices/system/cpu/cpu0/topology/core_id", "0");
        put(root, "devices/system/cpu/cpu1/online", "0\n");
        let sysfs = Sysfs::at(root);
        (folder, sysfs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nics_are_found_with_driver_and_interface() {
        let (_folder, sysfs) = fake::sysfs();
        let nics = sysfs.nics();
        let texts: Vec<String> = nics.iter().map(Nic::to_string).collect();
        let expected = [
            "0000:03:00.0 [8086:10d3] driver ixgbe, interface eth1",
            "0000:04:00.0 [8086:10d3] driver vfio-pci",
            "0000:05:00.0 [8086:10d3] driver none",
        ];
        assert_eq!(texts, expected);
        assert_eq!(
            nics.iter().map(|nic| nic.node).collect::<Vec<_>>(),
            [1, 0, 0]
        );
    }

    #[test]
    fn huge_pages_of_all_sizes_count() {
        let (_folder, sysfs) = fake::sysfs();
        assert_eq!(sysfs.free_huge_mib(0), 80 + 1024);
        assert_eq!(sysfs.free_huge_mib(1), 0);
    }

    #[test]
    fn a_core_is_there_and_on() {
        let (_folder, sysfs) = fake::sysfs();
        assert_eq!(
            [0, 1, 2].map(|core| sysfs.core_online(core)),
            [true, false, false]
        );
    }
}
