//! Everything the window shows, as plain data.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::background::{Arrival, FittedDrawing, Grown};
use super::boxes::Naming;
use super::classes::ClassShares;
use super::classifier::KnownClassifiers;
use super::command::Dialog;
use super::conditions::{Condition, Placing};
use super::controls::KnownControls;
use super::documents::{Documents, OpenDocument};
use super::following::Followers;
use super::form::{GenerateForm, Intent};
use super::frame::KnownFilling;
use super::jobs::{JobRecord, Jobs};
use super::layers::ArrivingLayer;
use super::library::Library;
use super::live::Live;
use super::loras::KnownLoras;
use super::notices::Notices;
use super::prompt::{PromptLength, Style};
use super::settings::Settings;
use super::training::{OutputPlace, TrainForm, TrainPreview, TrainSurvey};
use super::trajectory::Preview;
use crate::document::Document;
use crate::engine::library::KnownModel;
use crate::engine::protocol::{AdapterSummary, MemorySummary, ModelSummary};
use crate::project::recovery::LeftBehind;
use crate::recipe::prompt::{PromptSyntax, joined};
use crate::recipe::{GenerateSpec, ModelSource, NamedFile, WindowChoice};
use crate::tools::Toolbox;

/// How the chosen model stands.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelState {
    /// Being loaded.
    Loading,
    /// Ready to paint.
    Ready(ModelSummary),
    /// Could not be loaded, with the reason.
    Failed(String),
}

/// The state of the studio. Panels read it; only
/// [`Command`](super::Command)s and the engine's events change it.
#[derive(Debug)]
pub struct AppState {
    /// The open documents.
    pub documents: Documents,
    /// The tools and their settings.
    pub toolbox: Toolbox,
    /// What is remembered between starts.
    pub settings: Settings,
    /// The engine's jobs.
    pub jobs: Jobs,
    /// Live painting.
    pub live: Live,
    /// What the pictures that are being painted were told.
    pub followers: Followers,
    /// How much of the label maps each class covers.
    pub shares: ClassShares,
    /// How long the prompt is.
    pub prompt_length: PromptLength,
    /// How much there is in the frame of the next job.
    pub(super) known_filling: KnownFilling,
    /// Finished pictures that wait for a brush stroke to end.
    pub(super) arrivals: VecDeque<Arrival>,
    /// Larger documents that wait for a brush stroke to end.
    pub(super) growths: VecDeque<Grown>,
    /// Boxes and label maps that wait for a brush stroke to end.
    pub(super) drawings: VecDeque<FittedDrawing>,
    /// Pictures that are to become layers, in the order in which they came.
    pub(super) layers: VecDeque<ArrivingLayer>,
    /// Messages.
    pub notices: Notices,
    /// The dialog in front of the window.
    pub dialog: Option<Dialog>,
    /// The boxes that the list of classes is open for, while they are chosen.
    pub(super) naming: Option<Naming>,
    /// The class that was given last.
    pub last_class: Option<String>,
    /// What the training dialog edits.
    pub train_form: TrainForm,
    /// The folder that a training run is to write into, once it was looked at.
    pub train_place: Option<OutputPlace>,
    /// The pictures of the folder as they will be trained on.
    pub train_preview: Option<TrainPreview>,
    /// What the folder of pictures holds.
    pub train_survey: Option<TrainSurvey>,
    /// What LoRAs say of themselves that were listed since the start.
    pub known_loras: KnownLoras,
    /// The model beside which files without a place were looked for.
    pub(super) loras_known_beside: Option<PathBuf>,
    /// What is known of the chosen classifier, and of others.
    pub known_classifiers: KnownClassifiers,
    /// What is known of the ControlNets of the list and of their pictures.
    pub known_controls: KnownControls,
    /// The models in the user's folder for them.
    pub user_models: Vec<PathBuf>,
    /// The list of models.
    pub library: Library,
    /// What models can be asked for that were not loaded yet.
    pub(super) known_inputs: Vec<KnownModel>,
    /// The device that computes, once the engine runs.
    pub device: Option<AdapterSummary>,
    /// Memory in use.
    pub memory: Option<MemorySummary>,
    /// How the chosen model stands.
    pub model: ModelState,
    /// The model that was ready before the one that is being loaded, and the autoencoder that
    /// was chosen for it.
    pub(super) model_before: Option<(ModelSource, Option<NamedFile>)>,
    /// The models that were loaded since the start, by their source.
    pub(super) met_models: Vec<ModelSummary>,
    /// Whether the form takes over the defaults of the model being loaded.
    pub adopt_defaults: bool,
    /// Copies of unsaved work that a crash left behind, the newest first.
    pub left_behind: Vec<LeftBehind>,
    /// Folder of the model that is shipped with the program.
    pub storybook_folder: Option<PathBuf>,
    /// The styles of the user, by name.
    pub styles: Vec<Style>,
    /// Where they are kept; without, they are not.
    pub styles_file: Option<PathBuf>,
    /// Folder for pictures that have no other place.
    pub pictures_folder: Option<PathBuf>,
}

impl AppState {
    /// The state of a fresh start.
    pub fn new(settings: Settings, storybook_folder: Option<PathBuf>) -> Self {
        let size_px = [settings.form.spec.width_px, settings.form.spec.height_px];
        let document = Document::blank(size_px).or_else(|_| Document::blank([64, 64]));
        let document = document.expect("64 × 64 is an allowed size");
        Self {
            documents: Documents::new(OpenDocument::new(document, None)),
            toolbox: Toolbox::new(&settings.tools),
            settings,
            jobs: Jobs::default(),
            live: Live::default(),
            followers: Followers::default(),
            shares: ClassShares::default(),
            prompt_length: PromptLength::default(),
            known_filling: KnownFilling::default(),
            arrivals: VecDeque::new(),
            growths: VecDeque::new(),
            drawings: VecDeque::new(),
            layers: VecDeque::new(),
            notices: Notices::default(),
            dialog: None,
            naming: None,
            last_class: None,
            train_form: TrainForm::default(),
            train_place: None,
            train_preview: None,
            train_survey: None,
            known_loras: KnownLoras::new(),
            loras_known_beside: None,
            known_classifiers: KnownClassifiers::default(),
            known_controls: KnownControls::default(),
            user_models: Vec::new(),
            library: Library::default(),
            known_inputs: Vec::new(),
            device: None,
            memory: None,
            model: ModelState::Loading,
            model_before: None,
            met_models: Vec::new(),
            adopt_defaults: false,
            left_behind: Vec::new(),
            storybook_folder,
            styles: Vec::new(),
            styles_file: None,
            pictures_folder: None,
        }
    }

    /// The document in front.
    pub fn front(&self) -> &OpenDocument {
        self.documents.front()
    }

    /// The picture in front.
    pub fn document(&self) -> &Document {
        self.front().document()
    }

    /// Whether nothing was changed since the last result came. Its mask then
    /// stands back, so that what it was made for can be seen.
    pub fn is_result_new(&self) -> bool {
        self.front().is_result_new()
    }

    /// The class of the chosen label map that is shown apart, as it is stored.
    pub fn isolated_class(&self) -> Option<u8> {
        let chosen = self.document().selected_layer()?.id;
        let (layer, stored) = self.front().isolated?;
        (layer == chosen).then_some(stored)
    }

    /// The form of the Generate panel.
    pub fn form(&self) -> &GenerateForm {
        &self.settings.form
    }

    /// What a press on Generate would do now.
    pub fn intent(&self) -> Intent {
        if let Some(frame) = self.job_frame() {
            return self.intent_in(frame);
        }
        let front = self.front();
        let document = front.document();
        let has_mask = document.has_mask_content() && front.heeds_mask;
        let has_picture = document.has_picture() && (has_mask || front.starts_from_picture);
        Intent::of(has_picture, has_mask)
    }

    /// The size of the pictures that a press on Generate would paint, before they are
    /// scaled to their frame.
    pub fn job_size_px(&self) -> [u32; 2] {
        if let Some(frame) = self.job_frame() {
            frame.painted_px
        } else if self.is_size_free() {
            [self.form().spec.width_px, self.form().spec.height_px]
        } else {
            self.document().size_px()
        }
    }

    /// Whether the picture that would be painted may have any size: where there is
    /// something on the canvas, or a frame, that says how large it is.
    pub fn is_size_free(&self) -> bool {
        !self.document().has_picture() && !self.has_conditions() && self.job_frame().is_none()
    }

    /// Whether a press on Generate would paint in several windows, each of which sees what
    /// lies in it.
    pub fn paints_in_windows(&self) -> bool {
        let windows = self.windows(self.form().spec.windows);
        let model = self.model_summary();
        model.is_some_and(|it| windows.divides(self.painted_size_px(), it.native_size_px))
    }

    /// A choice of windows, as it is for a picture with the boxes of the next one.
    pub fn windows(&self, choice: WindowChoice) -> WindowChoice {
        let Some(model) = self.model_summary().filter(|it| it.places_boxes) else {
            return choice;
        };
        // What is missing gets its boxes once the windows are chosen.
        let is_spread = matches!(self.placing(), Some(Placing::Words | Placing::Things));
        let are_placed = is_spread && self.form().places_boxes;
        if are_placed || self.tells(Condition::Boxes) {
            return choice.beside_boxes(self.painted_size_px(), model.native_size_px);
        }
        choice
    }

    /// Has the tools suit the canvas.
    pub(super) fn suit_tools(&mut self) {
        let canvas_px = self.document().size_px();
        self.toolbox.suit(canvas_px);
    }

    /// Why nothing can be generated now, as a sentence.
    pub fn obstacle(&self) -> Option<&str> {
        match &self.model {
            ModelState::Failed(_) => Some("The chosen model could not be loaded; choose another"),
            ModelState::Loading | ModelState::Ready(_) => self.frame_obstacle(),
        }
    }

    /// The chosen model, once it is loaded.
    pub fn model_summary(&self) -> Option<&ModelSummary> {
        match &self.model {
            ModelState::Ready(summary) => Some(summary),
            ModelState::Loading | ModelState::Failed(_) => None,
        }
    }

    /// The folder or file of the chosen model.
    pub fn model_folder(&self) -> Option<&Path> {
        match &self.form().spec.model {
            ModelSource::Storybook => self.storybook_folder.as_deref(),
            ModelSource::Folder(folder) | ModelSource::Described { file: folder, .. } => {
                Some(folder)
            }
        }
    }

    /// What a model is called, where its folder was looked at.
    pub fn known_name(&self, model: &ModelSource) -> Option<&str> {
        let mut known = self.known_inputs.iter();
        let found = known.find(|known| known.source == *model);
        found.map(|known| known.name.as_str())
    }

    /// The models to choose from, beside the one that came with the program: those
    /// used of late, then the others in the user's folder.
    pub fn known_models(&self) -> Vec<&Path> {
        let recent = self.settings.recent_models.iter();
        let own = self.user_models.iter();
        let unused = own.filter(|folder| !self.settings.recent_models.contains(folder));
        recent.chain(unused).map(PathBuf::as_path).collect()
    }

    /// Why training cannot start yet, as a sentence.
    pub fn train_problem(&self) -> Option<String> {
        if self.train_form.needs_model() && self.model_folder().is_none() {
            return Some("Choose a model first".to_owned());
        }
        let (survey, preview) = (self.train_survey.as_ref(), self.train_preview.as_ref());
        self.train_form
            .problem(self.train_place.as_ref(), survey, preview)
    }

    /// The trajectory step that stands on the canvas, if any: the one chosen in
    /// the strip, or else the newest one of a running job of this document, or else the
    /// live picture.
    pub fn preview(&self) -> Option<Preview> {
        if self.toolbox.is_active() && self.toolbox.colours().is_some() {
            // Whoever paints sees the paint; the picture comes back with the end of the stroke.
            return None;
        }
        let preview = self.jobs.preview().or_else(|| self.live.preview());
        preview.filter(|preview| preview.place.document == self.front().id())
    }

    /// The job of this document whose steps the strip shows.
    pub fn strip(&self) -> Option<&JobRecord> {
        self.jobs.strip().filter(|record| {
            let painting = record.painting();
            painting.is_some_and(|painting| painting.place.document == self.front().id())
        })
    }

    /// Takes a copy off the list of those left behind.
    pub(super) fn forget_left_behind(&mut self, copy: &Path) {
        self.left_behind.retain(|known| known.copy != copy);
    }

    /// A short layer name made of what a job asked for.
    pub(super) fn layer_name(&self, spec: &GenerateSpec) -> String {
        let met = self.met_models.iter();
        let model = met.rev().find(|model| model.source == spec.model);
        let class = spec.class.zip(model).and_then(|(class, model)| {
            let (classes, _) = model.classes()?;
            // The first of several words for it.
            classes.get(class as usize)?.split(',').next()
        });
        match class {
            Some(class) if spec.prompt.trim().is_empty() => layer_name(class),
            _ => layer_name(&spec.prompt),
        }
    }

    /// The name of the picture for titles and dialogs.
    pub fn title(&self) -> String {
        self.front().title()
    }
}

/// What a prompt says at first, without the signs that only say how.
fn said(prompt: &str) -> String {
    let syntax = PromptSyntax::default();
    let texts = syntax.conjuncts(prompt).into_iter().map(|it| {
        // Of one step, all would be said that comes later.
        let parts = syntax.parts(&it.text, 100);
        let first = parts.first().map_or("", |part| &*part.text);
        joined(&syntax.pieces(first)).replace('\n', " ")
    });
    texts.collect::<Vec<_>>().join(", ")
}

/// A short layer name made of a prompt.
fn layer_name(prompt: &str) -> String {
    const MOST_CHARS: usize = 32;
    let prompt = said(prompt);
    let prompt = prompt.trim();
    if prompt.is_empty() {
        return "Generated".to_owned();
    }
    if prompt.chars().count() <= MOST_CHARS {
        return prompt.to_owned();
    }
    let cut: String = prompt.chars().take(MOST_CHARS).collect();
    let words = cut
        .rsplit_once(' ')
        .map_or(cut.as_str(), |(words, _)| words);
    format!("{}…", words.trim_end_matches([',', '.', ' ']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::training::{StartFrom, TrainChange};
    use crate::recipe::TrainTarget;

    #[test]
    fn what_needs_a_model_is_not_trained_without() {
        let mut state = AppState::new(Settings::default(), None);
        let asks = |state: &AppState| state.train_problem().expect("a problem").contains("model");
        state
            .train_form
            .change(TrainChange::Target(TrainTarget::Classifier));
        assert!(asks(&state));
        state
            .train_form
            .change(TrainChange::Target(TrainTarget::Autoencoder));
        state
            .train_form
            .change(TrainChange::Start(StartFrom::Scratch));
        // The folder of pictures is next.
        assert!(!asks(&state));
    }

    #[test]
    fn layers_are_named_by_whole_words_of_the_prompt() {
        assert_eq!(layer_name("  "), "Generated");
        assert_eq!(layer_name("a red house"), "a red house");
        assert_eq!(
            layer_name(r"a (red:1.2) [house:boat:0.5] \(old\)"),
            "a red house (old)"
        );
        assert_eq!(
            layer_name("a small red house on a green hill, at sunset, 3d style"),
            "a small red house on a green…"
        );
    }
}
