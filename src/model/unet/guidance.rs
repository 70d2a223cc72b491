//! How denoisers are told of a guidance that was taught to them (Meng et al. 2023,
//! <https://arxiv.org/abs/2210.03142>; latent consistency models, Luo et al. 2023,
//! <https://arxiv.org/abs/2310.04378>).

use serde_json::Value;

use super::super::{ModelError, limits};
use super::UNet2dConfig;
use super::diffusers::CLASS;

const KEY: &str = "time_cond_proj_dim";
/// What a scale is multiplied by before it becomes waves, as if it were a timestep.
const STRETCH: f32 = 1000.0;

impl UNet2dConfig {
    /// Width of the waves of a guidance that was taught to it, if one was.
    pub fn guidance_width(&self) -> Option<usize> {
        usize::try_from(self.other.get(KEY)?.as_u64()?).ok()
    }

    /// Checks that width.
    ///
    /// # Errors
    /// If it cannot be.
    pub(super) fn check_guidance(&self) -> Result<(), ModelError> {
        match (self.other.get(KEY), self.guidance_width()) {
            (None | Some(Value::Null), _) => Ok(()),
            (Some(told), _) if self.is_plain() => {
                let supported = "only null is beside UNet2DModel";
                Err(ModelError::unsupported(CLASS, KEY, told, supported))
            }
            // Half of the waves are sines, and their frequencies are divided by one less.
            (Some(_), Some(width)) if width >= 4 => {
                limits::within(CLASS, KEY, width, &limits::WIDTH)
            }
            (Some(told), _) => {
                let supported = "it must be a number from 4 on";
                Err(ModelError::unsupported(CLASS, KEY, told, supported))
            }
        }
    }
}

/// The waves of a scale of guidance, sines first, as diffusers'
/// `get_guidance_scale_embedding` makes them of the scale less 1: 1 is no guidance.
///
/// Computed as there, since rounding is heard in waves of such numbers.
pub(in crate::model) fn guidance_waves(scale: f32, width: usize) -> Vec<f32> {
    let half = width / 2;
    let told = (scale - 1.0) * STRETCH;
    let step = 10_000_f32.ln() / (half as f32 - 1.0);
    let angle = |index: usize| told * (index as f32 * -step).exp();
    let sines = (0..half).map(|index| angle(index).sin());
    let cosines = (0..half).map(|index| angle(index).cos());
    let odd = std::iter::repeat_n(0.0, width % 2);
    sines.chain(cosines).chain(odd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guidance_is_no_angle() {
        assert_eq!(guidance_waves(1.0, 5), [0.0, 0.0, 1.0, 1.0, 0.0]);
        let waves = guidance_waves(8.5, 4);
        let wanted = [
            7500_f64.sin(),
            0.75_f64.sin(),
            7500_f64.cos(),
            0.75_f64.cos(),
        ];
        for (found, wanted) in waves.iter().zip(wanted) {
            assert!((f64::from(*found) - wanted).abs() < 1e-4, "{waves:?}");
        }
    }

    #[test]
    fn widths_that_cannot_be_are_refused() {
        for told in ["3", "-1", "true", "1e9"] {
            let json = format!("{{\"{KEY}\": {told}}}");
            let config: UNet2dConfig = serde_json::from_str(&json).expect("valid JSON");
            let error = config.validate().expect_err("unsupported").to_string();
            assert!(error.contains(KEY), "{error}");
        }
    }
}
