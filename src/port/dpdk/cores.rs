//! The cores that workers may be pinned to.

use super::Error;
use super::sysfs::Sysfs;

/// Cores that this process may run on, in order.
#[must_use]
pub fn allowed() -> Vec<usize> {
    core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .map(|core| core.id)
        .collect()
}

/// Checks `workers.cores` against the machine and the process's own limits.
///
/// # Errors
/// [`Error::Core`] for the first core that can't be had.
pub fn check(cores: &[usize]) -> Result<(), Error> {
    check_with(cores, &allowed(), &Sysfs::default())
}

fn check_with(cores: &[usize], allowed: &[usize], sysfs: &Sysfs) -> Result<(), Error> {
    let Some(&core) = cores.iter().find(|core| !allowed.contains(core)) else {
        return Ok(());
    };
    let why = if sysfs.core_online(core) {
        "is not allowed by this process's affinity or cpuset"
    } else {
        "does not exist or is switched off"
    };
    let allowed = allowed
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    Err(Error::Core { core, why, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::dpdk::sysfs::fake;

    #[test]
    fn a_core_that_cannot_be_had_is_named() {
        let (_folder, sysfs) = fake::sysfs();
        assert!(check_with(&[4], &[4, 5], &sysfs).is_ok());
        let text = |core| {
            check_with(&[core], &[4, 5], &sysfs)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            text(9),
            "workers.cores: core 9 does not exist or is switched off. This process may use: 4, 5"
        );
        assert!(text(0).contains("is not allowed"));
    }
}
