//! New models of each kind: what can be asked of them follows from the task and from
//! what is known of the pictures, and the sizes of their networks from that.
//!
//! As in the paper (Rombach et al. 2022, <https://arxiv.org/abs/2112.10752>, tables 13 to
//! 15), words, classes and boxes are looked at by cross-attention, and the denoisers of
//! all else have none: they are told by channels beside the latents.

use serde_json::json;

use super::TrainError;
use super::config::TrainConfig;
use super::holdings::Holdings;
use super::usual;
use crate::model::conditioner::class::ClassEncoderConfig;
use crate::model::conditioner::layout::LayoutEncoderConfig;
use crate::model::conditioner::semantic::SemanticEncoderConfig;
use crate::model::conditioner::{LATENT, groups};
use crate::model::{
    ClipTextConfig, FirstStageConfig, LatentInfo, Manifest, PerLevel, UNet2dConfig, groups_of,
};
use crate::recipe::palette::NOTHING;
use crate::recipe::{
    Degradation, InputSpec, MAX_BOXES, MaskConvention, PaletteClass, TrainSpec, TrainTask,
};

/// Boxes that a model has room for at most, as those of the paper.
const MOST_BOXES: usize = 30;
/// How often the side of a small picture goes into that of the large one, the first that
/// the first stage allows.
const ENLARGEMENTS: [u32; 2] = [4, 2];
/// Guidance of models that are told nothing, or always all.
const NO_GUIDANCE: f32 = 1.0;

/// The sizes of a new model.
pub(super) struct NewModel {
    pub unet: UNet2dConfig,
    /// Its vocabulary is not known yet.
    pub text: Option<ClipTextConfig>,
    pub layout: Option<LayoutEncoderConfig>,
    pub semantic: Option<SemanticEncoderConfig>,
    pub class: Option<ClassEncoderConfig>,
    pub studio: Manifest,
}

/// The sizes of the model that a job describes, for latents of `first_stage`.
///
/// # Errors
/// If the pictures or the first stage do not allow the task.
pub(super) fn new_model(
    spec: &TrainSpec,
    config: &TrainConfig,
    first_stage: &FirstStageConfig,
    holdings: &Holdings,
) -> Result<NewModel, TrainError> {
    let latents = first_stage.info();
    let side = spec.size_px as usize / latents.factor;
    // What the configuration leaves open fits to what it says.
    let width = match (&config.unet, &config.text_encoder) {
        (Some(unet), _) => unet.cross_attention_dim,
        (None, Some(text)) => text.hidden_size,
        (None, None) => usual::text_width(side),
    };
    let given = config.unet.clone();
    let mut unet = given.unwrap_or_else(|| usual::unet(side, latents.channels, width));
    unet.sample_size = Some(json!(side));
    let given = config.text_encoder.clone();
    let text = given.unwrap_or_else(|| usual::text_encoder(width));
    let Some(task) = spec.task else {
        let studio = usual::studio(spec, config.studio.as_ref(), Some(&unet), first_stage);
        return Ok(NewModel {
            studio: studio.with_text(Some(&text)),
            unet,
            text: Some(text),
            layout: config.layout_encoder.clone(),
            semantic: config.semantic_encoder.clone(),
            class: config.class_encoder.clone(),
        });
    };
    holdings.found_for(task).map_err(TrainError::Setting)?;
    let input = input(task, holdings, latents, &text, spec.degradation)?;
    let layout = layout(&input, config, width);
    let semantic = semantic(&input, config, latents);
    let class = class(&input, width);
    let mut added = 0;
    if let Some(input) = &input {
        let groups = groups_of(input, latents, layout.as_ref(), semantic.as_ref())?;
        added = groups.iter().map(|(_, channels)| channels).sum();
    }
    unet.in_channels = latents.channels + added;
    unet.out_channels = latents.channels;
    if !input.as_ref().is_some_and(InputSpec::is_attended) {
        unet = plain(unet);
    }
    let mut studio = usual::studio(spec, config.studio.as_ref(), Some(&unet), first_stage);
    let beside = input.iter().flat_map(groups).copied();
    studio.channels = [LATENT]
        .into_iter()
        .chain(beside)
        .map(str::to_owned)
        .collect();
    if matches!(
        task,
        TrainTask::Unconditional | TrainTask::Inpaint | TrainTask::SuperResolution
    ) {
        studio.default_guidance_scale = NO_GUIDANCE;
    }
    studio.inputs = input.into_iter().collect();
    Ok(NewModel {
        unet,
        text: (task == TrainTask::Text).then_some(text),
        layout,
        semantic,
        class,
        studio,
    })
}

/// What can be asked of a model of a task; nothing where it paints more of the same.
fn input(
    task: TrainTask,
    holdings: &Holdings,
    latents: LatentInfo,
    text: &ClipTextConfig,
    degradation: Degradation,
) -> Result<Option<InputSpec>, TrainError> {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(Some(match task {
        TrainTask::Unconditional => return Ok(None),
        TrainTask::Class => InputSpec::Class {
            classes: holdings.classes.clone(),
            empty: Some(number(holdings.classes.len())),
        },
        TrainTask::Text => InputSpec::Text {
            max_tokens: number(text.max_position_embeddings),
        },
        TrainTask::Layout => InputSpec::Layout {
            classes: holdings.box_classes.clone(),
            colours: holdings.box_colours.clone(),
            max_boxes: number(holdings.most_boxes.clamp(1, MOST_BOXES.min(MAX_BOXES))),
            in_sequence: false,
        },
        TrainTask::Semantic => InputSpec::Semantic {
            classes: map_classes(&holdings.map_classes)?,
        },
        TrainTask::Inpaint => InputSpec::Mask {
            convention: MaskConvention::OneIsRepainted,
        },
        TrainTask::SuperResolution => {
            let is_possible = |factor: &u32| latents.factor.is_multiple_of(*factor as usize);
            let factor = ENLARGEMENTS.into_iter().find(is_possible).ok_or_else(|| {
                TrainError::setting(format!(
                    "a model that enlarges needs a first stage with 2 or 4 pixels to a latent's side, or a multiple of them, not {}",
                    latents.factor
                ))
            })?;
            InputSpec::LowResolution {
                factor,
                is_needed: true,
                degradation: Some(degradation),
            }
        }
    }))
}

/// The classes of label maps under the numbers that they have in these, so that a map
/// which was trained on can be painted from; under new ones where several palettes gave
/// one number to different names.
///
/// # Errors
/// If there are more classes than numbers.
fn map_classes(known: &[PaletteClass]) -> Result<Vec<PaletteClass>, TrainError> {
    if known.len() > usize::from(NOTHING) {
        return Err(TrainError::setting(format!(
            "the label maps have {} classes, and a model tells {NOTHING} apart; leave some of their palettes out",
            known.len()
        )));
    }
    let mut classes = known.to_vec();
    classes.sort_by_key(|class| class.index);
    let is_taken_twice = |pair: &[PaletteClass]| pair[0].index == pair[1].index;
    if classes.windows(2).any(is_taken_twice) {
        for (class, index) in classes.iter_mut().zip(0..NOTHING) {
            class.index = index;
        }
    }
    Ok(classes)
}

fn layout(
    input: &Option<InputSpec>,
    config: &TrainConfig,
    width: usize,
) -> Option<LayoutEncoderConfig> {
    let Some(InputSpec::Layout {
        classes,
        colours,
        max_boxes,
        ..
    }) = input
    else {
        return None;
    };
    let given = config.layout_encoder.clone().unwrap_or_default();
    Some(LayoutEncoderConfig {
        classes: classes.len(),
        colours: colours.len(),
        max_boxes: *max_boxes as usize,
        hidden_size: width,
        ..given
    })
}

fn semantic(
    input: &Option<InputSpec>,
    config: &TrainConfig,
    latents: LatentInfo,
) -> Option<SemanticEncoderConfig> {
    let Some(InputSpec::Semantic { classes }) = input else {
        return None;
    };
    let usual = || SemanticEncoderConfig {
        cells: if latents.factor.is_multiple_of(2) {
            2
        } else {
            1
        },
        ..SemanticEncoderConfig::default()
    };
    let given = config.semantic_encoder.clone().unwrap_or_else(usual);
    Some(SemanticEncoderConfig {
        classes: classes.len(),
        ..given
    })
}

fn class(input: &Option<InputSpec>, width: usize) -> Option<ClassEncoderConfig> {
    let Some(InputSpec::Class { classes, empty }) = input else {
        return None;
    };
    Some(ClassEncoderConfig {
        classes: classes.len() + usize::from(empty.is_some()),
        hidden_size: width,
        ..ClassEncoderConfig::default()
    })
}

/// The same denoiser, which attends to nothing but the places of the latents.
fn plain(unet: UNet2dConfig) -> UNet2dConfig {
    if unet.is_plain() {
        return unet;
    }
    let heads = |(level, width): (usize, &usize)| width / unet.attention_head_dim.at(level).max(1);
    let widths = unet.block_out_channels.iter().enumerate().map(heads);
    let kinds = |kinds: &[String]| {
        let attending = |kind: &String| kind.replace("CrossAttn", "Attn");
        kinds.iter().map(attending).collect()
    };
    let mut other = unet.other.clone();
    other.remove("mid_block_type");
    UNet2dConfig {
        class_name: "UNet2DModel".to_owned(),
        attention_head_dim: PerLevel::Each(widths.collect()),
        down_block_types: kinds(&unet.down_block_types),
        up_block_types: kinds(&unet.up_block_types),
        transformer_layers_per_block: PerLevel::All(1),
        use_linear_projection: false,
        other,
        ..unet.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::first_stage_config;
    use crate::train::scene_pictures::ScenePictures;

    #[test]
    fn each_kind_fits_together_at_every_size() {
        let holdings = ScenePictures::new(32, 0).expect("scenes").holdings();
        for size_px in [32, 64, 256] {
            for factor in [2, 4, 8] {
                for task in TrainTask::ALL {
                    let spec = TrainSpec {
                        size_px,
                        latent_factor: Some(factor),
                        task: Some(task),
                        ..TrainSpec::default()
                    };
                    let stage = usual::first_stage(&spec).expect("a first stage");
                    let config = TrainConfig::default();
                    let new = new_model(&spec, &config, &stage, &holdings).expect("a model");
                    new.unet.validate().expect("a denoiser");
                    new.studio.validate().expect("a manifest");
                    let latents = stage.info();
                    let groups = new.studio.inputs.iter().flat_map(|input| {
                        let (layout, semantic) = (new.layout.as_ref(), new.semantic.as_ref());
                        groups_of(input, latents, layout, semantic).expect("groups")
                    });
                    let groups: Vec<_> = groups.collect();
                    let channels = latents.channels;
                    new.studio
                        .fits(&new.unet, channels, &groups)
                        .expect("channels");
                    let is_plain = new.unet.is_plain();
                    let attends = [TrainTask::Class, TrainTask::Text, TrainTask::Layout];
                    assert_eq!(is_plain, !attends.contains(&task), "{task:?}");
                }
            }
        }
    }

    #[test]
    fn what_the_pictures_or_the_latents_do_not_allow_is_told() {
        let stage = |factor| {
            let spec = TrainSpec {
                latent_factor: Some(factor),
                ..TrainSpec::default()
            };
            usual::first_stage(&spec).expect("a first stage")
        };
        let refused = |task, holdings: &Holdings, stage: &FirstStageConfig| {
            let spec = TrainSpec {
                task: Some(task),
                ..TrainSpec::default()
            };
            let made = new_model(&spec, &TrainConfig::default(), stage, holdings);
            made.err().expect("impossible").to_string()
        };
        let none = Holdings::default();
        assert!(refused(TrainTask::Class, &none, &stage(4)).contains("folder of its own"));
        assert!(refused(TrainTask::Layout, &none, &stage(4)).contains("COCO"));
        let pixels = first_stage_config("pixels".as_ref()).expect("pixels");
        assert!(refused(TrainTask::SuperResolution, &none, &pixels).contains("2 or 4 pixels"));
    }

    #[test]
    fn classes_of_maps_keep_their_numbers_where_they_can() {
        let class = |index, name: &str| PaletteClass {
            index,
            name: name.to_owned(),
            color: [index; 3],
        };
        let kept = map_classes(&[class(7, "ground"), class(3, "sky")]).expect("numbers");
        assert_eq!(kept, [class(3, "sky"), class(7, "ground")]);
        let anew = map_classes(&[class(3, "ground"), class(3, "sky")]).expect("numbers");
        let numbers: Vec<u8> = anew.iter().map(|class| class.index).collect();
        assert_eq!(numbers, [0, 1]);
        let many: Vec<_> = (0..256).map(|it| class(3, &it.to_string())).collect();
        let last = map_classes(&many[1..]).expect("255 numbers").pop();
        assert_eq!(last.map(|class| class.index), Some(254));
        let error = map_classes(&many).expect_err("too many").to_string();
        assert!(error.contains("256 classes"), "{error}");
    }
}
