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

/// A slice that several threads fill at the same time, each its own places.
///
/// Products with strided rows (the heads of an attention, the row tiles of a
/// convolution) interleave in memory, so the slice cannot be split safely.
#[derive(Clone, Copy)]
pub struct SharedOut<'a> {
    start: *mut f32,
    len: usize,
    borrow: std::marker::PhantomData<&'a mut [f32]>,
}

#[allow(unsafe_code)]
// SAFETY: the pointer comes from a unique borrow that outlives this value, and
// every writer promises in `SharedOut::part` to stay in places of its own.
unsafe impl Send for SharedOut<'_> {}
#[allow(unsafe_code)]
// SAFETY: as for `Send`.
unsafe impl Sync for SharedOut<'_> {}

impl<'a> SharedOut<'a> {
    /// Borrows `out` for the time of a parallel job.
    pub fn new(out: &'a mut [f32]) -> Self {
        Self {
            start: out.as_mut_ptr(),
            len: out.len(),
            borrow: std::marker::PhantomData,
        }
    }

    /// The part from `offset` on, `len` values long.
    ///
    /// # Safety
    /// While the returned slice is used, no other thread may read or write
    /// those of its places that this thread reads or writes; places between
    /// strided rows must not be touched.
    #[allow(unsafe_code)]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn part(&self, offset: usize, len: usize) -> &'a mut [f32] {
        assert!(offset + len <= self.len, "part lies outside of its slice");
        // SAFETY: inside the borrowed slice by the assertion; disjoint places
        // by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), len) }
    }
}

thread_local! {
    static SCRATCH: std::cell::RefCell<Vec<Vec<f32>>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Lends a buffer of this thread with unspecified contents, so that the big
/// temporaries of a layer are not mapped and zeroed anew for every call.
pub fn with_scratch<R>(len: usize, work: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut buffer = SCRATCH.with_borrow_mut(Vec::pop).unwrap_or_default();
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    let result = work(&mut buffer[..len]);
    SCRATCH.with_borrow_mut(|free| free.push(buffer));
    result
}
