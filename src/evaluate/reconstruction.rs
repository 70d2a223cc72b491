//! How well an autoencoder keeps scenes, which no model that paints with it can surpass.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use serde::Serialize;

use super::EvaluateError;
use super::judge::host;
use crate::diffusion::LatentDiffusion;
use crate::pixels::{planes, psnr_db};
use crate::scenes::{Scene, SceneObject};

/// How well an autoencoder keeps pictures: peak signal-to-noise ratios in dB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reconstruction {
    /// Mean over the pictures.
    pub psnr_db: f64,
    /// Of all pixels in the boxes of objects together, which are a small part of a
    /// scene and the hardest; `None` where there are no objects.
    pub objects_psnr_db: Option<f64>,
}

/// Scenes through the autoencoder and back: what is seen of them, clipped and in bytes.
pub(super) fn reconstructed(
    model: &LatentDiffusion,
    device: &Device,
    scenes: &[Scene],
) -> Result<Vec<RgbImage>, EvaluateError> {
    let first_stage = model.model().present_first_stage()?;
    let through = |scene: &Scene| {
        let (width, height) = scene.image.dimensions();
        let data = TensorData::new(
            planes(&scene.image),
            [1, 3, height as usize, width as usize],
        );
        let latents = first_stage.likeliest_latents(Tensor::from_data(data, device));
        let made = host(first_stage.to_pictures(latents))?;
        let area = (width * height) as usize;
        let byte = |value: f32| ((value.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
        Ok(RgbImage::from_fn(width, height, |x, y| {
            let at = (y * width + x) as usize;
            image::Rgb([0, 1, 2].map(|plane| byte(made[plane * area + at])))
        }))
    };
    scenes.iter().map(through).collect()
}

/// How near such pictures come to their scenes.
pub(super) fn reconstruction(scenes: &[Scene], pictures: &[RgbImage]) -> Reconstruction {
    let mut sum = 0.0;
    let mut in_objects = (0.0, 0_usize);
    for (scene, picture) in scenes.iter().zip(pictures) {
        let mut total = 0.0;
        for ((x, y, real), made) in scene.image.enumerate_pixels().zip(picture.pixels()) {
            let pairs = real.0.iter().zip(made.0);
            let errors = pairs.map(|(real, made)| f64::from(real.abs_diff(made)).powi(2));
            let error: f64 = errors.sum();
            total += error;
            if is_in_object(scene, [x, y]) {
                in_objects.0 += error;
                in_objects.1 += 3;
            }
        }
        sum += psnr_db(total / scene.image.len() as f64);
    }
    Reconstruction {
        psnr_db: sum / scenes.len().max(1) as f64,
        objects_psnr_db: (in_objects.1 > 0).then(|| psnr_db(in_objects.0 / in_objects.1 as f64)),
    }
}

/// Whether a pixel is in the box of an object.
pub(super) fn is_in_object(scene: &Scene, at: [u32; 2]) -> bool {
    let [x, y] = at.map(|side| side as f32);
    let is_in = |object: &SceneObject| {
        let [left, top, wide, high] = object.bbox;
        x >= left && x < left + wide && y >= top && y < top + high
    };
    scene.objects.iter().any(is_in)
}
