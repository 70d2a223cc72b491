//! Both stages learn four pictures by heart.

mod train_support;

use std::ops::ControlFlow;

use burn::tensor::Device;
use image::GenericImageView;
use train_support::{make_data, spec, train};
use velatura::diffusion::{GenerationOutcome, GenerationRequest, LatentDiffusion};
use velatura::model::ModelFolder;
use velatura::recipe::{TrainSpec, TrainTarget};
use velatura::train::TrainEvent;

#[test]
fn both_stages_learn_four_pictures() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let job = TrainSpec {
        steps: 150,
        sample_every: 75,
        discriminator_start: Some(140),
        ..spec(root.path(), TrainTarget::Autoencoder)
    };
    let told = train(&job, None);
    let outcome = told.outcome.as_ref().expect("a run to the end");
    assert!(outcome.is_complete);
    assert_eq!(outcome.step, 150);
    let steps = told.steps();
    let mean = |range: std::ops::Range<usize>| {
        let part = &steps[range];
        part.iter().map(|report| report.loss).sum::<f32>() / part.len() as f32
    };
    let (first, last) = (mean(0..5), mean(130..140));
    assert!(last < 0.45 * first, "{first} to {last}");
    let psnr: Vec<f64> = told
        .events
        .iter()
        .filter_map(|event| match event {
            TrainEvent::Evaluation { value, .. } => Some(*value),
            _ => None,
        })
        .collect();
    assert_eq!(psnr.len(), 2);
    assert!(psnr[1] > psnr[0] && psnr[1] > 15.0, "{psnr:?}");
    let sheet = image::open(job.output.join("samples/step-00000150.png")).expect("a sheet");
    assert_eq!(sheet.dimensions(), (4 * 18 + 2, 2 * 18 + 2));
    let lines = std::fs::read_to_string(job.output.join("metrics.jsonl")).expect("metrics");
    assert_eq!(lines.lines().count(), 152);

    let model = ModelFolder::open(&outcome.model).expect("a model folder");
    let factor = model
        .load_first_stage(&Device::flex())
        .expect("an autoencoder")
        .scaling()
        .factor;
    assert!(factor.is_finite() && factor != 0.18215, "{factor}");

    let job = TrainSpec {
        steps: 220,
        sample_every: 110,
        batch: 8,
        caption_dropout: 0.0,
        first_stage: Some(outcome.model.clone()),
        output: root.path().join("second"),
        ..spec(root.path(), TrainTarget::Diffusion)
    };
    let told = train(&job, None);
    let outcome = told.outcome.as_ref().expect("a run to the end");
    let steps = told.steps();
    let mean = |range: std::ops::Range<usize>| {
        let part = &steps[range];
        part.iter().map(|report| report.loss).sum::<f32>() / part.len() as f32
    };
    let (first, last) = (mean(0..5), mean(200..220));
    assert!(last < 0.4 * first, "{first} to {last}");
    let sheet = image::open(job.output.join("samples/step-00000220.png")).expect("a sheet");
    assert_eq!(sheet.dimensions(), (8 * 18 + 2, 3 * 18 + 2));
    let lines = std::fs::read_to_string(job.output.join("metrics.jsonl")).expect("metrics");
    let line: serde_json::Value =
        serde_json::from_str(lines.lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["loss_by_quarter"].as_array().map(Vec::len), Some(4));

    let model = ModelFolder::open(&outcome.model).expect("a model folder");
    assert!(model.manifest().takes_mask());
    assert_eq!(model.manifest().resolution_px, 16);
    let device = burn::tensor::Device::flex();
    model.load_unet(&device).expect("a denoiser");
    model.load_text_encoder(&device).expect("a text encoder");
    model.tokenizer().expect("a tokenizer");

    // The sheet shows what the studio paints of the first caption.
    let model = LatentDiffusion::load(&model, &device).expect("a model that paints");
    let painted = ["red", "blue", "green", "yellow"].map(|colour| {
        let request = GenerationRequest {
            prompt: format!("a {colour} board"),
            reading: velatura::recipe::prompt::TextReading::default(),
            steps: 20,
            guidance_scale: model.manifest().default_guidance_scale,
            seed: job.seed,
            width_px: 16,
            height_px: 16,
            canvas: velatura::diffusion::Canvas::default(),
            given: velatura::diffusion::GivenLatents::default(),
            inpainting: velatura::diffusion::Inpainting::default(),
            ..GenerationRequest::default()
        };
        let outcome = model.generate(&request, &mut |_| ControlFlow::Continue(()));
        match outcome.expect("a picture") {
            GenerationOutcome::Finished { image, .. } => image,
            GenerationOutcome::Cancelled => panic!("nobody cancelled"),
        }
    });
    let shown = sheet.crop_imm(2, 2, 16, 16).into_rgb8();
    let is_close = |picture: &image::RgbImage| {
        let pairs = picture.as_raw().iter().zip(shown.as_raw());
        pairs.into_iter().all(|(a, b)| a.abs_diff(*b) <= 1)
    };
    assert!(painted.iter().any(is_close));
}
