//! What the program remembers from one start to the next.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::form::GenerateForm;
use super::prompt::MOST_PROMPTS;
use crate::recipe::ModelSource;

/// Where settings lie in eframe's storage. The number changes when old
/// settings can no longer be read; they are then forgotten.
pub const STORAGE_KEY: &str = "velatura_settings_v1";

/// Most files and folders that the menus remember.
const MOST_RECENT: usize = 10;

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// Light on dark.
    #[default]
    Dark,
    /// Dark on light.
    Light,
    /// As the desktop says.
    System,
}

impl ThemeChoice {
    /// Every choice, in menu order.
    pub const ALL: [Self; 3] = [Self::Dark, Self::Light, Self::System];

    /// Its name in the menu.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Dark => "Dark",
            Self::Light => "Light",
            Self::System => "As the system",
        }
    }
}

/// Which panels are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Panels {
    /// The Generate panel and the layer list, on the right.
    pub side: bool,
    /// The trajectory strip, below.
    pub strip: bool,
    /// The table of boxes, below, while a layer of them is chosen.
    pub boxes: bool,
    /// Whether the table has shares of the picture, in per cent, and no pixels.
    pub boxes_in_percent: bool,
    /// Boxes on the canvas while another tool than theirs is in hand.
    pub boxes_on_canvas: bool,
    /// The borders of regions on label maps.
    pub outlines: bool,
    /// The frame of the next job while another tool than its own is in hand.
    pub frame_on_canvas: bool,
    /// Steps by a tiny decoder, where one lies beside the model.
    pub tiny_previews: bool,
}

impl Default for Panels {
    fn default() -> Self {
        Self {
            side: true,
            strip: true,
            boxes: true,
            boxes_in_percent: false,
            boxes_on_canvas: true,
            outlines: true,
            frame_on_canvas: true,
            tiny_previews: true,
        }
    }
}

/// Everything that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light or dark.
    pub theme: ThemeChoice,
    /// Which panels are open.
    pub panels: Panels,
    /// Whether networks are read when their turn comes.
    pub saves_memory: bool,
    /// The last form.
    pub form: GenerateForm,
    /// What is set on the tools, by their ids; each reads its own.
    pub tools: BTreeMap<String, serde_json::Value>,
    /// Projects and pictures opened or saved, newest first.
    pub recent_files: Vec<PathBuf>,
    /// Folders and files of models used, newest first.
    pub recent_models: Vec<PathBuf>,
    /// Folders of models that were added, such as those of other programs.
    pub model_places: Vec<PathBuf>,
    /// Models that stand first in the list of them.
    pub favourite_models: Vec<ModelSource>,
    /// Prompts that were painted, newest first.
    pub prompt_history: Vec<String>,
    /// The folder of the LoRA that was added last.
    pub last_lora_folder: Option<PathBuf>,
    /// The folder of the last ControlNet.
    pub last_control_folder: Option<PathBuf>,
    /// Folder of the last file dialog.
    pub last_folder: Option<PathBuf>,
}

impl Settings {
    /// Reads settings from eframe's storage; anything unreadable or out of
    /// range becomes the default.
    pub fn load(storage: &dyn eframe::Storage) -> Self {
        storage
            .get_string(STORAGE_KEY)
            .map_or_else(Self::default, |text| Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let mut settings = Self::default();
        match (serde_json::from_str(text), serde_json::to_value(&settings)) {
            (Ok(found), Ok(mut whole)) => {
                take_over(&mut whole, "", found);
                settings = serde_json::from_value(whole).unwrap_or_default();
            }
            (Err(error), _) | (_, Err(error)) => {
                log::warn!(
                    "The saved settings could not be read ({error}); starting with defaults"
                );
            }
        }
        settings.form = settings.form.validated();
        settings.recent_files.truncate(MOST_RECENT);
        settings.recent_models.truncate(MOST_RECENT);
        settings.prompt_history.truncate(MOST_PROMPTS);
        settings
    }

    /// Writes settings to eframe's storage.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        match serde_json::to_string(&self.writable()) {
            Ok(text) => storage.set_string(STORAGE_KEY, text),
            Err(error) => log::error!("The settings could not be saved: {error}"),
        }
    }

    /// The same without paths that are no Unicode, for which JSON has no words: one of them would
    /// cost everything else.
    fn writable(&self) -> Self {
        let mut settings = self.clone();
        let is_text = |path: &PathBuf| path.to_str().is_some();
        for list in [
            &mut settings.recent_files,
            &mut settings.recent_models,
            &mut settings.model_places,
        ] {
            list.retain(is_text);
        }
        for folder in [
            &mut settings.last_lora_folder,
            &mut settings.last_control_folder,
            &mut settings.last_folder,
        ] {
            folder.take_if(|folder| !is_text(folder));
        }
        let favourites = &mut settings.favourite_models;
        favourites.retain(|model| serde_json::to_value(model).is_ok());
        if serde_json::to_value(&settings.form).is_err() {
            settings.form = GenerateForm::default();
        }
        settings
    }

    /// Puts a file first in the list of recent ones.
    pub fn remember_file(&mut self, path: &Path) {
        self.last_folder = path.parent().map(Path::to_path_buf);
        remember(&mut self.recent_files, path);
    }

    /// Puts a folder first in the list of recent models.
    pub fn remember_model(&mut self, folder: &Path) {
        remember(&mut self.recent_models, folder);
    }
}

/// Puts a saved value in its place (a JSON pointer) within the settings. Where it
/// cannot be read, as that of a newer version, what it is made of is tried one by
/// one: a field that means nothing here costs no other one.
fn take_over(whole: &mut Value, place: &str, found: Value) {
    let Some(slot) = whole.pointer_mut(place) else {
        return;
    };
    let usual = std::mem::replace(slot, found);
    if Settings::deserialize(&*whole).is_ok() {
        return;
    }
    let Some(slot) = whole.pointer_mut(place) else {
        return;
    };
    let is_struct = usual.is_object();
    match std::mem::replace(slot, usual) {
        Value::Object(parts) if is_struct => {
            for (name, part) in parts {
                take_over(whole, &format!("{place}/{name}"), part);
            }
        }
        found => log::warn!("The saved setting {place} could not be read: {found}"),
    }
}

fn remember(list: &mut Vec<PathBuf>, path: &Path) {
    list.retain(|known| known != path);
    list.insert(0, path.to_path_buf());
    list.truncate(MOST_RECENT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_no_unicode_costs_nothing_else() {
        use std::os::unix::ffi::OsStrExt as _;
        let odd = Path::new(std::ffi::OsStr::from_bytes(b"/a/\xff/b.png"));
        let mut settings = Settings::default();
        settings.remember_file(Path::new("/a/c.png"));
        settings.remember_file(odd);
        settings.remember_model(odd);
        settings.favourite_models = vec![ModelSource::Folder(odd.into()), ModelSource::Storybook];
        settings.form.spec.model = ModelSource::Folder(odd.into());
        let text = serde_json::to_string(&settings.writable()).expect("plain data");
        let read = Settings::parse(&text);
        assert_eq!(read.recent_files, [PathBuf::from("/a/c.png")]);
        assert_eq!(read.favourite_models, [ModelSource::Storybook]);
        assert_eq!((read.recent_models.len(), read.last_folder), (0, None));
    }

    #[test]
    fn settings_survive_a_restart_and_nonsense_does_not() {
        let mut settings = Settings {
            theme: ThemeChoice::Light,
            ..Settings::default()
        };
        settings.remember_file(Path::new("/a/b.png"));
        let text = serde_json::to_string(&settings).expect("plain data");
        assert_eq!(Settings::parse(&text), settings);
        assert_eq!(Settings::parse("{\"theme\": 7}"), Settings::default());
        assert_eq!(
            Settings::parse("{\"form\": {\"steps\": 0}}")
                .form
                .spec
                .steps,
            1
        );
        assert_eq!(Settings::parse("not json"), Settings::default());
    }

    #[test]
    fn a_field_of_a_newer_version_resets_only_itself() {
        let text = r#"{
            "theme": "Sepia",
            "form": {"prompt": "a red house", "steps": "many", "seed": 7, "new": [1]},
            "recent_files": ["/a/b.png"],
            "next": {"years": "model"}
        }"#;
        let settings = Settings::parse(text);
        let usual = Settings::default();
        assert_eq!(settings.theme, usual.theme);
        assert_eq!(settings.form.spec.steps, usual.form.spec.steps);
        assert_eq!(
            (settings.form.spec.prompt.as_str(), settings.form.spec.seed),
            ("a red house", 7)
        );
        assert_eq!(settings.recent_files, [Path::new("/a/b.png")]);
    }

    #[test]
    fn recent_files_are_few_and_different() {
        let mut settings = Settings::default();
        (0..30)
            .for_each(|index| settings.remember_file(Path::new(&format!("/p/{}.png", index % 15))));
        assert_eq!(settings.recent_files.len(), MOST_RECENT);
        assert_eq!(settings.recent_files[0], Path::new("/p/14.png"));
        assert_eq!(settings.last_folder.as_deref(), Some(Path::new("/p")));
    }
}
