//! The learning rate over time.

use serde::{Deserialize, Serialize};

/// What the learning rate does after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// It falls to a tenth by the last step, along half a cosine.
    Cosine,
}

/// Part of the peak that a cosine leaves.
const FLOOR: f64 = 0.1;

/// The learning rate of the step after `done` steps.
pub(super) fn learning_rate(
    peak: f64,
    warmup_steps: u64,
    decay: Decay,
    done: u64,
    steps: u64,
) -> f64 {
    if done < warmup_steps {
        return peak * (done + 1) as f64 / warmup_steps as f64;
    }
    match decay {
        Decay::Constant => peak,
        Decay::Cosine => {
            let span = steps.saturating_sub(warmup_steps).max(1) as f64;
            let part = ((done - warmup_steps) as f64 / span).min(1.0);
            let wave = 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
            peak * (FLOOR + (1.0 - FLOOR) * wave)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_linearly_then_stays() {
        let rate = |done| learning_rate(1.0, 4, Decay::Constant, done, 100);
        assert_eq!(
            [rate(0), rate(1), rate(3), rate(4), rate(99)],
            [0.25, 0.5, 1.0, 1.0, 1.0]
        );
        assert_eq!(learning_rate(1.0, 0, Decay::Constant, 0, 1), 1.0);
    }

    #[test]
    fn a_cosine_ends_at_a_tenth() {
        let rate = |done| learning_rate(2.0, 10, Decay::Cosine, done, 110);
        assert!((rate(10) - 2.0).abs() < 1e-12);
        assert!((rate(60) - 1.1).abs() < 1e-12);
        assert!((rate(110) - 0.2).abs() < 1e-12);
        assert!((rate(500) - 0.2).abs() < 1e-12);
    }
}
