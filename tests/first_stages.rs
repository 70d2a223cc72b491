//! Autoencoders with and without a codebook against diffusers and the paper's
//! architecture, on tiny random networks.
//!
//! `data/reference/make_first_stage_reference.py` makes the networks and what Python
//! computes with them.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::Value;
use velatura::model::weights::{SafetensorsFile, WeightDtype, WeightSource as _};
use velatura::model::{
    AutoencoderKl, CodebookLoss, FirstStage, FirstStageConfig, ModelFolder, ModelParts, VqModel,
};

/// Largest difference to Python, of the range of a tensor.
const TOLERANCE: f32 = 1e-5;

fn folder(name: &str) -> PathBuf {
    Path::new("tests/data/reference/first-stages").join(name)
}

/// What Python computed.
struct Reference(SafetensorsFile);

impl Reference {
    fn open(name: &str) -> Self {
        Self(SafetensorsFile::open(&folder(name).join("reference.safetensors")).unwrap())
    }

    fn data(&self, key: &str) -> TensorData {
        let shape = self.0.shape(key).unwrap().to_vec();
        self.0.read(key, &shape, false, WeightDtype::F32).unwrap()
    }

    fn tensor(&self, key: &str) -> Tensor<4> {
        Tensor::from_data(self.data(key), &Device::flex())
    }

    fn check<const D: usize>(&self, key: &str, ours: Tensor<D>) {
        let wanted = self.data(key);
        assert_eq!(ours.dims().as_slice(), self.0.shape(key).unwrap(), "{key}");
        let ours: Vec<f32> = ours.into_data().try_into_vec_as().unwrap();
        let wanted: Vec<f32> = wanted.try_into_vec_as().unwrap();
        let range = wanted.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        let differences = ours.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0.0, f32::max);
        assert!(worst <= TOLERANCE * range, "{key}: {worst:e} of {range}");
    }
}

fn check_kl(name: &str, network: &AutoencoderKl) {
    let reference = Reference::open(name);
    let posterior = network.encode(reference.tensor("image"));
    reference.check("latents", posterior.mean);
    reference.check("logvar", posterior.logvar);
    reference.check("decoded", network.decode(reference.tensor("given")));
    check_interface(&reference, network);
}

fn check_vq(name: &str, network: &VqModel) {
    let reference = Reference::open(name);
    let latents = network.encode(reference.tensor("image"));
    reference.check("latents", latents.clone());
    let quantized = network.quantize(latents);
    let codes: Vec<i64> = quantized
        .codes
        .clone()
        .into_data()
        .try_into_vec_as()
        .unwrap();
    let wanted: Vec<f32> = reference.data("codes").try_into_vec_as().unwrap();
    let wanted: Vec<i64> = wanted.into_iter().map(|code| code as i64).collect();
    assert_eq!(codes, wanted, "{name}");
    for (key, beta, is_legacy) in [("legacy", 0.25, true), ("corrected", 0.4, false)] {
        let loss = CodebookLoss { beta, is_legacy };
        reference.check(key, loss.forward(&quantized));
    }
    check_interface(&reference, network);
}

/// What the rest of the program sees: unscaled, and scaled for the denoiser.
fn check_interface(reference: &Reference, stage: &dyn FirstStage) {
    let image = reference.tensor("image");
    reference.check("latents", stage.likeliest_unscaled(image.clone()));
    let given = reference.tensor("given");
    reference.check("decoded", stage.decode_unscaled(given.clone()));
    let scaling = stage.scaling();
    reference.check("decoded", stage.to_pictures(scaling.apply(given)));
    let latents = stage.likeliest_latents(image);
    reference.check("latents", scaling.undo(latents));
}

#[test]
fn continuous_latents_equal_diffusers() {
    for (name, factor) in [("kl-f2", 2), ("kl-f32", 32)] {
        let model = ModelFolder::open(folder(name)).unwrap();
        assert_eq!(model.first_stage_config().unwrap().info().factor, factor);
        check_kl(name, &model.load_autoencoder(&Device::flex()).unwrap());
    }
}

#[test]
fn codebooks_equal_diffusers() {
    for (name, factor, channels) in [("vq-f4", 4, 3), ("vq-f8", 8, 3), ("vq-f16", 16, 3)] {
        let model = ModelFolder::open(folder(name)).unwrap();
        let info = model.first_stage_config().unwrap().info();
        assert_eq!((info.factor, info.channels), (factor, channels));
        check_vq(name, &model.load_vq_model(&Device::flex()).unwrap());
    }
}

/// The configuration of a folder of the paper's architecture.
fn original_config(name: &str) -> FirstStageConfig {
    let text = std::fs::read_to_string(folder(name).join("config.json")).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    let config = FirstStageConfig::try_from(json.clone()).unwrap();
    let Err(error) = config.validate() else {
        return config;
    };
    // Eight channels are too few for its 32 groups, and for nothing else.
    assert!(
        error.to_string().contains("norm_num_groups = 32"),
        "{error}"
    );
    json["params"]["ddconfig"]["ch"] = 32.into();
    FirstStageConfig::try_from(json).unwrap()
}

#[test]
fn the_papers_names_and_configurations_are_understood() {
    let device = Device::flex();
    for name in ["original-kl", "original-vq", "original-vq-noattn"] {
        let source = SafetensorsFile::open(&folder(name).join("model.safetensors")).unwrap();
        match original_config(name) {
            FirstStageConfig::Kl(mut config) => {
                config.norm_num_groups = 4;
                config
                    .block_out_channels
                    .iter_mut()
                    .for_each(|width| *width /= 4);
                assert_eq!((config.latent_channels, config.channels()), (4, 3));
                check_kl(
                    name,
                    &config.load(&source, WeightDtype::F32, &device).unwrap(),
                );
            }
            FirstStageConfig::Vq(mut config) => {
                config.norm_num_groups = 4;
                config
                    .block_out_channels
                    .iter_mut()
                    .for_each(|width| *width /= 4);
                check_vq(
                    name,
                    &config.load(&source, WeightDtype::F32, &device).unwrap(),
                );
            }
            FirstStageConfig::Tiny(_) | FirstStageConfig::Pixels(_) => {
                panic!("{name} is none of the paper's")
            }
        }
    }
}

/// With autodiff the modules take other paths through the kernels, and half
/// precision is near.
#[test]
fn training_and_half_precision_see_the_same() {
    let model = ModelFolder::open(folder("vq-f8")).unwrap();
    let trained = model.load_vq_model(&Device::flex().autodiff()).unwrap();
    let reference = Reference::open("vq-f8");
    let image = Tensor::from_inner(reference.tensor("image"));
    let quantized = trained.quantize(trained.encode(image));
    reference.check(
        "latents",
        quantized.straight_through().inner() * 0.0 + quantized.latents.inner(),
    );
    let half = model.held_as(WeightDtype::F16);
    let half = half.load_first_stage(&Device::flex()).unwrap();
    // The file holds f16 numbers.
    reference.check("decoded", half.decode_unscaled(reference.tensor("given")));
}

#[test]
fn models_of_every_kind_are_saved_and_opened_again() {
    let scratch = tempfile::tempdir().unwrap();
    let device = Device::flex();
    for name in ["kl-f2", "vq-f8"] {
        let model = ModelFolder::open(folder(name)).unwrap();
        let stage = model.load_first_stage(&device).unwrap();
        let parts = ModelParts {
            first_stage: Some(stage.as_ref()),
            ..ModelParts::default()
        };
        let again = ModelFolder::save(scratch.path().join(name), &parts).unwrap();
        assert_eq!(again.first_stage_config().unwrap(), &stage.configuration());
        let reference = Reference::open(name);
        check_interface(
            &reference,
            again.load_first_stage(&device).unwrap().as_ref(),
        );
        let index = std::fs::read_to_string(again.path().join("model_index.json")).unwrap();
        assert!(index.contains(stage.configuration().class()), "{index}");
    }
    // Pixels need no file at all.
    let pixels = velatura::model::Pixels::default();
    let parts = ModelParts {
        first_stage: Some(&pixels),
        ..ModelParts::default()
    };
    let again = ModelFolder::save(scratch.path().join("pixels"), &parts).unwrap();
    assert_eq!(again.first_stage_config().unwrap().info().factor, 1);
    assert_eq!(
        again.load_first_stage(&device).unwrap().parameter_count(),
        0
    );
}

/// CompVis/ldm-celebahq-256 and its kin have their codebook in a folder `vqvae`.
#[test]
fn the_folder_vqvae_is_found_and_its_scale_is_the_pipelines() {
    let scratch = tempfile::tempdir().unwrap();
    let part = scratch.path().join("vqvae");
    std::fs::create_dir(&part).unwrap();
    for file in ["config.json", "diffusion_pytorch_model.safetensors"] {
        std::fs::copy(folder("vq-f8").join(file), part.join(file)).unwrap();
    }
    for (pipeline, factor) in [
        ("LDMPipeline", 0.18215),
        ("LDMSuperResolutionPipeline", 1.0),
    ] {
        let index =
            format!(r#"{{"_class_name": "{pipeline}", "vqvae": ["diffusers", "VQModel"]}}"#);
        std::fs::write(scratch.path().join("model_index.json"), index).unwrap();
        let model = ModelFolder::open(scratch.path()).unwrap();
        assert_eq!(model.first_stage_config().unwrap().class(), "VQModel");
        let stage = model.load_first_stage(&Device::flex()).unwrap();
        assert_eq!(stage.scaling().factor, factor);
    }
    let index = r#"{"_class_name": "DDPMPipeline"}"#;
    std::fs::remove_dir_all(&part).unwrap();
    std::fs::write(scratch.path().join("model_index.json"), index).unwrap();
    let model = ModelFolder::open(scratch.path()).unwrap();
    assert_eq!(model.first_stage_config().unwrap().info().factor, 1);
}

#[test]
fn what_cannot_be_built_is_refused_by_name() {
    let text = std::fs::read_to_string(folder("vq-f8").join("config.json")).unwrap();
    for (key, value, named) in [
        ("num_vq_embeddings", "0", "num_vq_embeddings"),
        ("num_vq_embeddings", "99999999999", "num_vq_embeddings"),
        ("vq_embed_dim", "0", "vq_embed_dim"),
        ("norm_type", "\"spatial\"", "norm_type"),
        ("act_fn", "\"relu\"", "act_fn"),
        ("scaling_factor", "-1", "scaling_factor"),
        (
            "down_block_types",
            "[\"DownEncoderBlock2D\"]",
            "down_block_types",
        ),
        ("norm_num_groups", "5", "norm_num_groups"),
        (
            "_class_name",
            "\"AutoencoderDC\"",
            "only AutoencoderKL, VQModel and AutoencoderTiny are",
        ),
    ] {
        let mut json: Value = serde_json::from_str(&text).unwrap();
        json[key] = serde_json::from_str(value).unwrap();
        let config: FirstStageConfig = serde_json::from_value(json).unwrap();
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    let original = |class: &str, ddconfig: Value| {
        let params = serde_json::json!({"embed_dim": 3, "n_embed": 8, "ddconfig": ddconfig});
        let told = serde_json::json!({"target": format!("ldm.models.autoencoder.{class}"), "params": params});
        FirstStageConfig::try_from(told).unwrap_err()
    };
    let sizes = serde_json::json!({
        "double_z": false, "z_channels": 3, "resolution": 32, "in_channels": 3, "out_ch": 3,
        "ch": 32, "ch_mult": [1, 2], "num_res_blocks": 1, "attn_resolutions": [],
    });
    for (key, value, named) in [
        ("z_channels", Value::Null, "z_channels"),
        ("ch_mult", serde_json::json!([2, 4]), "begin with 1"),
        ("tanh_out", true.into(), "tanh_out"),
        ("resamp_with_conv", false.into(), "resamp_with_conv"),
        ("attn_type", "linear".into(), "attn_type"),
        ("double_z", true.into(), "double_z"),
    ] {
        let mut sizes = sizes.clone();
        sizes[key] = value;
        let error = original("VQModel", sizes);
        assert!(error.contains(named), "{error}");
    }
    let error = original("Other", sizes);
    assert!(error.contains("VQModelInterface"), "{error}");
}
