//! The normal numbers of torch's processor generator.
//!
//! A seed means the same picture here as in Python only if the noise is the
//! same, so this repeats `torch.Generator("cpu").manual_seed(seed)` followed by
//! `torch.randn` in f32, bit for bit and on every machine: nothing here calls
//! the system's mathematics library but for tensors of fewer than 16 numbers.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::vector_math;

/// Words of the Mersenne twister's state (Matsumoto and Nishimura 1998).
const STATE: usize = 624;
const MIDDLE: usize = 397;

/// Numbers that torch makes together, half of them by cosines and half by sines.
const BLOCK: usize = 16;

/// `torch.Generator("cpu")`.
///
/// Serialised, it can be stored with a job and goes on where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GeneratorState", into = "GeneratorState")]
pub struct TorchGenerator {
    words: [u32; STATE],
    next: usize,
    /// The second number of a pair, when only one was needed.
    kept: Option<f64>,
}

/// The serialised form of a [`TorchGenerator`].
#[derive(Serialize, Deserialize)]
struct GeneratorState {
    words: Vec<u32>,
    next: usize,
    kept: Option<f64>,
}

impl From<TorchGenerator> for GeneratorState {
    fn from(generator: TorchGenerator) -> Self {
        Self {
            words: generator.words.to_vec(),
            next: generator.next,
            kept: generator.kept,
        }
    }
}

impl TryFrom<GeneratorState> for TorchGenerator {
    type Error = String;

    fn try_from(state: GeneratorState) -> Result<Self, String> {
        let words: [u32; STATE] = state
            .words
            .try_into()
            .map_err(|_| format!("a random generator has {STATE} words"))?;
        if state.next > STATE {
            return Err(format!("a random generator's position is at most {STATE}"));
        }
        Ok(Self {
            words,
            next: state.next,
            kept: state.kept,
        })
    }
}

impl TorchGenerator {
    /// `torch.Generator("cpu").manual_seed(seed)`; torch looks at the low 32 bits.
    pub fn new(seed: u64) -> Self {
        let mut words = [0_u32; STATE];
        words[0] = seed as u32;
        for i in 1..STATE {
            let previous = words[i - 1];
            words[i] = (previous ^ (previous >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32);
        }
        Self {
            words,
            next: STATE,
            kept: None,
        }
    }

    /// What one call of `torch.randn` for so many numbers returns.
    ///
    /// Two calls are not one call for the sum: torch treats each tensor on its own.
    pub fn normals(&mut self, count: usize) -> Vec<f32> {
        if count < BLOCK {
            return (0..count).map(|_| self.normal() as f32).collect();
        }
        let mut values: Vec<f32> = (0..count).map(|_| self.uniform()).collect();
        for block in values.chunks_exact_mut(BLOCK) {
            to_normals(block);
        }
        if !count.is_multiple_of(BLOCK) {
            // torch draws the last block anew, over the end of the one before.
            let last = &mut values[count - BLOCK..];
            last.fill_with(|| self.uniform());
            to_normals(last);
        }
        values
    }

    /// `torch.randn(shape, generator=self)`.
    ///
    /// # Shapes
    /// As asked for.
    pub fn randn(&mut self, shape: [usize; 4], device: &Device) -> Tensor<4> {
        let values = self.normals(shape.iter().product());
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// The next 32 bits of the Mersenne twister.
    pub(crate) fn word(&mut self) -> u32 {
        if self.next == STATE {
            self.renew();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn renew(&mut self) {
        for i in 0..STATE {
            let joined =
                (self.words[i] & 0x8000_0000) | (self.words[(i + 1) % STATE] & 0x7fff_ffff);
            let mut word = self.words[(i + MIDDLE) % STATE] ^ (joined >> 1);
            if joined & 1 == 1 {
                word ^= 0x9908_b0df;
            }
            self.words[i] = word;
        }
        self.next = 0;
    }

    /// A number in [0, 1) with 24 random bits.
    fn uniform(&mut self) -> f32 {
        (self.word() & 0xff_ffff) as f32 * 2.0_f32.powi(-24)
    }

    /// A number in [0, 1) with 53 random bits.
    fn uniform_f64(&mut self) -> f64 {
        let high = u64::from(self.word()) << 32;
        let bits = high | u64::from(self.word());
        (bits & ((1 << 53) - 1)) as f64 * 2.0_f64.powi(-53)
    }

    /// One number, as torch draws them for short tensors (Box and Muller 1958).
    fn normal(&mut self) -> f64 {
        if let Some(kept) = self.kept.take() {
            return kept;
        }
        let angle = std::f64::consts::TAU * self.uniform_f64();
        let radius = (-2.0 * (-self.uniform_f64()).ln_1p()).sqrt();
        self.kept = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Turns 16 numbers of [0, 1) into normal ones: the first half gives the radii,
/// the second the angles.
fn to_normals(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (a, b) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * vector_math::ln(1.0 - *a)).sqrt();
        let (sin, cos) = vector_math::sin_cos(std::f32::consts::TAU * *b);
        *a = radius * cos;
        *b = radius * sin;
    }
}

/// Where a sampler's noise comes from.
pub trait NoiseSource {
    /// Standard normal noise of a shape.
    ///
    /// # Shapes
    /// As asked for.
    fn noise(&mut self, shape: [usize; 4], device: &Device) -> Tensor<4>;
}

impl NoiseSource for TorchGenerator {
    fn noise(&mut self, shape: [usize; 4], device: &Device) -> Tensor<4> {
        self.randn(shape, device)
    }
}

/// A generator for each picture of a batch, as diffusers takes a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchGenerators(Vec<TorchGenerator>);

impl BatchGenerators {
    /// Picture `k` draws from `seed + k`.
    pub fn new(seed: u64, pictures: usize) -> Self {
        let seeds = (0..pictures as u64).map(|k| seed.wrapping_add(k));
        Self(seeds.map(TorchGenerator::new).collect())
    }

    /// Number of pictures.
    pub fn pictures(&self) -> usize {
        self.0.len()
    }
}

impl NoiseSource for BatchGenerators {
    /// One call of `torch.randn` for each picture.
    ///
    /// # Shapes
    /// The first size is the number of pictures.
    fn noise(
        &mut self,
        [pictures, channels, height, width]: [usize; 4],
        device: &Device,
    ) -> Tensor<4> {
        debug_assert_eq!(pictures, self.0.len(), "a generator for each picture");
        let one = channels * height * width;
        let values: Vec<f32> = self
            .0
            .iter_mut()
            .flat_map(|generator| generator.normals(one))
            .collect();
        let data = TensorData::new(values, [self.0.len(), channels, height, width]);
        Tensor::from_data(data, device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_words_are_those_of_the_published_generator() {
        // Reference output of mt19937ar.c for init_genrand(5489).
        let mut generator = TorchGenerator::new(5489);
        let words: Vec<u32> = (0..3).map(|_| generator.word()).collect();
        assert_eq!(words, [3_499_211_612, 581_869_302, 3_890_346_734]);
        // C++ requires the 10000th word to be this one.
        let last = (3..10_000).map(|_| generator.word()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn a_stored_generator_goes_on_where_it_stopped() {
        let mut generator = TorchGenerator::new(7);
        generator.normals(5);
        generator.normals(40);
        let stored = serde_json::to_string(&generator).unwrap();
        let mut again: TorchGenerator = serde_json::from_str(&stored).unwrap();
        assert_eq!(again, generator);
        assert_eq!(again.normals(3), generator.normals(3));
        assert_eq!(again.normals(2000), generator.normals(2000));
        assert!(
            serde_json::from_str::<TorchGenerator>(r#"{"words":[1],"next":0,"kept":null}"#)
                .is_err()
        );
    }
}
