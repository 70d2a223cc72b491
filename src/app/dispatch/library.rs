//! The list of models, and files of weights that are opened.

use std::path::Path;
use std::sync::Arc;

use image::RgbaImage;

use super::Core;
use crate::app::background::{ConversionNews, LibraryEvent, PickPurpose};
use crate::app::classifier::ClassifierCommand;
use crate::app::command::Dialog;
use crate::app::controls::ControlCommand;
use crate::app::form::FormChange;
use crate::app::library::{LibraryCommand, RunningConversion};
use crate::app::loras::{LoraCommand, with_word};
use crate::app::notices::{NoticeAction, Severity, Subject};
use crate::app::state::ModelState;
use crate::engine::library::{CardKind, ModelCard, PlaceSeen};
use crate::folders;
use crate::recipe::{ModelSource, NamedFile};

impl Core {
    pub(super) fn change_library(&mut self, command: LibraryCommand) {
        let settings = &mut self.state.settings;
        match command {
            LibraryCommand::Open => {
                self.state.dialog = Some(Dialog::Models);
                self.look_for_models();
            }
            LibraryCommand::Enlarge => {
                self.state.dialog = Some(Dialog::Enlarge);
                self.look_for_models();
            }
            LibraryCommand::Look => self.look_for_models(),
            LibraryCommand::PickFile => self.pick_weights(PickPurpose::ModelFile),
            LibraryCommand::PickFirstStage => self.pick_weights(PickPurpose::FirstStage),
            LibraryCommand::PickPlace => self.background.pick(PickPurpose::ModelPlace, None, ""),
            LibraryCommand::AddPlace(folder) => {
                if !settings.model_places.contains(&folder) {
                    settings.model_places.push(folder);
                }
                self.change_library(LibraryCommand::Open);
            }
            LibraryCommand::RemovePlace(folder) => {
                settings.model_places.retain(|known| *known != folder);
                self.look_for_models();
            }
            LibraryCommand::Favour {
                model,
                is_favourite,
            } => {
                settings.favourite_models.retain(|known| *known != model);
                if is_favourite {
                    settings.favourite_models.push(model);
                }
            }
            LibraryCommand::ReadPictures(files) => {
                for file in files {
                    if self.state.library.ask_for(&file) {
                        self.background.read_model_picture(file);
                    }
                }
            }
            LibraryCommand::ShowForms(listed) => {
                let folder = folders::user_models();
                self.state.dialog = Some(Dialog::Convert { listed, folder });
            }
            LibraryCommand::Convert(wish) => {
                if self.state.library.conversion.is_none() {
                    let running = RunningConversion::new(wish.target.clone());
                    self.background.convert(wish, running.flag());
                    self.state.library.conversion = Some(running);
                }
            }
            LibraryCommand::AskForName(listed) => {
                if let Some(own) = self.state.own_folder_of(&listed.found.path) {
                    self.state.dialog = Some(Dialog::Rename { listed, own });
                }
            }
            LibraryCommand::Rename(wish) => self.rename_model(wish),
            LibraryCommand::EndConversion => {
                if let Some(running) = &self.state.library.conversion {
                    running.end();
                }
            }
            LibraryCommand::Use(listed) => match &listed.card {
                Some(card) if card.opens() => self.use_model(listed.source.clone()),
                Some(card) => self.take_weights(card),
                None => {}
            },
        }
    }

    /// Asks for a file of weights, beginning where the last model was.
    fn pick_weights(&mut self, purpose: PickPurpose) {
        let last = self.state.settings.recent_models.first();
        let folder = last.and_then(|path| path.parent()).map(Path::to_path_buf);
        self.background.pick(purpose, folder.as_deref(), "");
    }

    /// Looks into all folders of models.
    pub(super) fn look_for_models(&mut self) {
        let settings = &self.state.settings;
        let (added, single) = (&settings.model_places, &settings.recent_models);
        self.state.library.begin_look();
        self.background
            .look_for_models(added.clone(), single.clone());
    }

    /// Looks into the folders again now and then while their list is open. `now_secs` is
    /// the window's time. Returns the seconds until it wants to be asked again.
    pub fn tend_library(&mut self, now_secs: f64) -> Option<f64> {
        let wait_secs = self.state.library.tick(now_secs);
        let is_open = matches!(self.state.dialog, Some(Dialog::Models | Dialog::Enlarge));
        let wait_secs = wait_secs.filter(|_| is_open)?;
        if wait_secs > 0.0 {
            return Some(wait_secs);
        }
        self.look_for_models();
        None
    }

    pub(in crate::app) fn take_library_event(&mut self, event: LibraryEvent) {
        let library = &mut self.state.library;
        match event {
            LibraryEvent::Listed(listing) => {
                let before = library.revision();
                library.take(listing);
                if library.revision() != before {
                    self.state.known_classifiers.look_again();
                }
            }
            LibraryEvent::Looked => library.end_look(),
            LibraryEvent::LookFailed(text) => {
                library.end_look();
                self.take_error(Subject::Models, &text);
            }
            LibraryEvent::Opened(card) => self.take_weights(&card),
            LibraryEvent::OpenedPlace(seen) => self.offer_place(seen),
            LibraryEvent::Conversion(news) => self.take_conversion(news),
            LibraryEvent::Renamed(renamed) => self.take_renamed(renamed),
            LibraryEvent::Picture(file, picture) => library.take_picture(&file, picture),
            LibraryEvent::PictureKept => {
                if matches!(self.state.dialog, Some(Dialog::Models)) {
                    self.look_for_models();
                }
            }
        }
    }

    /// Tells of a model that is being written anew. Where its dialog is still open, the
    /// list of models takes its place at the end.
    fn take_conversion(&mut self, news: ConversionNews) {
        if let ConversionNews::Written(done, total) = news {
            if let Some(running) = &mut self.state.library.conversion {
                running.written = (done, total);
            }
            return;
        }
        let Some(running) = self.state.library.conversion.take() else {
            return;
        };
        let shown = running.target.display();
        match news {
            ConversionNews::Written(..) => {}
            ConversionNews::Done => {
                let text = format!("Wrote {shown}");
                self.state.notices.push(Severity::Success, text);
                if matches!(self.state.dialog, Some(Dialog::Convert { .. })) {
                    self.state.dialog = Some(Dialog::Models);
                }
                self.look_for_models();
            }
            ConversionNews::Ended => {
                let text = format!("Stopped before {shown} was written");
                self.state.notices.push(Severity::Info, text);
            }
            ConversionNews::Failed(text) => self.take_error(Subject::Converting, &text),
        }
    }

    /// Does with a file or folder of weights what it is for. This is the one place where
    /// it is decided: what was dropped, opened or chosen from the list comes here.
    fn take_weights(&mut self, card: &ModelCard) {
        match &card.obstacle {
            None => self.use_model(ModelSource::Folder(card.path.clone())),
            Some(obstacle) => match card.kind {
                CardKind::Lora if card.goes_with_models => self.take_lora(&card.path),
                CardKind::ControlNet if card.goes_with_models => self.take_control(&card.path),
                CardKind::Classifier if card.goes_with_models => self.take_classifier(&card.path),
                CardKind::FirstStage if card.goes_with_models => self.take_first_stage(card),
                CardKind::Embedding if self.state.finds_word(card) => self.take_word(card),
                CardKind::Lora
                | CardKind::ControlNet
                | CardKind::Classifier
                | CardKind::Model
                | CardKind::FirstStage
                | CardKind::Embedding
                | CardKind::Other => self.take_error(Subject::Opening, obstacle),
            },
        }
    }

    /// Loads a model and chooses it. One that is ready stays as it is, and so do the
    /// settings that were made for it.
    fn use_model(&mut self, source: ModelSource) {
        self.state.dialog = None;
        let ready = self.state.model_summary().map(|model| &model.source);
        if ready != Some(&source) {
            self.load_model(source, None, true);
        }
    }

    /// A LoRA that was dropped, opened or chosen from the list of models.
    fn take_lora(&mut self, path: &Path) {
        self.state.dialog = None;
        self.dispatch(LoraCommand::Add(path.to_path_buf()).into());
    }

    /// A ControlNet that was dropped, opened or chosen from the list of models.
    fn take_control(&mut self, path: &Path) {
        self.state.dialog = None;
        self.dispatch(ControlCommand::Add(path.to_path_buf()).into());
    }

    /// A classifier that was dropped, opened or chosen from the list of models.
    fn take_classifier(&mut self, path: &Path) {
        self.state.dialog = None;
        self.dispatch(ClassifierCommand::Take(path.to_path_buf()).into());
    }

    /// Has the next pictures decoded by another first stage.
    fn take_first_stage(&mut self, card: &ModelCard) {
        self.state.dialog = None;
        let vae = NamedFile::at(&card.path);
        let text = format!("Chose the VAE \u{201c}{}\u{201d}", card.name);
        self.state.notices.push(Severity::Success, text);
        if matches!(self.state.model, ModelState::Failed(_)) {
            // It may have lacked nothing else.
            let model = self.state.settings.form.spec.model.clone();
            self.load_model(model, Some(vae), true);
        } else {
            self.state.settings.form.spec.vae = Some(vae);
        }
    }

    /// Puts a word that the model finds into the prompt.
    fn take_word(&mut self, card: &ModelCard) {
        let Some(word) = card.path.file_stem() else {
            return;
        };
        self.state.dialog = None;
        let form = &mut self.state.settings.form;
        let prompt = with_word(&form.spec.prompt, &word.to_string_lossy());
        form.change(FormChange::Prompt(prompt));
    }

    /// Offers to list the models of a folder that was opened and is none.
    fn offer_place(&mut self, seen: PlaceSeen) {
        let models = match seen.count {
            1 => "a model or what goes with one".to_owned(),
            count => format!("{count} models and what goes with them"),
        };
        let whose = seen.program.map_or_else(String::new, |program| {
            format!(", in the layout of {}", program.label())
        });
        let text = format!("{} holds {models}{whose}", seen.path.display());
        let action = NoticeAction {
            label: "Add it to the model list".to_owned(),
            command: LibraryCommand::AddPlace(seen.path).into(),
        };
        self.state.notices.ask(text, action);
    }

    /// A painted picture stands for its model in the list.
    pub(in crate::app) fn show_for_model(&mut self, model: &ModelSource, image: &Arc<RgbaImage>) {
        self.background
            .keep_model_picture(model.clone(), Arc::clone(image));
    }
}
