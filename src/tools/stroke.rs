//! A stroke in progress: what it covers and what it does to the layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::brush::BrushMode;
use super::settings::BrushSettings;
use super::stamp::{StrokePoint, sweep};
use super::stroke_path::{Stretch, StrokePath};
use crate::document::{
    DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, Pixel, PixelChanges, Tile,
    TileChange, TileGrid, TileIndex, blend_over, mul_255,
};
use crate::geometry::CanvasRect;

/// The pixels as they were before the stroke.
#[derive(Debug)]
enum Before {
    Color(TileGrid<[u8; 4]>),
    Value(TileGrid<u8>),
}

/// A stroke in progress.
///
/// The stroke gathers the largest coverage of every pixel and lays it over the
/// pixels as they were *before* the stroke, so that crossing itself does not
/// make it denser and the opacity is what the user set.
#[derive(Debug)]
pub(super) struct Stroke {
    layer: LayerId,
    before: Before,
    coverage: TileGrid<u8>,
    path: StrokePath,
    hardness: f32,
    opacity: f32,
    color: [u8; 3],
    mode: BrushMode,
}

impl Stroke {
    /// A stroke on a layer that starts at a point, with its first dab to be
    /// painted by [`Self::paint`]. `None` when the layer cannot be painted on.
    pub fn start(
        layer: &Layer,
        at: StrokePoint,
        settings: &BrushSettings,
        color: [u8; 3],
        mode: BrushMode,
    ) -> Option<(Self, Stretch)> {
        let (before, size_px) = match &layer.content {
            LayerContent::Raster(grid) => (Before::Color(grid.clone()), grid.size_px()),
            LayerContent::Mask(grid) => (Before::Value(grid.clone()), grid.size_px()),
            LayerContent::Layout(_) | LayerContent::Semantic(_) => return None,
        };
        let (path, first) = StrokePath::start(at, settings.spacing);
        let stroke = Self {
            layer: layer.id,
            before,
            coverage: TileGrid::new(size_px),
            path,
            hardness: settings.hardness,
            opacity: settings.opacity,
            color,
            mode,
        };
        Some((stroke, first))
    }

    /// The path of the stroke.
    pub fn path_mut(&mut self) -> &mut StrokePath {
        &mut self.path
    }

    /// Paints stretches of the path. Gives the pixels that may have changed.
    ///
    /// # Errors
    /// When the layer does not take the pixels any more.
    pub fn paint(
        &mut self,
        stretches: &[Stretch],
        editor: &mut DocumentEditor,
    ) -> Result<CanvasRect, DocumentError> {
        let mut dirty = CanvasRect::EMPTY;
        // Each stretch's own part of the tiles is renewed, not the box around
        // them all: a fast diagonal move would otherwise renew mostly nothing.
        let mut parts: BTreeMap<TileIndex, CanvasRect> = BTreeMap::new();
        for (from, to) in stretches {
            let swept = sweep(&mut self.coverage, *from, *to, self.hardness);
            for index in self.coverage.indices_in(swept) {
                let part = parts.entry(index).or_default();
                *part = part.union(&index.rect().intersect(&swept));
            }
            dirty = dirty.union(&swept);
        }
        if parts.is_empty() {
            return Ok(CanvasRect::EMPTY);
        }
        let Some(layer) = editor.document().layer(self.layer) else {
            return Err(DocumentError::NoSuchLayer(self.layer));
        };
        let changes = match (&self.before, &layer.content) {
            (Before::Color(before), LayerContent::Raster(now)) => {
                let color = self.color;
                PixelChanges::Color(match self.mode {
                    BrushMode::Paint => self.renewed(&parts, before, now, |under, amount| {
                        blend_over(under, [color[0], color[1], color[2], amount], 255)
                    }),
                    BrushMode::Erase => self.renewed(&parts, before, now, |under, amount| {
                        let alpha = remaining(under[3], amount);
                        if alpha == 0 {
                            [0; 4]
                        } else {
                            [under[0], under[1], under[2], alpha]
                        }
                    }),
                })
            }
            (Before::Value(before), LayerContent::Mask(now)) => {
                PixelChanges::Value(match self.mode {
                    BrushMode::Paint => self.renewed(&parts, before, now, |under, amount| {
                        255 - remaining(255 - under, amount)
                    }),
                    BrushMode::Erase => self.renewed(&parts, before, now, remaining),
                })
            }
            _ => return Err(DocumentError::Stale("paint")),
        };
        editor.apply(Edit::ReplaceTiles {
            layer: self.layer,
            changes,
        })?;
        Ok(dirty)
    }

    /// New tiles in which the given parts show the stroke over what was before it.
    fn renewed<P: Pixel>(
        &self,
        parts: &BTreeMap<TileIndex, CanvasRect>,
        before: &TileGrid<P>,
        now: &TileGrid<P>,
        blend: impl Fn(P, u8) -> P,
    ) -> BTreeMap<TileIndex, TileChange<P>> {
        let opacity = (self.opacity * 255.0).round() as u8;
        let mut changes = BTreeMap::new();
        for (index, part) in parts {
            let Some(coverage) = self.coverage.tile(*index) else {
                continue;
            };
            let current = now.tile(*index);
            let mut tile = current.map_or_else(Tile::blank, |tile| (**tile).clone());
            let origin = index.rect().min;
            let columns = (part.min[0] - origin[0]) as usize..(part.max[0] - origin[0]) as usize;
            for y in (part.min[1] - origin[1]) as u32..(part.max[1] - origin[1]) as u32 {
                let amounts = &coverage.row(y)[columns.clone()];
                let row = &mut tile.row_mut(y)[columns.clone()];
                let under = before
                    .tile(*index)
                    .map(|tile| &tile.row(y)[columns.clone()]);
                for (x, (pixel, amount)) in row.iter_mut().zip(amounts).enumerate() {
                    if *amount > 0 {
                        let under = under.map_or_else(P::default, |under| under[x]);
                        *pixel = blend(under, mul_255(*amount, opacity));
                    }
                }
            }
            let change = TileChange {
                before: current.cloned(),
                // What was erased takes no memory.
                after: (!tile.is_blank()).then(|| Arc::new(tile)),
            };
            changes.insert(*index, change);
        }
        changes
    }
}

/// What is left of a value when a part in units of 1/255 is taken away.
fn remaining(value: u8, taken: u8) -> u8 {
    mul_255(value, 255 - taken)
}
