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
        let (mut total_bytes, mut available_bytes) =
            (system.total_memory(), system.available_memory());
        // Where nothing is divided up, the outermost group says less than the system:
        // it takes files that the system keeps at hand for memory in use.
        let limits = system.cgroup_limits();
        if let Some(limits) = limits.filter(|limits| limits.total_memory < total_bytes) {
            total_bytes = limits.total_memory;
            available_bytes = available_bytes.min(total_bytes.saturating_sub(limits.rss));
        }
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
        #[cfg(target_os = "linux")]
        assert!(memory.available_bytes >= least_at_hand(), "{memory:?}");
        let used = memory_in_use().unwrap();
        assert!(
            (1 << 20..memory.total_bytes).contains(&used.used_bytes),
            "{used:?}"
        );
        assert_eq!(used.total_bytes, Some(memory.total_bytes));
    }

    /// Half of what the system says is at hand, files that it keeps included; less
    /// may be left to this program where a group divides memory up.
    #[cfg(target_os = "linux")]
    fn least_at_hand() -> u64 {
        let mut system = System::new();
        system.refresh_memory();
        let limits = system.cgroup_limits();
        let is_divided = limits.is_some_and(|limits| limits.total_memory < system.total_memory());
        if is_divided {
            0
        } else {
            system.available_memory() / 2
        }
    }
}
