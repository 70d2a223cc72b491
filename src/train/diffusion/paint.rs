//! Sample sheets: what the model paints of the same prompts and noise each time,
//! as the studio paints it.

use image::{Rgb, RgbImage, RgbaImage};

use super::DiffusionStage;
use crate::diffusion::{
    Conditions, DiffusionError, GenerationRequest, LatentDiffusion, SAMPLERS, SchedulerConfig,
    Session,
};
use crate::frame::paste_back;
use crate::model::Model;
use crate::model::conditioner::Encoders;
use crate::pixels::opaque;
use crate::recipe::prompt::TextReading;
use crate::recipe::{InputSpec, LayoutInput};
use crate::train::TrainError;
use crate::train::random::Purpose;
use crate::train::sheet;
use crate::train::source::Sample;

/// Columns of a sample sheet.
const SHEET: usize = 8;
/// Steps of the sampler of sample sheets.
const SHEET_STEPS: usize = 20;
/// Small pictures of sheets are counted from here, where no others are.
const SHEET_COUNTER: u64 = 1 << 48;
/// What is masked, and pictures of which nothing can be seen.
const GREY: Rgb<u8> = Rgb([128; 3]);

impl DiffusionStage {
    /// The averaged networks as a model that paints.
    fn model(&self) -> Result<LatentDiffusion, TrainError> {
        let denoiser = self.learner.averaged();
        let text = denoiser.text_encoder.or_else(|| self.frozen_text.clone());
        let tokenizer = self.tokenizer.as_deref().cloned();
        let encoders = Encoders {
            text: tokenizer.zip(text),
            layout: denoiser.layout_encoder,
            semantic: denoiser.semantic_encoder,
            class: denoiser.class_encoder,
            original: self
                .paper
                .as_ref()
                .and_then(|paper| paper.encoder(denoiser.paper_encoder)),
            ..Encoders::default()
        };
        let first_stage = self.encoded.encoder.network().boxed();
        let model = Model::new(self.studio.clone(), first_stage, denoiser.unet, encoders)?;
        let scheduler = SchedulerConfig::from_json(&self.scheduler)?;
        let device = self.device.clone().inner();
        Ok(LatentDiffusion::new(model, scheduler, &device))
    }

    /// Prompts of the sample sheet; empty ones for models that take no words.
    fn prompts(&self) -> impl Iterator<Item = &str> {
        let takes_text = self.studio.takes_text();
        let given = &self.config.training.sample_prompts;
        let captions = if given.is_empty() {
            &self.encoded.pictures.captions
        } else {
            given
        };
        let caption = move |i| captions.get(i).filter(|_| takes_text);
        (0..SHEET).map(move |i| caption(i).map_or("", String::as_str))
    }

    /// What the studio would be asked for.
    fn request(&self, prompt: &str, index: usize) -> GenerationRequest {
        GenerationRequest {
            prompt: prompt.to_owned(),
            reading: TextReading::PLAIN,
            steps: SHEET_STEPS.min(self.noising.steps()) as u32,
            guidance_scale: self.studio.default_guidance_scale,
            seed: self.spec.seed.wrapping_add(index as u64),
            width_px: self.spec.size_px,
            height_px: self.spec.size_px,
            canvas: crate::diffusion::Canvas::default(),
            given: crate::diffusion::GivenLatents::default(),
            ..GenerationRequest::default()
        }
    }

    /// Prompts or classes, and what is asked for in other ways.
    pub(super) fn paint_sheet(&self) -> Result<RgbaImage, TrainError> {
        let model = self.model()?;
        let mut rows = Vec::new();
        if !self.studio.needs_low_resolution() {
            let classes = self.studio.classes().map_or(0, <[String]>::len);
            let painted = self.prompts().enumerate().map(|(index, prompt)| {
                let mut request = self.request(prompt, index);
                request.conditions.class = index.checked_rem(classes).map(|class| class as u32);
                Ok(opaque(&paint(&model, &request)?))
            });
            rows.push(painted.collect::<Result<Vec<_>, TrainError>>()?);
        }
        if self.studio.takes_mask() {
            rows.extend(self.filled(&model)?);
        }
        rows.extend(self.arranged(&model)?);
        Ok(sheet::grid(&rows))
    }

    /// Pictures with a part masked, and painted anew.
    fn filled(&self, model: &LatentDiffusion) -> Result<[Vec<RgbaImage>; 2], TrainError> {
        let (mut before, mut filled) = (Vec::new(), Vec::new());
        let preparation = self.preparation();
        for (index, sample) in self.encoded.pictures.judged.iter().take(SHEET).enumerate() {
            let mut random = Purpose::Sheet.random(self.spec.seed, index as u64);
            let mask = preparation.mask(sample, &mut random);
            let coverage = mask.coverage();
            let mut greyed = sample.rgb.clone();
            for (pixel, covered) in greyed.pixels_mut().zip(coverage.pixels()) {
                if covered.0[0] > 0 {
                    *pixel = GREY;
                }
            }
            let request = GenerationRequest {
                init: Some(sample.rgb.clone()),
                mask: Some(coverage.clone()),
                ..self.request(&sample.caption, index)
            };
            let result = opaque(&paint(model, &request)?);
            filled.push(paste_back(&opaque(&sample.rgb), &result, &coverage, 0.0));
            before.push(opaque(&greyed));
        }
        Ok([before, filled])
    }

    /// Where boxes and label maps of pictures are known, or the model enlarges: these
    /// pictures, and what is painted of their boxes and maps alone, or of them in small. No
    /// rows where nothing is known, or the model takes none of this.
    fn arranged(&self, model: &LatentDiffusion) -> Result<Vec<Vec<RgbaImage>>, TrainError> {
        let (mut shown, mut arranged) = (Vec::new(), Vec::new());
        // Boxes and maps may also paint words in regions, which is nothing that a model
        // learns here.
        let takes = |is_kind: fn(&InputSpec) -> bool| self.studio.inputs.iter().any(is_kind);
        let takes_boxes = takes(|input| matches!(input, InputSpec::Layout { .. }));
        let takes_maps = takes(|input| matches!(input, InputSpec::Semantic { .. }));
        for (index, sample) in self.encoded.pictures.judged.iter().take(SHEET).enumerate() {
            let known = &sample.known;
            let conditions = Conditions {
                layout: takes_boxes.then(|| LayoutInput(known.boxes.clone().into())),
                semantic: known.label_map.clone().filter(|_| takes_maps),
                low_resolution: self.small(sample, index),
                ..Conditions::default()
            };
            let conditions = conditions.limited_to(&self.studio);
            let is_told = conditions.layout.is_some()
                || conditions.semantic.is_some()
                || conditions.low_resolution.is_some();
            if !is_told {
                continue;
            }
            let request = GenerationRequest {
                conditions,
                ..self.request("", index)
            };
            shown.push(opaque(&sample.rgb));
            arranged.push(opaque(&paint(model, &request)?));
        }
        Ok(match shown.is_empty() {
            true => Vec::new(),
            false => vec![shown, arranged],
        })
    }

    /// A picture in small, for a model that paints of nothing else.
    fn small(&self, sample: &Sample, index: usize) -> Option<RgbImage> {
        if !self.studio.needs_low_resolution() {
            return None;
        }
        let counter = SHEET_COUNTER + index as u64;
        let mut random = Purpose::Degradation.random(self.spec.seed, counter);
        self.teller.small(&sample.rgb, &mut random)
    }
}

/// A picture. Where the model is so young or so broken that it has no numbers for
/// one, it is grey, and where its own sampler cannot be made, the usual one
/// paints: no sheet ends a run.
fn paint(model: &LatentDiffusion, request: &GenerationRequest) -> Result<RgbImage, TrainError> {
    let run = || {
        let mut session = Session::new(model, request)?;
        while session.step()?.is_some() {}
        session.picture()
    };
    match run() {
        Err(DiffusionError::NotFinite { .. }) => Ok(RgbImage::from_pixel(
            request.width_px,
            request.height_px,
            GREY,
        )),
        Err(DiffusionError::Scheduler(_) | DiffusionError::Steps { .. })
            if request.sampler.is_none() =>
        {
            let usual = GenerationRequest {
                sampler: Some(SAMPLERS[0].sampler_id()),
                ..request.clone()
            };
            paint(model, &usual)
        }
        other => Ok(other?),
    }
}
