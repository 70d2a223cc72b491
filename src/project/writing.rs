//! Saving a project.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use zip::write::FileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::layer_png::{PngPixel, encode};
use super::manifest::{
    BoxEntry, ChoicesEntry, ClassEntry, ConditionsEntry, ContentEntry, FORMAT, FrameEntry,
    HomeEntry, LayerEntry, MANIFEST_NAME, MAX_LAYERS, MAX_MANIFEST_BYTES, Manifest, PaletteEntry,
    PixelsEntry, RecipeEntry, VERSION, ViewEntry,
};
use super::{Choices, Home, Project, ProjectError};
use crate::document::{BoundingBox, FrameChoice, Layer, LayerContent, TileGrid};
use crate::files::{reason_of, write_atomically};
use crate::geometry::{CanvasRect, CanvasView};
use crate::recipe::PaintedRecipe;
use crate::recipe::palette::Palette;

/// The first file of the archive, by which programs know a project without
/// reading its directory.
const MIMETYPE: (&str, &[u8]) = ("mimetype", b"application/x-velatura");

/// Saves a project. A file of that name is replaced once the new one is whole and
/// on the disk.
///
/// # Errors
/// When the file cannot be written, or the document is one that no project can
/// hold; an older file is then untouched.
pub fn save_project(path: &Path, project: &Project) -> Result<(), ProjectError> {
    let failed = |reason: String| ProjectError::Write {
        path: path.to_owned(),
        reason,
    };
    let manifest = manifest_of(project).map_err(failed)?;
    let manifest = serde_json::to_vec(&manifest).map_err(|error| failed(error.to_string()))?;
    if manifest.len() as u64 > MAX_MANIFEST_BYTES {
        return Err(failed(
            "it has more boxes than a project can hold".to_owned(),
        ));
    }
    write_atomically(path, |file| write(file, &manifest, project))
        .map_err(|error| failed(reason_of(&error)))
}

fn write(file: &mut File, manifest: &[u8], project: &Project) -> io::Result<()> {
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let stored = FileOptions::default().compression_method(CompressionMethod::Stored);
    let deflated = stored.compression_method(CompressionMethod::Deflated);
    archive.start_file(MIMETYPE.0, stored)?;
    archive.write_all(MIMETYPE.1)?;
    archive.start_file(MANIFEST_NAME, deflated)?;
    archive.write_all(manifest)?;
    // As many at a time as there are threads: all of them at once may be large.
    let layers = project.document.layers();
    for together in layers.chunks(rayon::current_num_threads().max(1)) {
        let files = together.par_iter().map(|layer| {
            let recipe = project.recipes.get(&layer.id);
            let recipe = recipe.map(PaintedRecipe::to_json).transpose();
            (picture_of(layer), recipe)
        });
        let files: Vec<_> = files.collect();
        for (layer, (picture, recipe)) in together.iter().zip(files) {
            if let Some(file) = picture? {
                // PNG files are packed already.
                archive.start_file(file_name(layer), stored)?;
                archive.write_all(&file)?;
            }
            if let Some(text) = recipe? {
                archive.start_file(recipe_name(layer), deflated)?;
                archive.write_all(text.as_bytes())?;
            }
        }
    }
    archive.finish()?.flush()
}

/// The name of a layer's PNG file in the archive.
fn file_name(layer: &Layer) -> String {
    format!("layers/{}.png", layer.id.0)
}

/// The name of the file in the archive that says how a layer was painted.
fn recipe_name(layer: &Layer) -> String {
    format!("recipes/{}.json", layer.id.0)
}

/// The PNG file of a layer; none where it has no pixels or nothing is painted.
fn picture_of(layer: &Layer) -> io::Result<Option<Vec<u8>>> {
    fn painted<P: PngPixel>(
        grid: &TileGrid<P>,
        change: impl Fn(P) -> P,
    ) -> io::Result<Option<Vec<u8>>> {
        let part = grid.content_bounds();
        let file = (!part.is_empty()).then(|| encode(grid, part, change));
        file.transpose().map_err(io::Error::other)
    }
    match &layer.content {
        LayerContent::Raster(grid) => painted(grid, |pixel| pixel),
        LayerContent::Mask(grid) => painted(grid, |value| value),
        LayerContent::Semantic(grid) => painted(grid, |value| value.wrapping_sub(1)),
        LayerContent::Layout(_) => Ok(None),
    }
}

fn manifest_of(project: &Project) -> Result<Manifest, String> {
    let document = &project.document;
    // What cannot be could be saved, but never be opened again.
    document.validate_invariants()?;
    if document.layers().len() > MAX_LAYERS {
        return Err(format!("a project can hold {MAX_LAYERS} layers"));
    }
    let layers = document.layers().iter().map(|layer| LayerEntry {
        id: layer.id.0,
        name: layer.name.clone(),
        opacity: layer.opacity,
        is_visible: layer.visible,
        strength: (layer.strength < 1.0).then_some(layer.strength),
        content: content_of(layer),
        recipe: project.recipes.get(&layer.id).map(|recipe| RecipeEntry {
            file: recipe_name(layer),
            sampler_label: recipe.sampler_label.clone(),
        }),
    });
    Ok(Manifest {
        format: FORMAT.to_owned(),
        version: VERSION,
        program: concat!("Velatura ", env!("CARGO_PKG_VERSION")).to_owned(),
        size_px: document.size_px(),
        layers: layers.collect(),
        selected_layer: document.selected_layer().map(|layer| layer.id.0),
        palette: palette_of(document.palette()),
        view: view_of(project.view),
        frame: frame_of(document.frame()),
        choices: choices_of(&project.choices),
        home: project.home.as_ref().and_then(home_of),
    })
}

fn choices_of(choices: &Choices) -> ChoicesEntry {
    ChoicesEntry {
        starts_from_picture: choices.starts_from_picture,
        heeds_mask: choices.heeds_mask,
        small_picture: choices.small_picture.map(|layer| layer.0),
        guide: choices.guide.map(|layer| layer.0),
        conditions: choices.conditions.map(|it| ConditionsEntry {
            uses_boxes: it.uses_boxes,
            uses_label_map: it.uses_label_map,
            layout_weight: it.layout_weight,
            semantic_weight: it.semantic_weight,
        }),
    }
}

fn content_of(layer: &Layer) -> ContentEntry {
    let pixels = |part: CanvasRect| {
        (!part.is_empty()).then(|| PixelsEntry {
            file: file_name(layer),
            origin_px: part.min.map(i32::unsigned_abs),
            size_px: [part.width(), part.height()],
        })
    };
    match &layer.content {
        LayerContent::Raster(grid) => ContentEntry::Raster(pixels(grid.content_bounds())),
        LayerContent::Mask(grid) => ContentEntry::Mask(pixels(grid.content_bounds())),
        LayerContent::Semantic(grid) => ContentEntry::Semantic(pixels(grid.content_bounds())),
        LayerContent::Layout(boxes) => ContentEntry::Layout(boxes.iter().map(box_of).collect()),
    }
}

fn box_of(bounding: &BoundingBox) -> BoxEntry {
    BoxEntry {
        class: bounding.label.clone(),
        min: [bounding.min.x, bounding.min.y],
        max: [bounding.max.x, bounding.max.y],
        colour: bounding.colour.clone(),
        is_locked: bounding.is_locked,
    }
}

fn palette_of(palette: &Palette) -> PaletteEntry {
    let classes = palette.classes.iter().map(|class| ClassEntry {
        index: class.index,
        name: class.name.clone(),
        color: class.color,
    });
    PaletteEntry {
        name: palette.name.clone(),
        classes: classes.collect(),
    }
}

fn frame_of(frame: FrameChoice) -> FrameEntry {
    match frame {
        FrameChoice::Automatic => FrameEntry::Automatic,
        FrameChoice::Canvas => FrameEntry::Canvas,
        FrameChoice::Fixed(rect) => FrameEntry::Fixed {
            origin_px: rect.min,
            size_px: rect.size_px(),
        },
    }
}

/// A view that cannot be drawn is not worth a project.
fn view_of(view: CanvasView) -> Option<ViewEntry> {
    let is_sound = view.center.is_finite() && view.zoom.is_finite();
    is_sound.then_some(ViewEntry {
        center: [view.center.x, view.center.y],
        zoom: view.zoom,
        is_fitted: view.is_fitted,
    })
}

/// A path that is no text is left out: the copy matters more.
fn home_of(home: &Home) -> Option<HomeEntry> {
    Some(HomeEntry {
        path: home.path.to_str()?.to_owned(),
        is_project: home.is_project,
    })
}
