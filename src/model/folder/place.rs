//! Where a model is written: in an empty place, or in that of an older model of
//! which nothing but its own files goes.

use std::fs;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::super::json::{read_config, read_text};
use super::super::{Manifest, ModelError};
use super::PARTS;

const INDEX: &str = "model_index.json";
pub(super) const CARD: &str = "README.md";
pub(super) const STUDIO: &str = "studio.json";

/// All that [`super::ModelFolder::save`] ever writes, but for the card.
const OURS: [&str; 30] = [
    INDEX,
    STUDIO,
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
    "vae/first_stage.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/special_tokens_map.json",
    "text_encoder_2/config.json",
    "text_encoder_2/model.safetensors",
    "tokenizer_2/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/tokenizer.json",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/special_tokens_map.json",
    "scheduler/scheduler_config.json",
    "layout_encoder/config.json",
    "layout_encoder/diffusion_pytorch_model.safetensors",
    "semantic_encoder/config.json",
    "semantic_encoder/diffusion_pytorch_model.safetensors",
    "class_encoder/config.json",
    "class_encoder/diffusion_pytorch_model.safetensors",
    "layout_prior/config.json",
    "layout_prior/model.safetensors",
];

/// What desktops leave in folders that they show.
pub(super) const LEFT_BY_DESKTOPS: [&str; 3] = [".DS_Store", "Thumbs.db", "desktop.ini"];

/// Refuses a place whose contents somebody would miss.
pub(super) fn check(path: &Path) -> Result<(), ModelError> {
    let occupied = || Err(ModelError::Occupied(path.to_path_buf()));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(ModelError::io("look into", path)(error)),
        // A link is a place of somebody's choice, and what it names too.
        Ok(metadata) if !metadata.is_dir() => return occupied(),
        Ok(_) => {}
    }
    let mut entries = fs::read_dir(path).map_err(ModelError::io("look into", path))?;
    if entries.next().is_none() {
        return Ok(());
    }
    if !path.join(INDEX).is_file() {
        return match super::further::is_ours(path) {
            true => Ok(()),
            false => occupied(),
        };
    }
    match foreign(path)? {
        Some(foreign) => Err(ModelError::Foreign {
            folder: path.to_path_buf(),
            foreign,
        }),
        None => Ok(()),
    }
}

/// The first thing in a model's folder that we did not write.
fn foreign(folder: &Path) -> Result<Option<PathBuf>, ModelError> {
    for entry in WalkDir::new(folder).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| ModelError::io("look into", folder)(error.into()))?;
        let inner = entry.path().strip_prefix(folder).unwrap_or(entry.path());
        let kind = entry.file_type();
        let is_desktops = || {
            LEFT_BY_DESKTOPS
                .iter()
                .any(|name| entry.file_name() == *name)
        };
        let is_ours = if kind.is_dir() {
            PARTS.iter().any(|part| inner == Path::new(part))
        } else if !kind.is_file() {
            false
        } else if inner == Path::new(CARD) {
            is_our_card(folder)?
        } else {
            OURS.iter().any(|name| inner == Path::new(name)) || is_desktops()
        };
        if !is_ours {
            return Ok(Some(inner.to_path_buf()));
        }
    }
    Ok(None)
}

/// Whether the card is the one of `studio.json`, which stays when it goes.
fn is_our_card(folder: &Path) -> Result<bool, ModelError> {
    let manifest: Option<Manifest> = read_config(&folder.join(STUDIO))?;
    let card = read_text(&folder.join(CARD))?;
    Ok(card.is_some_and(|card| manifest.is_some_and(|manifest| manifest.model_card == card)))
}

/// Puts a folder in a place that was checked; `scratch` is a folder beside it
/// that is deleted afterwards, with what lay there.
pub(super) fn put(fresh: &Path, path: &Path, scratch: &Path) -> Result<(), ModelError> {
    if !path.exists() {
        fs::rename(fresh, path).map_err(ModelError::io("write", path))?;
    } else if !exchange(fresh, path) {
        let old = scratch.join("old");
        fs::rename(path, &old).map_err(ModelError::io("replace", path))?;
        if let Err(error) = fs::rename(fresh, path) {
            // The reason is reported below; the old model goes back to its place.
            fs::rename(&old, path).ok();
            return Err(ModelError::io("replace", path)(error));
        }
    }
    // The new name is on the disk only after its folder is.
    #[cfg(unix)]
    if let Some(parent) = scratch.parent()
        && let Ok(parent) = fs::File::open(parent)
    {
        parent.sync_all().ok();
    }
    Ok(())
}

/// Exchanges two folders in one step, so that there is no moment without a
/// model; false where the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn exchange(fresh: &Path, path: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, fresh, CWD, path, RenameFlags::EXCHANGE).is_ok()
}

/// Exchanges two folders in one step; this system cannot.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn exchange(_fresh: &Path, _path: &Path) -> bool {
    false
}
