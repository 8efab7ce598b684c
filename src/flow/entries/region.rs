//! The memory that a table lies in.

use std::fs::File;
use std::sync::atomic::AtomicU64;

use nix::fcntl::Flock;
use vm_memory::mmap::MmapRegionBuilder;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

use super::open::OpenError;
use crate::table::Word;

/// Memory made of atomic words.
pub trait Memory: Send + Sync {
    /// Its words.
    type Word: Word;

    /// The word at `index`, counted in words; within the memory.
    fn word(&self, index: usize) -> &Self::Word;
}

/// Mapped memory, and the file that it is of, which stays locked.
#[derive(Debug)]
pub struct Region {
    memory: MmapRegion,
    _file: Option<Flock<File>>,
}

impl Memory for Region {
    type Word = AtomicU64;

    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU64 {
        // The layout that the region was made for is the one that indices come from, so the word exists.
        self.memory
            .get_atomic_ref(index * size_of::<u64>())
            .unwrap_or_else(|_| unreachable!())
    }
}

impl Region {
    /// Memory of the process alone, all zero.
    pub fn anonymous(bytes: usize) -> Result<Self, OpenError> {
        let memory =
            MmapRegion::new(bytes).map_err(|source| OpenError::Memory { bytes, source })?;
        Ok(Self {
            memory,
            _file: None,
        })
    }

    /// The first `bytes` of a file, shared with it, and all of them present: a worker must not wait for a page.
    pub fn mapped(file: Flock<File>, bytes: usize) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Memory { bytes, source };
        let of_file = file
            .try_clone()
            .map_err(|error| failed(vm_memory::mmap::MmapRegionError::Mmap(error)))?;
        let flags = nix::libc::MAP_SHARED | nix::libc::MAP_POPULATE;
        let memory = MmapRegionBuilder::new(bytes)
            .with_file_offset(FileOffset::new(of_file, 0))
            .with_mmap_prot(nix::libc::PROT_READ | nix::libc::PROT_WRITE)
            .with_mmap_flags(flags)
            .build()
            .map_err(failed)?;
        Ok(Self {
            memory,
            _file: Some(file),
        })
    }
}
