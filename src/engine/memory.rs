//! The computer's memory.

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::protocol::MemorySummary;

/// The memory that this computer has, or that is left to this program where the
/// system divides it up (cgroups on Linux).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// What programs can still have without others being moved to the disk.
    pub available_bytes: u64,
}

impl Memory {
    /// The memory as it is now; `None` where the system does not tell.
    pub fn now() -> Option<Self> {
        let mut system = System::new();
        system.refresh_memory();
        let limits = system.cgroup_limits();
        let within = |all: u64, limit: Option<u64>| limit.map_or(all, |limit| all.min(limit));
        let total_bytes = within(
            system.total_memory(),
            limits.as_ref().map(|limits| limits.total_memory),
        );
        let available_bytes = within(
            system.available_memory(),
            limits.as_ref().map(|limits| limits.free_memory),
        );
        (total_bytes > 0).then_some(Self {
            total_bytes,
            available_bytes,
        })
    }
}

/// Memory of this process, and the memory there is.
pub(super) fn memory_in_use() -> Option<MemorySummary> {
    let process = sysinfo::get_current_pid().ok()?;
    let mut system = System::new();
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[process]),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    Some(MemorySummary {
        used_bytes: system.process(process)?.memory(),
        total_bytes: Memory::now().map(|memory| memory.total_bytes),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_its_memory() {
        let memory = Memory::now().unwrap();
        assert!(memory.available_bytes <= memory.total_bytes, "{memory:?}");
        let used = memory_in_use().unwrap();
        assert!(
            (1 << 20..memory.total_bytes).contains(&used.used_bytes),
            "{used:?}"
        );
        assert_eq!(used.total_bytes, Some(memory.total_bytes));
    }
}
