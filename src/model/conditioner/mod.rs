//! What a denoiser is told besides the noisy latents.
//!
//! A model can be asked for several things, each by a [`Conditioner`] of its own,
//! in a file of its own: [`clip_text`] and [`clip_pair`] for words, [`inpaint`] for a picture and
//! the part of it that is to be painted anew, [`layout`] for boxes, [`semantic`]
//! for label maps, [`low_resolution`] for a small picture, [`class`] for a class. Models of the paper's code
//! are told some of this in another way: [`bert_text`], [`box_tokens`],
//! [`rescaled_map`]. Words act in parts of the picture by [`regions`], and boxes on
//! models of GLIGEN by [`grounding`]: both ask the conditioner that reads words. Painting, training and
//! sample sheets use the same ones, made of their networks by [`Encoders`]. A
//! further one is a file here, its lines in [`groups`] and in [`Encoders`], and what
//! can be asked: a variant of [`InputSpec`] and of [`Asked`].

pub mod bert_text;
pub mod box_tokens;
pub mod class;
pub mod clip_pair;
pub mod clip_text;
mod encoders;
pub mod grounding;
pub mod inpaint;
pub mod layout;
pub mod low_resolution;
mod mask_planes;
pub mod regions;
pub mod rescaled_map;
pub mod semantic;
mod text_reader;
pub mod token_transformer;
mod told;
mod unread;
mod words;

use std::fmt::Debug;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};

pub use encoders::{Encoders, OriginalEncoder};
pub use mask_planes::MaskPlanes;
pub use regions::{Place, Region, Regional};
pub use text_reader::{Chunk, TextReader, TokenCount};
pub use told::Conditioning;
pub use words::LearnedWord;

use super::{ClipTextModel, FirstStage, LatentInfo, ModelError};
use crate::recipe::prompt::TextReading;
use crate::recipe::{InputSpec, LayoutBox, SemanticInput};

/// The name of the group of channels that holds the latents themselves.
pub const LATENT: &str = "latent";

/// The names of the groups of channels that the conditioner gives for something that
/// can be asked for.
pub fn groups(spec: &InputSpec) -> &'static [&'static str] {
    match spec {
        InputSpec::Text { .. } | InputSpec::Class { .. } | InputSpec::Phrases { .. } => &[],
        InputSpec::Mask { .. } => &[inpaint::MASK, inpaint::MASKED_IMAGE],
        InputSpec::Layout { .. } => &[layout::BOXES],
        InputSpec::Semantic { .. } => &[semantic::LABEL_MAP],
        InputSpec::LowResolution { .. } => &[low_resolution::LOW_RESOLUTION],
    }
}

/// Something asked for.
#[derive(Debug)]
pub enum Asked<'a> {
    /// A description in words.
    Text {
        /// What is wanted.
        prompt: &'a str,
        /// What to steer away from, where there is guidance: the other branch.
        negative: Option<&'a str>,
        /// How both are read.
        reading: TextReading,
    },
    /// A part of a picture, painted anew.
    Mask {
        /// The picture.
        ///
        /// # Shapes
        /// `[1, 3, height, width]`.
        picture: &'a Tensor<4>,
        /// Which part.
        mask: &'a MaskPlanes,
    },
    /// Where what is to appear.
    Layout {
        /// The boxes, in pixels.
        boxes: &'a [LayoutBox],
        /// How strongly they act, from 0 to 1.
        weight: f32,
        /// What attention adds to the logits of a box at its own places, and takes from
        /// them elsewhere.
        bias: f32,
        /// Whether there is guidance: then the other branch sees no box.
        is_guided: bool,
    },
    /// Where what is to appear, in any words.
    Phrases {
        /// The boxes, in pixels.
        boxes: &'a [LayoutBox],
        /// How strongly they act, from 0 to 1.
        weight: f32,
        /// Whether there is guidance: then the other branch sees no box.
        is_guided: bool,
    },
    /// Words that act in parts of the picture.
    Regions {
        /// The words, and where they act.
        regions: &'a [Region],
        /// How they are read.
        reading: TextReading,
    },
    /// What every pixel is to be.
    Semantic {
        /// The map, at the size of the picture or smaller by less than a latent.
        input: &'a SemanticInput,
        /// How strongly it acts, from 0 to 1.
        weight: f32,
        /// Whether there is guidance: then the other branch sees no map.
        is_guided: bool,
    },
    /// The whole picture in small.
    LowResolution {
        /// # Shapes
        /// `[1, 3, height / factor, width / factor]`.
        picture: &'a Tensor<4>,
    },
    /// A class.
    Class {
        /// Its number.
        class: u32,
        /// Whether there is guidance: then the other branch sees that for none.
        is_guided: bool,
    },
}

impl<'a> Asked<'a> {
    /// What is wanted in words, what to steer away from, and how both are read.
    fn text(&self) -> Option<(&'a str, Option<&'a str>, TextReading)> {
        match *self {
            Self::Text {
                prompt,
                negative,
                reading,
            } => Some((prompt, negative, reading)),
            _ => None,
        }
    }
}

/// What a conditioner may need of the run.
pub struct Bench<'a> {
    /// Makes latents of pictures.
    pub first_stage: &'a dyn FirstStage,
    /// Width and height in pixels, multiples of the first stage's factor.
    pub size_px: [usize; 2],
    /// Normal numbers of a shape, in the order of the run.
    pub noise: &'a mut dyn FnMut([usize; 4]) -> Tensor<4>,
    /// Where everything lies.
    pub device: &'a Device,
}

impl Bench<'_> {
    /// Columns and rows of the latents.
    pub fn latent_size(&self) -> [usize; 2] {
        let factor = self.first_stage.info().factor;
        self.size_px.map(|side| side / factor)
    }

    /// Groups of channels in which nothing is said.
    fn zeros(&self, groups: &[(&'static str, usize)]) -> Conditioning {
        let [columns, rows] = self.latent_size();
        let zeros = |(name, channels): &(&'static str, usize)| {
            let zeros = Tensor::zeros([1, *channels, rows, columns], self.device);
            (*name, zeros)
        };
        Conditioning {
            concat: groups.iter().map(zeros).collect(),
            ..Conditioning::default()
        }
    }
}

/// Turns what is asked for into what the denoiser is told.
pub trait Conditioner: Debug + Send + Sync {
    /// What the denoiser is told of something asked for; `None` where that is
    /// not this conditioner's matter.
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning>;

    /// What the denoiser is told where nothing was asked for.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning;

    /// The groups of channels that it gives, with their numbers.
    fn groups(&self, _latents: LatentInfo) -> Vec<(&'static str, usize)> {
        Vec::new()
    }

    /// What reads words, if it is told of them.
    fn reader(&self) -> Option<&TextReader> {
        None
    }

    /// What the denoiser is told of texts, one row each; `None` where it is told of no
    /// words by this one.
    fn words(
        &self,
        _texts: &[&str],
        _reading: TextReading,
        _bench: &Bench<'_>,
    ) -> Option<Conditioning> {
        None
    }

    /// What CLIP makes of each of some phrases as a whole; `None` where it is not asked.
    ///
    /// # Shapes
    /// `[phrases, width]`.
    fn phrases(&self, _phrases: &[&str], _device: &Device) -> Option<Tensor<2>> {
        None
    }

    /// Layers of the network that reads words, if there is one.
    fn text_layers(&self) -> Option<usize> {
        None
    }

    /// The text encoders that it asks, if they can be changed; the second is that of Stable
    /// Diffusion XL.
    fn text_encoders(&self) -> [Option<&ClipTextModel>; 2] {
        [None, None]
    }

    /// The same with other text encoders of the same sizes, to which words were taught;
    /// `None` where it asks none.
    fn with_texts(
        &self,
        _networks: [Option<ClipTextModel>; 2],
        _words: &[LearnedWord],
    ) -> Option<Result<Arc<dyn Conditioner>, ModelError>> {
        None
    }

    /// Number of weights.
    fn parameter_count(&self) -> usize {
        0
    }
}
