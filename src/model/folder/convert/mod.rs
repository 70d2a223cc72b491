//! A model written anew as a diffusers folder or as one file in the original naming.
//!
//! No network is made: weights go from one file into the other, tensor by tensor
//! ([`Arranged`]), so that converting takes the memory of one of them. The tables that
//! name weights for reading are read backwards.

mod alike;
mod one_file;
mod texts;

pub(super) use one_file::gathered;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use burn::tensor::Device;

use super::save::{Described, put_whole};
use super::{CLASS, LAYOUT, ModelFolder, PRIOR, SECOND_TEXT, SEMANTIC, TEXT, UNET};
use crate::files::write_atomically;
use crate::model::inspect::{SingleFile, only_checkpoint};
use crate::model::weights::{Arranged, WeightDtype, names, save_arranged};
use crate::model::{Manifest, ModelError};

/// The ending of what is written as one file.
const ENDING: &str = "safetensors";
/// Endings of PyTorch checkpoints, which are not written.
const TORCH: [&str; 5] = ["ckpt", "pt", "pth", "bin", "pkl"];

/// How a model is written anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conversion<'a> {
    /// How weights are stored; `None` as each of them is.
    pub dtype: Option<WeightDtype>,
    /// Whether an older model or file of that name is replaced.
    pub replaces: bool,
    /// The YAML file of an original checkpoint, if it is not the one beside it.
    pub config: Option<&'a Path>,
}

/// Is told how many bytes of how many are written, and answers whether writing goes on.
pub type ConversionWatch<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// Whether a model of that name would be one file.
pub fn is_single_target(target: &Path) -> bool {
    target
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case(ENDING))
}

impl Conversion<'_> {
    /// Writes a model anew: as one file in the original naming where the target ends in
    /// `.safetensors`, else as a diffusers folder, unless it ends as checkpoints of PyTorch
    /// do, which are not written. Models that are told by a network of the paper's own code
    /// go from one file into another only. Written beside first; on failure nothing is left
    /// behind, and what was there is untouched.
    ///
    /// # Errors
    /// If the model does not open, has no such form, there is a YAML file for a folder,
    /// something is there that is not to be replaced, or a file cannot be written.
    pub fn run(
        &self,
        source: &Path,
        target: &Path,
        goes_on: ConversionWatch<'_>,
    ) -> Result<(), ModelError> {
        let ending = target.extension().unwrap_or_default();
        if TORCH.iter().any(|torch| ending.eq_ignore_ascii_case(torch)) {
            return Err(ModelError::TorchTarget(target.to_path_buf()));
        }
        let is_there = std::fs::symlink_metadata(target).is_ok();
        if is_there && !self.replaces {
            return Err(ModelError::Exists(target.to_path_buf()));
        }
        if !is_single_target(target) {
            let model = ModelFolder::open_with(source, self.config)?;
            let manifest = model.manifest_beyond_configurations();
            return model.write_anew(target, self.dtype, manifest.as_ref(), goes_on);
        }
        if target.is_dir() {
            return Err(ModelError::Occupied(target.to_path_buf()));
        }
        let checkpoint = match source.is_file() {
            true => Some(source.to_path_buf()),
            false => only_checkpoint(source),
        };
        match checkpoint {
            Some(checkpoint) => self.rewrite(&checkpoint, target, goes_on),
            None => {
                let model = ModelFolder::open_with(source, self.config)?;
                let arranged = model.as_one_file(target)?;
                self.write_file(target, &arranged, goes_on)
            }
        }
    }

    /// From one file into another, with what belongs beside it.
    fn rewrite(
        &self,
        source: &Path,
        target: &Path,
        goes_on: ConversionWatch<'_>,
    ) -> Result<(), ModelError> {
        let file = SingleFile::open(source, self.config)?;
        let beside = one_file::beside(source, target, &file.inspection, self.replaces)?;
        let arranged = one_file::rearranged(source, target, file)?;
        // What is beside an older model stays until the new one is whole.
        self.write_file(target, &arranged, goes_on)?;
        for (from, to) in &beside {
            let bytes = std::fs::read(from).map_err(ModelError::io("read", from))?;
            write_atomically(to, |file| file.write_all(&bytes))
                .map_err(ModelError::io("write", to))?;
        }
        Ok(())
    }

    fn write_file(
        &self,
        target: &Path,
        arranged: &Arranged,
        goes_on: ConversionWatch<'_>,
    ) -> Result<(), ModelError> {
        make_folder_of(target)?;
        let total = arranged.bytes(self.dtype);
        let mut done = 0;
        save_arranged(target, arranged, self.dtype, &mut |bytes| {
            done += bytes;
            goes_on(done, total)
        })
    }
}

/// Makes the folder that a file is to lie in.
fn make_folder_of(target: &Path) -> Result<(), ModelError> {
    match target.parent() {
        Some(parent) => {
            std::fs::create_dir_all(parent).map_err(ModelError::io("make the folder", parent))
        }
        None => Ok(()),
    }
}

impl ModelFolder {
    /// Writes the model as a folder of diffusers, in `dtype` or each weight as it is
    /// stored, with this `studio.json` if there is to be one.
    ///
    /// # Errors
    /// If a part cannot be read or written.
    pub(super) fn write_anew(
        &self,
        path: &Path,
        dtype: Option<WeightDtype>,
        manifest: Option<&Manifest>,
        goes_on: ConversionWatch<'_>,
    ) -> Result<(), ModelError> {
        if self.original_parameter_count() > 0 {
            return Err(ModelError::OnlyOriginal(self.path.clone()));
        }
        let parts = self.arranged_parts()?;
        let has_tokenizer = match self.one_file {
            Some(_) => self.text_encoder.is_some(),
            None => self.path.join("tokenizer").is_dir(),
        };
        let tokenizer = has_tokenizer.then(|| self.tokenizer()).transpose()?;
        let second_tokenizer = self.second_text_encoder.as_ref();
        let second_tokenizer = second_tokenizer.map(|_| self.second_tokenizer());
        let second_tokenizer = second_tokenizer.transpose()?;
        let first_stage = self.first_stage.as_ref();
        let described = Described {
            unet: self.unet.as_ref(),
            first_stage: first_stage.map(|place| place.config.clone()),
            text_encoder: self.text_encoder.as_ref(),
            second_text_encoder: self
                .second_text_encoder
                .as_ref()
                .zip(second_tokenizer.as_ref()),
            is_nothing_zero: self.is_nothing_zero,
            layout_encoder: self.layout_encoder.as_ref(),
            semantic_encoder: self.semantic_encoder.as_ref(),
            class_encoder: self.class_encoder.as_ref(),
            layout_prior: self.layout_prior.as_ref(),
            tokenizer: tokenizer.as_ref(),
            scheduler: self.scheduler.is_object().then_some(&self.scheduler),
            manifest,
        };
        let total = parts.iter().map(|(.., part)| part.bytes(dtype)).sum();
        let mut done = 0;
        put_whole(path, |fresh| {
            described.write(fresh)?;
            for (folder, stem, part) in &parts {
                let file: PathBuf = fresh.join(folder).join(format!("{stem}.{ENDING}"));
                save_arranged(&file, part, dtype, &mut |bytes| {
                    done += bytes;
                    goes_on(done, total)
                })?;
            }
            Ok(())
        })
    }

    /// The weights of each part by diffusers' names: folder, name of the file without its
    /// ending, weights.
    fn arranged_parts(&self) -> Result<Vec<(&'static str, &'static str, Arranged)>, ModelError> {
        let device = Device::flex();
        let mut parts = Vec::new();
        if let Some(config) = &self.unet {
            let network = config.init(&device)?;
            let weights = self.weights("unet", UNET)?;
            let class = "UNet2DConditionModel";
            let part = Arranged::of_module(&network, weights, &names::DENOISER, class)?;
            parts.push(("unet", UNET, part));
        }
        if let Some(place) = &self.first_stage {
            let part = place.config.kind().placed(&|| place.weights())?;
            parts.extend(part.map(|part| ("vae", UNET, part)));
        }
        for (folder, config) in [
            ("text_encoder", &self.text_encoder),
            (SECOND_TEXT, &self.second_text_encoder),
        ] {
            let Some(config) = config else {
                continue;
            };
            let network = config.init(&device)?;
            let weights = self.weights(folder, TEXT)?;
            let class = "CLIPTextModel";
            let part = Arranged::of_module(&network, weights, &names::CLIP_TEXT, class)?;
            parts.push((folder, TEXT, part));
        }
        let own = &names::DIFFUSERS;
        if let Some(config) = &self.layout_encoder {
            let (network, weights) = (config.init(&device)?, self.weights(LAYOUT, UNET)?);
            let part = Arranged::of_module(&network, weights, own, "LayoutEncoder")?;
            parts.push((LAYOUT, UNET, part));
        }
        if let Some(config) = &self.semantic_encoder {
            let (network, weights) = (config.init(&device)?, self.weights(SEMANTIC, UNET)?);
            let part = Arranged::of_module(&network, weights, own, "SemanticEncoder")?;
            parts.push((SEMANTIC, UNET, part));
        }
        if let Some(config) = &self.class_encoder {
            let (network, weights) = (config.init(&device)?, self.weights(CLASS, UNET)?);
            let part = Arranged::of_module(&network, weights, own, "ClassEncoder")?;
            parts.push((CLASS, UNET, part));
        }
        if let Some(config) = &self.layout_prior {
            let (network, weights) = (config.init(&device)?, self.weights(PRIOR, TEXT)?);
            let part = Arranged::of_module(&network, weights, &names::CLIP_TEXT, "LayoutPrior")?;
            parts.push((PRIOR, TEXT, part));
        }
        Ok(parts)
    }

    /// What there is to know of the model that its configurations do not imply; `None`
    /// where that is nothing but its name, which is that of its folder.
    fn manifest_beyond_configurations(&self) -> Option<Manifest> {
        let stage = self.first_stage.as_ref().map(|place| &place.config);
        let derived = Manifest::derive(self.manifest.name.clone(), self.unet.as_ref(), stage);
        let text = self.text_encoder.as_ref();
        let derived = derived.with_text(text.or(self.second_text_encoder.as_ref()));
        let has_file = self.path.join("studio.json").is_file();
        (has_file || derived != self.manifest).then(|| self.manifest.clone())
    }
}
