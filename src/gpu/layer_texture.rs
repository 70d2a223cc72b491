//! The pixels of a layer on the graphics card.

use std::sync::Arc;

use super::canvas_limits::Allowance;
use super::texture_pixel::{Reduce, TexturePixel, halved};
use super::tile_area::TileArea;
use crate::document::{TILE_SIDE_PX, Tile, TileGrid, TileIndex};
use crate::geometry::CanvasRect;

/// A tile and its halves down to one pixel: 256, 128, …, 1.
const MIP_LEVELS: u32 = TILE_SIDE_PX.ilog2() + 1;

/// How often the pixels of a texture may be halved before it is worth nothing.
pub(super) const MOST_HALVINGS: u32 = 4;

/// A texture for the part of a layer that holds something, with its mip levels.
///
/// Where there is no room for it in full it begins with a later level: it is
/// *halved* once or several times, and looks soft from near.
///
/// Keeps the tiles that it was filled from: a tile of the document that is
/// another allocation was painted on and is uploaded again, all others are not.
#[derive(Debug)]
pub(super) struct LayerTexture<P> {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    size_px: [u32; 2],
    area: TileArea,
    halvings: u32,
    reduce: Reduce<P>,
    uploaded: Vec<Option<Arc<Tile<P>>>>,
}

impl<P: TexturePixel> LayerTexture<P> {
    /// A blank texture for a part of a grid of the given size.
    pub fn new(
        device: &wgpu::Device,
        size_px: [u32; 2],
        area: TileArea,
        halvings: u32,
        reduce: Reduce<P>,
    ) -> Self {
        let [width, height] = area.counts.map(|count| count * (TILE_SIDE_PX >> halvings));
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas layer"),
            size: wgpu::Extent3d {
                width,
                height,
                depth_or_array_layers: 1,
            },
            mip_level_count: MIP_LEVELS - halvings,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: P::FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_DST
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self {
            texture,
            view,
            size_px,
            area,
            halvings,
            reduce,
            uploaded: vec![None; area.tile_count() as usize],
        }
    }

    /// Memory that a texture takes.
    pub fn size_bytes(area: &TileArea, halvings: u32) -> u64 {
        area.tile_count() * tile_bytes::<P>(halvings)
    }

    /// Size of the layer in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
    }

    /// The part of the layer that the texture has room for.
    pub fn area(&self) -> &TileArea {
        &self.area
    }

    /// How often its pixels are halved.
    pub fn halvings(&self) -> u32 {
        self.halvings
    }

    /// Size of the texture in texels.
    pub fn texture_px(&self) -> [u32; 2] {
        [self.texture.width(), self.texture.height()]
    }

    /// What shaders read.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Whether nothing was uploaded: there is nothing to draw.
    pub fn is_blank(&self) -> bool {
        self.uploaded.iter().all(Option::is_none)
    }

    /// Takes over what a texture of the same layer holds, unless that is halved
    /// more often. Nothing is uploaded.
    pub fn take_over(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, old: &Self) {
        let shared = self.area.intersect(&old.area);
        if old.halvings > self.halvings || shared.tile_count() == 0 {
            return;
        }
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor {
            label: Some("canvas layer"),
        });
        for level in self.halvings..MIP_LEVELS {
            let side = TILE_SIDE_PX >> level;
            let place = |texture: &Self| wgpu::Origin3d {
                x: (shared.first[0] - texture.area.first[0]) * side,
                y: (shared.first[1] - texture.area.first[1]) * side,
                z: 0,
            };
            encoder.copy_texture_to_texture(
                old.level(level, place(old)),
                self.level(level, place(self)),
                wgpu::Extent3d {
                    width: shared.counts[0] * side,
                    height: shared.counts[1] * side,
                    depth_or_array_layers: 1,
                },
            );
        }
        queue.submit([encoder.finish()]);
        for index in shared.indices() {
            let known = old.uploaded[old.area.slot(index)].clone();
            self.uploaded[self.area.slot(index)] = known;
        }
    }

    /// Uploads the tiles that changed since the last call, as many as the frame
    /// is allowed, those in view first. Gives their number.
    pub fn update(
        &mut self,
        queue: &wgpu::Queue,
        grid: &TileGrid<P>,
        in_view: &CanvasRect,
        allowance: &mut Allowance,
    ) -> usize {
        debug_assert_eq!(
            grid.size_px(),
            self.size_px,
            "the texture was made for this grid"
        );
        let is_known = |index: &TileIndex| {
            let known = &self.uploaded[self.area.slot(*index)];
            match (grid.tile(*index), known) {
                (Some(tile), Some(known)) => Arc::ptr_eq(tile, known),
                (None, None) => true,
                _ => false,
            }
        };
        let mut changed: Vec<_> = self.area.indices().filter(|i| !is_known(i)).collect();
        changed.sort_by_key(|index| index.rect().intersect(in_view).is_empty());
        let bytes = tile_bytes::<P>(self.halvings);
        let allowed = changed
            .into_iter()
            .take_while(|_| allowance.take(bytes))
            .collect::<Vec<_>>();
        for index in &allowed {
            let tile = grid.tile(*index);
            self.upload(queue, *index, tile.map(Arc::as_ref));
            self.uploaded[self.area.slot(*index)] = tile.cloned();
        }
        allowed.len()
    }

    fn upload(&self, queue: &wgpu::Queue, index: TileIndex, tile: Option<&Tile<P>>) {
        let mut pixels = match tile {
            Some(tile) => self.padded(index, tile),
            None => vec![P::default(); (TILE_SIDE_PX * TILE_SIDE_PX) as usize],
        };
        for level in 0..MIP_LEVELS {
            let side = TILE_SIDE_PX >> level;
            if level > 0 {
                pixels = halved(&pixels, side as usize, self.reduce);
            }
            if level < self.halvings {
                continue;
            }
            let place = wgpu::Origin3d {
                x: (index.column - self.area.first[0]) * side,
                y: (index.row - self.area.first[1]) * side,
                z: 0,
            };
            queue.write_texture(
                self.level(level, place),
                P::bytes(&pixels),
                wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(side * size_of::<P>() as u32),
                    rows_per_image: Some(side),
                },
                wgpu::Extent3d {
                    width: side,
                    height: side,
                    depth_or_array_layers: 1,
                },
            );
        }
    }

    /// A place in the mip level where a tile has the given number of halvings.
    fn level(&self, level: u32, origin: wgpu::Origin3d) -> wgpu::TexelCopyTextureInfo<'_> {
        wgpu::TexelCopyTextureInfo {
            texture: &self.texture,
            mip_level: level - self.halvings,
            origin,
            aspect: wgpu::TextureAspect::All,
        }
    }

    /// The tile as it is stored. What lies outside of the picture repeats its
    /// border, so that filtering does not mix in anything clear.
    fn padded(&self, index: TileIndex, tile: &Tile<P>) -> Vec<P> {
        let inside =
            |axis: usize, index: u32| (self.size_px[axis] - index * TILE_SIDE_PX).min(TILE_SIDE_PX);
        let width = inside(0, index.column) as usize;
        let height = inside(1, index.row);
        let mut pixels = Vec::with_capacity((TILE_SIDE_PX * TILE_SIDE_PX) as usize);
        for y in 0..TILE_SIDE_PX {
            let row = &tile.row(y.min(height - 1))[..width];
            pixels.extend(row.iter().map(|pixel| pixel.stored()));
            let border = row[width - 1].stored();
            pixels.extend(std::iter::repeat_n(border, TILE_SIDE_PX as usize - width));
        }
        pixels
    }
}

/// What one tile takes with its later levels.
fn tile_bytes<P>(halvings: u32) -> u64 {
    let level = |level: u32| {
        let side = u64::from(TILE_SIDE_PX >> level);
        side * side * size_of::<P>() as u64
    };
    (halvings..MIP_LEVELS).map(level).sum()
}
