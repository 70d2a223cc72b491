//! What a job is told of a document besides words and pictures: the boxes and label
//! maps that are seen, as far as they are switched on and the chosen model takes them.

use std::sync::Arc;

use super::boxes::Report;
use super::classes::BuiltInPalette;
use super::form::{GenerateForm, Intent};
use super::frame::JobFrame;
use super::small_picture;
use super::state::AppState;
use crate::document::{BoundingBox, DocumentSnapshot, LayerId, LayerKind, stored_class};
use crate::engine::protocol::ModelSummary;
use crate::geometry::{CanvasPoint, CanvasRect};
use crate::recipe::palette::is_same_name;
use crate::recipe::param::{LAYOUT_WEIGHT, Number, SEMANTIC_WEIGHT};
use crate::recipe::{
    BoxUse, GenerateSpec, InputSpec, LayoutInput, MapUse, ModelSource, Palette, PaletteClass,
    SemanticInput, box_number,
};

/// Something that may be drawn for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Where what is to appear.
    Boxes,
    /// What every pixel is to be.
    LabelMap,
}

impl Condition {
    /// All, in the order in which panels list them.
    pub const ALL: [Self; 2] = [Self::Boxes, Self::LabelMap];

    /// How strongly it acts.
    pub fn weight(self) -> &'static Number {
        match self {
            Self::Boxes => &LAYOUT_WEIGHT,
            Self::LabelMap => &SEMANTIC_WEIGHT,
        }
    }

    /// What a model takes or takes not.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Boxes => "boxes",
            Self::LabelMap => "label maps",
        }
    }

    fn layer_kind(self) -> LayerKind {
        match self {
            Self::Boxes => LayerKind::Layout,
            Self::LabelMap => LayerKind::Semantic,
        }
    }

    fn is_among(self, inputs: &[InputSpec]) -> bool {
        match self {
            Self::Boxes => BoxUse::of(inputs).is_some(),
            Self::LabelMap => MapUse::of(inputs).is_some(),
        }
    }

    /// Whether a model was trained with it, and not only reads words.
    pub fn is_known(self, inputs: &[InputSpec]) -> bool {
        match self {
            Self::Boxes => BoxUse::of(inputs).is_some_and(|used| used != BoxUse::Regions),
            Self::LabelMap => MapUse::of(inputs).is_some_and(|used| used != MapUse::Regions),
        }
    }
}

impl GenerateForm {
    /// Whether something is switched on, if it is drawn.
    pub fn uses(&self, condition: Condition) -> bool {
        match condition {
            Condition::Boxes => self.uses_boxes,
            Condition::LabelMap => self.uses_label_map,
        }
    }
}

/// What a model places boxes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// What the words name.
    Words,
    /// The things on the label map.
    Things,
    /// What the words name and the part of the picture that stays does not show.
    Missing,
}

/// What the next job will be told, for a sentence about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Number of boxes.
    pub boxes: usize,
    /// Whether they act by their words only.
    pub boxes_are_regions: bool,
    /// Whether there is a label map.
    pub has_map: bool,
    /// Whether it acts by the names of its classes only.
    pub map_is_regions: bool,
    /// Whether there is a low-resolution picture.
    pub has_small_picture: bool,
    /// Whether there is a guide.
    pub has_guide: bool,
    /// Number of ControlNets.
    pub controls: usize,
    /// Whether the model reads words.
    pub reads_words: bool,
}

impl Told {
    /// As in "3 boxes and a label map"; `None` for neither.
    pub fn words(self) -> Option<String> {
        let are_both_regions = self.has_map && self.boxes_are_regions && self.map_is_regions;
        // Said once where it is so of both.
        let are_called = self.boxes_are_regions && !are_both_regions;
        let boxes = match (self.boxes, are_called) {
            (0, _) => None,
            (1, false) => Some("1 box".to_owned()),
            (1, true) => Some("1 box as a regional prompt".to_owned()),
            (count, false) => Some(format!("{count} boxes")),
            (count, true) => Some(format!("{count} boxes as regional prompts")),
        };
        let map = self.has_map.then(|| match self.map_is_regions {
            true => "a label map as regional prompts".to_owned(),
            false => "a label map".to_owned(),
        });
        let small = self.has_small_picture;
        let small = small.then(|| "a low-resolution picture".to_owned());
        let guide = self.has_guide.then(|| "a guide".to_owned());
        let controls = match self.controls {
            0 => None,
            1 => Some("a control picture".to_owned()),
            count => Some(format!("{count} control pictures")),
        };
        let all = [boxes, map, small, guide, controls];
        let all: Vec<String> = all.into_iter().flatten().collect();
        let (last, others) = all.split_last()?;
        Some(match others {
            [] => last.clone(),
            others => format!("{} and {last}", others.join(", ")),
        })
    }
}

impl AppState {
    /// Whether something of the kind is drawn on a layer that is seen.
    pub fn has_drawn(&self, condition: Condition) -> bool {
        let mut layers = self.document().layers().iter();
        layers.any(|layer| {
            layer.visible && layer.kind() == condition.layer_kind() && !layer.content.is_blank()
        })
    }

    /// Whether anything is drawn that a picture is to be painted from. Then the canvas
    /// says how large that is.
    pub fn has_conditions(&self) -> bool {
        Condition::ALL.iter().any(|it| self.has_drawn(*it))
            || self.small_picture().is_some()
            || self.guide().is_some()
            || self.controls_by_canvas()
    }

    /// Why the chosen model cannot be told something, as a sentence; `None` where it
    /// can, or is not known yet.
    pub fn refusal(&self, condition: Condition) -> Option<String> {
        let model = self.model_summary()?;
        let takes = condition.is_among(&model.inputs);
        (!takes).then(|| format!("{} takes no {}", model.name, condition.plural()))
    }

    /// How something acts on a model that does not know it but reads words, as a
    /// sentence; `None` where the model knows it, or is not known yet.
    pub fn substitute(&self, condition: Condition) -> Option<String> {
        let model = self.model_summary()?;
        let act = match condition {
            Condition::Boxes => "their words act inside of them, as regional prompts",
            Condition::LabelMap => "the names of classes act where they are, as regional prompts",
        };
        let inputs = &model.inputs;
        let is_so = condition.is_among(inputs) && !condition.is_known(inputs);
        is_so.then(|| format!("{} knows no {}: {act}", model.name, condition.plural()))
    }

    /// What the model can place boxes for in the next picture, if it can and none are drawn.
    pub fn placing(&self) -> Option<Placing> {
        let model = self.model_summary()?;
        if self.tells(Condition::Boxes) {
            return None;
        }
        if self.tells(Condition::LabelMap) {
            return model.knows_things.then_some(Placing::Things);
        }
        let is_told_more = self.shown_small().is_some()
            || self.guide().is_some()
            || self.used_controls().count() > 0;
        if !model.places_boxes || is_told_more {
            return None;
        }
        match self.intent() {
            Intent::TextToImage => Some(Placing::Words),
            Intent::Inpaint | Intent::Outpaint => Some(Placing::Missing),
            Intent::ImageToImage => None,
        }
    }

    /// What else can be said of how boxes act on the chosen model.
    pub fn box_number(&self) -> Option<&'static Number> {
        box_number(&self.model_summary()?.inputs)
    }

    /// Whether the next job is told of something.
    pub fn tells(&self, condition: Condition) -> bool {
        self.has_drawn(condition)
            && self.form().uses(condition)
            && self.refusal(condition).is_none()
    }

    /// What the next job will be told, given the number of boxes that the model takes.
    pub fn told(&self, boxes: usize) -> Told {
        Told {
            boxes: if self.tells(Condition::Boxes) {
                boxes
            } else {
                0
            },
            boxes_are_regions: self.substitute(Condition::Boxes).is_some(),
            has_map: self.tells(Condition::LabelMap),
            map_is_regions: self.substitute(Condition::LabelMap).is_some(),
            has_small_picture: self.shown_small().is_some(),
            has_guide: self.guide().is_some(),
            controls: self.used_controls().count(),
            reads_words: self.model_summary().is_none_or(ModelSummary::takes_text),
        }
    }

    /// What of the label maps that are seen the model does not know and will not be
    /// told, as a sentence; from what was counted last.
    pub fn unknown_classes(&self) -> Option<String> {
        let model = self.model_summary()?;
        let known = model.map_classes()?;
        let document = self.document();
        let layers = document.layers().iter();
        let seen = layers.filter(|layer| layer.visible && layer.kind() == LayerKind::Semantic);
        let counts: Vec<_> = seen
            .filter_map(|layer| self.shares.of(document.id(), layer.id))
            .collect();
        let is_painted = |class: &&PaletteClass| {
            let stored = usize::from(stored_class(class.index));
            counts.iter().any(|counts| counts[stored] > 0)
        };
        let is_known = |name: &str| known.iter().any(|known| is_same_name(&known.name, name));
        let painted = document.palette().classes.iter().filter(is_painted);
        let unknown = painted.map(|class| class.name.as_str());
        let unknown: Vec<&str> = unknown.filter(|name| !is_known(name)).collect();
        let name = &model.name;
        match unknown[..] {
            [] => None,
            [only] => Some(format!("{name} does not know {only}: it is left out")),
            [first, second] => Some(format!(
                "{name} does not know {first} and {second}: they are left out"
            )),
            [first, ref others @ ..] => Some(format!(
                "{name} does not know {first} and {} others: they are left out",
                others.len()
            )),
        }
    }

    /// The classes that the model in hand knows, as a palette: Storybook's where they are
    /// the same.
    pub fn palette_of_model(&self) -> Option<Palette> {
        let model = self.model_summary()?;
        let classes = model.map_classes()?.to_vec();
        let storybook = BuiltInPalette::Storybook.palette();
        let name = match storybook.classes == classes {
            true => storybook.name,
            false => model.name.clone(),
        };
        Some(Palette { name, classes })
    }

    /// Another model that was trained with something, and its name: the first of those that
    /// were loaded since the start, or else of those that are known by their folders.
    pub fn model_for(&self, condition: Condition) -> Option<(&ModelSource, &str)> {
        self.model_that(|inputs| condition.is_known(inputs))
    }

    /// The same for one that can be shown a small picture.
    pub fn model_for_small_pictures(&self) -> Option<(&ModelSource, &str)> {
        self.model_that(small_picture::is_taken)
    }

    fn model_that(&self, is_so: impl Fn(&[InputSpec]) -> bool) -> Option<(&ModelSource, &str)> {
        let met = self.met_models.iter();
        let met = met.map(|it| (&it.source, it.name.as_str(), &it.inputs));
        let known = self.known_inputs.iter();
        let known = known.map(|it| (&it.source, it.name.as_str(), &it.inputs));
        let chosen = &self.form().spec.model;
        let mut others = met.chain(known).filter(|(source, ..)| *source != chosen);
        let found = others.find(|(_, _, inputs)| is_so(inputs));
        found.map(|(source, name, _)| (source, name))
    }

    /// What a job will be told of the document, to be worked out from a snapshot.
    pub(super) fn drawn(&self) -> Drawn {
        let model = self.model_summary();
        let boxes = self
            .tells(Condition::Boxes)
            .then(|| Report::painted_as(self.document(), self.painted_as(), model).input());
        let classes = model.and_then(ModelSummary::map_classes);
        Drawn {
            boxes: boxes.flatten(),
            has_map: self.tells(Condition::LabelMap),
            classes: classes.map(<[PaletteClass]>::to_vec),
            frame: self.job_frame(),
            small: self.shown_small(),
            guide: self.guide().map(|layer| layer.id),
        }
    }
}

/// What was drawn for a job.
#[derive(Clone, Debug)]
pub(super) struct Drawn {
    boxes: Option<LayoutInput>,
    has_map: bool,
    /// The classes that the model knows; none while there is no model yet.
    classes: Option<Vec<PaletteClass>>,
    /// What is painted; none for the whole canvas.
    frame: Option<JobFrame>,
    /// The layer that is shown in small, and how much smaller.
    small: Option<(LayerId, u32)>,
    /// The layer that pulls what is painted towards itself.
    guide: Option<LayerId>,
}

impl Drawn {
    /// Whether there is a map or a picture to be read, which takes time.
    pub fn has_map(&self) -> bool {
        self.has_map || self.small.is_some() || self.guide.is_some()
    }

    /// Puts it into a job. What the model does not know is left out: the panel has
    /// said so. Reads every pixel of the label maps.
    pub fn put_into(self, spec: &mut GenerateSpec, document: &DocumentSnapshot) {
        spec.layout = self.boxes;
        let part = self
            .frame
            .map_or_else(|| document.rect(), |frame| frame.rect);
        if let Some(small) = self.small {
            small_picture::show_small(spec, document, part, small);
        }
        if let Some(guide) = self.guide {
            small_picture::guide_by(spec, document, part, guide);
        }
        let map = self.has_map.then(|| document.label_map_in(part)).flatten();
        let semantic = map.map(|map| SemanticInput {
            map: Arc::new(map),
            palette: document.palette().clone(),
        });
        let semantic = semantic.map(|semantic| match self.frame {
            Some(frame) => semantic.resized(frame.painted_px),
            None => semantic,
        });
        spec.semantic = match (semantic, &self.classes) {
            (Some(semantic), Some(classes)) => semantic.limited_to(classes),
            (semantic, _) => semantic,
        };
    }
}

/// The boxes of a recipe as those of the part of the canvas that was painted.
pub(super) fn boxes_on_canvas(
    layout: &LayoutInput,
    painted_px: [u32; 2],
    part: CanvasRect,
) -> Vec<BoundingBox> {
    let part_px = part.size_px();
    let [across, down] = [0, 1].map(|side| part_px[side] as f32 / painted_px[side].max(1) as f32);
    let origin = part.min.map(|at| at as f32);
    let scaled = layout.scaled(across, down);
    let boxes = scaled.0.iter().map(|it| {
        let [x, y, width, height] = it.rect;
        let min = CanvasPoint::new(x, y);
        let max = CanvasPoint::new(x + width, y + height);
        let found = BoundingBox {
            colour: it.colour.clone(),
            ..BoundingBox::from_corners(min, max, &it.class)
        };
        found.moved_by(origin)
    });
    boxes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_said_in_words() {
        let told = |boxes, has_map, has_small_picture| Told {
            boxes,
            boxes_are_regions: false,
            has_map,
            map_is_regions: false,
            has_small_picture,
            has_guide: false,
            controls: 0,
            reads_words: true,
        };
        let words = |boxes, has_map| told(boxes, has_map, false).words();
        assert_eq!(
            told(2, true, true).words().as_deref(),
            Some("2 boxes, a label map and a low-resolution picture")
        );
        assert_eq!(words(0, false), None);
        assert_eq!(words(1, false).as_deref(), Some("1 box"));
        assert_eq!(words(0, true).as_deref(), Some("a label map"));
        assert_eq!(words(3, true).as_deref(), Some("3 boxes and a label map"));
        let regional = Told {
            boxes_are_regions: true,
            ..told(3, false, false)
        };
        assert_eq!(
            regional.words().as_deref(),
            Some("3 boxes as regional prompts")
        );
        let one = Told {
            boxes: 1,
            ..regional
        };
        assert_eq!(one.words().as_deref(), Some("1 box as a regional prompt"));
        let both = Told {
            has_map: true,
            map_is_regions: true,
            ..regional
        };
        assert_eq!(
            both.words().as_deref(),
            Some("3 boxes and a label map as regional prompts")
        );
    }
}
