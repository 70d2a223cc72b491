//! All figures of two sets of pictures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use serde::Serialize;

use super::eyes::Eyes;
use super::features::{FeatureKind, Rows};
use super::inception_score::{InceptionScore, inception_score};
use super::kernel_distance::{KernelDistance, kernel_distance};
use super::likeness::{Spread, psnr, ssim};
use super::manifold::{PrecisionRecall, precision_recall};
use super::npz::Statistics;
use super::picture_set::{PictureFolder, PictureSet, read_picture};
use crate::evaluate::EvaluateError;

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side {
    /// Mean and covariances, and what they are of.
    pub statistics: Statistics,
    /// The pictures one by one, where there are pictures.
    pub rows: Option<Rows>,
    /// What they were taken for, where the network says.
    pub logits: Option<Rows>,
}

impl Side {
    /// Pictures that were seen here.
    pub fn seen(set: PictureSet, kind: FeatureKind) -> Self {
        Self {
            statistics: Statistics {
                distribution: set.distribution,
                kind,
            },
            rows: Some(set.features),
            logits: set.logits,
        }
    }

    /// Statistics of a file.
    pub fn of_file(statistics: Statistics) -> Self {
        Self {
            statistics,
            rows: None,
            logits: None,
        }
    }
}

/// How alike the pictures of two folders are that have one name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pairs {
    /// Pairs of one size.
    pub count: usize,
    /// Pairs of two sizes, of which nothing is said.
    pub unequal: usize,
    /// Peak signal-to-noise ratio.
    pub psnr_db: Option<Spread>,
    /// Structural similarity.
    pub ssim: Option<Spread>,
    /// LPIPS, where its weights were named and the pictures are not tiny.
    pub lpips: Option<Spread>,
}

/// The figures. The first set is judged by the second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// What saw the features of the first set.
    pub features: FeatureKind,
    /// What saw those of the second: the same, or Inception of other weights.
    pub features_of_b: FeatureKind,
    /// How many features.
    pub width: usize,
    /// Pictures of both sets; unknown of statistics that do not say.
    pub pictures: [Option<u64>; 2],
    /// Fréchet's distance of the features, of whatever network.
    pub frechet_distance: f64,
    /// The same, where the features are Inception's; else it must not be called so.
    pub fid: Option<f64>,
    /// The kernel distance.
    pub kernel_distance: Option<KernelDistance>,
    /// Precision and recall.
    pub precision_recall: Option<PrecisionRecall>,
    /// Inception score of the first set.
    pub inception_score: Option<InceptionScore>,
    /// Of pictures with one name.
    pub pairs: Option<Pairs>,
}

/// Compares two sets.
///
/// # Errors
/// When they are not of the same features, or the device fails.
pub fn compare(a: &Side, b: &Side) -> Result<Comparison, EvaluateError> {
    let (first, second) = (&a.statistics, &b.statistics);
    let is_comparable = match (&first.kind, &second.kind) {
        (
            FeatureKind::Inception { resize: one, .. },
            FeatureKind::Inception { resize: other, .. },
        ) => one == other,
        (one, other) => one == other,
    };
    if !is_comparable {
        let names = [first, second].map(|side| side.kind.name());
        return Err(EvaluateError::TwoNetworks(names));
    }
    let distance = first.distribution.distance(&second.distribution)?;
    let features = first.kind.clone();
    let rows = a.rows.as_ref().zip(b.rows.as_ref());
    let is_fid = matches!(features, FeatureKind::Inception { .. });
    let (kernel, manifold) = match rows {
        Some((a, b)) => (kernel_distance(a, b)?, precision_recall(a, b)?),
        None => (None, None),
    };
    Ok(Comparison {
        features,
        features_of_b: second.kind.clone(),
        width: first.distribution.mean.len(),
        pictures: [first.distribution.count, second.distribution.count],
        frechet_distance: distance,
        fid: is_fid.then_some(distance),
        kernel_distance: kernel,
        precision_recall: manifold,
        inception_score: a.logits.as_ref().and_then(inception_score),
        pairs: None,
    })
}

/// Compares pictures of two folders that have one name but for its ending; `None` where
/// there are none. Where `eyes` are given, they say how different the two look.
///
/// # Errors
/// When a picture cannot be read, the device fails, or `observe`, which is asked before each, has enough.
pub fn compare_pairs(
    a: &PictureFolder,
    b: &PictureFolder,
    eyes: Option<&Eyes>,
    observe: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Option<Pairs>, EvaluateError> {
    let stem = |path: &std::path::PathBuf| path.file_stem().map(std::ffi::OsStr::to_owned);
    let theirs: BTreeMap<_, _> = b.files().iter().map(|path| (stem(path), path)).collect();
    let named = a.files().iter();
    let pairs: Vec<_> = named
        .filter_map(|path| Some((path, *theirs.get(&stem(path))?)))
        .collect();
    let (mut psnrs, mut ssims, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for (ours, theirs) in &pairs {
        if observe().is_break() {
            return Err(EvaluateError::Stopped);
        }
        let ((ours, _), (theirs, _)) = (read_picture(ours)?, read_picture(theirs)?);
        if ours.dimensions() == theirs.dimensions() {
            psnrs.push(psnr(&ours, &theirs));
            ssims.extend(ssim(&ours, &theirs));
            if let Some(eyes) = eyes {
                seen.extend(eyes.difference(&ours, &theirs)?);
            }
        }
    }
    Ok((!pairs.is_empty()).then(|| Pairs {
        count: psnrs.len(),
        unequal: pairs.len() - psnrs.len(),
        psnr_db: Spread::of(&psnrs),
        ssim: Spread::of(&ssims),
        lpips: Spread::of(&seen),
    }))
}

impl Comparison {
    /// The figures as a table for people, in Markdown.
    pub fn table(&self) -> String {
        let count =
            |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
        let mut text = format!(
            "{} against {} pictures; {} numbers of each, of {}.\n\n| figure | value |\n|---|---:|\n",
            count(self.pictures[0]),
            count(self.pictures[1]),
            self.width,
            self.features.name()
        );
        let mut row = |name: &str, value: String| {
            // Writing to a string cannot fail.
            writeln!(text, "| {name} | {value} |").ok();
        };
        let spread = |mean: f64, deviation: f64| format!("{mean:.4} ± {deviation:.4}");
        let name = match self.fid {
            Some(_) => "FID",
            None => "Fréchet distance (no FID)",
        };
        row(name, format!("{:.4}", self.frechet_distance));
        if let Some(kernel) = self.kernel_distance {
            let name = match self.fid {
                Some(_) => "KID",
                None => "kernel distance",
            };
            let name = format!("{name}, subsets of {}", kernel.subset);
            row(
                &name,
                format!("{:.6} ± {:.6}", kernel.mean, kernel.deviation),
            );
        }
        if let Some(found) = self.precision_recall {
            row("precision", format!("{:.3}", found.precision));
            row("recall", format!("{:.3}", found.recall));
        }
        if let Some(score) = self.inception_score {
            let value = spread(score.mean, score.deviation);
            row("Inception score of the first", value);
        }
        if let Some(pairs) = self.pairs {
            let names = format!("of {} pairs by name", pairs.count);
            if let Some(psnr) = pairs.psnr_db {
                let value = format!("{:.2} ± {:.2} dB", psnr.mean, psnr.deviation);
                row(&format!("PSNR {names}"), value);
            }
            if let Some(ssim) = pairs.ssim {
                row(&format!("SSIM {names}"), spread(ssim.mean, ssim.deviation));
            }
            if let Some(lpips) = pairs.lpips {
                row(
                    &format!("LPIPS {names}"),
                    spread(lpips.mean, lpips.deviation),
                );
            }
        }
        text + &self.remarks()
    }

    /// What must be known to read the figures, as sentences.
    fn remarks(&self) -> String {
        let mut text = String::new();
        let fewest = self.pictures.iter().flatten().min();
        if let Some(fewest) = fewest.filter(|fewest| **fewest <= self.width as u64) {
            writeln!(
                text,
                "\n{fewest} pictures say little of {} numbers: the distance is too large by what is \
                 not seen, and comparable only between sets of one size.",
                self.width
            )
            .ok();
        }
        let sides = [&self.features, &self.features_of_b];
        let foreign = sides.map(|side| match side {
            FeatureKind::Inception {
                is_released: false,
                weights,
                ..
            } => Some(weights),
            _ => None,
        });
        if self.features != self.features_of_b {
            let digits = sides.map(|side| match side {
                FeatureKind::Inception { weights, .. } => weights.as_str(),
                _ => "?",
            });
            writeln!(
                text,
                "\nThe two sides were seen by Inceptions of different weights ({} and {}).",
                digits[0], digits[1]
            )
            .ok();
        }
        if let Some(weights) = foreign.into_iter().flatten().next() {
            writeln!(
                text,
                "\nThe weights ({weights}) are not the released file (6726825d): they are another \
                 form of it, or others."
            )
            .ok();
        }
        if let Some(pairs) = self.pairs.filter(|pairs| pairs.unequal > 0) {
            let unequal = pairs.unequal;
            writeln!(
                text,
                "\n{unequal} pairs are of two sizes and were not compared."
            )
            .ok();
        }
        text
    }
}
