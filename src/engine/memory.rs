//! Memory in use by the program.

use super::protocol::MemorySummary;

/// Resident memory of this process and the memory there is, where the system
/// tells them in `/proc`.
pub(super) fn memory_in_use() -> Option<MemorySummary> {
    let field = |file: &str, name: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(name))?;
        let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes * 1024)
    };
    Some(MemorySummary {
        used_bytes: field("/proc/self/status", "VmRSS:")?,
        total_bytes: field("/proc/meminfo", "MemTotal:"),
    })
}
