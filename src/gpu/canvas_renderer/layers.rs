//! The textures of a document's layers, within the memory there is.

use std::collections::BTreeMap;

use super::pipelines::Pipelines;
use crate::document::{Document, Layer, LayerContent, LayerId, TileGrid};
use crate::geometry::CanvasRect;
use crate::gpu::canvas_limits::{Allowance, TextureMemory};
use crate::gpu::error::in_error_scope;
use crate::gpu::layer_texture::{LayerTexture, MOST_HALVINGS};
use crate::gpu::texture_pixel::{Reduce, TexturePixel, most_frequent};
use crate::gpu::tile_area::TileArea;

/// What the textures are made with in one frame.
pub(super) struct Frame<'a> {
    pub device: &'a wgpu::Device,
    pub queue: &'a wgpu::Queue,
    pub pipelines: &'a Pipelines,
    /// The colours of classes.
    pub palette: &'a wgpu::TextureView,
    /// The pixels of the document that are on the screen.
    pub in_view: CanvasRect,
    pub allowance: Allowance,
}

/// A texture with what binds it to a shader.
#[derive(Debug)]
pub(super) struct Bound<P> {
    pub texture: LayerTexture<P>,
    pub bind_group: wgpu::BindGroup,
}

#[derive(Debug)]
enum Held {
    Color(Bound<[u8; 4]>),
    Mask(Bound<u8>),
    Classes(Bound<u8>),
}

impl Held {
    fn size_bytes(&self) -> u64 {
        match self {
            Self::Color(bound) => size_bytes(&bound.texture),
            Self::Mask(bound) | Self::Classes(bound) => size_bytes(&bound.texture),
        }
    }

    fn is_coarse(&self) -> bool {
        match self {
            Self::Color(bound) => bound.texture.halvings() > 0,
            Self::Mask(bound) | Self::Classes(bound) => bound.texture.halvings() > 0,
        }
    }
}

fn size_bytes<P: TexturePixel>(texture: &LayerTexture<P>) -> u64 {
    LayerTexture::<P>::size_bytes(texture.area(), texture.halvings())
}

/// Whether a texture can go on being that of a layer. Much more room than needed
/// was needed once, and is not any more.
fn suits<P: TexturePixel>(texture: &LayerTexture<P>, area: &TileArea) -> bool {
    let has = texture.area();
    has.contains(area) && has.tile_count() <= 4 * area.tile_count()
}

/// The textures of all layers.
#[derive(Debug)]
pub(super) struct LayerTextures {
    held: BTreeMap<LayerId, Held>,
    memory: TextureMemory,
    /// Visible layers without a texture, though they hold something.
    missing: usize,
}

impl LayerTextures {
    /// No textures yet.
    pub fn new(memory: TextureMemory) -> Self {
        Self {
            held: BTreeMap::new(),
            memory,
            missing: 0,
        }
    }

    /// The account of the memory.
    pub fn memory(&mut self) -> &mut TextureMemory {
        &mut self.memory
    }

    /// The texture of a picture layer.
    pub fn color(&self, id: LayerId) -> Option<&Bound<[u8; 4]>> {
        match self.held.get(&id) {
            Some(Held::Color(bound)) => Some(bound),
            _ => None,
        }
    }

    /// The texture of a mask.
    pub fn mask(&self, id: LayerId) -> Option<&Bound<u8>> {
        match self.held.get(&id) {
            Some(Held::Mask(bound)) => Some(bound),
            _ => None,
        }
    }

    /// The texture of a semantic layer.
    pub fn classes(&self, id: LayerId) -> Option<&Bound<u8>> {
        match self.held.get(&id) {
            Some(Held::Classes(bound)) => Some(bound),
            _ => None,
        }
    }

    /// How many are smaller than their layers.
    pub fn coarse_count(&self) -> usize {
        self.held.values().filter(|held| held.is_coarse()).count()
    }

    /// How many visible layers could get none.
    pub fn missing_count(&self) -> usize {
        self.missing
    }

    /// Brings the textures to what the document holds.
    pub fn renew(&mut self, frame: &mut Frame<'_>, document: &Document) {
        let is_drawn = |layer: &Layer| match layer.content {
            LayerContent::Raster(_) | LayerContent::Semantic(_) | LayerContent::Mask(_) => {
                layer.visible
            }
            LayerContent::Layout(_) => false,
        };
        // What is hidden may be shown again soon, unless its room is needed.
        let is_tight = self.missing > 0 || self.coarse_count() > 0;
        let gone: Vec<LayerId> = self
            .held
            .keys()
            .copied()
            .filter(|id| match document.layer(*id) {
                None => true,
                Some(layer) => is_tight && !is_drawn(layer),
            })
            .collect();
        for id in gone {
            if let Some(held) = self.held.remove(&id) {
                self.memory.give_back(held.size_bytes());
            }
        }
        self.missing = 0;
        for layer in document.layers().iter().filter(|layer| is_drawn(layer)) {
            let (device, pipelines) = (frame.device, frame.pipelines);
            let known = self.held.remove(&layer.id);
            let held = match (&layer.content, known) {
                (LayerContent::Raster(grid), known) => {
                    let known = match known {
                        Some(Held::Color(bound)) => Some(bound),
                        _ => None,
                    };
                    let bind = |view: &_| pipelines.bind(device, Some(view), None);
                    let reduce = TexturePixel::mean;
                    self.layer(frame, known, grid, reduce, bind)
                        .map(Held::Color)
                }
                (LayerContent::Mask(grid), known) => {
                    let known = match known {
                        Some(Held::Mask(bound)) => Some(bound),
                        _ => None,
                    };
                    let bind = |view: &_| pipelines.bind(device, None, Some(view));
                    let reduce = TexturePixel::mean;
                    self.layer(frame, known, grid, reduce, bind).map(Held::Mask)
                }
                (LayerContent::Semantic(grid), known) => {
                    let known = match known {
                        Some(Held::Classes(bound)) => Some(bound),
                        _ => None,
                    };
                    let palette = frame.palette;
                    let bind = |view: &_| pipelines.bind(device, Some(palette), Some(view));
                    self.layer(frame, known, grid, most_frequent, bind)
                        .map(Held::Classes)
                }
                (LayerContent::Layout(_), _) => None,
            };
            if let Some(held) = held {
                self.held.insert(layer.id, held);
            }
        }
    }

    /// The texture of one layer, filled as far as the frame allows.
    fn layer<P: TexturePixel>(
        &mut self,
        frame: &mut Frame<'_>,
        known: Option<Bound<P>>,
        grid: &TileGrid<P>,
        reduce: Reduce<P>,
        bind: impl Fn(&wgpu::TextureView) -> wgpu::BindGroup,
    ) -> Option<Bound<P>> {
        let Some(area) = TileArea::around(grid) else {
            self.free(known);
            return None;
        };
        let size_px = grid.size_px();
        let known = match known {
            Some(known) if known.texture.size_px() == size_px => Some(known),
            other => {
                self.free(other);
                None
            }
        };
        let bound = match known {
            Some(known)
                if suits(&known.texture, &area) && !self.has_room_for_finer(&known, &area) =>
            {
                Some(known)
            }
            other => self.made(frame, other, (size_px, area, reduce), bind),
        };
        let Some(mut bound) = bound else {
            self.missing += 1;
            return None;
        };
        let uploaded = in_error_scope(frame.device, "picture on the canvas", || {
            let (texture, in_view) = (&mut bound.texture, &frame.in_view);
            texture.update(frame.queue, grid, in_view, &mut frame.allowance)
        });
        if let Err(error) = uploaded {
            log::warn!("{error}");
            // What is on the texture is not known any more. The next frame tries
            // again, with less.
            let bytes = size_bytes(&bound.texture);
            self.free(Some(bound));
            self.memory.refused(bytes, 0);
            self.missing += 1;
            return None;
        }
        Some(bound)
    }

    fn has_room_for_finer<P: TexturePixel>(&self, known: &Bound<P>, area: &TileArea) -> bool {
        let halvings = known.texture.halvings();
        halvings > 0 && {
            let finer = LayerTexture::<P>::size_bytes(area, halvings - 1);
            self.memory.fits(finer, size_bytes(&known.texture))
        }
    }

    /// A new texture in place of the old one: as fine as there is room for.
    fn made<P: TexturePixel>(
        &mut self,
        frame: &Frame<'_>,
        mut old: Option<Bound<P>>,
        (size_px, area, reduce): ([u32; 2], TileArea, Reduce<P>),
        bind: impl Fn(&wgpu::TextureView) -> wgpu::BindGroup,
    ) -> Option<Bound<P>> {
        let mut halvings = 0;
        while halvings <= MOST_HALVINGS {
            let is_enough =
                |old: &Bound<P>| suits(&old.texture, &area) && old.texture.halvings() <= halvings;
            if old.as_ref().is_some_and(is_enough) {
                return old;
            }
            let bytes = LayerTexture::<P>::size_bytes(&area, halvings);
            let old_bytes = old.as_ref().map_or(0, |old| size_bytes(&old.texture));
            if !self.memory.fits(bytes, old_bytes) {
                halvings += 1;
                continue;
            }
            let made = in_error_scope(frame.device, "picture on the canvas", || {
                let mut texture = LayerTexture::new(frame.device, size_px, area, halvings, reduce);
                if let Some(old) = &old {
                    texture.take_over(frame.device, frame.queue, &old.texture);
                }
                let bind_group = bind(texture.view());
                Bound {
                    texture,
                    bind_group,
                }
            });
            match made {
                Ok(made) => {
                    self.memory.take(bytes);
                    self.free(old);
                    return Some(made);
                }
                Err(error) => {
                    log::warn!("{error}");
                    let is_still_good = |old: &Bound<P>| suits(&old.texture, &area);
                    if old.as_ref().is_some_and(is_still_good) {
                        self.memory.refused(bytes, old_bytes);
                        halvings += 1;
                    } else if old.is_some() {
                        // Perhaps it takes the room: once more without it.
                        self.free(old.take());
                    } else {
                        self.memory.refused(bytes, 0);
                        halvings += 1;
                    }
                }
            }
        }
        self.free(old);
        None
    }

    fn free<P: TexturePixel>(&mut self, bound: Option<Bound<P>>) {
        if let Some(bound) = bound {
            self.memory.give_back(size_bytes(&bound.texture));
        }
    }
}
