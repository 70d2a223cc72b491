use std::sync::Arc;

use image::RgbaImage;

use super::*;
use crate::document::Document;
use crate::engine::protocol::{JobOutcome, PaintedImage, StopReason};
use crate::recipe::GenerateSpec;

fn frame(job: u64, step: u32) -> TrajectoryFrame {
    TrajectoryFrame {
        job: JobId(job),
        index: 0,
        step,
        total: 4,
        image: Arc::new(RgbaImage::new(8, 8)),
        planes: None,
    }
}

fn place() -> Placement {
    let document = Document::blank([32, 16]).expect("an allowed size");
    Placement {
        document: document.id(),
        revision: document.revision(),
        area: document.rect(),
        is_framed: false,
        is_beyond: false,
        mask: None,
    }
}

fn end(job: u64) -> EngineEvent {
    EngineEvent::Finished {
        job: JobId(job),
        outcome: JobOutcome::Painted,
    }
}

#[test]
fn a_job_is_followed_from_the_queue_until_its_pictures_stand() {
    let mut jobs = Jobs::default();
    jobs.add_generation(JobId(1), place(), 4);
    jobs.add_generation(JobId(2), place(), 4);
    assert_eq!(jobs.waiting(), 2);

    jobs.apply(&EngineEvent::Started { job: JobId(1) });
    jobs.apply(&EngineEvent::Progress {
        job: JobId(1),
        step: 1,
        total: 4,
        elapsed: Duration::from_secs(2),
    });
    let job = jobs.running().expect("one job runs");
    assert_eq!(job.fraction(), 0.25);
    assert_eq!(job.time_left(), Some(Duration::from_secs(6)));

    jobs.add_frames(vec![frame(1, 1), frame(1, 2)]);
    let strip = jobs.strip().expect("a strip");
    assert_eq!((strip.id, strip.has_ended()), (JobId(1), false));
    assert_eq!(jobs.live_frame().map(|frame| frame.step), Some(2));

    let image = PaintedImage {
        image: Arc::new(RgbaImage::new(8, 8)),
        spec: Box::new(GenerateSpec::default()),
        model_hash: String::new(),
        model_name: String::new(),
        latents: None,
    };
    jobs.apply(&EngineEvent::Painted {
        job: JobId(1),
        image,
    });
    jobs.apply(&end(1));
    assert_eq!(jobs.live_frame().map(|frame| frame.step), None);
    assert_eq!(jobs.active().len(), 2, "its picture is on its way");
    jobs.mark_placed(JobId(1));
    assert_eq!(jobs.active().len(), 1);
    assert_eq!(jobs.run().map(|run| run.frames().len()), Some(2));

    jobs.add_frames(vec![frame(2, 1)]);
    let strip = jobs.strip().expect("a strip");
    assert_eq!(strip.id, JobId(2));
    assert!(jobs.get(JobId(1)).is_none(), "nobody looks at it any more");
}

#[test]
fn the_shown_step_is_the_chosen_one_whatever_comes_after_it() {
    let mut jobs = Jobs::default();
    jobs.add_generation(JobId(1), place(), 4);
    jobs.add_frames(vec![frame(1, 1), frame(1, 2)]);
    let chosen = StepId::of(&frame(1, 2));
    jobs.show(Some(chosen));
    jobs.apply(&end(1));

    // Another job's steps come: their first two are not what was chosen.
    jobs.add_generation(JobId(2), place(), 4);
    jobs.apply(&EngineEvent::Started { job: JobId(2) });
    jobs.add_frames(vec![frame(2, 1), frame(2, 2), frame(2, 3)]);
    assert_eq!(jobs.shown(), Some(chosen));
    assert_eq!(jobs.strip().map(|record| record.id), Some(JobId(1)));

    jobs.show(None);
    assert_eq!(jobs.strip().map(|record| record.id), Some(JobId(2)));
    assert!(jobs.get(JobId(1)).is_none());
    jobs.show(Some(chosen));
    assert_eq!(jobs.shown(), None, "its frames are gone");
}

#[test]
fn a_training_run_stays_until_it_is_forgotten() {
    let mut jobs = Jobs::default();
    jobs.add_training(JobId(1), TrainSpec::default());
    jobs.forget_training();
    assert!(jobs.training().is_some(), "it is at work");
    jobs.apply(&EngineEvent::Stopped {
        job: JobId(1),
        reason: StopReason::Cancelled,
    });
    jobs.forget_old();
    assert!(jobs.training().is_some());
    assert!(jobs.active().is_empty());
    jobs.forget_training();
    assert!(jobs.training().is_none());
}
