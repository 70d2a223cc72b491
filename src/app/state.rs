//! Everything the window shows, as plain data.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use super::command::Dialog;
use super::form::{GenerateForm, Intent};
use super::jobs::{Jobs, Preview};
use super::notices::Notices;
use super::settings::Settings;
use super::training::TrainForm;
use crate::document::{Document, DocumentEditor, DocumentRevision, LayerId};
use crate::engine::protocol::{
    AdapterSummary, MemorySummary, ModelSummary, PaintedImage, TrajectoryFrame,
};
use crate::geometry::CanvasView;
use crate::recipe::{ModelSource, PaintedRecipe};
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
    /// The picture and its history.
    pub editor: DocumentEditor,
    /// The file the picture was opened from or saved to.
    pub file: Option<PathBuf>,
    /// How the layers were painted, for the saved file.
    pub recipes: BTreeMap<LayerId, PaintedRecipe>,
    /// Where the canvas looks.
    pub view: CanvasView,
    /// The tools and their settings.
    pub toolbox: Toolbox,
    /// What is remembered between starts.
    pub settings: Settings,
    /// The engine's jobs.
    pub jobs: Jobs,
    /// The newest step of the running generation.
    pub live_frame: Option<TrajectoryFrame>,
    /// The step of the strip that stands on the canvas.
    pub shown_frame: Option<usize>,
    /// Finished pictures that wait for a brush stroke to end.
    pub arrivals: VecDeque<PaintedImage>,
    /// What the document was when the last result came.
    pub result_revision: Option<DocumentRevision>,
    /// Messages.
    pub notices: Notices,
    /// The dialog in front of the window.
    pub dialog: Option<Dialog>,
    /// What the training dialog edits.
    pub train_form: TrainForm,
    /// The device that computes, once the engine runs.
    pub device: Option<AdapterSummary>,
    /// Memory in use.
    pub memory: Option<MemorySummary>,
    /// How the chosen model stands.
    pub model: ModelState,
    /// Whether the form takes over the defaults of the model being loaded.
    pub adopt_defaults: bool,
    /// Folder of the model that is shipped with the program.
    pub storybook_folder: Option<PathBuf>,
}

impl AppState {
    /// The state of a fresh start.
    pub fn new(settings: Settings, storybook_folder: Option<PathBuf>) -> Self {
        let size_px = [settings.form.width_px, settings.form.height_px];
        let document = Document::blank(size_px).or_else(|_| Document::blank([64, 64]));
        Self {
            editor: DocumentEditor::new(document.expect("64 × 64 is an allowed size")),
            file: None,
            recipes: BTreeMap::new(),
            view: CanvasView::default(),
            toolbox: Toolbox::new(settings.tools),
            settings,
            jobs: Jobs::default(),
            live_frame: None,
            shown_frame: None,
            arrivals: VecDeque::new(),
            result_revision: None,
            notices: Notices::default(),
            dialog: None,
            train_form: TrainForm::default(),
            device: None,
            memory: None,
            model: ModelState::Loading,
            adopt_defaults: false,
            storybook_folder,
        }
    }

    /// The picture.
    pub fn document(&self) -> &Document {
        self.editor.document()
    }

    /// Whether nothing was changed since the last result came. Its mask then
    /// stands back, so that what it was made for can be seen.
    pub fn is_result_new(&self) -> bool {
        self.result_revision == Some(self.document().revision())
    }

    /// The form of the Generate panel.
    pub fn form(&self) -> &GenerateForm {
        &self.settings.form
    }

    /// What a press on Generate would do now.
    pub fn intent(&self) -> Intent {
        let document = self.document();
        Intent::of(document.has_picture(), document.has_mask_content())
    }

    /// The size of the pictures that a press on Generate would paint.
    pub fn job_size_px(&self) -> [u32; 2] {
        if self.intent() == Intent::TextToImage {
            [self.form().width_px, self.form().height_px]
        } else {
            self.document().size_px()
        }
    }

    /// Why nothing can be generated now, as a sentence.
    pub fn obstacle(&self) -> Option<&str> {
        match &self.model {
            ModelState::Failed(_) => Some("Choose a model first"),
            ModelState::Loading | ModelState::Ready(_) => None,
        }
    }

    /// The chosen model, once it is loaded.
    pub fn model_summary(&self) -> Option<&ModelSummary> {
        match &self.model {
            ModelState::Ready(summary) => Some(summary),
            ModelState::Loading | ModelState::Failed(_) => None,
        }
    }

    /// The folder of the chosen model.
    pub fn model_folder(&self) -> Option<&Path> {
        match &self.form().model {
            ModelSource::Storybook => self.storybook_folder.as_deref(),
            ModelSource::Folder(folder) => Some(folder),
        }
    }

    /// The trajectory step that stands on the canvas, if any: the one chosen in
    /// the strip, or else the newest one of a running job.
    pub fn preview(&self) -> Option<Preview> {
        let run = self.jobs.run.as_ref()?;
        if let Some(frame) = self.shown_frame.and_then(|index| run.frames.get(index)) {
            return Some(Preview {
                image: frame.image.clone(),
                planes: frame.planes.clone(),
                place: run.place.clone(),
            });
        }
        let frame = self
            .live_frame
            .as_ref()
            .filter(|frame| frame.job == run.job && !run.ended)?;
        Some(Preview {
            image: frame.image.clone(),
            planes: frame.planes.clone(),
            place: run.place.clone(),
        })
    }

    /// The recipe of the topmost visible painted layer, for the saved file.
    pub fn recipe(&self) -> Option<&PaintedRecipe> {
        let visible = self
            .document()
            .layers()
            .iter()
            .rev()
            .filter(|layer| layer.visible);
        visible
            .filter_map(|layer| self.recipes.get(&layer.id))
            .next()
    }

    /// The name of the picture for titles and dialogs.
    pub fn title(&self) -> String {
        let name = self.file.as_ref().and_then(|path| path.file_name());
        name.map_or_else(
            || "Untitled".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
    }
}

/// A short layer name made of a prompt.
pub fn layer_name(prompt: &str) -> String {
    const MOST_CHARS: usize = 32;
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

    #[test]
    fn layers_are_named_by_whole_words_of_the_prompt() {
        assert_eq!(layer_name("  "), "Generated");
        assert_eq!(layer_name("a red house"), "a red house");
        assert_eq!(
            layer_name("a small red house on a green hill, at sunset, 3d style"),
            "a small red house on a green…"
        );
    }
}
