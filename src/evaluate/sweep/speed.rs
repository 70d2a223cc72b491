//! Quality against speed: several samplers, few steps and many.

use serde::Serialize;

use super::chart::{Chart, Series};
use super::painted::painted;
use super::{Observer, TableRow, real};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::FeatureNetwork;
use crate::evaluate::{EvaluateError, EvaluationPlan};
use crate::recipe::SamplerId;

/// What is tried.
#[derive(Clone, Debug)]
pub struct SpeedPlan {
    /// Samplers.
    pub samplers: Vec<SamplerId>,
    /// Steps that each is tried with.
    pub steps: Vec<u32>,
    /// Pictures of each.
    pub count: u32,
    /// Seed of captions and noise.
    pub seed: u64,
    /// Scale of the guidance.
    pub guidance_scale: f32,
}

impl SpeedPlan {
    fn painting(&self, sampler: &SamplerId, steps: u32) -> EvaluationPlan {
        EvaluationPlan {
            tasks: Vec::new(),
            count: self.count,
            seed: self.seed,
            sampler: Some(sampler.clone()),
            steps,
            guidance_scale: self.guidance_scale,
            boxes_are_regions: false,
        }
    }

    /// Pictures in all.
    pub fn pictures(&self) -> u64 {
        (self.samplers.len() * self.steps.len()) as u64 * u64::from(self.count)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range, or a sampler that is not known.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        for sampler in &self.samplers {
            crate::diffusion::sampler_info(sampler)?;
            for steps in &self.steps {
                self.painting(sampler, *steps).validate()?;
            }
        }
        Ok(())
    }
}

/// A sampler with so many steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpeedRow {
    /// The sampler.
    pub sampler: String,
    /// Its steps.
    pub steps: u32,
    /// Pictures.
    pub count: u32,
    /// Fréchet's distance to real scenes.
    pub frechet_distance: f64,
    /// The kernel distance to them.
    pub kernel_distance: f64,
    /// Share of the pictures that lie among real scenes.
    pub precision: f64,
    /// Share of real scenes that lie among the pictures.
    pub recall: f64,
    /// Pictures painted in a second.
    pub pictures_per_sec: f64,
}

impl TableRow for SpeedRow {
    const COLUMNS: &'static [&'static str] = &[
        "sampler",
        "steps",
        "pictures",
        "frechet_distance",
        "kernel_distance",
        "precision",
        "recall",
        "pictures_per_sec",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.sampler.clone(),
            self.steps.to_string(),
            self.count.to_string(),
            format!("{:.5}", self.frechet_distance),
            format!("{:.6}", self.kernel_distance),
            format!("{:.4}", self.precision),
            format!("{:.4}", self.recall),
            format!("{:.4}", self.pictures_per_sec),
        ]
    }
}

/// Paints the same captions with every sampler and number of steps. `observe` is told
/// how many pictures are painted and what is, and each row once it is there.
///
/// # Errors
/// If the plan is out of range, the model cannot paint, or `observe` has enough.
pub fn speed(
    model: &LatentDiffusion,
    network: &FeatureNetwork,
    plan: &SpeedPlan,
    observe: &mut Observer<'_, SpeedRow>,
) -> Result<(), EvaluateError> {
    plan.validate()?;
    let real = real(network, model.manifest().resolution_px, plan.seed)?;
    let mut done = 0;
    for sampler in &plan.samplers {
        for steps in &plan.steps {
            let painting = plan.painting(sampler, *steps);
            let what = format!("{}, {steps} steps", sampler.as_str());
            let found = painted(model, &painting, network, &real, &mut |_| {
                done += 1;
                observe(done, &what, None)
            })?;
            let figures = found.comparison;
            let manifold = figures.precision_recall;
            let row = SpeedRow {
                sampler: sampler.as_str().to_owned(),
                steps: *steps,
                count: plan.count,
                frechet_distance: figures.frechet_distance,
                kernel_distance: figures.kernel_distance.map_or(f64::NAN, |it| it.mean),
                precision: manifold.map_or(f64::NAN, |it| it.precision),
                recall: manifold.map_or(f64::NAN, |it| it.recall),
                pictures_per_sec: found.pictures_per_sec,
            };
            if observe(done, &what, Some(&row)).is_break() {
                return Err(EvaluateError::Stopped);
            }
        }
    }
    Ok(())
}

impl SpeedRow {
    /// Distance against pictures a second, a line for each sampler, a point for each
    /// number of steps.
    pub fn chart(rows: &[Self], measure: &str) -> Chart {
        let mut series: Vec<Series> = Vec::new();
        for row in rows {
            let point = [row.pictures_per_sec, row.frechet_distance];
            let label = row.steps.to_string();
            match series.iter_mut().find(|it| it.name == row.sampler) {
                Some(of) => of.points.push((point, label)),
                None => series.push(Series {
                    name: row.sampler.clone(),
                    points: vec![(point, label)],
                }),
            }
        }
        Chart {
            title: "Quality against speed: numbers are steps".to_owned(),
            across: "pictures a second".to_owned(),
            up: measure.to_owned(),
            series,
        }
    }
}
