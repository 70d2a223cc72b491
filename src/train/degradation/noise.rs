//! Noise of cameras: in each colour of its own, in all alike, or something between.

use super::Pixels;
use crate::random::Random;

/// Standard deviations, in steps of a byte.
const LEVELS: [u64; 2] = [1, 2];
/// Shares of the pictures whose noise is grey, and of those where it is between.
const GREY: f32 = 0.4;
const BETWEEN: f32 = 0.2;
/// Rotations until a symmetric matrix of three rows is diagonal.
const SWEEPS: usize = 12;

type Matrix = [[f64; 3]; 3];

/// Normal noise of mean 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Noise {
    /// Each colour has its own, of this standard deviation.
    Colour(f64),
    /// All colours have the same.
    Grey(f64),
    /// Colours depend on each other: what each gets of three independent numbers.
    Mixed([[f64; 3]; 3]),
}

impl Noise {
    pub(super) fn any(random: &mut Random) -> Self {
        let [least, most] = LEVELS;
        let level = (least + random.below(most - least + 1)) as f64 / 255.0;
        let kind = random.unit();
        if kind < GREY {
            return Self::Grey(level);
        }
        if kind >= GREY + BETWEEN {
            return Self::Colour(level);
        }
        let mut number = || f64::from(random.unit());
        let axes = [0; 3].map(|_| number());
        let directions = [0; 3].map(|_| [0; 3].map(|_| number()));
        Self::mixed(most as f64 / 255.0, axes, &directions)
    }

    /// Noise whose covariance is `level²·|Uᵀ·D·U|`: D has `shares` on its diagonal, U are the
    /// left singular vectors of `directions`, and all signs are left out.
    pub fn mixed(level: f64, shares: [f64; 3], directions: &Matrix) -> Self {
        let (squares, vectors) = diagonal(product(directions, &turned(directions)));
        // The largest singular value comes first.
        let mut order = [0, 1, 2];
        order.sort_by(|a, b| squares[*b].total_cmp(&squares[*a]));
        let mut covariance = [[0.0; 3]; 3];
        for (i, row) in covariance.iter_mut().enumerate() {
            for (j, value) in row.iter_mut().enumerate() {
                let terms = (0..3).map(|k| vectors[k][order[i]] * shares[k] * vectors[k][order[j]]);
                *value = (level * level * terms.sum::<f64>()).abs();
            }
        }
        let (variances, vectors) = diagonal(covariance);
        let mut mix = [[0.0; 3]; 3];
        for (row, vector) in mix.iter_mut().zip(vectors) {
            for (value, (part, variance)) in row.iter_mut().zip(vector.iter().zip(variances)) {
                *value = part * variance.abs().sqrt();
            }
        }
        Self::Mixed(mix)
    }

    /// The covariance of the colours.
    pub fn covariance(&self) -> [[f64; 3]; 3] {
        let mut covariance = [[0.0; 3]; 3];
        match self {
            Self::Grey(level) => covariance = [[level * level; 3]; 3],
            Self::Colour(level) => {
                for (i, row) in covariance.iter_mut().enumerate() {
                    row[i] = level * level;
                }
            }
            Self::Mixed(mix) => covariance = product(mix, &turned(mix)),
        }
        covariance
    }

    /// A picture with it; `normals` gives standard normal numbers.
    #[must_use]
    pub fn added(&self, pixels: &Pixels, normals: &mut dyn FnMut(usize) -> Vec<f32>) -> Pixels {
        let count = pixels.values.len();
        let numbers = normals(match self {
            Self::Grey(_) => count,
            Self::Colour(_) | Self::Mixed(_) => 3 * count,
        });
        let three = |at: usize| [0, 1, 2].map(|colour| f64::from(numbers[3 * at + colour]));
        let noise = |at: usize| match self {
            Self::Grey(level) => [level * f64::from(numbers[at]); 3],
            Self::Colour(level) => three(at).map(|number| level * number),
            Self::Mixed(mix) => mix.map(|row| {
                let terms = row.iter().zip(three(at));
                terms.map(|(part, number)| part * number).sum()
            }),
        };
        let values = pixels.values.iter().enumerate().map(|(at, value)| {
            let noise = noise(at);
            [0, 1, 2].map(|colour| value[colour] + noise[colour] as f32)
        });
        Pixels {
            values: values.collect(),
            ..*pixels
        }
    }
}

fn turned(matrix: &Matrix) -> Matrix {
    [0, 1, 2].map(|row| [0, 1, 2].map(|column| matrix[column][row]))
}

fn product(left: &Matrix, right: &Matrix) -> Matrix {
    [0, 1, 2]
        .map(|row| [0, 1, 2].map(|column| (0..3).map(|k| left[row][k] * right[k][column]).sum()))
}

/// Eigenvalues of a symmetric matrix, and its eigenvectors as columns, by Jacobi's rotations.
fn diagonal(mut matrix: Matrix) -> ([f64; 3], Matrix) {
    let mut vectors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..SWEEPS {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if matrix[p][q] == 0.0 {
                continue;
            }
            let angle = 0.5 * (2.0 * matrix[p][q]).atan2(matrix[q][q] - matrix[p][p]);
            let (sine, cosine) = angle.sin_cos();
            let mut rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
            (rotation[p][p], rotation[p][q]) = (cosine, sine);
            (rotation[q][p], rotation[q][q]) = (-sine, cosine);
            matrix = product(&turned(&rotation), &product(&matrix, &rotation));
            vectors = product(&vectors, &rotation);
        }
    }
    ([0, 1, 2].map(|i| matrix[i][i]), vectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_varies_as_it_should() {
        let pixels = Pixels {
            width: 200,
            height: 200,
            values: vec![[0.5; 3]; 40_000],
        };
        let directions = [[0.2, 0.9, 0.4], [0.7, 0.1, 0.3], [0.5, 0.6, 0.8]];
        let mixed = Noise::mixed(2.0 / 255.0, [0.9, 0.3, 0.6], &directions);
        for noise in [Noise::Colour(0.01), Noise::Grey(0.01), mixed] {
            let mut random = Random::new(7, 0);
            let noisy = noise.added(&pixels, &mut |count| random.normals(count));
            let wanted = noise.covariance();
            let largest = wanted[0][0].max(wanted[1][1]).max(wanted[2][2]);
            for (i, row) in wanted.iter().enumerate() {
                for (j, wanted) in row.iter().enumerate() {
                    let products = noisy.values.iter();
                    let products = products.map(|it| f64::from((it[i] - 0.5) * (it[j] - 0.5)));
                    let found = products.sum::<f64>() / 40_000.0;
                    assert!((found - wanted).abs() < 0.03 * largest, "{noise:?} {i} {j}");
                }
            }
        }
    }
}
