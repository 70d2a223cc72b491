//! Whether each picture shows one thing and all together many (Salimans et al. 2016,
//! <https://arxiv.org/abs/1606.03498>), as torch-fidelity computes it.

use serde::Serialize;

use super::features::Rows;
use super::numpy_random::RandomState;

/// Parts that are scored by themselves.
const SPLITS: usize = 10;
/// torch-fidelity's seed.
const SEED: u32 = 2020;

/// exp of the mean divergence of a picture's classes from those of all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct InceptionScore {
    /// Mean over ten parts.
    pub mean: f64,
    /// Standard deviation over them.
    pub deviation: f64,
}

/// The score of logits without bias; `None` where there are fewer pictures than parts.
pub fn inception_score(logits: &Rows) -> Option<InceptionScore> {
    let count = logits.count();
    if count < SPLITS {
        return None;
    }
    let order = RandomState::new(SEED).permutation(count);
    let scores = (0..SPLITS).map(|part| {
        let part = &order[part * count / SPLITS..(part + 1) * count / SPLITS];
        let rows: Vec<Vec<f64>> = part
            .iter()
            .map(|row| log_softmax(logits.row(*row)))
            .collect();
        let classes = rows.first().map_or(0, Vec::len);
        let share = |class: usize| {
            let sum: f64 = rows.iter().map(|row| row[class].exp()).sum();
            sum / rows.len() as f64
        };
        let all: Vec<f64> = (0..classes).map(|class| share(class).ln()).collect();
        let divergence = |row: &Vec<f64>| -> f64 {
            let pairs = row.iter().zip(&all);
            // What is never thought of adds nothing.
            let terms = pairs.map(|(own, all)| own.exp() * (own - all));
            terms.filter(|term| term.is_finite()).sum()
        };
        let sum: f64 = rows.iter().map(divergence).sum();
        (sum / rows.len() as f64).exp()
    });
    let scores: Vec<f64> = scores.collect();
    let mean = scores.iter().sum::<f64>() / SPLITS as f64;
    let variance = scores.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / SPLITS as f64;
    Some(InceptionScore {
        mean,
        deviation: variance.sqrt(),
    })
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let above = |logit: &f32| f64::from(*logit) - f64::from(most);
    let sum: f64 = logits.iter().map(|logit| above(logit).exp()).sum();
    logits.iter().map(|logit| above(logit) - sum.ln()).collect()
}
