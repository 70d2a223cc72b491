//! Everything that can be asked of the studio.

use std::path::PathBuf;
use std::sync::Arc;

use super::actions::Action;
use super::background::{OpenedFile, OpenedProjectFile, PickPurpose};
use super::boxes::{BoxCommand, ImportedBoxes};
use super::classes::{ClassCommand, MapImport, PaletteDraft};
use super::classifier::ClassifierCommand;
use super::controls::ControlCommand;
use super::form::FormChange;
use super::frame::FrameCommand;
use super::library::LibraryCommand;
use super::live::LiveCommand;
use super::loras::LoraCommand;
use super::losses::Question;
use super::prompt::StyleCommand;
use super::settings::ThemeChoice;
use super::state::AppState;
use super::tracing::Tracing;
use super::training::TrainChange;
use crate::document::LayerId;
use crate::engine::library::Listed;
use crate::engine::protocol::{Ending, JobId, StepId};
use crate::geometry::CanvasView;
use crate::recipe::param::Value;
use crate::recipe::{Enlarger, FoundRecipe, ModelSource};
use crate::tools::{PointerEvent, ToolId};

/// A dialog in front of the window.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Size of a new picture.
    New,
    /// The list of shortcuts.
    Shortcuts,
    /// Name, version, licences.
    About,
    /// The list of models.
    Models,
    /// A model of the list in another form.
    Convert {
        /// The model.
        listed: Arc<Listed>,
        /// The folder that it is written into, if the system has one for models.
        folder: Option<PathBuf>,
    },
    /// Another name for a model of the list.
    Rename {
        /// The model.
        listed: Arc<Listed>,
        /// The user's own folder for models, in which it lies.
        own: PathBuf,
    },
    /// What makes the document larger.
    Enlarge,
    /// Training.
    Train,
    /// The classes of the document, to be edited.
    Palette(Box<PaletteDraft>),
    /// Asks which picture's boxes are taken from a file.
    ChooseBoxes(Box<ImportedBoxes>),
    /// Gives classes that the model does not know others.
    MapClasses {
        /// What was done before, as a sentence.
        news: Option<String>,
    },
    /// A label map from a file, before it is taken in.
    ImportMap(Box<MapImport>),
    /// Asks for a path, where the system has no file dialog.
    Path {
        /// What for.
        purpose: PickPurpose,
        /// What the field holds at first.
        suggestion: String,
    },
    /// Asks before something is lost.
    Discard(Question),
    /// Offers the copies of unsaved work that a crash left behind.
    Recover,
}

/// One thing the user (or a test) wants. Menus, shortcuts, buttons and drops
/// all end here; nothing else changes the state.
#[derive(Clone, Debug)]
pub enum Command {
    /// Starts an empty picture of the given size.
    New {
        /// Width and height.
        size_px: [u32; 2],
    },
    /// Asks for a picture or a project to open.
    OpenPicture,
    /// Opens a picture, a project or a model.
    OpenFile(PathBuf),
    /// Shows a picture that was read from a file, in place of the document.
    Replace(Box<OpenedFile>),
    /// Shows a project that was read from a file, in place of the document.
    ReplaceByProject(Box<OpenedProjectFile>),
    /// Opens a copy of unsaved work that a crash left behind.
    Recover(PathBuf),
    /// Removes a copy of unsaved work that a crash left behind.
    GiveUp(PathBuf),
    /// Saves the project to where it came from, or asks where.
    Save,
    /// Asks where to save the project.
    SaveAs,
    /// Asks where to save the picture.
    Export,
    /// Saves the project or the picture; the name's ending decides the format.
    SaveTo(PathBuf),
    /// Copies the picture.
    Copy,
    /// Pastes a picture.
    Paste,
    /// Closes the window.
    Quit,

    /// Takes the last change back.
    Undo,
    /// Makes the last undone change again.
    Redo,
    /// Empties the mask.
    ClearMask,
    /// Turns the mask inside out.
    InvertMask,
    /// Fills what the mask covers with what lies around it.
    RemoveMasked,
    /// Adds a mask layer.
    AddMask,
    /// Adds a layer to paint colours on, and takes the brush for them in hand.
    AddPaint,
    /// Makes the document four times as large.
    Enlarge,
    /// Makes the document larger in some way.
    EnlargeBy(Enlarger),
    /// Makes a label map or boxes of the picture.
    Trace(Tracing),
    /// Does something to boxes.
    Boxes(BoxCommand),
    /// Does something with label maps and their classes.
    Classes(ClassCommand),
    /// Does something to the frame of the next job.
    Frame(FrameCommand),

    /// Chooses the layer that tools act on.
    SelectLayer(LayerId),
    /// Shows or hides a layer.
    SetLayerVisible {
        /// The layer.
        layer: LayerId,
        /// Whether it is shown.
        visible: bool,
    },
    /// Changes a layer's opacity.
    SetLayerOpacity {
        /// The layer.
        layer: LayerId,
        /// 0 to 1.
        opacity: f32,
        /// Whether the slider was let go: one undo step per drag.
        done: bool,
    },
    /// Changes how strongly what a mask covers is repainted.
    SetMaskStrength {
        /// The layer.
        layer: LayerId,
        /// 0 to 1.
        strength: f32,
        /// Whether the slider was let go: one undo step per drag.
        done: bool,
    },
    /// Renames a layer.
    RenameLayer {
        /// The layer.
        layer: LayerId,
        /// The new name.
        name: String,
    },
    /// Moves a layer in the stack.
    MoveLayer {
        /// The layer.
        layer: LayerId,
        /// Its new place, counted from the bottom.
        index: usize,
    },
    /// Deletes a layer.
    DeleteLayer(LayerId),

    /// Takes up a tool.
    SelectTool(ToolId),
    /// Sets a number of the tool in hand.
    SetToolOption {
        /// The number's id.
        id: &'static str,
        /// What it is to be; brought into its range.
        value: Value,
    },
    /// Sets a number of the tool in hand higher or lower, if it has it.
    StepToolOption {
        /// The number's id.
        id: &'static str,
        /// How many steps: up if positive.
        steps: i32,
    },
    /// Chooses an option of the tool in hand.
    SetToolChoice {
        /// The choice's id.
        id: &'static str,
        /// The place of the option.
        option: usize,
    },
    /// Takes a colour in hand to paint with, sRGB.
    TakeColour([u8; 3]),
    /// Ends what the tool in hand is drawing, as it stands.
    FinishGesture,
    /// Gives the pointer events of a frame to the tool in hand.
    Pointer(Vec<PointerEvent>),
    /// Breaks the tool's gesture off.
    CancelGesture,
    /// Looks at another part of the picture.
    SetView(CanvasView),
    /// Shows the whole picture.
    ZoomFit,
    /// One picture pixel on one screen pixel.
    ZoomActual,
    /// The next larger zoom.
    ZoomIn,
    /// The next smaller zoom.
    ZoomOut,
    /// Light or dark.
    SetTheme(ThemeChoice),
    /// Has networks read when their turn comes, or all at once.
    ToggleMemorySaving,
    /// Shows or hides the panel at the right.
    ToggleSidePanel,
    /// Shows or hides the trajectory strip.
    ToggleStrip,
    /// Shows or hides the table of boxes.
    ToggleBoxes,
    /// Has the table of boxes in per cent, or in pixels.
    ToggleBoxUnit,
    /// Shows boxes with every tool, or only with theirs.
    ToggleBoxesOnCanvas,
    /// Shows steps by a tiny decoder beside the model, or by the usual means.
    ToggleTinyPreviews,

    /// Puts a style around the prompt, saves or forgets one.
    Styles(StyleCommand),
    /// Changes a field of the Generate panel.
    SetForm(FormChange),
    /// Paints on the picture in front, or a new one.
    StartFromPicture(bool),
    /// Shows the model a layer in small, or none.
    ShowInSmall(Option<LayerId>),
    /// Lets a layer pull what is painted towards itself, or none.
    GuideBy(Option<LayerId>),
    /// Repaints only the inside of the mask in front, or everything.
    HeedMask(bool),
    /// Paints.
    Generate,
    /// Does something to live painting.
    Live(LiveCommand),
    /// Ends a job.
    CancelJob(JobId),
    /// Leaves what is in hand: the stroke first, then the dialog, then the step
    /// chosen in the strip, then the live picture, then the generation.
    Escape,
    /// Holds a job or lets it go on.
    SetPaused {
        /// The job.
        job: JobId,
        /// Whether it is held.
        paused: bool,
    },
    /// Takes over the settings of an opened picture or a layer, to paint it again.
    RestoreSettings(Box<FoundRecipe>),
    /// Paints variations of a painted picture from now on.
    Vary(Box<FoundRecipe>),
    /// Does something with the list of LoRAs.
    Lora(LoraCommand),
    /// Chooses what leads to a class.
    Classifier(ClassifierCommand),
    /// Does something with the list of ControlNets.
    Control(ControlCommand),
    /// Loads a model and chooses it.
    ChooseModel(ModelSource),
    /// Does something with the list of models.
    Library(LibraryCommand),
    /// Asks for a model folder.
    OpenModelFolder,
    /// Shows a step of the strip on the canvas; `None` goes back to the picture.
    ShowFrame(Option<StepId>),
    /// Paints a picture once more from one of its steps on.
    GoOn {
        /// The step.
        step: StepId,
        /// How it goes on from there.
        ending: Ending,
    },

    /// Changes a field of the training dialog.
    SetTraining(TrainChange),
    /// Asks for the folder of training pictures.
    PickTrainFolder,
    /// Asks where the trained model goes.
    PickTrainOutput,
    /// Asks for a file with the settings of a training run.
    OpenTrainSettings,
    /// Asks where the settings of the training dialog are saved.
    SaveTrainSettings,
    /// Starts training.
    StartTraining,
    /// Goes on with the training run that ended early.
    ResumeTraining,
    /// Leaves a finished training run for the next one.
    ForgetTraining,

    /// Takes a path that was typed where the system has no file dialog.
    TakePath {
        /// What for.
        purpose: PickPurpose,
        /// The path.
        path: PathBuf,
    },

    /// Opens a dialog.
    Show(Dialog),
    /// Closes the dialog.
    CloseDialog,
    /// Does what the open question is about.
    Agree,
    /// Saves the project, and then does what the open question is about.
    SaveAndGoOn,
    /// Removes a notice.
    DismissNotice(u64),
}

impl From<ClassCommand> for Command {
    fn from(command: ClassCommand) -> Self {
        Self::Classes(command)
    }
}

impl From<StyleCommand> for Command {
    fn from(command: StyleCommand) -> Self {
        Self::Styles(command)
    }
}

impl From<FormChange> for Command {
    fn from(change: FormChange) -> Self {
        Self::SetForm(change)
    }
}

impl From<TrainChange> for Command {
    fn from(change: TrainChange) -> Self {
        Self::SetTraining(change)
    }
}

/// Collects the commands of a frame.
#[derive(Debug, Default)]
pub struct CommandSink {
    /// What fields say.
    changes: Vec<Command>,
    commands: Vec<Command>,
    /// What keys say.
    keyed: Vec<Command>,
}

impl CommandSink {
    /// Adds a command.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds what an action of the table does now.
    pub fn act(&mut self, action: &Action, state: &AppState) {
        self.commands.extend(action.command(state));
    }

    /// Adds what a field says. It comes before the commands of the frame: a click
    /// on a button ends the typing in a field, and the button, wherever it
    /// stands, is to find what was typed.
    pub fn set(&mut self, change: impl Into<Command>) {
        self.changes.push(change.into());
    }

    /// Adds what keys say. It comes after the other commands of the frame:
    /// Ctrl+Enter that comes with the last letter of a prompt is to paint that
    /// prompt.
    pub fn push_keyed(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.keyed.extend(commands);
    }

    /// Takes every command: fields, then buttons and the like, then keys.
    pub fn drain(&mut self) -> impl Iterator<Item = Command> + use<> {
        let fields = std::mem::take(&mut self.changes).into_iter();
        fields
            .chain(std::mem::take(&mut self.commands))
            .chain(std::mem::take(&mut self.keyed))
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.commands.is_empty() && self.keyed.is_empty()
    }
}
