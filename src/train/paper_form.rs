//! Models of the paper's own code that are trained further as they are: words by BERT's
//! tokens, boxes as tokens of one vocabulary, label maps made small. Their encoders learn
//! along where the YAML file says so, as there (`cond_stage_trainable`), and what comes of
//! it is such a model again.

use std::path::Path;
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde_json::{Value, json};

use super::TrainError;
use crate::model::conditioner::OriginalEncoder;
use crate::model::conditioner::box_tokens::BoxGrammar;
use crate::model::conditioner::layout::NumberedBox;
use crate::model::conditioner::rescaled_map::Rescaler;
use crate::model::conditioner::semantic::class_shares;
use crate::model::conditioner::token_transformer::TokenEncoder;
use crate::model::{ModelFolder, OriginalNetwork, UNet2d, WordPieceTokenizer};
use crate::nn;
use crate::recipe::palette::NOTHING;

/// The whole picture: left, top, width and height.
pub(super) const WHOLE: [f32; 4] = [0.0, 0.0, 1.0, 1.0];

/// What such a model is told by.
#[derive(Clone, Debug)]
pub(super) enum Reads {
    /// Words, as tokens.
    Words(Arc<WordPieceTokenizer>),
    /// Boxes, as tokens.
    Boxes(BoxGrammar),
    /// Label maps.
    Map,
}

/// The network of one kind.
#[derive(Module, Debug)]
pub(super) struct PaperEncoder {
    tokens: Option<TokenEncoder>,
    rescaler: Option<Rescaler>,
}

/// A model of the paper's code that learns on.
pub(super) struct PaperForm {
    pub reads: Reads,
    /// Where it comes from.
    folder: ModelFolder,
    /// Its network where that stays as it is.
    frozen: Option<PaperEncoder>,
    /// The names of all classes of boxes by their numbers, where it learns new ones.
    classes: Option<Vec<String>>,
}

impl PaperForm {
    /// The form of a model with such an encoder, and its network if that learns along.
    pub fn new(
        folder: &ModelFolder,
        encoder: OriginalEncoder,
    ) -> Result<(Self, Option<PaperEncoder>), TrainError> {
        folder.check_further()?;
        let (reads, network) = match encoder {
            OriginalEncoder::Words(tokenizer, network) => {
                (Reads::Words(Arc::new(tokenizer)), (Some(network), None))
            }
            OriginalEncoder::Boxes(grammar, network) => {
                (Reads::Boxes(grammar), (Some(network), None))
            }
            OriginalEncoder::Map(network) => (Reads::Map, (None, Some(network))),
        };
        let (tokens, rescaler) = network;
        let network = PaperEncoder { tokens, rescaler };
        let (trained, frozen) = match folder.learns_to_be_told() {
            true => (Some(network), None),
            false => (None, Some(network.valid())),
        };
        let form = Self {
            reads,
            folder: folder.clone(),
            frozen,
            classes: None,
        };
        Ok((form, trained))
    }

    /// How many classes of boxes it has tokens for.
    pub fn most_box_classes(&self) -> Option<usize> {
        match &self.reads {
            Reads::Boxes(grammar) => Some(grammar.max_classes()),
            Reads::Words(_) | Reads::Map => None,
        }
    }

    /// Learns classes of boxes beside those that it has names for: all, by their numbers.
    pub fn learn_classes(&mut self, all: Vec<String>) {
        self.classes = Some(all);
    }

    /// What makes a run the same that goes on.
    pub fn identity(&self, trained: Option<&PaperEncoder>) -> Value {
        let network = trained.or(self.frozen.as_ref());
        let mut identity = json!({
            "parameters": network.map(nn::parameter_count),
            "is_trained": trained.is_some(),
        });
        // Absent in checkpoints of models that learn none.
        if let Some(classes) = &self.classes {
            identity["classes"] = json!(classes);
        }
        identity
    }

    /// What makes what is told of tokens; without gradients where it does not learn.
    ///
    /// # Shapes
    /// `[pictures, tokens, width]`.
    pub fn states(
        &self,
        trained: Option<&PaperEncoder>,
        tokens: Vec<i32>,
        device: &Device,
    ) -> Option<Tensor<3>> {
        if let Some(trained) = trained {
            return Some(trained.tokens.as_ref()?.states(tokens, device));
        }
        let network = self.frozen.as_ref()?.tokens.as_ref()?;
        let states = network.states(tokens, &device.clone().inner());
        Some(match device.is_autodiff() {
            true => Tensor::from_inner(states),
            false => states,
        })
    }

    /// The channels of label maps in the model's own numbers, each for `side` pixels of a
    /// latent; zeros for none.
    ///
    /// # Shapes
    /// `[pictures, channels, rows, columns]`.
    pub fn map_channels(
        &self,
        trained: Option<&PaperEncoder>,
        maps: &[Option<image::GrayImage>],
        side: usize,
        [columns, rows]: [usize; 2],
        device: &Device,
    ) -> Option<Tensor<4>> {
        let plain = device.clone().inner();
        let (network, at) = match trained {
            Some(trained) => (trained, device),
            None => (self.frozen.as_ref()?, &plain),
        };
        let network = network.rescaler.as_ref()?;
        let number = |value: u8| (value != NOTHING).then_some(usize::from(value));
        let channels = maps.iter().map(|map| match map {
            Some(map) => {
                let shares = class_shares(map, number, [columns, rows], side);
                network.channels(shares, [columns, rows], at)
            }
            None => Tensor::zeros([1, network.outputs(), rows, columns], at),
        });
        let channels = Tensor::cat(channels.collect(), 0);
        Some(match trained.is_none() && device.is_autodiff() {
            true => Tensor::from_inner(channels),
            false => channels,
        })
    }

    /// The tokens of boxes of pictures, each of which shows a part of a whole one.
    pub fn box_tokens(
        grammar: BoxGrammar,
        boxes: &[Vec<NumberedBox>],
        parts: &[[f32; 4]],
    ) -> Vec<i32> {
        let pictures = boxes.iter().zip(parts);
        let tokens = pictures.map(|(boxes, part)| {
            let boxes = boxes.iter().map(|it| {
                let [x0, y0, x1, y1] = it.corners.map(f64::from);
                (it.class, [x0, y0, x1 - x0, y1 - y0])
            });
            grammar.tokens_in(&boxes.collect::<Vec<_>>(), part.map(f64::from))
        });
        tokens.flatten().collect()
    }

    /// The encoder of a model that paints.
    pub fn encoder(&self, trained: Option<PaperEncoder>) -> Option<OriginalEncoder> {
        let network = trained.or_else(|| self.frozen.clone())?;
        Some(match &self.reads {
            Reads::Words(tokenizer) => {
                OriginalEncoder::Words(tokenizer.as_ref().clone(), network.tokens?)
            }
            Reads::Boxes(grammar) => OriginalEncoder::Boxes(*grammar, network.tokens?),
            Reads::Map => OriginalEncoder::Map(network.rescaler?),
        })
    }

    /// Writes the model of now, in the form that it came in.
    pub fn export(
        &self,
        place: &Path,
        unet: &UNet2d,
        trained: Option<&PaperEncoder>,
    ) -> Result<(), TrainError> {
        let network = trained.or(self.frozen.as_ref());
        let network = network.and_then(|network| match (&network.tokens, &network.rescaler) {
            (Some(tokens), _) => Some(OriginalNetwork::Tokens(tokens)),
            (None, rescaler) => rescaler.as_ref().map(OriginalNetwork::Map),
        });
        let network = network.ok_or_else(|| TrainError::device("the encoder is not there"))?;
        let classes = self.classes.as_deref();
        self.folder.save_further(place, unet, network, classes)?;
        Ok(())
    }
}
