//! How the C library's allocator treats the memory of tensors.

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
        const MIB: i32 = 1024 * 1024;
        let is_set = |name: &str| std::env::var_os(name).is_some();
        for (name, parameter, value) in [
            ("MALLOC_MMAP_THRESHOLD_", libc::M_MMAP_THRESHOLD, 32 * MIB),
            ("MALLOC_TRIM_THRESHOLD_", libc::M_TRIM_THRESHOLD, 1024 * MIB),
            ("MALLOC_TOP_PAD_", libc::M_TOP_PAD, 64 * MIB),
            // Threads that share one heap also share what it keeps.
            ("MALLOC_ARENA_MAX", libc::M_ARENA_MAX, 1),
        ] {
            if is_set(name) {
                continue;
            }
            #[allow(unsafe_code)]
            // SAFETY: `mallopt` has no conditions; a value that it does not take
            // changes nothing.
            unsafe {
                libc::mallopt(parameter, value);
            }
        }
    }
}
