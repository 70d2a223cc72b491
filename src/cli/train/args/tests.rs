//! Options against the jobs that they describe.

use clap::Parser as _;

use super::*;
use crate::cli::{Cli, Command};

fn asked(line: &str) -> Result<TrainSpec, CliError> {
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    match cli.command {
        Some(Command::Train(args)) => args.spec(),
        other => panic!("not a training command: {other:?}"),
    }
}

fn spec(line: &str) -> TrainSpec {
    asked(line).unwrap()
}

#[test]
fn without_options_a_run_has_the_defaults_of_its_spec() {
    let expected = TrainSpec {
        data: Some("pictures".into()),
        ..Default::default()
    };
    assert_eq!(spec("velatura train diffusion pictures"), expected);
    let expected = TrainSpec {
        target: TrainTarget::Autoencoder,
        data: None,
        ..expected
    };
    assert_eq!(spec("velatura train autoencoder --scenes"), expected);
}

#[test]
fn every_field_has_an_option() {
    let expected = TrainSpec {
        target: TrainTarget::Autoencoder,
        data: Some("in".into()),
        from: Some("old".into()),
        first_stage: None,
        config: Some("sizes.json".into()),
        output: "out/x".into(),
        resume: true,
        size_px: 128,
        fit: Fit::Pad,
        steps: 9,
        batch: 2,
        accumulate: 3,
        learning_rate: 1e-3,
        warmup_steps: 4,
        weight_decay: 0.5,
        clip_norm: 2.0,
        ema_decay: 0.9,
        seed: 8,
        checkpoint_every: 5,
        sample_every: 6,
        discriminator_start: Some(7),
        name: Some("Eyes".to_owned()),
        perceptual_weight: 0.25,
        kl_weight: 1e-4,
        ..Default::default()
    };
    let line = "velatura train autoencoder in --from old --config sizes.json --output out/x \
        --resume --size 128 --fit pad --steps 9 --batch 2 --accumulate 3 --learning-rate 1e-3 \
        --warmup-steps 4 --weight-decay 0.5 --clip-norm 2 --ema-decay 0.9 --seed 8 \
        --checkpoint-every 5 --sample-every 6 --discriminator-start 7 \
        --perceptual-weight 0.25 --kl-weight 1e-4 --name Eyes";
    assert_eq!(spec(line), expected);

    let spec = spec(
        "velatura train diffusion --scenes --first-stage eyes --caption-dropout 0 --task class \
        --share-first-stage",
    );
    assert!(spec.share_first_stage);
    assert_eq!(spec.first_stage, Some("eyes".into()));
    assert_eq!(spec.caption_dropout, 0.0);
    assert_eq!(spec.task, Some(TrainTask::Class));
}

#[test]
fn a_classifier_is_asked_for_in_three_ways() {
    let expected = TrainSpec {
        target: TrainTarget::Classifier,
        data: Some("in".into()),
        first_stage: Some("model".into()),
        steps: 9,
        ..TrainSpec::default()
    };
    for line in [
        "velatura train classifier in --first-stage model --steps 9",
        "velatura train diffusion in --task classifier --first-stage model --steps 9",
        "velatura train --task classifier --data in --first-stage model --steps 9",
    ] {
        assert_eq!(spec(line), expected, "{line}");
    }
}

#[test]
fn every_training_on_latents_says_where_they_are_kept() {
    let cache = |line: &str| {
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        match cli.command {
            Some(Command::Train(args)) => args.latent_cache(),
            other => panic!("not a training command: {other:?}"),
        }
    };
    for line in [
        "velatura train classifier in --latent-cache",
        "velatura train diffusion in --latent-cache",
        "velatura train --task classifier --data in --latent-cache",
    ] {
        assert_eq!(
            cache(&format!("{line} here")),
            Some("here".into()),
            "{line}"
        );
        assert_eq!(cache(&format!("{line} none")), None, "{line}");
    }
}

#[test]
fn a_run_needs_pictures_or_scenes_but_not_both() {
    let parse = |line: &str| Cli::try_parse_from(line.split(' '));
    assert!(parse("velatura train diffusion").is_err());
    assert!(parse("velatura train diffusion pictures --scenes").is_err());
}

#[test]
fn a_file_describes_a_run_and_options_overrule_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let run = write(
        "run.json",
        r#"{ "task": "layout", "data": "in", "steps": 7, "batch": 2, "output": "out" }"#,
    );
    let told = spec(&format!("velatura train --config {run}"));
    assert_eq!(told.data, Some(folder.path().join("in")));
    assert_eq!(
        (told.task, told.config.clone()),
        (Some(TrainTask::Layout), None)
    );
    let line = format!(
        "velatura train --config {run} --steps 9 --task text --output here --resume --data there"
    );
    let expected = TrainSpec {
        steps: 9,
        task: Some(TrainTask::Text),
        output: "here".into(),
        resume: true,
        data: Some("there".into()),
        ..told.clone()
    };
    assert_eq!(spec(&line), expected);
    let scenes = spec(&format!("velatura train --config {run} --scenes"));
    assert_eq!((scenes.data, scenes.steps), (None, 7));
    assert_eq!(
        spec(&format!("velatura train diffusion --config {run}")),
        told
    );
    let refused = |line: String| asked(&line).unwrap_err().to_string();
    let eyes = write("eyes.json", r#"{ "target": "autoencoder", "data": "in" }"#);
    let coarse = spec(&format!(
        "velatura train --config {eyes} --latents vq --factor 8"
    ));
    assert_eq!(
        (coarse.latents, coarse.latent_factor),
        (LatentKind::Vq, Some(8))
    );
    let given = write(
        "given.json",
        r#"{ "target": "autoencoder", "data": "in",
            "sizes": { "autoencoder": { "latent_channels": 4 } } }"#,
    );
    let given = refused(format!("velatura train --config {given} --factor 8"));
    assert!(given.contains("--factor"), "{given}");
    let empty = write("empty.json", "{}");
    let empty = refused(format!("velatura train --config {empty}"));
    assert!(empty.contains("says nothing"), "{empty}");
    let other = refused(format!("velatura train autoencoder --config {run}"));
    assert!(other.contains("other stage"), "{other}");
    let classifier = write(
        "classifier.json",
        r#"{ "target": "classifier", "data": "in" }"#,
    );
    for (file, task) in [
        (&classifier, "text"),
        (&eyes, "class"),
        (&run, "classifier"),
    ] {
        let other = refused(format!("velatura train --config {file} --task {task}"));
        assert!(other.contains("without --task"), "{other}");
    }
    let led = spec(&format!(
        "velatura train --config {classifier} --task classifier"
    ));
    assert_eq!((led.target, led.task), (TrainTarget::Classifier, None));
    let sizes = write("sizes.json", r#"{ "training": {} }"#);
    let only = refused(format!("velatura train --config {sizes}"));
    assert!(only.contains("sizes of networks"), "{only}");
    let bare = refused(format!("velatura train diffusion --config {sizes}"));
    assert!(bare.contains("--scenes"), "{bare}");
    assert!(refused("velatura train --steps 3".to_owned()).contains("--config"));
    let missing = refused("velatura train --config nowhere.json".to_owned());
    assert!(missing.contains("cannot read"), "{missing}");
    let mistyped = write("mistyped.json", r#"{ "taks": "class" }"#);
    let mistyped = refused(format!("velatura train --config {mistyped}"));
    assert!(mistyped.contains("taks"), "{mistyped}");
}

#[test]
fn a_run_goes_on_as_it_began_where_no_option_says_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("eyes");
    std::fs::create_dir_all(runs.join("checkpoints/step-00000004")).unwrap();
    let run =
        r#"{ "target": "autoencoder", "data": "/in", "steps": 7, "batch": 2, "latents": "vq" }"#;
    std::fs::write(runs.join("run.json"), run).unwrap();
    let runs = runs.display();
    let expected = TrainSpec {
        target: TrainTarget::Autoencoder,
        data: Some("/in".into()),
        latents: LatentKind::Vq,
        steps: 9,
        batch: 2,
        // It was kept before it could be chosen.
        fit: Fit::Crop,
        output: runs.to_string().into(),
        resume: true,
        ..TrainSpec::default()
    };
    for line in [
        format!("velatura train autoencoder --output {runs} --resume --steps 9"),
        format!("velatura train --output {runs} --resume --steps 9"),
    ] {
        assert_eq!(spec(&line), expected, "{line}");
    }
    let sizes = folder.path().join("sizes.json");
    std::fs::write(&sizes, r#"{ "training": {} }"#).unwrap();
    let line = format!(
        "velatura train --output {runs} --resume --config {}",
        sizes.display()
    );
    assert_eq!((spec(&line).steps, spec(&line).config), (7, Some(sizes)));
    let line = format!("velatura train autoencoder there --output {runs} --resume --latents kl");
    let other = spec(&line);
    assert_eq!(
        (other.data, other.latents),
        (Some("there".into()), LatentKind::Kl)
    );
    // Another stage is told by the run itself.
    let other = spec(&format!(
        "velatura train diffusion in --output {runs} --resume"
    ));
    assert_eq!((other.target, other.batch), (TrainTarget::Diffusion, 16));
    assert!(asked("velatura train autoencoder --output nowhere --resume").is_err());
}
