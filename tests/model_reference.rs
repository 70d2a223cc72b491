//! The networks against diffusers, on tiny random models.
//!
//! `data/reference/make_model_reference.py` makes the models and what Python
//! computes with them; `data/reference/README.md` says what is not compared.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod gpu_support;

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Int, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use velatura::folders;
use velatura::gpu::share;
use velatura::model::{ModelFolder, Upscaler};
use velatura::nn::ops;

/// Largest difference allowed between diffusers and us.
const TOLERANCE: f32 = 1e-4;
const MODELS: [&str; 3] = ["sd1-tiny", "sd2-tiny", "inpaint-tiny"];

fn folder(name: &str) -> PathBuf {
    Path::new("tests/data/reference").join(name)
}

/// What Python computed.
struct Reference(Vec<u8>);

impl Reference {
    fn open(name: &str) -> Self {
        Self(std::fs::read(folder(name).join("model_reference.safetensors")).unwrap())
    }

    fn data(&self, key: &str) -> (Vec<u8>, Vec<usize>, Dtype) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(key).unwrap();
        (view.data().to_vec(), view.shape().to_vec(), view.dtype())
    }

    fn float<const D: usize>(&self, key: &str, device: &Device) -> Tensor<D> {
        let (bytes, shape, dtype) = self.data(key);
        assert_eq!(dtype, Dtype::F32);
        let values: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn tokens(&self, device: &Device) -> Tensor<2, Int> {
        let (bytes, shape, dtype) = self.data("tokens");
        assert_eq!(dtype, Dtype::I32);
        let values: Vec<i32> = bytes
            .chunks_exact(4)
            .map(|b| i32::from_le_bytes(b.try_into().unwrap()))
            .collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Compares a result, and checks that the reference is no constant.
    fn check<const D: usize>(&self, key: &str, got: Tensor<D>) {
        let wanted = self.float::<D>(key, &Device::flex());
        assert_eq!(got.dims(), wanted.dims(), "{key}");
        let got: Vec<f32> = got.into_data().try_into_vec_as().unwrap();
        let wanted: Vec<f32> = wanted.into_data().try_into_vec_as().unwrap();
        let spread = wanted.iter().fold(f32::MIN, |m, v| m.max(*v))
            - wanted.iter().fold(f32::MAX, |m, v| m.min(*v));
        assert!(
            wanted.len() < 4 || spread > 0.05,
            "{key} is nearly constant"
        );
        let worst = got
            .iter()
            .zip(&wanted)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        println!("{key}: largest difference {worst:.2e} of a range of {spread:.2}");
        assert!(worst <= TOLERANCE, "{key} differs by {worst}");
        assert!(got.iter().all(|value| value.is_finite()), "{key}");
    }
}

fn check_text(name: &str, device: &Device) {
    let reference = Reference::open(name);
    let encoder = ModelFolder::open(folder(name))
        .unwrap()
        .load_text_encoder(device)
        .unwrap();
    reference.check("text_states", encoder.forward(reference.tokens(device)));
}

/// Shapes of samples, and the timesteps at which each is compared.
type Cases<'a> = &'a [(&'a str, &'a [u32])];
const CASES: Cases<'static> = &[
    ("square", &[1, 500, 999]),
    ("wide", &[731]),
    ("odd", &[731]),
];

fn check_unet(name: &str, device: &Device, cases: Cases<'_>) {
    let reference = Reference::open(name);
    let unet = ModelFolder::open(folder(name))
        .unwrap()
        .load_unet(device)
        .unwrap();
    let states = reference.float::<3>("text_states", device);
    for (shape, steps) in cases {
        for step in *steps {
            let sample = reference.float(&format!("unet.{shape}.sample"), device);
            let time = Tensor::from_floats([*step as f32], device);
            let out = unet.forward(sample, time, states.clone());
            reference.check(&format!("unet.{shape}.out.{step}"), out);
        }
    }
}

fn check_mixed_times(name: &str, device: &Device) {
    let reference = Reference::open(name);
    let unet = ModelFolder::open(folder(name))
        .unwrap()
        .load_unet(device)
        .unwrap();
    let states = reference.float("text_states", device);
    let sample = reference.float("unet.square.sample", device);
    let times = Tensor::from_floats([37.0, 802.0], device);
    reference.check("unet.mixed.out", unet.forward(sample, times, states));
}

fn check_autoencoder(name: &str, device: &Device) {
    let reference = Reference::open(name);
    let autoencoder = ModelFolder::open(folder(name))
        .unwrap()
        .load_autoencoder(device)
        .unwrap();
    let latent = autoencoder.encode(reference.float("vae.image", device));
    reference.check("vae.mean", latent.mean.clone());
    reference.check("vae.logvar", latent.logvar.clone());
    let kl: f32 = latent.kl().into_data().try_into_vec_as().unwrap()[0];
    let wanted: f32 = reference
        .float::<1>("vae.kl", device)
        .into_data()
        .try_into_vec_as()
        .unwrap()[0];
    assert!((kl - wanted).abs() <= 1e-4 * wanted.abs(), "{kl} {wanted}");
    reference.check(
        "vae.decoded",
        autoencoder.decode(reference.float("vae.latent", device)),
    );
}

#[test]
fn text_states_equal_transformers() {
    MODELS
        .into_iter()
        .for_each(|name| check_text(name, &Device::flex()));
}

#[test]
fn denoisers_equal_diffusers() {
    MODELS.into_iter().for_each(|name| {
        check_unet(name, &Device::flex(), CASES);
        check_mixed_times(name, &Device::flex());
    });
}

#[test]
fn autoencoders_equal_diffusers() {
    MODELS
        .into_iter()
        .for_each(|name| check_autoencoder(name, &Device::flex()));
}

/// With autodiff the modules take other paths through the kernels.
#[test]
fn training_forward_equals_diffusers() {
    let device = Device::flex().autodiff();
    check_unet("sd1-tiny", &device, CASES);
    check_mixed_times("sd1-tiny", &device);
    check_autoencoder("sd1-tiny", &device);
    check_text("sd1-tiny", &device);
}

/// The same through wgpu. A software adapter compiles each of the hundreds of
/// kernels of a denoiser and an autoencoder for a second, which is minutes in all:
/// there the text encoder stands for them, unless `VELATURA_WGPU_TESTS=1` asks for
/// everything.
#[test]
fn wgpu_equals_diffusers() {
    let card = gpu_support::card();
    let device = card.register();
    check_text("wgpu-tiny", &device);
    if share::is_real_gpu(&card.adapter) || std::env::var_os("VELATURA_WGPU_TESTS").is_some() {
        check_unet("wgpu-tiny", &device, &[("odd", &[731])]);
        check_autoencoder("wgpu-tiny", &device);
    }
}

/// The road of convolutions: the network that enlarges, whose many layers share a few
/// kernels, so that it is computed whole on any adapter.
#[test]
fn wgpu_enlarges_as_the_processor_does() {
    let card = gpu_support::card();
    let devices = [card.register(), Device::flex()];
    let wave = |at: usize| (at as f32 * 0.37).sin() * 0.5 + 0.5;
    let shape = [1, 3, 6, 5];
    let values: Vec<f32> = (0..shape.iter().product()).map(wave).collect();
    let [got, wanted] = devices.map(|device| {
        let network = Upscaler::open(&folders::upscaler().unwrap(), &device).unwrap();
        let x = Tensor::from_data(TensorData::new(values.clone(), shape), &device);
        let enlarged = network.forward(x);
        assert_eq!(enlarged.dims(), [1, 3, 24, 20]);
        enlarged.into_data().try_into_vec_as::<f32>().unwrap()
    });
    let off = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    let worst = off.fold(0.0, f32::max);
    println!("largest difference {worst:.2e}");
    assert!(worst <= TOLERANCE, "{worst}");
}

/// Attention with numbers added by place: the road of boxes that are heard where they are.
#[test]
fn wgpu_hears_by_place_as_the_processor_does() {
    let card = gpu_support::card();
    let devices = [card.register(), Device::flex()];
    let [got, wanted] = devices.map(|device| {
        let wave = |shape: [usize; 3], pace: f32| {
            let numbers = shape.iter().product();
            let values = (0..numbers).map(|at| (at as f32 * pace).sin());
            let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
            Tensor::<3>::from_data(data, &device)
        };
        let (query, key) = (wave([2, 6, 8], 0.37), wave([2, 5, 8], 0.71));
        let bias = wave([2, 6, 5], 1.3).reshape([2, 1, 6, 5]) * 2.0;
        let value = wave([2, 5, 8], 0.53);
        let heard = ops::biased_attention(query, key, value, 2, bias);
        heard.into_data().try_into_vec_as::<f32>().unwrap()
    });
    let off = got.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
    let worst = off.fold(0.0, f32::max);
    println!("largest difference {worst:.2e}");
    assert!(worst <= TOLERANCE, "{worst}");
}
