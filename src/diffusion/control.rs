//! Pictures that control a run through networks of their own.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{GrayImage, RgbImage};

use super::DiffusionError;
use super::tensors::extended;
use crate::model::{Control, ControlNet};

/// A picture that controls what is painted (Zhang et al. 2023,
/// <https://arxiv.org/abs/2302.05543>).
#[derive(Clone, Debug)]
pub struct ControlInput {
    /// The network that sees it, made for the model that paints.
    pub network: Arc<ControlNet>,
    /// What the network sees; of the size of the job.
    pub picture: RgbImage,
    /// Where it is told that it sees nothing: from 128 on. Of the size of the job.
    pub hidden: Option<GrayImage>,
    /// How strongly it acts: 0 not at all, 1 as it was trained.
    pub weight: f32,
    /// The share of the run that is over when it begins to act.
    pub start: f32,
    /// The share of the run that is over when it ends.
    pub end: f32,
}

impl PartialEq for ControlInput {
    /// Networks are the same where they are one.
    fn eq(&self, other: &Self) -> bool {
        let numbers = |it: &Self| [it.weight, it.start, it.end];
        Arc::ptr_eq(&self.network, &other.network)
            && numbers(self) == numbers(other)
            && self.picture == other.picture
            && self.hidden == other.hidden
    }
}

impl ControlInput {
    /// Checks the sizes.
    ///
    /// # Errors
    /// If they are not those of the job.
    pub(super) fn check(&self, wanted_px: [u32; 2]) -> Result<(), DiffusionError> {
        let hidden = self.hidden.as_ref().map(GrayImage::dimensions);
        for found in [Some(self.picture.dimensions()), hidden]
            .into_iter()
            .flatten()
        {
            if <[u32; 2]>::from(found) != wanted_px {
                return Err(DiffusionError::Size {
                    what: "control picture",
                    found_px: found.into(),
                    wanted_px,
                });
            }
        }
        Ok(())
    }

    /// The picture as its network sees it, at a size in pixels that latents divide.
    ///
    /// # Shapes
    /// `[1, 3, height, width]`.
    fn planes(&self, [width, height]: [usize; 2], device: &Device) -> Tensor<4> {
        let whole = extended(&self.picture, width as u32, height as u32);
        let is_hidden = |x: u32, y: u32| {
            let hidden = self.hidden.as_ref();
            let pixel = hidden.and_then(|hidden| hidden.get_pixel_checked(x, y));
            pixel.is_some_and(|pixel| pixel[0] >= 128)
        };
        let planes = (0..3).flat_map(|channel| {
            let pixels = whole.enumerate_pixels();
            pixels.map(move |(x, y, pixel)| match is_hidden(x, y) {
                true => -1.0,
                false => f32::from(pixel[channel]) / 255.0,
            })
        });
        let data = TensorData::new(planes.collect::<Vec<f32>>(), [1, 3, height, width]);
        Tensor::from_data(data, device)
    }
}

/// What controls a run, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Controls(Vec<(Control, [f64; 2])>);

impl Controls {
    /// Shows the networks their pictures, once for the whole run, at a size in pixels that
    /// latents divide.
    pub fn new(inputs: &[ControlInput], size: [usize; 2], device: &Device) -> Self {
        // Through decimals, so that 0.2 is the first of 5 steps as in Python.
        let share = |part: f32| (f64::from(part) * 1e6).round() / 1e6;
        let acting = inputs.iter().filter(|input| input.weight != 0.0);
        let controls = acting.map(|input| {
            let picture = input.planes(size, device);
            let control = Control::new(Arc::clone(&input.network), picture, input.weight);
            (control, [input.start, input.end].map(share))
        });
        Self(controls.collect())
    }

    /// Those that act at an evaluation, counted from the first of so many. diffusers
    /// counts so too.
    pub fn at(&self, index: usize, count: usize) -> Vec<Control> {
        let acts = |[start, end]: &[f64; 2]| {
            let count = count.max(1) as f64;
            index as f64 / count >= *start && (index + 1) as f64 / count <= *end
        };
        let acting = self.0.iter().filter(|(_, times)| acts(times));
        acting.map(|(control, _)| control.clone()).collect()
    }
}
