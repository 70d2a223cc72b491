//! `velatura evaluate model --sweep`: the paper's two analyses in small.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image::codecs::png::PngEncoder;
use serde::Serialize;
use serde_json::json;

use super::unwritable;
use crate::cli::model_name::find_model;
use crate::cli::report::Reporter;
use crate::cli::{CliError, interrupt};
use crate::diffusion::LatentDiffusion;
use crate::engine::device::ComputeDevice;
use crate::evaluate::compare::{FeatureKind, FeatureNetwork};
use crate::evaluate::sweep::{
    Chart, Clock, CompressionPlan, CompressionRow, SpeedModel, SpeedPlan, SpeedRow, TableRow,
    compression, csv, speed,
};
use crate::files::write_atomically;
use crate::model::ModelFolder;
use crate::recipe::SamplerId;

/// What is tried in a sweep.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Draw the paper's analyses into the folder named by --output, as tables and plots:
    /// speed (samplers and steps of this model), compression (first stages of several
    /// factors, each trained anew with a denoiser)
    #[arg(
        long,
        value_enum,
        value_name = "ANALYSES",
        value_delimiter = ',',
        requires = "pictures",
        conflicts_with_all = ["tasks", "fid_against", "boxes_as_regions"]
    )]
    sweep: Vec<Analysis>,
    /// Steps that every sampler is tried with
    #[arg(long, requires = "sweep", value_name = "STEPS", value_delimiter = ',', default_values_t = [10, 20, 50, 100, 200])]
    sweep_steps: Vec<u32>,
    /// Samplers that are tried
    #[arg(long, requires = "sweep", value_name = "SAMPLERS", value_delimiter = ',', default_values = ["ddim", "euler", "dpmpp-2m"])]
    sweep_samplers: Vec<String>,
    /// Pixels per side of a latent, of the first stages that are trained; 1 is none
    #[arg(long, requires = "sweep", value_name = "FACTORS", value_delimiter = ',', default_values_t = [1, 2, 4, 8, 16])]
    sweep_factors: Vec<u32>,
    /// Side in pixels of the scenes that these are trained on: 32 or 64
    #[arg(long, requires = "sweep", value_name = "PX", default_value_t = 32)]
    sweep_size: u32,
    /// Tries of everything, of which the plots show the mean and both ends: denoisers of a
    /// factor that differ in their first weights and scenes; sets of captions and noise
    #[arg(long, requires = "sweep", value_name = "N", default_value_t = 1)]
    sweep_seeds: u32,
    /// Further models whose speed is compared with that of --model
    #[arg(long, requires = "sweep", value_name = "MODELS", value_delimiter = ',')]
    sweep_models: Vec<PathBuf>,
    /// By which time the plot of the speed counts; the table has both
    #[arg(
        long,
        requires = "sweep",
        value_enum,
        value_name = "CLOCK",
        default_value = "wall"
    )]
    sweep_clock: ClockArg,
    /// Optimiser steps of each denoiser that is trained; of several numbers, it is tried
    /// after each
    #[arg(long, requires = "sweep", value_name = "STEPS", value_delimiter = ',', default_values_t = [2000])]
    training_steps: Vec<u64>,
    /// Optimiser steps of each first stage [default: as many as its denoisers have]
    #[arg(long, requires = "sweep", value_name = "STEPS")]
    first_stage_steps: Option<u64>,
}

/// By which time pictures are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClockArg {
    /// That of the clock on the wall
    Wall,
    /// That of the processors, for machines that are busy with other things
    Processor,
}

/// An analysis of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Analysis {
    /// Quality against pictures a second
    Speed,
    /// Quality against the factor of the first stage
    Compression,
}

/// What both analyses share.
pub(super) struct Common<'a> {
    pub count: u32,
    pub seed: u64,
    pub steps: u32,
    pub guidance_scale: f32,
    pub folder: &'a Path,
}

impl SweepArgs {
    /// Whether anything was asked for.
    pub(super) fn is_asked(&self) -> bool {
        !self.sweep.is_empty()
    }

    /// Reads the models that are tried themselves: `own` and those named beside it.
    ///
    /// # Errors
    /// If one cannot be found or read.
    pub(super) fn models(
        &self,
        own: &ModelFolder,
        device: &ComputeDevice,
    ) -> Result<Vec<SpeedModel>, CliError> {
        if !self.sweep.contains(&Analysis::Speed) {
            return Ok(Vec::new());
        }
        let others = self.sweep_models.iter();
        let others = others.map(|named| Ok(ModelFolder::open(find_model(named)?)?));
        let others: Vec<ModelFolder> = others.collect::<Result<_, CliError>>()?;
        let read = |folder: &ModelFolder| {
            let name = folder.path().display().to_string();
            let digest = folder.digest().digits();
            Ok(SpeedModel {
                digest: digest.unwrap_or_else(|_| name.clone()),
                device: device.summary.name.clone(),
                model: LatentDiffusion::load(folder, &device.device)?,
                name,
            })
        };
        std::iter::once(own).chain(&others).map(read).collect()
    }

    fn speed_plan(&self, common: &Common<'_>) -> SpeedPlan {
        let samplers = self.sweep_samplers.iter();
        SpeedPlan {
            samplers: samplers
                .map(|id| SamplerId::from(id.trim().to_owned()))
                .collect(),
            steps: self.sweep_steps.clone(),
            count: common.count,
            seed: common.seed,
            seeds: self.sweep_seeds,
            guidance_scale: common.guidance_scale,
            clock: match self.sweep_clock {
                ClockArg::Wall => Clock::Wall,
                ClockArg::Processor => Clock::Processor,
            },
            folder: common.folder.to_owned(),
        }
    }

    fn compression_plan(&self, common: &Common<'_>) -> CompressionPlan {
        CompressionPlan {
            factors: self.sweep_factors.clone(),
            training_steps: self.training_steps.clone(),
            first_stage_steps: self.first_stage_steps,
            side_px: self.sweep_size,
            seeds: self.sweep_seeds,
            count: common.count,
            seed: common.seed,
            steps: common.steps,
            folder: common.folder.to_owned(),
        }
    }

    /// Looks at everything that was asked before minutes are spent on it.
    ///
    /// # Errors
    /// What is out of range, or a folder that cannot be made.
    pub(super) fn check(&self, common: &Common<'_>) -> Result<(), CliError> {
        self.speed_plan(common).validate()?;
        self.compression_plan(common).validate()?;
        fs::create_dir_all(common.folder).map_err(|error| unwritable(common.folder, &error))
    }

    /// Does the analyses one after the other.
    ///
    /// # Errors
    /// When one fails, or is interrupted.
    pub(super) fn run(
        &self,
        common: &Common<'_>,
        models: &[SpeedModel],
        network: &FeatureNetwork,
        device: &ComputeDevice,
        report: Reporter,
    ) -> Result<(), CliError> {
        let measure = match network.kind() {
            FeatureKind::Inception { .. } => "FID".to_owned(),
            kind => format!("Fréchet distance, {}", kind.name()),
        };
        for analysis in &self.sweep {
            match analysis {
                Analysis::Speed => {
                    let plan = self.speed_plan(common);
                    let pictures = plan.pictures(models.len());
                    let mut progress = report.progress(pictures, "pictures");
                    let mut rows = Vec::new();
                    let ended = speed(models, network, &plan, &mut |done, what, row| {
                        progress.show(done, pictures, what);
                        tell("speed", row, report, &progress);
                        rows.extend(row.cloned());
                        interrupt::go_on()
                    });
                    progress.finish();
                    let chart = SpeedRow::chart(&rows, plan.clock, &measure);
                    save(common.folder, "speed", &rows, &[("speed", chart)], report)?;
                    ended?;
                }
                Analysis::Compression => {
                    let plan = self.compression_plan(common);
                    let mut progress = report.progress(plan.work(), "steps and pictures");
                    let mut rows = Vec::new();
                    let ended =
                        compression(network, &device.device, &plan, &mut |done, what, row| {
                            progress.show(done, plan.work(), what);
                            tell("compression", row, report, &progress);
                            rows.extend(row.cloned());
                            interrupt::go_on()
                        });
                    progress.finish();
                    let mut charts = vec![("compression", CompressionRow::chart(&rows, &measure))];
                    if self.training_steps.len() > 1 {
                        charts.push((
                            "compression-training",
                            CompressionRow::progress_chart(&rows, &measure),
                        ));
                    }
                    save(common.folder, "compression", &rows, &charts, report)?;
                    ended?;
                }
            }
        }
        Ok(())
    }
}

/// Tells of a row as it comes.
fn tell<R: TableRow + Serialize>(
    event: &str,
    row: Option<&R>,
    report: Reporter,
    progress: &crate::cli::report::Progress,
) {
    let Some(row) = row else { return };
    progress.tell(&row.cells().join(", "));
    if let Ok(fields) = serde_json::to_value(row) {
        progress.above(|| report.event(event, fields));
    }
}

/// Writes the table and the plots of the rows there are: what an interrupted sweep found
/// in hours is kept.
fn save<R: TableRow>(
    folder: &Path,
    name: &str,
    rows: &[R],
    charts: &[(&str, Chart)],
    report: Reporter,
) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let written = |path: PathBuf, bytes: &[u8]| {
        write_atomically(&path, |file| file.write_all(bytes))
            .map_err(|error| unwritable(&path, &error))?;
        let path = path.display().to_string();
        report.result("sweep", json!({ "analysis": name, "path": path }), &path);
        Ok::<_, CliError>(())
    };
    written(folder.join(format!("{name}.csv")), csv(rows).as_bytes())?;
    for (name, chart) in charts {
        let file = |ending: &str| folder.join(format!("{name}.{ending}"));
        written(file("svg"), chart.svg().as_bytes())?;
        let mut png = Vec::new();
        let drawn = chart.picture()?;
        drawn
            .write_with_encoder(PngEncoder::new(&mut png))
            .map_err(|error| unwritable(&file("png"), &std::io::Error::other(error)))?;
        written(file("png"), &png)?;
    }
    Ok(())
}
