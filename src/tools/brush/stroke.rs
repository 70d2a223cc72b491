//! A stroke in progress: what it covers and what it does to the layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settings::BrushSettings;
use super::stamp::{StrokePoint, sweep, sweep_hard};
use super::stroke_path::{Stretch, StrokePath};
use crate::document::{
    DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, Pixel, PixelChanges, Tile,
    TileChange, TileGrid, TileIndex, blend_over, mul_255,
};
use crate::geometry::{CanvasPoint, CanvasRect};

/// Coverage from which a pixel gets a class: its middle is under the brush.
const CLASS_COVERAGE: u8 = 128;

/// Largest diameter, in pixels, of a brush that is laid on the middles of pixels when
/// it paints classes: between them it would reach none, or two.
const PIXEL_BRUSH_PX: f32 = 1.5;

/// What a stroke does to the values under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// Covers a mask.
    Cover,
    /// Uncovers a mask.
    Uncover,
    /// Gives a class, as it is stored; 0 takes it away. There is nothing in between.
    Class(u8),
    /// Lays an opaque colour over a picture.
    Colour([u8; 3]),
    /// Makes a picture transparent.
    Clear,
}

impl Ink {
    /// What becomes of a value under a coverage.
    fn over(self, under: u8, amount: u8) -> u8 {
        match self {
            Self::Cover => 255 - remaining(255 - under, amount),
            Self::Uncover => remaining(under, amount),
            Self::Class(stored) if amount >= CLASS_COVERAGE => stored,
            Self::Class(_) | Self::Colour(_) | Self::Clear => under,
        }
    }

    /// What becomes of a colour under a coverage.
    fn over_colour(self, under: [u8; 4], amount: u8) -> [u8; 4] {
        match self {
            Self::Colour([r, g, b]) => blend_over(under, [r, g, b, 255], amount),
            Self::Clear => {
                let [r, g, b, alpha] = under;
                match remaining(alpha, amount) {
                    // What cannot be seen has no colour.
                    0 => [0; 4],
                    alpha => [r, g, b, alpha],
                }
            }
            Self::Cover | Self::Uncover | Self::Class(_) => under,
        }
    }

    /// Whether it only takes away.
    fn erases(self) -> bool {
        matches!(self, Self::Uncover | Self::Class(0) | Self::Clear)
    }

    fn is_class(self) -> bool {
        matches!(self, Self::Class(_))
    }
}

/// Most and least distance of two dabs, as a part of the diameter.
const SPACINGS: std::ops::RangeInclusive<f32> = 0.0..=10.0;

/// A stroke in progress.
///
/// The stroke gathers the largest coverage of every pixel and lays it over the
/// layer as it was *before* the stroke, so that crossing itself does not make it
/// denser and the opacity is what the user set.
#[derive(Debug)]
pub(super) struct Stroke {
    layer: LayerId,
    before: LayerContent,
    coverage: TileGrid<u8>,
    path: StrokePath,
    /// What is drawn and not yet painted.
    pending: Vec<Stretch>,
    hardness: f32,
    opacity: f32,
    ink: Ink,
}

impl Stroke {
    /// A stroke on a layer, on a canvas of a size, that starts at a point.
    pub fn start(
        layer: &Layer,
        size_px: [u32; 2],
        at: StrokePoint,
        settings: &BrushSettings,
        ink: Ink,
    ) -> Self {
        let spacing = settings.spacing.clamp(*SPACINGS.start(), *SPACINGS.end());
        let (path, first) = StrokePath::start(laid(at, ink), spacing);
        Self {
            layer: layer.id,
            before: layer.content.clone(),
            coverage: TileGrid::new(size_px),
            path,
            pending: vec![first],
            hardness: settings.hardness,
            opacity: if ink.is_class() {
                1.0
            } else {
                settings.opacity
            },
            ink,
        }
    }

    /// The last reported point.
    pub fn last(&self) -> StrokePoint {
        self.path.last()
    }

    /// Goes on to a point.
    pub fn extend_to(&mut self, at: StrokePoint) {
        self.pending.extend(self.path.extend_to(laid(at, self.ink)));
    }

    /// Goes straight to a point.
    pub fn straight_to(&mut self, at: StrokePoint) {
        self.pending
            .extend(self.path.straight_to(laid(at, self.ink)));
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
            let swept = match self.ink {
                Ink::Class(_) => sweep_hard(&mut self.coverage, from, to),
                _ => sweep(&mut self.coverage, from, to, self.hardness),
            };
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
        let changes = match (&self.before, &layer.content) {
            (LayerContent::Raster(before), LayerContent::Raster(now)) => {
                let over = |under, amount| self.ink.over_colour(under, amount);
                PixelChanges::Color(self.renewed(&parts, before, now, over))
            }
            (LayerContent::Mask(before), LayerContent::Mask(now))
            | (LayerContent::Semantic(before), LayerContent::Semantic(now)) => {
                let over = |under, amount| self.ink.over(under, amount);
                PixelChanges::Value(self.renewed(&parts, before, now, over))
            }
            _ => return Err(DocumentError::Stale("paint")),
        };
        editor.apply(Edit::ReplaceTiles {
            layer: self.layer,
            changes,
        })
    }

    /// New tiles in which the given parts show the stroke over what was before it.
    fn renewed<P: Pixel>(
        &self,
        parts: &BTreeMap<TileIndex, CanvasRect>,
        before: &TileGrid<P>,
        now: &TileGrid<P>,
        over: impl Fn(P, u8) -> P,
    ) -> BTreeMap<TileIndex, TileChange<P>> {
        let opacity = (self.opacity * 255.0).round() as u8;
        let mut changes = BTreeMap::new();
        for (index, part) in parts {
            let Some(coverage) = self.coverage.tile(*index) else {
                continue;
            };
            let current = now.tile(*index);
            if current.is_none() && self.ink.erases() {
                continue;
            }
            let mut tile = current.map_or_else(Tile::blank, |tile| (**tile).clone());
            let origin = index.rect().min;
            let columns = (part.min[0] - origin[0]) as usize..(part.max[0] - origin[0]) as usize;
            for y in (part.min[1] - origin[1]) as u32..(part.max[1] - origin[1]) as u32 {
                let amounts = &coverage.row(y)[columns.clone()];
                let row = &mut tile.row_mut(y)[columns.clone()];
                let under = before.tile(*index);
                let under = under.map(|tile| &tile.row(y)[columns.clone()]);
                for (x, (pixel, amount)) in row.iter_mut().zip(amounts).enumerate() {
                    if *amount > 0 {
                        let under = under.map_or_else(P::default, |under| under[x]);
                        *pixel = over(under, mul_255(*amount, opacity));
                    }
                }
            }
            // What was erased takes no memory.
            let is_gone = self.ink.erases() && tile.is_blank();
            let change = TileChange {
                before: current.cloned(),
                after: (!is_gone).then(|| Arc::new(tile)),
            };
            changes.insert(*index, change);
        }
        changes
    }
}

/// How a brush is laid down: when it paints classes always with full strength and, as
/// wide as a pixel, on the middle of one.
fn laid(at: StrokePoint, ink: Ink) -> StrokePoint {
    if !ink.is_class() {
        return at;
    }
    let at = StrokePoint { flow: 1.0, ..at };
    if 2.0 * at.radius_px > PIXEL_BRUSH_PX {
        return at;
    }
    let middle = |v: f32| v.floor() + 0.5;
    StrokePoint {
        position: CanvasPoint::new(middle(at.position.x), middle(at.position.y)),
        ..at
    }
}

/// What is left of a value when a part in units of 1/255 is taken away.
fn remaining(value: u8, taken: u8) -> u8 {
    mul_255(value, 255 - taken)
}
