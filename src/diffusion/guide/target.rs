//! What counts of a picture, and how far it is from what it should be.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbaImage;

use super::Guide;
use crate::diffusion::DiffusionError;
use crate::nn::ops;
use crate::recipe::GuideKind;

/// How bright the three colours are.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// Sobel's weights across an edge and along it.
const ACROSS: [f32; 3] = [-1.0, 0.0, 1.0];
const ALONG: [f32; 3] = [0.25, 0.5, 0.25];

/// What counts of a guide.
#[derive(Debug)]
pub(super) struct Target {
    kind: GuideKind,
    /// How much each number counts.
    ///
    /// # Shapes
    /// `[1, 1, rows, columns]`.
    weights: Tensor<4>,
    /// The numbers of the guide, as much as they count.
    ///
    /// # Shapes
    /// `[1, channels, rows, columns]`.
    shown: Tensor<4>,
    /// For a picture in small, the shares of rows and of columns that its own have of
    /// each of the picture's.
    ///
    /// # Shapes
    /// `[1, 3, rows, height]` and `[1, 3, width, columns]`.
    shares: Option<[Tensor<4>; 2]>,
}

impl Target {
    /// What counts of a guide for a picture of so many pixels, of which the planes are
    /// larger (width, height).
    ///
    /// # Errors
    /// If the guide has not the size that it should, or nothing of it is seen.
    pub fn new(
        guide: &Guide,
        size_px: [u32; 2],
        planes_px: [usize; 2],
        device: &Device,
    ) -> Result<Self, DiffusionError> {
        let Guide { picture, kind, .. } = guide;
        let found_px: [u32; 2] = picture.dimensions().into();
        let is_small = *kind == GuideKind::LowResolution;
        let fits = match is_small {
            true => (0..2).all(|axis| found_px[axis] <= size_px[axis]),
            false => found_px == size_px,
        };
        if !fits || found_px.contains(&0) {
            return Err(DiffusionError::Size {
                what: "guide",
                found_px,
                wanted_px: size_px,
            });
        }
        if picture.pixels().all(|pixel| pixel[3] == 0) {
            return Err(DiffusionError::ClearGuide);
        }
        let shares = is_small.then(|| {
            let own = found_px.map(|side| side as usize);
            [
                shares(own[1], size_px[1] as usize, planes_px[1], device),
                shares(own[0], size_px[0] as usize, planes_px[0], device).swap_dims(2, 3),
            ]
        });
        let held_px = match is_small {
            true => found_px.map(|side| side as usize),
            false => planes_px,
        };
        let (planes, weights) = planes_of(picture, *kind, held_px, device);
        let mut target = Self {
            kind: *kind,
            weights,
            shown: planes.clone(),
            shares,
        };
        target.shown = match is_small {
            true => planes * target.weights.clone(),
            false => target.features(planes),
        };
        Ok(target)
    }

    /// The numbers of a picture that are compared.
    ///
    /// # Shapes
    /// `[1, 3, height, width]` to those of the guide.
    pub fn features(&self, picture: Tensor<4>) -> Tensor<4> {
        let weights = beside(&picture, &self.weights);
        let seen = match (&self.shares, self.kind) {
            (Some([rows, columns]), _) => {
                let (rows, columns) = (beside(&picture, rows), beside(&picture, columns));
                rows.matmul(picture).matmul(columns)
            }
            (None, GuideKind::Edges) => edges(picture),
            (None, _) => picture,
        };
        seen * weights
    }

    /// The gradient, by a picture, of half the squared distance of what counts of it from
    /// what should, and what counts of it.
    ///
    /// # Shapes
    /// `[1, 3, height, width]` to the same, and to that of the guide.
    pub fn direction(&self, picture: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let blank = Tensor::zeros(picture.dims(), &picture.device());
        let picture = Tensor::from_inner(picture).require_grad();
        let seen = self.features(picture.clone());
        let here = seen.clone().inner();
        let away = seen - Tensor::from_inner(self.shown.clone());
        let distance = away.powi_scalar(2).sum() * 0.5;
        let gradients = ops::on_workers(&distance, || distance.backward());
        (picture.grad(&gradients).unwrap_or(blank), here)
    }
}

/// A constant on the side of autodiff on which something is.
fn beside(like: &Tensor<4>, constant: &Tensor<4>) -> Tensor<4> {
    match like.device().is_autodiff() {
        true => Tensor::from_inner(constant.clone()),
        false => constant.clone(),
    }
}

/// How much brighter it becomes at every pixel, to the right and downwards.
///
/// # Shapes
/// `[1, 3, height, width]` to `[1, 2, height, width]`.
fn edges(picture: Tensor<4>) -> Tensor<4> {
    let slope = |of_rows: [f32; 3], of_columns: [f32; 3]| {
        let of = move |luma: f32| {
            of_rows.into_iter().flat_map(move |row| {
                of_columns
                    .into_iter()
                    .map(move |column| 0.5 * luma * row * column)
            })
        };
        LUMA.into_iter().flat_map(of)
    };
    let kernel: Vec<f32> = slope(ALONG, ACROSS).chain(slope(ACROSS, ALONG)).collect();
    let plain = picture.device().inner();
    let kernel = Tensor::<4>::from_data(TensorData::new(kernel, [2, 3, 3, 3]), &plain);
    let kernel = beside(&picture, &kernel);
    ops::conv2d(picture, kernel, None, 1, [(1, 1); 2])
}

/// The colours of a guide as planes in [-1, 1] of a size, and how much each place
/// counts: as far as it is opaque.
fn planes_of(
    picture: &RgbaImage,
    kind: GuideKind,
    [width, height]: [usize; 2],
    device: &Device,
) -> (Tensor<4>, Tensor<4>) {
    let pixel = |x: usize, y: usize| picture.get_pixel_checked(x as u32, y as u32);
    let opacity = |x: usize, y: usize| pixel(x, y).map_or(0.0, |it| f32::from(it[3]) / 255.0);
    let weight = |x: usize, y: usize| match kind {
        // Slopes are of pixels and those around them, which must be there.
        GuideKind::Edges => {
            let around = |at: usize| [at.checked_sub(1), Some(at), Some(at + 1)];
            let rows = around(y).into_iter();
            let places = rows.flat_map(|y| around(x).map(|x| x.zip(y)));
            let opacities = places.map(|place| place.map_or(0.0, |(x, y)| opacity(x, y)));
            opacities.fold(1.0, f32::min)
        }
        GuideKind::LowResolution | GuideKind::Strokes => opacity(x, y),
    };
    let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let weights: Vec<f32> = places().map(|(x, y)| weight(x, y)).collect();
    let mut planes = Vec::with_capacity(3 * width * height);
    for channel in 0..3 {
        planes.extend(
            places()
                .map(|(x, y)| pixel(x, y).map_or(0.0, |it| f32::from(it[channel]) / 127.5 - 1.0)),
        );
    }
    let tensor = |values: Vec<f32>, channels: usize| {
        let data = TensorData::new(values, [1, channels, height, width]);
        Tensor::<4>::from_data(data, device)
    };
    (tensor(planes, 3), tensor(weights, 1))
}

/// The share that each of `large` places has of each of `small` ones, which divide their
/// length evenly; places beyond, up to `held`, have none.
///
/// # Shapes
/// `[1, 3, small, held]`.
fn shares(small: usize, large: usize, held: usize, device: &Device) -> Tensor<4> {
    let each = large as f64 / small as f64;
    let mut shares = vec![0.0_f32; small * held];
    for (at, row) in shares.chunks_exact_mut(held.max(1)).enumerate() {
        let (from, to) = (at as f64 * each, (at + 1) as f64 * each);
        for (place, share) in row.iter_mut().enumerate().take(large) {
            let covered = to.min((place + 1) as f64) - from.max(place as f64);
            *share = (covered / each).max(0.0) as f32;
        }
    }
    let data = TensorData::new(shares, [1, 1, small, held]);
    Tensor::<4>::from_data(data, device).repeat_dim(1, 3)
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("numbers")
    }

    fn guide(picture: RgbaImage, kind: GuideKind) -> Guide {
        Guide {
            picture,
            kind,
            scale: 1.0,
        }
    }

    /// As large as the picture it is itself, so nothing pulls.
    #[test]
    fn a_picture_is_at_its_own_target() {
        let device = Device::flex();
        let picture = RgbaImage::from_fn(12, 9, |x, y| {
            Rgba([
                (x * 20) as u8,
                (y * 25) as u8,
                90,
                if x < 8 { 255 } else { 0 },
            ])
        });
        for kind in GuideKind::ALL {
            let guide = guide(picture.clone(), kind);
            let target = Target::new(&guide, [12, 9], [16, 16], &device).expect("a target");
            let (planes, _) = planes_of(&picture, GuideKind::Strokes, [16, 16], &device);
            let (direction, _) = target.direction(planes.clone());
            assert!(
                numbers(direction).iter().all(|it| it.abs() < 1e-5),
                "{kind:?}"
            );
            // What is transparent, or beyond the edges, is free.
            let (direction, _) = target.direction(planes + 0.5);
            let direction = numbers(direction);
            let at = |x: usize, y: usize| direction[y * 16 + x].abs();
            assert_eq!(at(10, 4) + at(4, 12) + at(14, 14), 0.0, "{kind:?}");
            assert!(kind == GuideKind::Edges || at(4, 4) > 0.1, "{kind:?}");
        }
    }

    #[test]
    fn a_small_picture_shows_means_by_area() {
        let device = Device::flex();
        let small = RgbaImage::from_pixel(2, 1, Rgba([255, 255, 255, 255]));
        let guide = guide(small, GuideKind::LowResolution);
        let target = Target::new(&guide, [5, 1], [8, 8], &device).expect("a target");
        let row: Vec<f32> = (0..8).map(|x| x as f32).collect();
        let planes = row.repeat(3 * 8);
        let planes = Tensor::from_data(TensorData::new(planes, [1, 3, 8, 8]), &device);
        let seen = numbers(target.features(planes));
        // Of 0 … 4, the one in the middle is shared.
        assert!((seen[0] - 2.0 / 2.5).abs() < 1e-5 && (seen[1] - 8.0 / 2.5).abs() < 1e-5);
    }

    #[test]
    fn guides_that_cannot_be_are_told_in_a_sentence() {
        let device = Device::flex();
        let target = |picture, kind| {
            let made = Target::new(&guide(picture, kind), [16, 16], [16, 16], &device);
            made.expect_err("it cannot be").to_string()
        };
        let clear = RgbaImage::new(16, 16);
        assert!(target(clear, GuideKind::Strokes).contains("transparent"));
        let large = RgbaImage::from_pixel(17, 16, Rgba([9; 4]));
        assert!(target(large, GuideKind::LowResolution).contains("17 × 16"));
        let small = RgbaImage::from_pixel(8, 8, Rgba([9; 4]));
        assert!(target(small, GuideKind::Edges).contains("8 × 8"));
    }
}
