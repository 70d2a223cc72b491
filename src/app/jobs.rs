//! What the window knows of the engine's jobs: a plain picture of them, kept
//! up to date by the engine's events.

use std::sync::Arc;
use std::time::Duration;

use image::{GrayImage, RgbaImage};

use super::training::Training;
use crate::engine::protocol::{EngineEvent, JobId, TrajectoryFrame};
use crate::gpu::share::SharedTensor;
use crate::recipe::{GenerateSpec, ModelSource, TrainSpec};

/// Most bytes of trajectory frames that are kept for the strip.
const STRIP_BUDGET_BYTES: usize = 256 << 20;

/// What a job does.
#[derive(Clone, Debug, PartialEq)]
pub enum JobKind {
    /// Loads a model.
    LoadModel(ModelSource),
    /// Paints.
    Generate,
    /// Trains.
    Train,
}

/// A job that has not ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Names it.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// Whether it left the queue.
    pub running: bool,
    /// Whether the user holds it.
    pub paused: bool,
    /// Whether the user asked it to end.
    pub cancelling: bool,
    /// Steps done.
    pub step: u32,
    /// Steps in all.
    pub total: u32,
    /// Since it started.
    pub elapsed: Duration,
}

impl Job {
    /// Share done, 0 to 1.
    pub fn fraction(&self) -> f32 {
        if self.total == 0 {
            0.0
        } else {
            self.step as f32 / self.total as f32
        }
    }

    /// How long it will take from here, once a step is done.
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.total.checked_sub(self.step)?;
        (self.step > 0 && !self.paused)
            .then(|| self.elapsed.mul_f64(f64::from(left) / f64::from(self.step)))
    }
}

/// Where the pictures of a job stand on the canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPlace {
    /// Their size in canvas pixels, from the top-left corner.
    pub size_px: [u32; 2],
    /// Where they show; everywhere if there is none.
    pub mask: Option<Arc<GrayImage>>,
}

/// The trajectory of one generation job: the strip.
#[derive(Clone, Debug)]
pub struct Run {
    /// The job.
    pub job: JobId,
    /// Where its pictures stand.
    pub place: JobPlace,
    /// Every step that arrived, in order.
    pub frames: Vec<TrajectoryFrame>,
    /// Whether the job has ended.
    pub ended: bool,
    size_bytes: usize,
}

impl Run {
    fn new(job: JobId, place: JobPlace) -> Self {
        Self {
            job,
            place,
            frames: Vec::new(),
            ended: false,
            size_bytes: 0,
        }
    }

    fn push(&mut self, frame: TrajectoryFrame) {
        self.size_bytes += frame.size_bytes();
        self.frames.push(frame);
        while self.size_bytes > STRIP_BUDGET_BYTES && self.frames.len() > 2 {
            // Every other frame goes, so that the whole run stays in view.
            let mut keep = false;
            let last = self.frames.len() - 1;
            let mut index = 0;
            self.frames.retain(|_| {
                keep = !keep;
                index += 1;
                keep || index - 1 == last
            });
            self.size_bytes = self.frames.iter().map(TrajectoryFrame::size_bytes).sum();
        }
    }
}

/// All jobs, in the order in which they were given.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    active: Vec<Job>,
    places: Vec<(JobId, JobPlace)>,
    /// The trajectory of the current or the last generation.
    pub run: Option<Run>,
    /// The current or the last training run.
    pub training: Option<Training>,
}

impl Jobs {
    /// The jobs that have not ended, in queue order.
    pub fn active(&self) -> &[Job] {
        &self.active
    }

    /// The job in hand.
    pub fn running(&self) -> Option<&Job> {
        self.active.iter().find(|job| job.running)
    }

    /// The generation that runs, or else the first one that waits.
    pub fn generation(&self) -> Option<&Job> {
        self.active.iter().find(|job| job.kind == JobKind::Generate)
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.active.iter().filter(|job| !job.running).count()
    }

    /// Notes a new generation.
    pub fn add_generation(&mut self, id: JobId, spec: &GenerateSpec) {
        let place = JobPlace {
            size_px: [spec.width_px, spec.height_px],
            mask: spec.mask.as_ref().map(|mask| Arc::clone(&mask.coverage)),
        };
        self.places.push((id, place));
        self.add(id, JobKind::Generate, spec.steps * spec.batch);
    }

    /// Notes a new training run.
    pub fn add_training(&mut self, id: JobId, spec: TrainSpec) {
        self.add(
            id,
            JobKind::Train,
            u32::try_from(spec.steps).unwrap_or(u32::MAX),
        );
        self.training = Some(Training::new(id, spec));
    }

    /// Notes that a model is being loaded.
    pub fn add_model(&mut self, id: JobId, source: ModelSource) {
        self.add(id, JobKind::LoadModel(source), 0);
    }

    fn add(&mut self, id: JobId, kind: JobKind, total: u32) {
        self.active.push(Job {
            id,
            kind,
            running: false,
            paused: false,
            cancelling: false,
            step: 0,
            total,
            elapsed: Duration::ZERO,
        });
    }

    /// Notes that the user asked a job to end.
    pub fn mark_cancelling(&mut self, id: JobId) {
        if let Some(job) = self.find(id) {
            job.cancelling = true;
        }
    }

    /// Notes that the user holds a job or lets it go on.
    pub fn mark_paused(&mut self, id: JobId, paused: bool) {
        if let Some(job) = self.find(id) {
            job.paused = paused;
        }
    }

    /// Adds frames to the strip.
    pub fn add_frames(&mut self, frames: Vec<TrajectoryFrame>) {
        for frame in frames {
            if self.run.as_ref().is_none_or(|run| run.job != frame.job) {
                let known = self.places.iter().find(|(job, _)| *job == frame.job);
                let place = known.map_or_else(
                    || JobPlace {
                        size_px: frame.image.dimensions().into(),
                        mask: None,
                    },
                    |(_, place)| place.clone(),
                );
                self.run = Some(Run::new(frame.job, place));
            }
            if let Some(run) = &mut self.run {
                run.push(frame);
            }
        }
    }

    /// Takes in what an event says of a job; returns the job that it ended.
    pub fn apply(&mut self, event: &EngineEvent) -> Option<Job> {
        if let Some(training) = &mut self.training {
            training.apply(event);
        }
        match event {
            EngineEvent::Started { job } | EngineEvent::WentOn { job } => {
                if let Some(job) = self.find(*job) {
                    job.running = true;
                }
            }
            EngineEvent::GaveWay { job } => {
                if let Some(job) = self.find(*job) {
                    job.running = false;
                }
            }
            EngineEvent::Progress {
                job,
                step,
                total,
                elapsed,
            } => {
                if let Some(job) = self.find(*job) {
                    (job.step, job.total, job.elapsed) = (*step, *total, *elapsed);
                }
            }
            EngineEvent::Finished { job, .. } | EngineEvent::Stopped { job, .. } => {
                if let Some(run) = self.run.as_mut().filter(|run| run.job == *job) {
                    run.ended = true;
                }
                self.places.retain(|(known, _)| known != job);
                let index = self.active.iter().position(|known| known.id == *job)?;
                return Some(self.active.remove(index));
            }
            EngineEvent::Ready { .. }
            | EngineEvent::Painted { .. }
            | EngineEvent::Training { .. }
            | EngineEvent::Warning { .. }
            | EngineEvent::Memory(_) => {}
        }
        None
    }

    fn find(&mut self, id: JobId) -> Option<&mut Job> {
        self.active.iter_mut().find(|job| job.id == id)
    }
}

/// A picture that stands on the canvas for now: a step of a trajectory.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The picture, possibly smaller than the place it fills.
    pub image: Arc<RgbaImage>,
    /// The same picture in full on the window's graphics card, if it is there.
    pub planes: Option<Arc<SharedTensor>>,
    /// Where it stands.
    pub place: JobPlace,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::protocol::JobOutcome;

    fn frame(job: u64, step: u32) -> TrajectoryFrame {
        let image = Arc::new(RgbaImage::new(8, 8));
        TrajectoryFrame {
            job: JobId(job),
            index: 0,
            step,
            total: 4,
            image,
            planes: None,
        }
    }

    #[test]
    fn a_job_is_followed_from_the_queue_to_its_end() {
        let mut jobs = Jobs::default();
        let spec = GenerateSpec {
            steps: 4,
            width_px: 32,
            height_px: 16,
            ..GenerateSpec::default()
        };
        jobs.add_generation(JobId(1), &spec);
        jobs.add_generation(JobId(2), &spec);
        assert_eq!(jobs.waiting(), 2);

        jobs.apply(&EngineEvent::Started { job: JobId(1) });
        let elapsed = Duration::from_secs(2);
        jobs.apply(&EngineEvent::Progress {
            job: JobId(1),
            step: 1,
            total: 4,
            elapsed,
        });
        let job = jobs.running().expect("one job runs");
        assert_eq!(job.fraction(), 0.25);
        assert_eq!(job.time_left(), Some(Duration::from_secs(6)));

        jobs.add_frames(vec![frame(1, 1), frame(1, 2)]);
        let run = jobs.run.as_ref().expect("a run");
        assert_eq!(
            (run.place.size_px, run.frames.len(), run.ended),
            ([32, 16], 2, false)
        );

        let outcome = JobOutcome::Painted;
        let ended = jobs.apply(&EngineEvent::Finished {
            job: JobId(1),
            outcome,
        });
        assert_eq!(ended.map(|job| job.id), Some(JobId(1)));
        assert!(jobs.run.as_ref().is_some_and(|run| run.ended));
        assert_eq!(jobs.active().len(), 1);

        jobs.add_frames(vec![frame(2, 1)]);
        assert_eq!(
            jobs.run.as_ref().map(|run| (run.job, run.frames.len())),
            Some((JobId(2), 1))
        );
    }

    #[test]
    fn a_long_run_is_thinned_out_but_keeps_its_last_frame() {
        let mut run = Run::new(
            JobId(1),
            JobPlace {
                size_px: [2048, 2048],
                mask: None,
            },
        );
        for step in 1..=20 {
            let image = Arc::new(RgbaImage::new(2048, 2048));
            run.push(TrajectoryFrame {
                job: JobId(1),
                index: 0,
                step,
                total: 20,
                image,
                planes: None,
            });
        }
        let steps: Vec<u32> = run.frames.iter().map(|frame| frame.step).collect();
        assert!(steps.len() <= 16, "{steps:?}");
        assert_eq!((steps.first(), steps.last()), (Some(&1), Some(&20)));
    }
}
