//! The transforms of Winograd's F(4×4, 3×3) along one axis, several tiles at a time.

/// Outputs of a tile along one axis.
pub const OUT: usize = 4;
/// Inputs of a tile along one axis.
pub const IN: usize = 6;
/// Places of a tile in the domain of the products.
pub const PLACES: usize = IN * IN;
/// Tiles, or kernels, that are transformed together.
pub const LANES: usize = 8;
/// A value of each.
pub type Lanes = [f32; LANES];
/// The points ±A and ±B at which the polynomials are evaluated.
const A: f32 = 0.75;
const B: f32 = 1.5;
const AA: f32 = A * A;
const BB: f32 = B * B;
/// 1 / ∏ (point − other points), which the kernels are multiplied with.
const AT_ZERO: f32 = 1.0 / (AA * BB);
const AT_A: f32 = 1.0 / (2.0 * AA * (AA - BB));
const AT_B: f32 = 1.0 / (2.0 * BB * (BB - AA));

/// Writes as many lanes as there is room for.
#[inline(always)]
pub fn store(out: &mut [f32], lanes: &Lanes) {
    if let Ok(out) = <&mut Lanes>::try_from(&mut *out) {
        *out = *lanes;
    } else {
        for (out, value) in out.iter_mut().zip(lanes) {
            *out = *value;
        }
    }
}

/// Reads as many lanes as there are.
#[inline(always)]
pub fn load(from: &[f32], lanes: &mut Lanes) {
    if let Ok(from) = <&Lanes>::try_from(from) {
        *lanes = *from;
    } else {
        for (lane, value) in lanes.iter_mut().zip(from) {
            *lane = *value;
        }
    }
}

#[inline(always)]
pub fn each(mut value: impl FnMut(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; LANES];
    for (lane, out) in lanes.iter_mut().enumerate() {
        *out = value(lane);
    }
    lanes
}

/// Bᵀ d.
#[inline(always)]
pub fn input_line(d: impl Fn(usize) -> Lanes) -> [Lanes; IN] {
    let d: [Lanes; IN] = [d(0), d(1), d(2), d(3), d(4), d(5)];
    let even_a = each(|l| d[4][l] - BB * d[2][l]);
    let odd_a = each(|l| A * (d[3][l] - BB * d[1][l]));
    let even_b = each(|l| d[4][l] - AA * d[2][l]);
    let odd_b = each(|l| B * (d[3][l] - AA * d[1][l]));
    [
        each(|l| d[4][l] - (AA + BB) * d[2][l] + AA * BB * d[0][l]),
        each(|l| even_a[l] + odd_a[l]),
        each(|l| even_a[l] - odd_a[l]),
        each(|l| even_b[l] + odd_b[l]),
        each(|l| even_b[l] - odd_b[l]),
        each(|l| d[5][l] - (AA + BB) * d[3][l] + AA * BB * d[1][l]),
    ]
}

/// Aᵀ m.
#[inline(always)]
pub fn output_line(m: impl Fn(usize) -> Lanes) -> [Lanes; OUT] {
    let m: [Lanes; IN] = [m(0), m(1), m(2), m(3), m(4), m(5)];
    let sum_a = each(|l| m[1][l] + m[2][l]);
    let difference_a = each(|l| m[1][l] - m[2][l]);
    let sum_b = each(|l| m[3][l] + m[4][l]);
    let difference_b = each(|l| m[3][l] - m[4][l]);
    [
        each(|l| m[0][l] + sum_a[l] + sum_b[l]),
        each(|l| A * difference_a[l] + B * difference_b[l]),
        each(|l| AA * sum_a[l] + BB * sum_b[l]),
        each(|l| A * AA * difference_a[l] + B * BB * difference_b[l] + m[5][l]),
    ]
}

/// A y, the transpose of [`output_line`].
#[inline(always)]
pub fn output_line_back(y: impl Fn(usize) -> Lanes) -> [Lanes; IN] {
    let y: [Lanes; OUT] = [y(0), y(1), y(2), y(3)];
    let even_a = each(|l| y[0][l] + AA * y[2][l]);
    let odd_a = each(|l| A * (y[1][l] + AA * y[3][l]));
    let even_b = each(|l| y[0][l] + BB * y[2][l]);
    let odd_b = each(|l| B * (y[1][l] + BB * y[3][l]));
    [
        y[0],
        each(|l| even_a[l] + odd_a[l]),
        each(|l| even_a[l] - odd_a[l]),
        each(|l| even_b[l] + odd_b[l]),
        each(|l| even_b[l] - odd_b[l]),
        y[3],
    ]
}

/// G g.
#[inline(always)]
pub fn kernel_line(g: impl Fn(usize) -> Lanes) -> [Lanes; IN] {
    let g: [Lanes; 3] = [g(0), g(1), g(2)];
    let even_a = each(|l| AT_A * (g[0][l] + AA * g[2][l]));
    let odd_a = each(|l| AT_A * A * g[1][l]);
    let even_b = each(|l| AT_B * (g[0][l] + BB * g[2][l]));
    let odd_b = each(|l| AT_B * B * g[1][l]);
    [
        each(|l| AT_ZERO * g[0][l]),
        each(|l| even_a[l] + odd_a[l]),
        each(|l| even_a[l] - odd_a[l]),
        each(|l| even_b[l] + odd_b[l]),
        each(|l| even_b[l] - odd_b[l]),
        g[2],
    ]
}

/// Gᵀ u, the transpose of [`kernel_line`].
#[inline(always)]
pub fn kernel_line_back(u: impl Fn(usize) -> Lanes) -> [Lanes; 3] {
    let u: [Lanes; IN] = [u(0), u(1), u(2), u(3), u(4), u(5)];
    let sum_a = each(|l| AT_A * (u[1][l] + u[2][l]));
    let difference_a = each(|l| AT_A * A * (u[1][l] - u[2][l]));
    let sum_b = each(|l| AT_B * (u[3][l] + u[4][l]));
    let difference_b = each(|l| AT_B * B * (u[3][l] - u[4][l]));
    [
        each(|l| AT_ZERO * u[0][l] + sum_a[l] + sum_b[l]),
        each(|l| difference_a[l] + difference_b[l]),
        each(|l| AA * sum_a[l] + BB * sum_b[l] + u[5][l]),
    ]
}

/// Applies a transform down the columns, then along the rows.
///
/// A macro, because a function taken as an argument is not always inlined, and
/// only what is inlined is compiled for the best instruction set.
macro_rules! both_ways {
    ($line:ident, $square:expr, $from:expr => $to:expr) => {{
        let mut half = [[[0.0; LANES]; $from]; $to];
        for column in 0..$from {
            let done = $line(
                #[inline(always)]
                |row| $square[row][column],
            );
            for row in 0..$to {
                half[row][column] = done[row];
            }
        }
        let mut whole = [[[0.0; LANES]; $to]; $to];
        for row in 0..$to {
            let done = $line(
                #[inline(always)]
                |column| half[row][column],
            );
            for column in 0..$to {
                whole[row][column] = done[column];
            }
        }
        whole
    }};
}

pub(super) use both_ways;
