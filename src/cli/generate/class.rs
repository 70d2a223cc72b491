//! The class that `velatura generate` paints, and the classifier that leads to it.

use std::path::PathBuf;

use clap::Args;

use super::args::help;
use crate::cli::CliError;
use crate::diffusion::DiffusionError;
use crate::engine::kept_files::{Kept, find_file};
use crate::model::{ClassifierFile, Manifest, ModelFolder};
use crate::recipe::param::CLASSIFIER_SCALE;
use crate::recipe::{GenerateSpec, NamedFile, class_number};

/// What class is painted.
#[derive(Debug, Args)]
pub(in crate::cli) struct ClassArgs {
    /// Class to paint, by its number or name
    #[arg(long, value_name = "N|NAME")]
    class: Option<String>,
    /// Classifier that leads to the class, with any model whose latents it was trained on: a
    /// folder, a file, or a name in a folder "classifiers" beside the model [default: the
    /// recipe's, or none]
    #[arg(long, value_name = "FILE|DIR")]
    classifier: Option<PathBuf>,
    #[arg(long, value_name = "SCALE", help = help(&CLASSIFIER_SCALE, "the recipe's, or 1"))]
    classifier_scale: Option<f32>,
}

impl ClassArgs {
    /// Takes the class and the classifier into a job; names of classes are those of the
    /// model, or else of the classifier.
    ///
    /// # Errors
    /// If the classifier cannot be found or opened, or there is no such class.
    pub(super) fn read(
        &self,
        spec: &mut GenerateSpec,
        folder: &ModelFolder,
        manifest: &Manifest,
        warn: &mut dyn FnMut(String),
    ) -> Result<(), CliError> {
        if let Some(path) = &self.classifier {
            let typed = NamedFile::typed(path);
            spec.classifier = Some(typed.unwrap_or_else(|| NamedFile::of_network(path)));
            spec.classifier_hash = None;
        }
        spec.classifier_scale = self.classifier_scale.unwrap_or(spec.classifier_scale);
        let classifier = opened(spec, folder)?;
        let names = classifier.map(|file| file.config().class_names());
        if let Some(told) = &self.class {
            let classes = manifest.classes().or(names.as_deref());
            let classes = classes.ok_or(DiffusionError::NotTaken("class"))?;
            let class = class_number(classes, told);
            spec.class = Some(class.ok_or_else(|| CliError::UnknownClass {
                told: told.clone(),
                last: classes.len().saturating_sub(1),
            })?);
        }
        if spec.classifier.is_some() && spec.class.is_none() {
            warn(
                "no class is chosen for the classifier to lead to; name one with --class"
                    .to_owned(),
            );
        }
        if self.classifier_scale.is_some() && spec.classifier.is_none() {
            warn("there is no classifier for its scale to act on".to_owned());
        }
        Ok(())
    }

    /// Finds out whether the classifier can lead a job whose size is settled. The engine
    /// would say the same, but only once the model is loaded.
    ///
    /// # Errors
    /// If it cannot.
    pub(super) fn check(
        spec: &GenerateSpec,
        folder: &ModelFolder,
        manifest: &Manifest,
    ) -> Result<(), CliError> {
        let Some(file) = opened(spec, folder)? else {
            return Ok(());
        };
        let latents = folder.first_stage_config()?.info();
        let size = [spec.width_px, spec.height_px];
        let size = size.map(|side| (side as usize).div_ceil(latents.factor.max(1)));
        let classes = manifest.classes().map(<[String]>::len);
        Ok(file.config().check(latents, size, classes)?)
    }
}

/// The classifier of a job, with its header read.
fn opened(spec: &GenerateSpec, folder: &ModelFolder) -> Result<Option<ClassifierFile>, CliError> {
    let Some(named) = &spec.classifier else {
        return Ok(None);
    };
    let path = find_file(named, Kept::Classifiers, folder.path())?;
    Ok(Some(ClassifierFile::open(&path)?))
}
