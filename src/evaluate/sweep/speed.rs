//! Quality against speed: several models and samplers, few steps and many.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::chart::{Chart, Point, Series, grouped};
use super::kept::{kept, or_none};
use super::painted::painted;
use super::{MOST_SEEDS, Observer, RealScenes, TableRow};
use crate::diffusion::LatentDiffusion;
use crate::evaluate::compare::FeatureNetwork;
use crate::evaluate::{EvaluateError, EvaluationPlan};
use crate::recipe::{LAYOUT_BIAS, SamplerId};

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
    /// Sets of pictures of each, of other captions and other noise.
    pub seeds: u32,
    /// Scale of the guidance.
    pub guidance_scale: f32,
    /// What is across in the drawing.
    pub clock: Clock,
    /// Folder in which rows are kept, so that a sweep which was broken off goes on.
    pub folder: PathBuf,
}

/// By which time pictures are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// That of the clock on the wall.
    #[default]
    Wall,
    /// That of the processors: however busy the machine is with other things.
    Processor,
}

impl SpeedPlan {
    fn painting(&self, sampler: &SamplerId, steps: u32, set: u32) -> EvaluationPlan {
        EvaluationPlan {
            tasks: Vec::new(),
            count: self.count,
            // Captions are numbered by their seed and place: none comes twice.
            seed: self.seed.wrapping_add(u64::from(set)),
            sampler: Some(sampler.clone()),
            steps,
            guidance_scale: self.guidance_scale,
            guidance_interval: [0.0, 1.0],
            boxes_are_regions: false,
            layout_bias: LAYOUT_BIAS,
            places_boxes: false,
        }
    }

    /// Pictures that are painted with so many models.
    pub fn pictures(&self, models: usize) -> u64 {
        let sets = models * self.samplers.len() * self.steps.len();
        sets as u64 * u64::from(self.seeds) * u64::from(self.count)
    }

    /// Checks every number.
    ///
    /// # Errors
    /// The first that is out of range, or a sampler that is not known.
    pub fn validate(&self) -> Result<(), EvaluateError> {
        if !(1..=MOST_SEEDS).contains(&self.seeds) {
            return Err(EvaluateError::Seeds(self.seeds));
        }
        for sampler in &self.samplers {
            crate::diffusion::sampler_info(sampler)?;
            for steps in &self.steps {
                self.painting(sampler, *steps, 0).validate()?;
            }
        }
        Ok(())
    }
}

/// A model that is tried.
pub struct SpeedModel {
    /// How it is called.
    pub name: String,
    /// Digest of all its weights and configurations.
    pub digest: String,
    /// What computes with it, by its name.
    pub device: String,
    /// The model.
    pub model: LatentDiffusion,
}

impl SpeedModel {
    fn factor(&self) -> u32 {
        self.model.model().first_stage().info().factor as u32
    }
}

/// A model with a sampler with so many steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(deserialize_with = "or_none")]
    pub kernel_distance: f64,
    /// Share of the pictures that lie among real scenes.
    #[serde(deserialize_with = "or_none")]
    pub precision: f64,
    /// Share of real scenes that lie among the pictures.
    #[serde(deserialize_with = "or_none")]
    pub recall: f64,
    /// Pictures painted in a second.
    #[serde(deserialize_with = "or_none")]
    pub pictures_per_sec: f64,
    /// Pictures painted in a second of processor time.
    #[serde(deserialize_with = "or_none")]
    pub pictures_per_cpu_sec: f64,
    /// The model.
    pub model: String,
    /// Pixels per side of one of its latents.
    pub factor: u32,
    /// Seed of captions and noise.
    pub seed: u64,
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
        "pictures_per_cpu_sec",
        "model",
        "factor",
        "seed",
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
            format!("{:.4}", self.pictures_per_cpu_sec),
            // Names are the user's.
            format!("\"{}\"", self.model.replace('"', "\"\"")),
            self.factor.to_string(),
            self.seed.to_string(),
        ]
    }
}

/// Paints the same captions with every model, sampler and number of steps, then others
/// with the next seed. `observe` is told how many pictures are painted and what is, and
/// each row once it is there.
///
/// # Errors
/// If the plan is out of range, a model cannot paint, or `observe` has enough; rows that
/// were found are kept.
pub fn speed(
    models: &[SpeedModel],
    network: &FeatureNetwork,
    plan: &SpeedPlan,
    observe: &mut Observer<'_, SpeedRow>,
) -> Result<(), EvaluateError> {
    plan.validate()?;
    let mut real = RealScenes::new(network, plan.seed);
    let mut done = 0;
    for set in 0..plan.seeds {
        for of in models {
            let side_px = of.model.manifest().resolution_px;
            for sampler in &plan.samplers {
                for steps in &plan.steps {
                    let painting = plan.painting(sampler, *steps, set);
                    let what = format!("{}, {}, {steps} steps", of.name, sampler.as_str());
                    let told = json!({
                        "network": network.kind().name(),
                        "model": of.digest,
                        "side_px": side_px,
                        "device": of.device,
                        "sampler": sampler.as_str(),
                        "steps": steps,
                        "count": plan.count,
                        "seed": painting.seed,
                        "guidance_scale": plan.guidance_scale,
                    });
                    let brief = of.digest.get(..10).unwrap_or(&of.digest);
                    let name = format!("{brief}-{}-{steps}-{set}.json", sampler.as_str());
                    let begun = done;
                    let mut row = kept(&plan.folder.join("rows").join(name), &told, &[], || {
                        let mut painted_so_far = begun;
                        let real = real.of(side_px)?;
                        let found = painted(&of.model, &painting, network, real, &mut |_| {
                            painted_so_far += 1;
                            observe(painted_so_far, &what, None)
                        })?;
                        let figures = found.comparison;
                        let manifold = figures.precision_recall;
                        Ok(SpeedRow {
                            sampler: sampler.as_str().to_owned(),
                            steps: *steps,
                            count: plan.count,
                            frechet_distance: figures.frechet_distance,
                            kernel_distance: figures.kernel_distance.map_or(f64::NAN, |it| it.mean),
                            precision: manifold.map_or(f64::NAN, |it| it.precision),
                            recall: manifold.map_or(f64::NAN, |it| it.recall),
                            pictures_per_sec: found.pictures_per_sec,
                            pictures_per_cpu_sec: found.pictures_per_cpu_sec,
                            model: of.name.clone(),
                            factor: of.factor(),
                            seed: painting.seed,
                        })
                    })?;
                    // The same model may lie elsewhere now.
                    row.model.clone_from(&of.name);
                    done = begun + u64::from(plan.count);
                    if observe(done, &what, Some(&row)).is_break() {
                        return Err(EvaluateError::Stopped);
                    }
                }
            }
        }
    }
    Ok(())
}

impl SpeedRow {
    /// Distance against pictures a second, a line for each model and sampler, a point for
    /// each number of steps.
    pub fn chart(rows: &[Self], clock: Clock, measure: &str) -> Chart {
        let rows: Vec<&Self> = rows.iter().collect();
        let number = |key: fn(&Self) -> &str| grouped(&rows, key, |_| 0.0).len();
        let factors = grouped(&rows, |row| row.factor, |_| 0.0).len();
        let models = number(|row| &row.model);
        let has_samplers = models == 1 || number(|row| &row.sampler) > 1;
        let name = |row: &Self| {
            let model = match (models, factors == models) {
                (1, _) => None,
                (_, true) => Some(format!("f = {}", row.factor)),
                (_, false) => Some(row.model.clone()),
            };
            let sampler = has_samplers.then(|| row.sampler.clone());
            let parts: Vec<String> = model.into_iter().chain(sampler).collect();
            parts.join(", ")
        };
        // In the order in which they were tried.
        let mut names: Vec<String> = Vec::new();
        for row in &rows {
            let name = name(row);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let rate = |row: &Self| match clock {
            Clock::Wall => row.pictures_per_sec,
            Clock::Processor => row.pictures_per_cpu_sec,
        };
        let series = names.into_iter().map(|series| {
            let own: Vec<&Self> = rows
                .iter()
                .copied()
                .filter(|row| name(row) == series)
                .collect();
            let rates = grouped(&own, |row| row.steps, rate);
            let points = grouped(&own, |row| row.steps, |row| row.frechet_distance);
            let points = rates
                .into_iter()
                .zip(points)
                .map(|((steps, rates), (_, figures))| {
                    let rate = rates.iter().sum::<f64>() / rates.len().max(1) as f64;
                    Point::of(rate, &figures, steps.to_string())
                });
            Series {
                points: points.collect(),
                name: series,
            }
        });
        Chart {
            title: "Quality against speed: numbers are steps".to_owned(),
            across: match clock {
                Clock::Wall => "pictures a second".to_owned(),
                Clock::Processor => "pictures a second of processor time".to_owned(),
            },
            up: measure.to_owned(),
            series: series.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The rows of a table as [`csv`](super::super::csv) writes it.
    fn rows(table: &str) -> Vec<SpeedRow> {
        let lines = table.lines().skip(1);
        let rows = lines.map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            let number = |at: usize| cells[at].parse::<f64>().expect("a number");
            SpeedRow {
                sampler: cells[0].to_owned(),
                steps: number(1) as u32,
                count: number(2) as u32,
                frechet_distance: number(3),
                kernel_distance: number(4),
                precision: number(5),
                recall: number(6),
                pictures_per_sec: number(7),
                pictures_per_cpu_sec: number(8),
                model: cells[9].trim_matches('"').to_owned(),
                factor: number(10) as u32,
                seed: number(11) as u64,
            }
        });
        rows.collect()
    }

    /// What [`SpeedRow::chart`] draws now; where it is meant to change, copy what the test
    /// wrote.
    #[test]
    fn the_plot_in_the_documentation_is_that_of_its_table() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/paper");
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a file");
        let rows = rows(&text("speed.csv"));
        assert_eq!(super::super::csv(&rows).lines().count(), rows.len() + 1);
        let measure = "Fréchet distance, Velatura's scene network (b3f2b346)";
        let chart = SpeedRow::chart(&rows, Clock::Wall, measure);
        if chart.svg() != text("speed.svg") {
            let folder = std::env::temp_dir().join("velatura-plots");
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("speed.svg"), chart.svg()).expect("written");
            let picture = chart.picture().expect("a drawing");
            picture.save(folder.join("speed.png")).expect("written");
            panic!("it is drawn otherwise now, as in {}", folder.display());
        }
    }
}
