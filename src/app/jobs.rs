//! What the window knows of the engine's jobs: one record for each, kept up to
//! date by the engine's events.

mod record;

use std::sync::Arc;
use std::time::Duration;

use image::GrayImage;

use super::tracing::Traced;
use super::training::Training;
use super::trajectory::{Placement, Preview, Run};
use crate::document::DocumentId;
use crate::engine::library::Renamed;
use crate::engine::protocol::{EngineEvent, JobId, StepId, TrajectoryFrame};
use crate::geometry::CanvasRect;
use crate::recipe::{ModelSource, TrainSpec};

pub use record::{Enlarging, JobKind, JobPhase, JobRecord, Painting};

/// All jobs, in the order in which they were given. Of those that are over, the
/// last one that painted and the last one that trained are kept to be looked at.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    records: Vec<JobRecord>,
    shown: Option<StepId>,
}

impl Jobs {
    /// The jobs that have not ended, or whose pictures do not all stand in their
    /// place yet, in queue order.
    pub fn active(&self) -> Vec<&JobRecord> {
        let records = self.records.iter();
        records.filter(|record| record.is_active()).collect()
    }

    /// The job of that name, if it is still known.
    pub fn get(&self, id: JobId) -> Option<&JobRecord> {
        self.records.iter().find(|record| record.id == id)
    }

    /// The mask that a job repaints inside of, if it has one.
    pub fn mask(&self, id: JobId) -> Option<Arc<GrayImage>> {
        self.get(id)?.painting()?.place.mask.clone()
    }

    /// The job in hand.
    pub fn running(&self) -> Option<&JobRecord> {
        self.records.iter().find(|record| record.is_running())
    }

    /// The generation or enlargement that runs, or else the first one that waits. Live
    /// ones do not count.
    pub fn generation(&self) -> Option<&JobRecord> {
        let mut records = self.records.iter();
        records.find(|record| record.is_generation() && !record.has_ended())
    }

    /// Whether pictures that were asked for by name are to come or to be placed.
    pub fn has_unfinished_pictures(&self) -> bool {
        let mut records = self.records.iter();
        records.any(|record| record.is_generation() && record.is_active())
    }

    /// Whether a job paints a live picture.
    pub fn is_live(&self, id: JobId) -> bool {
        let painting = self.get(id).and_then(JobRecord::painting);
        painting.is_some_and(|painting| painting.is_live)
    }

    /// What is known of a job that enlarges a document.
    pub fn enlarging(&self, id: JobId) -> Option<&Enlarging> {
        self.get(id)?.enlarging()
    }

    /// Whether a document is being enlarged.
    pub fn is_enlarging(&self, document: DocumentId) -> bool {
        let active = self.records.iter().filter(|record| !record.has_ended());
        let mut enlarging = active.filter_map(JobRecord::enlarging);
        enlarging.any(|enlarging| enlarging.document.id() == document)
    }

    /// What is known of a job that reads a picture.
    pub fn tracing(&self, id: JobId) -> Option<Traced> {
        self.get(id)?.tracing()
    }

    /// Whether the picture of a document is being read.
    pub fn is_tracing(&self, document: DocumentId) -> bool {
        let active = self.records.iter().filter(|record| !record.has_ended());
        let mut traced = active.filter_map(JobRecord::tracing);
        traced.any(|traced| traced.document == document)
    }

    /// The job that loads a model, while it does.
    pub fn loading(&self, model: &ModelSource) -> Option<&JobRecord> {
        self.loadings()
            .find(|(source, _)| *source == model)
            .map(|(_, record)| record)
    }

    /// The jobs that load models, the oldest first.
    pub fn loadings(&self) -> impl Iterator<Item = (&ModelSource, &JobRecord)> {
        let active = self.records.iter().filter(|record| !record.has_ended());
        active.filter_map(|record| match &record.kind {
            JobKind::LoadModel(source) => Some((source, record)),
            _ => None,
        })
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        let records = self.records.iter();
        records
            .filter(|record| record.phase == JobPhase::Waiting)
            .count()
    }

    /// The current or the last training run, until it is forgotten.
    pub fn training(&self) -> Option<&Training> {
        self.records.iter().rev().find_map(JobRecord::training)
    }

    /// The job whose steps the strip shows: that of the step on the canvas, or
    /// else the newest one that has any.
    pub fn strip(&self) -> Option<&JobRecord> {
        let shown = self.shown.and_then(|step| self.get(step.job));
        shown.or_else(|| {
            let mut records = self.records.iter().rev();
            records.find(|record| record.has_frames())
        })
    }

    /// The steps of the current or the last generation.
    pub fn run(&self) -> Option<&Run> {
        self.strip()
            .and_then(JobRecord::painting)
            .map(|painting| &painting.run)
    }

    /// The newest step of the generation in hand. Those of live pictures are seen only
    /// while they are wanted, which is known elsewhere.
    pub fn live_frame(&self) -> Option<&TrajectoryFrame> {
        let running = self.running().filter(|record| record.is_generation())?;
        match &running.kind {
            JobKind::Generate(painting) => painting.run.frames().last(),
            JobKind::Enlarge(enlarging) => enlarging.newest.as_ref(),
            _ => None,
        }
    }

    /// The step that the user chose to see on the canvas.
    pub fn shown(&self) -> Option<StepId> {
        self.shown
    }

    /// Puts a step on the canvas, if it is kept; `None` takes it away.
    pub fn show(&mut self, step: Option<StepId>) {
        self.shown = step.filter(|step| {
            let painting = self.get(step.job).and_then(JobRecord::painting);
            painting.is_some_and(|painting| painting.run.frame(*step).is_some())
        });
        self.forget_old();
    }

    /// The step so many steps beside the chosen one, of those that are kept; `None` beyond
    /// them.
    pub fn beside_shown(&self, steps: i32) -> Option<StepId> {
        let shown = self.shown?;
        let frames = self.get(shown.job)?.painting()?.run.frames();
        let at = frames.iter().position(|it| StepId::of(it) == shown)?;
        let beside = at.checked_add_signed(isize::try_from(steps).ok()?)?;
        frames.get(beside).map(StepId::of)
    }

    /// Whether the chosen step is the last one of its picture.
    pub fn is_last_shown(&self) -> bool {
        let frame = self.shown.and_then(|step| {
            let painting = self.get(step.job)?.painting()?;
            painting.run.frame(step)
        });
        frame.is_some_and(|frame| frame.step == frame.total)
    }

    /// What stands on the canvas for now: the step that was chosen, or else the
    /// newest one of the job in hand.
    pub fn preview(&self) -> Option<Preview> {
        let frame = match self.shown {
            Some(step) => self.get(step.job)?.painting()?.run.frame(step)?,
            None => self.live_frame()?,
        };
        self.preview_of(frame)
    }

    /// The newest step of a job, as it stands on the canvas.
    pub fn newest_step(&self, id: JobId) -> Option<Preview> {
        let frame = self.get(id)?.painting()?.run.frames().last()?;
        self.preview_of(frame)
    }

    fn preview_of(&self, frame: &TrajectoryFrame) -> Option<Preview> {
        let place = match &self.get(frame.job)?.kind {
            JobKind::Generate(painting) => painting.place.clone(),
            JobKind::Enlarge(enlarging) => Placement::whole(&enlarging.document),
            _ => return None,
        };
        Some(Preview {
            image: frame.image.clone(),
            planes: frame.planes.clone(),
            place,
        })
    }

    /// Notes a new generation of so many steps in all.
    pub fn add_generation(&mut self, id: JobId, place: Placement, steps: u32) {
        self.add_painting(id, place, steps, false);
    }

    /// Notes a new live picture of so many steps.
    pub fn add_live(&mut self, id: JobId, place: Placement, steps: u32) {
        self.add_painting(id, place, steps, true);
    }

    fn add_painting(&mut self, id: JobId, place: Placement, steps: u32, is_live: bool) {
        let painting = Painting {
            place,
            run: Run::default(),
            is_live,
            unplaced: 0,
        };
        self.add(id, JobKind::Generate(Box::new(painting)), steps);
    }

    /// Notes a job that goes on from a step of a picture: the steps up to there are its
    /// own from now on too.
    pub fn add_onward(&mut self, id: JobId, from: StepId) {
        let Some(origin) = self.get(from.job).and_then(JobRecord::painting) else {
            return;
        };
        let frames = origin.run.frames().iter();
        let path = frames.filter(|it| it.index == from.picture && it.step <= from.step);
        let path = path.map(|frame| TrajectoryFrame {
            job: id,
            index: 0,
            ..frame.clone()
        });
        let path: Vec<TrajectoryFrame> = path.collect();
        let total = path.last().map_or(0, |frame| frame.total);
        let place = origin.place.clone();
        self.add_painting(id, place, total, false);
        self.add_frames(path);
    }

    /// Notes a new training run.
    pub fn add_training(&mut self, id: JobId, spec: TrainSpec) {
        self.resume_training(Training::new(id, spec));
    }

    /// Notes a training run that goes on as another job.
    pub fn resume_training(&mut self, training: Training) {
        let steps = u32::try_from(training.spec.steps).unwrap_or(u32::MAX);
        let id = training.job;
        self.add(id, JobKind::Train(Box::new(training)), steps);
    }

    /// Notes that a document is being enlarged.
    pub fn add_enlarging(&mut self, id: JobId, enlarging: Enlarging) {
        self.add(id, JobKind::Enlarge(Box::new(enlarging)), 0);
    }

    /// Notes that a picture is being read.
    pub fn add_tracing(&mut self, id: JobId, traced: Traced) {
        self.add(id, JobKind::Trace(traced), 0);
    }

    /// Notes that the canvas of a document grew: what is painted for all of it goes
    /// on to cover all of it.
    pub fn canvas_grew(&mut self, document: DocumentId, from_px: [u32; 2], to_px: [u32; 2]) {
        let paintings = self.records.iter_mut().filter_map(JobRecord::painting_mut);
        let places = paintings.map(|painting| &mut painting.place);
        let covering = places.filter(|place| {
            let covers = place.area.size_px() == from_px && place.mask.is_none();
            place.document == document && (place.is_framed || covers)
        });
        covering.for_each(|place| place.area = scaled(place.area, from_px, to_px));
    }

    /// Notes that a model is being loaded.
    pub fn add_model(&mut self, id: JobId, source: ModelSource) {
        self.add(id, JobKind::LoadModel(source), 0);
    }

    fn add(&mut self, id: JobId, kind: JobKind, total: u32) {
        self.records.push(JobRecord {
            id,
            kind,
            phase: JobPhase::Waiting,
            paused: false,
            cancelling: false,
            step: 0,
            total,
            elapsed: Duration::ZERO,
            reading: None,
        });
    }

    /// Notes that the user asked a job to end.
    pub fn mark_cancelling(&mut self, id: JobId) {
        if let Some(record) = self.find(id) {
            record.cancelling = true;
        }
    }

    /// Notes that the user holds a job or lets it go on.
    pub fn mark_paused(&mut self, id: JobId, paused: bool) {
        if let Some(record) = self.find(id) {
            record.paused = paused;
        }
    }

    /// Notes that a picture of a job stands in its place.
    pub fn mark_placed(&mut self, id: JobId) {
        if let Some(painting) = self.find(id).and_then(JobRecord::painting_mut) {
            painting.unplaced = painting.unplaced.saturating_sub(1);
        }
        self.forget_old();
    }

    /// Leaves a finished training run for the next one.
    pub fn forget_training(&mut self) {
        self.records
            .retain(|record| record.training().is_none() || !record.has_ended());
    }

    /// Has the training runs know their models where they lie since they were renamed.
    pub fn follow(&mut self, renamed: &Renamed) {
        for record in &mut self.records {
            if let JobKind::Train(training) = &mut record.kind {
                training.follow(renamed);
            }
        }
    }

    /// Adds frames to the strips of their jobs.
    pub fn add_frames(&mut self, frames: Vec<TrajectoryFrame>) {
        let shown = self.shown;
        for frame in frames {
            match self.find(frame.job).map(|record| &mut record.kind) {
                Some(JobKind::Generate(painting)) => painting.run.push(frame, shown),
                Some(JobKind::Enlarge(enlarging)) => enlarging.newest = Some(frame),
                _ => {}
            }
        }
        self.forget_old();
    }

    /// Takes in what an event says of a job.
    pub fn apply(&mut self, event: &EngineEvent) {
        for record in &mut self.records {
            if let JobKind::Train(training) = &mut record.kind {
                training.apply(event);
            }
        }
        match event {
            EngineEvent::Started { job } | EngineEvent::WentOn { job } => {
                self.set_phase(*job, JobPhase::Running);
            }
            EngineEvent::GaveWay { job } => self.set_phase(*job, JobPhase::Waiting),
            EngineEvent::Progress {
                job,
                step,
                total,
                elapsed,
            } => {
                if let Some(record) = self.find(*job) {
                    (record.step, record.total, record.elapsed) = (*step, *total, *elapsed);
                    record.reading = None;
                }
            }
            EngineEvent::Reading { job, share } => {
                if let Some(record) = self.find(*job) {
                    record.reading = Some(*share);
                }
            }
            EngineEvent::Finished { job, .. } | EngineEvent::Stopped { job, .. } => {
                self.set_phase(*job, JobPhase::Ended);
            }
            EngineEvent::Painted { job, .. } => {
                let painting = self.find(*job).and_then(JobRecord::painting_mut);
                if let Some(painting) = painting.filter(|painting| !painting.is_live) {
                    painting.unplaced += 1;
                }
            }
            EngineEvent::Ready { .. }
            | EngineEvent::Undecoded { .. }
            | EngineEvent::Training { .. }
            | EngineEvent::Warning { .. }
            | EngineEvent::Memory(_) => {}
        }
    }

    /// Drops the records of jobs that are over and that nobody looks at.
    pub fn forget_old(&mut self) {
        let id = |record: &JobRecord| record.id;
        let kept = [
            self.records
                .iter()
                .rfind(|record| record.has_frames())
                .map(id),
            self.records
                .iter()
                .rfind(|record| record.training().is_some())
                .map(id),
            self.shown.map(|step| step.job),
        ];
        self.records
            .retain(|record| record.is_active() || kept.contains(&Some(record.id)));
    }

    fn set_phase(&mut self, id: JobId, phase: JobPhase) {
        if let Some(record) = self.find(id) {
            record.phase = phase;
        }
    }

    fn find(&mut self, id: JobId) -> Option<&mut JobRecord> {
        self.records.iter_mut().find(|record| record.id == id)
    }
}

/// A part of a plane that became so many times as large as a canvas on it.
fn scaled(part: CanvasRect, from_px: [u32; 2], to_px: [u32; 2]) -> CanvasRect {
    let scaled = |corner: [i32; 2]| {
        // Within canvases, whose sides are far below what fits.
        [0, 1].map(|axis: usize| {
            let at = i64::from(corner[axis]) * i64::from(to_px[axis]);
            at.div_euclid(i64::from(from_px[axis].max(1))) as i32
        })
    };
    CanvasRect::from_min_max(scaled(part.min), scaled(part.max))
}

#[cfg(test)]
mod tests;
