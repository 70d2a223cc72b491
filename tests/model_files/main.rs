//! Model folders: written and read again, and every way in which they can be broken.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod damaged;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use velatura::model::weights::{self as store, SafetensorsFile, WeightSource, names};
use velatura::model::{FirstStage as _, ModelError, ModelFolder, ModelParts, WeightDtype};
use velatura::nn;

fn reference(name: &str) -> PathBuf {
    Path::new("tests/data/reference").join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// A copy of a reference model to break.
fn copied(name: &str) -> (tempfile::TempDir, PathBuf) {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join(name);
    copy(&reference(name), &folder);
    (scratch, folder)
}

type Stored = BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>;

fn read(path: &Path) -> Stored {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(key, view)| {
            (
                key.to_owned(),
                (view.dtype(), view.shape().to_vec(), view.data().to_vec()),
            )
        })
        .collect()
}

fn write(path: &Path, tensors: &Stored) {
    let views = tensors.iter().map(|(key, (dtype, shape, data))| {
        (
            key,
            safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).unwrap(),
        )
    });
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// All weights of a module in order.
fn weights<M: Module>(module: &M) -> Vec<f32> {
    struct Collect(Vec<f32>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0
                .extend(param.val().into_data().try_into_vec_as::<f32>().unwrap());
        }
    }
    let mut collect = Collect(Vec::new());
    module.visit(&mut collect);
    collect.0
}

fn unet_error(folder: &Path) -> ModelError {
    ModelFolder::open(folder)
        .unwrap()
        .load_unet(&Device::flex())
        .unwrap_err()
}

const UNET: &str = "unet/diffusion_pytorch_model.safetensors";

#[test]
fn folders_say_what_they_are() {
    let sd1 = ModelFolder::open(reference("sd1-tiny")).unwrap();
    assert_eq!(sd1.scheduler_config()["_class_name"], "PNDMScheduler");
    assert_eq!(sd1.manifest().channels, ["latent"]);
    assert_eq!(
        (sd1.manifest().resolution_px, sd1.manifest().name.as_str()),
        (64, "sd1-tiny")
    );
    assert_eq!(sd1.unet_config().unwrap().cross_attention_dim, 16);
    assert_eq!(sd1.unet_digest().unwrap().digits().unwrap().len(), 64);
    let inpaint = ModelFolder::open(reference("inpaint-tiny"))
        .unwrap()
        .manifest();
    assert_eq!(inpaint.channels, ["latent", "mask", "masked_image"]);
    assert!(inpaint.takes_mask());
}

#[test]
fn saved_models_are_the_same_again() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    for name in ["sd1-tiny", "sd2-tiny", "inpaint-tiny"] {
        let model = ModelFolder::open(reference(name)).unwrap();
        let unet = model.load_unet(&device).unwrap();
        let autoencoder = model.load_autoencoder(&device).unwrap();
        let text_encoder = model.load_text_encoder(&device).unwrap();
        let (tokenizer, scheduler, studio) = (
            model.tokenizer().unwrap(),
            model.scheduler_config(),
            model.manifest(),
        );
        // The reference weights are f16 numbers, so that both forms are exact.
        for dtype in [WeightDtype::F32, WeightDtype::F16] {
            let parts = ModelParts {
                unet: Some(&unet),
                first_stage: Some(&autoencoder),
                text_encoder: Some(&text_encoder),
                tokenizer: Some(&tokenizer),
                scheduler: Some(&scheduler),
                manifest: Some(&studio),
                dtype,
                ..ModelParts::default()
            };
            // The second time replaces the first.
            let again = ModelFolder::save(scratch.path().join(name), &parts).unwrap();
            assert_eq!(again.manifest(), studio);
            assert_eq!(again.scheduler_config(), scheduler);
            assert_eq!(again.unet_config().unwrap(), unet.config());
            assert_eq!(weights(&again.load_unet(&device).unwrap()), weights(&unet));
            assert_eq!(
                weights(&again.load_autoencoder(&device).unwrap()),
                weights(&autoencoder)
            );
            assert_eq!(
                weights(&again.load_text_encoder(&device).unwrap()),
                weights(&text_encoder)
            );
            let (old, new) = (
                read(&reference(name).join(UNET)),
                read(&again.path().join(UNET)),
            );
            assert!(old.keys().eq(new.keys()));
            if dtype == WeightDtype::F16 {
                assert_eq!(old, new, "{name} in f16");
            }
        }
        let left: Vec<_> = fs::read_dir(scratch.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert!(
            left.iter()
                .all(|name| !name.to_string_lossy().starts_with('.')),
            "{left:?}"
        );
    }
    // For `make_model_reference.py open DIR`, by hand.
    if let Some(keep) = std::env::var_os("VELATURA_KEEP_SAVED_MODELS") {
        copy(scratch.path(), Path::new(&keep));
    }
}

#[test]
fn other_folders_are_never_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let letters = scratch.path().join("letters");
    fs::create_dir(&letters).unwrap();
    ModelFolder::save(&letters, &ModelParts::default()).unwrap();
    fs::remove_file(letters.join("model_index.json")).unwrap();
    fs::write(letters.join("love.txt"), "dear").unwrap();
    let error = ModelFolder::save(&letters, &ModelParts::default()).unwrap_err();
    assert!(matches!(error, ModelError::Occupied(_)), "{error}");
    assert!(letters.join("love.txt").is_file());
}

/// What lay there and is no part of a model was once deleted with it.
#[test]
fn nothing_foreign_is_replaced_with_a_model() {
    for foreign in [
        ".git/HEAD",
        "notes.txt",
        "unet/old.safetensors",
        "safety_checker/config.json",
        "README.md",
    ] {
        let (_scratch, folder) = copied("sd1-tiny");
        // Of ours, and gone with the model.
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "safetensors") {
                fs::remove_file(path).unwrap();
            }
        }
        ModelFolder::check_place(&folder).unwrap();
        let path = folder.join(foreign);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "dear").unwrap();
        let before = fs::read(folder.join(UNET)).unwrap();
        let error = ModelFolder::save(&folder, &ModelParts::default()).unwrap_err();
        assert!(matches!(error, ModelError::Foreign { .. }), "{error}");
        let first = foreign.split('/').next().unwrap();
        assert!(error.to_string().contains(first), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
        assert_eq!(fs::read(folder.join(UNET)).unwrap(), before);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = ModelFolder::save(file.path(), &ModelParts::default()).unwrap_err();
    assert!(matches!(error, ModelError::Occupied(_)), "{error}");
}

/// The card that people read is that of `studio.json`, and goes with it.
#[test]
fn a_model_with_its_own_card_is_replaced() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("model");
    for card in ["first", "second"] {
        let studio = velatura::model::Manifest {
            model_card: card.to_owned(),
            ..Default::default()
        };
        let parts = ModelParts {
            manifest: Some(&studio),
            ..Default::default()
        };
        ModelFolder::save(&folder, &parts).unwrap();
        assert_eq!(fs::read_to_string(folder.join("README.md")).unwrap(), card);
    }
    fs::write(folder.join("README.md"), "rewritten by hand").unwrap();
    assert!(ModelFolder::save(&folder, &ModelParts::default()).is_err());
}

#[test]
fn bf16_is_written_and_read() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("w.safetensors");
    let layer = nn::LinearConfig::new(7, 5).init(&device);
    nn::draw_weights(&layer);
    store::save(&layer, &path, &names::DIFFUSERS, WeightDtype::Bf16).unwrap();
    assert_eq!(read(&path)["weight"].1, [5, 7]);
    let files = SafetensorsFile::open(&path).unwrap();
    let again = store::load(
        nn::LinearConfig::new(7, 5).init(&device),
        &files,
        &names::DIFFUSERS,
        "Linear",
        WeightDtype::F32,
    )
    .unwrap();
    for (a, b) in weights(&layer).into_iter().zip(weights(&again)) {
        assert!((a - b).abs() <= a.abs() / 128.0, "{a} {b}");
    }
}

#[test]
fn latents_are_shifted_before_they_are_scaled() {
    let device = Device::flex();
    let (_scratch, folder) = copied("sd1-tiny");
    let path = folder.join("vae/config.json");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        config.replace("\"shift_factor\": null", "\"shift_factor\": 0.25"),
    )
    .unwrap();
    let autoencoder = ModelFolder::open(&folder)
        .unwrap()
        .load_autoencoder(&device)
        .unwrap();
    let scaling = autoencoder.scaling();
    let factor = scaling.factor as f32;
    let latents = Tensor::<4>::from_floats([[[[-1.0, 0.25, 3.0]]]], &device);
    let scaled = scaling.apply(latents.clone());
    let values: Vec<f32> = scaled.clone().into_data().try_into_vec_as().unwrap();
    for (value, wanted) in values.iter().zip([-1.25, 0.0, 2.75]) {
        assert!((value - wanted * factor).abs() < 1e-6);
    }
    let back = (scaling.undo(scaled) - latents).abs();
    assert!(back.max().into_scalar::<f32>() < 1e-6);
}

#[test]
fn weights_are_held_in_half_precision_on_request() {
    let device = Device::flex();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("w.safetensors");
    let layer = nn::LinearConfig::new(70, 45).init(&device);
    nn::draw_weights(&layer);
    store::save(&layer, &path, &names::DIFFUSERS, WeightDtype::F32).unwrap();
    let load = |path: &Path, dtype| {
        let files = SafetensorsFile::open(path).unwrap();
        let empty = nn::LinearConfig::new(70, 45).init(&device);
        store::load(empty, &files, &names::DIFFUSERS, "Linear", dtype)
    };
    for (dtype, kind, precision) in [
        (WeightDtype::F16, DType::F16, 1.0 / 2048.0),
        (WeightDtype::Bf16, DType::BF16, 1.0 / 256.0),
    ] {
        let held = load(&path, dtype).unwrap();
        assert_eq!(held.weight.val().dtype(), kind);
        let bias = held.bias.as_ref().unwrap().val();
        assert_eq!(bias.dtype(), DType::F32);
        let (weight, wanted) = (held.weight.val().cast(DType::F32), layer.weight.val());
        let off = (weight - wanted.clone()).abs() / (wanted.abs() + 1e-4);
        assert!(off.max().into_scalar::<f32>() <= precision);
    }

    let huge = nn::Linear {
        weight: Param::from_tensor(layer.weight.val() * 1e7),
        bias: layer.bias.clone(),
    };
    store::save(&huge, &path, &names::DIFFUSERS, WeightDtype::F32).unwrap();
    let error = load(&path, WeightDtype::F16).unwrap_err().to_string();
    assert!(
        error.contains("weight that f16 cannot hold; use bf16"),
        "{error}"
    );
    load(&path, WeightDtype::Bf16).unwrap();
}

/// A file that takes its time for the first of its weights.
#[derive(Debug)]
struct SlowAtFirst(SafetensorsFile);

impl WeightSource for SlowAtFirst {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn files(&self) -> Vec<PathBuf> {
        self.0.files()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        self.0.names()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.0.shape(name)
    }

    fn dtype(&self, name: &str) -> Option<Dtype> {
        self.0.dtype(name)
    }

    fn read(
        &self,
        name: &str,
        shape: &[usize],
        is_transposed: bool,
        dtype: WeightDtype,
    ) -> Result<TensorData, ModelError> {
        if name == "conv_in.weight" {
            std::thread::sleep(Duration::from_millis(300));
        }
        self.0.read(name, shape, is_transposed, dtype)
    }
}

/// Weights are read by many threads; which of them fails first is nobody's business.
#[test]
fn of_several_weights_that_cannot_be_read_the_first_is_named() {
    let (_scratch, folder) = copied("sd1-tiny");
    let mut tensors = read(&folder.join(UNET));
    for key in ["conv_in.weight", "conv_out.weight", "conv_out.bias"] {
        tensors.get_mut(key).unwrap().0 = Dtype::I16;
    }
    write(&folder.join(UNET), &tensors);
    let opened = ModelFolder::open(&folder).unwrap();
    let network = opened.unet_config().unwrap().init(&Device::flex()).unwrap();
    let source = SlowAtFirst(SafetensorsFile::open(&folder.join(UNET)).unwrap());
    let class = "UNet2DConditionModel";
    let read = store::load(network, &source, &names::DENOISER, class, WeightDtype::F32);
    let error = read.unwrap_err();
    assert!(
        matches!(&error, ModelError::NumberKind { key, .. } if key == "conv_in.weight"),
        "{error}"
    );
}

#[test]
fn shards_and_variants_are_found() {
    let device = Device::flex();
    let (_scratch, folder) = copied("sd1-tiny");
    let wanted = weights(
        &ModelFolder::open(&folder)
            .unwrap()
            .load_unet(&device)
            .unwrap(),
    );
    let all = read(&folder.join(UNET));
    let load = || {
        weights(
            &ModelFolder::open(&folder)
                .unwrap()
                .load_unet(&device)
                .unwrap(),
        )
    };

    let mut last = folder.join(UNET);
    for variant in ["fp16", "bf16", "ema", "non_ema"] {
        let name = format!("unet/diffusion_pytorch_model.{variant}.safetensors");
        let path = folder.join(name);
        fs::rename(&last, &path).unwrap();
        assert_eq!(load(), wanted, "{variant}");
        last = path;
    }
    fs::remove_file(&last).unwrap();

    let (first, second): (Stored, Stored) =
        all.clone()
            .into_iter()
            .enumerate()
            .fold(Default::default(), |mut parts, (i, entry)| {
                if i % 2 == 0 {
                    parts.0.extend([entry])
                } else {
                    parts.1.extend([entry])
                }
                parts
            });
    let mut map = serde_json::Map::new();
    for (name, part) in [
        ("a-00001-of-00002.safetensors", &first),
        ("a-00002-of-00002.safetensors", &second),
    ] {
        write(&folder.join("unet").join(name), part);
        map.extend(part.keys().map(|key| (key.clone(), name.into())));
    }
    let index = folder.join(format!("{UNET}.index.json"));
    fs::write(
        &index,
        serde_json::json!({ "metadata": {}, "weight_map": map }).to_string(),
    )
    .unwrap();
    assert_eq!(load(), wanted);
    // The names of transformers and of older versions of diffusers.
    for name in [
        "diffusion_pytorch_model.safetensors.index.fp16.json",
        "diffusion_pytorch_model.safetensors.fp16.index.json",
        "diffusion_pytorch_model.safetensors.bf16.index.json",
    ] {
        let other = folder.join("unet").join(name);
        fs::rename(&index, &other).unwrap();
        assert_eq!(load(), wanted, "{name}");
        fs::rename(&other, &index).unwrap();
    }

    fs::remove_file(folder.join("unet/a-00002-of-00002.safetensors")).unwrap();
    let error = unet_error(&folder).to_string();
    assert!(error.contains("a-00002-of-00002"), "{error}");
    fs::write(
        &index,
        r#"{"weight_map": {"x": "../../secret.safetensors"}}"#,
    )
    .unwrap();
    assert!(unet_error(&folder).to_string().contains("outside"));
}

#[test]
fn old_key_names_are_understood() {
    let device = Device::flex();
    let (_scratch, folder) = copied("sd1-tiny");
    let load = || {
        weights(
            &ModelFolder::open(&folder)
                .unwrap()
                .load_autoencoder(&device)
                .unwrap(),
        )
    };
    let wanted = load();
    let path = folder.join("vae/diffusion_pytorch_model.safetensors");
    let old: Stored = read(&path)
        .into_iter()
        .map(|(key, (dtype, mut shape, data))| {
            let renamed = key
                .replace("to_q", "query")
                .replace("to_k", "key")
                .replace("to_v", "value")
                .replace("to_out.0", "proj_attn");
            if renamed != key && shape.len() == 2 {
                shape.extend([1, 1]);
            }
            (renamed, (dtype, shape, data))
        })
        .collect();
    assert!(old.contains_key("encoder.mid_block.attentions.0.proj_attn.weight"));
    write(&path, &old);
    assert_eq!(load(), wanted);
}

/// Every weight of every network takes part in training.
#[test]
fn gradients_reach_every_weight() {
    struct Check<'a>(&'a burn::tensor::Gradients, Vec<String>, usize, usize);
    impl ModuleVisitor for Check<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.1.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.1.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param
                .val()
                .grad(self.0)
                .unwrap_or_else(|| panic!("no gradient at {}", self.1.join(".")));
            let values: Vec<f32> = gradient.into_data().try_into_vec_as().unwrap();
            assert!(
                values.iter().all(|value| value.is_finite()),
                "{}",
                self.1.join(".")
            );
            self.2 += 1;
            self.3 += usize::from(values.iter().any(|value| *value != 0.0));
        }
    }
    fn check<M: Module>(module: &M, loss: &Tensor<1>) {
        let gradients = loss.backward();
        let mut check = Check(&gradients, Vec::new(), 0, 0);
        module.visit(&mut check);
        // The bias of keys shifts all scores of a query alike: its gradient is 0 but for rounding.
        assert!(
            check.3 + 8 >= check.2,
            "{} of {} gradients are not 0",
            check.3,
            check.2
        );
    }
    let device = Device::flex().autodiff();
    let model = ModelFolder::open(reference("sd1-tiny")).unwrap();

    let text_encoder = model.load_text_encoder(&device).unwrap();
    let tokens =
        Tensor::<2, Int>::from_ints([[632, 1, 5, 9, 633], [632, 7, 633, 633, 633]], &device);
    let states = text_encoder.forward(tokens);
    check(&text_encoder, &states.clone().powi_scalar(2).mean());

    let unet = model.load_unet(&device).unwrap();
    let sample = Tensor::<4>::random(
        [2, 4, 7, 8],
        burn::tensor::Distribution::Normal(0.0, 1.0),
        &device,
    );
    let out = unet.forward(
        sample,
        Tensor::from_floats([3.0, 800.0], &device),
        states.detach(),
    );
    check(&unet, &out.powi_scalar(2).mean());

    let autoencoder = model.load_autoencoder(&device).unwrap();
    let images = Tensor::<4>::random(
        [1, 3, 16, 24],
        burn::tensor::Distribution::Normal(0.0, 0.5),
        &device,
    );
    let latent = autoencoder.encode(images.clone());
    let decoded = autoencoder.decode(
        latent.sample(
            latent
                .mean
                .random_like(burn::tensor::Distribution::Normal(0.0, 1.0)),
        ),
    );
    let loss = (decoded - images).powi_scalar(2).mean() + latent.kl().mean() * 1e-3;
    check(&autoencoder, &loss);
}
