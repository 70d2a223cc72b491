//! How the C library's allocator treats the memory of tensors.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Zeroable;

#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MIB: i32 = 1024 * 1024;
/// Blocks beyond this many bytes come from the system and go back there.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const FROM_SYSTEM: i32 = 32 * MIB;
/// Bytes of weights that come from the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const WEIGHTS_FROM_SYSTEM: i32 = MIB / 4;

/// Whether [`keep_freed_memory`] chose how large those blocks are.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
static IS_CHOSEN: AtomicBool = AtomicBool::new(false);

/// Keeps freed memory for the next step instead of giving it back to the system.
///
/// A network frees and wants the same hundreds of megabytes at every step. By
/// default glibc returns them, and the system clears every page before it lends
/// it again: 15 to 20 % of the time of a training step. Blocks of more than
/// 32 MiB and free memory beyond 1 GiB still go back.
///
/// Call it once, before other threads are started. Does nothing where the
/// allocator is another one, or where the environment already says otherwise.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let is_set = |name: &str| std::env::var_os(name).is_some();
        for (name, parameter, value) in [
            (
                "MALLOC_MMAP_THRESHOLD_",
                libc::M_MMAP_THRESHOLD,
                FROM_SYSTEM,
            ),
            ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, 1024 * MIB),
            ("MALLOC_TOP_PAD_", libc::M_TOP_PAD, 64 * MIB),
            // Threads that share one heap also share what it keeps.
            ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
        ] {
            if is_set(name) {
                continue;
            }
            choose(parameter, value);
            if parameter == libc::M_MMAP_THRESHOLD {
                IS_CHOSEN.store(true, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn choose(parameter: libc::c_int, value: libc::c_int) {
    #[allow(unsafe_code)]
    // SAFETY: `mallopt` has no conditions; a value that it does not take changes nothing.
    unsafe {
        libc::mallopt(parameter, value);
    }
}

/// Zeros for so many weights, which the system clears where they are first touched, or in
/// [`lend`]: not here, on one thread.
///
/// Beneath the size from which on blocks come from the system, glibc clears by hand what it
/// never used before. So weights come from there, and go back there.
pub fn untouched<T: Zeroable>(count: usize) -> Vec<T> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if IS_CHOSEN.load(Ordering::Relaxed) {
        // What other threads ask for meanwhile comes from the system too.
        choose(libc::M_MMAP_THRESHOLD, WEIGHTS_FROM_SYSTEM);
        let zeros = bytemuck::zeroed_vec(count);
        choose(libc::M_MMAP_THRESHOLD, FROM_SYSTEM);
        return zeros;
    }
    bytemuck::zeroed_vec(count)
}

/// Has the system lend the memory of values that will all be written, at once instead of page
/// by page. Changes no value; does nothing where the system cannot (Linux before 5.14, others).
pub fn lend<T>(values: &mut [T]) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PAGE: usize = 4096;
        let bytes = size_of_val(values);
        let start = values.as_mut_ptr().cast::<u8>();
        let before = start.addr() % PAGE;
        #[allow(unsafe_code)]
        // SAFETY: the pages that hold the values are ours, and writable; the system touches
        // them without changing what is in them.
        unsafe {
            let page = start.wrapping_sub(before).cast();
            libc::madvise(page, before + bytes, libc::MADV_POPULATE_WRITE);
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = values;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lent_memory_is_zero_and_keeps_what_was_written() {
        let mut values: Vec<u16> = untouched(1 << 20);
        values[70_001] = 7;
        lend(&mut values[70_000..900_000]);
        assert_eq!(values.len(), 1 << 20);
        let written = values.iter().enumerate().filter(|(_, value)| **value != 0);
        assert_eq!(written.collect::<Vec<_>>(), [(70_001, &7)]);
        lend(&mut values[..0]);
        lend::<f32>(&mut []);
    }
}
