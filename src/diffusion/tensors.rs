//! Between pictures and tensors.

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, Luma, RgbImage};

use super::DiffusionError;
use crate::pixels;

/// A picture as numbers in [-1, 1].
///
/// # Shapes
/// `[1, 3, height, width]`.
pub(super) fn tensor_from_rgb(image: &RgbImage, device: &Device) -> Tensor<4> {
    let shape = [1, 3, image.height() as usize, image.width() as usize];
    Tensor::from_data(TensorData::new(pixels::planes(image), shape), device)
}

/// The first picture of a batch of planes of about [-1, 1].
///
/// # Shapes
/// `[1, channels, height, width]`.
///
/// # Errors
/// If the device does not hand them over.
pub(super) fn rgb_from_tensor(planes: Tensor<4>) -> Result<RgbImage, DiffusionError> {
    let [_, _, height, width] = planes.dims();
    Ok(pixels::picture(&host(planes)?, width, height))
}

/// The numbers of a tensor.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, DiffusionError> {
    tensor
        .into_data()
        .try_to_vec()
        .map_err(|error| DiffusionError::Device(format!("{error:?}")))
}

/// Whether all numbers of a tensor are finite, told by their sum: only one
/// number comes from the device.
pub(super) fn is_finite(tensor: &Tensor<4>) -> Result<bool, DiffusionError> {
    let sum = host(tensor.clone().sum())?;
    Ok(sum.iter().all(|sum| sum.is_finite()))
}

/// The picture with its last row and column repeated up to a size.
pub(super) fn extended(image: &RgbImage, width: u32, height: u32) -> RgbImage {
    if image.dimensions() == (width, height) {
        return image.clone();
    }
    let (right, bottom) = (image.width() - 1, image.height() - 1);
    RgbImage::from_fn(width, height, |x, y| {
        *image.get_pixel(x.min(right), y.min(bottom))
    })
}

/// Which pixels are repainted, and at the size of the latents.
#[derive(Clone, Debug)]
pub(super) struct LatentMask {
    /// 1 where the picture is repainted.
    ///
    /// # Shapes
    /// `[1, 1, h, w]`.
    pub latent: Tensor<4>,
    /// 1 where the picture is kept.
    ///
    /// # Shapes
    /// `[1, 1, height, width]`.
    pub kept: Tensor<4>,
}

impl LatentMask {
    /// A pixel is repainted from half coverage on, and a latent as
    /// [`latent_mask`] says. Beyond the mask's own size nothing is repainted.
    pub fn new(mask: &GrayImage, size: [usize; 2], factor: usize, device: &Device) -> Self {
        let [width, height] = size;
        let is_painted = |x: usize, y: usize| {
            mask.get_pixel_checked(x as u32, y as u32)
                .is_some_and(|Luma([coverage])| *coverage >= 128)
        };
        let kept = (0..width * height)
            .map(|i| f32::from(u8::from(!is_painted(i % width, i / width))))
            .collect();
        let latent = latent_mask(size, factor, is_painted);
        let tensor = |values: Vec<f32>, height, width| {
            Tensor::from_data(TensorData::new(values, [1, 1, height, width]), device)
        };
        Self {
            latent: tensor(latent, height / factor, width / factor),
            kept: tensor(kept, height, width),
        }
    }

    /// Everything is repainted.
    pub fn whole(size: [usize; 2], factor: usize, device: &Device) -> Self {
        let [width, height] = size;
        Self {
            latent: Tensor::ones([1, 1, height / factor, width / factor], device),
            kept: Tensor::zeros([1, 1, height, width], device),
        }
    }
}

/// The mask at the size of the latents, 1 where one is repainted: where the first
/// pixel of its block is, as in diffusers. That alone would lose thin strokes
/// between those pixels, so a latent is also repainted where any of its pixels
/// is and none of the latents around it would be.
pub fn latent_mask(
    [width, height]: [usize; 2],
    factor: usize,
    is_painted: impl Fn(usize, usize) -> bool,
) -> Vec<f32> {
    let (columns, rows) = (width / factor, height / factor);
    let mut is_touched = vec![false; columns * rows];
    for y in 0..rows * factor {
        for x in 0..columns * factor {
            is_touched[y / factor * columns + x / factor] |= is_painted(x, y);
        }
    }
    let is_first_painted = |x: usize, y: usize| is_painted(x * factor, y * factor);
    let is_lost = |x: usize, y: usize| {
        let near = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        !near(y, rows).any(|y| near(x, columns).any(|x| is_first_painted(x, y)))
    };
    (0..columns * rows)
        .map(|i| {
            let (x, y) = (i % columns, i / columns);
            let is_repainted = is_first_painted(x, y) || (is_touched[i] && is_lost(x, y));
            f32::from(u8::from(is_repainted))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn thin_strokes_reach_the_latents() {
        let mut mask = GrayImage::new(8, 6);
        mask.put_pixel(3, 1, Luma([255]));
        mask.put_pixel(7, 5, Luma([127]));
        let device = Device::flex();
        let small = LatentMask::new(&mask, [8, 8], 4, &device);
        assert_eq!(host(small.latent).expect("numbers"), [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(host(small.kept).expect("numbers").iter().sum::<f32>(), 63.0);
    }

    #[test]
    fn broad_masks_are_those_of_diffusers() {
        // Columns 3 to 9: the blocks that begin at 4 and 8.
        let mask = GrayImage::from_fn(16, 8, |x, _| {
            Luma([if (3..10).contains(&x) { 255 } else { 0 }])
        });
        let broad = LatentMask::new(&mask, [16, 8], 4, &Device::flex());
        let row = [0.0, 1.0, 1.0, 0.0];
        assert_eq!(host(broad.latent).expect("numbers"), [row, row].concat());
    }

    #[test]
    fn pictures_are_extended_by_their_edges() {
        let image = RgbImage::from_fn(16, 16, |x, y| Rgb([x as u8, y as u8, 9]));
        let larger = extended(&image, 20, 24);
        assert_eq!(larger.get_pixel(19, 23), image.get_pixel(15, 15));
        let there = tensor_from_rgb(&larger, &Device::flex());
        assert_eq!(rgb_from_tensor(there).expect("numbers"), larger);
    }
}
