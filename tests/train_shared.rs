//! One first stage for many models: what it made of pictures is kept for the next run,
//! and models may refer to it instead of having it.

#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod train_support;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use train_support::{make_data, spec, train};
use velatura::model::{Conversion, ModelFolder, first_stage_digest};
use velatura::recipe::{TrainSpec, TrainTarget, TrainTask};

/// The files of the folder of kept latents, with their times.
fn parts(folder: &Path) -> Vec<(PathBuf, u64)> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name();
    let files = files.into_iter().map(|entry| entry.expect("an entry"));
    let files = files.filter(|entry| entry.file_type().is_file());
    let size = |entry: &walkdir::DirEntry| entry.metadata().expect("a size").len();
    files
        .map(|entry| (entry.path().to_owned(), size(&entry)))
        .collect()
}

/// What the losses of a run are, bit for bit.
fn losses(spec: &TrainSpec) -> Vec<(u64, u32)> {
    let told = train(spec, None);
    told.outcome.as_ref().expect("a run to the end");
    told.losses()
}

fn keeps_latents(job: &TrainSpec, root: &Path) {
    let wanted = losses(&TrainSpec {
        output: root.join("without"),
        ..job.clone()
    });
    let kept = root.join("latents");
    let with = |name: &str| TrainSpec {
        output: root.join(name),
        latent_cache: Some(kept.clone()),
        ..job.clone()
    };
    assert_eq!(losses(&with("first")), wanted);
    let found = parts(&kept);
    assert!(!found.is_empty());
    // The next one finds everything, and writes nothing.
    assert_eq!(losses(&with("second")), wanted);
    assert_eq!(parts(&kept), found);
    // Another denoiser with other noise sees the same pictures whole.
    let other = TrainSpec {
        seed: 8,
        task: Some(TrainTask::Unconditional),
        fit: velatura::recipe::Fit::Pad,
        ..with("third")
    };
    losses(&other);
    let more = parts(&kept);
    assert!(more.len() > found.len());
    losses(&TrainSpec {
        seed: 9,
        output: root.join("fourth"),
        ..other
    });
    assert_eq!(parts(&kept), more);
    // What is damaged is made anew.
    for (path, _) in &more {
        let mut bytes = std::fs::read(path).expect("latents");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        std::fs::write(path, bytes).expect("written");
    }
    assert_eq!(losses(&with("fifth")), wanted);
}

fn refers_to_it(job: &TrainSpec, root: &Path) {
    let shared = TrainSpec {
        output: root.join("shared"),
        share_first_stage: true,
        ..job.clone()
    };
    losses(&shared);
    let model = root.join("shared/model");
    assert!(
        !model
            .join("vae/diffusion_pytorch_model.safetensors")
            .exists()
    );
    let whole = root.join("without/model");
    let digest = |model: &Path| first_stage_digest(model).expect("a first stage");
    assert_eq!(digest(&model), digest(&root.join("eyes/model")));
    assert_eq!(digest(&model), digest(&whole));

    let device = Device::flex();
    let latents = |model: &Path| -> Vec<f32> {
        let folder = ModelFolder::open(model).expect("a model");
        let stage = folder.load_first_stage(&device).expect("its first stage");
        let picture = Tensor::ones([1, 3, 16, 16], &device);
        let latents = stage.likeliest_latents(picture).into_data();
        latents.try_to_vec().expect("numbers")
    };
    // With the factor that was measured for this model.
    assert_eq!(latents(&model), latents(&whole));
    // Trained further, it refers to the same one.
    let further = TrainSpec {
        from: Some(model.clone()),
        first_stage: None,
        output: root.join("further"),
        steps: 1,
        ..shared.clone()
    };
    losses(&further);
    assert_eq!(latents(&root.join("further/model")), latents(&whole));

    // Written anew, it has its own.
    let copy = root.join("copy");
    Conversion::default()
        .run(&model, &copy, &mut |_, _| true)
        .expect("a whole model");
    let eyes = root.join("eyes");
    let moved = root.join("moved");
    std::fs::rename(&eyes, &moved).expect("moved");
    assert_eq!(latents(&copy), latents(&whole));
    let refused = || {
        let folder = ModelFolder::open(&model).expect("its configurations");
        let stage = folder.load_first_stage(&device);
        stage.expect_err("no first stage").to_string()
    };
    let gone = refused();
    assert!(
        gone.contains("eyes") && gone.contains("bring it back"),
        "{gone}"
    );
    // Another one in its place is not taken for it.
    std::fs::create_dir_all(eyes.join("model")).expect("made");
    for name in ["model_index.json", "studio.json"] {
        std::fs::copy(
            moved.join("model").join(name),
            eyes.join("model").join(name),
        )
        .expect("copied");
    }
    std::fs::create_dir_all(eyes.join("model/vae")).expect("made");
    let weights = "model/vae/diffusion_pytorch_model.safetensors";
    for name in ["model/vae/config.json", weights] {
        std::fs::copy(moved.join(name), eyes.join(name)).expect("copied");
    }
    assert_eq!(latents(&model), latents(&whole));
    let mut bytes = std::fs::read(eyes.join(weights)).expect("weights");
    *bytes.last_mut().expect("numbers") ^= 1;
    std::fs::write(eyes.join(weights), bytes).expect("written");
    let other = refused();
    assert!(other.contains("no longer"), "{other}");
    std::fs::remove_dir_all(&eyes).expect("removed");
    // Both moved together find each other by the way between them.
    let elsewhere = root.join("elsewhere");
    std::fs::create_dir_all(&elsewhere).expect("made");
    std::fs::rename(&moved, elsewhere.join("eyes")).expect("moved");
    std::fs::rename(root.join("shared"), elsewhere.join("shared")).expect("moved");
    assert_eq!(latents(&elsewhere.join("shared/model")), latents(&whole));
    // So does one that is trained further from where the program happens to run.
    let late = TrainSpec {
        from: Some(from_here(&elsewhere.join("shared/model"))),
        output: elsewhere.join("late"),
        ..further
    };
    losses(&late);
    assert_eq!(latents(&elsewhere.join("late/model")), latents(&whole));
}

/// The way to a place from the folder in which the tests run.
fn from_here(place: &Path) -> PathBuf {
    let named = |path: &Path| -> Vec<std::ffi::OsString> {
        let parts = path.components();
        let parts = parts.filter(|part| matches!(part, std::path::Component::Normal(_)));
        parts.map(|part| part.as_os_str().to_owned()).collect()
    };
    let here = std::env::current_dir().unwrap().canonicalize().unwrap();
    let place = place.canonicalize().unwrap();
    let up = named(&here).into_iter().map(|_| "..".into());
    up.chain(named(&place)).collect()
}

/// A run whose first stage was trained on meanwhile does not go on with the new one.
fn notices_another(root: &Path) {
    let eyes = |steps, resume| TrainSpec {
        output: root.join("other-eyes"),
        steps,
        resume,
        ..spec(root, TrainTarget::Autoencoder)
    };
    losses(&eyes(1, false));
    let run = |steps, resume| TrainSpec {
        first_stage: Some(root.join("other-eyes/model")),
        output: root.join("on-other-eyes"),
        steps,
        resume,
        ..spec(root, TrainTarget::Diffusion)
    };
    losses(&run(1, false));
    losses(&run(2, true));
    losses(&eyes(3, true));
    let error = train(&run(3, true), None).outcome.unwrap_err().to_string();
    assert!(
        error.contains("its first stage had other weights"),
        "{error}"
    );
}

#[test]
fn one_first_stage_serves_many_models() {
    let root = tempfile::tempdir().expect("a folder");
    let root = root.path();
    make_data(root);
    let eyes = TrainSpec {
        output: root.join("eyes"),
        steps: 3,
        ..spec(root, TrainTarget::Autoencoder)
    };
    losses(&eyes);
    let job = TrainSpec {
        first_stage: Some(root.join("eyes/model")),
        steps: 4,
        ..spec(root, TrainTarget::Diffusion)
    };
    keeps_latents(&job, root);
    refers_to_it(&job, root);
    notices_another(root);
}
