//! Carries commands out: here what takes a line, in a file for each subject what
//! takes more.

mod boxes;
mod classes;
mod conditions;
mod enlarging;
mod file;
mod following;
mod frame;
mod generation;
mod library;
mod live;
mod onward;
mod prompt;
mod renaming;
mod saving;
mod tracing;
mod training;

use super::background::{Background, PickPurpose};
use super::boxes::BoxCommand;
use super::command::{Command, Dialog};
use super::notices::Severity;
use super::recovery::RecoveryClock;
use super::state::AppState;
use crate::document::{DocumentEditor, DocumentId, DocumentRevision, LayerKind};
use crate::engine::EngineHandle;
use crate::random;
use crate::recipe::Enlarger;
use crate::tools::{PAINT, ToolError};

/// The state with what works for it: everything but the window.
pub struct Core {
    /// The state.
    pub state: AppState,
    /// The engine.
    pub engine: EngineHandle,
    /// Dialogs, files, the clipboard.
    pub background: Background,
    /// Whether the window should close.
    pub wants_to_close: bool,
    /// Files that are being written.
    writing: usize,
    /// Whether the window should close once they are.
    quits_when_written: bool,
    /// What the document was when the user agreed to stop a training run and quit: the
    /// window closes when its checkpoint is written.
    quits_when_trained: Option<DocumentRevision>,
    /// What was asked for, and waits for a document to be saved.
    after_save: Option<(DocumentId, Box<Command>)>,
    /// When copies of unsaved work are made.
    pub(super) recovery: RecoveryClock,
    /// What the document was when the user agreed to lose it, while the command
    /// is carried out that it was about.
    agreed: Option<DocumentRevision>,
}

impl Core {
    /// The state with its helpers, at the start of the program.
    pub fn new(state: AppState, mut engine: EngineHandle, background: Background) -> Self {
        engine.save_memory(state.settings.saves_memory);
        Self {
            state,
            engine,
            background,
            wants_to_close: false,
            writing: 0,
            quits_when_written: false,
            quits_when_trained: None,
            after_save: None,
            recovery: RecoveryClock::default(),
            agreed: None,
        }
    }

    /// Carries a command out. What cannot be done becomes a notice.
    pub fn dispatch(&mut self, command: Command) {
        if let Err(error) = self.try_dispatch(command) {
            let text = error.to_string();
            self.state.notices.push(Severity::Warning, sentence(&text));
        }
        self.state.suit_tools();
    }

    fn try_dispatch(&mut self, command: Command) -> Result<(), ToolError> {
        self.tell_of_draft(&command);
        let AppState {
            documents,
            toolbox,
            settings,
            dialog,
            notices,
            jobs,
            ..
        } = &mut self.state;
        let front = documents.front_mut();
        match command {
            Command::New { size_px } => self.start_blank(size_px)?,
            Command::OpenPicture => self.pick_picture(),
            Command::OpenFile(path) if is_json(&path) => {
                self.change_boxes(BoxCommand::Read(path))?;
            }
            Command::OpenFile(path) => self.background.open(path),
            Command::Replace(opened) => self.show_opened(*opened)?,
            Command::ReplaceByProject(opened) => self.show_project(&opened),
            Command::Recover(copy) => {
                *dialog = None;
                self.background.open_left_behind(copy);
            }
            Command::GiveUp(copy) => self.give_up(copy),
            Command::Save => {
                self.forget_after_save();
                self.save();
            }
            Command::SaveAs => {
                self.forget_after_save();
                self.save_as();
            }
            Command::Export => {
                self.forget_after_save();
                self.export();
            }
            Command::SaveTo(path) => self.save_to(path),
            Command::Copy => self.copy(),
            Command::Paste => self.background.paste(front.id()),
            Command::Quit => self.quit(),

            Command::Undo => {
                front.keeping_sight(DocumentEditor::undo);
            }
            Command::Redo => {
                front.keeping_sight(DocumentEditor::redo);
            }
            Command::ClearMask => front.editor.clear_mask()?,
            Command::InvertMask => front.editor.invert_mask()?,
            Command::RemoveMasked => self.remove_masked(),
            Command::AddMask => {
                front.editor.add_layer(LayerKind::Mask)?;
            }
            Command::AddPaint => {
                front.editor.add_layer(LayerKind::Raster)?;
                toolbox.select(PAINT);
            }

            Command::Enlarge => self.enlarge(Enlarger::Network),
            Command::EnlargeBy(mut by) => {
                *dialog = None;
                if let (Enlarger::Model(model), false) = (&mut by, settings.form.seed_locked) {
                    model.seed = random::fresh_seed();
                }
                self.enlarge(by);
            }
            Command::Trace(tracing) => self.trace(tracing),
            Command::Boxes(command) => self.change_boxes(command)?,

            Command::Classes(command) => self.dispatch_classes(command)?,

            Command::Frame(command) => self.change_frame(command)?,

            Command::SelectLayer(layer) => front.editor.select_layer(layer)?,
            Command::SetLayerVisible { layer, visible } => {
                front.editor.set_layer_visible(layer, visible)?;
            }
            Command::SetLayerOpacity {
                layer,
                opacity,
                done,
            } => {
                front.editor.set_layer_opacity(layer, opacity)?;
                if done {
                    front.editor.end_slider_drag();
                }
            }
            Command::SetMaskStrength {
                layer,
                strength,
                done,
            } => {
                front.editor.set_mask_strength(layer, strength)?;
                if done {
                    front.editor.end_slider_drag();
                }
            }
            Command::RenameLayer { layer, name } => front.editor.rename_layer(layer, &name)?,
            Command::MoveLayer { layer, index } => front.editor.move_layer(layer, index)?,
            Command::DeleteLayer(layer) => front.editor.delete_layer(layer)?,

            Command::SelectTool(tool) => toolbox.select(tool),
            Command::SetToolOption { id, value } => {
                toolbox.set_option(id, value);
                settings.tools = toolbox.settings();
            }
            Command::StepToolOption { id, steps } => {
                toolbox.step_option(id, steps);
                settings.tools = toolbox.settings();
            }
            Command::SetToolChoice { id, option } => {
                toolbox.choose(id, option);
                settings.tools = toolbox.settings();
            }
            Command::TakeColour(colour) => {
                toolbox.take_colour(colour);
                settings.tools = toolbox.settings();
            }
            Command::FinishGesture => {
                toolbox.finish(&mut front.editor, &mut front.view)?;
            }
            Command::Pointer(events) => self.point(&events)?,
            Command::ZoomFit => front.view.is_fitted = true,
            Command::ZoomActual => front.view = front.view.at_actual_size(),
            Command::ZoomIn => front.view = front.view.zoomed_in(front.view.center),
            Command::ZoomOut => front.view = front.view.zoomed_out(front.view.center),
            Command::SetView(view) => front.view = view,
            Command::CancelGesture => {
                toolbox.cancel(&mut front.editor, &mut front.view);
            }
            Command::SetTheme(theme) => settings.theme = theme,
            Command::ToggleMemorySaving => {
                settings.saves_memory ^= true;
                self.engine.save_memory(settings.saves_memory);
            }
            Command::ToggleSidePanel => settings.panels.side ^= true,
            Command::ToggleStrip => settings.panels.strip ^= true,
            Command::ToggleBoxes => settings.panels.boxes ^= true,
            Command::ToggleBoxUnit => settings.panels.boxes_in_percent ^= true,
            Command::ToggleBoxesOnCanvas => settings.panels.boxes_on_canvas ^= true,
            Command::ToggleTinyPreviews => settings.panels.tiny_previews ^= true,

            Command::Styles(command) => self.change_styles(command),
            Command::SetForm(change) => {
                settings.form.change(change);
                self.fit_empty_canvas();
            }
            Command::StartFromPicture(starts) => {
                self.state.documents.front_mut().starts_from_picture = starts;
            }
            Command::ShowInSmall(layer) => self.show_in_small(layer),
            Command::GuideBy(layer) => self.guide_by(layer),
            Command::HeedMask(heeds) => self.state.documents.front_mut().heeds_mask = heeds,
            Command::Generate => self.generate(),
            Command::Live(command) => self.change_live(command),
            Command::CancelJob(job) => {
                self.engine.cancel(job);
                jobs.mark_cancelling(job);
            }
            Command::Escape => self.escape(),
            Command::SetPaused { job, paused } => {
                self.engine.set_paused(job, paused);
                jobs.mark_paused(job, paused);
            }
            Command::RestoreSettings(recipe) => self.restore_settings(*recipe),
            Command::Vary(recipe) => self.vary(*recipe),
            Command::Lora(command) => self.change_loras(command),
            Command::Classifier(command) => self.change_classifier(command),
            Command::Control(command) => self.change_controls(command),
            Command::ChooseModel(source) => self.load_model(source, None, true),
            Command::Library(command) => self.change_library(command),
            Command::OpenModelFolder => self.background.pick(PickPurpose::ModelFolder, None, ""),
            Command::ShowFrame(step) => jobs.show(step),
            Command::GoOn { step, ending } => self.go_on(step, ending),

            Command::SetTraining(change) => self.change_training(change),
            Command::PickTrainFolder => self.background.pick(PickPurpose::TrainFolder, None, ""),
            Command::PickTrainOutput => self.background.pick(PickPurpose::TrainOutput, None, ""),
            Command::OpenTrainSettings => self.pick_train_settings(PickPurpose::TrainSettings),
            Command::SaveTrainSettings => {
                self.pick_train_settings(PickPurpose::SaveTrainSettings);
            }
            Command::StartTraining => self.start_training(),
            Command::ResumeTraining => self.resume_training(),
            Command::ForgetTraining => self.forget_training(),

            Command::TakePath { purpose, path } => self.take_path(purpose, path),
            Command::Show(shown) => {
                let is_training = matches!(shown, Dialog::Train);
                *dialog = Some(shown);
                if is_training {
                    // What lay there when the dialog was open before may be old.
                    self.state.train_place = None;
                    self.state.train_preview.take_if(|it| it.row.is_some());
                    self.state.train_survey.take_if(|it| it.found.is_some());
                    self.look_at_training();
                }
            }
            Command::CloseDialog => {
                // Where paths are typed in a dialog of their own, it gives way to the one before.
                let is_of_training = matches!(
                    dialog,
                    Some(Dialog::Path {
                        purpose: PickPurpose::TrainSettings | PickPurpose::SaveTrainSettings,
                        ..
                    })
                );
                *dialog = is_of_training.then_some(Dialog::Train);
            }
            Command::Agree => {
                if let Some(Dialog::Discard(question)) = dialog.take() {
                    self.agreed = Some(question.revision);
                    let done = self.try_dispatch(*question.command);
                    self.agreed = None;
                    done?;
                }
            }
            Command::SaveAndGoOn => self.save_and_go_on(),
            Command::DismissNotice(id) => notices.dismiss(id),
        }
        Ok(())
    }
}

/// Whether a file holds boxes and no picture, by its name.
fn is_json(path: &std::path::Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// An error text as a sentence for a notice.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
