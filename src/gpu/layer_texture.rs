//! The pixels of a layer on the graphics card.

use std::sync::Arc;

use eframe::wgpu;

use crate::document::{Pixel, TILE_SIDE_PX, Tile, TileGrid, TileIndex, mul_255};

/// A tile and its halves down to one pixel: 256, 128, …, 1.
const MIP_LEVELS: u32 = TILE_SIDE_PX.ilog2() + 1;

/// A pixel that can be laid on the graphics card.
pub(super) trait TexturePixel: Pixel {
    /// How the texture stores it.
    const FORMAT: wgpu::TextureFormat;

    /// The value as the texture stores it.
    fn stored(self) -> Self;

    /// The mean of four stored values.
    fn mean(values: [Self; 4]) -> Self;

    /// Stored values as bytes.
    fn bytes(values: &[Self]) -> &[u8];
}

impl TexturePixel for u8 {
    const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::R8Unorm;

    fn stored(self) -> Self {
        self
    }

    fn mean(values: [Self; 4]) -> Self {
        let sum: u16 = values.into_iter().map(u16::from).sum();
        // Rounded up where anything is covered: a mask of one pixel may get
        // pale in a small view but must not vanish from it.
        if sum == 0 {
            0
        } else {
            ((sum + 2) / 4).max(1) as u8
        }
    }

    fn bytes(values: &[Self]) -> &[u8] {
        values
    }
}

impl TexturePixel for [u8; 4] {
    // Not sRGB: the window blends gamma values, as egui does.
    const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

    fn stored(self) -> Self {
        let [r, g, b, alpha] = self;
        if alpha == 255 {
            return self;
        }
        [
            mul_255(r, alpha),
            mul_255(g, alpha),
            mul_255(b, alpha),
            alpha,
        ]
    }

    fn mean(values: [Self; 4]) -> Self {
        std::array::from_fn(|channel| {
            let sum: u16 = values.iter().map(|value| u16::from(value[channel])).sum();
            ((sum + 2) / 4) as u8
        })
    }

    fn bytes(values: &[Self]) -> &[u8] {
        values.as_flattened()
    }
}

/// One texture for a whole layer, padded to whole tiles, with its mip levels.
///
/// Keeps the tiles that it was filled from: a tile of the document that is
/// another allocation was painted on and is uploaded again, all others are not.
#[derive(Debug)]
pub(super) struct LayerTexture<P> {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    size_px: [u32; 2],
    uploaded: Vec<Option<Arc<Tile<P>>>>,
}

impl<P: TexturePixel> LayerTexture<P> {
    /// A blank texture for a grid of the given size.
    pub fn new(device: &wgpu::Device, size_px: [u32; 2]) -> Self {
        let [columns, rows] = size_px.map(|side| side.div_ceil(TILE_SIDE_PX).max(1));
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("canvas layer"),
            size: wgpu::Extent3d {
                width: columns * TILE_SIDE_PX,
                height: rows * TILE_SIDE_PX,
                depth_or_array_layers: 1,
            },
            mip_level_count: MIP_LEVELS,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: P::FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self {
            texture,
            view,
            size_px,
            uploaded: vec![None; columns as usize * rows as usize],
        }
    }

    /// Size of the layer in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        self.size_px
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

    /// Uploads the tiles that changed since the last call. Gives their number.
    pub fn update(&mut self, queue: &wgpu::Queue, grid: &TileGrid<P>) -> usize {
        debug_assert_eq!(
            grid.size_px(),
            self.size_px,
            "the texture was made for this grid"
        );
        let mut count = 0;
        for (slot, index) in grid.indices().enumerate() {
            let tile = grid.tile(index);
            let is_same = match (tile, &self.uploaded[slot]) {
                (Some(tile), Some(known)) => Arc::ptr_eq(tile, known),
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                self.upload(queue, index, tile.map(Arc::as_ref));
                self.uploaded[slot] = tile.cloned();
                count += 1;
            }
        }
        count
    }

    fn upload(&self, queue: &wgpu::Queue, index: TileIndex, tile: Option<&Tile<P>>) {
        let mut pixels = match tile {
            Some(tile) => self.padded(index, tile),
            None => vec![P::default(); (TILE_SIDE_PX * TILE_SIDE_PX) as usize],
        };
        for level in 0..MIP_LEVELS {
            let side = TILE_SIDE_PX >> level;
            if level > 0 {
                pixels = halved(&pixels, side as usize);
            }
            queue.write_texture(
                wgpu::TexelCopyTextureInfo {
                    texture: &self.texture,
                    mip_level: level,
                    origin: wgpu::Origin3d {
                        x: index.column * side,
                        y: index.row * side,
                        z: 0,
                    },
                    aspect: wgpu::TextureAspect::All,
                },
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

/// A square picture at half its size; `side` is the new one.
fn halved<P: TexturePixel>(pixels: &[P], side: usize) -> Vec<P> {
    let full = side * 2;
    let mut half = Vec::with_capacity(side * side);
    for y in 0..side {
        let upper = &pixels[2 * y * full..][..full];
        let lower = &pixels[(2 * y + 1) * full..][..full];
        let columns = upper
            .as_chunks::<2>()
            .0
            .iter()
            .zip(lower.as_chunks::<2>().0);
        half.extend(columns.map(|(a, b)| P::mean([a[0], a[1], b[0], b[1]])));
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halving_takes_the_mean_and_keeps_a_single_covered_pixel() {
        let pixels = [
            [0, 0, 0, 0],
            [255, 0, 100, 255],
            [0, 0, 0, 0],
            [255, 0, 100, 255],
        ];
        assert_eq!(halved(&pixels, 1), [[128, 0, 50, 128]]);
        assert_eq!(halved(&[0, 0, 0, 1], 1), [1]);
        assert_eq!(halved(&[255, 255, 255, 255], 1), [255]);
    }

    #[test]
    fn colours_are_stored_premultiplied() {
        assert_eq!([200, 100, 50, 128].stored(), [100, 50, 25, 128]);
        assert_eq!([200, 100, 50, 255].stored(), [200, 100, 50, 255]);
        assert_eq!([200, 100, 50, 0].stored(), [0, 0, 0, 0]);
    }
}
