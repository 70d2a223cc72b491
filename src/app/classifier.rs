//! The classifier that leads the next pictures to a class: what it tells apart, and which
//! others lie beside the model.

use std::path::PathBuf;

use super::background::PickPurpose;
use super::command::Command;
use super::dispatch::{Core, sentence};
use super::form::GenerateForm;
use super::notices::Severity;
use super::state::AppState;
use crate::engine::protocol::ModelSummary;
use crate::recipe::NamedFile;

/// What can be done with the classifier besides setting its strength.
#[derive(Clone, Debug)]
pub enum ClassifierCommand {
    /// Asks for the folder of one.
    Pick,
    /// Takes one by its file or folder.
    Take(PathBuf),
    /// Takes one that is known by name, or none.
    Choose(Option<NamedFile>),
    /// Looks once more for the chosen one, and for others.
    Look,
}

impl From<ClassifierCommand> for Command {
    fn from(command: ClassifierCommand) -> Self {
        Self::Classifier(command)
    }
}

/// What is known of the chosen classifier beside the chosen model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClassifierKnown {
    /// There is none.
    #[default]
    Nothing,
    /// It is being looked at.
    Asked,
    /// It tells these classes apart, of latents as the model has them.
    Classes(Vec<String>),
    /// Why it cannot be used, as a sentence.
    Lost(String),
}

/// What is known of classifiers.
#[derive(Debug, Default)]
pub struct KnownClassifiers {
    /// What was looked at: the chosen one, and the model beside which it was.
    of: Option<(Option<NamedFile>, Option<PathBuf>)>,
    /// Whether files may lie there by now that did not then, or no longer.
    is_stale: bool,
    /// Whether the chosen one was taken just now, and is told of once it was looked at.
    is_news: bool,
    /// The chosen one.
    pub chosen: ClassifierKnown,
    /// Those that lie beside the model.
    pub listed: Vec<NamedFile>,
}

/// What came of looking at a classifier, and for others.
#[derive(Clone, Debug)]
pub struct ClassifierSeen {
    /// The chosen one, and the model beside which it was looked for.
    pub of: (Option<NamedFile>, Option<PathBuf>),
    /// Its classes, or why it cannot be used; nothing where none is chosen.
    pub told: Option<Result<Vec<String>, String>>,
    /// Those that lie beside the model.
    pub listed: Vec<NamedFile>,
}

impl KnownClassifiers {
    /// Has the next look taken, whatever was looked at before.
    pub(super) fn look_again(&mut self) {
        self.is_stale = true;
    }
}

impl GenerateForm {
    /// Keeps the class where there is one of its number.
    fn keep_class(&mut self, count: usize) {
        self.spec.class = self.spec.class.filter(|class| (*class as usize) < count);
    }
}

impl AppState {
    /// The classes that can be painted, and whether none of them may be: the model's, or
    /// else the classifier's.
    pub fn paintable_classes(&self) -> Option<(&[String], bool)> {
        let own = self.model_summary().and_then(ModelSummary::classes);
        own.or(match &self.known_classifiers.chosen {
            ClassifierKnown::Classes(classes) => Some((classes, true)),
            _ => None,
        })
    }

    /// Why the chosen classifier is not used, as a sentence.
    pub fn classifier_refusal(&self) -> Option<&str> {
        match &self.known_classifiers.chosen {
            ClassifierKnown::Lost(text) => Some(text),
            _ => None,
        }
    }

    /// Whether a classifier may be of use: one is chosen or lies beside the model, or the
    /// model reads no words that could lead it.
    pub fn offers_classifiers(&self) -> bool {
        let model = self.model_summary();
        self.form().spec.classifier.is_some()
            || !self.known_classifiers.listed.is_empty()
            || model.is_some_and(|model| !model.takes_text())
    }

    /// The chosen classifier, and the model beside which it is looked for.
    fn classifier_wanted(&self) -> (Option<NamedFile>, Option<PathBuf>) {
        let model = self.model_folder().map(PathBuf::from);
        (self.form().spec.classifier.clone(), model)
    }

    /// The form with a classifier and its class only where they can be used.
    pub(super) fn with_usable_classifier(&self, mut form: GenerateForm) -> GenerateForm {
        if self.classifier_refusal().is_some() {
            form.spec.classifier = None;
        }
        let own = self.model_summary().and_then(ModelSummary::classes);
        if form.spec.classifier.is_none() && own.is_none() && self.model_summary().is_some() {
            form.spec.class = None;
        }
        form
    }
}

impl Core {
    pub(super) fn change_classifier(&mut self, command: ClassifierCommand) {
        match command {
            ClassifierCommand::Pick => {
                let folder = self.state.settings.last_folder.clone();
                self.background
                    .pick(PickPurpose::Classifier, folder.as_deref(), "");
            }
            ClassifierCommand::Take(path) => {
                self.choose_classifier(Some(NamedFile::of_network(path)));
                self.state.known_classifiers.is_news = true;
            }
            ClassifierCommand::Choose(file) => self.choose_classifier(file),
            ClassifierCommand::Look => self.state.known_classifiers.look_again(),
        }
    }

    fn choose_classifier(&mut self, file: Option<NamedFile>) {
        let spec = &mut self.state.settings.form.spec;
        spec.classifier = file;
        spec.classifier_hash = None;
        let known = &mut self.state.known_classifiers;
        known.is_news = false;
        known.look_again();
    }

    /// Has the chosen classifier looked at, and what else lies beside the model, when one
    /// of both is another than it was, or files may have come.
    pub(super) fn look_at_classifiers(&mut self) {
        let wanted = self.state.classifier_wanted();
        let known = &mut self.state.known_classifiers;
        let is_same = known.of.as_ref() == Some(&wanted);
        if is_same && !known.is_stale {
            return;
        }
        known.is_stale = false;
        if !is_same {
            // What is known of the same one stands until more is.
            known.chosen = match wanted.0 {
                Some(_) => ClassifierKnown::Asked,
                None => ClassifierKnown::Nothing,
            };
        }
        known.of = Some(wanted.clone());
        self.background.look_at_classifiers(wanted);
    }

    pub(super) fn take_classifier_seen(&mut self, seen: ClassifierSeen) {
        if self.state.classifier_wanted() != seen.of {
            // Another one was chosen meanwhile.
            return;
        }
        let known = &mut self.state.known_classifiers;
        known.listed = seen.listed;
        if let (Some(file), Some(Ok(_))) = (&seen.of.0, &seen.told)
            && std::mem::take(&mut known.is_news)
        {
            let text = format!("Chose the classifier \u{201c}{}\u{201d}", file.name);
            self.state.notices.push(Severity::Success, text);
        }
        known.chosen = match seen.told {
            None => ClassifierKnown::Nothing,
            Some(Ok(classes)) => ClassifierKnown::Classes(classes),
            Some(Err(text)) => ClassifierKnown::Lost(sentence(&text)),
        };
        let count = self.state.paintable_classes().map(|(names, _)| names.len());
        if let Some(count) = count {
            self.state.settings.form.keep_class(count);
        }
    }
}
