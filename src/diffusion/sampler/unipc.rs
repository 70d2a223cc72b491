//! The unified predictor and corrector (Zhao et al. 2023,
//! <https://arxiv.org/abs/2302.04867>): what the model says at the end of a step first
//! corrects that step, and then predicts the next.

use burn::tensor::Tensor;

use super::levels::{Levels, Manner};
use super::{
    Clip, ConfigReading, Grid, OpenStep, Sampler, SamplerInfo, SamplerMemory, SamplerOptions,
    SamplerStep, ZeroSnr,
};
use crate::diffusion::DiffusionError;
use crate::diffusion::scheduler_config::{
    BetaSchedule, SchedulerConfig, SolverType, TimestepSpacing,
};
use crate::diffusion::torch_random::NoiseSource;

/// Highest order that is computed.
pub(super) const HIGHEST_ORDER: usize = 3;

/// diffusers' `UniPCMultistepScheduler`, predicting x₀.
pub(super) static INFO: SamplerInfo = SamplerInfo {
    id: "unipc",
    label: "UniPC",
    class_names: &["UniPCMultistepScheduler"],
    algorithm_type: None,
    takes_schedules: true,
    takes_eta: false,
    takes_any_level: true,
    reads: ConfigReading {
        betas: (1e-4, 0.02),
        beta_schedule: BetaSchedule::Linear,
        spacing: TimestepSpacing::Linspace,
        clip: Clip::Never,
        thresholds: true,
        zero_snr: ZeroSnr::AlmostReached,
        takes_fractions: false,
    },
    build: |config, options| Ok(Box::new(UniPc::new(config, options)?)),
};

struct UniPc {
    levels: Levels,
    order: usize,
    /// Whether the last steps are of lower order.
    ends_lower: bool,
    solver: SolverType,
    /// Steps that are not corrected.
    uncorrected: Vec<usize>,
}

impl UniPc {
    fn new(config: &SchedulerConfig, options: SamplerOptions) -> Result<Self, DiffusionError> {
        Ok(Self {
            levels: Levels::new(&INFO, config, options, Manner::UniPc)?,
            order: config.solver_order.clamp(1, HIGHEST_ORDER),
            ends_lower: config.lower_order_final,
            solver: config.solver_type,
            uncorrected: config.disable_corrector.clone(),
        })
    }

    /// The order of a step before which a run did so many.
    fn order_at(&self, index: usize, done: usize) -> usize {
        let left = self.levels.timesteps.len() - index;
        let most = if self.ends_lower {
            self.order.min(left)
        } else {
            self.order
        };
        // To no noise at all, or to the same, there is no length to compare others with.
        let [here, next] = self.levels.ends(index);
        let has_length = next.sigma > 0.0 && next.lambda > here.lambda;
        if has_length { most.min(done + 1) } else { 1 }
    }

    /// A step from `sample`, where x₀ looks like `first`, newest of `past` before it,
    /// and, when it is corrected, like `end` at its end.
    fn moved(
        &self,
        index: usize,
        order: usize,
        sample: Tensor<4>,
        first: &Tensor<4>,
        past: &[Tensor<4>],
        end: Option<&Tensor<4>>,
    ) -> Tensor<4> {
        let [here, next] = self.levels.ends(index);
        let h = next.lambda - here.lambda;
        // e^−h − 1: without any noise left, h is infinite.
        let decay = (-h).exp_m1();
        let ratio = next.sigma / here.sigma;
        let moved = sample * ratio - first.clone() * (next.alpha * decay);
        let mut rates: Vec<f64> = (1..order)
            .map(|back| (self.levels.lambda(index - back) - here.lambda) / h)
            .collect();
        let mut changes: Vec<Tensor<4>> = (past.iter().rev().zip(&rates))
            .map(|(before, rate)| (before.clone() - first.clone()) / *rate)
            .collect();
        if let Some(end) = end {
            rates.push(1.0);
            changes.push(end.clone() - first.clone());
        }
        let scale = match self.solver {
            SolverType::Bh1 => -h,
            _ => decay,
        };
        let weights = weights(&rates, h, scale);
        let terms = changes.into_iter().zip(weights);
        let sum = terms
            .map(|(change, weight)| change * weight)
            .reduce(|sum, term| sum + term);
        match sum {
            Some(sum) => moved - sum * (next.alpha * scale),
            None => moved,
        }
    }
}

/// How much each change counts: equation 11 of the paper, at its rates.
fn weights(rates: &[f64], h: f64, scale: f64) -> Vec<f64> {
    // One change alone is taken by half in diffusers.
    if rates.len() == 1 {
        return vec![0.5];
    }
    let count = rates.len();
    let mut phi = (-h).exp_m1() / -h - 1.0;
    let mut factorial = 1.0;
    let mut rows = Vec::with_capacity(count);
    for power in 0..count {
        let mut row: Vec<f64> = rates.iter().map(|r| r.powi(power as i32)).collect();
        row.push(phi * factorial / scale);
        rows.push(row);
        factorial *= (power + 2) as f64;
        phi = phi / -h - 1.0 / factorial;
    }
    solved(rows)
}

/// The solution of linear equations, each with its right side at its end. Rates
/// differ, so there is one.
fn solved(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let count = rows.len();
    for column in 0..count {
        let largest = (column..count)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        rows.swap(column, largest.unwrap_or(column));
        let pivot = rows[column].clone();
        for (index, row) in rows.iter_mut().enumerate() {
            if index != column {
                let factor = row[column] / pivot[column];
                for (value, other) in row.iter_mut().zip(&pivot) {
                    *value -= factor * other;
                }
            }
        }
    }
    let answer = |(index, row): (usize, &Vec<f64>)| row[count] / row[index];
    rows.iter().enumerate().map(answer).collect()
}

impl Sampler for UniPc {
    fn grid(&self) -> &dyn Grid {
        &self.levels
    }

    fn step(
        &self,
        index: usize,
        memory: &mut SamplerMemory,
        output: Tensor<4>,
        sample: Tensor<4>,
        _noise: &mut dyn NoiseSource,
    ) -> SamplerStep {
        let denoised = self.levels.x0(index, output, sample.clone());
        let mut sample = sample;
        // The step before stays open until it is known what the model says at its end.
        if let Some(before) = memory.open.take() {
            let order = self.order_at(index - 1, memory.calls - 1);
            if !self.uncorrected.contains(&(index - 1)) {
                let (first, past) = (&before.sum, &memory.past);
                sample = self.moved(
                    index - 1,
                    order,
                    before.sample,
                    first,
                    past,
                    Some(&denoised),
                );
            }
            memory.past.push(before.sum);
            if memory.past.len() >= HIGHEST_ORDER {
                memory.past.remove(0);
            }
        }
        let order = self.order_at(index, memory.calls);
        let next = self.moved(index, order, sample.clone(), &denoised, &memory.past, None);
        memory.open = Some(OpenStep {
            sample,
            sum: denoised.clone(),
        });
        memory.calls += 1;
        SamplerStep {
            sample: next,
            denoised,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_solved() {
        let rows = vec![
            vec![0.0, 2.0, 1.0, 7.0],
            vec![1.0, 1.0, 1.0, 6.0],
            vec![2.0, -1.0, 3.0, 9.0],
        ];
        let found = solved(rows);
        for (found, wanted) in found.iter().zip([1.0, 2.0, 3.0]) {
            assert!((found - wanted).abs() < 1e-12, "{found}");
        }
    }
}
