//! What a denoiser in training says, told of everything as the conditioners tell it.

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::batch::Batch;
use super::{Denoiser, DiffusionStage};
use crate::model::LatentInfo;
use crate::model::conditioner::low_resolution::{LOW_RESOLUTION, SmallPicture};
use crate::model::conditioner::semantic::ClassShares;
use crate::model::conditioner::{Conditioning, class, clip_text, layout, semantic};
use crate::recipe::InputSpec;
use crate::recipe::palette::NOTHING;
use crate::train::paper_form::PaperForm;

impl DiffusionStage {
    /// What the denoiser says of a batch.
    ///
    /// # Shapes
    /// `[batch, channels, h, w]`.
    pub(super) fn said(&self, denoiser: &Denoiser, batch: &Batch, device: &Device) -> Tensor<4> {
        let count = batch.steps.len();
        let [channels, height, width] = self.encoded.encoder.latent_shape();
        let noisy = TensorData::new(batch.noisy.clone(), [count, channels, height, width]);
        let noisy = Tensor::from_data(noisy, device);
        let steps: Vec<f32> = batch.steps.iter().map(|step| *step as f32).collect();
        let steps = Tensor::from_data(TensorData::new(steps, [count]), device);
        let told = self.told(denoiser, batch, device);
        told.ask(&denoiser.unet, &noisy, steps, &self.studio.channels)
    }

    /// What it is told, in the order of the manifest.
    fn told(&self, denoiser: &Denoiser, batch: &Batch, device: &Device) -> Conditioning {
        let count = batch.steps.len();
        let [_, rows, columns] = self.encoded.encoder.latent_shape();
        let latents = self.encoded.encoder.network().info();
        let mut told = Conditioning::default();
        for input in &self.studio.inputs {
            match input {
                InputSpec::Text { .. } => {
                    let states = self.states(denoiser, batch, device);
                    told.context
                        .extend(states.map(|states| (clip_text::TEXT, states)));
                }
                InputSpec::Mask { .. } => {
                    for (name, values) in &batch.masks {
                        let channels = values.len() / (count * rows * columns);
                        let shape = [count, channels, rows, columns];
                        let group = TensorData::new(values.clone(), shape);
                        told.concat.push((name, Tensor::from_data(group, device)));
                    }
                }
                InputSpec::Layout { .. } => {
                    if let (Some(paper), Some(grammar)) = (&self.paper, self.teller.grammar()) {
                        let tokens = PaperForm::box_tokens(grammar, &batch.boxes, &batch.parts);
                        let trained = denoiser.paper_encoder.as_ref();
                        let states = paper.states(trained, tokens, device);
                        told.context
                            .extend(states.map(|states| (layout::BOXES, states)));
                        continue;
                    }
                    let Some(encoder) = &denoiser.layout_encoder else {
                        continue;
                    };
                    let boxes: Vec<_> = batch.boxes.iter().map(Vec::as_slice).collect();
                    let (tokens, planes) = encoder.tell(&boxes, 1.0, [columns, rows], device);
                    told.context.push((layout::BOXES, tokens));
                    told.concat.push((layout::BOXES, planes));
                }
                InputSpec::Semantic { .. } => {
                    if let Some(paper) = &self.paper {
                        let trained = denoiser.paper_encoder.as_ref();
                        let (maps, size) = (&batch.label_maps, [columns, rows]);
                        let channels =
                            paper.map_channels(trained, maps, latents.factor, size, device);
                        told.concat
                            .extend(channels.map(|channels| (semantic::LABEL_MAP, channels)));
                        continue;
                    }
                    let Some(encoder) = &denoiser.semantic_encoder else {
                        continue;
                    };
                    let channels = self.map_channels(encoder, batch, latents, device);
                    told.concat.push((semantic::LABEL_MAP, channels));
                }
                InputSpec::LowResolution {
                    factor, is_needed, ..
                } => {
                    let small = SmallPicture::new(*factor as usize, *is_needed);
                    let channels = small_channels(batch, small, latents, [columns, rows], device);
                    told.concat.push((LOW_RESOLUTION, channels));
                }
                // Nothing is trained on phrases yet.
                InputSpec::Phrases { .. } => {}
                InputSpec::Class { classes, empty } => {
                    let last = (classes.len() as u32).saturating_sub(1);
                    let none = empty.unwrap_or(last);
                    let numbers = batch.classes.iter();
                    let numbers = numbers.map(|class| class.unwrap_or(none) as i32);
                    let data = TensorData::new(numbers.collect::<Vec<i32>>(), [count]);
                    let numbers = Tensor::<1, Int>::from_data(data, device);
                    match &denoiser.class_encoder {
                        Some(encoder) => {
                            told.context
                                .push((class::CLASS_LABEL, encoder.tokens(numbers)));
                        }
                        None => told.classes = Some(numbers),
                    }
                }
            }
        }
        told
    }

    /// The states of the captions; those of a frozen text encoder without gradients.
    fn states(&self, denoiser: &Denoiser, batch: &Batch, device: &Device) -> Option<Tensor<3>> {
        let count = batch.steps.len();
        if let Some(paper) = &self.paper {
            let trained = denoiser.paper_encoder.as_ref();
            return paper.states(trained, batch.tokens.clone(), device);
        }
        if let Some(text) = &denoiser.text_encoder {
            let tokens = batch.tokens.clone();
            return Some(clip_text::states(text, tokens, count, device));
        }
        let text = self.frozen_text.as_ref()?;
        let plain = device.clone().inner();
        let states = clip_text::states(text, batch.tokens.clone(), count, &plain);
        Some(if device.is_autodiff() {
            Tensor::from_inner(states)
        } else {
            states
        })
    }

    fn map_channels(
        &self,
        encoder: &semantic::SemanticEncoder,
        batch: &Batch,
        latents: LatentInfo,
        device: &Device,
    ) -> Tensor<4> {
        let [_, rows, columns] = self.encoded.encoder.latent_shape();
        let cells = encoder.config().cells;
        let size = [columns * cells, rows * cells];
        let number = |value: u8| (value != NOTHING).then_some(usize::from(value));
        let shares = batch.label_maps.iter().map(|map| match map {
            Some(map) => semantic::class_shares(map, number, size, latents.factor / cells),
            None => ClassShares::default(),
        });
        let shares: Vec<ClassShares> = shares.collect();
        encoder.channels(&shares, [columns, rows], device)
    }
}

/// The channels of small pictures; zeros where there is none.
fn small_channels(
    batch: &Batch,
    small: SmallPicture,
    latents: LatentInfo,
    [columns, rows]: [usize; 2],
    device: &Device,
) -> Tensor<4> {
    let count = batch.steps.len();
    let block = small.block(latents);
    let (width, height) = (columns * block, rows * block);
    let values = 3 * width * height;
    let mut pictures = vec![0.0; count * values];
    let mut is_there = vec![0.0; count];
    let places = pictures.chunks_mut(values).zip(&mut is_there);
    for ((picture, is_there), given) in places.zip(&batch.small) {
        if given.len() == values {
            picture.copy_from_slice(given);
            *is_there = 1.0;
        }
    }
    let pictures = TensorData::new(pictures, [count, 3, height, width]);
    let pictures = Tensor::from_data(pictures, device);
    let is_there = TensorData::new(is_there, [count, 1, 1, 1]);
    let is_there = Tensor::<4>::from_data(is_there, device);
    small.channels(pictures, latents) * is_there
}
