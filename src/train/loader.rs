//! Reading pictures on threads of their own, a bounded number ahead.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use super::TrainError;
use super::random::Purpose;
use super::source::{PictureSource, Sample, SkippedPicture};
use crate::pixels::push_planes;

/// Groups that each thread may have ready.
const AHEAD: usize = 3;
/// Pictures in a row that may fail before the source is given up.
const MOST_FAILURES: u64 = 1000;

/// Which pictures come in which order: all of them once per epoch, in an order
/// of the epoch's own; an endless source in its own order.
pub(super) struct Stream {
    source: Arc<dyn PictureSource>,
    seed: u64,
    epoch: Option<(u64, Vec<u32>)>,
}

impl Stream {
    pub fn new(source: Arc<dyn PictureSource>, seed: u64) -> Self {
        Self {
            source,
            seed,
            epoch: None,
        }
    }

    fn index(&mut self, position: u64) -> u64 {
        let Some(count) = self.source.len() else {
            return position;
        };
        let count = count.max(1);
        let epoch = position / count as u64;
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            let order = Purpose::Order.random(self.seed, epoch).permutation(count);
            self.epoch = Some((epoch, order));
        }
        match &self.epoch {
            Some((_, order)) => u64::from(order[(position % count as u64) as usize]),
            None => position,
        }
    }

    /// The picture at a place of the stream. One that cannot be read gives its
    /// place to the next in the source, which is the same on every run.
    pub fn get(
        &mut self,
        position: u64,
        skipped: &mut Vec<SkippedPicture>,
    ) -> Result<Sample, SkippedPicture> {
        let index = self.index(position);
        let tries = self
            .source
            .len()
            .map_or(MOST_FAILURES, |count| count as u64)
            .clamp(1, MOST_FAILURES);
        let mut last = None;
        for offset in 0..tries {
            let mut random = Purpose::Crop.random(self.seed, position);
            match self.source.get(index + offset, &mut random) {
                Ok(sample) => return Ok(sample),
                Err(reason) => {
                    skipped.push(reason.clone());
                    last = Some(reason);
                }
            }
        }
        Err(last.unwrap_or_else(|| SkippedPicture {
            path: self.source.describe().into(),
            reason: "it has no pictures".into(),
        }))
    }
}

/// What a thread made of a group of pictures.
struct Group<T> {
    made: Result<T, SkippedPicture>,
    skipped: Vec<SkippedPicture>,
}

/// Groups of pictures in the order of the stream, made ready in the background.
pub(super) struct Loader<T> {
    workers: Vec<Receiver<Group<T>>>,
    next: u64,
}

impl<T: Send + 'static> Loader<T> {
    /// Starts reading at group `first`. `prepare` turns the number of a group
    /// and its pictures into what the training wants, on the reading thread.
    pub fn start(
        source: &Arc<dyn PictureSource>,
        seed: u64,
        group: usize,
        first: u64,
        prepare: impl Fn(u64, Vec<Sample>) -> T + Clone + Send + 'static,
    ) -> Result<Self, TrainError> {
        // Two are enough to hide a slow disk; more would take the processor
        // from the training itself.
        let count = thread::available_parallelism().map_or(1, |cores| cores.get().clamp(1, 2));
        let mut workers = Vec::with_capacity(count);
        for worker in 0..count as u64 {
            let (sender, receiver) = bounded(AHEAD);
            let mut stream = Stream::new(Arc::clone(source), seed);
            let prepare = prepare.clone();
            let step = count as u64;
            // Group n is made by worker n mod count, so order needs no sorting.
            let start = first + (worker + step - first % step) % step;
            let body = move || {
                for number in (start..).step_by(step as usize) {
                    let mut skipped = Vec::new();
                    let samples: Result<Vec<Sample>, SkippedPicture> = (0..group as u64)
                        .map(|i| stream.get(number * group as u64 + i, &mut skipped))
                        .collect();
                    let failed = samples.is_err();
                    let made = samples.map(|samples| prepare(number, samples));
                    // The loader was dropped, or cannot go on: the thread ends.
                    if sender.send(Group { made, skipped }).is_err() || failed {
                        return;
                    }
                }
            };
            thread::Builder::new()
                .name(format!("pictures-{worker}"))
                .spawn(body)
                .map_err(TrainError::device)?;
            workers.push(receiver);
        }
        Ok(Self {
            workers,
            next: first,
        })
    }

    /// The next group; pictures that were left out on the way go to `skipped`.
    pub fn next(&mut self, skipped: &mut Vec<SkippedPicture>) -> Result<T, TrainError> {
        let worker = (self.next % self.workers.len() as u64) as usize;
        self.next += 1;
        let group = self.workers[worker]
            .recv()
            .map_err(|_| TrainError::Device("a thread that reads pictures has ended".into()))?;
        skipped.extend(group.skipped);
        group.made.map_err(|picture| TrainError::NoUsablePictures {
            folder: picture.path.parent().unwrap_or(&picture.path).to_path_buf(),
            count: skipped.len(),
            first: Box::new(picture),
        })
    }
}

/// Pixels as numbers in [-1, 1], channels first.
pub(super) fn planes(samples: &[Sample]) -> Vec<f32> {
    let mut values = Vec::with_capacity(samples.iter().map(|s| s.rgb.as_raw().len()).sum());
    for sample in samples {
        push_planes(&sample.rgb, &mut values);
    }
    values
}
