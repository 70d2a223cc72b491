//! What the denoisers of the paper's models are told besides classes, and the networks
//! for it in a checkpoint.

use std::path::Path;

use burn::tensor::Device;

use super::single::{Pieces, unclear};
use super::{CLASS_NAMES, ModelFolder, TEXT, bert};
use crate::model::conditioner::OriginalEncoder;
use crate::model::conditioner::box_tokens::BoxGrammar;
use crate::model::conditioner::inpaint::{MASK, MASKED_IMAGE};
use crate::model::conditioner::low_resolution::LOW_RESOLUTION;
use crate::model::conditioner::rescaled_map::Rescaler;
use crate::model::conditioner::semantic::LABEL_MAP;
use crate::model::conditioner::token_transformer::TokenEncoder;
use crate::model::json::read_text;
use crate::model::paper::{Joined, OriginalConditioner, TokenTransformer};
use crate::model::weights::{self, WeightSource, names};
use crate::model::{LatentInfo, ModelError};
use crate::recipe::palette::NOTHING;
use crate::recipe::{InputSpec, MaskConvention, Palette, PaletteClass};

/// The part of a checkpoint that holds the network.
pub(super) const PART: &str = "cond_stage_model";
/// The file beside a checkpoint that holds BERT's vocabulary.
pub(super) const VOCABULARY: &str = "vocab.txt";
/// The classes of the released model that paints boxes, by number.
const OPEN_IMAGES: &str = include_str!("../../../assets/palettes/open-images.txt");
/// Its vocabulary and its tokens.
const OPEN_IMAGES_SIZES: (usize, usize) = (8192, 92);
/// The classes of the released models that paint label maps, whose numbers are one less.
const COCO_STUFF: &str = include_str!("../../../assets/palettes/coco-stuff.json");
/// How many these are, those without a name included.
const COCO_STUFF_COUNT: usize = 182;
/// Classes of boxes that are offered where nothing names them.
const MOST_NUMBERED: usize = 1000;

/// What can be asked of a model, and the groups of channels that its denoiser is given.
type Asking = (Vec<InputSpec>, Vec<&'static str>);

/// What can be asked of a model with such a conditioner, and the groups of channels that
/// it gives, in the order of the denoiser; `None` for what is not known here.
///
/// # Errors
/// If its sizes cannot be, or the file that names its classes does not fit.
pub(super) fn inputs(
    path: &Path,
    conditioner: &OriginalConditioner,
    joined: Joined,
    latents: LatentInfo,
) -> Result<Option<Asking>, ModelError> {
    Ok(Some(match (conditioner, joined) {
        (OriginalConditioner::Tokens(tokens), Joined::Attended | Joined::Hybrid)
            if tokens.reads_words =>
        {
            let max_tokens = u32::try_from(tokens.length).unwrap_or(u32::MAX);
            let text = InputSpec::Text { max_tokens };
            if joined == Joined::Attended {
                return Ok(Some((vec![text], Vec::new())));
            }
            let convention = MaskConvention::OneIsRepainted;
            let mask = InputSpec::Mask { convention };
            (vec![text, mask], vec![MASK, MASKED_IMAGE])
        }
        (OriginalConditioner::Tokens(tokens), Joined::Attended) => {
            (vec![layout(path, *tokens)?], Vec::new())
        }
        (OriginalConditioner::Rescaler { inputs, .. }, Joined::Concatenated) => {
            (vec![semantic(path, *inputs)?], vec![LABEL_MAP])
        }
        (OriginalConditioner::Picture, Joined::Concatenated) => {
            let small = InputSpec::LowResolution {
                factor: latents.factor as u32,
                is_needed: true,
                degradation: None,
            };
            (vec![small], vec![LOW_RESOLUTION])
        }
        (OriginalConditioner::FirstStage, Joined::Concatenated) => {
            let convention = MaskConvention::Signed;
            let mask = InputSpec::Mask { convention };
            (vec![mask], vec![MASKED_IMAGE, MASK])
        }
        _ => return Ok(None),
    }))
}

/// Where the weights of a conditioner lie; nothing for one without a network.
pub(super) fn pieces(conditioner: &OriginalConditioner) -> Pieces {
    match conditioner {
        OriginalConditioner::Tokens(tokens) => TokenEncoder::pieces(*tokens),
        OriginalConditioner::Rescaler { has_bias, .. } => Rescaler::pieces(*has_bias),
        _ => Pieces::new(),
    }
}

/// The boxes that a model can be asked for.
fn layout(path: &Path, tokens: TokenTransformer) -> Result<InputSpec, ModelError> {
    let grammar = BoxGrammar::of(tokens)?;
    let most = grammar.max_classes();
    let classes = match names_beside(path)? {
        Some(names) if (1..=most).contains(&names.len()) => names,
        Some(names) => return Err(wrong_count_beside(path, names.len(), most)),
        None if (tokens.vocabulary, tokens.length) == OPEN_IMAGES_SIZES => {
            OPEN_IMAGES.lines().map(str::to_owned).collect()
        }
        None => InputSpec::class_numbers(most.min(MOST_NUMBERED)),
    };
    Ok(InputSpec::Layout {
        classes,
        colours: Vec::new(),
        max_boxes: grammar.max_boxes() as u32,
        in_sequence: true,
    })
}

/// The label maps that a model can be asked for: the number of a class is its channel.
fn semantic(path: &Path, count: usize) -> Result<InputSpec, ModelError> {
    if count > usize::from(NOTHING) {
        let supported = "label maps have at most 255 classes";
        return Err(ModelError::unsupported(
            "SpatialRescaler",
            "in_channels",
            count,
            supported,
        ));
    }
    let names = match names_beside(path)? {
        Some(names) if names.len() == count => names,
        Some(names) => return Err(wrong_count_beside(path, names.len(), count)),
        None => InputSpec::class_numbers(count),
    };
    let is_named = path.with_file_name(CLASS_NAMES).is_file();
    let known = match count {
        COCO_STUFF_COUNT if !is_named => serde_json::from_str(COCO_STUFF).unwrap_or_default(),
        _ => Palette::default(),
    };
    let class = |(index, name): (u8, String)| {
        let known = index.checked_add(1).and_then(|index| known.class(index));
        PaletteClass {
            index,
            // Odd factors keep the colours apart.
            color: known.map_or([97, 57, 151].map(|by| index.wrapping_mul(by)), |it| {
                it.color
            }),
            name: known.map_or(name, |it| it.name.clone()),
        }
    };
    Ok(InputSpec::Semantic {
        classes: (0..=NOTHING).zip(names).map(class).collect(),
    })
}

/// The names of classes in the file beside a checkpoint.
///
/// # Errors
/// If it cannot be read, or one of its lines is empty.
pub(super) fn names_beside(path: &Path) -> Result<Option<Vec<String>>, ModelError> {
    class_names(&path.with_file_name(CLASS_NAMES))
}

/// The names of classes in a file, one on each line; `None` where there is none.
///
/// # Errors
/// As [`names_beside`].
pub(in crate::model) fn class_names(names_path: &Path) -> Result<Option<Vec<String>>, ModelError> {
    let Some(text) = read_text(names_path)? else {
        return Ok(None);
    };
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if names.iter().any(String::is_empty) {
        let message = "it has an empty line; put the name of a class on each line".to_owned();
        return Err(unclear(names_path, message));
    }
    Ok(Some(names))
}

/// The file beside a checkpoint names more or fewer classes than there are.
pub(super) fn wrong_count_beside(path: &Path, lines: usize, count: usize) -> ModelError {
    wrong_class_count(&path.with_file_name(CLASS_NAMES), lines, count)
}

/// A file names more or fewer classes than there are.
pub(in crate::model) fn wrong_class_count(
    names_path: &Path,
    lines: usize,
    count: usize,
) -> ModelError {
    let message = format!(
        "it has {lines} lines, and the model has {count} classes; put the name of one on each line"
    );
    unclear(names_path, message)
}

impl ModelFolder {
    /// What tells the denoiser, by its sizes, in a model of the paper's code.
    pub(in crate::model) fn original(&self) -> Option<&OriginalConditioner> {
        self.original.as_ref()
    }

    /// Whether it is told which part of a picture it sees, as the paper's models of boxes
    /// are.
    pub fn tells_crop(&self) -> bool {
        let grammar = match self.original() {
            Some(OriginalConditioner::Tokens(tokens)) if !tokens.reads_words => {
                BoxGrammar::of(*tokens).ok()
            }
            _ => None,
        };
        grammar.is_some_and(BoxGrammar::tells_crop)
    }

    /// The groups of channels that it gives for something that can be asked for; `None`
    /// for what it is not for.
    pub(super) fn original_groups(&self, input: &InputSpec) -> Option<Vec<(&'static str, usize)>> {
        match (self.original()?, input) {
            (OriginalConditioner::Tokens(_), InputSpec::Layout { .. }) => Some(Vec::new()),
            (OriginalConditioner::Rescaler { outputs, .. }, InputSpec::Semantic { .. }) => {
                Some(vec![(LABEL_MAP, *outputs)])
            }
            _ => None,
        }
    }

    /// Number of weights of what tells the denoiser in a model of the paper's code.
    pub(in crate::model) fn original_parameter_count(&self) -> usize {
        let layout = self.original().map(OriginalConditioner::layout);
        let shapes = layout.iter().flat_map(|layout| layout.values());
        shapes.map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Reads what tells the denoiser in a model of the paper's code; `None` where there is
    /// no network for it.
    ///
    /// # Errors
    /// If its weights or its vocabulary are damaged or do not fit.
    pub fn load_original_encoder(
        &self,
        device: &Device,
    ) -> Result<Option<OriginalEncoder>, ModelError> {
        Ok(match self.original() {
            Some(OriginalConditioner::Tokens(tokens)) => {
                let network = TokenEncoder::init(*tokens, device)?;
                let network = self.loaded(network, "BERTEmbedder")?;
                Some(match tokens.reads_words {
                    true => OriginalEncoder::Words(self.word_pieces(*tokens)?, network),
                    false => OriginalEncoder::Boxes(BoxGrammar::of(*tokens)?, network),
                })
            }
            Some(OriginalConditioner::Rescaler {
                inputs,
                outputs,
                has_bias,
            }) => {
                let network = Rescaler::init(*inputs, *outputs, *has_bias, device);
                Some(OriginalEncoder::Map(
                    self.loaded(network, "SpatialRescaler")?,
                ))
            }
            _ => None,
        })
    }

    fn original_source(&self) -> Result<Box<dyn WeightSource>, ModelError> {
        match (&self.one_file, &self.original) {
            (None, Some(OriginalConditioner::Tokens(tokens))) => {
                Ok(self.told(bert::weights(&self.path, *tokens)?))
            }
            _ => self.weights(PART, TEXT),
        }
    }

    /// Bytes that the numbers of [`Self::original_parameter_count`] will take.
    pub(in crate::model) fn original_bytes(&self) -> usize {
        let count = self.original_parameter_count();
        let source = (count > 0).then(|| self.original_source().ok()).flatten();
        let held = source.map(|source| self.held_for(source.as_ref()));
        count * held.unwrap_or(self.held).bytes()
    }

    fn loaded<M: burn::module::Module>(
        &self,
        network: M,
        class: &'static str,
    ) -> Result<M, ModelError> {
        let source = self.original_source()?;
        weights::load(
            network,
            source.as_ref(),
            &names::DIFFUSERS,
            class,
            self.held_for(source.as_ref()),
        )
    }
}
