//! Words that act in parts of the picture, for denoisers that know neither boxes nor
//! label maps (see [`Regions`]).

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::GrayImage;

use super::layout::covered;
use super::{Bench, Conditioner};
use crate::model::conditioner::Conditioning;
use crate::nn::Regions;
use crate::recipe::prompt::TextReading;

/// Words, and where they act.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// The words.
    pub words: String,
    /// Where.
    pub place: Place,
    /// How strongly, from 0 to 1.
    pub weight: f32,
}

/// A part of a picture.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// Left, top, width and height in pixels; it may reach over the edges.
    Box([f32; 4]),
    /// The pixels of a label map that have a number.
    Pixels(Arc<GrayImage>, u8),
}

/// What a denoiser is told of regions.
#[derive(Clone, Debug)]
pub struct Regional {
    /// What its attention looks at in the regions instead, by the names of the parts.
    ///
    /// # Shapes
    /// Each `[regions, tokens, width]`.
    pub context: Vec<(&'static str, Tensor<3>)>,
    /// The share in which each acts at every place of the latents.
    ///
    /// # Shapes
    /// `[1, regions, h, w]`.
    pub shares: Tensor<4>,
}

impl Regional {
    /// What is told of regions, by the conditioner that reads words; `None` where there
    /// are no regions, or this one reads none.
    pub(in crate::model) fn new(
        regions: &[Region],
        reading: TextReading,
        text: &dyn Conditioner,
        bench: &Bench<'_>,
    ) -> Option<Self> {
        let texts: Vec<&str> = regions.iter().map(|it| it.words.as_str()).collect();
        if texts.is_empty() {
            return None;
        }
        let Conditioning { context, .. } = text.words(&texts, reading, bench)?;
        let factor = bench.first_stage.info().factor;
        let shares = shares(regions, bench.latent_size(), factor, bench.device);
        Some(Self { context, shares })
    }

    /// The same for a denoiser that is told `context` besides, of which the last row is
    /// that of the prompt.
    pub(super) fn regions(&self, context: &[(&'static str, Tensor<3>)]) -> Regions {
        let count = self.shares.dims()[1];
        let parts = context.iter().map(|(name, common)| {
            let mut own = self.context.iter();
            match own.find(|(known, _)| known == name) {
                Some((_, own)) => own.clone(),
                None => {
                    let last = common.dims()[0] - 1;
                    common.clone().narrow(0, last, 1).repeat_dim(0, count)
                }
            }
        });
        Regions::new(Tensor::cat(parts.collect(), 1), self.shares.clone())
    }
}

/// The shares of regions at the places of latents.
fn shares(regions: &[Region], size: [usize; 2], factor: usize, device: &Device) -> Tensor<4> {
    let [columns, rows] = size;
    let share = |region: &Region| -> Vec<f32> {
        let shares = match &region.place {
            Place::Box([x, y, width, height]) => {
                let corners = [*x, *y, x + width, y + height];
                covered(corners.map(|at| at / factor as f32), size)
            }
            Place::Pixels(map, number) => shares_of(map, *number, size, factor),
        };
        let weighted = shares.into_iter().map(|share| share * region.weight);
        weighted.collect()
    };
    let values: Vec<f32> = regions.iter().flat_map(share).collect();
    let data = TensorData::new(values, [1, regions.len(), rows, columns]);
    Tensor::from_data(data, device)
}

/// The part of the pixels of each place that have a number.
fn shares_of(map: &GrayImage, number: u8, [columns, rows]: [usize; 2], factor: usize) -> Vec<f32> {
    let mut counts = vec![0_u32; columns * rows];
    for (x, y, pixel) in map.enumerate_pixels() {
        let (column, row) = (x as usize / factor, y as usize / factor);
        if pixel[0] == number && column < columns && row < rows {
            counts[row * columns + column] += 1;
        }
    }
    let pixels = (factor * factor) as f32;
    let shares = counts.into_iter().map(|count| count as f32 / pixels);
    shares.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_their_share_of_each_place() {
        let map = GrayImage::from_fn(8, 4, |x, _| image::Luma([u8::from(x >= 2)]));
        let region = |place, weight| Region {
            words: String::new(),
            place,
            weight,
        };
        let regions = [
            region(Place::Box([2.0, 0.0, 100.0, 2.0]), 1.0),
            region(Place::Pixels(Arc::new(map), 1), 0.5),
        ];
        let shares = shares(&regions, [2, 1], 4, &Device::flex());
        let shares: Vec<f32> = shares.into_data().try_to_vec().expect("numbers");
        assert_eq!(shares, [0.25, 0.5, 0.25, 0.5]);
    }
}
