//! The system's dialogs for files and folders.

use std::ffi::OsString;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use super::events::BackgroundEvent;
use super::{Background, failing};
use crate::app::classes::MapCoding;
use crate::app::notices::Subject;
use crate::engine::library::WEIGHT_ENDINGS;
use crate::exchange::BoxForm;
use crate::project::{EXTENSION, PSD_EXTENSION};
use crate::recipe::PictureFormat;

/// A dialog that ends sooner without a choice never opened: no hand is as fast.
const FASTEST_HAND: Duration = Duration::from_millis(250);

/// What a dialog was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PickPurpose {
    /// A picture or a project to open.
    OpenPicture,
    /// Where to save the project.
    SaveProject,
    /// Where to save the picture.
    SavePicture,
    /// A label map to import.
    LabelMap,
    /// Where a label map is saved, and how its file tells classes.
    SaveLabelMap(MapCoding),
    /// A palette to read.
    Palette,
    /// Where the palette is saved.
    SavePalette,
    /// A model folder.
    ModelFolder,
    /// A model in one file.
    ModelFile,
    /// An autoencoder for a model that has none, or in place of its own.
    FirstStage,
    /// A folder of models.
    ModelPlace,
    /// A LoRA.
    Lora,
    /// A ControlNet.
    ControlNet,
    /// The folder of a classifier.
    Classifier,
    /// The picture of a place in the list of ControlNets.
    ControlPicture(usize),
    /// A folder of training pictures.
    TrainFolder,
    /// Where a trained model goes.
    TrainOutput,
    /// The settings of a training run.
    TrainSettings,
    /// Where the settings of a training run are saved.
    SaveTrainSettings,
    /// A file of boxes to take in.
    ImportBoxes,
    /// Where to write boxes.
    ExportBoxes(BoxForm),
}

impl Background {
    /// Opens a dialog of the system.
    pub fn pick(&self, purpose: PickPurpose, folder: Option<&Path>, file_name: &str) {
        let mut dialog = rfd::AsyncFileDialog::new();
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
        // The dialog is made on the window's thread, as macOS demands, and
        // waited for on another.
        match purpose {
            PickPurpose::OpenPicture => {
                let layered = [EXTENSION, PSD_EXTENSION];
                let all: Vec<_> = layered
                    .into_iter()
                    .chain(PictureFormat::endings())
                    .collect();
                let dialog = dialog
                    .set_title("Open")
                    .add_filter("Projects and pictures", &all)
                    .add_filter("Models", &WEIGHT_ENDINGS);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::SaveProject => {
                let dialog = dialog
                    .set_title("Save as")
                    .set_file_name(file_name)
                    .add_filter("Velatura project", &[EXTENSION]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::SavePicture => {
                let dialog = dialog.set_title("Export picture");
                let mut dialog = dialog.set_file_name(file_name);
                for format in PictureFormat::ALL {
                    dialog = dialog.add_filter(format.label(), format.extensions());
                }
                dialog = dialog.add_filter("Photoshop, with layers", &[PSD_EXTENSION]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::LabelMap => {
                let dialog = dialog
                    .set_title("Import a label map")
                    .add_filter("PNG", &["png"]);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::SaveLabelMap(_) => {
                let dialog = dialog
                    .set_title("Export the label map")
                    .set_file_name(file_name)
                    .add_filter("PNG", &["png"]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::Palette => {
                let dialog = dialog
                    .set_title("Open a palette")
                    .add_filter("JSON", &["json"]);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::SavePalette => {
                let dialog = dialog
                    .set_title("Save the palette")
                    .set_file_name(file_name)
                    .add_filter("JSON", &["json"]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::ModelFolder => {
                self.await_dialog(
                    purpose,
                    dialog.set_title("Open a model folder").pick_folder(),
                );
            }
            PickPurpose::ModelFile => {
                let dialog = dialog
                    .set_title("Open a model")
                    .add_filter("Models", &WEIGHT_ENDINGS);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::FirstStage => {
                let dialog = dialog
                    .set_title("Choose an autoencoder")
                    .add_filter("Autoencoders", &WEIGHT_ENDINGS);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::ModelPlace => {
                let dialog = dialog.set_title("Add a folder of models");
                self.await_dialog(purpose, dialog.pick_folder());
            }
            PickPurpose::Lora => {
                let dialog = dialog
                    .set_title("Add a LoRA")
                    .add_filter("LoRA", &WEIGHT_ENDINGS);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::ControlNet => {
                let dialog = dialog
                    .set_title("Add a ControlNet")
                    .add_filter("ControlNet", &WEIGHT_ENDINGS);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::Classifier => {
                let dialog = dialog.set_title("Choose the folder of a classifier");
                self.await_dialog(purpose, dialog.pick_folder());
            }
            PickPurpose::ControlPicture(_) => {
                let pictures: Vec<_> = PictureFormat::endings().collect();
                let dialog = dialog
                    .set_title("Choose a picture")
                    .add_filter("Pictures", &pictures);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::ImportBoxes => {
                let dialog = dialog
                    .set_title("Import boxes")
                    .add_filter("COCO or scene", &["json"]);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::ExportBoxes(_) => {
                let dialog = dialog
                    .set_title("Export boxes")
                    .set_file_name(file_name)
                    .add_filter("JSON", &["json"]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::TrainFolder => {
                let dialog = dialog.set_title("Choose a folder of pictures");
                self.await_dialog(purpose, dialog.pick_folder());
            }
            PickPurpose::TrainSettings => {
                let dialog = dialog
                    .set_title("Open the settings of a training run")
                    .add_filter("JSON", &["json"]);
                self.await_dialog(purpose, dialog.pick_file());
            }
            PickPurpose::SaveTrainSettings => {
                let dialog = dialog
                    .set_title("Save the settings of the training run")
                    .set_file_name(file_name)
                    .add_filter("JSON", &["json"]);
                self.await_dialog(purpose, dialog.save_file());
            }
            PickPurpose::TrainOutput => {
                let dialog = dialog.set_title("Choose where the model is saved");
                self.await_dialog(purpose, dialog.pick_folder());
            }
        }
    }

    fn await_dialog(
        &self,
        purpose: PickPurpose,
        choice: impl Future<Output = Option<rfd::FileHandle>> + Send + 'static,
    ) {
        self.spawn("dialog", failing(Subject::Asking), move || {
            if !has_dialogs(|name| std::env::var_os(name)) {
                return Ok(BackgroundEvent::NoDialog { purpose });
            }
            let start = Instant::now();
            let choice = pollster::block_on(choice);
            if choice.is_none() && start.elapsed() < FASTEST_HAND {
                return Ok(BackgroundEvent::NoDialog { purpose });
            }
            Ok(BackgroundEvent::Picked {
                purpose,
                path: choice.map(|handle| handle.path().to_path_buf()),
            })
        });
    }
}

/// Whether something here may open a dialog, by variables of the environment. On Linux that
/// is the desktop, which is asked over the session's bus, or else zenity: without both, to
/// ask may take longer than a hand, and nothing comes of it.
fn has_dialogs(told: impl Fn(&str) -> Option<OsString>) -> bool {
    let told = |name| told(name).filter(|text| !text.is_empty());
    !cfg!(target_os = "linux")
        || told("DBUS_SESSION_BUS_ADDRESS").is_some()
        || told("XDG_RUNTIME_DIR").is_some_and(|it| Path::new(&it).join("bus").exists())
        || told("PATH").is_some_and(|it| {
            let mut folders = std::env::split_paths(&it);
            folders.any(|folder| folder.join("zenity").is_file())
        })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_bus_or_zenity_is_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let asked = |known: &[(&str, &str)]| {
            has_dialogs(|name| {
                let (_, text) = known.iter().find(|(known, _)| *known == name)?;
                Some(OsString::from(text))
            })
        };
        let place = folder.path().to_str().expect("a name");
        assert!(asked(&[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus")]));
        let known = [
            ("DBUS_SESSION_BUS_ADDRESS", ""),
            ("XDG_RUNTIME_DIR", place),
            ("PATH", place),
        ];
        assert!(!asked(&[]) && !asked(&known));
        std::fs::write(at("zenity"), "").expect("a file");
        assert!(asked(&known));
        std::fs::rename(at("zenity"), at("bus")).expect("moved");
        assert!(asked(&known));
    }
}
