//! Convolution and its gradients as matrix products over patches that are
//! gathered tile by tile, never for the whole picture.

use std::ops::Range;

use rayon::prelude::*;

use super::shape::ConvShape;
use crate::kernels::matrix::{Into, Mat, MatMut, multiply};
use crate::kernels::share::{add_up, for_rows, map_shares, shares, with_scratch};
use crate::kernels::weights::Weights;
use crate::kernels::widened::{SMALL_SIDE, multiply_rows};

/// Whole pictures, or some output rows of one picture.
#[derive(Clone, Copy)]
struct Tile {
    image: usize,
    images: usize,
    row: usize,
    rows: usize,
}

/// Values of gathered patches that a tile aims at: 2 MiB, a small part of the
/// last cache level of any processor that runs this program.
const TILE_VALUES: usize = 512 * 1024;
/// Output channels are shared out in so many.
const CHANNEL_UNIT: usize = 8;
/// Fewer columns than this starve the matrix kernel.
const MIN_COLUMNS: usize = 128;

fn tiles(shape: &ConvShape, images: Range<usize>) -> Vec<Tile> {
    let [height, width] = shape.output();
    let columns = (TILE_VALUES / shape.patch_len().max(1)).max(MIN_COLUMNS);
    let mut tiles = Vec::new();
    if height * width <= columns {
        let together = (columns / (height * width).max(1)).max(1);
        let mut image = images.start;
        while image < images.end {
            let count = together.min(images.end - image);
            tiles.push(Tile {
                image,
                images: count,
                row: 0,
                rows: height,
            });
            image += count;
        }
    } else {
        let rows_each = (columns / width).max(1);
        for image in images {
            let mut row = 0;
            while row < height {
                let rows = rows_each.min(height - row);
                tiles.push(Tile {
                    image,
                    images: 1,
                    row,
                    rows,
                });
                row += rows;
            }
        }
    }
    tiles
}

/// Tiles for all threads: small jobs are split finer so that each has some.
fn parallel_tiles(shape: &ConvShape) -> Vec<Tile> {
    let mut all = tiles(shape, 0..shape.batch);
    let threads = rayon::current_num_threads();
    if all.len() < threads && shape.batch >= threads {
        all = shares(shape.batch, 1)
            .into_iter()
            .flat_map(|share| tiles(shape, share))
            .collect();
    } else if all.len() < threads {
        // Only tiles of one picture can be parts of it.
        let images = all.iter().flat_map(|tile| {
            (tile.image..tile.image + tile.images).map(|image| Tile {
                image,
                images: 1,
                ..*tile
            })
        });
        all = images
            .flat_map(|tile| {
                shares(tile.rows, 1).into_iter().map(move |share| Tile {
                    row: tile.row + share.start,
                    rows: share.len(),
                    ..tile
                })
            })
            .collect();
    }
    all
}

impl Tile {
    fn columns(&self, width_out: usize) -> usize {
        self.images * self.rows * width_out
    }
}

/// Copies the patches under a tile into the columns of `columns`, one row for
/// each value of a patch.
fn gather(x: &[f32], shape: &ConvShape, tile: Tile, columns: &mut [f32]) {
    let [_, width_out] = shape.output();
    let [height, width] = shape.input;
    let [kernel_h, kernel_w] = shape.kernel;
    let [stride_y, stride_x] = shape.stride;
    let [pad_y, pad_x] = shape.padding;
    let total = tile.columns(width_out);
    let per_image = tile.rows * width_out;
    for channel in 0..shape.channels_in {
        for ky in 0..kernel_h {
            for kx in 0..kernel_w {
                let line = (channel * kernel_h + ky) * kernel_w + kx;
                let line = &mut columns[line * total..][..total];
                // Output columns whose input column `ox · stride + kx − pad` exists.
                let first = pad_x.saturating_sub(kx).div_ceil(stride_x).min(width_out);
                let last = if width + pad_x > kx {
                    ((width + pad_x - kx - 1) / stride_x + 1).min(width_out)
                } else {
                    0
                }
                .max(first);
                for (image, line) in line.chunks_exact_mut(per_image).enumerate() {
                    let plane = (tile.image + image) * shape.channels_in + channel;
                    let plane = &x[plane * height * width..][..height * width];
                    if shape.stride == [1, 1] && width_out == width && first < last {
                        let by = [
                            (tile.row + ky) as isize - pad_y as isize,
                            kx as isize - pad_x as isize,
                        ];
                        shift(plane, [height, width], by, first..last, line);
                        continue;
                    }
                    for (row, out) in line.chunks_exact_mut(width_out).enumerate() {
                        let y = (tile.row + row) * stride_y + ky;
                        if y < pad_y || y - pad_y >= height {
                            out.fill(0.0);
                            continue;
                        }
                        let source = &plane[(y - pad_y) * width..][..width];
                        out[..first].fill(0.0);
                        out[last..].fill(0.0);
                        if first == last {
                            continue;
                        }
                        let start = first * stride_x + kx - pad_x;
                        if stride_x == 1 {
                            out[first..last].copy_from_slice(&source[start..][..last - first]);
                        } else {
                            for (out, value) in out[first..last]
                                .iter_mut()
                                .zip(source[start..].iter().step_by(stride_x))
                            {
                                *out = *value;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Copies a plane to rows of the same width: output row `r` and column `c` get
/// input row `r + down` and column `c + across`, or zero from outside. Only
/// `columns` of the output have an input.
///
/// One copy for all rows: the pictures inside of a denoiser are narrow, and a
/// copy for each of their rows would cost more than the moving.
fn shift(
    plane: &[f32],
    [height, width]: [usize; 2],
    [down, across]: [isize; 2],
    columns: Range<usize>,
    out: &mut [f32],
) {
    let rows = out.len() / width;
    let first = down.saturating_neg().clamp(0, rows as isize) as usize;
    let last = (height as isize - down).clamp(first as isize, rows as isize) as usize;
    out[..first * width].fill(0.0);
    out[last * width..].fill(0.0);
    if first == last {
        return;
    }
    let to = first * width + columns.start..(last - 1) * width + columns.end;
    // Not negative: row `first` and column `columns.start` have an input.
    let from = (first as isize + down) * width as isize + columns.start as isize + across;
    out[to.clone()].copy_from_slice(&plane[from as usize..][..to.len()]);
    for row in out[first * width..last * width].chunks_exact_mut(width) {
        row[..columns.start].fill(0.0);
        row[columns.end..].fill(0.0);
    }
}

/// The inverse of [`gather`]: adds the columns back onto whole pictures.
fn scatter_add(columns: &[f32], shape: &ConvShape, images: usize, dx: &mut [f32]) {
    let [height_out, width_out] = shape.output();
    let [height, width] = shape.input;
    let [kernel_h, kernel_w] = shape.kernel;
    let per_image = height_out * width_out;
    let total = images * per_image;
    for channel in 0..shape.channels_in {
        for ky in 0..kernel_h {
            for kx in 0..kernel_w {
                let line = (channel * kernel_h + ky) * kernel_w + kx;
                let line = &columns[line * total..][..total];
                for (image, line) in line.chunks_exact(per_image).enumerate() {
                    let plane = image * shape.channels_in + channel;
                    let plane = &mut dx[plane * height * width..][..height * width];
                    for (row, values) in line.chunks_exact(width_out).enumerate() {
                        let y = row * shape.stride[0] + ky;
                        if y < shape.padding[0] || y - shape.padding[0] >= height {
                            continue;
                        }
                        let out = &mut plane[(y - shape.padding[0]) * width..][..width];
                        for (column, value) in values.iter().enumerate() {
                            let x = column * shape.stride[1] + kx;
                            if x >= shape.padding[1] && x - shape.padding[1] < width {
                                out[x - shape.padding[1]] += value;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Hands to each tile what it writes: of each of its pictures a matrix whose rows
/// are output channels. The tiles are in order and leave nothing out.
fn hand_out<'a>(
    tiles: Vec<Tile>,
    out: MatMut<'a>,
    shape: &ConvShape,
) -> Vec<(Tile, Vec<MatMut<'a>>)> {
    let [_, width_out] = shape.output();
    let area = shape.area_out();
    let mut pictures = out.into_rows().map(|picture| {
        let channels = picture.len() / area.max(1);
        MatMut::new(picture, channels, area)
    });
    // What the tiles before left of a picture.
    let mut rest: Option<MatMut<'a>> = None;
    let mut hand = |tile: &Tile| {
        let mut parts = Vec::with_capacity(tile.images);
        while parts.len() < tile.images
            && let Some(picture) = rest.take().or_else(|| pictures.next())
        {
            let (part, others) = picture.split_columns(tile.rows * width_out);
            parts.push(part);
            rest = Some(others).filter(|others| others.cols() > 0);
        }
        parts
    };
    tiles
        .into_iter()
        .map(|tile| {
            let parts = hand(&tile);
            (tile, parts)
        })
        .collect()
}

/// The convolution, for kernels of any size.
pub fn conv2d(x: &[f32], weight: Weights<'_>, bias: Option<&[f32]>, shape: &ConvShape) -> Vec<f32> {
    let (area, count) = (shape.area_out(), shape.channels_out);
    let mut out = vec![0.0; shape.batch * count * area];
    // A row is a picture; its output channels lie one after the other.
    let pictures = MatMut::new(&mut out, shape.batch, count * area);
    let layer = Layer {
        x,
        weight,
        bias,
        shape,
    };
    let tiles = parallel_tiles(shape);
    if layer.is_better_by_channels(&tiles) {
        let shares = shares(count, CHANNEL_UNIT);
        let parts = pictures.cut_columns(shares.iter().map(|share| share.len() * area));
        let tasks = shares.into_par_iter().zip(parts);
        tasks.for_each(|(channels, pictures)| {
            let tiles = hand_out(tiles.clone(), pictures, shape);
            let alone = tiles.into_iter().flat_map(|(tile, parts)| {
                let parts = parts.into_iter();
                parts.map(move |part| (tile, part))
            });
            layer.of_pictures(alone.collect(), channels);
        });
        return out;
    }
    let tiles = hand_out(tiles, pictures, shape);
    tiles.into_par_iter().for_each(|(tile, mut parts)| {
        if parts.len() == 1 {
            let alone = parts.drain(..).map(|part| (tile, part));
            layer.of_pictures(alone.collect(), 0..count);
        } else {
            layer.of_several(tile, &mut parts);
        }
    });
    out
}

/// What a convolution is made of.
#[derive(Clone, Copy)]
struct Layer<'a> {
    x: &'a [f32],
    weight: Weights<'a>,
    bias: Option<&'a [f32]>,
    shape: &'a ConvShape,
}

impl Layer<'_> {
    /// Whether threads share out channels better than tiles: where every tile would have its
    /// thread widen all weights. Sums are the same, but for tiles of one place.
    fn is_better_by_channels(&self, tiles: &[Tile]) -> bool {
        let [_, width_out] = self.shape.output();
        let columns: usize = tiles.iter().map(|tile| tile.columns(width_out)).sum();
        self.weight.are_halves()
            && self.shape.channels_out > SMALL_SIDE
            // Each share gathers all patches, which must not be more than the weights are.
            && (self.shape.is_pointwise() || columns <= 2 * self.shape.channels_out)
            && tiles.len() <= rayon::current_num_threads()
            && tiles
                .iter()
                .all(|tile| tile.images == 1 && tile.columns(width_out) > 1)
    }

    /// Some channels of tiles that are of one picture each.
    fn of_pictures(&self, tiles: Vec<(Tile, MatMut<'_>)>, channels: Range<usize>) {
        let Self { x, bias, shape, .. } = *self;
        let [_, width_out] = shape.output();
        let (area, patch) = (shape.area_out(), shape.patch_len());
        let room = |tile: &Tile| match shape.is_pointwise() {
            true => 0,
            false => patch * tile.columns(width_out),
        };
        let into = match bias {
            Some(_) => Into::Add,
            None => Into::Overwrite,
        };
        with_scratch(tiles.iter().map(|(tile, _)| room(tile)).sum(), |scratch| {
            let mut rest = scratch;
            let mut products = Vec::with_capacity(tiles.len());
            for (tile, mut out) in tiles {
                if let Some(bias) = bias {
                    for (row, value) in bias[channels.clone()].iter().enumerate() {
                        out.row(row).fill(*value);
                    }
                }
                let columns = tile.columns(width_out);
                if shape.is_pointwise() {
                    let image = &x[tile.image * patch * area..][..patch * area];
                    let pixels = &image[tile.row * width_out..];
                    products.push((out, Mat::strided(pixels, patch, columns, area)));
                } else {
                    let (patches, others) = rest.split_at_mut(room(&tile));
                    rest = others;
                    gather(x, shape, tile, patches);
                    products.push((out, Mat::new(patches, patch, columns)));
                }
            }
            multiply_rows(products, self.weight, channels, shape.channels_out, into);
        });
    }

    /// A tile of several pictures.
    fn of_several(&self, tile: Tile, pictures: &mut [MatMut<'_>]) {
        let Self { x, bias, shape, .. } = *self;
        let [_, width_out] = shape.output();
        let (area, patch, count) = (shape.area_out(), shape.patch_len(), shape.channels_out);
        let columns = tile.columns(width_out);
        with_scratch((patch + count) * columns, |scratch| {
            let (patches, product) = scratch.split_at_mut(patch * columns);
            gather(x, shape, tile, patches);
            let patches = Mat::new(patches, patch, columns);
            let out = MatMut::new(product, count, columns);
            multiply_rows(
                vec![(out, patches)],
                self.weight,
                0..count,
                count,
                Into::Overwrite,
            );
            for (image, out) in pictures.iter_mut().enumerate() {
                for channel in 0..count {
                    let plane = out.row(channel);
                    plane.copy_from_slice(&product[channel * columns + image * area..][..area]);
                    if let Some(bias) = bias {
                        let bias = bias[channel];
                        plane.iter_mut().for_each(|value| *value += bias);
                    }
                }
            }
        });
    }
}

/// Gradient of [`conv2d`] by its input, for any stride and padding.
pub fn input_gradient(weight: &[f32], dy: &[f32], shape: &ConvShape) -> Vec<f32> {
    let (patch, area) = (shape.patch_len(), shape.area_out());
    let plane_in = shape.channels_in * shape.area_in();
    let weights = Mat::new(weight, shape.channels_out, patch).transposed();
    let mut dx = vec![0.0; shape.batch * plane_in];
    for_rows(&mut dx, plane_in, |first, rows| {
        with_scratch(patch * area, |columns| {
            for (image, dx) in (first..).zip(rows.chunks_exact_mut(plane_in)) {
                let dy = &dy[image * shape.channels_out * area..][..shape.channels_out * area];
                multiply(
                    MatMut::new(columns, patch, area),
                    weights,
                    Mat::new(dy, shape.channels_out, area),
                    1.0,
                    Into::Overwrite,
                );
                scatter_add(columns, shape, 1, dx);
            }
        });
    });
    dx
}

/// Gradient of [`conv2d`] by its weight.
pub fn weight_gradient(x: &[f32], dy: &[f32], shape: &ConvShape) -> Vec<f32> {
    let [_, width_out] = shape.output();
    let (patch, area, out_channels) = (shape.patch_len(), shape.area_out(), shape.channels_out);
    let parts = map_shares(shape.batch, 1, |images| {
        let mut dw = vec![0.0; out_channels * patch];
        for tile in tiles(shape, images) {
            let sums = MatMut::new(&mut dw, out_channels, patch);
            let columns = tile.columns(width_out);
            let start = tile.image * out_channels * area + tile.row * width_out;
            if tile.images == 1 {
                let dy = Mat::strided(&dy[start..], out_channels, columns, area);
                if shape.is_pointwise() {
                    let image = &x[tile.image * patch * area..][..patch * area];
                    let pixels = Mat::strided(&image[tile.row * width_out..], patch, columns, area);
                    multiply(sums, dy, pixels.transposed(), 1.0, Into::Add);
                } else {
                    with_scratch(patch * columns, |patches| {
                        gather(x, shape, tile, patches);
                        let patches = Mat::new(patches, patch, columns).transposed();
                        multiply(sums, dy, patches, 1.0, Into::Add);
                    });
                }
            } else {
                with_scratch((patch + out_channels) * columns, |scratch| {
                    let (patches, gathered) = scratch.split_at_mut(patch * columns);
                    gather(x, shape, tile, patches);
                    for (index, plane) in dy[start..][..tile.images * out_channels * area]
                        .chunks_exact(area)
                        .enumerate()
                    {
                        let (image, channel) = (index / out_channels, index % out_channels);
                        gathered[channel * columns + image * area..][..area].copy_from_slice(plane);
                    }
                    let patches = Mat::new(patches, patch, columns).transposed();
                    let gathered = Mat::new(gathered, out_channels, columns);
                    multiply(sums, gathered, patches, 1.0, Into::Add);
                });
            }
        }
        dw
    });
    let mut dw = add_up(parts);
    dw.resize(out_channels * patch, 0.0);
    dw
}
