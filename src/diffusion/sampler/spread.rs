//! How the noise levels of a run are spread between the largest and the smallest, as
//! diffusers does it.

use crate::diffusion::schedule::{interpolate, linspace};
use crate::recipe::Schedule;

/// The exponent of Karras et al. 2022, equation 5.
pub(in crate::diffusion) const RHO: f64 = 7.0;
/// Both parameters of the beta distribution.
const BETA: f64 = 0.6;
/// The steps that were found best for Stable Diffusion 1 (Sabour et al. 2024,
/// <https://arxiv.org/abs/2404.14507>), of the thousand of its training; the last level
/// is the smallest of all.
const ALIGNED_STEPS: [f64; 11] = [
    999.0, 850.0, 736.0, 645.0, 545.0, 455.0, 343.0, 233.0, 124.0, 24.0, 0.0,
];

/// The noise levels of a schedule, largest first; none for those of the training, which
/// are as its steps are. `table` are the levels of all its steps.
pub(super) fn spread(
    schedule: Schedule,
    table: &[f64],
    [smallest, largest]: [f64; 2],
    steps: usize,
) -> Option<Vec<f64>> {
    let along = linspace(0.0, 1.0, steps).into_iter();
    Some(match schedule {
        Schedule::Uniform => return None,
        Schedule::Karras => {
            let (low, high) = (smallest.powf(1.0 / RHO), largest.powf(1.0 / RHO));
            along
                .map(|part| (high + part * (low - high)).powf(RHO))
                .collect()
        }
        Schedule::Exponential => linspace(largest.ln(), smallest.ln(), steps)
            .into_iter()
            .map(f64::exp)
            .collect(),
        Schedule::Beta => along
            .map(|part| smallest + beta_quantile(1.0 - part) * (largest - smallest))
            .collect(),
        Schedule::AlignYourSteps => aligned(table, steps),
    })
}

/// Of another number of steps than ten the levels lie between those of the table, evenly
/// in log σ, as the paper's authors do it.
fn aligned(table: &[f64], steps: usize) -> Vec<f64> {
    let per_step = (table.len() - 1) as f64 / ALIGNED_STEPS[0];
    let level = |step: &f64| interpolate(table, step * per_step).ln();
    let levels: Vec<f64> = ALIGNED_STEPS.iter().map(level).collect();
    let between = (levels.len() - 1) as f64 / steps as f64;
    (0..steps)
        .map(|step| interpolate(&levels, step as f64 * between).exp())
        .collect()
}

/// The value below which so much of the beta distribution lies, of which both parameters
/// are the same, so that it is symmetric.
fn beta_quantile(part: f64) -> f64 {
    if part > 0.5 {
        return 1.0 - beta_quantile(1.0 - part);
    }
    if part <= 0.0 {
        return 0.0;
    }
    let wanted = part * 2.0 * incomplete_beta(0.5);
    let (mut low, mut high) = (0.0_f64, 0.5_f64);
    // As long as halves differ.
    loop {
        let middle = (low + high) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if incomplete_beta(middle) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// The integral of t^(β − 1) (1 − t)^(β − 1) from 0 to `end`, at most ½: its series.
fn incomplete_beta(end: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 0.0);
    // Each term is at most half of the one before.
    for n in 0..60 {
        let n = f64::from(n);
        sum += term / (BETA + n);
        term *= (1.0 - BETA + n) / (n + 1.0) * end;
    }
    end.powf(BETA) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By scipy.stats.beta.ppf(q, 0.6, 0.6).
    #[test]
    fn quantiles_are_those_of_scipy() {
        for (part, wanted) in [
            (0.0, 0.0),
            (1e-3, 1.855_873_851_745_199e-5),
            (0.1, 0.039_584_405_588_780_85),
            (0.25, 0.175_680_378_652_694_98),
            (0.5, 0.5),
            (0.9, 0.960_415_594_411_219_2),
            (1.0, 1.0),
        ] {
            let found = beta_quantile(part);
            assert!((found - wanted).abs() < 1e-12, "{part}: {found}");
        }
    }
}
