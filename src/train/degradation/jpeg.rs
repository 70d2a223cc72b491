//! What a picture loses in a JPEG file, without the file: colours are kept at half the
//! sides, and waves of blocks of eight pixels in coarse steps. As libjpeg does it, down to
//! the tables of the standard (ITU-T T.81, annex K), how colours are spread again, and the
//! whole numbers in which it computes waves (Loeffler et al. 1989), so that the same pixels
//! come out.

use image::{Rgb, RgbImage};

/// Bits behind the point of factors, and of what lies between rows and columns.
const BITS: u32 = 13;
const BETWEEN: u32 = 2;
/// Factors of the waves: cosines and sums of them.
const EVEN: [i64; 3] = [4433, 6270, -15137];
const ODD: [i64; 5] = [9633, -7373, -20995, -16069, -3196];
const ODD_OWN: [i64; 4] = [2446, 16819, 25172, 12299];
/// Pixels of a side of a block.
const BLOCK: usize = 8;
/// The standard's steps of quality 50, of brightness and of colours.
const BRIGHTNESS: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113,
    92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const COLOURS: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// One channel, from 0 to 255.
struct Plane {
    width: usize,
    height: usize,
    values: Vec<i32>,
}

impl Plane {
    fn of(width: usize, height: usize, value: impl Fn(usize, usize) -> i32) -> Self {
        let values = (0..width * height).map(|at| value(at % width, at / width));
        Self {
            width,
            height,
            values: values.collect(),
        }
    }

    /// The value of a place; beyond the border that of the last one.
    fn at(&self, x: usize, y: usize) -> i32 {
        self.values[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Half the sides: the mean of four, rounded down and up in turn. Columns go on to the
    /// end of a block, after the last column of the whole.
    fn halved(&self) -> Self {
        let width = self.width.div_ceil(2 * BLOCK) * BLOCK;
        Self::of(width, self.height.div_ceil(2), |x, y| {
            let (left, top) = (2 * x, 2 * y);
            let four = self.at(left, top)
                + self.at(left + 1, top)
                + self.at(left, top + 1)
                + self.at(left + 1, top + 1);
            (four + 1 + (x % 2) as i32) >> 2
        })
    }

    /// Its first columns.
    fn narrowed(&self, width: usize) -> Self {
        Self::of(width, self.height, |x, y| self.at(x, y))
    }

    /// So many places of twice the sides: three parts of the nearest place and one of the
    /// next, along both sides.
    fn doubled(&self, width: usize, height: usize) -> Self {
        let column = |x: usize, y: usize| {
            let next = match y % 2 {
                0 => (y / 2).saturating_sub(1),
                _ => y / 2 + 1,
            };
            3 * self.at(x, y / 2) + self.at(x, next)
        };
        Self::of(width, height, |x, y| {
            let (own, is_second) = (x / 2, x % 2 == 1);
            let next = match is_second {
                true => (own + 1).min(self.width - 1),
                false => own.saturating_sub(1),
            };
            (3 * column(own, y) + column(next, y) + if is_second { 7 } else { 8 }) >> 4
        })
    }

    /// What is left of it in steps of a table.
    fn coarse(&self, steps: &[i64; 64]) -> Self {
        let across = self.width.div_ceil(BLOCK);
        let blocks = across * self.height.div_ceil(BLOCK);
        let kept: Vec<[i64; 64]> = (0..blocks)
            .map(|number| {
                let (left, top) = (BLOCK * (number % across), BLOCK * (number / across));
                let mut block = std::array::from_fn(|at| {
                    i64::from(self.at(left + at % BLOCK, top + at / BLOCK) - 128)
                });
                along_rows(&mut block, |row| waves(row, 0, BITS - BETWEEN));
                along_columns(&mut block, |column| waves(column, BETWEEN, BITS + BETWEEN));
                for (value, step) in block.iter_mut().zip(steps) {
                    // Waves are eight times as large as they should be.
                    let count = (value.abs() + 4 * step) / (8 * step);
                    *value = value.signum() * count * step;
                }
                along_columns(&mut block, |column| pixels(column, BITS - BETWEEN));
                along_rows(&mut block, |row| pixels(row, BITS + BETWEEN + 3));
                block
            })
            .collect();
        Self::of(self.width, self.height, |x, y| {
            let block = &kept[y / BLOCK * across + x / BLOCK];
            (block[y % BLOCK * BLOCK + x % BLOCK] + 128).clamp(0, 255) as i32
        })
    }
}

fn along_rows(block: &mut [i64; 64], turn: impl Fn([i64; BLOCK]) -> [i64; BLOCK]) {
    for y in 0..BLOCK {
        let row = turn(std::array::from_fn(|x| block[BLOCK * y + x]));
        block[BLOCK * y..][..BLOCK].copy_from_slice(&row);
    }
}

fn along_columns(block: &mut [i64; 64], turn: impl Fn([i64; BLOCK]) -> [i64; BLOCK]) {
    for x in 0..BLOCK {
        let column = turn(std::array::from_fn(|y| block[BLOCK * y + x]));
        for (y, value) in column.into_iter().enumerate() {
            block[BLOCK * y + x] = value;
        }
    }
}

/// Without the last bits, rounded.
fn shortened(value: i64, bits: u32) -> i64 {
    match bits {
        0 => value,
        bits => (value + (1 << (bits - 1))) >> bits,
    }
}

/// The sums of four numbers that are common to both ways of the odd waves.
fn odd([a, b, c, d]: [i64; 4]) -> [i64; 4] {
    let both = (a + c + b + d) * ODD[0];
    let (outer, inner) = ((a + d) * ODD[1], (b + c) * ODD[2]);
    let (third, fourth) = ((a + c) * ODD[3] + both, (b + d) * ODD[4] + both);
    [
        a * ODD_OWN[0] + outer + third,
        b * ODD_OWN[1] + inner + fourth,
        c * ODD_OWN[2] + inner + third,
        d * ODD_OWN[3] + outer + fourth,
    ]
}

/// How much of each wave there is in a row. The even ones of the middle lose `plain` bits,
/// or gain those between rows and columns; the others lose `bits`.
fn waves(row: [i64; BLOCK], plain: u32, bits: u32) -> [i64; BLOCK] {
    let sum = |at: usize| row[at] + row[BLOCK - 1 - at];
    let difference = |at: usize| row[at] - row[BLOCK - 1 - at];
    let (outer, inner) = (sum(0) + sum(3), sum(1) + sum(2));
    let (outer_change, inner_change) = (sum(0) - sum(3), sum(1) - sum(2));
    let common = (inner_change + outer_change) * EVEN[0];
    let middle = |value: i64| match plain {
        0 => value << BETWEEN,
        plain => shortened(value, plain),
    };
    let short = |value| shortened(value, bits);
    let [seventh, fifth, third, first] =
        odd([difference(3), difference(2), difference(1), difference(0)]);
    [
        middle(outer + inner),
        short(first),
        short(common + outer_change * EVEN[1]),
        short(third),
        middle(outer - inner),
        short(fifth),
        short(common + inner_change * EVEN[2]),
        short(seventh),
    ]
}

/// A row of so much of each wave, without the last bits.
fn pixels(row: [i64; BLOCK], bits: u32) -> [i64; BLOCK] {
    let common = (row[2] + row[6]) * EVEN[0];
    let (low, high) = (common + row[6] * EVEN[2], common + row[2] * EVEN[1]);
    let (sum, difference) = ((row[0] + row[4]) << BITS, (row[0] - row[4]) << BITS);
    let even = [sum + high, difference + low, difference - low, sum - high];
    let [d, c, b, a] = odd([row[7], row[5], row[3], row[1]]);
    let odd = [a, b, c, d];
    std::array::from_fn(|at| {
        let mirrored = at.min(BLOCK - 1 - at);
        let value = match at < BLOCK / 2 {
            true => even[mirrored] + odd[mirrored],
            false => even[mirrored] - odd[mirrored],
        };
        shortened(value, bits)
    })
}

/// The steps of a quality.
fn steps(table: &[u16; 64], quality: u8) -> [i64; 64] {
    let quality = i64::from(quality.clamp(1, 100));
    let scale = match quality {
        ..50 => 5000 / quality,
        _ => 200 - 2 * quality,
    };
    table.map(|step| ((i64::from(step) * scale + 50) / 100).clamp(1, 255))
}

/// A picture as it comes out of a JPEG file of a quality from 1 to 100, with colours at
/// half the sides.
pub fn recompressed(picture: &RgbImage, quality: u8) -> RgbImage {
    let (width, height) = picture.dimensions();
    if width == 0 || height == 0 {
        return picture.clone();
    }
    let side = |side: u32| side as usize;
    // Parts in 65536ths.
    let channel = |parts: [i32; 3], middle: i32| {
        Plane::of(side(width), side(height), |x, y| {
            let Rgb(rgb) = picture.get_pixel(x as u32, y as u32);
            let parts = parts.iter().zip(rgb);
            let sum: i32 = parts.map(|(part, byte)| part * i32::from(*byte)).sum();
            (sum + middle) >> 16
        })
    };
    let bright = channel([19595, 38470, 7471], 1 << 15);
    let bright = bright.coarse(&steps(&BRIGHTNESS, quality));
    let colour_steps = steps(&COLOURS, quality);
    let colour = |parts: [i32; 3]| {
        let halved = channel(parts, (128 << 16) + (1 << 15) - 1).halved();
        let kept = halved.coarse(&colour_steps);
        let kept = kept.narrowed(side(width).div_ceil(2));
        kept.doubled(side(width), side(height))
    };
    let blue = colour([-11059, -21709, 32768]);
    let red = colour([32768, -27439, -5329]);
    RgbImage::from_fn(width, height, |x, y| {
        let at = |plane: &Plane| plane.at(side(x), side(y));
        let bright = at(&bright);
        let [blue, red] = [&blue, &red].map(|plane| at(plane) - 128);
        let part = |value: i32| (value + (1 << 15)) >> 16;
        let byte = |value: i32| value.clamp(0, 255) as u8;
        Rgb([
            bright + part(91881 * red),
            bright + part(-22554 * blue - 46802 * red),
            bright + part(116_130 * blue),
        ]
        .map(byte))
    })
}
