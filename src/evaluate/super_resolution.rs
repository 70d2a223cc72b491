//! How near enlarged pictures come to the real ones.

use image::{RgbImage, imageops};

use super::report::SuperResolution;
use super::told;
use crate::model::Manifest;
use crate::pixels::psnr_db;
use crate::scenes::Scene;

/// Painted pictures, and small ones enlarged by bicubic interpolation, against scenes.
pub(super) fn super_resolution(
    scenes: &[Scene],
    manifest: &Manifest,
    painted: &[RgbImage],
) -> SuperResolution {
    let enlarged = scenes.iter().map(|scene| {
        let small = told::small(scene, manifest);
        let small = small.as_ref().unwrap_or(&scene.image);
        let (width, height) = scene.image.dimensions();
        imageops::resize(small, width, height, imageops::FilterType::CatmullRom)
    });
    let enlarged: Vec<RgbImage> = enlarged.collect();
    let [psnr_db, objects_psnr_db] = psnr(scenes, painted);
    let [bicubic_psnr_db, bicubic_objects_psnr_db] = psnr(scenes, &enlarged);
    SuperResolution {
        psnr_db,
        objects_psnr_db,
        bicubic_psnr_db,
        bicubic_objects_psnr_db,
    }
}

/// Of all pixels together, and of those in boxes of objects.
fn psnr(scenes: &[Scene], pictures: &[RgbImage]) -> [f64; 2] {
    let mut sums = [(0.0, 0_u64); 2];
    for (scene, picture) in scenes.iter().zip(pictures) {
        for ((x, y, real), made) in scene.image.enumerate_pixels().zip(picture.pixels()) {
            let pairs = real.0.iter().zip(made.0);
            let square = |(real, made): (&u8, u8)| f64::from(real.abs_diff(made)).powi(2);
            let error: f64 = pairs.map(square).sum();
            let (x, y) = (x as f32, y as f32);
            let is_in_box = scene.objects.iter().any(|object| {
                let [left, top, wide, high] = object.bbox;
                x >= left && x < left + wide && y >= top && y < top + high
            });
            for (sum, counts) in sums.iter_mut().zip([true, is_in_box]) {
                if counts {
                    sum.0 += error;
                    sum.1 += 3;
                }
            }
        }
    }
    sums.map(|(sum, count)| psnr_db(sum / count.max(1) as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::InputSpec;
    use crate::scenes::SceneSource;

    #[test]
    fn a_perfect_enlargement_is_better_than_bicubic() {
        let source = SceneSource::new(64).expect("a size");
        let scenes: Vec<Scene> = source.endless(1, 0).take(8).collect();
        let manifest = Manifest {
            inputs: vec![InputSpec::LowResolution {
                factor: 4,
                is_needed: false,
            }],
            ..Manifest::default()
        };
        let mut nearly: Vec<RgbImage> = scenes.iter().map(|scene| scene.image.clone()).collect();
        for value in nearly.iter_mut().flat_map(|picture| picture.iter_mut()) {
            *value = value.saturating_add(2);
        }
        let found = super_resolution(&scenes, &manifest, &nearly);
        assert!((40.0..60.0).contains(&found.psnr_db), "{found:?}");
        assert!((10.0..35.0).contains(&found.bicubic_psnr_db), "{found:?}");
        assert!(
            found.bicubic_objects_psnr_db < found.bicubic_psnr_db,
            "{found:?}"
        );
    }
}
