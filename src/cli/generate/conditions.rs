//! Boxes, label map and small picture of `velatura generate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use image::{RgbImage, RgbaImage};

use super::args::help;
use super::frame::Framed;
use crate::cli::CliError;
use crate::diffusion::{Conditions, DiffusionError};
use crate::exchange::{ExchangeError, read_boxes, read_label_map, read_palette};
use crate::frame::{cut_layout, cut_picture, cut_semantic};
use crate::model::Manifest;
use crate::recipe::param::{
    GROUNDING_SHARE, GUIDE_SCALE, LAYOUT_BIAS, LAYOUT_WEIGHT, SEMANTIC_WEIGHT, Value,
};
use crate::recipe::{
    BoxUse, GenerateSpec, GuideKind, ImageInput, InputSpec, LayoutInput, MapUse, Palette,
    SemanticInput, box_number, open_picture, scale_picture,
};

/// What a picture is painted from besides words and pictures to repaint.
#[derive(Debug, Args)]
pub(in crate::cli) struct ConditionArgs {
    /// Boxes that say where what is to appear: the JSON of a scene, or COCO's
    #[arg(long, value_name = "JSON")]
    layout: Option<PathBuf>,
    /// The image of the file whose boxes are meant, by its id
    #[arg(long, value_name = "ID", requires = "layout")]
    layout_image: Option<String>,
    /// Whether a model that can places boxes: around the things on the label map, for the words
    /// where nothing else says what is to be where, or under a mask for what the words name and
    /// the rest does not show [default: the recipe's, or true]
    #[arg(long, value_name = "true|false", conflicts_with = "layout")]
    place_boxes: Option<bool>,
    /// Label map: a PNG with the number of a class for every pixel, or its colour;
    /// 255 stands for nothing
    #[arg(long, value_name = "PNG")]
    semantic: Option<PathBuf>,
    /// Palette of the label map's classes, for a model that knows no label maps: their
    /// names act where they are, as regional prompts
    #[arg(long, value_name = "JSON", requires = "semantic")]
    palette: Option<PathBuf>,
    /// Small picture of which a larger one is made
    #[arg(long = "lowres", visible_alias = "low-resolution", value_name = "IMG")]
    low_resolution: Option<PathBuf>,
    /// Picture that pulls what is painted towards itself, with any model; what is
    /// transparent is free
    #[arg(long, value_name = "IMG", conflicts_with = "frame")]
    guide: Option<PathBuf>,
    #[arg(long, value_name = "SCALE", help = help(&GUIDE_SCALE, "the recipe's, or 3"))]
    guide_scale: Option<f32>,
    /// What of the guide counts [default: low-resolution for one that is smaller than the
    /// picture, else strokes]
    #[arg(long, value_enum, value_name = "KIND")]
    guide_kind: Option<GuideArg>,
    /// How strongly boxes or the label map act, from 0 to 1, as in boxes=0.8
    /// or map=0.5
    #[arg(long, value_name = "NAME=WEIGHT", value_parser = weight)]
    condition_weight: Vec<(Weighed, f32)>,
    #[arg(long, value_name = "WEIGHT", help = help(&LAYOUT_WEIGHT, "the recipe's, or 1"))]
    region_weight: Option<f32>,
    #[arg(long, value_name = "BIAS", help = help(&LAYOUT_BIAS, "the recipe's, or 2"))]
    box_focus: Option<f32>,
    #[arg(long, value_name = "SHARE", help = help(&GROUNDING_SHARE, "the recipe's, or 0.3"))]
    grounding_share: Option<f32>,
}

/// What of a guide counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GuideArg {
    /// The picture in small: colours by area
    LowResolution,
    /// The colour of every pixel that is not transparent
    Strokes,
    /// Where it becomes brighter and darker
    Edges,
}

impl From<GuideArg> for GuideKind {
    fn from(kind: GuideArg) -> Self {
        match kind {
            GuideArg::LowResolution => Self::LowResolution,
            GuideArg::Strokes => Self::Strokes,
            GuideArg::Edges => Self::Edges,
        }
    }
}

/// What has a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weighed {
    Boxes,
    Map,
}

/// Reads a weight as it is typed.
fn weight(text: &str) -> Result<(Weighed, f32), String> {
    let usage = "give it as boxes=0.8 or map=0.5";
    let (name, number) = text.split_once('=').ok_or(usage)?;
    let (weighed, range) = match name.trim() {
        "boxes" | "layout" => (Weighed::Boxes, LAYOUT_WEIGHT.allowed),
        "map" | "label-map" | "semantic" => (Weighed::Map, SEMANTIC_WEIGHT.allowed),
        other => {
            return Err(format!(
                "there is no condition \u{201c}{other}\u{201d}; {usage}"
            ));
        }
    };
    match range.read(number) {
        Some(Value::Real(number)) => Ok((weighed, number)),
        _ => Err(format!("the weight must be {range}")),
    }
}

impl ConditionArgs {
    /// Reads the files. A label map says how large the picture is, else a small
    /// picture does, unless the job has a picture to repaint.
    pub(super) fn read(
        &self,
        spec: &mut GenerateSpec,
        manifest: &Manifest,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), CliError> {
        for (weighed, weight) in &self.condition_weight {
            match weighed {
                Weighed::Boxes => spec.layout_weight = *weight,
                Weighed::Map => spec.semantic_weight = *weight,
            }
        }
        spec.layout_weight = self.region_weight.unwrap_or(spec.layout_weight);
        spec.layout_bias = self.box_focus.unwrap_or(spec.layout_bias);
        spec.places_boxes = self.place_boxes.unwrap_or(spec.places_boxes);
        spec.grounding_share = self.grounding_share.unwrap_or(spec.grounding_share);
        let is_free = spec.init.is_none();
        if let Some(path) = &self.low_resolution {
            let factor = manifest.low_resolution_factor();
            let factor = factor.ok_or(DiffusionError::NotTaken("low-resolution picture"))?;
            let opened = open_picture(path)?;
            opened
                .warnings
                .iter()
                .for_each(|warning| warn(warning.to_string()));
            if is_free {
                let (width, height) = opened.image.dimensions();
                let large = |side: u32| side.saturating_mul(factor);
                (spec.width_px, spec.height_px) = (large(width), large(height));
            }
            spec.low_resolution = Some(ImageInput(Arc::new(opened.image)));
        }
        if let Some(path) = &self.semantic {
            let semantic = label_map(path, self.palette.as_deref(), manifest)?;
            if is_free {
                (spec.width_px, spec.height_px) = semantic.map.dimensions();
            }
            spec.semantic = Some(semantic);
        }
        if let Some(path) = &self.guide {
            let opened = open_picture(path)?;
            opened
                .warnings
                .iter()
                .for_each(|warning| warn(warning.to_string()));
            spec.guide = Some(ImageInput(Arc::new(opened.image)));
        }
        spec.guide_scale = self.guide_scale.unwrap_or(spec.guide_scale);
        Ok(())
    }

    /// Brings everything to the size of the job, which is settled now, or cuts it to the
    /// frame, and finds out whether the model can be told it.
    pub(super) fn fit(
        &self,
        spec: &mut GenerateSpec,
        manifest: &Manifest,
        recipe_px: Option<[u32; 2]>,
        framed: Option<&Framed>,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), CliError> {
        let size_px = [spec.width_px, spec.height_px];
        if let Some(path) = &self.layout {
            let file = read_boxes(path)?;
            let image = file.image(path, self.layout_image.as_deref())?;
            let name_of = |id| class_of_number(manifest, id);
            if image.boxes.is_empty() {
                warn(format!("\u{201c}{}\u{201d} has no boxes", path.display()));
            }
            let whole_px = framed.map_or(size_px, Framed::picture_px);
            let boxes = image.boxes_at(whole_px);
            let boxes = boxes.iter().map(|found| found.named(name_of)).collect();
            let layout = LayoutInput(boxes);
            spec.layout = Some(match framed {
                Some(framed) => cut_layout(&layout, framed.rect, size_px),
                None => layout,
            });
            let is_outside = spec
                .layout
                .as_ref()
                .is_some_and(|it| lies_outside(it, size_px));
            if !image.boxes.is_empty() && is_outside {
                warn(format!(
                    "all boxes of \u{201c}{}\u{201d} lie outside of what is painted, so that they change nothing",
                    path.display()
                ));
            }
        } else if let (Some(layout), Some(before)) = (&spec.layout, recipe_px) {
            let [across, down] = [0, 1].map(|side| size_px[side] as f32 / before[side] as f32);
            spec.layout = Some(layout.scaled(across, down));
        }
        if let Some(semantic) = &spec.semantic {
            spec.semantic = match framed {
                // A recipe has that of its own frame.
                Some(framed) if self.semantic.is_some() => {
                    let whole = semantic.resized(framed.picture_px());
                    cut_semantic(&whole, framed.rect, size_px)
                }
                _ => Some(semantic.resized(size_px)),
            };
        }
        if let Some(ImageInput(small)) = &spec.low_resolution
            && let Some(factor) = manifest.low_resolution_factor()
        {
            // A recipe has that of its own frame.
            let part = framed.filter(|_| self.low_resolution.is_some());
            let part = part.map(|framed| part_of(small, framed));
            let small = part.as_ref().unwrap_or(small);
            let [width, height] = size_px.map(|side| side.div_ceil(factor));
            if small.dimensions() != (width, height) {
                let scaled = scale_picture(small, width, height);
                spec.low_resolution = Some(ImageInput(Arc::new(scaled)));
            }
        }
        if let (Some(ImageInput(guide)), true) = (&spec.guide, self.guide.is_some()) {
            let (width, height) = guide.dimensions();
            let whole_px = framed.map_or(size_px, Framed::picture_px);
            let is_smaller = width < whole_px[0] && height < whole_px[1];
            spec.guide_kind = match is_smaller {
                true => GuideKind::LowResolution,
                false => GuideKind::Strokes,
            };
            // A recipe has that of its own frame.
            if let Some(framed) = framed {
                let part = guide_part(guide, framed);
                spec.guide = Some(ImageInput(Arc::new(part)));
            }
        }
        spec.guide_kind = self.guide_kind.map_or(spec.guide_kind, GuideKind::from);
        let is_said = self.guide_scale.is_some() || self.guide_kind.is_some();
        if is_said && spec.guide.is_none() {
            warn("there is no guide for its scale or kind to act on".to_owned());
        }
        let weighs = |which| self.condition_weight.iter().any(|(it, _)| *it == which);
        let weighs_boxes = weighs(Weighed::Boxes) || self.region_weight.is_some();
        if weighs_boxes && spec.layout.is_none() {
            warn("there are no boxes for their weight to act on".to_owned());
        }
        if weighs(Weighed::Map) && spec.semantic.is_none() {
            warn("there is no label map for its weight to act on".to_owned());
        }
        let box_use = BoxUse::of(&manifest.inputs).filter(|_| spec.layout.is_some());
        let number = box_number(&manifest.inputs).filter(|_| spec.layout.is_some());
        if self.box_focus.is_some() && number != Some(&LAYOUT_BIAS) {
            warn("there are no boxes of classes for the box focus to act on".to_owned());
        }
        if self.grounding_share.is_some() && number != Some(&GROUNDING_SHARE) {
            warn("there are no boxes with phrases for the grounding share to act on".to_owned());
        }
        if spec.semantic.is_some() && MapUse::of(&manifest.inputs) == Some(MapUse::Regions) {
            warn(
                "this model knows no label maps: the names of classes act where they are, as \
                 regional prompts"
                    .to_owned(),
            );
        }
        if box_use == Some(BoxUse::Regions) {
            warn(
                "this model knows no boxes: their words act inside of them, as regional prompts"
                    .to_owned(),
            );
        }
        warn_of_told(spec, manifest, warn);
        // The engine would say the same, but only once the model is loaded.
        let conditions = Conditions {
            layout: spec.layout.clone(),
            semantic: spec.semantic.clone(),
            // Where there is none, it is the classifier's.
            class: spec
                .class
                .filter(|_| manifest.classes().is_some() || spec.classifier.is_none()),
            // Only its size is looked at.
            low_resolution: spec.low_resolution.as_ref().map(|ImageInput(small)| {
                let [width, height] = <[u32; 2]>::from(small.dimensions());
                RgbImage::new(width, height)
            }),
            ..Conditions::default()
        };
        let is_divided = spec.windows.divides(size_px, manifest.resolution_px);
        conditions.check(manifest, size_px, is_divided)?;
        let count = spec.layout.as_ref().map_or(0, |layout| layout.0.len());
        let most = box_use.map_or(u32::MAX, BoxUse::max_boxes);
        if is_divided && count > most as usize {
            warn(format!(
                "there are {count} boxes, and the model sees {most} at a time: each window sees those that lie in it, and the largest of them where there are more"
            ));
        }
        Ok(())
    }
}

/// Tells of words that nobody reads, and of a class that stands for none and is one.
fn warn_of_told(spec: &GenerateSpec, manifest: &Manifest, warn: &mut dyn FnMut(String)) {
    if !manifest.takes_text()
        && !spec
            .prompt_syntax
            .without_loras(&spec.prompt)
            .trim()
            .is_empty()
    {
        warn("this model reads no words, so that the prompt changes nothing".to_owned());
    }
    let last = manifest.inputs.iter().find_map(|input| match input {
        InputSpec::Class {
            classes,
            empty: None,
        } => classes.last(),
        _ => None,
    });
    let Some(last) = last else {
        return;
    };
    if spec.guidance_scale > 1.0 {
        warn(format!(
            "this model has no empty class, so that guidance leads away from the last one, \
             \u{201c}{last}\u{201d}; --cfg-scale 1 paints without it"
        ));
    }
    if spec.class.is_none() {
        warn(format!(
            "this model has no empty class, so that without --class the last one is painted, \
             \u{201c}{last}\u{201d}"
        ));
    }
}

/// Reads a label map by the classes of the model, or by those that are given for one that
/// knows none.
fn label_map(
    path: &Path,
    palette: Option<&Path>,
    manifest: &Manifest,
) -> Result<SemanticInput, CliError> {
    let palette = match (MapUse::of(&manifest.inputs), palette) {
        (None, _) => return Err(DiffusionError::NotTaken("label map").into()),
        (Some(_), Some(palette)) => read_palette(palette)?,
        (Some(MapUse::Classes(classes)), None) => Palette {
            name: manifest.name.clone(),
            classes: classes.to_vec(),
        },
        (Some(MapUse::Regions), None) => return Err(CliError::NoPalette),
    };
    let numbers = read_label_map(path)?.numbers(&palette, &BTreeMap::new());
    let map = numbers.map_err(|colours| ExchangeError::UnknownColours {
        path: path.to_owned(),
        colours,
    })?;
    Ok(SemanticInput {
        map: Arc::new(map),
        palette,
    })
}

/// What a model calls a number of a file without names: as in its label maps where
/// it has any, else by the place in its list of what boxes may hold.
fn class_of_number(manifest: &Manifest, id: u64) -> Option<String> {
    let labels = manifest.inputs.iter().find_map(|input| match input {
        InputSpec::Semantic { classes } => Some(classes),
        _ => None,
    });
    if let Some(labels) = labels {
        let class = labels.iter().find(|class| u64::from(class.index) == id);
        return class.map(|class| class.name.clone());
    }
    manifest.inputs.iter().find_map(|input| match input {
        InputSpec::Layout { classes, .. } => classes.get(usize::try_from(id).ok()?).cloned(),
        _ => None,
    })
}

/// What a picture, of whatever size, shows of a frame.
pub(super) fn part_of(small: &RgbaImage, framed: &Framed) -> RgbaImage {
    let [width, height] = framed.picture_px();
    cut_picture(&scale_picture(small, width, height), framed.rect)
}

/// Whether no box shows anything in a picture of this size.
fn lies_outside(layout: &LayoutInput, size_px: [u32; 2]) -> bool {
    let is_in = |[left, top, width, height]: [f32; 4]| {
        let [right, bottom] = size_px.map(|side| side as f32);
        left < right && top < bottom && left + width > 0.0 && top + height > 0.0
    };
    !layout.0.iter().any(|it| is_in(it.rect))
}

/// What a guide shows of a frame, in as few pixels as it has there.
fn guide_part(guide: &RgbaImage, framed: &Framed) -> RgbaImage {
    let part = part_of(guide, framed);
    let [width, height] = framed.picture_px();
    let side = |whole: u32, guide: u32, part: u32| {
        let fewest = u64::from(part) * u64::from(guide) / u64::from(whole.max(1));
        u32::try_from(fewest)
            .unwrap_or(u32::MAX)
            .clamp(1, part.max(1))
    };
    let width = side(width, guide.width(), part.width());
    let height = side(height, guide.height(), part.height());
    if (width, height) == part.dimensions() {
        return part;
    }
    scale_picture(&part, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::LayoutBox;

    #[test]
    fn boxes_lie_outside_where_none_shows_anything() {
        let layout = |rects: &[[f32; 4]]| {
            let boxes = rects.iter().map(|rect| LayoutBox {
                class: "bus".to_owned(),
                rect: *rect,
                colour: None,
            });
            LayoutInput(boxes.collect())
        };
        let [left, below] = [[-9.0, 0.0, 9.0, 9.0], [0.0, 24.0, 9.0, 9.0]];
        assert!(lies_outside(&layout(&[left, below]), [40, 24]));
        let inside = [-8.0, 23.0, 9.0, 9.0];
        assert!(!lies_outside(&layout(&[left, inside]), [40, 24]));
    }

    #[test]
    fn weights_are_read_as_they_are_typed() {
        assert_eq!(weight("boxes=0.8"), Ok((Weighed::Boxes, 0.8)));
        assert_eq!(weight("map=0"), Ok((Weighed::Map, 0.0)));
        for text in ["boxes", "boxes=2", "boxes=NaN", "text=0.5", "=1"] {
            assert!(weight(text).is_err(), "{text}");
        }
    }
}
