//! What can be seen after a step.

use burn::tensor::Tensor;
use image::RgbImage;

use super::preview::thumbnail;
use super::tensors::rgb_from_tensor;
use super::{Canvas, DiffusionError, LatentDiffusion};
use crate::model::FirstStage;

/// What can be seen after a step. Pictures are made when they are asked for:
/// nobody pays for those that nobody looks at.
pub struct StepView<'m> {
    /// The step that was done, from 1.
    pub step: usize,
    /// Number of steps.
    pub total: usize,
    /// The clean latents as they look from here.
    ///
    /// # Shapes
    /// `[1, latent_channels, h, w]`.
    pub denoised: Tensor<4>,
    pub(super) model: &'m LatentDiffusion,
    pub(super) size_px: [u32; 2],
    pub(super) canvas: Canvas,
    /// Passes through the denoiser that a step takes.
    pub(super) passes: usize,
}

impl StepView<'_> {
    /// A quick picture of the clean latents, of the size of the job.
    ///
    /// # Errors
    /// If the device does not hand over the latents.
    pub fn preview(&self) -> Result<RgbImage, DiffusionError> {
        let picture = if let Some(stage) = self.tiny_decoder() {
            rgb_from_tensor(stage.to_pictures(self.denoised.clone()))?
        } else if self.decodes() {
            rgb_from_tensor(self.model.decoded(self.denoised.clone(), self.canvas))?
        } else {
            let decoder = self.model.preview_decoder()?;
            decoder.picture(self.denoised.clone())?
        };
        Ok(cropped(picture, self.size_px))
    }

    /// A tiny decoder, unless the picture is too large to be decoded at once.
    fn tiny_decoder(&self) -> Option<&dyn FirstStage> {
        let is_whole = !self.canvas.in_parts && self.canvas.window_px.is_none();
        self.model.preview_stage().filter(|_| is_whole)
    }

    /// Whether pictures come from the decoder itself: one way for all steps of
    /// a picture, because changing over would flicker.
    fn decodes(&self) -> bool {
        let [_, _, height, width] = self.denoised.dims();
        self.model.affords_decoder(height * width, self.passes)
    }

    /// The quick picture as planes in [-1, 1] that stay on the device, for a
    /// window that draws from there, and a thumbnail of it with no side longer
    /// than `thumbnail_px`. Waits until the step is done.
    ///
    /// # Shapes
    /// `[1, 3, height, width]` of the job.
    ///
    /// # Errors
    /// If the device does not hand over the thumbnail.
    pub fn planes(&self, thumbnail_px: u32) -> Result<(Tensor<4>, RgbImage), DiffusionError> {
        let [width, height] = self.size_px.map(|side| side as usize);
        let planes = if let Some(stage) = self.tiny_decoder() {
            stage.to_pictures(self.denoised.clone())
        } else if self.decodes() {
            self.model.decoded(self.denoised.clone(), self.canvas)
        } else {
            self.model.preview_decoder()?.planes(self.denoised.clone())
        };
        let planes = planes.slice([0..1, 0..3, 0..height, 0..width]);
        let small = thumbnail(planes.clone(), thumbnail_px)?;
        Ok((planes, small))
    }
}

pub(super) fn cropped(image: RgbImage, [width, height]: [u32; 2]) -> RgbImage {
    if image.dimensions() == (width, height) {
        return image;
    }
    image::imageops::crop_imm(&image, 0, 0, width, height).to_image()
}
