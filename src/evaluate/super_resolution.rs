//! How near enlarged pictures come to the real ones, and what is recognised in them.

use std::fmt::Write as _;
use std::sync::Arc;

use burn::tensor::Device;
use image::{DynamicImage, RgbImage, imageops};
use serde::Serialize;

use super::EvaluateError;
use super::judge::Judge;
use super::reconstruction::is_in_object;
use super::report::Share;
use super::told;
use crate::diffusion::Enlargement;
use crate::model::{Manifest, Upscaler};
use crate::pixels::{opaque, psnr_db};
use crate::scenes::Scene;

/// Pictures made larger in one way, against the scenes that they were made small of: peak
/// signal-to-noise ratios in dB, of all pixels together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Enlarged {
    /// By the model, by bicubic interpolation, by Real-ESRGAN; and the most that can be
    /// reached, scenes through the autoencoder and scenes as they are.
    pub by: &'static str,
    /// Of whole pictures; `None` of scenes as they are.
    pub psnr_db: Option<f64>,
    /// In the boxes of objects.
    pub objects_psnr_db: Option<f64>,
    /// Objects of the scenes that are recognised.
    pub objects: Share,
}

/// What a model painted of small pictures, beside other ways to enlarge them; and scenes
/// through the autoencoder.
pub(super) fn super_resolution(
    judge: &Judge,
    scenes: &[Scene],
    (manifest, (upscaler, device)): (&Manifest, (Option<&Upscaler>, &Device)),
    [painted, reconstructed]: [Vec<RgbImage>; 2],
) -> Result<Vec<Enlarged>, EvaluateError> {
    let small = |scene: &Scene| told::small(scene, manifest).unwrap_or_else(|| scene.image.clone());
    let bicubic = scenes.iter().map(|scene| {
        let (width, height) = scene.image.dimensions();
        imageops::resize(
            &small(scene),
            width,
            height,
            imageops::FilterType::CatmullRom,
        )
    });
    let mut ways = vec![("the model", painted), ("bicubic", bicubic.collect())];
    if let Some(upscaler) = upscaler.filter(|_| factor_of(manifest) == Upscaler::FACTOR as u32) {
        let by_network = scenes
            .iter()
            .map(|scene| by_network(&small(scene), upscaler, device));
        ways.push(("Real-ESRGAN", by_network.collect::<Result<_, _>>()?));
    }
    ways.push(("autoencoder alone", reconstructed));
    let real = scenes.iter().map(|scene| scene.image.clone()).collect();
    ways.push(("real scenes", real));
    let row = |(by, pictures): (&'static str, Vec<RgbImage>)| {
        let [whole, in_objects] = psnr(scenes, &pictures);
        Ok(Enlarged {
            by,
            psnr_db: whole,
            objects_psnr_db: in_objects,
            objects: recognised(judge, scenes, &pictures)?,
        })
    };
    ways.into_iter().map(row).collect()
}

fn factor_of(manifest: &Manifest) -> u32 {
    manifest.low_resolution_factor().unwrap_or(1)
}

fn by_network(
    small: &RgbImage,
    upscaler: &Upscaler,
    device: &Device,
) -> Result<RgbImage, EvaluateError> {
    let mut enlargement = Enlargement::new(Arc::new(opaque(small)));
    while enlargement.step(upscaler, device)? {}
    Ok(DynamicImage::from(enlargement.into_picture()).into_rgb8())
}

/// Objects, each kind once a scene, that the judge finds.
fn recognised(
    judge: &Judge,
    scenes: &[Scene],
    pictures: &[RgbImage],
) -> Result<Share, EvaluateError> {
    let mut share = Share::default();
    for (scene, reading) in scenes.iter().zip(judge.read(pictures)?) {
        for class in super::Truth::of(scene).objects {
            share.count(reading.shows(class, None));
        }
    }
    Ok(share)
}

/// The rows as a table in Markdown; empty where there are none.
pub(super) fn table(rows: &[Enlarged]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "\nPictures from themselves in small, by peak signal-to-noise ratio and by what is \
         recognised:\n\n\
         | enlarged by | dB | dB in boxes of objects | objects |\n|---|---:|---:|---:|\n"
            .to_owned();
    let decibel =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |it| format!("{it:.1}"));
    for row in rows {
        let [whole, in_objects] = [row.psnr_db, row.objects_psnr_db].map(decibel);
        let objects = row.objects.percent();
        // Writing to a string cannot fail.
        writeln!(text, "| {} | {whole} | {in_objects} | {objects} |", row.by).ok();
    }
    text
}

/// Of all pixels together, and of those in boxes of objects; `None` where nothing differs.
fn psnr(scenes: &[Scene], pictures: &[RgbImage]) -> [Option<f64>; 2] {
    let mut sums = [(0.0, 0_u64); 2];
    for (scene, picture) in scenes.iter().zip(pictures) {
        for ((x, y, real), made) in scene.image.enumerate_pixels().zip(picture.pixels()) {
            let pairs = real.0.iter().zip(made.0);
            let square = |(real, made): (&u8, u8)| f64::from(real.abs_diff(made)).powi(2);
            let error: f64 = pairs.map(square).sum();
            for (sum, counts) in sums.iter_mut().zip([true, is_in_object(scene, [x, y])]) {
                if counts {
                    sum.0 += error;
                    sum.1 += 3;
                }
            }
        }
    }
    sums.map(|(sum, count)| (sum > 0.0).then(|| psnr_db(sum / count.max(1) as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::InputSpec;
    use crate::scenes::SceneSource;

    #[test]
    fn a_perfect_enlargement_is_better_than_all_others() {
        let source = SceneSource::new(128).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_001, 0).take(12).collect();
        let manifest = Manifest {
            inputs: vec![InputSpec::LowResolution {
                factor: 4,
                is_needed: false,
                degradation: None,
            }],
            ..Manifest::default()
        };
        let mut nearly: Vec<RgbImage> = scenes.iter().map(|scene| scene.image.clone()).collect();
        for value in nearly.iter_mut().flat_map(|picture| picture.iter_mut()) {
            *value = value.saturating_add(2);
        }
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let device = Device::flex();
        let upscaler = "assets/upscaler/realesrgan-x4.safetensors";
        let upscaler = Upscaler::open(upscaler.as_ref(), &device).expect("a network");
        let by = (&manifest, (Some(&upscaler), &device));
        let made = [nearly.clone(), nearly];
        let rows = super_resolution(&judge, &scenes, by, made).expect("rows");
        let names: Vec<&str> = rows.iter().map(|row| row.by).collect();
        let ways = [
            "the model",
            "bicubic",
            "Real-ESRGAN",
            "autoencoder alone",
            "real scenes",
        ];
        assert_eq!(names, ways);
        let [model, bicubic, network, _, real] = rows[..] else {
            panic!("{rows:?}")
        };
        let within = |value: Option<f64>, least: f64, most: f64| {
            assert!(
                value.is_some_and(|it| (least..most).contains(&it)),
                "{rows:?}"
            );
        };
        within(model.psnr_db, 40.0, 60.0);
        within(bicubic.psnr_db, 18.0, 35.0);
        within(network.psnr_db, 15.0, 35.0);
        assert!(bicubic.objects_psnr_db < bicubic.psnr_db);
        assert_eq!(real.psnr_db, None);
        assert!(model.objects.right >= bicubic.objects.right);
        assert!(real.objects.right >= network.objects.right);
        assert!(
            table(&rows).contains("| real scenes | – | – | "),
            "{}",
            table(&rows)
        );
    }
}
