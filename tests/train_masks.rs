//! A model whose mask says what is kept is trained with masks that say so.

mod train_support;

use std::path::{Path, PathBuf};

use half::f16;
use safetensors::SafeTensors;
use train_support::{make_data, spec, train};
use velatura::recipe::{TrainSpec, TrainTarget};

/// Weight of the mask at the middle of the first convolution.
const WEIGHT: f32 = 1.5;

/// A copy of the tiny inpainting model whose first convolution sees of the mask the
/// place itself alone: `weight` · mask + `bias`.
fn model(at: &Path, convention: &str, weight: f32, bias: f32) -> PathBuf {
    let from = Path::new("tests/data/reference/inpaint-tiny");
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.expect("an entry");
        let to = at.join(entry.path().strip_prefix(from).expect("inside"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&to).expect("a folder");
        } else {
            std::fs::copy(entry.path(), &to).expect("a copy");
        }
    }
    let studio = format!(
        r#"{{ "name": "Tiny", "resolution_px": 64,
             "unet_input": ["latent", "mask", "masked_image"],
             "mask_convention": "{convention}" }}"#
    );
    std::fs::write(at.join("studio.json"), studio).expect("written");

    let path = at.join("unet/diffusion_pytorch_model.safetensors");
    let mut bytes = std::fs::read(&path).expect("weights");
    let (header, about) = SafeTensors::read_metadata(&bytes).expect("a header");
    let place = |name: &str| {
        let about = about.info(name).expect("a tensor");
        (8 + header + about.data_offsets.0, about.shape.clone())
    };
    let mut set = |at: usize, value: f32| {
        bytes[at..at + 2].copy_from_slice(&f16::from_f32(value).to_le_bytes());
    };
    let (start, shape) = place("conv_in.weight");
    let [outputs, inputs, rows, columns] = shape[..] else {
        panic!("{shape:?}");
    };
    assert_eq!((inputs, rows, columns), (9, 3, 3));
    for output in 0..outputs {
        for tap in 0..9 {
            let value = if tap == 4 { weight } else { 0.0 };
            // The mask comes after four channels of latents.
            set(start + 2 * ((output * inputs + 4) * 9 + tap), value);
        }
    }
    let (start, _) = place("conv_in.bias");
    for output in 0..outputs {
        set(start + 2 * output, bias);
    }
    std::fs::write(&path, bytes).expect("written");
    at.to_path_buf()
}

#[test]
fn masks_are_what_the_model_takes_them_for() {
    let root = tempfile::tempdir().expect("a folder");
    make_data(root.path());
    let first_loss = |name: &str, convention: &str, weight: f32, bias: f32| {
        let model = model(&root.path().join(name), convention, weight, bias);
        let job = TrainSpec {
            config: None,
            from: Some(model),
            output: root.path().join(format!("{name}-trained")),
            batch: 8,
            steps: 1,
            ..spec(root.path(), TrainTarget::Diffusion)
        };
        let told = train(&job, None);
        told.outcome.as_ref().expect("a run");
        told.steps()[0].loss
    };
    let repainted = first_loss("repainted", "one_is_repainted", WEIGHT, 0.0);
    // The same network in other words: w · m = −w · (1 − m) + w.
    let kept = first_loss("kept", "one_is_kept", -WEIGHT, WEIGHT);
    assert!((kept - repainted).abs() < 1e-5, "{kept} {repainted}");
    // Told the wrong convention it hears of other masks.
    let wrong = first_loss("wrong", "one_is_repainted", -WEIGHT, WEIGHT);
    assert!((wrong - repainted).abs() > 1e-3, "{wrong} {repainted}");
}
