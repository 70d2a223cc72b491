//! Whether the encoders of a folder give what its denoiser takes.

use super::{ModelFolder, text_width};
use crate::model::conditioner::layout::{self, LayoutEncoderConfig};
use crate::model::conditioner::semantic::{self, SemanticEncoderConfig};
use crate::model::conditioner::{inpaint, low_resolution};
use crate::model::paper::OriginalConditioner;
use crate::model::{LatentInfo, ModelError};
use crate::recipe::InputSpec;

impl ModelFolder {
    /// Checks that what can be asked for has its encoder, whose lists are as long as
    /// those of the manifest, and that everything is as wide as the denoiser takes
    /// it. Folders without a denoiser are not looked at.
    pub(super) fn check_conditions(&self) -> Result<(), ModelError> {
        let (Some(unet), Some(first_stage)) = (&self.unet, &self.first_stage) else {
            return Ok(());
        };
        let latents = first_stage.config.info();
        let mut groups = Vec::new();
        for input in &self.manifest.inputs {
            if let Some(own) = self.original_groups(input) {
                groups.extend(own);
                continue;
            }
            // What is missing is told with the folder that it is missing in.
            match input {
                InputSpec::Layout { .. } => {
                    self.layout_encoder_config()?;
                }
                InputSpec::Semantic { .. } => {
                    self.semantic_encoder_config()?;
                }
                InputSpec::Phrases { .. } if !unet.is_grounded() => {
                    return Err(ModelError::Studio {
                        key: "inputs",
                        value: input.label().to_owned(),
                        supported: "the denoiser must have gated attention for it".to_owned(),
                    });
                }
                InputSpec::Class { classes, empty } => {
                    let known = match unet.classes() {
                        Some(known) => known,
                        None => self.class_encoder_config()?.classes,
                    };
                    let named = classes.len() + usize::from(empty.is_some());
                    check_counts("ClassEmbedder", [("classes", known, named)])?;
                }
                _ => {}
            }
            let (layout, semantic) = (&self.layout_encoder, &self.semantic_encoder);
            groups.extend(groups_of(
                input,
                latents,
                layout.as_ref(),
                semantic.as_ref(),
            )?);
        }
        if let Some(prior) = &self.layout_prior {
            let named = self.manifest.inputs.iter().find_map(|input| match input {
                InputSpec::Layout {
                    classes, colours, ..
                } => Some((classes.len(), colours.len())),
                _ => None,
            });
            let (classes, colours) = named.unwrap_or_default();
            let counts = [
                ("classes", prior.classes, classes),
                ("colours", prior.colours, colours),
            ];
            check_counts("LayoutPrior", counts)?;
        }
        self.manifest.fits(unet, latents.channels, &groups)?;
        let states = text_width(&self.text_encoder, &self.second_text_encoder);
        if self.size_waves()?.is_none() && unet.added().is_some() {
            return Err(self.missing("second text encoder (text_encoder_2)"));
        }
        let tokens = self.layout_encoder.as_ref().map(|boxes| boxes.hidden_size);
        let class = self.class_encoder.as_ref().map(|class| class.hidden_size);
        let original = match self.original() {
            Some(OriginalConditioner::Tokens(tokens)) => Some(tokens.width),
            _ => None,
        };
        for (whose, width) in [
            ("conditioner's states", original),
            ("text encoder's states", states),
            ("box tokens", tokens),
            ("tokens of classes", class),
        ] {
            if let Some(width) = width
                && !unet.is_plain()
                && unet.cross_attention_dim != width
            {
                return Err(ModelError::unsupported(
                    "UNet2DConditionModel",
                    "cross_attention_dim",
                    unet.cross_attention_dim,
                    format!("the {whose} are {width} wide"),
                ));
            }
        }
        Ok(())
    }
}

/// The groups of channels of something that can be asked for, given the encoders that
/// there are.
///
/// # Errors
/// If its encoder is missing, or does not fit to the lists of the manifest or to the
/// latents.
pub fn groups_of(
    input: &InputSpec,
    latents: LatentInfo,
    layout: Option<&LayoutEncoderConfig>,
    semantic: Option<&SemanticEncoderConfig>,
) -> Result<Vec<(&'static str, usize)>, ModelError> {
    let missing = |part: &str| ModelError::Studio {
        key: "inputs",
        value: input.label().to_owned(),
        supported: format!("there must be the sizes of a {part} for it"),
    };
    let is_divided = |part: usize| part > 0 && latents.factor.is_multiple_of(part);
    let factor = latents.factor;
    Ok(match input {
        InputSpec::Text { .. } | InputSpec::Class { .. } | InputSpec::Phrases { .. } => Vec::new(),
        InputSpec::Mask { .. } => inpaint::groups(latents),
        InputSpec::Layout {
            classes,
            colours,
            max_boxes,
            ..
        } => {
            let config = layout.ok_or_else(|| missing("layout_encoder"))?;
            let counts = [
                ("classes", config.classes, classes.len()),
                ("colours", config.colours, colours.len()),
                ("max_boxes", config.max_boxes, *max_boxes as usize),
            ];
            check_counts("LayoutEncoder", counts)?;
            layout::groups(config)
        }
        InputSpec::Semantic { classes } => {
            let config = semantic.ok_or_else(|| missing("semantic_encoder"))?;
            let counts = [("classes", config.classes, classes.len())];
            check_counts("SemanticEncoder", counts)?;
            if !is_divided(config.cells) {
                return Err(ModelError::unsupported(
                    "SemanticEncoder",
                    "cells",
                    config.cells,
                    format!("it must divide the {factor} pixels of a latent's side"),
                ));
            }
            semantic::groups(config)
        }
        InputSpec::LowResolution {
            factor: small,
            is_needed,
            ..
        } => {
            let small = *small as usize;
            if !is_divided(small) {
                return Err(ModelError::Studio {
                    key: "inputs",
                    value: format!("a low resolution of factor {small}"),
                    supported: format!("it must divide the {factor} pixels of a latent's side"),
                });
            }
            low_resolution::groups(small, *is_needed, latents)
        }
    })
}

/// Checks that an encoder knows as many things as the manifest names.
fn check_counts<const N: usize>(
    part: &'static str,
    counts: [(&'static str, usize, usize); N],
) -> Result<(), ModelError> {
    for (key, has, named) in counts {
        if has != named {
            let supported = format!("studio.json says {named}");
            return Err(ModelError::unsupported(part, key, has, supported));
        }
    }
    Ok(())
}
