//! The networks of all conditioners of a model, and the conditioners made of them.

use std::panic::resume_unwind;
use std::thread;

use burn::tensor::Device;

use super::Conditioner;
use super::bert_text::BertText;
use super::box_tokens::{BoxGrammar, BoxTokens};
use super::class::{ClassEncoder, ClassLabel};
use super::clip_pair::{ClipPair, SizeWaves, TextEncoder};
use super::clip_text::ClipText;
use super::inpaint::InpaintMask;
use super::layout::{BoxLayout, BoxNames, LayoutEncoder};
use super::low_resolution::SmallPicture;
use super::rescaled_map::{RescaledMap, Rescaler};
use super::semantic::{LabelMap, SemanticEncoder};
use super::token_transformer::TokenEncoder;
use crate::model::{ClipTextModel, ClipTokenizer, ModelError, ModelFolder, WordPieceTokenizer};
use crate::recipe::InputSpec;

/// What conditioners learn: read out of a model, or in training.
#[derive(Debug, Default)]
pub struct Encoders {
    /// For words.
    pub text: Option<(ClipTokenizer, ClipTextModel)>,
    /// For words beside them or alone, and how their denoiser is told of sizes.
    pub second_text: Option<(TextEncoder, SizeWaves)>,
    /// For boxes.
    pub layout: Option<LayoutEncoder>,
    /// For label maps.
    pub semantic: Option<SemanticEncoder>,
    /// For classes; `None` too where the denoiser has their embeddings.
    pub class: Option<ClassEncoder>,
    /// Of a model of the paper's code, which has none of the others.
    pub original: Option<OriginalEncoder>,
}

/// What tells the denoiser in models of the paper's code.
#[derive(Debug)]
pub enum OriginalEncoder {
    /// Words.
    Words(WordPieceTokenizer, TokenEncoder),
    /// Boxes.
    Boxes(BoxGrammar, TokenEncoder),
    /// Label maps.
    Map(Rescaler),
}

impl OriginalEncoder {
    /// Whether it is for something that can be asked for.
    fn tells(&self, input: &InputSpec) -> bool {
        matches!(
            (self, input),
            (Self::Words(..), InputSpec::Text { .. })
                | (Self::Boxes(..), InputSpec::Layout { .. })
                | (Self::Map(_), InputSpec::Semantic { .. })
        )
    }

    /// The conditioner for what it is for.
    fn conditioner(self, input: &InputSpec) -> Option<Box<dyn Conditioner>> {
        Some(match (self, input) {
            (Self::Words(tokenizer, network), _) => Box::new(BertText::new(tokenizer, network)),
            (
                Self::Boxes(grammar, network),
                InputSpec::Layout {
                    classes, colours, ..
                },
            ) => {
                let names = BoxNames::new(classes.clone(), colours.clone());
                Box::new(BoxTokens::new(names, grammar, network))
            }
            (Self::Map(network), InputSpec::Semantic { classes }) => {
                Box::new(RescaledMap::new(classes.clone(), network))
            }
            _ => return None,
        })
    }
}

impl Encoders {
    /// Reads those that the model needs for what it can be asked for.
    ///
    /// # Errors
    /// If one is missing or damaged.
    pub fn load(folder: &ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let (encoders, ()) = Self::load_beside(folder, device, || Ok(()))?;
        Ok(encoders)
    }

    /// The same after something else, beside which tokens are read: that keeps one thread
    /// busy, and needs nothing of the device.
    ///
    /// # Errors
    /// As [`Self::load`], or if `work` fails, which is told first.
    pub fn load_beside<R>(
        folder: &ModelFolder,
        device: &Device,
        work: impl FnOnce() -> Result<R, ModelError>,
    ) -> Result<(Self, R), ModelError> {
        thread::scope(|scope| {
            let begin = || {
                let thread = thread::Builder::new().name("tokens".to_owned());
                thread.spawn_scoped(scope, || folder.tokenizer()).ok()
            };
            let has_words = folder.text_encoder_config().is_ok();
            let mut begun = has_words.then(begin).flatten();
            let mut tokenizer = || match begun.take() {
                Some(read) => read.join().unwrap_or_else(|panic| resume_unwind(panic)),
                None => folder.tokenizer(),
            };
            let done = work()?;
            let encoders = Self::read(folder, device, &mut tokenizer)?;
            Ok((encoders, done))
        })
    }

    fn read(
        folder: &ModelFolder,
        device: &Device,
        tokenizer: &mut dyn FnMut() -> Result<ClipTokenizer, ModelError>,
    ) -> Result<Self, ModelError> {
        let mut encoders = Self {
            original: folder.load_original_encoder(device)?,
            ..Self::default()
        };
        if encoders.original.is_some() {
            return Ok(encoders);
        }
        for input in &folder.manifest().inputs {
            match input {
                InputSpec::Text { .. } => {
                    encoders.second_text = folder.load_second_text_encoder(device)?;
                    // A refiner has the second alone.
                    if encoders.second_text.is_none() || folder.text_encoder_config().is_ok() {
                        let network = folder.load_text_encoder(device)?;
                        encoders.text = Some((tokenizer()?, network));
                    }
                }
                InputSpec::Layout { .. } => {
                    encoders.layout = Some(folder.load_layout_encoder(device)?);
                }
                InputSpec::Semantic { .. } => {
                    encoders.semantic = Some(folder.load_semantic_encoder(device)?);
                }
                InputSpec::Class { .. } => {
                    encoders.class = folder.load_class_encoder(device)?;
                }
                InputSpec::Mask { .. }
                | InputSpec::LowResolution { .. }
                | InputSpec::Phrases { .. } => {}
            }
        }
        Ok(encoders)
    }

    /// Those for words with their sizes and without weights, which are drawn should anybody
    /// ask them.
    ///
    /// # Errors
    /// If one cannot be built, or its words cannot be read.
    pub fn unread(folder: &ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let first = folder.text_encoder_config().ok();
        let first = first.map(|config| {
            let network = config.init(device)?;
            Ok::<_, ModelError>((folder.tokenizer()?, network))
        });
        Ok(Self {
            text: first.transpose()?,
            second_text: folder.unread_second_text_encoder(device)?,
            ..Self::default()
        })
    }

    /// The conditioners for what can be asked for, in its order; without those whose
    /// networks are not there.
    pub fn conditioners(mut self, inputs: &[InputSpec]) -> Vec<Box<dyn Conditioner>> {
        let conditioner = |input: &InputSpec| -> Option<Box<dyn Conditioner>> {
            if self.original.as_ref().is_some_and(|it| it.tells(input)) {
                return self.original.take()?.conditioner(input);
            }
            Some(match input {
                InputSpec::Text { .. } => {
                    let first = self.text.take();
                    if let Some((second, sizes)) = self.second_text.take() {
                        let first =
                            first.map(|(tokenizer, network)| TextEncoder { tokenizer, network });
                        return Some(Box::new(ClipPair::new(first, second, sizes)));
                    }
                    let (tokenizer, network) = first?;
                    Box::new(ClipText::new(tokenizer, network))
                }
                InputSpec::Mask { convention } => Box::new(InpaintMask::new(*convention)),
                InputSpec::Layout {
                    classes, colours, ..
                } => {
                    let names = BoxNames::new(classes.clone(), colours.clone());
                    Box::new(BoxLayout::new(names, self.layout.take()?))
                }
                InputSpec::Semantic { classes } => {
                    Box::new(LabelMap::new(classes.clone(), self.semantic.take()?))
                }
                InputSpec::LowResolution {
                    factor, is_needed, ..
                } => Box::new(SmallPicture::new(*factor as usize, *is_needed)),
                // The denoiser has the network, and the words are read by that for text.
                InputSpec::Phrases { .. } => return None,
                InputSpec::Class { classes, empty } => {
                    let last = classes.len().saturating_sub(1);
                    let empty = empty.map_or(last, |empty| empty as usize);
                    Box::new(ClassLabel::new(empty, self.class.take()))
                }
            })
        };
        inputs.iter().filter_map(conditioner).collect()
    }
}
