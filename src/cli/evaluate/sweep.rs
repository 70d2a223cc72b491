//! `velatura evaluate model --sweep`: the paper's two analyses in small.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image::codecs::png::PngEncoder;
use serde::Serialize;
use serde_json::json;

use super::unwritable;
use crate::cli::report::Reporter;
use crate::cli::{CliError, interrupt};
use crate::diffusion::LatentDiffusion;
use crate::engine::device::ComputeDevice;
use crate::evaluate::compare::{FeatureKind, FeatureNetwork};
use crate::evaluate::sweep::{
    Chart, CompressionPlan, CompressionRow, SpeedPlan, SpeedRow, TableRow, compression, csv, speed,
};
use crate::files::write_atomically;
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
    /// Optimiser steps of each of these trainings
    #[arg(long, requires = "sweep", value_name = "STEPS", default_value_t = 2000)]
    training_steps: u64,
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

    /// Whether the model itself is tried.
    pub(super) fn needs_model(&self) -> bool {
        self.sweep.contains(&Analysis::Speed)
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
            guidance_scale: common.guidance_scale,
        }
    }

    fn compression_plan(&self, common: &Common<'_>) -> CompressionPlan {
        CompressionPlan {
            factors: self.sweep_factors.clone(),
            training_steps: self.training_steps,
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
        model: Option<&LatentDiffusion>,
        network: &FeatureNetwork,
        device: &ComputeDevice,
        report: Reporter,
    ) -> Result<(), CliError> {
        let measure = match network.kind() {
            FeatureKind::Inception { .. } => "FID".to_owned(),
            kind => format!("Fréchet distance, {}", kind.name()),
        };
        for analysis in &self.sweep {
            match (analysis, model) {
                (Analysis::Speed, Some(model)) => {
                    let plan = self.speed_plan(common);
                    let mut progress = report.progress(plan.pictures(), "pictures");
                    let mut rows = Vec::new();
                    let ended = speed(model, network, &plan, &mut |done, what, row| {
                        progress.show(done, plan.pictures(), what);
                        tell("speed", row, report, &progress);
                        rows.extend(row.cloned());
                        interrupt::go_on()
                    });
                    progress.finish();
                    let chart = SpeedRow::chart(&rows, &measure);
                    save(common.folder, "speed", &rows, &chart, report)?;
                    ended?;
                }
                (Analysis::Speed, None) => {}
                (Analysis::Compression, _) => {
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
                    let chart = CompressionRow::chart(&rows, &measure);
                    save(common.folder, "compression", &rows, &chart, report)?;
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
    chart: &Chart,
    report: Reporter,
) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let picture = chart.picture()?;
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let text = |path: PathBuf, text: String| {
        write_atomically(&path, |file| file.write_all(text.as_bytes()))
            .map_err(|error| unwritable(&path, &error))
    };
    text(file("csv"), csv(rows))?;
    text(file("svg"), chart.svg())?;
    let path = file("png");
    write_atomically(&path, |file| {
        let mut bytes = BufWriter::new(file);
        let written = picture.write_with_encoder(PngEncoder::new(&mut bytes));
        written.map_err(std::io::Error::other)?;
        bytes.flush()
    })
    .map_err(|error| unwritable(&path, &error))?;
    for ending in ["csv", "svg", "png"] {
        let path = file(ending).display().to_string();
        report.result("sweep", json!({ "analysis": name, "path": path }), &path);
    }
    Ok(())
}
