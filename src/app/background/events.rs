//! What errands carry and what they report.

use std::path::PathBuf;
use std::sync::Arc;

use image::{GrayImage, RgbaImage};

use super::PickPurpose;
use super::classes::ClassEvent;
use super::converting::ConversionNews;
use super::enlarge::EnlargeEvent;
use super::library::LibraryEvent;
use crate::app::boxes::ImportedBoxes;
use crate::app::classifier::ClassifierSeen;
use crate::app::controls::ControlEvent;
use crate::app::layers::ArrivingLayer;
use crate::app::live::Ticket;
use crate::app::loras::LoraSeen;
use crate::app::notices::Subject;
use crate::app::prompt::Style;
use crate::app::tracing::Traced;
use crate::app::training::{OpenedSettings, OutputPlace, TrainPreview, TrainSurvey};
use crate::document::{
    CanvasContents, Document, DocumentId, DocumentRevision, SavePoint, TileGrid,
};
use crate::engine::TokenCount;
use crate::engine::library::{KnownModel, PaintedWith};
use crate::engine::protocol::{Ending, JobId, StepId};
use crate::geometry::CanvasRect;
use crate::project::Project;
use crate::project::recovery::LeftBehind;
use crate::recipe::{FoundRecipe, GenerateSpec, ImageInput, PaintedRecipe};

/// What a save makes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveForm {
    /// A project, which holds all of it.
    Project,
    /// The layers, for other programs.
    Layers {
        /// Whether the document has boxes, which the file has not.
        lacks_boxes: bool,
    },
    /// A picture.
    Picture {
        /// Whether the document holds more than the file can: layers, a mask, boxes.
        is_flattened: bool,
    },
}

/// What a save writes: which state of which document, and where.
#[derive(Clone, Debug)]
pub struct SaveTicket {
    /// The document.
    pub document: DocumentId,
    /// What the document was.
    pub revision: DocumentRevision,
    /// The state that undo leads back to; `None` in the middle of a stroke.
    pub point: Option<SavePoint>,
    /// The file.
    pub path: PathBuf,
    /// What is made of it.
    pub form: SaveForm,
}

impl SaveTicket {
    /// What has succeeded once it is written. A file that lacks something of the document
    /// does not make up for a project that could not be saved.
    pub fn subject(&self) -> Subject {
        match self.form {
            SaveForm::Layers { .. } | SaveForm::Picture { is_flattened: true } => {
                Subject::Picturing(self.document)
            }
            _ => Subject::Saving(self.document),
        }
    }
}

/// A picture that was read from a file, and not shown yet.
#[derive(Clone, Debug)]
pub struct OpenedFile {
    /// The file.
    pub path: PathBuf,
    /// The picture.
    pub picture: TileGrid<[u8; 4]>,
    /// How it was painted, if the file tells.
    pub recipe: Option<FoundRecipe>,
    /// What is not as it should be, as sentences for the user.
    pub warnings: Vec<String>,
}

/// A project that was read from a file, and not shown yet.
#[derive(Clone, Debug)]
pub struct OpenedProjectFile {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub project: Project,
    /// What is not as it should be, as sentences for the user.
    pub warnings: Vec<String>,
    /// Whether it is a copy of unsaved work that a crash left behind.
    pub is_left_behind: bool,
}

/// What a job or a picture was made for.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The document.
    pub document: DocumentId,
    /// What the document was.
    pub revision: DocumentRevision,
    /// The job, once there is one.
    pub job: Option<JobId>,
    /// The mask outside of which the picture is clear; none keeps all of it.
    pub inside: Option<Arc<GrayImage>>,
    /// The frame that it was painted in, on the plane of the document; none for the whole
    /// canvas.
    pub area: Option<CanvasRect>,
    /// Whether opaque pixels outside of the mask are kept too: those of a picture that ends
    /// in the frame, lest its edge and that of what is painted beside it show through.
    pub keeps_opaque: bool,
}

/// The canvas that a picture of a frame was made ready for.
#[derive(Clone, Debug)]
pub struct Ground {
    size_px: [u32; 2],
    origin_px: [i32; 2],
    revision: DocumentRevision,
    /// The document on a canvas that reaches as far as the frame, if it did not.
    pub grown: Option<Box<CanvasContents>>,
}

impl Ground {
    /// A document as it is.
    pub fn of(document: &Document) -> Self {
        Self {
            size_px: document.size_px(),
            origin_px: document.origin_px(),
            revision: document.revision(),
            grown: None,
        }
    }

    /// Whether a document still is what the picture was made ready for.
    pub fn is(&self, document: &Document) -> bool {
        let is_same_canvas =
            (self.size_px, self.origin_px) == (document.size_px(), document.origin_px());
        is_same_canvas && (self.grown.is_none() || self.revision == document.revision())
    }
}

/// A painted picture that is ready for its place.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What it was made for.
    pub origin: Origin,
    /// The picture as a layer.
    pub picture: TileGrid<[u8; 4]>,
    /// The whole picture, as it was painted.
    pub image: Arc<RgbaImage>,
    /// How it was painted.
    pub recipe: PaintedRecipe,
    /// What it was made ready for, if it is a part of the canvas.
    pub ground: Option<Ground>,
}

/// What an errand reports.
#[derive(Debug)]
pub enum BackgroundEvent {
    /// The tokens of a prompt were counted; `None` when that went wrong.
    PromptCounted(Option<TokenCount>),
    /// The styles of the user were read.
    StylesRead(Vec<Style>),
    /// A style was saved or forgotten.
    StylesChanged {
        /// Those that are there now.
        styles: Vec<Style>,
        /// The one whose words were overwritten or forgotten.
        lost: Option<Style>,
    },
    /// A classifier was looked at, and those beside the model.
    Classifier(Box<ClassifierSeen>),
    /// Something of the list of controls was looked at.
    Control(Box<ControlEvent>),
    /// What a LoRA says of itself.
    LoraSeen(Box<LoraSeen>),
    /// The user chose a path in a dialog.
    Picked {
        /// What for.
        purpose: PickPurpose,
        /// The path; `None` when the dialog was closed.
        path: Option<PathBuf>,
    },
    /// The system has no file dialog.
    NoDialog {
        /// What for.
        purpose: PickPurpose,
    },
    /// A picture was read from a file.
    Opened(Box<OpenedFile>),
    /// A folder that was to be opened holds pictures, and no model.
    OpenedPictures {
        /// The folder.
        folder: PathBuf,
        /// How many, in words.
        count: String,
    },
    /// A project was read from a file.
    OpenedProject(Box<OpenedProjectFile>),
    /// Copies of unsaved work were found that a crash left behind.
    LeftBehind {
        /// The copies.
        copies: Vec<LeftBehind>,
        /// Whether programs that run, or are just ending, have more.
        are_held: bool,
    },
    /// There is a copy of unsaved work.
    CopyKept,
    /// There is no copy of unsaved work, and why.
    CopyFailed(String),
    /// A copy was removed, or has another place now.
    CopyForgotten,
    /// The folder for copies is gone: the window may close.
    RecoveryEnded,
    /// A picture is to become a layer.
    Layer(Box<ArrivingLayer>),
    /// A project or a picture was saved.
    Saved {
        /// What was saved.
        ticket: SaveTicket,
        /// What the file lacks, as a sentence for the user.
        left_out: Option<String>,
    },
    /// A project or a picture could not be saved.
    SaveFailed {
        /// What was to be saved.
        ticket: SaveTicket,
        /// Why, as a sentence.
        text: String,
    },
    /// A picture whose document was closed lies in the folder for pictures.
    Kept {
        /// The file.
        path: PathBuf,
    },
    /// Something else could not be written.
    NotWritten {
        /// What must succeed for that to be out of date; `None` where it is lost.
        about: Option<Subject>,
        /// Why, as a sentence.
        text: String,
    },
    /// A painted picture is ready for its place.
    LaidOut(Box<Arrival>),
    /// A painted picture could not be made ready.
    LayOutFailed {
        /// The job.
        job: Option<JobId>,
        /// Why, as a sentence.
        text: String,
    },
    /// Label maps and their classes.
    Classes(Box<ClassEvent>),
    /// Documents that become larger.
    Enlarge(Box<EnlargeEvent>),
    /// A picture that something is to be made of is ready for the engine.
    Flattened {
        /// What for.
        traced: Traced,
        /// The picture.
        picture: ImageInput,
    },
    /// The picture is on the clipboard.
    Copied,
    /// A job with large pictures is described.
    Prepared {
        /// What it was described from.
        origin: Origin,
        /// The job.
        spec: Box<GenerateSpec>,
    },
    /// What a job is to be told anew is described.
    ChangeDescribed {
        /// The job.
        job: JobId,
        /// One that would be told so.
        spec: Box<GenerateSpec>,
    },
    /// What a picture is told from one of its steps on is described.
    EndingDescribed {
        /// The step.
        step: StepId,
        /// How it goes on from there.
        ending: Ending,
        /// A job that would be told so.
        spec: Box<GenerateSpec>,
    },
    /// A live picture of a large document is described.
    LiveDescribed {
        /// What asked for it.
        ticket: Ticket,
        /// What it was described from.
        origin: Origin,
        /// The job.
        spec: Box<GenerateSpec>,
    },
    /// A file of boxes was read.
    BoxesRead(Box<ImportedBoxes>),
    /// Boxes were written.
    BoxesWritten(PathBuf),
    /// The folder that a training run is to write into was looked at.
    OutputSeen(Box<OutputPlace>),
    /// Pictures to train on were looked at.
    PicturesSeen(Box<TrainPreview>),
    /// What lies in a folder of pictures to train on was counted.
    PicturesCounted(Box<TrainSurvey>),
    /// The settings of a training run were read.
    RunRead(Box<OpenedSettings>),
    /// The settings of a training run were written.
    RunWritten(PathBuf),
    /// Models and what goes with them.
    Library(Box<LibraryEvent>),
    /// The models were listed.
    ModelsListed {
        /// Those in the user's folder for them, by name.
        own: Vec<PathBuf>,
        /// What each can be asked for, with those that lie elsewhere.
        known: Vec<KnownModel>,
    },
    /// The model that painted a picture was looked for.
    ModelLookedFor {
        /// What was found.
        found: PaintedWith,
        /// What the picture calls it.
        name: Option<String>,
    },
    /// Something failed.
    Failed {
        /// What must succeed for that to be out of date, if anything.
        about: Option<Subject>,
        /// Why, as a sentence for the user.
        text: String,
    },
}

impl BackgroundEvent {
    /// What has succeeded with it.
    pub fn accomplishes(&self) -> Option<Subject> {
        Some(match self {
            Self::Saved { ticket, .. } => ticket.subject(),
            Self::Opened(_) | Self::OpenedProject(_) | Self::OpenedPictures { .. } => {
                Subject::Opening
            }
            Self::CopyKept | Self::CopyForgotten => Subject::Copies,
            Self::Copied => Subject::Copying,
            Self::Layer(layer) => layer.subject(),
            Self::BoxesRead(_) => Subject::Importing,
            Self::BoxesWritten(_) => Subject::Exporting,
            Self::Classes(event) => match **event {
                ClassEvent::Changed { .. } => Subject::Classes,
                ClassEvent::Written(_) => Subject::Exporting,
                ClassEvent::MapRead(_) | ClassEvent::PaletteRead(_) | ClassEvent::Fitted(_) => {
                    Subject::Importing
                }
                _ => return None,
            },
            Self::RunRead(_) | Self::RunWritten(_) => Subject::TrainSettings,
            Self::StylesRead(_) | Self::StylesChanged { .. } => Subject::Styles,
            Self::ModelsListed { .. } | Self::ModelLookedFor { .. } => Subject::Models,
            Self::Library(event) => match **event {
                LibraryEvent::Opened(_) | LibraryEvent::OpenedPlace(_) => Subject::Opening,
                LibraryEvent::Looked => Subject::Models,
                LibraryEvent::Conversion(ConversionNews::Done) => Subject::Converting,
                _ => return None,
            },
            Self::Picked { .. } | Self::NoDialog { .. } => Subject::Asking,
            _ => return None,
        })
    }
}
