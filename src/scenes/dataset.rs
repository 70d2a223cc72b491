//! Scenes as files: pictures, captions, boxes and label maps.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::json;

use super::vocabulary::{PaletteEntry, classes, label_of_class, palette};
use super::{Scene, SceneError, SceneSource, partial_captions};
use crate::files::write_whole;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatasetSummary {
    /// Number of scenes.
    pub scenes: u64,
    /// Number of objects in them.
    pub objects: u64,
    /// The folder.
    pub folder: PathBuf,
    /// Whether the caller ended it early.
    pub is_complete: bool,
}

/// The file that says what the numbers of label maps mean.
const PALETTE: &str = "palette.json";
/// The files of a scene.
const ENDINGS: [&str; 4] = ["png", "txt", "json", "label.png"];
/// Scenes written between two reports of progress.
const CHUNK: u64 = 64;

/// Writes `count` scenes into `folder`: `NNNN.png`, `NNNN.txt`, `NNNN.json`
/// and `NNNN.label.png` each, and `palette.json`.
///
/// `progress` is told the number of scenes done and may end the work.
///
/// # Errors
/// A side out of range, a file that cannot be written, or one of somebody else's
/// that would be replaced.
pub fn write_dataset(
    folder: &Path,
    count: u64,
    side_px: u32,
    seed: u64,
    mut progress: impl FnMut(u64) -> ControlFlow<()>,
) -> Result<DatasetSummary, SceneError> {
    let source = SceneSource::new(side_px)?;
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    refuse_foreign(folder, count)?;
    let palette = serde_json::to_vec_pretty(&palette()).expect("plain data has a JSON form");
    write_file(folder, PALETTE, &palette)?;
    let mut summary = DatasetSummary {
        scenes: 0,
        objects: 0,
        folder: folder.to_owned(),
        is_complete: true,
    };
    while summary.scenes < count {
        let end = (summary.scenes + CHUNK).min(count);
        let objects = (summary.scenes..end)
            .into_par_iter()
            .map(|index| write_scene(folder, seed, index, &source.scene(seed, index)))
            .sum::<Result<u64, SceneError>>()?;
        summary.scenes = end;
        summary.objects += objects;
        if progress(end).is_break() && end < count {
            summary.is_complete = false;
            break;
        }
    }
    Ok(summary)
}

fn unwritable(path: &Path, source: std::io::Error) -> SceneError {
    SceneError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Writes a file so that it is there whole or not at all.
fn write_file(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), SceneError> {
    let path = folder.join(name);
    write_whole(&path, |file| file.write_all(bytes)).map_err(|error| unwritable(&path, error))
}

/// Checks that nothing will be replaced but scenes: a folder of these has a palette.
fn refuse_foreign(folder: &Path, count: u64) -> Result<(), SceneError> {
    let palette = folder.join(PALETTE);
    let is_ours = std::fs::read(&palette)
        .is_ok_and(|text| serde_json::from_slice::<Vec<PaletteEntry>>(&text).is_ok());
    if is_ours {
        return Ok(());
    }
    let is_replaced = |name: &str| {
        let (number, ending) = name.split_once('.').unwrap_or((name, ""));
        let is_named = ENDINGS.contains(&ending) && number.len() >= 4;
        is_named && number.parse().is_ok_and(|number: u64| number < count)
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unwritable(folder, error))?;
    let foreign = entries.flatten().map(|entry| entry.path()).find(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name == PALETTE || is_replaced(name))
    });
    match foreign {
        Some(path) => Err(SceneError::Foreign(path)),
        None => Ok(()),
    }
}

fn write_scene(folder: &Path, seed: u64, index: u64, scene: &Scene) -> Result<u64, SceneError> {
    let side = scene.image.width();
    let picture = encode(side, png::ColorType::Rgb, None, scene.image.as_raw());
    write_file(folder, &format!("{index:04}.png"), &picture)?;
    write_file(folder, &format!("{index:04}.txt"), scene.caption.as_bytes())?;
    let colours = palette().iter().flat_map(|entry| entry.colour).collect();
    let labels = encode(
        side,
        png::ColorType::Indexed,
        Some(colours),
        scene.labels.as_raw(),
    );
    write_file(folder, &format!("{index:04}.label.png"), &labels)?;
    let annotations = serde_json::to_vec_pretty(&annotations(seed, index, scene))
        .expect("plain data has a JSON form");
    write_file(folder, &format!("{index:04}.json"), &annotations)?;
    Ok(scene.objects.len() as u64)
}

fn annotations(seed: u64, index: u64, scene: &Scene) -> serde_json::Value {
    let side = scene.image.width();
    let objects: Vec<_> = scene
        .objects
        .iter()
        .map(|object| {
            json!({
                "category": classes()[object.class].noun,
                "category_id": label_of_class(object.class),
                "bbox": object.bbox,
                "area": object.bbox[2] * object.bbox[3],
                "visible": object.visible,
                "colour": object.tint,
            })
        })
        .collect();
    json!({
        "image": { "id": index, "file_name": format!("{index:04}.png"), "width": side, "height": side },
        "caption": scene.caption,
        "partial_captions": partial_captions(scene, seed, index),
        "annotations": objects,
        "scene": scene.attributes,
    })
}

/// A PNG in memory.
fn encode(side: u32, colour: png::ColorType, palette: Option<Vec<u8>>, pixels: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    if let Some(palette) = palette {
        encoder.set_palette(palette);
    }
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .expect("a picture of the declared size is written to memory");
    bytes
}
