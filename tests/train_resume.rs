//! A run that was stopped and resumed has the losses of one that was not, bit
//! for bit.

mod train_support;

use std::path::Path;

use burn::tensor::Tensor;
use train_support::{CONFIG, make_data, spec, train};
use velatura::model::{AutoencoderKl, ModelFolder};
use velatura::recipe::{TrainSpec, TrainTarget};

/// Trains once in one go and once in three, and compares.
fn compare(root: &Path, job: &TrainSpec) {
    let whole = TrainSpec {
        output: root.join("whole"),
        ..job.clone()
    };
    let told = train(&whole, None);
    told.outcome.as_ref().expect("a run to the end");
    let wanted = told.losses();
    assert_eq!(wanted.len() as u64, job.steps);

    let parts = TrainSpec {
        output: root.join("parts"),
        checkpoint_every: 4,
        ..job.clone()
    };
    let first = train(&parts, Some(3));
    assert!(!first.outcome.as_ref().expect("a part").is_complete);
    let resumed = TrainSpec {
        resume: true,
        ..parts.clone()
    };
    let second = train(&resumed, Some(8));
    assert_eq!(second.outcome.as_ref().expect("a part").step, 8);
    let third = train(&resumed, None);
    assert!(third.outcome.as_ref().expect("a part").is_complete);
    let losses = [first.losses(), second.losses(), third.losses()].concat();
    assert_eq!(losses, wanted);

    let read = |folder: &Path, name: &str| {
        let last = format!("checkpoints/step-{:08}/{name}.safetensors", job.steps);
        std::fs::read(folder.join(last)).expect("a checkpoint")
    };
    let part = match job.target {
        TrainTarget::Autoencoder => "autoencoder",
        TrainTarget::Diffusion => "denoiser",
        TrainTarget::Classifier => "classifier",
    };
    for kind in ["weights", "average", "first_moment", "second_moment"] {
        let name = format!("{part}.{kind}");
        assert!(
            read(&whole.output, &name) == read(&parts.output, &name),
            "{name} differs"
        );
    }
    let kept = std::fs::read_dir(parts.output.join("checkpoints")).expect("checkpoints");
    assert_eq!(kept.count(), 2);
    let metrics = std::fs::read_to_string(parts.output.join("metrics.jsonl")).expect("metrics");
    let steps: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .filter(|line| line.get("loss").is_some())
        .filter_map(|line| line["step"].as_u64())
        .collect();
    assert_eq!(steps, (1..=job.steps).collect::<Vec<u64>>());
}

/// Vectors of a codebook that nobody uses are put elsewhere at the same steps; and
/// its latents, or pixels themselves, serve a denoiser.
fn compare_codebooks(root: &Path) {
    let config = root.join("codebook.json");
    let text = CONFIG
        .replace(
            r#""autoencoder": {"#,
            r#""autoencoder": { "_class_name": "VQModel", "num_vq_embeddings": 48,"#,
        )
        .replace(
            r#""tokenizer":"#,
            r#""training": { "codebook_restart_steps": 3 }, "tokenizer":"#,
        );
    std::fs::write(&config, text).expect("written");
    let codebook = TrainSpec {
        steps: 12,
        batch: 3,
        accumulate: 2,
        sample_every: 5,
        config: Some(config.clone()),
        ..spec(root, TrainTarget::Autoencoder)
    };
    compare(&root.join("codebook"), &codebook);
    let metrics = root.join("codebook/whole/metrics.jsonl");
    let metrics = std::fs::read_to_string(metrics).expect("metrics");
    let last = metrics.lines().rfind(|line| line.contains("\"loss\""));
    let last: serde_json::Value = serde_json::from_str(last.expect("a step")).expect("JSON");
    let column = |name: &str| last[name].as_f64().expect("a number");
    assert!((1.0..=48.0).contains(&column("code_perplexity")), "{last}");
    assert!((0.0..=1.0).contains(&column("codes_used_share")), "{last}");
    assert!(
        column("codes_restarted") > 0.0 && column("codebook") > 0.0,
        "{last}"
    );
    let model = root.join("codebook/whole/model");
    let folder = ModelFolder::open(&model).expect("a model");
    let class = folder.first_stage_config().expect("a first stage").class();
    assert_eq!(class, "VQModel");

    let diffusion = TrainSpec {
        steps: 2,
        config: Some(config),
        first_stage: Some(model),
        output: root.join("on-codebook"),
        ..spec(root, TrainTarget::Diffusion)
    };
    let told = train(&diffusion, None);
    told.outcome.as_ref().expect("a run to the end");
    let config = root.join("pixels.json");
    let text = CONFIG.replace(
        r#""in_channels": 9, "out_channels": 4"#,
        r#""in_channels": 7, "out_channels": 3"#,
    );
    std::fs::write(&config, text).expect("written");
    let pixels = TrainSpec {
        config: Some(config),
        first_stage: Some("pixels".into()),
        output: root.join("on-pixels"),
        ..diffusion
    };
    let told = train(&pixels, None);
    let model = &told.outcome.as_ref().expect("a run to the end").model;
    let folder = ModelFolder::open(model).expect("a model");
    let info = folder.first_stage_config().expect("pixels").info();
    assert_eq!((info.channels, info.factor), (3, 1));
}

/// A run that names no sizes goes on with those that were usual when it began.
fn go_on_with_what_was_usual(root: &Path, job: &TrainSpec) {
    let mut sizes: serde_json::Value = serde_json::from_str(CONFIG).expect("sizes");
    let begun = TrainSpec {
        steps: 2,
        config: None,
        sizes: Some(sizes.clone()),
        output: root.join("older"),
        ..job.clone()
    };
    train(&begun, None)
        .outcome
        .as_ref()
        .expect("a run to the end");
    let all = sizes.as_object_mut().expect("sizes");
    for network in ["unet", "text_encoder", "scheduler"] {
        all.remove(network);
    }
    let resumed = TrainSpec {
        steps: 4,
        sizes: Some(sizes),
        resume: true,
        ..begun
    };
    let told = train(&resumed, None);
    assert_eq!(told.outcome.as_ref().expect("it goes on").step, 4);
}

#[test]
fn resumed_runs_equal_uninterrupted_ones() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let autoencoder = TrainSpec {
        steps: 12,
        batch: 3,
        accumulate: 2,
        sample_every: 5,
        discriminator_start: Some(6),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    compare(&root.path().join("autoencoder"), &autoencoder);

    // The ring of latents is renewed faster than it is used up, so that a resumed
    // run has to find its place in it.
    let diffusion = TrainSpec {
        steps: 12,
        batch: 3,
        accumulate: 2,
        sample_every: 5,
        first_stage: Some(root.path().join("autoencoder/whole/model")),
        ..spec(root.path(), TrainTarget::Diffusion)
    };
    compare(&root.path().join("diffusion"), &diffusion);
    let called = |run: &str| {
        let folder = ModelFolder::open(root.path().join(run).join("model"));
        folder.expect("a model").manifest().name
    };
    assert_eq!(called("autoencoder/whole"), "whole (autoencoder)");
    assert_eq!(called("diffusion/whole"), "whole");
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let place = |run: &str| {
            let file = format!("{run}/whole/model/vae/diffusion_pytorch_model.safetensors");
            let metadata = std::fs::metadata(root.path().join(file));
            metadata.expect("weights of a first stage").ino()
        };
        assert_eq!(place("autoencoder"), place("diffusion"), "saved once");
    }

    compare_codebooks(root.path());
    go_on_with_what_was_usual(root.path(), &diffusion);

    // A model trained further keeps its text encoder.
    let further = TrainSpec {
        steps: 6,
        config: None,
        name: Some("Boards".to_owned()),
        from: Some(root.path().join("diffusion/whole/model")),
        ..spec(root.path(), TrainTarget::Diffusion)
    };
    let wanted = train(&further, None);
    let outcome = wanted.outcome.as_ref().expect("a run to the end");
    let model = ModelFolder::open(&outcome.model).expect("a model");
    assert_eq!(model.manifest().name, "Boards");
    let text = |model: &Path| {
        std::fs::read(model.join("text_encoder/model.safetensors")).expect("a text encoder")
    };
    assert!(text(&outcome.model) == text(&root.path().join("diffusion/whole/model")));

    // A decoder trained alone leaves the latents as they are.
    let before = root.path().join("autoencoder/whole/model");
    let config = root.path().join("decoder.json");
    std::fs::write(&config, r#"{ "training": { "decoder_only": true } }"#).expect("written");
    let decoder = TrainSpec {
        steps: 4,
        config: Some(config),
        from: Some(before.clone()),
        output: root.path().join("decoder"),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let told = train(&decoder, None);
    let after = &told.outcome.as_ref().expect("a run to the end").model;
    let device = burn::tensor::Device::flex();
    let open = |path: &Path| {
        let folder = ModelFolder::open(path).expect("a model");
        folder.load_autoencoder(&device).expect("an autoencoder")
    };
    let (before, after) = (open(&before), open(after));
    assert_eq!(
        before.config().scaling_factor,
        after.config().scaling_factor
    );
    let picture = Tensor::<4>::full([1, 3, 16, 16], 0.3, &device);
    let latents = |model: &AutoencoderKl| model.encode(picture.clone()).mode();
    let difference = |a: Tensor<4>, b: Tensor<4>| (a - b).abs().max().into_scalar::<f32>();
    assert_eq!(difference(latents(&before), latents(&after)), 0.0);
    let same = latents(&before);
    assert!(difference(before.decode(same.clone()), after.decode(same)) > 1e-4);
}
