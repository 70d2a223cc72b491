//! A picture painted anew, larger, by a model that is shown it as the small one.
//!
//! The denoiser sees a large picture in windows that overlap and are blended in every
//! step, and its latents are decoded band by band: there are no seams, and beside the
//! latents and two pictures memory does not grow with its size.

use std::sync::Arc;

use burn::tensor::Tensor;
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, Luma, Rgb, RgbImage, Rgba, RgbaImage};

use super::back_projection::back_projected;
use super::bands::Bands;
use super::bleed::colours;
use super::part::Part;
use crate::diffusion::{
    Canvas, Conditions, DiffusionError, GenerationRequest, LatentDiffusion, RunPlan, Session,
    StepState, StepView,
};
use crate::pixels::opaque;

/// Longest side of what is shown of a step, in pixels.
const SHOWN_PX: usize = 1024;

/// How a model paints small pictures larger.
#[derive(Clone, Copy, Debug)]
pub struct RepaintingOptions {
    /// Number of steps.
    pub steps: u32,
    /// Seed of the noise.
    pub seed: u64,
    /// Side of the windows in which the denoiser sees the picture, in pixels; `None` for
    /// whole.
    pub window_px: Option<u32>,
}

/// A small picture that is being painted larger.
pub struct Repainting {
    small: Arc<RgbaImage>,
    size_px: [u32; 2],
    canvas: Canvas,
    /// Whether what is painted is to agree with the small picture.
    is_exact: bool,
    now: Now,
    done: usize,
    total: usize,
}

/// What is at work.
enum Now {
    Painting(Box<(RunPlan, StepState)>),
    Decoding(Box<Bands>),
    /// A step or a band failed.
    Nothing,
}

impl Repainting {
    /// Begins with a picture.
    ///
    /// # Errors
    /// If the model is not told of small pictures, or needs something else too.
    pub fn new(
        model: &LatentDiffusion,
        small: Arc<RgbaImage>,
        options: RepaintingOptions,
    ) -> Result<Self, DiffusionError> {
        let factor = model.manifest().low_resolution_factor();
        let factor = factor.ok_or(DiffusionError::NotTaken("low-resolution picture"))?;
        let (width, height) = small.dimensions();
        let size_px = [width, height].map(|side| side.saturating_mul(factor));
        let canvas = Canvas {
            window_px: options.window_px,
            ..Canvas::default()
        };
        let request = GenerationRequest {
            steps: options.steps,
            seed: options.seed,
            width_px: size_px[0],
            height_px: size_px[1],
            conditions: Conditions {
                low_resolution: Some(colours_of(&small)),
                ..Conditions::default()
            },
            canvas,
            ..GenerationRequest::default()
        };
        let session = Session::new(model, &request)?;
        let rows = session.state().latents.dims()[2];
        let total = session.total() + Bands::count(rows);
        Ok(Self {
            small,
            size_px,
            canvas,
            is_exact: model.manifest().trusts_small_pictures(),
            now: Now::Painting(Box::new(session.into_parts())),
            done: 0,
            total,
        })
    }

    /// Steps and bands that there are for a picture of a size (width, height): so many of
    /// a model with a factor of its latents.
    pub fn parts_of(steps: u32, height_px: u32, latent_factor: usize) -> u32 {
        let rows = (height_px as usize).div_ceil(latent_factor.max(1));
        steps.saturating_add(Bands::count(rows) as u32)
    }

    /// Steps and bands that are done, and all there are.
    pub fn progress(&self) -> (u32, u32) {
        (self.done as u32, self.total as u32)
    }

    /// The size of the large picture in pixels (width, height).
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
    }

    /// The small picture as the model is shown it, which has colours everywhere.
    pub fn seen(&self) -> RgbImage {
        colours_of(&self.small)
    }

    /// Does the next step, or decodes the next band; `false` when all is done. `show` is
    /// given what can be seen of a step, whose sides may be smaller.
    ///
    /// # Errors
    /// If the device fails, or the networks answer with numbers that are none.
    pub fn step(
        &mut self,
        model: &LatentDiffusion,
        show: Option<&mut dyn FnMut(RgbImage)>,
    ) -> Result<bool, DiffusionError> {
        match std::mem::replace(&mut self.now, Now::Nothing) {
            Now::Painting(run) => {
                let (plan, state) = *run;
                let mut session = Session::resumed(model, plan, state);
                self.now = match session.step()? {
                    Some(view) => {
                        if let Some(show) = show {
                            show(shown(&view, model)?);
                        }
                        self.done += 1;
                        Now::Painting(Box::new(session.into_parts()))
                    }
                    None => {
                        let latents = session.state().latents;
                        let bands = Bands::new(model, latents, self.canvas, self.size_px);
                        Now::Decoding(Box::new(bands))
                    }
                };
                Ok(true)
            }
            Now::Decoding(mut bands) => {
                let is_more = bands.step(model)?;
                self.done += usize::from(is_more);
                self.now = Now::Decoding(bands);
                Ok(is_more)
            }
            Now::Nothing => Ok(false),
        }
    }

    /// The large picture, as opaque as the small one; transparent where it is not done.
    pub fn into_picture(self) -> RgbaImage {
        let [width, height] = self.size_px;
        let seen = self.seen();
        let Now::Decoding(bands) = self.now else {
            return RgbaImage::new(width, height);
        };
        let mut picture = bands.into_picture();
        if self.is_exact && self.done == self.total {
            let painted = DynamicImage::from(picture).into_rgb8();
            picture = opaque(&back_projected(painted, &seen));
        }
        if !is_opaque(&self.small) {
            let (across, down) = self.small.dimensions();
            let alpha = GrayImage::from_fn(across, down, |x, y| {
                let [.., alpha] = self.small.get_pixel(x, y).0;
                Luma([alpha])
            });
            let alpha = imageops::resize(&alpha, width, height, FilterType::Triangle);
            for (pixel, Luma([alpha])) in picture.pixels_mut().zip(alpha.pixels()) {
                match alpha {
                    // What cannot be seen has no colour.
                    0 => *pixel = Rgba([0; 4]),
                    alpha => pixel.0[3] = *alpha,
                }
            }
        }
        picture
    }
}

fn is_opaque(picture: &RgbaImage) -> bool {
    picture.pixels().all(|pixel| pixel[3] == u8::MAX)
}

/// The colours of a picture, also where it is transparent.
fn colours_of(small: &RgbaImage) -> RgbImage {
    let (width, height) = small.dimensions();
    let is_opaque = is_opaque(small);
    if is_opaque {
        return RgbImage::from_fn(width, height, |x, y| {
            let [r, g, b, _] = small.get_pixel(x, y).0;
            Rgb([r, g, b])
        });
    }
    let whole = Part {
        left: 0,
        top: 0,
        right: width as usize,
        bottom: height as usize,
    };
    let planes = colours(small, is_opaque, whole);
    let area = whole.width() * whole.height();
    RgbImage::from_fn(width, height, |x, y| {
        let at = y as usize * whole.width() + x as usize;
        Rgb([0, 1, 2].map(|channel| (planes[channel * area + at] * 255.0).round() as u8))
    })
}

/// What can be seen of a step: small where the picture is large.
fn shown(view: &StepView<'_>, model: &LatentDiffusion) -> Result<RgbImage, DiffusionError> {
    let factor = model.model().latents().factor;
    let thin = thinned(view.denoised.clone(), SHOWN_PX / factor.max(1));
    let is_whole = thin.dims() == view.denoised.dims();
    let [_, _, rows, columns] = thin.dims();
    let size_px = match is_whole {
        true => view.size_px,
        false => [columns, rows].map(|side| (side * factor) as u32),
    };
    StepView {
        denoised: thin,
        size_px,
        ..*view
    }
    .preview()
}

/// Latents with no side longer than so many, each the mean of those in its place.
fn thinned(latents: Tensor<4>, most: usize) -> Tensor<4> {
    let [batch, channels, rows, columns] = latents.dims();
    let each = rows.max(columns).div_ceil(most.max(1)).max(1);
    let [down, across] = [rows / each, columns / each].map(|side| side.max(1));
    if each == 1 || rows < each || columns < each {
        return latents;
    }
    let kept = latents
        .narrow(2, 0, down * each)
        .narrow(3, 0, across * each);
    let blocks: Tensor<6> = kept.reshape([batch, channels, down, each, across, each]);
    let means = blocks.mean_dim(3).mean_dim(5);
    means.reshape([batch, channels, down, across])
}
