//! The LoRAs that the next pictures are painted with: a list in the form, and what their
//! files say of themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::background::PickPurpose;
use super::command::Command;
use super::dispatch::{Core, sentence};
use super::form::GenerateForm;
use super::notices::{Severity, Subject};
use crate::engine::kept_files::TriggerWords;
use crate::recipe::param::{Number, Range, Shown, Value};
use crate::recipe::{LoraSpec, NamedFile};

/// How strongly a LoRA acts.
pub static LORA_WEIGHT: Number = Number {
    id: "lora_weight",
    label: "Weight",
    hint: "How strongly the LoRA acts: 0 not at all, 1 as it was trained; below 0 it does the opposite",
    unit: None,
    allowed: Range::real(-10.0, 10.0),
    offered: Range::real(-2.0, 2.0),
    shown: Shown::Hundredths,
    infotext: None,
};

/// A LoRA in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListedLora {
    /// The file, and how strongly it acts.
    #[serde(flatten)]
    pub lora: LoraSpec,
    /// Whether it is switched off and only kept.
    pub rests: bool,
}

/// What can be done with the list besides changing its numbers.
#[derive(Clone, Debug)]
pub enum LoraCommand {
    /// Asks for a file.
    Pick,
    /// Reads a file and takes it into the list.
    Add(PathBuf),
}

impl From<LoraCommand> for Command {
    fn from(command: LoraCommand) -> Self {
        Self::Lora(command)
    }
}

/// A change of a place of the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LoraChange {
    /// How strongly it acts; brought into its range.
    Weight(Value),
    /// Switches it on or off.
    Rests(bool),
    /// Takes it out.
    Remove,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoraKnown {
    /// It is being read.
    Asked,
    /// What it says of itself.
    Told(TriggerWords),
    /// Why it cannot be read.
    Lost(String),
}

/// What is known of files that were listed.
pub type KnownLoras = BTreeMap<NamedFile, LoraKnown>;

/// What came of reading a file.
#[derive(Clone, Debug)]
pub struct LoraSeen {
    /// The file that was asked for.
    pub file: NamedFile,
    /// The model beside which it was looked for.
    pub model: Option<PathBuf>,
    /// Whether it is to be taken into the list.
    pub is_added: bool,
    /// What it says of itself, or why it cannot be read.
    pub told: Result<TriggerWords, String>,
}

impl GenerateForm {
    /// The LoRAs that are switched on.
    pub fn used_loras(&self) -> Vec<LoraSpec> {
        let on = self.listed_loras.iter().filter(|listed| !listed.rests);
        on.map(|listed| listed.lora.clone()).collect()
    }

    /// Changes a place of the list; nothing where it has none.
    pub(super) fn change_lora(&mut self, place: usize, change: LoraChange) {
        if change == LoraChange::Remove && place < self.listed_loras.len() {
            self.listed_loras.remove(place);
        }
        let Some(listed) = self.listed_loras.get_mut(place) else {
            return;
        };
        match change {
            LoraChange::Weight(value) => {
                let before = Value::Real(listed.lora.weight);
                listed.lora.weight = LORA_WEIGHT.allowed.nearest(value, before).as_f32();
                listed.lora.text_weight = None;
            }
            LoraChange::Rests(rests) => listed.rests = rests,
            LoraChange::Remove => {}
        }
    }

    /// Takes over the LoRAs of a finished picture; others stay in the list and rest.
    pub(super) fn restore_loras(&mut self, loras: Vec<LoraSpec>) {
        self.listed_loras.iter_mut().for_each(|it| it.rests = true);
        for lora in loras {
            let mut listed = self.listed_loras.iter_mut();
            let known = listed.find(|it| it.rests && it.lora.file.name == lora.file.name);
            match known {
                Some(known) => {
                    let file = std::mem::take(&mut known.lora.file);
                    known.lora = LoraSpec { file, ..lora };
                    known.rests = false;
                }
                None => self.listed_loras.push(ListedLora { lora, rests: false }),
            }
        }
    }

    /// Takes a file into the list, or switches it on where it is there.
    fn list_lora(&mut self, file: NamedFile) {
        let known = self.listed_loras.iter_mut().find(|it| it.lora.file == file);
        if let Some(listed) = known {
            listed.rests = false;
            return;
        }
        let lora = LoraSpec {
            file,
            ..LoraSpec::default()
        };
        self.listed_loras.push(ListedLora { lora, rests: false });
    }
}

/// Whether what is known of a file holds for every model: not where it was looked for
/// beside one, nor while it is not there.
fn holds_for_all(file: &NamedFile, known: &LoraKnown) -> bool {
    let path = file.path.as_deref();
    let is_placed = path.is_some_and(|path| path.components().count() > 1);
    is_placed && matches!(known, LoraKnown::Told(_))
}

/// The prompt with a word at its end, unless it is in it.
pub fn with_word(prompt: &str, word: &str) -> String {
    let (prompt, word) = (prompt.trim_end(), word.trim());
    if prompt.to_lowercase().contains(&word.to_lowercase()) {
        return prompt.to_owned();
    }
    match prompt.trim_end_matches([',', ' ']) {
        "" => word.to_owned(),
        before => format!("{before}, {word}"),
    }
}

impl Core {
    pub(super) fn change_loras(&mut self, command: LoraCommand) {
        match command {
            LoraCommand::Pick => {
                let folder = self.state.settings.last_lora_folder.clone();
                self.background
                    .pick(PickPurpose::Lora, folder.as_deref(), "");
            }
            LoraCommand::Add(path) => {
                self.state.settings.last_lora_folder = path.parent().map(PathBuf::from);
                let model = self.state.model_folder().map(PathBuf::from);
                self.background.read_lora(NamedFile::at(path), model, true);
            }
        }
    }

    /// Has files of the list read that are not known yet.
    pub(super) fn look_at_loras(&mut self) {
        let state = &mut self.state;
        let model = state.model_folder().map(Path::to_path_buf);
        if state.loras_known_beside != model {
            state.loras_known_beside.clone_from(&model);
            state
                .known_loras
                .retain(|file, known| holds_for_all(file, known));
        }
        let unknown = state
            .settings
            .form
            .listed_loras
            .iter()
            .map(|it| &it.lora.file);
        let unknown: Vec<NamedFile> = unknown
            .filter(|file| !state.known_loras.contains_key(file))
            .cloned()
            .collect();
        for file in unknown {
            let known = &mut self.state.known_loras;
            known.insert(file.clone(), LoraKnown::Asked);
            self.background.read_lora(file, model.clone(), false);
        }
    }

    pub(super) fn take_lora_seen(&mut self, seen: LoraSeen) {
        let LoraSeen {
            file,
            model,
            is_added,
            told,
        } = seen;
        if !is_added && model != self.state.loras_known_beside {
            // Another model was chosen meanwhile, and the file is looked for beside that.
            return;
        }
        let known = match told {
            Ok(words) => LoraKnown::Told(words),
            Err(text) if is_added => return self.take_error(Subject::Addition, &text),
            Err(text) => LoraKnown::Lost(sentence(&text)),
        };
        self.state.known_loras.insert(file.clone(), known);
        if is_added {
            let text = format!("Added the LoRA \u{201c}{}\u{201d}", file.name);
            self.state.notices.succeed(Subject::Addition);
            self.state.notices.push(Severity::Success, text);
            self.state.settings.form.list_lora(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_behind_the_prompt_once() {
        for (prompt, word, wanted) in [
            ("", "ink", "ink"),
            ("a cat", "ink wash", "a cat, ink wash"),
            ("a cat, ", "ink", "a cat, ink"),
            ("Ink on paper", "ink", "Ink on paper"),
        ] {
            assert_eq!(with_word(prompt, word), wanted);
        }
    }

    #[test]
    fn the_list_is_what_jobs_are_painted_with() {
        let mut form = GenerateForm::default();
        for name in ["ink", "oil", "ink"] {
            form.list_lora(NamedFile::named(name));
        }
        assert_eq!(form.listed_loras.len(), 2);
        form.change_lora(0, LoraChange::Weight(Value::Real(-30.0)));
        form.change_lora(1, LoraChange::Rests(true));
        form.change_lora(7, LoraChange::Remove);
        let spec = form.spec([64, 64], None, None);
        let used: Vec<_> = spec
            .loras
            .iter()
            .map(|it| (it.file.name.as_str(), it.weight))
            .collect();
        assert_eq!(used, [("ink", -10.0)]);
        form.list_lora(NamedFile::named("oil"));
        form.change_lora(0, LoraChange::Remove);
        let used = form.used_loras();
        assert_eq!((used.len(), used[0].file.name.as_str()), (1, "oil"));
        // A finished picture had others.
        form.restore_loras(vec![LoraSpec {
            weight: 0.5,
            ..LoraSpec::read("ink")
        }]);
        let used = form.used_loras();
        assert_eq!((used.len(), used[0].weight), (1, 0.5));
        assert_eq!(form.listed_loras.len(), 2);
        // They are remembered, with the places where they lie.
        form.list_lora(NamedFile::at("/l/x.safetensors"));
        let text = serde_json::to_string(&form).expect("plain data");
        let read: GenerateForm = serde_json::from_str(&text).expect("the same");
        assert_eq!(read.listed_loras, form.listed_loras);
    }
}
