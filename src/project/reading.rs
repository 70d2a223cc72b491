//! Opening a project that anybody may have made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};

use super::layer_png::{PngPixel, decode};
use super::manifest::{
    ChoicesEntry, ContentEntry, FORMAT, FrameEntry, Head, HomeEntry, LayerEntry, MANIFEST_NAME,
    MAX_LAYERS, MAX_MANIFEST_BYTES, MAX_RECIPE_BYTES, Manifest, PaletteEntry, PixelsEntry,
    RecipeEntry, VERSION, ViewEntry,
};
use super::tile_rows::{Budget, LayerError};
use super::{Choices, ConditionChoices, Home, Project, ProjectError, ProjectWarning};
use crate::document::{
    BoundingBox, CanvasContents, Document, FrameChoice, Layer, LayerContent, LayerId, MAX_SIDE_PX,
    TileGrid, check_size,
};
use crate::files::{Archive, ArchiveError, open_file};
use crate::geometry::{CanvasPoint, CanvasRect, CanvasView, MAX_ZOOM, MIN_ZOOM};
use crate::recipe::palette::{Palette, PaletteClass};
use crate::recipe::{FoundRecipe, PaintedRecipe};

/// What opening a project may take.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Memory for its layers, and for the pictures that their recipes keep.
    pub pixel_bytes: u64,
}

impl Default for ReadLimits {
    /// What any computer has to spare.
    fn default() -> Self {
        Self {
            pixel_bytes: 4 << 30,
        }
    }
}

/// A project that was read from a file.
#[derive(Clone, Debug)]
pub struct OpenedProject {
    /// What it holds.
    pub project: Project,
    /// What was passed over, for the user.
    pub warnings: Vec<ProjectWarning>,
}

/// Opens a project of this or any earlier version.
///
/// # Errors
/// When the file cannot be read, is no project, was saved by a newer program, is
/// damaged, or needs more memory than `limits` say.
pub fn open_project(path: &Path, limits: ReadLimits) -> Result<OpenedProject, ProjectError> {
    let mut opened = open_copy(path, limits)?;
    // A stranger does not say where the next save goes.
    opened.project.home = None;
    Ok(opened)
}

/// Opens a copy for recovery, which says where its document belongs.
///
/// # Errors
/// As [`open_project`].
pub(super) fn open_copy(path: &Path, limits: ReadLimits) -> Result<OpenedProject, ProjectError> {
    let source = Source::open(path)?;
    let manifest = source.manifest()?;
    source.read(manifest, limits)
}

/// Where the document of a copy for recovery belongs, and the size of its canvas.
///
/// # Errors
/// As [`open_project`], but for what its layers hold.
pub(super) fn glance_at_copy(path: &Path) -> Result<(Option<Home>, [u32; 2]), ProjectError> {
    let manifest = Source::open(path)?.manifest()?;
    Ok((manifest.home.map(home_of), manifest.size_px))
}

/// An archive that is being read.
struct Source<'a> {
    path: &'a Path,
    archive: Archive,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self, ProjectError> {
        let file = open_file(path).map_err(|source| ProjectError::Open {
            path: path.to_owned(),
            source,
        })?;
        let archive = Archive::open(file).map_err(|error| match error {
            ArchiveError::Damaged(reason) => damaged(path, reason),
            ArchiveError::Missing | ArchiveError::TooLong => {
                ProjectError::NotAProject(path.to_owned())
            }
        })?;
        Ok(Self { path, archive })
    }

    fn manifest(&self) -> Result<Manifest, ProjectError> {
        let text = self.archive.read(MANIFEST_NAME, MAX_MANIFEST_BYTES);
        let text = text.map_err(|error| match error {
            ArchiveError::Missing => ProjectError::NotAProject(self.path.to_owned()),
            ArchiveError::TooLong => self.damaged("its manifest is too long"),
            ArchiveError::Damaged(reason) => self.damaged(format!("its manifest: {reason}")),
        })?;
        let head = serde_json::from_slice::<Head>(&text);
        let head = head.ok().filter(|head| head.format == FORMAT);
        let head = head.ok_or_else(|| ProjectError::NotAProject(self.path.to_owned()))?;
        if head.version > VERSION {
            return Err(ProjectError::Newer {
                path: self.path.to_owned(),
                program: match head.program.is_empty() {
                    true => format!("form {}", head.version),
                    false => tame(&head.program, 40),
                },
            });
        }
        serde_json::from_slice(&text)
            .map_err(|error| self.damaged(format!("its manifest says what cannot be: {error}")))
    }

    fn read(&self, manifest: Manifest, limits: ReadLimits) -> Result<OpenedProject, ProjectError> {
        let size_px = manifest.size_px;
        check_size(size_px).map_err(|_| ProjectError::CanvasSize {
            path: self.path.to_owned(),
            size_px,
        })?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(self.damaged(format!("it says that it has over {MAX_LAYERS} layers")));
        }
        let mut names = BTreeSet::new();
        let files = manifest.layers.iter().filter_map(pixels_of);
        for PixelsEntry { file, .. } in files {
            if !names.insert(file.as_str()) {
                return Err(self.damaged("two of its layers share a picture"));
            }
        }
        let budget = Budget::new(limits.pixel_bytes);
        let too_large = || ProjectError::TooLarge {
            path: self.path.to_owned(),
            megabytes: limits.pixel_bytes >> 20,
        };
        let mut recipes = BTreeMap::new();
        let mut warnings = Vec::new();
        for entry in &manifest.layers {
            let Some(recipe) = &entry.recipe else {
                continue;
            };
            match self.recipe(recipe) {
                Some(recipe) if !budget.take(bytes_of(&recipe)) => return Err(too_large()),
                Some(recipe) => drop(recipes.insert(LayerId(entry.id), recipe)),
                None => warnings.push(ProjectWarning::Recipe(tame(&entry.name, 60))),
            }
        }
        let layers = manifest.layers.into_par_iter();
        let layers = layers.map(|entry| {
            self.layer(entry, size_px, &budget)
                .map_err(|(name, error)| {
                    let name = tame(&name, 60);
                    let of = |reason| {
                        self.damaged(format!("the layer \u{201c}{name}\u{201d}: {reason}"))
                    };
                    match error {
                        LayerError::Damaged(reason) => of(reason),
                        LayerError::TooLarge => too_large(),
                    }
                })
        });
        let contents = CanvasContents {
            size_px,
            layers: layers.collect::<Result<_, _>>()?,
            palette: palette_of(manifest.palette),
            frame: frame_of(manifest.frame),
            origin_px: [0, 0],
        };
        let selected = manifest.selected_layer.map(LayerId);
        let document = Document::from_contents(contents, selected);
        let project = Project {
            document: document.map_err(|reason| self.damaged(reason))?,
            view: manifest.view.and_then(view_of).unwrap_or_default(),
            recipes,
            choices: choices_of(manifest.choices),
            home: manifest.home.map(home_of),
        };
        Ok(OpenedProject { project, warnings })
    }

    fn recipe(&self, entry: &RecipeEntry) -> Option<PaintedRecipe> {
        let text = self.archive.read(&entry.file, MAX_RECIPE_BYTES).ok()?;
        let found = FoundRecipe::from_json(std::str::from_utf8(&text).ok()?)?;
        let recipe = found.into_painted()?;
        Some(match &entry.sampler_label {
            Some(label) => recipe.with_sampler_label(label.clone()),
            None => recipe,
        })
    }

    fn layer(
        &self,
        entry: LayerEntry,
        size_px: [u32; 2],
        budget: &Budget,
    ) -> Result<Layer, (String, LayerError)> {
        let content = match &entry.content {
            ContentEntry::Raster(pixels) => self
                .pixels(pixels.as_ref(), size_px, budget, |pixel| pixel)
                .map(LayerContent::Raster),
            ContentEntry::Mask(pixels) => self
                .pixels(pixels.as_ref(), size_px, budget, |value| value)
                .map(LayerContent::Mask),
            ContentEntry::Semantic(pixels) => self
                .pixels(pixels.as_ref(), size_px, budget, |value: u8| {
                    value.wrapping_add(1)
                })
                .map(LayerContent::Semantic),
            ContentEntry::Layout(boxes) => {
                let boxes = boxes.iter().map(|entry| BoundingBox {
                    min: CanvasPoint::new(entry.min[0], entry.min[1]),
                    max: CanvasPoint::new(entry.max[0], entry.max[1]),
                    label: entry.class.clone(),
                    colour: entry.colour.clone(),
                    is_locked: entry.is_locked,
                });
                Ok(LayerContent::Layout(boxes.collect()))
            }
        };
        match content {
            Ok(content) => Ok(Layer {
                opacity: entry.opacity,
                visible: entry.is_visible,
                strength: entry.strength.unwrap_or(1.0),
                ..Layer::new(LayerId(entry.id), entry.name, content)
            }),
            Err(error) => Err((entry.name, error)),
        }
    }

    fn pixels<P: PngPixel>(
        &self,
        entry: Option<&PixelsEntry>,
        size_px: [u32; 2],
        budget: &Budget,
        change: impl Fn(P) -> P,
    ) -> Result<TileGrid<P>, LayerError> {
        let Some(entry) = entry else {
            return Ok(TileGrid::new(size_px));
        };
        let fits = |axis: usize| {
            let end = entry.origin_px[axis].checked_add(entry.size_px[axis]);
            entry.size_px[axis] > 0 && end.is_some_and(|end| end <= size_px[axis])
        };
        if !fits(0) || !fits(1) {
            return Err(LayerError::Damaged(
                "its picture lies outside of the canvas".to_owned(),
            ));
        }
        // Within a canvas, whose sides are far below this.
        let origin = entry.origin_px.map(|at| at as i32);
        let part = CanvasRect::from_min_size(origin, entry.size_px);
        // No encoder makes more of pixels than a little more than they are.
        let raw = u64::from(part.width()) * u64::from(part.height()) * size_of::<P>() as u64;
        let most = raw + raw / 4 + (1 << 16);
        let file = self.archive.read(&entry.file, most);
        let file = file.map_err(|error| {
            LayerError::Damaged(match error {
                ArchiveError::Missing => "its picture is missing".to_owned(),
                ArchiveError::TooLong => "its picture is longer than it can be".to_owned(),
                ArchiveError::Damaged(reason) => reason,
            })
        })?;
        decode(&file, size_px, part, budget, change)
    }

    fn damaged(&self, reason: impl Into<String>) -> ProjectError {
        damaged(self.path, reason)
    }
}

fn damaged(path: &Path, reason: impl Into<String>) -> ProjectError {
    ProjectError::Damaged {
        path: path.to_owned(),
        reason: tame(&reason.into(), 200),
    }
}

/// A stranger's words, fit for a sentence.
pub(super) fn tame(text: &str, most_letters: usize) -> String {
    let plain = |letter: char| if letter.is_control() { ' ' } else { letter };
    text.chars().map(plain).take(most_letters).collect()
}

fn home_of(entry: HomeEntry) -> Home {
    Home {
        path: PathBuf::from(entry.path),
        is_project: entry.is_project,
    }
}

fn pixels_of(entry: &LayerEntry) -> Option<&PixelsEntry> {
    match &entry.content {
        ContentEntry::Raster(pixels)
        | ContentEntry::Mask(pixels)
        | ContentEntry::Semantic(pixels) => pixels.as_ref(),
        ContentEntry::Layout(_) => None,
    }
}

/// Memory that the pictures of a recipe take.
fn bytes_of(recipe: &PaintedRecipe) -> u64 {
    let map = recipe.spec.semantic.as_ref();
    let small = recipe.spec.low_resolution.as_ref();
    let bytes = map.map_or(0, |it| it.map.len()) + small.map_or(0, |it| it.0.len());
    bytes as u64 + recipe.source.as_deref().map_or(0, bytes_of)
}

fn palette_of(entry: PaletteEntry) -> Palette {
    let classes = entry.classes.into_iter().map(|class| PaletteClass {
        index: class.index,
        name: class.name,
        color: class.color,
    });
    Palette {
        name: entry.name,
        classes: classes.collect(),
    }
}

/// A frame that no canvas can have is forgotten.
fn frame_of(entry: FrameEntry) -> FrameChoice {
    match entry {
        FrameEntry::Automatic => FrameChoice::Automatic,
        FrameEntry::Canvas => FrameChoice::Canvas,
        FrameEntry::Fixed { origin_px, size_px } => {
            let is_near = |at: &i32| at.unsigned_abs() <= MAX_SIDE_PX;
            if check_size(size_px).is_ok() && origin_px.iter().all(is_near) {
                FrameChoice::Fixed(CanvasRect::from_min_size(origin_px, size_px))
            } else {
                FrameChoice::Automatic
            }
        }
    }
}

/// Numbers that are none are as usual.
fn choices_of(entry: ChoicesEntry) -> Choices {
    let weight = |weight: f32| {
        if weight.is_finite() {
            weight.clamp(0.0, 1.0)
        } else {
            1.0
        }
    };
    Choices {
        starts_from_picture: entry.starts_from_picture,
        heeds_mask: entry.heeds_mask,
        small_picture: entry.small_picture.map(LayerId),
        guide: entry.guide.map(LayerId),
        conditions: entry.conditions.map(|it| ConditionChoices {
            uses_boxes: it.uses_boxes,
            uses_label_map: it.uses_label_map,
            layout_weight: weight(it.layout_weight),
            semantic_weight: weight(it.semantic_weight),
        }),
    }
}

/// A view that cannot be drawn is forgotten.
fn view_of(entry: ViewEntry) -> Option<CanvasView> {
    let center = CanvasPoint::new(entry.center[0], entry.center[1]);
    let is_sound = center.is_finite() && entry.zoom.is_finite();
    is_sound.then_some(CanvasView {
        center,
        zoom: entry.zoom.clamp(MIN_ZOOM, MAX_ZOOM),
        is_fitted: entry.is_fitted,
    })
}
