//! Pictures made larger: four times by a network, tile by tile, or as a model of
//! super-resolution paints them anew ([`Repainting`]).
//!
//! A tile of the network is computed with as much around it as its pixels depend on, so that the
//! result is that of the whole picture at once, however large it is, and memory
//! does not grow with it.

mod back_projection;
mod bands;
mod bleed;
mod part;
mod repainting;

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use image::{Rgba, RgbaImage};

use self::bleed::colours;
use self::part::Part;
use super::DiffusionError;
use crate::model::Upscaler;

pub(super) use back_projection::back_projected;
pub use repainting::{Repainting, RepaintingOptions};

/// Longest side of a tile in pixels of the small picture.
const TILE_PX: usize = 128;

const FACTOR: usize = Upscaler::FACTOR;

/// A picture that is being enlarged.
#[derive(Debug)]
pub struct Enlargement {
    small: Arc<RgbaImage>,
    is_opaque: bool,
    large: RgbaImage,
    tiles: Vec<Part>,
    done: usize,
}

impl Enlargement {
    /// Begins with a picture. The memory for the large one is taken here.
    pub fn new(small: Arc<RgbaImage>) -> Self {
        let (width, height) = small.dimensions();
        let factor = FACTOR as u32;
        Self {
            is_opaque: small.pixels().all(|pixel| pixel[3] == u8::MAX),
            large: RgbaImage::new(width * factor, height * factor),
            tiles: Part::tiles([width as usize, height as usize], TILE_PX),
            done: 0,
            small,
        }
    }

    /// How many tiles a picture of that size has.
    pub fn tiles_of([width_px, height_px]: [u32; 2]) -> u32 {
        let tiles = |side: u32| side.div_ceil(TILE_PX as u32);
        tiles(width_px) * tiles(height_px)
    }

    /// Tiles that are done, and tiles in all.
    pub fn progress(&self) -> (u32, u32) {
        (self.done as u32, self.tiles.len() as u32)
    }

    /// Does the next tile; `false` when there is none.
    ///
    /// # Errors
    /// If the device does not hand over what it computed.
    pub fn step(&mut self, network: &Upscaler, device: &Device) -> Result<bool, DiffusionError> {
        let Some(tile) = self.tiles.get(self.done).copied() else {
            return Ok(false);
        };
        let seen = tile.grown(Upscaler::REACH_PX, self.small_px());
        let mut planes = colours(&self.small, self.is_opaque, seen);
        let has_edges = !self.is_opaque && !is_even(&self.small, seen);
        if has_edges {
            let alpha = seen
                .places()
                .map(|(x, y)| f32::from(self.small.get_pixel(x, y)[3]) / 255.0);
            let alpha: Vec<f32> = alpha.collect();
            (0..3).for_each(|_| planes.extend(&alpha));
        }
        let shape = [1 + usize::from(has_edges), 3, seen.height(), seen.width()];
        let x = Tensor::from_data(TensorData::new(planes, shape), device);
        let enlarged = network.forward(x).into_data().try_into_vec::<f32>();
        let enlarged = enlarged.map_err(|error| DiffusionError::Device(format!("{error:?}")))?;
        self.put(tile, seen, &enlarged, has_edges);
        self.done += 1;
        Ok(true)
    }

    /// The large picture; parts that were not done are transparent.
    pub fn into_picture(self) -> RgbaImage {
        self.large
    }

    fn small_px(&self) -> [usize; 2] {
        [self.small.width() as usize, self.small.height() as usize]
    }

    /// Puts a tile in place, out of the planes of all that was seen.
    fn put(&mut self, tile: Part, seen: Part, planes: &[f32], has_edges: bool) {
        let width = seen.width() * FACTOR;
        let area = width * seen.height() * FACTOR;
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        for (x, y) in tile.places() {
            let alpha = match (has_edges, even_alpha(&self.small, x, y)) {
                (true, even) => even,
                (false, _) => Some(self.small.get_pixel(x, y)[3]),
            };
            let left = (x as usize - seen.left) * FACTOR;
            let top = (y as usize - seen.top) * FACTOR;
            for row in 0..FACTOR {
                for column in 0..FACTOR {
                    let at = (top + row) * width + left + column;
                    let mean = |planes: &[f32]| {
                        (planes[at] + planes[area + at] + planes[2 * area + at]) / 3.0
                    };
                    let alpha = alpha.unwrap_or_else(|| byte(mean(&planes[3 * area..])));
                    let pixel = match alpha {
                        // What cannot be seen has no colour.
                        0 => Rgba([0; 4]),
                        _ => {
                            let [r, g, b] = [0, 1, 2].map(|plane| byte(planes[plane * area + at]));
                            Rgba([r, g, b, alpha])
                        }
                    };
                    let place = |place: u32, inner: usize| place * FACTOR as u32 + inner as u32;
                    self.large.put_pixel(place(x, column), place(y, row), pixel);
                }
            }
        }
    }
}

/// Whether all pixels of a part are equally opaque.
fn is_even(picture: &RgbaImage, part: Part) -> bool {
    let mut alphas = part.places().map(|(x, y)| picture.get_pixel(x, y)[3]);
    let first = alphas.next();
    alphas.all(|alpha| Some(alpha) == first)
}

/// How opaque a pixel is where all around it is alike, wholly opaque or not at all:
/// there the network, which is never quite exact, is not asked.
fn even_alpha(picture: &RgbaImage, x: u32, y: u32) -> Option<u8> {
    let alpha = picture.get_pixel(x, y)[3];
    if alpha != 0 && alpha != u8::MAX {
        return None;
    }
    let around = |place: u32, side: u32| place.saturating_sub(1)..(place + 2).min(side);
    let mut rows = around(y, picture.height());
    let is_alike = rows.all(|y| {
        let mut columns = around(x, picture.width());
        columns.all(|x| picture.get_pixel(x, y)[3] == alpha)
    });
    is_alike.then_some(alpha)
}
