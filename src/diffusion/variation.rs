//! Pictures beside that of a seed.

use super::torch_random::TorchGenerator;

/// Below this sine the two directions are one, or opposite: the arc between them is a line.
const LEAST_SINE: f32 = 1e-4;

/// How the noise to begin with differs from that of a seed, as in A1111's web UI
/// (`modules/rng.py`), so that its recipes paint what they painted there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variation {
    /// Seed of the noise that it goes towards.
    pub seed: u64,
    /// How far it goes, from 0 (not at all) to 1 (all the way).
    pub strength: f32,
}

impl Variation {
    /// Noise part of the way from that which is given to that of the seed: along the arc
    /// between them (Shoemake 1985, *slerp*), each column of each channel by its own angle, so
    /// that it stays noise of the same deviation.
    ///
    /// # Shapes
    /// `noise` has the `[1, channels, height, width]` numbers of `shape`, and so has what is
    /// given back.
    pub(super) fn of(self, mut noise: Vec<f32>, shape: [usize; 4]) -> Vec<f32> {
        let other = TorchGenerator::new(self.seed).normals(noise.len());
        let [_, _, height, width] = shape;
        for (own, other) in noise
            .chunks_mut(height * width)
            .zip(other.chunks(height * width))
        {
            for x in 0..width {
                let [mut own_square, mut other_square, mut product] = [0.0f32; 3];
                for at in (x..height * width).step_by(width) {
                    own_square += own[at] * own[at];
                    other_square += other[at] * other[at];
                    product += own[at] * other[at];
                }
                let [from, towards] = self.weights(product / (own_square * other_square).sqrt());
                for at in (x..height * width).step_by(width) {
                    own[at] = from * own[at] + towards * other[at];
                }
            }
        }
        noise
    }

    /// How much of the one noise there is, and how much of the other, by the cosine of the
    /// angle between them.
    fn weights(self, cosine: f32) -> [f32; 2] {
        let angle = cosine.clamp(-1.0, 1.0).acos();
        let sine = angle.sin();
        if sine.is_nan() || sine < LEAST_SINE {
            return [1.0 - self.strength, self.strength];
        }
        let part = |share: f32| (share * angle).sin() / sine;
        [part(1.0 - self.strength), part(self.strength)]
    }
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    const SHAPE: [usize; 4] = [1, 4, 24, 16];

    fn noise(seed: u64, shape: [usize; 4]) -> Vec<f32> {
        TorchGenerator::new(seed).normals(shape.iter().product())
    }

    fn varied(strength: f32) -> Vec<f32> {
        Variation { seed: 8, strength }.of(noise(7, SHAPE), SHAPE)
    }

    fn most_apart(one: &[f32], other: &[f32]) -> f32 {
        let pairs = one.iter().zip(other);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn noise_is_that_of_the_web_ui() {
        // `tests/data/reference/make_variation.py`
        let file = std::fs::read("tests/data/reference/variation.safetensors").unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let cases = [
            ("little", 7, 8, 0.15),
            ("half", 1_234_567_890, 42, 0.5),
            ("much", 3, (1 << 40) + 5, 0.9),
            ("all", 5, 6, 1.0),
        ];
        for (name, own, seed, strength) in cases {
            let read = |name: &str| {
                let tensor = tensors.tensor(name).unwrap();
                let bytes = tensor.data().chunks_exact(4);
                let values = bytes.map(|it| f32::from_le_bytes(it.try_into().unwrap()));
                (tensor.shape().try_into().unwrap(), Vec::from_iter(values))
            };
            let (shape, expected): ([usize; 4], _) = read(name);
            let mut random = TorchGenerator::new(own);
            let drawn = random.normals(expected.len());
            let varied = Variation { seed, strength }.of(drawn, shape);
            let apart = most_apart(&varied, &expected);
            assert!(apart < 1e-5, "{name}: {apart}");
            let next = read(&format!("{name}.next")).1;
            assert_eq!(random.normals(next.len()), next, "{name}");
        }
    }

    #[test]
    fn it_goes_from_one_noise_to_the_other_and_stays_noise() {
        assert!(most_apart(&varied(0.0), &noise(7, SHAPE)) < 1e-6);
        assert!(most_apart(&varied(1.0), &noise(8, SHAPE)) < 1e-6);
        let deviation = |values: &[f32]| {
            let squares = values.iter().map(|value| value * value);
            (squares.sum::<f32>() / values.len() as f32).sqrt()
        };
        let half = deviation(&varied(0.5));
        assert!((half - 1.0).abs() < 0.05, "{half}");
    }

    #[test]
    fn noise_towards_itself_or_of_a_single_row_is_finite() {
        let same = Variation {
            seed: 7,
            strength: 0.3,
        };
        assert!(most_apart(&same.of(noise(7, SHAPE), SHAPE), &noise(7, SHAPE)) < 1e-6);
        let row = [1, 4, 1, 16];
        let varied = same.of(noise(9, row), row);
        assert!(varied.iter().all(|value| value.is_finite()));
    }
}
