//! Handing work to threads in fixed shares.
//!
//! Shares depend only on the amount of work and the number of threads, and
//! partial sums are added in order: the same machine gives the same bits
//! every time, which an exactly resumable training run needs.

use std::ops::Range;

use rayon::prelude::*;
use thread_priority::{ThreadPriority, ThreadPriorityValue};

/// Below this many values a kernel stays on its thread: waking another costs more.
const SMALL: usize = 16 * 1024;

/// Runs `work` on one of the threads that the kernels share their work with.
///
/// A kernel that begins on such a thread takes a part of the work itself and
/// only wakes the others; from any other thread it would have to go to sleep
/// and be woken, which for the small layers of a network costs as much as they do.
pub fn on_workers<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| work())
}

/// How much the threads of the kernels get beside others, of 100: half is the
/// usual share (on Linux this is a niceness of about 10).
const BACKGROUND: u8 = 25;

/// Lets the calling thread give way to the threads that draw the window.
pub fn give_way() {
    let priority = ThreadPriorityValue::try_from(BACKGROUND).map(ThreadPriority::Crossplatform);
    let set = priority.is_ok_and(|priority| priority.set_for_current().is_ok());
    if !set {
        log::debug!("This system does not let threads give way.");
    }
}

/// Lets all threads of the kernels give way to those that draw the window: with
/// as many threads as processors, a frame would otherwise wait for its turn.
///
/// Call it before the first kernel runs; later it changes nothing.
pub fn give_way_everywhere() {
    let pool = rayon::ThreadPoolBuilder::new().start_handler(|_| give_way());
    if pool.build_global().is_err() {
        log::debug!("The threads of the kernels were started before.");
    }
}

/// Splits `0..count` into at most one range a thread, each a multiple of
/// `unit` but the last.
pub fn shares(count: usize, unit: usize) -> Vec<Range<usize>> {
    let units = count.div_ceil(unit);
    let parts = rayon::current_num_threads().clamp(1, units.max(1));
    (0..parts)
        .map(|part| {
            let start = (units * part / parts * unit).min(count);
            let end = (units * (part + 1) / parts * unit).min(count);
            start..end
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// Calls `work(first_row, rows)` with whole rows of `out`, on all threads.
pub fn for_rows(out: &mut [f32], row_len: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    if row_len == 0 || out.is_empty() {
        return;
    }
    if out.len() < SMALL {
        work(0, out);
        return;
    }
    let mut rest = out;
    let mut jobs = Vec::new();
    for share in shares(rest.len() / row_len, 1) {
        let (head, tail) = rest.split_at_mut(share.len() * row_len);
        jobs.push((share.start, head));
        rest = tail;
    }
    jobs.into_par_iter()
        .for_each(|(first, rows)| work(first, rows));
}

/// Runs `work` on each share of `0..count` and returns the results in order.
pub fn map_shares<R: Send>(
    count: usize,
    unit: usize,
    work: impl Fn(Range<usize>) -> R + Send + Sync,
) -> Vec<R> {
    shares(count, unit).into_par_iter().map(&work).collect()
}

/// Adds equally long partial sums in order.
pub fn add_up(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_default();
    for part in parts {
        for (sum, value) in total.iter_mut().zip(&part) {
            *sum += value;
        }
    }
    total
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Values of scratch that a thread keeps at most: 64 MiB, several times what a
/// layer of the largest network that runs here asks for. Only gradients of whole
/// pictures want more, and they take longer than the clearing of new memory.
const KEPT_VALUES: usize = 16 * 1024 * 1024;

/// A line of the cache: vectors that begin in one line and end in the next are slow.
const LINE_BYTES: usize = 64;

/// Lends a buffer of this thread with unspecified contents, so that the big
/// temporaries of a layer are not mapped and zeroed anew for every call. It begins with a
/// line of the cache.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    let room = len + LINE_BYTES / size_of::<f32>();
    if buffer.len() < room {
        buffer.resize(room, 0.0);
    }
    let start = buffer.as_ptr().align_offset(LINE_BYTES).min(room - len);
    let result = work(&mut buffer[start..][..len]);
    SCRATCH.with_borrow_mut(|free| {
        let kept: usize = free.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= KEPT_VALUES {
            free.push(buffer);
        }
    });
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SCRATCH.with_borrow(|free| free.iter().map(Vec::capacity).sum())
    }

    #[test]
    fn a_thread_keeps_scratch_but_not_without_end() {
        std::thread::spawn(|| {
            with_scratch(1000, |outer| {
                with_scratch(2000, |inner| {
                    assert_eq!((outer.len(), inner.len()), (1000, 2000))
                });
            });
            assert!((3000..KEPT_VALUES).contains(&kept()));
            with_scratch(KEPT_VALUES + 1, |_| {});
            assert!(kept() <= KEPT_VALUES);
            // Half in use, and as much again beneath it.
            let half = KEPT_VALUES / 2 + 1;
            with_scratch(half, |_| with_scratch(half, |_| {}));
            assert!((half..=KEPT_VALUES).contains(&kept()));
        })
        .join()
        .expect("the thread ends well");
    }
}
