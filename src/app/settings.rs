//! What the program remembers from one start to the next.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::form::GenerateForm;
use crate::tools::ToolSettings;

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
}

impl Default for Panels {
    fn default() -> Self {
        Self {
            side: true,
            strip: true,
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
    /// The last form.
    pub form: GenerateForm,
    /// What is set on the tools.
    pub tools: ToolSettings,
    /// Pictures opened or saved, newest first.
    pub recent_files: Vec<PathBuf>,
    /// Model folders used, newest first.
    pub recent_models: Vec<PathBuf>,
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
        let mut settings: Self = serde_json::from_str(text).unwrap_or_else(|error| {
            log::warn!("The saved settings could not be read ({error}); starting with defaults");
            Self::default()
        });
        settings.form = settings.form.validated();
        settings.tools.brush = settings.tools.brush.clamped();
        settings.tools.eraser = settings.tools.eraser.clamped();
        settings.recent_files.truncate(MOST_RECENT);
        settings.recent_models.truncate(MOST_RECENT);
        settings
    }

    /// Writes settings to eframe's storage.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        match serde_json::to_string(self) {
            Ok(text) => storage.set_string(STORAGE_KEY, text),
            Err(error) => log::error!("The settings could not be saved: {error}"),
        }
    }

    /// Puts a picture first in the list of recent files.
    pub fn remember_file(&mut self, path: &Path) {
        self.last_folder = path.parent().map(Path::to_path_buf);
        remember(&mut self.recent_files, path);
    }

    /// Puts a folder first in the list of recent models.
    pub fn remember_model(&mut self, folder: &Path) {
        remember(&mut self.recent_models, folder);
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
        assert_eq!(Settings::parse("{\"form\": {\"steps\": 0}}").form.steps, 1);
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
