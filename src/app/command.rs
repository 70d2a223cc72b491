//! Everything that can be asked of the studio.

use std::path::PathBuf;

use super::actions::Action;
use super::background::{OpenedFile, PickPurpose};
use super::form::GenerateForm;
use super::losses::Question;
use super::settings::ThemeChoice;
use super::state::AppState;
use super::training::TrainForm;
use super::trajectory::StepId;
use crate::document::LayerId;
use crate::engine::protocol::JobId;
use crate::geometry::CanvasView;
use crate::recipe::{FoundRecipe, ModelSource};
use crate::tools::{PointerEvent, ToolId, ToolSettings};

/// A dialog in front of the window.
#[derive(Clone, Debug)]
pub enum Dialog {
    /// Size of a new picture.
    New,
    /// The list of shortcuts.
    Shortcuts,
    /// Name, version, licences.
    About,
    /// Training.
    Train,
    /// Asks for a path, where the system has no file dialog.
    Path {
        /// What for.
        purpose: PickPurpose,
        /// What the field holds at first.
        suggestion: String,
    },
    /// Asks before something is lost.
    Discard(Question),
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
    /// Asks for a picture to open.
    OpenPicture,
    /// Opens a picture file.
    OpenFile(PathBuf),
    /// Shows a picture that was read from a file, in place of the document.
    Replace(Box<OpenedFile>),
    /// Asks where to save the picture.
    SaveAs,
    /// Saves the picture; the name's ending decides the format.
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
    /// Adds a mask layer.
    AddMask,

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
    /// Changes the tools' settings.
    SetTools(ToolSettings),
    /// Gives a pointer event to the tool in hand.
    Pointer(PointerEvent),
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
    /// Shows or hides the panel at the right.
    ToggleSidePanel,
    /// Shows or hides the trajectory strip.
    ToggleStrip,

    /// Replaces the form of the Generate panel.
    SetForm(Box<GenerateForm>),
    /// Draws a new seed.
    RollSeed,
    /// Paints.
    Generate,
    /// Ends a job.
    CancelJob(JobId),
    /// Leaves what is in hand: the stroke first, then the dialog, then the step
    /// chosen in the strip, then the generation.
    Escape,
    /// Holds a job or lets it go on.
    SetPaused {
        /// The job.
        job: JobId,
        /// Whether it is held.
        paused: bool,
    },
    /// Takes over the settings of an opened picture.
    RestoreSettings(Box<FoundRecipe>),
    /// Loads a model and chooses it.
    ChooseModel(ModelSource),
    /// Asks for a model folder.
    OpenModelFolder,
    /// Shows a step of the strip on the canvas; `None` goes back to the picture.
    ShowFrame(Option<StepId>),

    /// Replaces the form of the training dialog.
    SetTrainForm(Box<TrainForm>),
    /// Asks for the folder of training pictures.
    PickTrainFolder,
    /// Asks where the trained model goes.
    PickTrainOutput,
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
    /// Removes a notice.
    DismissNotice(u64),
}

/// Collects commands while the window is drawn.
#[derive(Debug, Default)]
pub struct CommandSink {
    commands: Vec<Command>,
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

    /// Takes every command, in order, but forms first: a click on a button ends
    /// the typing in a field, and the button is to find what was typed.
    pub fn drain(&mut self) -> Vec<Command> {
        let mut commands = std::mem::take(&mut self.commands);
        commands.sort_by_key(|command| {
            !matches!(command, Command::SetForm(_) | Command::SetTrainForm(_))
        });
        commands
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }
}
