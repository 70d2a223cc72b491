//! A stroke in progress: what it covers and what it does to the layer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::settings::BrushSettings;
use super::stamp::{StrokePoint, sweep, sweep_hard};
use super::stroke_path::{Stretch, StrokePath};
use crate::document::{
    DocumentEditor, DocumentError, Edit, Layer, LayerContent, LayerId, Pixel, PixelChanges, Tile,
    TileChange, TileGrid, TileIndex, mul_255,
};
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::tools::ink::{ColourInk, Ink, ValueInk};
use crate::tools::medium::Paint;

/// Largest diameter, in pixels, of a brush that is laid on the middles of pixels when
/// it paints classes: between them it would reach none, or two.
const PIXEL_BRUSH_PX: f32 = 1.5;

/// A layer as it was before a stroke, and what that does to it.
#[derive(Debug)]
enum Surface {
    Values(TileGrid<u8>, ValueInk),
    Colours(TileGrid<[u8; 4]>, ColourInk),
}

impl Surface {
    /// `None` where paint is not for a layer.
    fn of(layer: &Layer, paint: Paint) -> Option<Self> {
        match (layer.content.clone(), paint) {
            (LayerContent::Raster(before), Paint::Colours(ink)) => Some(Self::Colours(before, ink)),
            (LayerContent::Mask(before) | LayerContent::Semantic(before), Paint::Values(ink)) => {
                Some(Self::Values(before, ink))
            }
            _ => None,
        }
    }

    fn is_class(&self) -> bool {
        matches!(self, Self::Values(_, ValueInk::Class(_)))
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
    surface: Surface,
    /// Whether it paints classes, which have hard edges.
    is_hard: bool,
    coverage: TileGrid<u8>,
    path: StrokePath,
    /// What is drawn and not yet painted.
    pending: Vec<Stretch>,
    hardness: f32,
    opacity: f32,
}

impl Stroke {
    /// A stroke on a layer, on a canvas of a size, that starts at a point.
    ///
    /// # Errors
    /// If the paint is not for that layer.
    pub fn start(
        layer: &Layer,
        size_px: [u32; 2],
        at: StrokePoint,
        settings: &BrushSettings,
        paint: Paint,
    ) -> Result<Self, DocumentError> {
        let surface = Surface::of(layer, paint).ok_or(DocumentError::Stale("paint"))?;
        let is_hard = surface.is_class();
        let spacing = settings.spacing.clamp(*SPACINGS.start(), *SPACINGS.end());
        let (path, first) = StrokePath::start(laid(at, is_hard), spacing);
        Ok(Self {
            layer: layer.id,
            surface,
            is_hard,
            coverage: TileGrid::new(size_px),
            path,
            pending: vec![first],
            hardness: settings.hardness,
            opacity: if is_hard { 1.0 } else { settings.opacity },
        })
    }

    /// The last reported point.
    pub fn last(&self) -> StrokePoint {
        self.path.last()
    }

    /// Goes on to a point.
    pub fn extend_to(&mut self, at: StrokePoint) {
        self.pending
            .extend(self.path.extend_to(laid(at, self.is_hard)));
    }

    /// Goes straight to a point.
    pub fn straight_to(&mut self, at: StrokePoint) {
        self.pending
            .extend(self.path.straight_to(laid(at, self.is_hard)));
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
            let swept = match self.is_hard {
                true => sweep_hard(&mut self.coverage, from, to),
                false => sweep(&mut self.coverage, from, to, self.hardness),
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
        let changes = match (&self.surface, &layer.content) {
            (Surface::Colours(before, ink), LayerContent::Raster(now)) => {
                PixelChanges::Color(self.renewed(&parts, before, now, *ink))
            }
            (
                Surface::Values(before, ink),
                LayerContent::Mask(now) | LayerContent::Semantic(now),
            ) => PixelChanges::Value(self.renewed(&parts, before, now, *ink)),
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
        ink: impl Ink<P>,
    ) -> BTreeMap<TileIndex, TileChange<P>> {
        let opacity = (self.opacity * 255.0).round() as u8;
        let mut changes = BTreeMap::new();
        for (index, part) in parts {
            let Some(coverage) = self.coverage.tile(*index) else {
                continue;
            };
            let current = now.tile(*index);
            if current.is_none() && ink.erases() {
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
                        *pixel = ink.over(under, mul_255(*amount, opacity));
                    }
                }
            }
            // What was erased takes no memory.
            let is_gone = ink.erases() && tile.is_blank();
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
fn laid(at: StrokePoint, is_hard: bool) -> StrokePoint {
    if !is_hard {
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
