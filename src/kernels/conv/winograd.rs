//! 3×3 convolution with a quarter of the multiplications: Winograd's minimal
//! filtering F(4×4, 3×3) (Lavin and Gray 2015, <https://arxiv.org/abs/1509.09308>).
//!
//! A tile of 4×4 outputs sees 6×6 inputs. Tiles and kernels are taken to a
//! domain in which the convolution is a product for each of 36 places; summed
//! over the channels these are 36 matrix products. The points of the
//! transforms are 0, ±3/4, ±3/2 and ∞ instead of the usual 0, ±1, ±2, ∞: with
//! them the largest error is a third, about that of the direct sum (compare
//! Alam et al. 2022, <https://arxiv.org/abs/2201.10369>), and they are exact
//! in binary.

mod lines;
mod tiling;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use self::lines::{
    IN, LANES, Lanes, OUT, PLACES, both_ways, each, input_line, kernel_line, kernel_line_back,
    load, output_line, output_line_back, store,
};
use self::tiling::{Panels, Tiling, place_stride};
use super::shape::ConvShape;
use crate::kernels::matrix::{Into, Mat, MatMut, multiply};
use crate::kernels::product;
use crate::kernels::share::{shares, with_scratch};
use crate::kernels::simd::vectorized;
use crate::kernels::weights::Weights;

/// Values of transformed kernels that a thread holds at a time (6 MiB).
const KERNEL_VALUES: usize = 1536 * 1024;
/// Output channels that they are of: as many as fill tiles of products.
const BLOCK_UNIT: usize = 6;
const MOST_BLOCK: usize = 66;
/// Fewer tiles than this do not repay the transforms of the kernels.
const MIN_TILES: usize = 24;
/// Fewer channels than this do not repay the transforms of the tiles.
const MIN_CHANNELS: usize = 32;
/// Gradients are summed up in the domain of the products, which takes four
/// times the room of the kernels.
const MAX_GRADIENT_VALUES: usize = 32 * 1024 * 1024;

/// Whether this way is faster than gathering patches.
pub fn suits(shape: &ConvShape) -> bool {
    let [height, width] = shape.output();
    let tiling = Tiling::new(shape);
    let tiles = tiling.strips * tiling.across;
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.channels_in.min(shape.channels_out) >= MIN_CHANNELS
        && tiles >= MIN_TILES
        // Tiles that reach far over the edge are wasted.
        && tiling.across * tiling.down * OUT * OUT * 2 <= height * width * 3
}

/// Whether [`weight_gradient`] is also better than its direct form.
pub fn suits_gradient(shape: &ConvShape) -> bool {
    suits(shape) && PLACES * shape.channels_in * shape.channels_out <= MAX_GRADIENT_VALUES
}

/// Writes the lanes of all places, which are the rows of `out`, from `column` on.
#[inline(always)]
fn store_places(out: &mut MatMut<'_>, column: usize, count: usize, values: &[[Lanes; IN]; IN]) {
    for (place, lanes) in values.iter().flatten().enumerate() {
        store(&mut out.row(place)[column..][..count], lanes);
    }
}

/// Takes the tiles of one channel in `strips` to the domain of the products.
///
/// `lay_out` copies a strip (picture, first output row) into rows with margins.
#[inline(always)]
fn transform_strips<const SIDE: usize>(
    tiling: &Tiling,
    strips: Range<usize>,
    lines: &mut [f32],
    mut lay_out: impl FnMut(usize, usize, &mut [f32]),
    mut done: impl FnMut(usize, usize, &[[Lanes; SIDE]; SIDE]),
) {
    let width = tiling.across * OUT + IN - OUT;
    let strip_len = SIDE * width;
    let count = strips.len();
    for (index, strip) in strips.enumerate() {
        let lines = &mut lines[index * strip_len..][..strip_len];
        lay_out(strip / tiling.down, strip % tiling.down * OUT, lines);
    }
    let tiles = count * tiling.across;
    let mut at = [0; LANES];
    let mut next = (0, 0);
    let mut square = [[[0.0; LANES]; SIDE]; SIDE];
    let mut rows = [[0.0; SIDE]; LANES];
    for first in (0..tiles).step_by(LANES) {
        let live = LANES.min(tiles - first);
        for at in &mut at[..live] {
            *at = next.0 * strip_len + next.1 * OUT;
            next.1 += 1;
            if next.1 == tiling.across {
                next = (next.0 + 1, 0);
            }
        }
        let are_neighbours = live == LANES && at[LANES - 1] == at[0] + (LANES - 1) * OUT;
        for (row, line) in square.iter_mut().enumerate() {
            // Neighbours lie in one piece, of which every fourth number is moved at a time.
            let piece = lines[at[0] + row * width..].first_chunk::<{ (LANES - 1) * OUT + IN }>();
            if let Some(piece) = piece.filter(|_| are_neighbours) {
                for column in 0..SIDE {
                    line[column] = each(
                        #[inline(always)]
                        |lane| piece[OUT * lane + column],
                    );
                }
                continue;
            }
            for (at, to) in at[..live].iter().zip(&mut rows) {
                to.copy_from_slice(&lines[at + row * width..][..SIDE]);
            }
            for column in 0..SIDE {
                line[column] = each(|lane| rows[lane][column]);
            }
        }
        done(first, live, &square);
    }
}

/// Room that [`transform_strips`] needs for strips of `side` rows.
fn lines_len(tiling: &Tiling, strips: usize, side: usize) -> usize {
    strips * side * (tiling.across * OUT + IN - OUT)
}

/// Copies the rows of a plane that a strip sees; the margins around them stay
/// as they are.
#[inline(always)]
fn copy_rows(
    plane: &[f32],
    [height, width]: [usize; 2],
    [top, left]: [usize; 2],
    row: usize,
    lines: &mut [f32],
    line_len: usize,
) {
    let rows = lines.len() / line_len;
    let first = top.saturating_sub(row).min(rows);
    let last = (height + top).saturating_sub(row).clamp(first, rows);
    let count = width.min(line_len.saturating_sub(left));
    for y in first..last {
        lines[y * line_len + left..][..count]
            .copy_from_slice(&plane[(row + y - top) * width..][..count]);
    }
}

/// Transforms the inputs of some strips.
fn transform_input(
    x: &[f32],
    shape: &ConvShape,
    tiling: &Tiling,
    strips: &Range<usize>,
    panels: Panels,
    out: &mut [f32],
) {
    let [height, width] = shape.input;
    let line_len = tiling.across * OUT + IN - OUT;
    let lines = PLACES * panels.count;
    let out = MatMut::strided(out, lines, shape.channels_in * panels.tiles, panels.stride);
    let shares = shares(shape.channels_in, 1);
    let parts = out.cut_columns(shares.iter().map(|share| share.len() * panels.tiles));
    shares
        .into_par_iter()
        .zip(parts)
        .for_each(|(channels, mut part)| {
            with_scratch(lines_len(tiling, strips.len(), IN), |lines| {
                lines.fill(0.0);
                for (row, channel) in channels.enumerate() {
                    let part = &mut part;
                    vectorized(
                        #[inline(always)]
                        || {
                            transform_strips::<IN>(
                                tiling,
                                strips.clone(),
                                lines,
                                #[inline(always)]
                                |image: usize, top: usize, lines: &mut [f32]| {
                                    let plane = &x
                                        [(image * shape.channels_in + channel) * height * width..]
                                        [..height * width];
                                    copy_rows(
                                        plane,
                                        shape.input,
                                        shape.padding,
                                        top,
                                        lines,
                                        line_len,
                                    );
                                },
                                #[inline(always)]
                                |first, live, square| {
                                    let values = both_ways!(input_line, square, IN => IN);
                                    let (panel, tile) =
                                        (first / panels.tiles, first % panels.tiles);
                                    // A panel of tiles side by side begins with whole lanes.
                                    let live = live.min(panels.tiles - tile);
                                    let column = row * panels.tiles + tile;
                                    for (place, lanes) in values.iter().flatten().enumerate() {
                                        let line = part.row(place * panels.count + panel);
                                        store(&mut line[column..][..live], lanes);
                                    }
                                },
                            );
                        },
                    );
                }
            });
        });
}

/// Transforms kernels: `[place][kernel]`, the places `stride` values apart.
fn transform_kernels(kernels: &[f32], stride: usize, out: &mut [f32]) {
    let count = kernels.len() / 9;
    vectorized(
        #[inline(always)]
        || {
            let mut square = [[[0.0; LANES]; 3]; 3];
            for first in (0..count).step_by(LANES) {
                let live = LANES.min(count - first);
                let kernels = &kernels[first * 9..][..live * 9];
                if let Ok(kernels) = <&[f32; 9 * LANES]>::try_from(kernels) {
                    for tap in 0..9 {
                        square[tap / 3][tap % 3] = each(
                            #[inline(always)]
                            |lane| kernels[9 * lane + tap],
                        );
                    }
                } else {
                    for (lane, kernel) in kernels.chunks_exact(9).enumerate() {
                        for tap in 0..9 {
                            square[tap / 3][tap % 3][lane] = kernel[tap];
                        }
                    }
                }
                let values = both_ways!(kernel_line, square, 3 => IN);
                for (place, lanes) in values.iter().flatten().enumerate() {
                    store(&mut out[place * stride + first..][..live], lanes);
                }
            }
        },
    );
}

/// Blocks of output channels, of which each takes kernels for so many input channels; a whole
/// number of them for each thread.
fn blocks(channels_out: usize, channels_in: usize) -> Vec<Range<usize>> {
    let fitting = KERNEL_VALUES / (PLACES * channels_in).max(1);
    let each = (fitting / BLOCK_UNIT * BLOCK_UNIT).clamp(BLOCK_UNIT, MOST_BLOCK);
    shares(channels_out, BLOCK_UNIT)
        .into_iter()
        .flat_map(|share| {
            let parts = share.clone().step_by(each);
            parts.map(move |start| start..(start + each).min(share.end))
        })
        .collect()
}

/// Convolution as [`super::conv2d`] has it; `None` when a value is not a
/// number or infinite, which this way would carry to its neighbours.
pub fn conv2d(
    x: &[f32],
    weight: Weights<'_>,
    bias: Option<&[f32]>,
    shape: &ConvShape,
) -> Option<Vec<f32>> {
    let tiling = Tiling::new(shape);
    let [height, width] = shape.output();
    let area = height * width;
    let channels = shape.channels_in;
    let mut out = vec![0.0; shape.batch * shape.channels_out * area];
    let is_finite = AtomicBool::new(true);
    for strips in tiling.chunks(channels) {
        let tiles = strips.len() * tiling.across;
        let blocks = blocks(shape.channels_out, channels);
        let panels = Panels::quick(channels, tiles, shape.channels_out);
        with_scratch(panels.len(), |inputs| {
            transform_input(x, shape, &tiling, &strips, panels, inputs);
            let inputs: &[f32] = inputs;
            let parts = MatMut::new(&mut out, shape.batch, shape.channels_out * area)
                .cut_columns(blocks.iter().map(|block| block.len() * area));
            blocks
                .into_par_iter()
                .zip(parts)
                .for_each(|(block, mut pictures)| {
                    let rows = block.len();
                    let (kernel_stride, product_stride) =
                        (place_stride(rows * channels), place_stride(rows * tiles));
                    with_scratch(PLACES * (kernel_stride + product_stride), |scratch| {
                        let (kernels, products) = scratch.split_at_mut(PLACES * kernel_stride);
                        for part in weight.blocks(rows * channels, 9, 1) {
                            let first = block.start * channels;
                            let taps = (first + part.start) * 9..(first + part.end) * 9;
                            let kernels = &mut kernels[part.start..];
                            weight.in_f32(taps, |taps| {
                                transform_kernels(taps, kernel_stride, kernels);
                            });
                        }
                        for place in 0..PLACES {
                            let kernels =
                                Mat::new(&kernels[place * kernel_stride..], rows, channels);
                            let mut rest =
                                MatMut::new(&mut products[place * product_stride..], rows, tiles);
                            for panel in 0..panels.count {
                                let count = panels.tiles.min(rest.cols());
                                let (out, others) = rest.split_columns(count);
                                rest = others;
                                let start = (place * panels.count + panel) * panels.stride;
                                let inputs = &inputs[start..][..channels * panels.tiles];
                                if panels.are_laid_out {
                                    product::multiply_by_panel(out, kernels, inputs);
                                } else {
                                    let inputs = Mat::new(inputs, channels, tiles);
                                    multiply(out, kernels, inputs, 1.0, Into::Overwrite);
                                }
                            }
                        }
                        for (row, channel) in block.enumerate() {
                            let bias = bias.map_or(0.0, |bias| bias[channel]);
                            let products = |place: usize| {
                                &products[place * product_stride + row * tiles..][..tiles]
                            };
                            let (_, planes) = pictures.reborrow().split_columns(row * area);
                            if !collect(&tiling, &strips, [height, width], products, bias, planes) {
                                is_finite.store(false, Ordering::Relaxed);
                            }
                        }
                    });
                });
        });
    }
    is_finite.into_inner().then_some(out)
}

/// Takes the products of one channel back to pictures, whose planes of this channel
/// `planes` begins with; false when a value is not finite.
fn collect<'a>(
    tiling: &Tiling,
    strips: &Range<usize>,
    [height, width]: [usize; 2],
    products: impl Fn(usize) -> &'a [f32],
    bias: f32,
    mut planes: MatMut<'_>,
) -> bool {
    let tiles = strips.len() * tiling.across;
    let products: [&[f32]; PLACES] = std::array::from_fn(products);
    vectorized(
        #[inline(always)]
        || {
            // Zero times anything finite is zero.
            let mut check = [0.0f32; LANES];
            let (mut strip, mut column) = (strips.start, 0);
            let mut square = [[[0.0; LANES]; IN]; IN];
            for first in (0..tiles).step_by(LANES) {
                let live = LANES.min(tiles - first);
                for (place, lanes) in square.iter_mut().flatten().enumerate() {
                    load(&products[place][first..][..live], lanes);
                }
                let mut values = both_ways!(output_line, square, IN => OUT);
                for lanes in values.iter_mut().flatten() {
                    for lane in 0..LANES {
                        lanes[lane] += bias;
                        check[lane] += lanes[lane] * 0.0;
                    }
                }
                // The values of a tile side by side: moving them so costs less than
                // picking them one by one.
                let mut tiles = [[[0.0f32; OUT]; LANES]; OUT];
                for row in 0..OUT {
                    for lane in 0..LANES {
                        for column in 0..OUT {
                            tiles[row][lane][column] = values[row][column][lane];
                        }
                    }
                }
                let (y, x) = (strip % tiling.down * OUT, column * OUT);
                if live == LANES && x + LANES * OUT <= width && column + LANES <= tiling.across {
                    // Neighbours are written in one piece.
                    let plane = planes.row(strip / tiling.down);
                    for (row, tiles) in tiles.iter().enumerate().take(height - y) {
                        let to = &mut plane[(y + row) * width + x..][..LANES * OUT];
                        to.copy_from_slice(tiles.as_flattened());
                    }
                    column += LANES;
                    if column == tiling.across {
                        (strip, column) = (strip + 1, 0);
                    }
                    continue;
                }
                for lane in 0..live {
                    let plane = planes.row(strip / tiling.down);
                    let (y, x) = (strip % tiling.down * OUT, column * OUT);
                    let count = OUT.min(width - x);
                    for (row, tiles) in tiles.iter().enumerate().take(height - y) {
                        let to = &mut plane[(y + row) * width + x..][..count];
                        if let Ok(to) = <&mut [f32; OUT]>::try_from(&mut *to) {
                            *to = tiles[lane];
                        } else {
                            to.copy_from_slice(&tiles[lane][..count]);
                        }
                    }
                    column += 1;
                    if column == tiling.across {
                        (strip, column) = (strip + 1, 0);
                    }
                }
            }
            check.iter().all(|lane| *lane == 0.0)
        },
    )
}

/// Gradient of [`conv2d`] by the kernels: the exact transpose of its steps.
pub fn weight_gradient(x: &[f32], dy: &[f32], shape: &ConvShape) -> Vec<f32> {
    let tiling = Tiling::new(shape);
    let [height, width] = shape.output();
    let area = height * width;
    let (channels, channels_out) = (shape.channels_in, shape.channels_out);
    let line_len = tiling.across * OUT + IN - OUT;
    let sum_stride = place_stride(channels);
    // `[output channel][place][input channel]`
    let mut sums = vec![0.0; channels_out * PLACES * sum_stride];
    for (number, strips) in tiling.chunks(channels).into_iter().enumerate() {
        let tiles = strips.len() * tiling.across;
        let panels = Panels::one(channels, tiles);
        with_scratch(panels.len(), |inputs| {
            transform_input(x, shape, &tiling, &strips, panels, inputs);
            let inputs: &[f32] = inputs;
            let blocks = blocks(channels_out, channels);
            let parts = MatMut::new(&mut sums, channels_out, PLACES * sum_stride)
                .cut_rows(blocks.iter().map(Range::len));
            let tasks = blocks.into_par_iter().zip(parts);
            tasks.for_each(|(block, mut sums)| {
                let rows = block.len();
                let error_stride = place_stride(rows * tiles);
                let len = PLACES * error_stride + lines_len(&tiling, strips.len(), OUT);
                with_scratch(len, |scratch| {
                    let (errors, lines) = scratch.split_at_mut(PLACES * error_stride);
                    let mut part = MatMut::strided(errors, PLACES, rows * tiles, error_stride);
                    lines.fill(0.0);
                    for (row, channel) in block.enumerate() {
                        let part = &mut part;
                        vectorized(
                            #[inline(always)]
                            || {
                                transform_strips::<OUT>(
                                    &tiling,
                                    strips.clone(),
                                    lines,
                                    #[inline(always)]
                                    |image: usize, top: usize, lines: &mut [f32]| {
                                        let plane =
                                            &dy[(image * channels_out + channel) * area..][..area];
                                        copy_rows(
                                            plane,
                                            [height, width],
                                            [0, 0],
                                            top,
                                            lines,
                                            line_len,
                                        );
                                    },
                                    #[inline(always)]
                                    |first, live, square| {
                                        let values =
                                            both_ways!(output_line_back, square, OUT => IN);
                                        store_places(part, row * tiles + first, live, &values);
                                    },
                                );
                            },
                        );
                    }
                    let into = if number == 0 {
                        Into::Overwrite
                    } else {
                        Into::Add
                    };
                    for place in 0..PLACES {
                        let (_, sums) = sums.reborrow().split_columns(place * sum_stride);
                        let (sums, _) = sums.split_columns(channels);
                        multiply(
                            sums,
                            Mat::new(&errors[place * error_stride..], rows, tiles),
                            Mat::new(&inputs[place * panels.stride..], channels, tiles)
                                .transposed(),
                            1.0,
                            into,
                        );
                    }
                });
            });
        });
    }
    let mut gradient = vec![0.0; channels_out * channels * 9];
    if channels == 0 {
        return gradient;
    }
    gradient
        .par_chunks_exact_mut(channels * 9)
        .zip(sums.par_chunks_exact(PLACES * sum_stride))
        .for_each(|(gradient, sums)| kernels_back(sums, sum_stride, gradient));
    gradient
}

/// Takes sums `[place][kernel]` back to kernels.
fn kernels_back(sums: &[f32], stride: usize, kernels: &mut [f32]) {
    let count = kernels.len() / 9;
    vectorized(
        #[inline(always)]
        || {
            let mut square = [[[0.0; LANES]; IN]; IN];
            for first in (0..count).step_by(LANES) {
                let live = LANES.min(count - first);
                for (place, lanes) in square.iter_mut().flatten().enumerate() {
                    load(&sums[place * stride + first..][..live], lanes);
                }
                let values = both_ways!(kernel_line_back, square, IN => 3);
                for (lane, kernel) in kernels[first * 9..][..live * 9]
                    .chunks_exact_mut(9)
                    .enumerate()
                {
                    for tap in 0..9 {
                        kernel[tap] = values[tap / 3][tap % 3][lane];
                    }
                }
            }
        },
    );
}
