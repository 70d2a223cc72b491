//! Work that the window must not wait for: dialogs, files, the clipboard,
//! and whatever looks at every pixel.
//!
//! Each errand reports by a [`BackgroundEvent`], also when it fails in a way that
//! nobody thought of. Errands whose order matters go through a [`Lane`]: files
//! are written one after the other, so that of two saves the later one stays,
//! and pictures come to their documents in the order in which they were painted.

mod classes;
mod classifiers;
mod clipboard;
mod controls;
mod converting;
mod dialogs;
mod enlarge;
mod events;
mod label_maps;
mod lane;
mod library;
mod loras;
mod models;
mod projects;
mod prompt;
mod removing;
mod tracing;
mod writing;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use image::{GrayImage, RgbaImage, imageops};

use super::boxes::ImportedBoxes;
use super::layers::ArrivingLayer;
use super::live::Ticket;
use super::notices::Subject;
use super::training::{OpenedSettings, OutputPlace, PreviewOf, TrainPreview, TrainSurvey};
use crate::document::{Document, DocumentId, DocumentSnapshot, TileGrid, check_size};
use crate::engine::Waker;
use crate::engine::library::{Catalog, described, painted_with};
use crate::engine::protocol::{
    Ending, JobId, StepId, preview_of_folder, read_run, save_run, survey_of_folder,
};
use crate::exchange::{BoxForm, read_boxes, write_boxes};
use crate::files::reason_of;
use crate::geometry::CanvasRect;
use crate::project::recovery::Recovery;
use crate::project::{is_project, is_psd};
use crate::recipe::{
    FoundRecipe, GenerateSpec, LayoutBox, ModelSource, PaintedRecipe, SaveOptions, TrainSpec,
    next_picture_path, open_picture, save_picture, scale_picture,
};

pub use classes::{ClassEvent, ClassWish};
pub use converting::ConversionNews;
pub use dialogs::PickPurpose;
pub use enlarge::{EnlargeEvent, FinishedPicture, Growing, Grown, LargeLayer};
pub use events::{
    Arrival, BackgroundEvent, Ground, OpenedFile, OpenedProjectFile, Origin, SaveForm, SaveTicket,
};
pub use label_maps::{ArrivingBoxes, DrawingArrival, FittedDrawing, GivenAs};
use lane::Lane;
pub use library::LibraryEvent;
use writing::{Errand, Writing};

/// How long the window waits for files that are being written when it closes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pictures in a row that shows how a folder will be trained on.
const PREVIEW_PICTURES: usize = 6;

/// Makes a picture when it is needed, away from the window's thread.
pub type Painter = Box<dyn FnOnce() -> RgbaImage + Send>;

/// Describes a job when it is needed, away from the window's thread.
pub type Describer = Box<dyn FnOnce() -> GenerateSpec + Send>;

/// Runs errands and collects their reports.
pub struct Background {
    reports: Reports,
    receiver: Receiver<BackgroundEvent>,
    writer: Lane<()>,
    placer: Lane<()>,
    counter: Lane<()>,
    clipboard: Lane<Option<arboard::Clipboard>>,
    keeper: Lane<Option<Recovery>>,
    library: Lane<Option<Catalog>>,
    pictures: Lane<()>,
    /// Which of the looks into folders of models is the newest.
    newest_look: Arc<AtomicU64>,
    /// The folder in which it is remembered what models are; nothing is without.
    library_folder: Option<PathBuf>,
    /// The folder for copies of unsaved work; none are made without.
    recovery_root: Option<PathBuf>,
    /// The errands that write.
    writing: Writing,
    /// Ends the models that are being written anew.
    leaves: Arc<AtomicBool>,
}

/// Where errands report.
#[derive(Clone)]
struct Reports {
    sender: Sender<BackgroundEvent>,
    waker: Waker,
}

impl Reports {
    fn send(&self, event: BackgroundEvent) {
        // The receiver is gone only when the window closes; nobody is left to tell.
        self.sender.send(event).ok();
        (self.waker)();
    }
}

/// What comes of an errand that breaks off.
type OnFailure = Box<dyn FnOnce(String) -> BackgroundEvent + Send>;

/// Something failed that may be tried again.
fn failing(about: Subject) -> OnFailure {
    Box::new(move |text| {
        let about = Some(about);
        BackgroundEvent::Failed { about, text }
    })
}

/// Something could not be written that may be written again.
fn not_written(about: Subject) -> OnFailure {
    Box::new(move |text| {
        let about = Some(about);
        BackgroundEvent::NotWritten { about, text }
    })
}

/// Does an errand. One that panics is reported like one that fails: otherwise
/// what was asked for would just not happen.
fn report_of(
    work: impl FnOnce() -> Result<BackgroundEvent, String>,
    failed: OnFailure,
) -> BackgroundEvent {
    let broken = |payload: Box<dyn Any + Send>| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Err(format!(
            "That could not be done because of an error in Velatura ({}); your document is untouched, try it again",
            text.unwrap_or("no message")
        ))
    };
    match catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(broken) {
        Ok(event) => event,
        Err(text) => failed(text),
    }
}

fn no_thread(error: &std::io::Error) -> String {
    format!(
        "The system has no thread to spare ({}); close other programs and try again",
        error.kind()
    )
}

impl Background {
    /// A runner that calls `waker` after each report.
    pub fn new(waker: Waker) -> Self {
        let (sender, receiver) = unbounded();
        let reports = Reports { sender, waker };
        Self {
            writer: Lane::new("writer", reports.clone()),
            placer: Lane::new("placer", reports.clone()),
            counter: Lane::new("counter", reports.clone()),
            clipboard: Lane::new("clipboard", reports.clone()),
            keeper: Lane::new("keeper", reports.clone()),
            library: Lane::new("library", reports.clone()),
            pictures: Lane::new("model pictures", reports.clone()),
            newest_look: Arc::default(),
            library_folder: None,
            recovery_root: None,
            writing: Writing::default(),
            leaves: Arc::default(),
            reports,
            receiver,
        }
    }

    /// Remembers in a folder what models are.
    pub fn remember_models(&mut self, folder: PathBuf) {
        self.library_folder = Some(folder);
    }

    /// The next report, if there is one.
    pub fn poll(&self) -> Option<BackgroundEvent> {
        self.receiver.try_recv().ok()
    }

    /// Reads a picture or a project, or tells what a model is.
    pub fn open(&self, path: PathBuf) {
        self.spawn("open", failing(Subject::Opening), move || {
            if let Some(weights) = library::opened_weights(&path) {
                return Ok(weights);
            }
            if is_project(&path) {
                return projects::opened_project(path);
            }
            if is_psd(&path) {
                return projects::opened_psd(path);
            }
            let opened = open_picture(&path);
            let opened = opened.map_err(|error| library::no_picture(&path, &error))?;
            let picture = tiles_of(&opened.image)?;
            Ok(BackgroundEvent::Opened(Box::new(OpenedFile {
                path,
                picture,
                recipe: opened.recipe,
                warnings: opened.warnings.iter().map(ToString::to_string).collect(),
            })))
        });
    }

    /// Saves a picture, with its recipe if there is one, after those that are
    /// being saved already.
    pub fn save(&mut self, ticket: SaveTicket, paint: Painter, recipe: Option<PaintedRecipe>) {
        let failed = {
            let ticket = ticket.clone();
            Box::new(move |text| BackgroundEvent::SaveFailed { ticket, text })
        };
        self.write_in_turn(failed, move || {
            let options = SaveOptions::default();
            let left_out = save_picture(&ticket.path, &paint(), recipe.as_ref(), &options)
                .map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::Saved {
                ticket,
                left_out: left_out.map(|left_out| left_out.to_string()),
            })
        });
    }

    /// Saves a painted picture whose document was closed, in the folder for
    /// pictures.
    pub fn keep(&mut self, folder: PathBuf, image: Arc<RgbaImage>, recipe: PaintedRecipe) {
        let lost = Box::new(|text| BackgroundEvent::NotWritten { about: None, text });
        self.write_in_turn(lost, move || {
            let failed = |reason: &str| {
                format!(
                    "A picture whose document was closed could not be saved in “{}”: {reason}",
                    folder.display()
                )
            };
            let path = next_picture_path(&folder, recipe.spec.seed, "png")
                .map_err(|error| failed(&reason_of(&error)))?;
            save_picture(&path, &image, Some(&recipe), &SaveOptions::default())
                .map_err(|error| failed(&error.to_string()))?;
            Ok(BackgroundEvent::Kept { path })
        });
    }

    /// Makes a painted picture ready for its place, after those before it. A picture of a
    /// frame comes to lie there on the canvas of the document, as it is now.
    pub fn lay_out(
        &mut self,
        origin: Origin,
        image: Arc<RgbaImage>,
        recipe: PaintedRecipe,
        canvas: Option<DocumentSnapshot>,
    ) {
        let failed = {
            let job = origin.job;
            Box::new(move |text| BackgroundEvent::LayOutFailed { job, text })
        };
        self.placer.send(failed, move |()| {
            let (picture, ground) = match (origin.area, canvas) {
                (Some(area), Some(canvas)) => {
                    let inside = origin.inside.as_deref();
                    let with_opaque = inside.filter(|_| origin.keeps_opaque);
                    let with_opaque = with_opaque.map(|mask| joined(mask, &image));
                    let inside = with_opaque.as_ref().or(inside);
                    let patch = patch(&image, inside, area.size_px());
                    let (picture, ground) = on_canvas(&patch, &canvas, canvas.on_canvas(area))?;
                    (picture, Some(ground))
                }
                _ => {
                    let size_px = image.dimensions().into();
                    (patch(&image, origin.inside.as_deref(), size_px), None)
                }
            };
            Ok(BackgroundEvent::LaidOut(Box::new(Arrival {
                origin,
                picture,
                image,
                recipe,
                ground,
            })))
        });
    }

    /// Describes a job of that document.
    pub fn prepare(&self, origin: Origin, describe: Describer) {
        self.spawn("prepare", failing(Subject::Painting), move || {
            let spec = Box::new(describe());
            Ok(BackgroundEvent::Prepared { origin, spec })
        });
    }

    /// Describes a live picture of that document.
    pub fn describe_live(&self, ticket: Ticket, origin: Origin, describe: Describer) {
        self.spawn("live", failing(Subject::Painting), move || {
            let spec = Box::new(describe());
            Ok(BackgroundEvent::LiveDescribed {
                ticket,
                origin,
                spec,
            })
        });
    }

    /// Describes what a job is to be told anew, after what it was told before.
    pub fn describe_change(&mut self, job: JobId, describe: Describer) {
        self.placer.send(failing(Subject::Painting), move |()| {
            let spec = Box::new(describe());
            Ok(BackgroundEvent::ChangeDescribed { job, spec })
        });
    }

    /// Describes what a picture is told from one of its steps on.
    pub fn describe_ending(&mut self, step: StepId, ending: Ending, describe: Describer) {
        self.placer.send(failing(Subject::Painting), move |()| {
            let spec = Box::new(describe());
            Ok(BackgroundEvent::EndingDescribed { step, ending, spec })
        });
    }

    /// Puts a picture on the clipboard.
    pub fn copy(&mut self, paint: Painter) {
        self.clipboard.send(failing(Subject::Copying), |clipboard| {
            clipboard::copy(clipboard, paint())
        });
    }

    /// Fetches a picture from the clipboard for a document.
    pub fn paste(&mut self, document: DocumentId) {
        self.clipboard
            .send(failing(Subject::Pasting), move |clipboard| {
                let image = clipboard::paste(clipboard)?;
                let picture = tiles_of(&image)?;
                let layer = ArrivingLayer::Pasted { document, picture };
                Ok(BackgroundEvent::Layer(Box::new(layer)))
            });
    }

    /// Looks at the folder that a training run is to write into.
    pub fn look_at_output(&self, wanted: PathBuf) {
        self.spawn("look", failing(Subject::Training), move || {
            let place = Box::new(OutputPlace::look(wanted));
            Ok(BackgroundEvent::OutputSeen(place))
        });
    }

    /// Shows some pictures of a folder as they will be trained on.
    pub fn preview_pictures(&self, of: PreviewOf) {
        let failed = {
            let of = of.clone();
            Box::new(move |text| seen(of, Err(text)))
        };
        self.spawn("preview", failed, move || {
            let PreviewOf {
                folder,
                size_px,
                fit,
            } = &of;
            let row = preview_of_folder(folder, *size_px, *fit, PREVIEW_PICTURES)?;
            Ok(seen(of, Ok(Arc::new(row))))
        });
    }

    /// Counts what lies in a folder of pictures to train on.
    pub fn survey_pictures(&self, folder: PathBuf) {
        let counted = |folder, found| {
            let found = Some(found);
            BackgroundEvent::PicturesCounted(Box::new(TrainSurvey { folder, found }))
        };
        let failed = {
            let folder = folder.clone();
            Box::new(move |text| counted(folder, Err(text)))
        };
        self.spawn("survey", failed, move || {
            let found = survey_of_folder(&folder)?;
            Ok(counted(folder, Ok(Box::new(found))))
        });
    }

    /// Reads the settings of a training run.
    pub fn read_run(&self, path: PathBuf) {
        self.spawn("run", failing(Subject::TrainSettings), move || {
            let spec = read_run(&path).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::RunRead(Box::new(OpenedSettings {
                path,
                spec,
            })))
        });
    }

    /// Writes the settings of a training run.
    pub fn write_run(&mut self, spec: TrainSpec, path: PathBuf) {
        self.write_in_turn(failing(Subject::TrainSettings), move || {
            save_run(&spec, &path).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::RunWritten(path))
        });
    }

    /// Reads a file of boxes for a document.
    pub fn read_boxes(&self, document: DocumentId, path: PathBuf) {
        self.spawn("boxes", failing(Subject::Importing), move || {
            let file = read_boxes(&path).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::BoxesRead(Box::new(ImportedBoxes {
                document,
                path,
                images: file.images,
            })))
        });
    }

    /// Writes boxes of a picture of the given size.
    pub fn write_boxes(
        &mut self,
        path: PathBuf,
        form: BoxForm,
        boxes: Vec<LayoutBox>,
        size_px: [u32; 2],
    ) {
        self.write_in_turn(not_written(Subject::Exporting), move || {
            write_boxes(&path, form, size_px, &boxes).map_err(|error| error.to_string())?;
            Ok(BackgroundEvent::BoxesWritten(path))
        });
    }

    /// Lists the models in the user's folder for them, and says what they and `further`
    /// ones can be asked for.
    pub fn list_models(&self, folder: Option<PathBuf>, further: Vec<PathBuf>) {
        self.spawn("models", failing(Subject::Models), move || {
            let own = folder.map_or_else(Vec::new, |folder| models::in_folder(&folder));
            let others = further.into_iter().filter(|folder| !own.contains(folder));
            let all: Vec<PathBuf> = own.iter().cloned().chain(others).collect();
            let known = described(&all);
            // Beside models lies what goes with them.
            let opens = |path: &PathBuf| {
                let mut sources = known.iter().map(|known| &known.source);
                path.is_dir() || sources.any(|it| *it == ModelSource::Folder(path.clone()))
            };
            let own = own.into_iter().filter(opens).collect();
            Ok(BackgroundEvent::ModelsListed { own, known })
        });
    }

    /// Looks for the model that painted a picture, among those that are known and
    /// in `further` folders. May read their weights.
    pub fn find_model(&self, recipe: FoundRecipe, further: Vec<PathBuf>) {
        self.spawn("find model", failing(Subject::Models), move || {
            Ok(BackgroundEvent::ModelLookedFor {
                found: painted_with(&recipe, &further),
                name: recipe.model_name,
            })
        });
    }

    /// Writes something after what is being written already.
    fn write_in_turn(
        &mut self,
        failed: OnFailure,
        work: impl FnOnce() -> Result<BackgroundEvent, String> + Send + 'static,
    ) {
        let errand = self.writing.begin();
        self.writer.send(failed, move |()| within(errand, work));
    }

    fn spawn(
        &self,
        name: &str,
        failed: OnFailure,
        work: impl FnOnce() -> Result<BackgroundEvent, String> + Send + 'static,
    ) {
        let reports = self.reports.clone();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || reports.send(report_of(work, failed)));
        if let Err(error) = thread {
            self.reports.send(BackgroundEvent::Failed {
                about: None,
                text: no_thread(&error),
            });
        }
    }
}

/// Nothing is left half written, and nothing that was to be written is lost.
impl Drop for Background {
    fn drop(&mut self) {
        self.leaves.store(true, Ordering::Relaxed);
        self.writing.wait(PATIENCE);
    }
}

/// Does an errand that writes.
fn within<T>(errand: Errand, work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(errand);
    done
}

/// A mask that covers the opaque pixels of a picture too.
fn joined(mask: &GrayImage, image: &RgbaImage) -> GrayImage {
    let mut joined = mask.clone();
    for (value, pixel) in joined.pixels_mut().zip(image.pixels()) {
        value.0[0] = value.0[0].max(if pixel[3] == 255 { 255 } else { 0 });
    }
    joined
}

/// A painted picture as tiles, clear outside of a mask. Where the frame that it was
/// painted in became larger meanwhile it is scaled.
fn patch(image: &RgbaImage, inside: Option<&GrayImage>, size_px: [u32; 2]) -> TileGrid<[u8; 4]> {
    let [width, height] = size_px;
    if image.dimensions() != (width, height) {
        let image = scale_picture(image, width, height);
        let scaled = |mask| imageops::resize(mask, width, height, imageops::FilterType::Triangle);
        let mask = inside.map(scaled);
        return patch(&image, mask.as_ref(), size_px);
    }
    match inside {
        Some(mask) => TileGrid::from_image_inside(image, mask),
        None => TileGrid::from_image(image),
    }
}

/// A patch as a layer of a document, whose canvas grows where it does not reach as far.
fn on_canvas(
    patch: &TileGrid<[u8; 4]>,
    document: &Document,
    part: CanvasRect,
) -> Result<(TileGrid<[u8; 4]>, Ground), String> {
    let mut ground = Ground::of(document);
    let whole = document.rect().union(&part);
    if whole != document.rect() {
        let grown = document.reaching(part).map_err(|error| error.to_string())?;
        ground.grown = Some(Box::new(grown));
    }
    let at = [0, 1].map(|axis: usize| part.min[axis] - whole.min[axis]);
    Ok((patch.placed(whole.size_px(), at), ground))
}

fn seen(of: PreviewOf, row: Result<Arc<RgbaImage>, String>) -> BackgroundEvent {
    let row = Some(row);
    BackgroundEvent::PicturesSeen(Box::new(TrainPreview { of, row }))
}

/// The picture as the tiles of a layer, if it is one that a document may have.
fn tiles_of(image: &RgbaImage) -> Result<TileGrid<[u8; 4]>, String> {
    check_size(image.dimensions().into()).map_err(|error| error.to_string())?;
    Ok(TileGrid::from_image(image))
}

#[cfg(test)]
mod tests;
