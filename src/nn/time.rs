//! How a denoiser is told the time.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use super::{Linear, LinearConfig, ops};

/// Sines and cosines of the timestep at falling frequencies (Vaswani et al.
/// 2017; diffusers `get_timestep_embedding`).
///
/// `cosine_first` is diffusers' `flip_sin_to_cos`, `shift` its
/// `downscale_freq_shift`. An odd `width` ends with a zero.
///
/// # Shapes
/// `[batch]` to `[batch, width]`.
pub fn sinusoidal_embedding(
    timesteps: Tensor<1>,
    width: usize,
    cosine_first: bool,
    shift: f64,
) -> Tensor<2> {
    let half = width / 2;
    let step = -(10_000f64.ln()) as f32;
    let frequencies: Vec<f32> = (0..half)
        .map(|i| (step * i as f32 / (half as f64 - shift) as f32).exp())
        .collect();
    let device = timesteps.device();
    let [batch] = timesteps.dims();
    let frequencies =
        Tensor::<1>::from_data(TensorData::new(frequencies, [half]), &device).reshape([1, half]);
    let angle = timesteps.reshape([batch, 1]) * frequencies;
    // WGSL promises sines only within ±π, and timesteps go to 999. Two parts of
    // 2π keep the subtraction exact (Cody and Waite): the high one has few bits.
    let turns = (angle.clone() * std::f64::consts::TAU.recip()).round();
    let angle = angle - turns.clone() * 6.28125 - turns * (std::f64::consts::TAU - 6.28125);
    let (sine, cosine) = (angle.clone().sin(), angle.cos());
    let mut parts = if cosine_first {
        vec![cosine, sine]
    } else {
        vec![sine, cosine]
    };
    if width % 2 == 1 {
        parts.push(Tensor::zeros([batch, 1], &device));
    }
    Tensor::cat(parts, 1)
}

/// Sizes of a [`TimestepEmbedding`].
#[derive(Clone, Copy, Debug)]
pub struct TimestepEmbeddingConfig {
    /// Width of the sinusoidal embedding.
    pub sinusoidal: usize,
    /// Width of the result.
    pub width: usize,
    /// Whether the cosines come first (`flip_sin_to_cos`).
    pub cosine_first: bool,
    /// Shift of the frequencies (`freq_shift`).
    pub shift: f64,
    /// Width of a vector that is told beside the time (`cond_proj_dim`).
    pub condition: Option<usize>,
}

impl TimestepEmbeddingConfig {
    /// Makes the module.
    pub fn init(&self, device: &Device) -> TimestepEmbedding {
        let condition = self.condition.map(|width| {
            let projection = LinearConfig::new(width, self.sinusoidal);
            projection.with_bias(false).init(device)
        });
        TimestepEmbedding {
            cond_proj: condition,
            linear_1: LinearConfig::new(self.sinusoidal, self.width).init(device),
            linear_2: LinearConfig::new(self.width, self.width).init(device),
            sinusoidal: self.sinusoidal,
            cosine_first: self.cosine_first,
            shift: self.shift,
        }
    }
}

/// The sinusoidal embedding and the small network behind it.
#[derive(Module, Debug)]
pub struct TimestepEmbedding {
    cond_proj: Option<Linear>,
    linear_1: Linear,
    linear_2: Linear,
    #[module(skip)]
    sinusoidal: usize,
    #[module(skip)]
    cosine_first: bool,
    #[module(skip)]
    shift: f64,
}

impl TimestepEmbedding {
    /// `condition` is what is told beside the time.
    ///
    /// # Shapes
    /// `timesteps`: `[batch]`; `condition`: `[batch or 1, condition width]`; result:
    /// `[batch, width]`.
    pub fn forward(&self, timesteps: Tensor<1>, condition: Option<&Tensor<2>>) -> Tensor<2> {
        let waves = sinusoidal_embedding(timesteps, self.sinusoidal, self.cosine_first, self.shift);
        self.project(match self.cond_proj.as_ref().zip(condition) {
            Some((projection, condition)) => waves + projection.forward(condition.clone()),
            None => waves,
        })
    }

    /// The small network alone.
    ///
    /// # Shapes
    /// `[batch, sinusoidal]` to `[batch, width]`.
    pub fn project(&self, waves: Tensor<2>) -> Tensor<2> {
        self.linear_2
            .forward(ops::silu(self.linear_1.forward(waves)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedding_equals_published_form() {
        let device = Device::flex();
        let at = |cosine_first, t: f32| -> Vec<f32> {
            sinusoidal_embedding(Tensor::from_floats([t], &device), 6, cosine_first, 0.0)
                .into_data()
                .try_to_vec()
                .expect("f32 data")
        };
        let expected = |t: f64| {
            let f = [1.0, 10_000f64.powf(-1.0 / 3.0), 10_000f64.powf(-2.0 / 3.0)];
            (f.map(|f| (t * f).cos()), f.map(|f| (t * f).sin()))
        };
        for t in [0.0, 1.0, 37.0, 500.0, 999.0] {
            let (cosines, sines) = expected(f64::from(t));
            for (first, wanted) in [
                (true, [cosines, sines].concat()),
                (false, [sines, cosines].concat()),
            ] {
                for (got, wanted) in at(first, t).into_iter().zip(wanted) {
                    assert!(
                        (f64::from(got) - wanted).abs() < 1e-4,
                        "{t}: {got} {wanted}"
                    );
                }
            }
        }
    }
}
