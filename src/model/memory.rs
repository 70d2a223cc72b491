//! How much memory painting and training will take, told from the configurations
//! before anything is read or allocated.
//!
//! The numbers are those of the processor, where no layer keeps more than its
//! input and output; a graphics card may need more. They were compared with
//! `docs/performance.md` (peak memory) and are meant to be right within a third:
//! enough to refuse what cannot go well.

use super::autoencoder::codec::Codec;
use super::first_stage::{MOST_GRADIENT_BYTES, MOST_PART_BYTES};
use super::{Architecture, FirstStageConfig, ModelError, ModelFolder, UNet2dConfig};

/// Bytes of a number that is computed with.
const NUMBER: f64 = 4.0;
/// What the allocator keeps beyond what is in use, as a factor.
const SLACK: f64 = 1.25;
/// Numbers for each channel and place that a transformer holds at a time: its
/// input, and the two halves of the feed-forward network, eight and four wide.
const TRANSFORMER_WIDTH: f64 = 14.0;
/// The same of a residual block: two inputs joined, normalised, and the result.
const RES_BLOCK_WIDTH: f64 = 6.0;
/// Numbers for each channel and place that training keeps of a residual block.
const RES_BLOCK_KEPT: f64 = 8.0;
/// The same of a transformer block.
const TRANSFORMER_KEPT: f64 = 16.0;
/// Copies of a weight in training: itself, its gradient, two moments of AdamW, its average.
const TRAINED_COPIES: f64 = 5.0;
/// Numbers for each channel and place that attention in regions holds beside its own.
const REGION_WIDTH: f64 = 5.0;
/// Tokens of the words of a region.
const REGION_TOKENS: usize = 77;
/// Places of a map and of all its halvings, for each place of the map.
const SHARES_OF_LEVELS: f64 = 4.0 / 3.0;
/// Numbers for each pixel of a picture that is put together of parts.
const PICTURE_PLANES: f64 = 9.0;

/// Memory that a job will take, about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Of the weights, as they are held.
    pub weights_bytes: u64,
    /// Of everything else at the moment when it is most.
    pub working_bytes: u64,
}

impl MemoryEstimate {
    /// Of both.
    pub fn total_bytes(self) -> u64 {
        self.weights_bytes.saturating_add(self.working_bytes)
    }
}

/// What a job has beside its model and the words of its prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Pictures that control what is painted, each through a network.
    pub controls: usize,
    /// Weights of those networks together.
    pub control_numbers: usize,
    /// Words that act in parts of the picture.
    pub regions: usize,
    /// Whether a picture pulls it towards itself, for whose gradients the first stage stays.
    pub has_guide: bool,
}

impl Beside {
    /// Numbers that it holds in a pass through a denoiser, beyond its own, for latents of so
    /// many columns and rows.
    fn working(&self, architecture: &Architecture, latent: [usize; 2], rows: f64) -> f64 {
        let mut numbers = 0.0;
        let first = architecture
            .levels
            .first()
            .map_or(0, |level| level.channels) as f64;
        if self.controls > 0 {
            // What each network sees, and what they say to the skip connections, before and
            // after it is weighed.
            numbers += self.controls as f64 * first * places(latent, 0);
            numbers += 2.0 * rows * skips(architecture, latent);
        }
        if self.regions > 0 {
            let [regions, tokens] = [self.regions, REGION_TOKENS].map(|it| it as f64);
            let width = architecture.context_width.unwrap_or(0) as f64;
            // Their shares of every place at all levels, twice, and their words.
            numbers += regions * (2.0 * SHARES_OF_LEVELS * places(latent, 0) + tokens * width);
            let attending = levels(architecture, latent)
                .filter(|(level, _)| level.attends())
                .map(|(level, places)| REGION_WIDTH * level.channels as f64 * places);
            numbers += attending.fold(0.0, f64::max);
        }
        numbers
    }
}

impl ModelFolder {
    /// Memory for painting pictures of so many pixels (width, height), with
    /// guidance, so many of them in one pass. The engine paints a batch one by
    /// one: there `at_once` is 1, whatever the batch.
    ///
    /// Ask before loading the model: its weights are counted too, in the
    /// precision of [`Self::held_as`] or [`Self::held_as_stored`]. Parts that the folder
    /// lacks count nothing.
    ///
    /// # Errors
    /// If a configuration is not supported.
    pub fn painting_memory(
        &self,
        size_px: [u32; 2],
        at_once: u32,
    ) -> Result<MemoryEstimate, ModelError> {
        self.memory(size_px, at_once, None, false, &Beside::default())
    }

    /// The same of one picture that the denoiser sees in windows with sides of so many
    /// pixels and the first stage in parts; whole without such a side.
    ///
    /// # Errors
    /// As [`Self::painting_memory`].
    pub fn painting_memory_in(
        &self,
        size_px: [u32; 2],
        window_px: Option<u32>,
    ) -> Result<MemoryEstimate, ModelError> {
        self.painting_memory_beside(size_px, window_px, window_px.is_some(), &Beside::default())
    }

    /// The same of a job with more beside the words of its prompt, and with the first stage
    /// in parts or not.
    ///
    /// # Errors
    /// As [`Self::painting_memory`].
    pub fn painting_memory_beside(
        &self,
        size_px: [u32; 2],
        window_px: Option<u32>,
        is_in_parts: bool,
        beside: &Beside,
    ) -> Result<MemoryEstimate, ModelError> {
        self.memory(size_px, 1, window_px, is_in_parts, beside)
    }

    /// The same of one picture that the denoiser sees whole and the first stage in parts.
    ///
    /// # Errors
    /// As [`Self::painting_memory`].
    pub fn painting_memory_in_parts(
        &self,
        size_px: [u32; 2],
    ) -> Result<MemoryEstimate, ModelError> {
        self.painting_memory_beside(size_px, None, true, &Beside::default())
    }

    /// Memory that a guide takes beside all that: what a gradient keeps of the decoder.
    pub fn guide_memory(&self, size_px: [u32; 2]) -> u64 {
        let Ok(config) = self.first_stage_config() else {
            return 0;
        };
        let factor = config.info().factor;
        let places = size_px.map(|side| (side as usize).div_ceil(factor) as f64);
        let whole = config.gradient_bytes_each() * places[0] * places[1];
        // Weights that lie in half precision are widened for a gradient, all of them.
        let numbers = config.parameter_count().unwrap_or(0);
        let wide_bytes = numbers * size_of::<f32>();
        let widened = match self.first_stage_bytes(numbers, None) < wide_bytes {
            true => wide_bytes as u64,
            false => 0,
        };
        widened + (whole as u64).min(MOST_GRADIENT_BYTES)
    }

    fn memory(
        &self,
        size_px: [u32; 2],
        at_once: u32,
        window_px: Option<u32>,
        is_in_parts: bool,
        beside: &Beside,
    ) -> Result<MemoryEstimate, ModelError> {
        // Bytes of the first stage and of the denoiser, and weights of everything but them
        // and text encoders.
        let [mut stage, mut denoiser, mut weights] = [0; 3];
        // Of the first stage and of the denoiser, where each has its turn.
        let [mut stage_working, mut denoiser_most] = [0.0_f64; 2];
        let most_px = window_px.unwrap_or(u32::MAX);
        let pixels = f64::from(size_px[0]) * f64::from(size_px[1]);
        // The networks run one after the other: the hungriest decides.
        let mut working = 0.0_f64;
        let mut factor = 8;
        if let Ok(config) = self.first_stage_config() {
            stage = self.first_stage_bytes(config.parameter_count()?, None);
            factor = config.info().factor;
            if let Some(codec) = config.kind().codec()? {
                let whole = decoder_working(&codec, size_px) * f64::from(at_once);
                let part = match is_in_parts {
                    true => whole.min(MOST_PART_BYTES as f64 / NUMBER),
                    false => whole,
                };
                stage_working = part;
            }
        }
        if let Ok(config) = self.unet_config() {
            denoiser = self.denoiser_bytes(config.parameter_count()?);
            let latent = size_px.map(|side| (side.min(most_px) as usize).div_ceil(factor));
            // With guidance the denoiser is asked twice, unless it was taught to it.
            let branches = if config.guidance_width().is_some() {
                1.0
            } else {
                2.0
            };
            let rows = branches * f64::from(at_once);
            let architecture = config.architecture()?;
            denoiser_most = rows * denoiser_working(&architecture, latent)
                + beside.working(&architecture, latent, rows);
        }
        working = working.max(stage_working).max(denoiser_most);
        if let Ok(config) = self.layout_encoder_config() {
            weights += config.parameter_count()?;
        }
        if let Ok(config) = self.class_encoder_config() {
            weights += config.parameter_count()?;
        }
        if let Ok(config) = self.semantic_encoder_config() {
            weights += config.parameter_count()?;
            // The map, cell by cell: what each class has of it, and what that makes.
            let places = size_px.map(|side| (side as usize).div_ceil(factor) * config.cells);
            let cells = (places[0] * places[1]) as f64;
            working = working.max(cells * (config.classes + 2 * config.width) as f64);
        }
        if is_in_parts {
            // What is told of the whole in both branches, and the planes of the picture.
            let channels = self.unet_config().map_or(0, |config| config.in_channels);
            let places = pixels / (factor * factor) as f64;
            let whole = 2.0 * channels as f64 * places + PICTURE_PLANES * pixels;
            working += whole;
            stage_working += whole;
            denoiser_most += whole;
        }
        let texts = self.text_bytes();
        let estimate = |weights_bytes: usize, working: f64| MemoryEstimate {
            weights_bytes: weights_bytes as u64,
            working_bytes: (working * NUMBER * SLACK) as u64,
        };
        if self.is_in_turn() {
            // The hungriest decides; what controls the picture is there until it is decoded.
            let controls = beside.control_numbers * self.held().bytes();
            // A guide keeps a first stage for its gradients, and has another one shown its
            // pictures in every step.
            let (kept, shown) = match beside.has_guide {
                true => (controls + stage, controls + 2 * stage),
                false => (controls, stage),
            };
            let turns = [
                estimate(kept + texts, 0.0),
                estimate(kept + denoiser, denoiser_most),
                estimate(shown, stage_working),
            ];
            let most = turns.into_iter().max_by_key(|turn| turn.total_bytes());
            return Ok(most.unwrap_or_default());
        }
        weights += beside.control_numbers;
        let others = weights * self.held().bytes() + self.original_bytes();
        Ok(estimate(stage + denoiser + texts + others, working))
    }
}

impl UNet2dConfig {
    /// Memory for training the denoiser on latents of so many places (width,
    /// height), so many at a time.
    ///
    /// # Errors
    /// If the configuration is not supported.
    pub fn training_memory(
        &self,
        latent: [usize; 2],
        batch: u32,
    ) -> Result<MemoryEstimate, ModelError> {
        let architecture = self.architecture()?;
        let kept = levels(&architecture, latent).map(|(level, places)| {
            let width = level.residuals() as f64 * RES_BLOCK_KEPT
                + level.transformers() as f64 * TRANSFORMER_KEPT;
            width * level.channels as f64 * places
        });
        let kept = kept.sum::<f64>() + middle_kept(&architecture, latent);
        Ok(trained(self.parameter_count()?, kept * f64::from(batch)))
    }
}

impl FirstStageConfig {
    /// Bytes that decoding takes for each place of the latents, about.
    pub(super) fn decoding_bytes_each(&self) -> f64 {
        const SIDE: usize = 64;
        let side_px = (SIDE * self.info().factor) as u32;
        let codec = self.kind().codec().ok().flatten();
        let numbers = codec.map_or(0.0, |codec| decoder_working(&codec, [side_px; 2]));
        numbers * NUMBER * SLACK / (SIDE * SIDE) as f64
    }

    /// Bytes that a gradient by latents takes for each of their places, about.
    pub(super) fn gradient_bytes_each(&self) -> f64 {
        const SIDE: usize = 64;
        let side_px = SIDE * self.info().factor;
        let codec = self.kind().codec().ok().flatten();
        let numbers = codec.map_or(0.0, |codec| decoder_kept(&codec, [side_px; 2]));
        numbers * NUMBER / (SIDE * SIDE) as f64
    }

    /// Memory for training the autoencoder on pictures of so many pixels (width,
    /// height), so many at a time, without the networks that judge it.
    ///
    /// # Errors
    /// If the configuration is not supported.
    pub fn training_memory(
        &self,
        size_px: [u32; 2],
        batch: u32,
    ) -> Result<MemoryEstimate, ModelError> {
        let kept = match self.kind().codec()? {
            Some(codec) => codec_kept(&codec, size_px.map(|side| side as usize)),
            None => 0.0,
        };
        Ok(trained(self.parameter_count()?, kept * f64::from(batch)))
    }
}

/// Numbers that training keeps of encoder and decoder for a picture.
fn codec_kept(codec: &Codec, size: [usize; 2]) -> f64 {
    let layers = codec.layers as f64;
    let levels = codec.levels.iter().enumerate();
    let mut kept: f64 = levels
        .map(|(index, level)| {
            // The encoder's, and one more in the decoder.
            let attended = f64::from(u8::from(level.attends_down || level.attends_up));
            let width = (2.0 * layers + 1.0) * (RES_BLOCK_KEPT + attended * TRANSFORMER_KEPT);
            width * level.channels as f64 * places(size, index)
        })
        .sum();
    if let Some((lowest, level)) = codec.levels.iter().enumerate().next_back() {
        let width = 4.0 * RES_BLOCK_KEPT + TRANSFORMER_KEPT;
        kept += width * level.channels as f64 * places(size, lowest);
    }
    kept
}

/// Numbers that a gradient keeps of a decoder for a picture.
fn decoder_kept(codec: &Codec, size: [usize; 2]) -> f64 {
    let levels = codec.levels.iter().enumerate();
    let kept = levels.map(|(index, level)| {
        let attended = f64::from(u8::from(level.attends_up));
        let width = (codec.layers + 1) as f64 * (RES_BLOCK_KEPT + attended * TRANSFORMER_KEPT);
        width * level.channels as f64 * places(size, index)
    });
    kept.sum()
}

fn trained(weights: usize, kept: f64) -> MemoryEstimate {
    MemoryEstimate {
        weights_bytes: (weights as f64 * NUMBER * TRAINED_COPIES) as u64,
        working_bytes: (kept * NUMBER) as u64,
    }
}

/// Places of a level, whose sides were halved so often.
fn places([width, height]: [usize; 2], halvings: usize) -> f64 {
    let halved = |side: usize| (side as f64 / f64::from(1_u32 << halvings)).ceil();
    halved(width) * halved(height)
}

fn levels(
    architecture: &Architecture,
    latent: [usize; 2],
) -> impl Iterator<Item = (&super::Level, f64)> {
    let levels = architecture.levels.iter().enumerate();
    levels.map(move |(index, level)| (level, places(latent, index)))
}

fn middle_kept(architecture: &Architecture, latent: [usize; 2]) -> f64 {
    levels(architecture, latent)
        .last()
        .map_or(0.0, |(level, places)| {
            let middle = architecture.middle;
            let width =
                middle.layers() as f64 * RES_BLOCK_KEPT + middle.depth() as f64 * TRANSFORMER_KEPT;
            width * level.channels as f64 * places
        })
}

/// Numbers that the way up needs of the way down, for each row.
fn skips(architecture: &Architecture, latent: [usize; 2]) -> f64 {
    levels(architecture, latent)
        .map(|(level, places)| (level.layers + 1) as f64 * level.channels as f64 * places)
        .sum()
}

/// Numbers that a pass through the denoiser holds at most, for each row.
fn denoiser_working(architecture: &Architecture, latent: [usize; 2]) -> f64 {
    let skips = skips(architecture, latent);
    let widest = levels(architecture, latent).map(|(level, places)| {
        let width = if level.attends() {
            TRANSFORMER_WIDTH
        } else {
            RES_BLOCK_WIDTH
        };
        width * level.channels as f64 * places
    });
    skips + widest.fold(0.0, f64::max)
}

/// Numbers that a decoder holds at most for a picture: where it doubles the sides,
/// the channels of the level below stand at the size of the one above.
fn decoder_working(codec: &Codec, size_px: [u32; 2]) -> f64 {
    let size = size_px.map(|side| side as usize);
    let channels = |level: usize| codec.levels[level.min(codec.levels.len() - 1)].channels;
    let levels = (0..codec.levels.len()).map(|level| {
        let widest = channels(level).max(channels(level + 1));
        2.25 * widest as f64 * places(size, level)
    });
    levels.fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AutoencoderKlConfig, PerLevel};

    const MB: f64 = 1e6;

    fn is_within_a_third(estimate: u64, measured_mb: f64) {
        let estimate = estimate as f64 / MB;
        let ratio = estimate / measured_mb;
        assert!(
            (0.75..1.34).contains(&ratio),
            "{estimate} MB for {measured_mb} MB"
        );
    }

    fn stable_diffusion() -> UNet2dConfig {
        UNet2dConfig {
            cross_attention_dim: 768,
            ..Default::default()
        }
    }

    /// The measured figures are those of `docs/performance.md`, less the weights
    /// where they were measured with them.
    #[test]
    fn estimates_are_near_what_was_measured() {
        let denoiser = denoiser_working(&stable_diffusion().architecture().unwrap(), [64, 64]);
        is_within_a_third((2.0 * denoiser * NUMBER) as u64, 3646.0 - 3438.0);
        let decoder = AutoencoderKlConfig {
            block_out_channels: vec![128, 256, 512, 512],
            down_block_types: vec!["DownEncoderBlock2D".into(); 4],
            up_block_types: vec!["UpDecoderBlock2D".into(); 4],
            ..Default::default()
        };
        let decoder = decoder_working(&decoder.codec().unwrap(), [512, 512]);
        is_within_a_third((decoder * NUMBER) as u64, 936.0 - 335.0);
        // The training figures are of Storybook's first edition, which was smaller.
        let storybook = ModelFolder::open("assets/models/storybook").unwrap();
        let unet = UNet2dConfig {
            in_channels: 17,
            out_channels: 8,
            block_out_channels: vec![64, 128, 128],
            attention_head_dim: PerLevel::Each(vec![2, 4, 4]),
            cross_attention_dim: 128,
            ..storybook.unet_config().unwrap().clone()
        };
        let training = unet.training_memory([16, 16], 32).unwrap();
        is_within_a_third(training.total_bytes(), 264.0);
        let autoencoder = AutoencoderKlConfig {
            block_out_channels: vec![24, 48, 96],
            down_block_types: vec!["DownEncoderBlock2D".into(); 3],
            up_block_types: vec!["UpDecoderBlock2D".into(); 3],
            latent_channels: 8,
            norm_num_groups: 8,
            ..Default::default()
        };
        let autoencoder = FirstStageConfig::Kl(autoencoder);
        let training = autoencoder.training_memory([64, 64], 8).unwrap();
        is_within_a_third(training.total_bytes(), 177.0);
        let painting = storybook.painting_memory([128, 128], 1).unwrap();
        assert!(painting.total_bytes() < 117_000_000, "{painting:?}");
    }

    /// 1024² with all weights in f32: the decoder alone would take 3 GB at once.
    #[test]
    fn large_pictures_have_room_in_six_gigabytes_if_they_are_decoded_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |part: &str, config: serde_json::Value| {
            let part = folder.path().join(part);
            std::fs::create_dir(&part).unwrap();
            std::fs::write(part.join("config.json"), config.to_string()).unwrap();
        };
        put("unet", serde_json::json!({ "cross_attention_dim": 768 }));
        put(
            "vae",
            serde_json::json!({
                "_class_name": "AutoencoderKL",
                "block_out_channels": [128, 256, 512, 512],
                "down_block_types": vec!["DownEncoderBlock2D"; 4],
                "up_block_types": vec!["UpDecoderBlock2D"; 4],
                "latent_channels": 4,
                "layers_per_block": 2,
            }),
        );
        put("text_encoder", serde_json::json!({ "hidden_size": 768 }));
        let model = ModelFolder::open(folder.path()).unwrap();
        let whole = model.painting_memory([1024, 1024], 1).unwrap();
        let in_parts = model.painting_memory_in_parts([1024, 1024]).unwrap();
        assert!(whole.total_bytes() > 6_000_000_000, "{whole:?}");
        assert!(in_parts.total_bytes() < 5_600_000_000, "{in_parts:?}");
        let small = [64, 64];
        assert_eq!(
            model.painting_memory_in_parts(small).unwrap().weights_bytes,
            in_parts.weights_bytes
        );
    }

    #[test]
    fn what_is_beside_the_words_is_counted() {
        let architecture = stable_diffusion().architecture().unwrap();
        let of = |beside: &Beside| beside.working(&architecture, [64, 64], 2.0);
        assert!(of(&Beside::default()) < 1.0);
        let controlled = |controls| {
            let beside = Beside {
                controls,
                ..Beside::default()
            };
            of(&beside)
        };
        // What is added to the skip connections in both branches is more than what is seen.
        assert!(controlled(1) > 4.0 * 320.0 * 64.0 * 64.0);
        let seen = controlled(2) - controlled(1);
        assert!((seen - 320.0 * 64.0 * 64.0).abs() < 1.0, "{seen}");
        let regional = |regions| {
            let beside = Beside {
                regions,
                ..Beside::default()
            };
            of(&beside)
        };
        // Each has its shares of all places, twice and at all levels, and its words.
        let each = regional(12) - regional(11);
        let wanted = 2.0 * SHARES_OF_LEVELS * 64.0 * 64.0 + 77.0 * 768.0;
        assert!((each - wanted).abs() < 1.0, "{each}");
        assert!(regional(1) > each);
        let model = ModelFolder::open("tests/data/reference/sd1-tiny").unwrap();
        let plain = model.painting_memory([64, 64], 1).unwrap();
        let beside = Beside {
            controls: 2,
            control_numbers: 1_000_000,
            regions: 3,
            has_guide: false,
        };
        let more = model.painting_memory_beside([64, 64], None, false, &beside);
        let more = more.unwrap();
        assert_eq!(more.weights_bytes, plain.weights_bytes + 4_000_000);
        assert!(more.working_bytes >= plain.working_bytes);
        // In turn no two of them are there.
        let in_turn = model.clone().in_turn();
        let turn = in_turn.painting_memory([64, 64], 1).unwrap();
        assert!(turn.weights_bytes < plain.weights_bytes);
        // But a guide keeps the first stage in every turn.
        let guided = Beside {
            has_guide: true,
            ..Beside::default()
        };
        let guided = in_turn.painting_memory_beside([64, 64], None, false, &guided);
        let stage = model.first_stage_config().unwrap().parameter_count();
        let stage_bytes = (stage.unwrap() * model.held().bytes()) as u64;
        let guided = guided.unwrap().total_bytes();
        assert!(guided >= turn.total_bytes() + stage_bytes, "{guided}");
    }

    #[test]
    fn what_cannot_be_is_told_as_very_much() {
        let huge = stable_diffusion().training_memory([1 << 20, 1 << 20], u32::MAX);
        assert_eq!(huge.unwrap().working_bytes, u64::MAX);
        let storybook = ModelFolder::open("assets/models/storybook").unwrap();
        let large = storybook.painting_memory([8192, 8192], 1).unwrap();
        let small = storybook.painting_memory([64, 64], 1).unwrap();
        assert_eq!(large.weights_bytes, small.weights_bytes);
        let ratio = large.working_bytes as f64 / small.working_bytes as f64;
        assert!((ratio - 16_384.0).abs() < 100.0, "{ratio}");
        assert_eq!(
            small.total_bytes(),
            small.weights_bytes + small.working_bytes
        );
    }
}
