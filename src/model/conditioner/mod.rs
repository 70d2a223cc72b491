//! What a denoiser is told besides the noisy latents.
//!
//! A model can be asked for several things, each by a [`Conditioner`] of its own,
//! in a file of its own: [`clip_text`] for words, [`inpaint`] for a picture and
//! the part of it that is to be painted anew. Painting, training and sample
//! sheets use the same ones. A further one is a file here, its line in [`kind`],
//! and what can be asked: a variant of [`InputSpec`] and of [`Asked`].

pub mod clip_text;
pub mod inpaint;
mod mask_planes;
mod unread;

use std::fmt::Debug;

use burn::tensor::{Device, Tensor};

pub use mask_planes::MaskPlanes;

use super::{FirstStage, ModelError, ModelFolder};
use crate::recipe::InputSpec;

/// The name of the group of channels that holds the latents themselves.
pub const LATENT: &str = "latent";

/// A group of channels that a conditioner adds to the latents.
#[derive(Clone, Copy, Debug)]
pub struct ChannelGroup {
    /// Its name in `studio.json`.
    pub name: &'static str,
    /// Its number of channels, given those of a latent.
    pub channels: fn(usize) -> usize,
}

/// Opens a conditioner out of a model.
type Open = Box<dyn Fn(&ModelFolder, &Device) -> Result<Box<dyn Conditioner>, ModelError>>;

/// What is known of a conditioner before its weights are read.
pub struct ConditionerKind {
    /// The groups of channels that it gives.
    pub groups: &'static [ChannelGroup],
    /// Opens it.
    pub open: Open,
}

/// The conditioner for something that can be asked for.
pub fn kind(spec: &InputSpec) -> ConditionerKind {
    match spec {
        InputSpec::Text { .. } => clip_text::kind(),
        InputSpec::Mask { convention } => inpaint::kind(*convention),
        InputSpec::Layout { .. } => unknown("layout"),
        InputSpec::Semantic { .. } => unknown("semantic"),
        InputSpec::LowResolution { .. } => unknown("low_resolution"),
    }
}

/// What can be described but not yet told a denoiser.
fn unknown(kind: &'static str) -> ConditionerKind {
    ConditionerKind {
        groups: &[],
        open: Box::new(move |_, _| {
            Err(ModelError::Studio {
                key: "inputs",
                value: kind.to_owned(),
                supported: "this version opens models of text and masks only".to_owned(),
            })
        }),
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

/// Turns what is asked for into what the denoiser is told.
pub trait Conditioner: Debug + Send + Sync {
    /// What the denoiser is told of something asked for; `None` where that is
    /// not this conditioner's matter.
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning>;

    /// What the denoiser is told where nothing was asked for.
    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning;

    /// The end of a text that would not be read because it is too long.
    fn unread<'t>(&self, _text: &'t str) -> &'t str {
        ""
    }

    /// Number of weights.
    fn parameter_count(&self) -> usize {
        0
    }
}

/// What a denoiser is told. Rows are the branches of guidance: the one to steer
/// away from first.
#[derive(Clone, Debug, Default)]
pub struct Conditioning {
    /// What its attention looks at.
    ///
    /// # Shapes
    /// `[rows, tokens, width]`.
    pub context: Option<Tensor<3>>,
    /// Channels beside the latents by the names of their groups, the same for all rows.
    ///
    /// # Shapes
    /// Each `[1, channels, h, w]`.
    pub concat: Vec<(&'static str, Tensor<4>)>,
}

impl Conditioning {
    /// Both: the tokens of one after those of the other.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.context = match (self.context, other.context) {
            (Some(one), Some(other)) => Some(Tensor::cat(vec![one, other], 1)),
            (one, other) => one.or(other),
        };
        self.concat.extend(other.concat);
        self
    }

    /// Number of branches of guidance.
    pub fn rows(&self) -> usize {
        self.context.as_ref().map_or(1, |context| context.dims()[0])
    }

    /// The latents among the other channels, in the order of the manifest.
    ///
    /// # Shapes
    /// `[1, channels, h, w]` to `[1, in_channels, h, w]`.
    pub fn around(&self, latents: &Tensor<4>, order: &[String]) -> Tensor<4> {
        let groups = order.iter().filter_map(|name| {
            if name == LATENT {
                return Some(latents.clone());
            }
            let mut concat = self.concat.iter();
            let group = concat.find(|(known, _)| known == name);
            group.map(|(_, channels)| channels.clone())
        });
        Tensor::cat(groups.collect(), 1)
    }
}
