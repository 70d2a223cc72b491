//! Training through the real engine: it gives way to pictures and has the losses
//! of a run that did not; ended early, it keeps its checkpoint.

#[path = "support/lockstep.rs"]
mod lockstep;
mod train_support;

use std::path::Path;

use lockstep::Lockstep;
use train_support::{make_data, spec, train};
use velatura::engine::device::ComputeDevice;
use velatura::engine::protocol::{EngineEvent, JobId, JobOutcome, StopReason, TrainEvent};
use velatura::engine::studio;
use velatura::recipe::{GenerateSpec, ModelSource, TrainSpec, TrainTarget};

fn start() -> Lockstep {
    Lockstep::start(studio::factory(ComputeDevice::cpu()))
}

fn picture() -> GenerateSpec {
    GenerateSpec {
        model: ModelSource::Folder(Path::new("tests/data/reference/sd1-tiny").to_owned()),
        prompt: "a small red house".to_owned(),
        steps: 3,
        seed: 7,
        width_px: 40,
        height_px: 32,
        batch: 2,
        ..GenerateSpec::default()
    }
}

/// Asks for pictures at some steps of a run; the run's losses, and what happened
/// to it besides.
fn disturbed(job: &TrainSpec, at: &[u64]) -> (Vec<(u64, u32)>, Vec<&'static str>) {
    let mut lockstep = start();
    let training = lockstep.engine.train(job.clone());
    let (mut losses, mut story) = (Vec::new(), Vec::new());
    let mut pictures: Vec<JobId> = Vec::new();
    loop {
        match lockstep.wait() {
            EngineEvent::Training {
                news: TrainEvent::Step(report),
                ..
            } => {
                losses.push((report.step, report.loss.to_bits()));
                if at.contains(&report.step) {
                    pictures.push(lockstep.engine.generate(picture()));
                }
            }
            EngineEvent::GaveWay { job } => {
                assert_eq!(job, training);
                story.push("gave way");
            }
            EngineEvent::WentOn { job } => {
                assert_eq!(job, training);
                story.push("went on");
            }
            EngineEvent::Painted { .. } => story.push("painted"),
            EngineEvent::Finished {
                outcome: JobOutcome::Trained(outcome),
                ..
            } => {
                assert!(outcome.is_complete);
                return (losses, story);
            }
            EngineEvent::Stopped { reason, .. } => panic!("stopped: {reason:?}"),
            _ => {}
        }
    }
}

fn compare(root: &Path, job: &TrainSpec) {
    let whole = TrainSpec {
        output: root.join("whole"),
        ..job.clone()
    };
    let wanted = train(&whole, None);
    wanted.outcome.as_ref().expect("a run to the end");
    let parts = TrainSpec {
        output: root.join("disturbed"),
        ..job.clone()
    };
    let (losses, story) = disturbed(&parts, &[2, 5]);
    assert_eq!(losses, wanted.losses());
    let once = ["gave way", "painted", "painted", "went on"];
    assert_eq!(story, [once, once].concat());
    let read = |folder: &str, name: &str| {
        let file = format!("{folder}/checkpoints/step-{:08}/{name}", job.steps);
        std::fs::read(root.join(file)).expect("a checkpoint")
    };
    let part = match job.target {
        TrainTarget::Autoencoder => "autoencoder",
        TrainTarget::Diffusion => "denoiser",
        TrainTarget::Classifier => "classifier",
    };
    for kind in ["weights", "average", "first_moment", "second_moment"] {
        let name = format!("{part}.{kind}.safetensors");
        assert!(
            read("whole", &name) == read("disturbed", &name),
            "{name} differs"
        );
    }
}

#[test]
fn a_run_that_gave_way_equals_one_that_did_not() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let autoencoder = TrainSpec {
        steps: 8,
        sample_every: 4,
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    compare(&root.path().join("autoencoder"), &autoencoder);
    let diffusion = TrainSpec {
        steps: 8,
        sample_every: 4,
        first_stage: Some(root.path().join("autoencoder/whole/model")),
        ..spec(root.path(), TrainTarget::Diffusion)
    };
    compare(&root.path().join("diffusion"), &diffusion);

    // Ended early, a run keeps what it has.
    let long = TrainSpec {
        steps: 100_000,
        output: root.path().join("long"),
        ..autoencoder
    };
    let mut lockstep = start();
    let training = lockstep.engine.train(long);
    let mut saved = None;
    let reason = loop {
        match lockstep.wait() {
            EngineEvent::Training { news, .. } => match news {
                TrainEvent::Step(report) if report.step == 3 => lockstep.engine.cancel(training),
                TrainEvent::Checkpoint { path, model } => saved = Some((path, model)),
                _ => {}
            },
            EngineEvent::Stopped { reason, .. } => break reason,
            EngineEvent::Finished { outcome, .. } => panic!("it ran to its end: {outcome:?}"),
            _ => {}
        }
    };
    assert_eq!(reason, StopReason::Cancelled);
    let (checkpoint, model) = saved.expect("a checkpoint");
    assert!(checkpoint.join("state.json").is_file());
    assert!(model.join("vae").is_dir());
    // Not a step after the wish.
    assert!(
        checkpoint.ends_with("step-00000003"),
        "{}",
        checkpoint.display()
    );
}
