//! The ControlNets that control the next pictures: a list in the form, and which picture
//! each of them is shown.

mod job;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::RgbaImage;
use serde::{Deserialize, Serialize};

use super::background::PickPurpose;
use super::command::Command;
use super::conditions::Condition;
use super::dispatch::{Core, sentence};
use super::form::GenerateForm;
use super::notices::{Severity, Subject};
use super::state::AppState;
use crate::document::{DocumentId, Layer, LayerId};
use crate::recipe::param::{Number, Value};
use crate::recipe::{
    CONTROL_END, CONTROL_START, CONTROL_WEIGHT, ControlKind, ControlSpec, MAX_CONTROLS, NamedFile,
};

/// The shortest part of the steps in which a control acts.
const SHORTEST: f32 = 0.01;

/// The picture that a network is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "KeptSource", into = "KeptSource")]
pub enum ControlSource {
    /// All that is seen of the canvas.
    #[default]
    Canvas,
    /// One layer of a document.
    Layer(DocumentId, LayerId),
    /// The label map, in the colours of its classes.
    LabelMap,
    /// A picture in a file.
    File(PathBuf),
    /// The picture that came with the settings of another one.
    Recipe,
}

/// A source as settings keep it: documents and recipes are gone by the next start.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeptSource {
    Canvas,
    LabelMap,
    File(PathBuf),
}

impl From<KeptSource> for ControlSource {
    fn from(kept: KeptSource) -> Self {
        match kept {
            KeptSource::Canvas => Self::Canvas,
            KeptSource::LabelMap => Self::LabelMap,
            KeptSource::File(path) => Self::File(path),
        }
    }
}

impl From<ControlSource> for KeptSource {
    fn from(source: ControlSource) -> Self {
        match source {
            ControlSource::Canvas | ControlSource::Layer(..) | ControlSource::Recipe => {
                Self::Canvas
            }
            ControlSource::LabelMap => Self::LabelMap,
            ControlSource::File(path) => Self::File(path),
        }
    }
}

/// A ControlNet in the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListedControl {
    /// The network, and how it acts.
    #[serde(flatten)]
    pub control: ControlSpec,
    /// What it is shown.
    pub source: ControlSource,
    /// Whether it is switched off and only kept.
    pub rests: bool,
}

/// What can be done with the list besides changing its values.
#[derive(Clone, Debug)]
pub enum ControlCommand {
    /// Asks for a network.
    Pick,
    /// Looks at a network and takes it into the list.
    Add(PathBuf),
    /// Asks for the picture of a place of the list.
    PickPicture(usize),
    /// Shows a place of the list a picture.
    Show(usize, PathBuf),
    /// Works out what the network of a place sees; `None` puts it away.
    Preview(Option<usize>),
}

impl From<ControlCommand> for Command {
    fn from(command: ControlCommand) -> Self {
        Self::Control(command)
    }
}

/// A change of a place of the list.
#[derive(Clone, Debug, PartialEq)]
pub enum ControlChange {
    /// A number of it; brought into its range.
    Number(&'static Number, Value),
    /// What it is made to see.
    Kind(ControlKind),
    /// The picture that it is shown.
    Source(ControlSource),
    /// Switches it on or off.
    Rests(bool),
    /// Takes it out.
    Remove,
}

/// What is known of a network beside the chosen model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlKnown {
    /// It is being looked at.
    Asked,
    /// It was made for such models.
    Fits,
    /// Why it cannot be used, as a sentence.
    Lost(String),
}

/// What is known of a picture in a file.
#[derive(Clone, Debug)]
pub enum ControlPicture {
    /// It is being read.
    Asked,
    /// The picture.
    Read(Arc<RgbaImage>),
    /// Why it cannot be read, as a sentence.
    Lost(String),
}

/// What a network sees, while it is looked at.
#[derive(Clone, Debug)]
pub struct ControlPreview {
    /// Its place in the list.
    pub place: usize,
    /// What it is made to see of which picture.
    of: (ControlKind, ControlSource),
    /// The picture; `None` while it is made.
    pub picture: Option<Arc<RgbaImage>>,
}

/// What is known of the networks and pictures of the list.
#[derive(Debug, Default)]
pub struct KnownControls {
    /// The networks, beside the model below.
    pub networks: BTreeMap<NamedFile, ControlKnown>,
    /// The model beside which they were looked at.
    beside: Option<PathBuf>,
    /// Pictures in files.
    pub pictures: BTreeMap<PathBuf, ControlPicture>,
    /// What one network sees.
    pub preview: Option<ControlPreview>,
}

impl KnownControls {
    /// Takes what a network sees, unless something else is waited for meanwhile.
    fn take_preview(
        &mut self,
        place: usize,
        of: &(ControlKind, ControlSource),
        picture: Option<Arc<RgbaImage>>,
    ) {
        let waiting = self.preview.as_mut();
        let waiting = waiting.filter(|it| it.place == place && it.of == *of);
        match (waiting, picture) {
            (Some(preview), Some(picture)) => preview.picture = Some(picture),
            (Some(_), None) => self.preview = None,
            (None, _) => {}
        }
    }
}

/// What came of looking at something of the list.
#[derive(Clone, Debug)]
pub enum ControlEvent {
    /// A network was looked at.
    Seen {
        /// The network.
        file: NamedFile,
        /// The model beside which it was looked for.
        model: Option<PathBuf>,
        /// Whether it is to be taken into the list.
        is_added: bool,
        /// Why it cannot be used.
        told: Result<(), String>,
    },
    /// A picture was read.
    Picture(PathBuf, Result<Arc<RgbaImage>, String>),
    /// What the network of a place sees.
    Previewed {
        /// Its place in the list.
        place: usize,
        /// What it was made to see of which picture.
        of: (ControlKind, ControlSource),
        /// The picture; `None` where it has none.
        picture: Option<Arc<RgbaImage>>,
    },
}

impl GenerateForm {
    /// Changes a place of the list; nothing where it has none.
    pub(super) fn change_control(&mut self, place: usize, change: ControlChange) {
        if change == ControlChange::Remove && place < self.listed_controls.len() {
            self.listed_controls.remove(place);
            return;
        }
        let Some(listed) = self.listed_controls.get_mut(place) else {
            return;
        };
        match change {
            ControlChange::Number(number, value) => listed.set_number(number, value),
            ControlChange::Kind(kind) => listed.control.kind = kind,
            ControlChange::Source(source) => {
                if source != ControlSource::Recipe {
                    listed.control.picture = None;
                }
                listed.source = source;
            }
            ControlChange::Rests(rests) => listed.rests = rests,
            ControlChange::Remove => {}
        }
    }

    /// Takes over the controls of a finished picture; others stay in the list and rest.
    pub(super) fn restore_controls(&mut self, controls: Vec<ControlSpec>) {
        self.listed_controls
            .iter_mut()
            .for_each(|it| it.rests = true);
        for control in controls {
            let source = match control.picture {
                Some(_) => ControlSource::Recipe,
                None => ControlSource::Canvas,
            };
            let mut listed = self.listed_controls.iter_mut();
            let known = listed.find(|it| it.rests && it.control.file.name == control.file.name);
            match known {
                Some(known) => {
                    let file = std::mem::take(&mut known.control.file);
                    known.control = ControlSpec { file, ..control };
                    (known.source, known.rests) = (source, false);
                }
                None => self.listed_controls.push(ListedControl {
                    control,
                    source,
                    rests: false,
                }),
            }
        }
    }

    /// Takes a network into the list, once more where it is there: it may be shown
    /// several pictures.
    fn list_control(&mut self, control: ControlSpec, source: ControlSource) {
        self.listed_controls.push(ListedControl {
            control,
            source,
            rests: false,
        });
    }
}

impl ListedControl {
    /// One of its numbers.
    pub fn number(&self, number: &Number) -> Value {
        let ControlSpec {
            weight, start, end, ..
        } = &self.control;
        Value::Real(if *number == CONTROL_START {
            *start
        } else if *number == CONTROL_END {
            *end
        } else {
            *weight
        })
    }

    fn set_number(&mut self, number: &Number, value: Value) {
        let value = number.allowed.nearest(value, self.number(number)).as_f32();
        let control = &mut self.control;
        if *number == CONTROL_WEIGHT {
            control.weight = value;
        } else if *number == CONTROL_START {
            control.start = value.min(1.0 - SHORTEST);
            control.end = control.end.max(control.start + SHORTEST);
        } else if *number == CONTROL_END {
            control.end = value.max(SHORTEST);
            control.start = control.start.min(control.end - SHORTEST);
        }
    }
}

impl AppState {
    /// The layers that a network can be shown, the uppermost first.
    pub fn control_layers(&self) -> Vec<&Layer> {
        self.guides()
    }

    /// The layer of a source, while it holds a picture.
    pub fn control_layer(&self, source: &ControlSource) -> Option<&Layer> {
        let ControlSource::Layer(document, layer) = source else {
            return None;
        };
        let layers = self.control_layers();
        let is_here = *document == self.document().id();
        let mut layers = layers.into_iter().filter(|it| is_here && it.id == *layer);
        layers.next()
    }

    /// Why the network of a place cannot be used with the chosen model, as a sentence.
    pub fn control_refusal(&self, listed: &ListedControl) -> Option<&str> {
        match self.known_controls.networks.get(&listed.control.file)? {
            ControlKnown::Lost(text) => Some(text),
            ControlKnown::Asked | ControlKnown::Fits => None,
        }
    }

    /// Why a place of the list has no picture to show, as a sentence.
    pub fn control_blank(&self, listed: &ListedControl) -> Option<&str> {
        match &listed.source {
            ControlSource::Canvas if !self.document().has_picture() => {
                Some("There is no picture on the canvas yet")
            }
            ControlSource::Layer(..) if self.control_layer(&listed.source).is_none() => {
                Some("The layer is gone or empty; choose a picture")
            }
            ControlSource::LabelMap if !self.has_drawn(Condition::LabelMap) => {
                Some("There is no label map that is seen")
            }
            ControlSource::File(path) => match self.known_controls.pictures.get(path) {
                Some(ControlPicture::Read(_)) => None,
                Some(ControlPicture::Lost(text)) => Some(text),
                Some(ControlPicture::Asked) | None => Some("The picture is being read"),
            },
            ControlSource::Recipe if listed.control.picture.is_none() => {
                Some("The picture is gone; choose another")
            }
            _ => None,
        }
    }

    /// Whether the next pictures are controlled by a place of the list.
    pub fn is_controlled_by(&self, listed: &ListedControl) -> bool {
        !listed.rests
            && self.control_refusal(listed).is_none()
            && self.control_blank(listed).is_none()
    }

    /// The places of the list by which the next pictures are controlled.
    pub fn used_controls(&self) -> impl Iterator<Item = &ListedControl> {
        let listed = self.form().listed_controls.iter();
        let used = listed.filter(|listed| self.is_controlled_by(listed));
        used.take(MAX_CONTROLS)
    }
}

impl Core {
    pub(super) fn change_controls(&mut self, command: ControlCommand) {
        let settings = &mut self.state.settings;
        match command {
            ControlCommand::Pick => {
                let folder = settings.last_control_folder.clone();
                self.background
                    .pick(PickPurpose::ControlNet, folder.as_deref(), "");
            }
            ControlCommand::Add(path) => {
                settings.last_control_folder = path.parent().map(PathBuf::from);
                let model = self.state.model_folder().map(PathBuf::from);
                let file = ControlSpec::at(path).file;
                self.background.look_at_control(file, model, true);
            }
            ControlCommand::PickPicture(place) => {
                let folder = settings.last_folder.clone();
                let purpose = PickPurpose::ControlPicture(place);
                self.background.pick(purpose, folder.as_deref(), "");
            }
            ControlCommand::Show(place, path) => {
                // It may have been changed since it was read last.
                self.state.known_controls.pictures.remove(&path);
                let source = ControlSource::File(path);
                let form = &mut self.state.settings.form;
                form.change_control(place, ControlChange::Source(source));
            }
            ControlCommand::Preview(place) => self.preview_control(place),
        }
    }

    /// Has networks and pictures of the list looked at that are not known yet, and shows
    /// anew what a network sees that is made to see something else.
    pub(super) fn look_at_controls(&mut self) {
        self.keep_preview();
        let state = &mut self.state;
        let model = state.model_folder().map(Path::to_path_buf);
        let known = &mut state.known_controls;
        if known.beside != model {
            known.beside.clone_from(&model);
            known.networks.clear();
        }
        for listed in &state.settings.form.listed_controls {
            let file = &listed.control.file;
            if !known.networks.contains_key(file) {
                known.networks.insert(file.clone(), ControlKnown::Asked);
                self.background
                    .look_at_control(file.clone(), model.clone(), false);
            }
            if let ControlSource::File(path) = &listed.source
                && !known.pictures.contains_key(path)
            {
                known.pictures.insert(path.clone(), ControlPicture::Asked);
                self.background.read_control_picture(path.clone());
            }
        }
        // What is in no list is not held.
        let listed = &state.settings.form.listed_controls;
        known.pictures.retain(|path, _| {
            let shows = |it: &ListedControl| matches!(&it.source, ControlSource::File(shown) if shown == path);
            listed.iter().any(shows)
        });
    }

    pub(super) fn take_control_event(&mut self, event: ControlEvent) {
        let known = &mut self.state.known_controls;
        match event {
            ControlEvent::Seen {
                file,
                model,
                is_added,
                told,
            } => {
                if !is_added && model != known.beside {
                    // Another model was chosen meanwhile.
                    return;
                }
                let fits = match told {
                    Ok(()) => ControlKnown::Fits,
                    Err(text) if is_added => return self.take_error(Subject::Addition, &text),
                    Err(text) => ControlKnown::Lost(sentence(&text)),
                };
                known.networks.insert(file.clone(), fits);
                if is_added {
                    self.add_control(file);
                }
            }
            ControlEvent::Picture(path, read) => {
                let picture = match read {
                    Ok(picture) => ControlPicture::Read(picture),
                    Err(text) => ControlPicture::Lost(sentence(&text)),
                };
                if let Some(known) = known.pictures.get_mut(&path) {
                    *known = picture;
                }
            }
            ControlEvent::Previewed { place, of, picture } => {
                known.take_preview(place, &of, picture);
            }
        }
    }

    /// Takes a network into the list, with the picture that suits its kind best.
    fn add_control(&mut self, file: NamedFile) {
        let text = format!("Added the ControlNet \u{201c}{}\u{201d}", file.name);
        let control = ControlSpec {
            kind: ControlKind::guessed(&file.name),
            file,
            ..ControlSpec::default()
        };
        let state = &mut self.state;
        let source =
            if control.kind == ControlKind::Segmentation && state.has_drawn(Condition::LabelMap) {
                ControlSource::LabelMap
            } else {
                ControlSource::Canvas
            };
        state.notices.succeed(Subject::Addition);
        state.notices.push(Severity::Success, text);
        state.settings.form.list_control(control, source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_begins_before_it_ends() {
        let mut form = GenerateForm::default();
        form.list_control(ControlSpec::at("canny.pth"), ControlSource::Canvas);
        let set = |form: &mut GenerateForm, number: &'static Number, value: f32| {
            form.change_control(0, ControlChange::Number(number, Value::Real(value)));
            let control = &form.listed_controls[0].control;
            assert!(control.validate().is_ok(), "{control:?}");
            [control.weight, control.start, control.end]
        };
        assert_eq!(set(&mut form, &CONTROL_WEIGHT, 99.0), [5.0, 0.0, 1.0]);
        assert_eq!(set(&mut form, &CONTROL_END, 0.5), [5.0, 0.0, 0.5]);
        let [_, start, end] = set(&mut form, &CONTROL_START, 1.0);
        assert!(start < end && end <= 1.0);
        let [_, start, end] = set(&mut form, &CONTROL_END, 0.0);
        assert!(start < end && start >= 0.0);
    }

    #[test]
    fn what_another_kind_sees_comes_too_late() {
        let wanted = (ControlKind::Scribble, ControlSource::Canvas);
        let mut known = KnownControls {
            preview: Some(ControlPreview {
                place: 0,
                of: wanted.clone(),
                picture: None,
            }),
            ..KnownControls::default()
        };
        let picture = || Some(Arc::new(RgbaImage::new(1, 1)));
        let has_picture = |known: &KnownControls| {
            let preview = known.preview.as_ref();
            preview.map(|preview| preview.picture.is_some())
        };
        let late = (ControlKind::Canny, ControlSource::Canvas);
        known.take_preview(0, &late, picture());
        known.take_preview(0, &late, None);
        assert_eq!(has_picture(&known), Some(false));
        known.take_preview(0, &wanted, picture());
        assert_eq!(has_picture(&known), Some(true));
        known.take_preview(0, &wanted, None);
        assert_eq!(has_picture(&known), None);
    }

    #[test]
    fn settings_keep_the_list_but_for_layers() {
        let document = crate::document::Document::blank([8, 8]).expect("a size");
        let mut form = GenerateForm::default();
        let layer = ControlSource::Layer(document.id(), LayerId(3));
        form.list_control(ControlSpec::at("/c/canny.pth"), layer);
        let file = ControlSource::File("a.png".into());
        form.list_control(ControlSpec::at("/c/depth.pth"), file.clone());
        let text = serde_json::to_string(&form).expect("plain data");
        let read: GenerateForm = serde_json::from_str(&text).expect("the same");
        assert_eq!(read.listed_controls[0].source, ControlSource::Canvas);
        assert_eq!(read.listed_controls[1].source, file);
        assert_eq!(
            read.listed_controls[1].control,
            form.listed_controls[1].control
        );
        form.change_control(7, ControlChange::Remove);
        form.change_control(0, ControlChange::Remove);
        assert_eq!(form.listed_controls.len(), 1);
        // A finished picture had another.
        form.restore_controls(vec![ControlSpec {
            weight: 0.5,
            ..ControlSpec::at("canny.pth")
        }]);
        let rest: Vec<bool> = form.listed_controls.iter().map(|it| it.rests).collect();
        assert_eq!(rest, [true, false]);
    }
}
