//! Layers that are given to a job as pictures: one that the model is shown in small, of
//! which it makes a picture with detail, and one that pulls what is painted towards itself.

use std::sync::Arc;

use image::{Rgba, RgbaImage};

use super::state::AppState;
use crate::document::{Document, Layer, LayerId, TileGrid};
use crate::geometry::CanvasRect;
use crate::recipe::{GenerateSpec, GuideKind, ImageInput, InputSpec, scale_picture};

/// How much smaller than the painted picture a guide is of which only colours by area
/// count.
const GUIDE_FACTOR: u32 = 8;

/// How often the side of the small picture goes into that of the painted one.
fn factor_of(inputs: &[InputSpec]) -> Option<u32> {
    inputs.iter().find_map(|input| match input {
        InputSpec::LowResolution { factor, .. } => Some(*factor),
        _ => None,
    })
}

/// Whether a model can be shown a small picture.
pub(super) fn is_taken(inputs: &[InputSpec]) -> bool {
    factor_of(inputs).is_some()
}

fn painted_picture(layer: &&Layer) -> bool {
    layer.raster().is_some() && !layer.content.is_blank()
}

impl AppState {
    /// The layer that the model is shown in small, while it holds a picture.
    pub fn small_picture(&self) -> Option<&Layer> {
        let chosen = self.front().small_picture?;
        self.document().layer(chosen).filter(painted_picture)
    }

    /// The layer that pulls what is painted towards itself, while it holds a picture.
    pub fn guide(&self) -> Option<&Layer> {
        let chosen = self.front().guide?;
        self.document().layer(chosen).filter(painted_picture)
    }

    /// The layers that could pull what is painted towards themselves, the uppermost
    /// first.
    pub fn guides(&self) -> Vec<&Layer> {
        let layers = self.document().layers().iter().rev();
        layers.filter(painted_picture).collect()
    }

    /// The layers that the model could be shown in small, the uppermost first; none
    /// where it takes none and none was chosen.
    pub fn small_pictures(&self) -> Vec<&Layer> {
        let is_taken = self
            .model_summary()
            .is_some_and(|model| is_taken(&model.inputs));
        if !is_taken && self.small_picture().is_none() {
            return Vec::new();
        }
        let layers = self.document().layers().iter().rev();
        layers.filter(painted_picture).collect()
    }

    /// Why the chosen model cannot be shown a small picture, as a sentence; `None`
    /// where it can, or is not known yet.
    pub fn small_picture_refusal(&self) -> Option<String> {
        let model = self.model_summary()?;
        let name = &model.name;
        (!is_taken(&model.inputs)).then(|| format!("{name} takes no low-resolution pictures"))
    }

    /// The layer that the next job is shown in small, and how much smaller.
    pub(super) fn shown_small(&self) -> Option<(LayerId, u32)> {
        let layer = self.small_picture()?.id;
        let factor = factor_of(&self.model_summary()?.inputs)?;
        Some((layer, factor.max(1)))
    }
}

/// Shows a job a layer in small: the part of it that is painted. Reads every pixel.
pub(super) fn show_small(
    spec: &mut GenerateSpec,
    document: &Document,
    part: CanvasRect,
    (layer, factor): (LayerId, u32),
) {
    let Some(grid) = document.layer(layer).and_then(Layer::raster) else {
        return;
    };
    let [width, height] = [spec.width_px, spec.height_px].map(|side| side.div_ceil(factor));
    let small = scale_picture(&cut(grid, part), width, height);
    spec.low_resolution = Some(ImageInput(Arc::new(small)));
}

/// Gives a job a layer as its guide: the part of it that is painted. Reads every pixel.
pub(super) fn guide_by(
    spec: &mut GenerateSpec,
    document: &Document,
    part: CanvasRect,
    layer: LayerId,
) {
    let Some(grid) = document.layer(layer).and_then(Layer::raster) else {
        return;
    };
    let factor = match spec.guide_kind {
        GuideKind::LowResolution => GUIDE_FACTOR,
        GuideKind::Strokes | GuideKind::Edges => 1,
    };
    let [width, height] = [spec.width_px, spec.height_px].map(|side| side.div_ceil(factor));
    let guide = cut(grid, part);
    // Nothing of it may lie in the part that is painted: then nothing pulls.
    if guide.pixels().all(|pixel| pixel[3] == 0) {
        return;
    }
    let guide = scale_picture(&guide, width, height);
    spec.guide = Some(ImageInput(Arc::new(guide)));
}

/// A part of a layer; clear where it reaches over the edges.
pub(super) fn cut(grid: &TileGrid<[u8; 4]>, part: CanvasRect) -> RgbaImage {
    let [left, top] = part.min;
    RgbaImage::from_fn(part.width(), part.height(), |x, y| {
        Rgba(grid.pixel(left + x as i32, top + y as i32))
    })
}
