//! Sample sheets: what the model paints of the same prompts and noise each time.

use image::RgbaImage;

use super::{Denoiser, DiffusionStage};
use crate::train::TrainError;
use crate::train::encoder::Masked;
use crate::train::random::Purpose;
use crate::train::sheet;
use crate::train::tensors::host;

/// Columns of a sample sheet.
const SHEET: usize = 8;
/// Steps of the sampler of sample sheets.
const SHEET_STEPS: usize = 20;

impl DiffusionStage {
    /// Latents painted by the averaged networks with guidance, from fixed noise.
    fn paint(
        &self,
        denoiser: &Denoiser,
        prompts: &[Vec<i32>],
        masked: &[Option<&Masked>],
    ) -> Result<Vec<f32>, TrainError> {
        let device = self.device.clone().inner();
        let latent: usize = self.encoder.latent_shape().iter().product();
        let count = prompts.len();
        let mut x = Purpose::Sheet
            .random(self.spec.seed, 0)
            .normals(count * latent);
        let guidance = self.studio.default_guidance_scale;
        let mut tokens = self.preparation().tokens("").repeat(count);
        tokens.extend(prompts.concat());
        let steps = self.noising.preview_steps(SHEET_STEPS);
        for (i, step) in steps.iter().enumerate() {
            let mut input = Vec::new();
            for _ in 0..2 {
                for (x, masked) in x.chunks(latent).zip(masked) {
                    self.push_input(&mut input, x, *masked);
                }
            }
            let said = self.predict(denoiser, input, &vec![*step; 2 * count], &tokens, &device);
            let said = host(said)?;
            let (free, told) = said.split_at(said.len() / 2);
            let guided: Vec<f32> = free
                .iter()
                .zip(told)
                .map(|(free, told)| free + guidance * (told - free))
                .collect();
            self.noising
                .ddim(*step, steps.get(i + 1).copied(), &mut x, &guided);
        }
        Ok(x)
    }

    /// Prompts of the sample sheet.
    fn prompts(&self) -> Vec<Vec<i32>> {
        let preparation = self.preparation();
        let given = &self.config.training.sample_prompts;
        let captions = if given.is_empty() {
            &self.pictures.captions
        } else {
            given
        };
        let none = String::new();
        (0..SHEET)
            .map(|i| captions.get(i).unwrap_or(&none))
            .map(|caption| preparation.tokens(caption))
            .collect()
    }

    /// Prompts, and for inpainting also pictures with a part masked, and painted anew.
    pub(super) fn paint_sheet(&self) -> Result<RgbaImage, TrainError> {
        let denoiser = self.learner.averaged();
        let mut prompts = self.prompts();
        let mut masked: Vec<Option<&Masked>> = vec![None; prompts.len()];
        let shown = self.judged.len().min(SHEET);
        if self.studio.inpaints() {
            for cached in &self.judged[..shown] {
                prompts.push(cached.tokens.clone());
                masked.push(cached.masked.first());
            }
        }
        let latents = self.paint(&denoiser, &prompts, &masked)?;
        let mut painted = sheet::pictures(self.encoder.decode(&latents))?;
        let filled = painted.split_off(SHEET);
        let mut rows = vec![painted];
        if self.studio.inpaints() {
            let before = masked.iter().flatten();
            let before: Vec<f32> = before.flat_map(|masked| masked.latent.clone()).collect();
            rows.push(sheet::pictures(self.encoder.decode(&before))?);
            rows.push(filled);
        }
        Ok(sheet::grid(&rows))
    }
}
