//! Quality against the factor of the first stage: for each a small first stage and small
//! denoisers, trained for equally many steps on the same scenes.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chart::{Chart, Point, Series, grouped};
use super::kept::{kept, or_none};
use super::painted::painted;
use super::small_models::{self, SmallModels};
use super::{MOST_SEEDS, MOST_TRAINING_STEPS, Observer, RealScenes, TableRow};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::FeatureNetwork;
use crate::evaluate::reconstruction::{reconstructed, reconstruction};
use crate::evaluate::{EvaluateError, EvaluationPlan};
use crate::model::ModelFolder;
use crate::recipe::LAYOUT_BIAS;
use crate::scenes::{Scene, SceneSource};

/// Scenes that go through a first stage and back.
const RECONSTRUCTED: usize = 100;

/// Steps over which the learning rate of a denoiser rises, which older rows do not say.
const WARMUP: &str = "warmup_steps";

/// What is trained and tried.
#[derive(Clone, Debug)]
pub struct CompressionPlan {
    /// Pixels per side of a latent; 1 paints pixels.
    pub factors: Vec<u32>,
    /// Optimiser steps of each denoiser after which it is tried.
    pub training_steps: Vec<u64>,
    /// Optimiser steps of each first stage; `None` takes as many as its denoisers have.
    pub first_stage_steps: Option<u64>,
    /// Side of the scenes in pixels.
    pub side_px: u32,
    /// Denoisers of each factor, which differ in their first weights and in their scenes.
    pub seeds: u32,
    /// Pictures that each paints.
    pub count: u32,
    /// Seed of captions and of noise.
    pub seed: u64,
    /// Steps of the sampler.
    pub steps: u32,
    /// Folder of the runs; what is trained or tried in it already is not once more.
    pub folder: PathBuf,
}

impl CompressionPlan {
    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        for factor in &self.factors {
            if small_models::channels(*factor).is_none() {
                return Err(EvaluateError::Factor(*factor));
            }
        }
        if !small_models::SIDES_PX.contains(&self.side_px) {
            return Err(EvaluateError::SceneSide(self.side_px));
        }
        let most = MOST_TRAINING_STEPS;
        let steps = self.training_steps.iter().chain(&self.first_stage_steps);
        if let Some(wrong) = steps.copied().find(|it| !(1..=most).contains(it)) {
            return Err(EvaluateError::TrainingSteps(wrong));
        }
        if !(1..=MOST_SEEDS).contains(&self.seeds) {
            return Err(EvaluateError::Seeds(self.seeds));
        }
        self.painting().validate()
    }

    fn painting(&self) -> EvaluationPlan {
        EvaluationPlan {
            tasks: Vec::new(),
            count: self.count,
            seed: self.seed,
            sampler: None,
            steps: self.steps,
            // As the paper's: the models as they are.
            guidance_scale: 1.0,
            guidance_interval: [0.0, 1.0],
            boxes_are_regions: false,
            layout_bias: LAYOUT_BIAS,
            places_boxes: false,
        }
    }

    /// Steps of each denoiser after which it is tried, fewest first.
    fn stops(&self) -> Vec<u64> {
        let mut stops = self.training_steps.clone();
        stops.sort_unstable();
        stops.dedup();
        stops
    }

    fn models(&self) -> SmallModels<'_> {
        let longest = self.training_steps.iter().copied().max().unwrap_or(1);
        SmallModels {
            folder: &self.folder,
            side_px: self.side_px,
            first_stage_steps: self.first_stage_steps.unwrap_or(longest),
            longest,
        }
    }

    /// Steps and pictures in all.
    pub fn work(&self) -> u64 {
        let models = self.models();
        let stops = self.stops();
        let tried = stops.len() as u64 * u64::from(self.count);
        let denoiser = stops.last().copied().unwrap_or(0) + tried;
        let first_stage = |factor: &u32| match *factor {
            1 => 0,
            _ => models.first_stage_steps,
        };
        let of = |factor: &u32| first_stage(factor) + u64::from(self.seeds) * denoiser;
        self.factors.iter().map(of).sum()
    }
}

/// A denoiser of a factor after so many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompressionRow {
    /// Pixels per side of a latent.
    pub factor: u32,
    /// Steps of the denoiser.
    pub training_steps: u64,
    /// Weights of the denoiser with its text encoder, and of the first stage.
    pub parameters: usize,
    /// Pictures.
    pub count: u32,
    /// Unseen scenes through the first stage and back.
    #[serde(deserialize_with = "or_none")]
    pub reconstruction_psnr_db: f64,
    /// Fréchet's distance to real scenes.
    pub frechet_distance: f64,
    /// The kernel distance to them.
    #[serde(deserialize_with = "or_none")]
    pub kernel_distance: f64,
    /// Pictures painted in a second.
    #[serde(deserialize_with = "or_none")]
    pub pictures_per_sec: f64,
    /// Pictures painted in a second of processor time.
    #[serde(deserialize_with = "or_none")]
    pub pictures_per_cpu_sec: f64,
    /// Which of the denoisers of a factor, from 1.
    pub training_seed: u64,
    /// Steps of the first stage.
    pub first_stage_steps: u64,
    /// Side of the scenes in pixels.
    pub side_px: u32,
}

impl TableRow for CompressionRow {
    const COLUMNS: &'static [&'static str] = &[
        "factor",
        "training_steps",
        "parameters",
        "pictures",
        "reconstruction_psnr_db",
        "frechet_distance",
        "kernel_distance",
        "pictures_per_sec",
        "pictures_per_cpu_sec",
        "training_seed",
        "first_stage_steps",
        "side_px",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.factor.to_string(),
            self.training_steps.to_string(),
            self.parameters.to_string(),
            self.count.to_string(),
            format!("{:.3}", self.reconstruction_psnr_db),
            format!("{:.5}", self.frechet_distance),
            format!("{:.6}", self.kernel_distance),
            format!("{:.4}", self.pictures_per_sec),
            format!("{:.4}", self.pictures_per_cpu_sec),
            self.training_seed.to_string(),
            self.first_stage_steps.to_string(),
            self.side_px.to_string(),
        ]
    }
}

/// Trains and tries every factor with the first seed, then with the next. `observe` is
/// told how much of the work is done and what is, and each row once it is there.
///
/// # Errors
/// If the plan is out of range, a training fails or is of other settings than what lies
/// in the folder, or `observe` has enough; what is trained stays and is gone on with.
pub fn compression(
    network: &FeatureNetwork,
    device: &Device,
    plan: &CompressionPlan,
    observe: &mut Observer<'_, CompressionRow>,
) -> Result<(), EvaluateError> {
    plan.validate()?;
    let models = plan.models();
    let mut real = RealScenes::new(network, plan.seed);
    let source = SceneSource::new(plan.side_px)?;
    let scenes: Vec<Scene> = source.endless(plan.seed, 0).take(RECONSTRUCTED).collect();
    let mut done = 0;
    for seed in 1..=u64::from(plan.seeds) {
        for factor in plan.factors.iter().copied() {
            let what = format!("f = {factor}, seed {seed}");
            let first_stage = models.first_stage(factor, device, &mut |step| {
                let first = if seed == 1 { step } else { 0 };
                observe(done + first, &what, None)
            })?;
            if seed == 1 && factor > 1 {
                done += models.first_stage_steps;
            }
            let mut before = 0;
            for stop in plan.stops() {
                let told = json!({
                    "network": network.kind().name(),
                    "side_px": plan.side_px,
                    "first_stage_steps": models.first_stage_steps,
                    WARMUP: models.warmup_steps(),
                    "count": plan.count,
                    "seed": plan.seed,
                    "steps": plan.steps,
                });
                let place = models.row(factor, seed, stop);
                let begun = done;
                let row = kept(&place, &told, &[WARMUP], || {
                    let folder = models.denoiser(
                        factor,
                        seed,
                        (stop, &first_stage),
                        device,
                        &mut |step| observe(begun + step.saturating_sub(before), &what, None),
                    )?;
                    let model = LatentDiffusion::load(&ModelFolder::open(&folder)?, device)?;
                    let mut painted_so_far = begun + (stop - before);
                    let real = real.of(plan.side_px)?;
                    let found = painted(&model, &plan.painting(), network, real, &mut |_| {
                        painted_so_far += 1;
                        observe(painted_so_far, &what, None)
                    })?;
                    let figures = found.comparison;
                    Ok(CompressionRow {
                        factor,
                        training_steps: stop,
                        parameters: model.parameter_count(),
                        count: plan.count,
                        reconstruction_psnr_db: reconstruction(
                            &scenes,
                            &reconstructed(&model, device, &scenes)?,
                        )
                        .psnr_db,
                        frechet_distance: figures.frechet_distance,
                        kernel_distance: figures.kernel_distance.map_or(f64::NAN, |it| it.mean),
                        pictures_per_sec: found.pictures_per_sec,
                        pictures_per_cpu_sec: found.pictures_per_cpu_sec,
                        training_seed: seed,
                        first_stage_steps: match factor {
                            1 => 0,
                            _ => models.first_stage_steps,
                        },
                        side_px: plan.side_px,
                    })
                })?;
                done = begun + (stop - before) + u64::from(plan.count);
                before = stop;
                if observe(done, &what, Some(&row)).is_break() {
                    return Err(EvaluateError::Stopped);
                }
            }
        }
    }
    Ok(())
}

impl CompressionRow {
    /// Distance against the factor, after the most steps that every factor has.
    pub fn chart(rows: &[Self], measure: &str) -> Chart {
        let last = last_of_all(rows);
        let rows: Vec<&Self> = rows.iter().filter(|it| it.training_steps == last).collect();
        let points = grouped(&rows, |row| row.factor, |row| row.frechet_distance);
        Chart {
            title: format!("Quality against the first stage, {last} steps of training each"),
            across: "pixels per side of a latent".to_owned(),
            up: measure.to_owned(),
            series: vec![Series {
                name: "painted pictures".to_owned(),
                points: points
                    .into_iter()
                    .map(|(factor, figures)| {
                        Point::of(f64::from(factor), &figures, format!("f = {factor}"))
                    })
                    .collect(),
            }],
        }
    }

    /// Distance against the steps of training, a line for each factor: what the paper's
    /// figure 6 shows.
    pub fn progress_chart(rows: &[Self], measure: &str) -> Chart {
        let rows: Vec<&Self> = rows.iter().collect();
        let factors = grouped(&rows, |row| row.factor, |_| 0.0);
        let of = |factor: u32| {
            let rows: Vec<&Self> = rows
                .iter()
                .copied()
                .filter(|row| row.factor == factor)
                .collect();
            let points = grouped(&rows, |row| row.training_steps, |row| row.frechet_distance);
            Series {
                name: format!("f = {factor}"),
                points: points
                    .into_iter()
                    .map(|(steps, figures)| Point::of(steps as f64, &figures, String::new()))
                    .collect(),
            }
        };
        Chart {
            title: "Quality against training, by pixels per side of a latent".to_owned(),
            across: "steps of training".to_owned(),
            up: measure.to_owned(),
            series: factors.into_iter().map(|(factor, _)| of(factor)).collect(),
        }
    }
}

/// The most steps that every factor has a row of: a sweep that was broken off has more of
/// some.
fn last_of_all(rows: &[CompressionRow]) -> u64 {
    let factors = |of: &dyn Fn(&CompressionRow) -> bool| -> BTreeSet<u32> {
        let rows = rows.iter().filter(|row| of(row));
        rows.map(|row| row.factor).collect()
    };
    let all = factors(&|_| true);
    let stops: BTreeSet<u64> = rows.iter().map(|row| row.training_steps).collect();
    let mut stops = stops.into_iter().rev();
    let last = stops.find(|stop| factors(&|row| row.training_steps == *stop) == all);
    last.unwrap_or(0)
}

/// Told of a step of training; says whether to go on.
pub(super) type OnStep<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

#[cfg(test)]
mod tests {
    use super::*;

    fn row(factor: u32, training_steps: u64, training_seed: u64, distance: f64) -> CompressionRow {
        CompressionRow {
            factor,
            training_steps,
            parameters: 1,
            count: 2,
            reconstruction_psnr_db: 20.0,
            frechet_distance: distance,
            kernel_distance: f64::NAN,
            pictures_per_sec: 1.0,
            pictures_per_cpu_sec: 1.0,
            training_seed,
            first_stage_steps: 1,
            side_px: 32,
        }
    }

    #[test]
    fn factors_are_compared_after_equal_training() {
        let rows = [
            row(16, 100, 1, 9.0),
            row(16, 250, 1, 7.0),
            row(4, 100, 1, 8.0),
            row(4, 100, 2, 4.0),
        ];
        let chart = CompressionRow::chart(&rows, "distance");
        assert!(chart.title.contains("100 steps"), "{}", chart.title);
        let points = &chart.series[0].points;
        let places: Vec<[f64; 2]> = points.iter().map(|point| point.at).collect();
        assert_eq!(places, [[4.0, 6.0], [16.0, 9.0]]);
        assert_eq!(points[0].range, Some([4.0, 8.0]));
        let progress = CompressionRow::progress_chart(&rows, "distance");
        let names: Vec<&str> = progress.series.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["f = 4", "f = 16"]);
        assert_eq!(progress.series[1].points.len(), 2);
    }

    #[test]
    fn rows_are_kept_with_figures_that_there_are_none_of() {
        let text = serde_json::to_string(&row(4, 1, 1, 2.0)).expect("JSON");
        let kept: CompressionRow = serde_json::from_str(&text).expect("a row");
        assert!(kept.kernel_distance.is_nan());
        assert_eq!(kept.cells(), row(4, 1, 1, 2.0).cells());
    }
}
