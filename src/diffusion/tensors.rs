//! Between pictures and tensors.

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, Luma, RgbImage};

use super::DiffusionError;
use crate::model::conditioner::MaskPlanes;
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

/// A mask of the picture: repainted from half coverage on. Beyond its own size
/// nothing is repainted.
pub(super) fn mask_planes(mask: &GrayImage, size: [usize; 2], factor: usize) -> MaskPlanes {
    MaskPlanes::new(size, factor, |x, y| {
        mask.get_pixel_checked(x as u32, y as u32)
            .is_some_and(|Luma([coverage])| *coverage >= 128)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn half_covered_pixels_are_repainted() {
        let mut mask = GrayImage::new(8, 6);
        mask.put_pixel(3, 1, Luma([128]));
        mask.put_pixel(7, 5, Luma([127]));
        let small = mask_planes(&mask, [8, 8], 4);
        assert_eq!(small.latent, [1.0, 0.0, 0.0, 0.0]);
        assert_eq!(small.kept.iter().sum::<f32>(), 63.0);
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
