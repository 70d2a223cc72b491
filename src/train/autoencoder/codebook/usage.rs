//! Which vectors of a codebook are used.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};

use crate::train::TrainError;
use crate::train::tensor_file::{self, Stored};
use crate::train::tensors::host;

/// Share of the past in the average of how often each vector is the nearest.
const REMEMBERED: f64 = 0.99;
/// Steps within which a vector counts as used where unused ones stay.
const USUAL_STEPS: u32 = 100;
/// Name of its file in a checkpoint.
const FILE: &str = "codebook_usage.safetensors";

/// How often each vector was the nearest of late.
pub(super) struct CodeUsage {
    /// How often in this step.
    counts: Vec<u64>,
    /// The same as a running average over steps.
    average: Vec<f64>,
    /// Steps since each was last the nearest.
    unused: Vec<u32>,
    /// Steps since then, or since it was put elsewhere.
    waiting: Vec<u32>,
    /// Steps after which an unused one is put elsewhere; 0 for never.
    restart_steps: u32,
    /// How many were put elsewhere so far.
    restarted: u64,
}

impl CodeUsage {
    pub fn new(codes: usize, restart_steps: u32) -> Self {
        Self {
            counts: vec![0; codes],
            average: vec![0.0; codes],
            // Nobody has used any yet.
            unused: vec![u32::MAX; codes],
            waiting: vec![0; codes],
            restart_steps,
            restarted: 0,
        }
    }

    /// Counts the nearest vectors of a pass.
    pub fn count(&mut self, codes: &[i64]) {
        for code in codes {
            if let Some(count) = self.counts.get_mut(*code as usize) {
                *count += 1;
            }
        }
    }

    /// Ends a step; the vectors that are to be put elsewhere.
    pub fn end_step(&mut self) -> Vec<usize> {
        for (code, count) in self.counts.iter_mut().enumerate() {
            let now = std::mem::take(count);
            let average = &mut self.average[code];
            *average = REMEMBERED * *average + (1.0 - REMEMBERED) * now as f64;
            for steps in [&mut self.unused[code], &mut self.waiting[code]] {
                *steps = if now > 0 { 0 } else { steps.saturating_add(1) };
            }
        }
        if self.restart_steps == 0 {
            return Vec::new();
        }
        let waiting = self.waiting.iter_mut().enumerate();
        let due = waiting.filter(|(_, steps)| **steps >= self.restart_steps);
        let due = due.map(|(code, steps)| {
            *steps = 0;
            code
        });
        let due: Vec<usize> = due.collect();
        self.restarted += due.len() as u64;
        due
    }

    /// e to the entropy of how often each is the nearest: as many vectors, all used
    /// alike, would tell as much.
    pub fn perplexity(&self) -> f64 {
        let sum: f64 = self.average.iter().sum();
        let shares = self.average.iter().map(|average| average / sum);
        let terms = shares.filter(|share| *share > 0.0);
        (-terms.map(|share| share * share.ln()).sum::<f64>()).exp()
    }

    /// The share of the vectors that were the nearest within the steps after which
    /// unused ones are put elsewhere.
    pub fn used_share(&self) -> f64 {
        let steps = match self.restart_steps {
            0 => USUAL_STEPS,
            steps => steps,
        };
        let used = self.unused.iter().filter(|unused| **unused < steps);
        used.count() as f64 / self.unused.len().max(1) as f64
    }

    /// How many vectors were put elsewhere so far.
    pub fn restarted(&self) -> u64 {
        self.restarted
    }

    /// Writes everything into a checkpoint, between two steps.
    pub fn save(&self, folder: &Path) -> Result<(), TrainError> {
        let column = |name: &str, values: Vec<f32>| Stored {
            name: name.to_owned(),
            shape: vec![values.len()],
            tensor: tensor(values),
        };
        let steps = |steps: &[u32]| steps.iter().map(|steps| *steps as f32).collect();
        let columns = vec![
            column(
                "average",
                self.average.iter().map(|it| *it as f32).collect(),
            ),
            column("unused", steps(&self.unused)),
            column("waiting", steps(&self.waiting)),
            column("restarted", vec![self.restarted as f32]),
        ];
        tensor_file::write(&folder.join(FILE), columns)
    }

    /// Reads what [`Self::save`] wrote.
    pub fn load(&mut self, folder: &Path) -> Result<(), TrainError> {
        let codes = [self.counts.len()];
        let wanted = [
            ("average", &codes[..]),
            ("unused", &codes),
            ("waiting", &codes),
            ("restarted", &[1]),
        ];
        let path = folder.join(FILE);
        let columns = tensor_file::read(&path, wanted.into_iter(), &Device::flex())?;
        let mut columns = columns.into_iter().map(host);
        let mut next = || columns.next().unwrap_or_else(|| Ok(Vec::new()));
        self.average = next()?.into_iter().map(f64::from).collect();
        self.unused = next()?.into_iter().map(|steps| steps as u32).collect();
        self.waiting = next()?.into_iter().map(|steps| steps as u32).collect();
        self.restarted = next()?.first().map_or(0, |count| *count as u64);
        Ok(())
    }
}

fn tensor(values: Vec<f32>) -> Tensor<1> {
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), &Device::flex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_how_many_are_used_and_how_evenly() {
        let mut usage = CodeUsage::new(4, 3);
        for _ in 0..2 {
            usage.count(&[0, 1, 1, 0]);
            assert!(usage.end_step().is_empty());
        }
        assert!((usage.perplexity() - 2.0).abs() < 1e-9);
        assert_eq!(usage.used_share(), 0.5);
        usage.count(&[0, 3]);
        assert_eq!(usage.end_step(), [2]);
        assert_eq!((usage.used_share(), usage.restarted()), (0.75, 1));
        usage.count(&[0, 3]);
        // It gets its time.
        assert!(usage.end_step().is_empty());

        let folder = tempfile::tempdir().expect("a folder");
        usage.save(folder.path()).expect("a file");
        let mut again = CodeUsage::new(4, 3);
        again.load(folder.path()).expect("the file");
        for usage in [&mut usage, &mut again] {
            usage.count(&[3]);
            assert_eq!(usage.end_step(), [1]);
            assert_eq!((usage.used_share(), usage.restarted()), (0.5, 2));
        }
        assert!((usage.perplexity() - again.perplexity()).abs() < 1e-6);
    }
}
