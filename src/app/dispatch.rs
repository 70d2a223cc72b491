//! Carries commands out.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use image::RgbaImage;

use super::actions;
use super::background::{Background, PickPurpose};
use super::command::{Command, Dialog};
use super::form::Intent;
use super::notices::Severity;
use super::state::{AppState, ModelState};
use crate::document::{Document, DocumentEditor, DocumentError, DocumentRevision, LayerKind};
use crate::engine::EngineHandle;
use crate::geometry::CanvasView;
use crate::random;
use crate::recipe::{GenerateSpec, ImageInput, MaskInput, ModelSource};
use crate::tools::ToolError;

/// Pictures of more pixels are flattened away from the window's thread.
const LARGE_PX: u64 = 1 << 16;

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
    /// The state of the document that is being written to a file.
    pub(super) saving: Option<DocumentRevision>,
}

impl Core {
    /// Carries a command out. What cannot be done becomes a notice.
    pub fn dispatch(&mut self, command: Command) {
        if let Err(error) = self.try_dispatch(command) {
            let text = error.to_string();
            self.state.notices.push(Severity::Warning, sentence(&text));
        }
    }

    fn try_dispatch(&mut self, command: Command) -> Result<(), ToolError> {
        let state = &mut self.state;
        match command {
            Command::New { size_px } => {
                let document = Document::blank(size_px)?;
                if !self.must_ask(&command) {
                    self.start_document(document, None);
                    let form = &mut self.state.settings.form;
                    [form.width_px, form.height_px] = size_px;
                }
            }
            Command::OpenPicture => {
                let folder = state.settings.last_folder.clone();
                self.background
                    .pick(PickPurpose::OpenPicture, folder.as_deref(), "");
            }
            Command::OpenFile(path) => self.open_file(path),
            Command::Insert(image) => self.insert(&image, "Pasted picture")?,
            Command::SaveAs => self.save_as(),
            Command::SaveTo(path) => self.save_to(path),
            Command::Copy => self.copy(),
            Command::Paste => self.background.paste(),
            Command::Quit => self.quit(),

            Command::Undo => {
                state.editor.undo();
            }
            Command::Redo => {
                state.editor.redo();
            }
            Command::ClearMask => state.editor.clear_mask()?,
            Command::InvertMask => state.editor.invert_mask()?,
            Command::AddMask => {
                state.editor.add_layer(LayerKind::Mask)?;
            }

            Command::SelectLayer(layer) => state.editor.select_layer(layer)?,
            Command::SetLayerVisible { layer, visible } => {
                state.editor.set_layer_visible(layer, visible)?;
            }
            Command::SetLayerOpacity {
                layer,
                opacity,
                done,
            } => {
                state.editor.set_layer_opacity(layer, opacity)?;
                if done {
                    state.editor.end_slider_drag();
                }
            }
            Command::RenameLayer { layer, name } => state.editor.rename_layer(layer, &name)?,
            Command::MoveLayer { layer, index } => state.editor.move_layer(layer, index)?,
            Command::DeleteLayer(layer) => state.editor.delete_layer(layer)?,

            Command::SelectTool(tool) => state.toolbox.select(tool),
            Command::SetTools(tools) => {
                state.toolbox.settings = tools;
                state.settings.tools = tools;
            }
            Command::Pointer(event) => {
                let AppState {
                    toolbox,
                    editor,
                    view,
                    ..
                } = state;
                toolbox.handle(&event, editor, view)?;
            }
            Command::ZoomFit => state.view.is_fitted = true,
            Command::ZoomActual => state.view = state.view.at_actual_size(),
            Command::ZoomIn => state.view = state.view.zoomed_in(state.view.center),
            Command::ZoomOut => state.view = state.view.zoomed_out(state.view.center),
            Command::SetView(view) => state.view = view,
            Command::CancelGesture => {
                state.toolbox.cancel(&mut state.editor, &mut state.view);
            }
            Command::SetTheme(theme) => state.settings.theme = theme,
            Command::ToggleSidePanel => state.settings.panels.side ^= true,
            Command::ToggleStrip => state.settings.panels.strip ^= true,

            Command::SetForm(form) => {
                state.settings.form = form.validated();
                self.fit_empty_canvas();
            }
            Command::RollSeed => state.settings.form.seed = random::fresh_seed(),
            Command::Generate => self.generate(),
            Command::CancelJob(job) => {
                self.engine.cancel(job);
                self.state.jobs.mark_cancelling(job);
            }
            Command::Escape => self.escape(),
            Command::SetPaused { job, paused } => {
                self.engine.set_paused(job, paused);
                self.state.jobs.mark_paused(job, paused);
            }
            Command::RestoreSettings(recipe) => {
                let model = recipe.spec.model.clone();
                state.settings.form.restore(&recipe);
                if state
                    .model_summary()
                    .is_none_or(|known| known.source != model)
                {
                    self.load_model(model, false);
                }
            }
            Command::ChooseModel(source) => self.load_model(source, true),
            Command::OpenModelFolder => self.background.pick(PickPurpose::ModelFolder, None, ""),
            Command::ShowFrame(frame) => state.shown_frame = frame,

            Command::SetTrainForm(form) => state.train_form = *form,
            Command::PickTrainFolder => self.background.pick(PickPurpose::TrainFolder, None, ""),
            Command::PickTrainOutput => self.background.pick(PickPurpose::TrainOutput, None, ""),
            Command::StartTraining => self.start_training(),
            Command::ForgetTraining => {
                if state
                    .jobs
                    .training
                    .as_ref()
                    .is_some_and(|training| !training.is_active())
                {
                    state.jobs.training = None;
                }
            }

            Command::TakePath { purpose, path } => self.take_path(purpose, path),
            Command::Show(dialog) => state.dialog = Some(dialog),
            Command::CloseDialog => state.dialog = None,
            Command::DiscardAnd(command) => {
                state.dialog = None;
                // Now that the user agreed, nothing of it is worth a question.
                state.editor.mark_saved();
                self.try_dispatch(*command)?;
            }
            Command::DismissNotice(id) => state.notices.dismiss(id),
        }
        Ok(())
    }

    /// Replaces the document, after a question where work would be lost.
    pub(super) fn start_document(&mut self, document: Document, file: Option<PathBuf>) {
        let state = &mut self.state;
        state.editor = DocumentEditor::new(document);
        state.view = CanvasView::default();
        state.recipes = BTreeMap::new();
        state.shown_frame = None;
        state.notices.forget_offer();
        state.file = file;
    }

    /// An untouched canvas has the size of the picture that would be painted.
    pub(super) fn fit_empty_canvas(&mut self) {
        let size_px = self.state.job_size_px();
        let document = self.state.document();
        let is_untouched = self.state.editor.history().undo_label().is_none()
            && !document.has_picture()
            && !self.state.editor.is_busy();
        if is_untouched && document.size_px() != size_px {
            // A size that the form allows is one that a document may have.
            if let Ok(document) = Document::blank(size_px) {
                self.start_document(document, None);
            }
        }
    }

    /// Whether work would be lost; asks first if so.
    fn must_ask(&mut self, command: &Command) -> bool {
        let asks = self.state.editor.is_dirty() && self.state.document().has_picture();
        if asks {
            self.state.dialog = Some(Dialog::Discard(Box::new(command.clone())));
        }
        asks
    }

    fn open_file(&mut self, path: PathBuf) {
        let command = Command::OpenFile(path.clone());
        if !self.must_ask(&command) {
            self.background.open(path);
        }
    }

    fn quit(&mut self) {
        if !self.must_ask(&Command::Quit) {
            self.wants_to_close = true;
        }
    }

    /// A picture from the clipboard: the document itself where there is none,
    /// else a layer of it.
    fn insert(&mut self, image: &RgbaImage, name: &str) -> Result<(), DocumentError> {
        if self.state.document().has_picture() {
            self.state.editor.insert_result_layer(name, image, [0, 0])?;
        } else {
            self.start_document(Document::from_image(name, image)?, None);
            self.state.editor.mark_unsaved();
        }
        Ok(())
    }

    fn save_as(&mut self) {
        if let Some(obstacle) = actions::file::SAVE_AS.obstacle(&self.state) {
            let text = obstacle.to_owned();
            self.state.notices.push(Severity::Info, text);
            return;
        }
        let name = self.save_name();
        let folder = self.state.settings.last_folder.clone();
        self.background
            .pick(PickPurpose::SavePicture, folder.as_deref(), &name);
    }

    /// The file name that the dialog for saving offers.
    pub(super) fn save_name(&self) -> String {
        match &self.state.file {
            Some(_) => self.state.title(),
            None => "picture.png".to_owned(),
        }
    }

    /// Flattens and writes the picture; the extension decides the format.
    fn save_to(&mut self, mut path: PathBuf) {
        if path.extension().is_none() {
            path.set_extension("png");
        }
        let snapshot = self.state.editor.snapshot();
        self.saving = Some(snapshot.revision());
        let recipe = self.state.recipe().cloned();
        self.background
            .save(path, Box::new(move || snapshot.composite()), recipe);
    }

    fn copy(&mut self) {
        if self.state.document().has_picture() {
            let snapshot = self.state.editor.snapshot();
            self.background.copy(Box::new(move || snapshot.composite()));
        }
    }

    fn generate(&mut self) {
        if let Some(obstacle) = self.state.obstacle() {
            let text = obstacle.to_owned();
            self.state.notices.push(Severity::Info, text);
            return;
        }
        let state = &mut self.state;
        if !state.settings.form.seed_locked {
            state.settings.form.seed = random::fresh_seed();
        }
        state.shown_frame = None;
        let intent = state.intent();
        let size_px = state.job_size_px();
        if intent == Intent::TextToImage
            && let Err(error) = state.editor.resize_canvas(size_px)
        {
            let text = sentence(&error.to_string());
            state.notices.push(Severity::Warning, text);
            return;
        }
        let form = state.settings.form.clone();
        let snapshot = state.editor.snapshot();
        let describe = move || {
            let init = intent
                .uses_strength()
                .then(|| ImageInput(Arc::new(snapshot.composite())));
            let mask = match intent {
                Intent::Inpaint => snapshot.mask_coverage().map(|coverage| MaskInput {
                    coverage: Arc::new(coverage),
                    feather_px: form.feather_px,
                }),
                Intent::TextToImage | Intent::ImageToImage => None,
            };
            form.spec(size_px, init, mask)
        };
        if intent.uses_strength() && u64::from(size_px[0]) * u64::from(size_px[1]) > LARGE_PX {
            self.background.prepare(Box::new(describe));
        } else {
            self.submit(describe());
        }
    }

    /// Queues a generation.
    pub(super) fn submit(&mut self, spec: GenerateSpec) {
        if let Err(error) = spec.validate() {
            let text = sentence(&error.to_string());
            self.state.notices.push(Severity::Warning, text);
            return;
        }
        let described = spec.clone();
        let job = self.engine.generate(spec);
        self.state.jobs.add_generation(job, &described);
    }

    /// Leaves what is in hand: the stroke in progress first, then the dialog, then the step
    /// chosen in the strip, then the generation in hand.
    fn escape(&mut self) {
        let state = &mut self.state;
        if state.toolbox.cancel(&mut state.editor, &mut state.view) {
            return;
        }
        if state.dialog.take().is_some() || state.shown_frame.take().is_some() {
            return;
        }
        if let Some(job) = state.jobs.generation().map(|job| job.id) {
            self.engine.cancel(job);
            state.jobs.mark_cancelling(job);
        }
    }

    /// Queues the loading of a model; `adopt` takes its defaults into the form.
    pub(super) fn load_model(&mut self, source: ModelSource, adopt: bool) {
        self.state.model = ModelState::Loading;
        self.state.settings.form.model = source.clone();
        self.state.adopt_defaults = adopt;
        let job = self.engine.load_model(source.clone());
        self.state.jobs.add_model(job, source);
    }

    fn start_training(&mut self) {
        let state = &mut self.state;
        let folder = state.model_folder().map(PathBuf::from);
        let Some(spec) = state.train_form.spec(folder) else {
            return;
        };
        let job = self.engine.train(spec.clone());
        state.jobs.add_training(job, spec);
    }
}

/// An error text as a sentence for a notice.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
