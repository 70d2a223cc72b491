//! How long this process has computed: what pictures cost, however busy the machine is
//! with other things.

use std::time::Duration;

use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Tells of the time that the processors have worked for this process.
pub(super) struct Processor {
    system: System,
}

impl Processor {
    pub fn new() -> Self {
        Self {
            system: System::new(),
        }
    }

    /// The time of all threads so far; nothing where the system does not tell.
    pub fn time(&mut self) -> Duration {
        let Ok(own) = sysinfo::get_current_pid() else {
            return Duration::ZERO;
        };
        self.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[own]),
            false,
            ProcessRefreshKind::nothing().with_cpu(),
        );
        let process = self.system.process(own);
        process.map_or(Duration::ZERO, |it| {
            Duration::from_millis(it.accumulated_cpu_time())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_the_processors_time() {
        let mut processor = Processor::new();
        let before = processor.time();
        let mut sum = 0_u64;
        // Counted in ticks of a hundredth of a second.
        while processor.time() < before + Duration::from_millis(30) {
            sum = (0..100_000_u64).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        assert_ne!(sum, 1);
    }
}
