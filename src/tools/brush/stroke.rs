//! A stroke in progress: what it covers and what it does to the mask.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::BrushMode;
use super::settings::BrushSettings;
use super::stamp::{StrokePoint, sweep};
use super::stroke_path::{Stretch, StrokePath};
use crate::document::{
    DocumentEditor, DocumentError, Edit, LayerId, PixelChanges, Tile, TileChange, TileGrid,
    TileIndex, mul_255,
};
use crate::geometry::CanvasRect;

/// Most and least distance of two dabs, as a part of the diameter.
const SPACINGS: std::ops::RangeInclusive<f32> = 0.0..=10.0;

/// A stroke in progress.
///
/// The stroke gathers the largest coverage of every pixel and lays it over the
/// mask as it was *before* the stroke, so that crossing itself does not make it
/// denser and the opacity is what the user set.
#[derive(Debug)]
pub(super) struct Stroke {
    layer: LayerId,
    before: TileGrid<u8>,
    coverage: TileGrid<u8>,
    path: StrokePath,
    /// What is drawn and not yet painted.
    pending: Vec<Stretch>,
    hardness: f32,
    opacity: f32,
    mode: BrushMode,
}

impl Stroke {
    /// A stroke on a mask layer that starts at a point.
    pub fn start(
        layer: LayerId,
        mask: &TileGrid<u8>,
        at: StrokePoint,
        settings: &BrushSettings,
        mode: BrushMode,
    ) -> Self {
        let spacing = settings.spacing.clamp(*SPACINGS.start(), *SPACINGS.end());
        let (path, first) = StrokePath::start(at, spacing);
        Self {
            layer,
            before: mask.clone(),
            coverage: TileGrid::new(mask.size_px()),
            path,
            pending: vec![first],
            hardness: settings.hardness,
            opacity: settings.opacity,
            mode,
        }
    }

    /// The last reported point.
    pub fn last(&self) -> StrokePoint {
        self.path.last()
    }

    /// Goes on to a point.
    pub fn extend_to(&mut self, at: StrokePoint) {
        self.pending.extend(self.path.extend_to(at));
    }

    /// Goes straight to a point.
    pub fn straight_to(&mut self, at: StrokePoint) {
        self.pending.extend(self.path.straight_to(at));
    }

    /// Ends at the last reported point.
    pub fn finish(&mut self) {
        self.pending.extend(self.path.finish());
    }

    /// Paints what was drawn since the last call, each tile once.
    ///
    /// # Errors
    /// When the layer does not take the pixels any more.
    pub fn paint(&mut self, editor: &mut DocumentEditor) -> Result<(), DocumentError> {
        // Each stretch's own part of the tiles is renewed, not the box around
        // them all: a fast diagonal move would otherwise renew mostly nothing.
        let mut parts: BTreeMap<TileIndex, CanvasRect> = BTreeMap::new();
        for (from, to) in std::mem::take(&mut self.pending) {
            let swept = sweep(&mut self.coverage, from, to, self.hardness);
            for index in self.coverage.indices_in(swept) {
                let part = parts.entry(index).or_default();
                *part = part.union(&index.rect().intersect(&swept));
            }
        }
        if parts.is_empty() {
            return Ok(());
        }
        let Some(layer) = editor.document().layer(self.layer) else {
            return Err(DocumentError::NoSuchLayer(self.layer));
        };
        let Some(now) = layer.mask() else {
            return Err(DocumentError::Stale("paint"));
        };
        let changes = match self.mode {
            BrushMode::Paint => self.renewed(&parts, now, |under, amount| {
                255 - remaining(255 - under, amount)
            }),
            BrushMode::Erase => self.renewed(&parts, now, remaining),
        };
        editor.apply(Edit::ReplaceTiles {
            layer: self.layer,
            changes: PixelChanges::Value(changes),
        })
    }

    /// New tiles in which the given parts show the stroke over what was before it.
    fn renewed(
        &self,
        parts: &BTreeMap<TileIndex, CanvasRect>,
        now: &TileGrid<u8>,
        blend: impl Fn(u8, u8) -> u8,
    ) -> BTreeMap<TileIndex, TileChange<u8>> {
        let opacity = (self.opacity * 255.0).round() as u8;
        let mut changes = BTreeMap::new();
        for (index, part) in parts {
            let Some(coverage) = self.coverage.tile(*index) else {
                continue;
            };
            let current = now.tile(*index);
            if current.is_none() && self.mode == BrushMode::Erase {
                continue;
            }
            let mut tile = current.map_or_else(Tile::blank, |tile| (**tile).clone());
            let origin = index.rect().min;
            let columns = (part.min[0] - origin[0]) as usize..(part.max[0] - origin[0]) as usize;
            for y in (part.min[1] - origin[1]) as u32..(part.max[1] - origin[1]) as u32 {
                let amounts = &coverage.row(y)[columns.clone()];
                let row = &mut tile.row_mut(y)[columns.clone()];
                let under = self
                    .before
                    .tile(*index)
                    .map(|tile| &tile.row(y)[columns.clone()]);
                for (x, (pixel, amount)) in row.iter_mut().zip(amounts).enumerate() {
                    if *amount > 0 {
                        let under = under.map_or(0, |under| under[x]);
                        *pixel = blend(under, mul_255(*amount, opacity));
                    }
                }
            }
            // What was erased takes no memory.
            let is_gone = self.mode == BrushMode::Erase && tile.is_blank();
            let change = TileChange {
                before: current.cloned(),
                after: (!is_gone).then(|| Arc::new(tile)),
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
