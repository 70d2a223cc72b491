//! What a classifier says of pictures, and whether it is right.

use burn::tensor::{Int, Tensor, TensorData};
use image::{Rgba, RgbaImage};

/// Pixels of a frame around a picture that is told right or wrong.
const FRAME_PX: u32 = 2;
const RIGHT: Rgba<u8> = Rgba([74, 190, 110, 255]);
const WRONG: Rgba<u8> = Rgba([224, 84, 72, 255]);

/// The mean of −log p of what is there.
pub(super) fn cross_entropy(told: Tensor<2>, classes: &[u32]) -> Tensor<1> {
    let numbers: Vec<i32> = classes.iter().map(|class| *class as i32).collect();
    let data = TensorData::new(numbers, [classes.len(), 1]);
    let numbers = Tensor::<2, Int>::from_data(data, &told.device());
    told.gather(1, numbers).mean().neg()
}

/// Whether each is told right, given the probability of each class or its logarithm.
pub(super) fn are_right<'a>(
    told: &'a [f32],
    classes: &'a [u32],
) -> impl Iterator<Item = bool> + 'a {
    let count = told.len() / classes.len().max(1);
    let rows = told.chunks(count.max(1)).zip(classes);
    rows.map(|(row, class)| {
        let numbered = row.iter().enumerate();
        let most = numbered.max_by(|a, b| a.1.total_cmp(b.1));
        most.is_some_and(|(at, _)| at == *class as usize)
    })
}

/// The share that is told right.
pub(super) fn share_right(told: &[f32], classes: &[u32]) -> f32 {
    let right = are_right(told, classes).filter(|is_right| *is_right);
    right.count() as f32 / classes.len().max(1) as f32
}

/// A picture with a frame that says whether it was told right.
pub(super) fn framed(mut picture: RgbaImage, is_right: bool) -> RgbaImage {
    let (width, height) = picture.dimensions();
    let color = if is_right { RIGHT } else { WRONG };
    let is_rim = |at: u32, side: u32| at < FRAME_PX || at + FRAME_PX >= side;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if is_rim(x, width) || is_rim(y, height) {
            *pixel = color;
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::train::tensors::host;

    #[test]
    fn what_is_told_right_is_counted_and_lost_by_its_probability() {
        let told = [0.7_f32, 0.2, 0.1, 0.3, 0.3, 0.4].map(f32::ln);
        assert_eq!(share_right(&told, &[0, 1]), 0.5);
        assert_eq!(are_right(&told, &[0, 2]).collect::<Vec<_>>(), [true, true]);
        let data = TensorData::new(told.to_vec(), [2, 3]);
        let tensor = Tensor::<2>::from_data(data, &Device::flex());
        let loss = host(cross_entropy(tensor, &[0, 1])).expect("a number");
        let wanted = -(0.7_f32.ln() + 0.3_f32.ln()) / 2.0;
        assert!((loss[0] - wanted).abs() < 1e-6);
    }
}
