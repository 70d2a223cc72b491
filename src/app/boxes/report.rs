//! What a model makes of the boxes of a document: which it is given, and what it
//! cannot do with the others.

use std::collections::BTreeSet;

use super::Vocabulary;
use crate::app::frame::JobFrame;
use crate::app::state::AppState;
use crate::document::{BoundingBox, Document, LayerId};
use crate::engine::protocol::ModelSummary;
use crate::recipe::{BoxUse, Finish, LayoutBox, LayoutInput};

/// What a model cannot do with a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Concern {
    /// It takes no boxes.
    NotTaken,
    /// The box does not say what it holds.
    NoClass,
    /// No part of the box lies inside of the picture.
    Outside,
    /// It does not know the class.
    Unknown,
    /// It takes fewer boxes.
    TooMany,
    /// What is painted is coarser than the box.
    Small,
    /// A part of the box lies outside of the picture.
    OverEdge,
    /// It does not know the colour.
    Colour,
}

impl Concern {
    /// Whether the model is not given the box.
    pub fn is_left_out(self) -> bool {
        match self {
            Self::NotTaken | Self::NoClass | Self::Outside | Self::Unknown | Self::TooMany => true,
            Self::Small | Self::OverEdge | Self::Colour => false,
        }
    }

    /// A few words for the line of a table.
    pub fn note(self) -> &'static str {
        match self {
            Self::NotTaken => "left out: the model takes no boxes",
            Self::NoClass => "left out: no class",
            Self::Outside => "left out: outside of what is painted",
            Self::Unknown => "left out: class not in the model",
            Self::TooMany => "left out: one too many",
            Self::Small => "smaller than the model paints",
            Self::OverEdge => "reaches over the edge",
            Self::Colour => "colour not in the model",
        }
    }
}

/// What a model makes of the boxes that are seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What it is given, the lowest first.
    pub given: Vec<LayoutBox>,
    /// Its concerns: layer, position in it, and what is the matter.
    pub concerns: Vec<(LayerId, usize, Concern)>,
    /// The same in sentences for the user, the weightiest first.
    pub sentences: Vec<String>,
    /// The classes that it does not know, each once.
    pub unknown: Vec<String>,
    /// Whether what is painted is a frame, and not the whole picture.
    is_framed: bool,
    /// Whether it is painted in several windows, each of which sees its own boxes.
    is_divided: bool,
    /// The side of the smallest box that is surely seen.
    least_px: u32,
}

/// How a job paints what lies on the canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PaintedAs {
    /// The part of the canvas that it paints; none for all of it.
    pub frame: Option<JobFrame>,
    /// How it is finished where all of the canvas is painted smaller than it is.
    pub finish: Option<Finish>,
    /// Whether that is painted in several windows.
    pub is_divided: bool,
}

impl AppState {
    /// How a press on Generate would paint what lies on the canvas.
    pub fn painted_as(&self) -> PaintedAs {
        PaintedAs {
            frame: self.job_frame(),
            finish: self.paints_smaller().map(|(finish, _)| finish),
            is_divided: self.paints_in_windows(),
        }
    }
}

/// A box as jobs and files have it.
pub fn layout_box(found: &BoundingBox) -> LayoutBox {
    let [width, height] = found.size_px();
    LayoutBox {
        class: found.label.trim().to_owned(),
        rect: [found.min.x, found.min.y, width, height],
        colour: found.colour.clone(),
    }
}

impl Report {
    /// What the model is given; `None` where that is nothing.
    pub fn input(&self) -> Option<LayoutInput> {
        (!self.given.is_empty()).then(|| LayoutInput(self.given.as_slice().into()))
    }

    /// What a model makes of a document's boxes; `None` while there is no model,
    /// which then is taken to know everything.
    pub fn new(document: &Document, model: Option<&ModelSummary>) -> Self {
        Self::painted_as(document, PaintedAs::default(), model)
    }

    /// What it makes of them where it does not paint the canvas pixel for pixel: they are
    /// given as they lie in the frame.
    pub fn painted_as(
        document: &Document,
        painted_as: PaintedAs,
        model: Option<&ModelSummary>,
    ) -> Self {
        let PaintedAs {
            frame,
            finish,
            is_divided,
        } = painted_as;
        let latent_px = model.map_or(1, |model| model.size_multiple_px);
        let mut report = Self {
            is_framed: frame.is_some(),
            is_divided,
            least_px: (latent_px as f32 * finish.map_or(1.0, Finish::factor)) as u32,
            ..Self::default()
        };
        let size_px = frame.map_or_else(|| document.size_px(), |frame| frame.painted_px);
        let mut colours = BTreeSet::new();
        let vocabulary = model.and_then(vocabulary_of);
        for (layer, index, found) in seen(document) {
            let found = &frame.map_or_else(|| found.clone(), |frame| painted(found, frame));
            let mut concern = |concern| report.concerns.push((layer, index, concern));
            let is_full = vocabulary.is_some_and(|it| {
                report.given.len() >= it.max_boxes && !(report.is_divided && it.sees_windows)
            });
            let why = if model.is_some() && vocabulary.is_none() {
                Some(Concern::NotTaken)
            } else if found.label.trim().is_empty() {
                Some(Concern::NoClass)
            } else if found.is_outside(size_px) || found.area_px() <= 0.0 {
                Some(Concern::Outside)
            } else if vocabulary.is_some_and(|it| !it.knows(&found.label)) {
                report.unknown.push(found.label.clone());
                Some(Concern::Unknown)
            } else if is_full {
                Some(Concern::TooMany)
            } else {
                None
            };
            if let Some(why) = why {
                concern(why);
                continue;
            }
            let least_px = report.least_px as f32;
            let sides_px = inside_px(found, size_px);
            if sides_px.iter().any(|side| *side < least_px) {
                concern(Concern::Small);
            }
            if found.reaches_over(size_px) {
                concern(Concern::OverEdge);
            }
            let is_known = |word: &&String| vocabulary.is_none_or(|it| it.knows_colour(word));
            let colour = found.colour.as_ref().filter(is_known);
            if let (Some(word), None) = (&found.colour, colour) {
                concern(Concern::Colour);
                colours.insert(word.to_lowercase());
            }
            report.given.push(LayoutBox {
                colour: colour.cloned(),
                ..layout_box(found)
            });
        }
        let mut met = BTreeSet::new();
        report
            .unknown
            .retain(|class| met.insert(class.to_lowercase()));
        report.sentences = sentences(&report, model, &Vec::from_iter(colours));
        report
    }

    /// The weightiest concern about a box.
    pub fn of_box(&self, layer: LayerId, index: usize) -> Option<Concern> {
        let own = self
            .concerns
            .iter()
            .filter(|it| (it.0, it.1) == (layer, index));
        own.map(|it| it.2).min()
    }

    fn count(&self, concern: Concern) -> usize {
        self.concerns.iter().filter(|it| it.2 == concern).count()
    }
}

/// What a model knows of boxes; `None` when it takes none.
pub(super) fn vocabulary_of(model: &ModelSummary) -> Option<Vocabulary<'_>> {
    let used = BoxUse::of(&model.inputs)?;
    let (classes, colours) = match used {
        BoxUse::Classes {
            classes, colours, ..
        } => (classes, colours),
        BoxUse::Phrases { .. } | BoxUse::Regions => (&[][..], &[][..]),
    };
    Some(Vocabulary {
        takes_any: !matches!(used, BoxUse::Classes { .. }),
        sees_windows: !matches!(used, BoxUse::Regions),
        classes,
        colours,
        max_boxes: usize::try_from(used.max_boxes()).unwrap_or(usize::MAX),
    })
}

/// A box as it lies in what is painted of a frame.
fn painted(found: &BoundingBox, frame: JobFrame) -> BoundingBox {
    BoundingBox {
        min: frame.painted_at(found.min),
        max: frame.painted_at(found.max),
        ..found.clone()
    }
}

/// The boxes of the layers that are seen, with their places.
fn seen(document: &Document) -> impl Iterator<Item = (LayerId, usize, &BoundingBox)> {
    let layers = document.layers().iter().filter(|layer| layer.visible);
    layers.flat_map(|layer| {
        let boxes = layer.boxes().unwrap_or_default().iter().enumerate();
        boxes.map(|(index, found)| (layer.id, index, found))
    })
}

/// Width and height of the part of a box that lies inside of a picture.
fn inside_px(found: &BoundingBox, size_px: [u32; 2]) -> [f32; 2] {
    let [width, height] = size_px.map(|side| side as f32);
    [
        found.max.x.min(width) - found.min.x.max(0.0),
        found.max.y.min(height) - found.min.y.max(0.0),
    ]
}

fn sentences(report: &Report, model: Option<&ModelSummary>, colours: &[String]) -> Vec<String> {
    let name = model.map_or("The model", |model| model.name.as_str());
    let least_px = report.least_px;
    let max_boxes = model.and_then(vocabulary_of).map_or(0, |it| it.max_boxes);
    let tell =
        |concern: Concern, one: &dyn Fn() -> String, many: &dyn Fn(usize) -> String| match report
            .count(concern)
        {
            0 => None,
            1 => Some(one()),
            count => Some(many(count)),
        };
    let simple = |concern, one: &str, many: &str| {
        tell(concern, &|| format!("1 box {one}"), &|count| {
            format!("{count} boxes {many}")
        })
    };
    let told = [
        tell(
            Concern::NotTaken,
            &|| format!("{name} takes no boxes: the box is left out"),
            &|count| format!("{name} takes no boxes: {count} boxes are left out"),
        ),
        simple(
            Concern::NoClass,
            "has no class and is left out",
            "have no class and are left out",
        ),
        tell(
            Concern::Unknown,
            &|| {
                format!(
                    "{name} does not know {}: its box is left out",
                    listed(&report.unknown)
                )
            },
            &|count| {
                let unknown = listed(&report.unknown);
                format!("{name} does not know {unknown}: {count} boxes are left out")
            },
        ),
        (report.is_divided && report.given.len() > max_boxes).then(|| {
            format!(
                "{name} sees {max_boxes} boxes at a time: each window of the picture sees its own, and the largest where there are more"
            )
        }),
        tell(
            Concern::TooMany,
            &|| format!("{name} takes {max_boxes} boxes: the uppermost is left out"),
            &|count| format!("{name} takes {max_boxes} boxes: the upper {count} are left out"),
        ),
        match report.is_framed {
            false => simple(
                Concern::Outside,
                "lies outside of the picture and is left out",
                "lie outside of the picture and are left out",
            ),
            true => simple(
                Concern::Outside,
                "lies outside of the frame and is left out",
                "lie outside of the frame and are left out",
            ),
        },
        tell(
            Concern::Small,
            &|| format!("1 box is smaller than {least_px} × {least_px} px and may not be seen"),
            &|count| {
                format!(
                    "{count} boxes are smaller than {least_px} × {least_px} px and may not be seen"
                )
            },
        ),
        simple(
            Concern::OverEdge,
            "reaches over the edge: only the part inside is painted",
            "reach over the edge: only the parts inside are painted",
        ),
        tell(
            Concern::Colour,
            &|| {
                format!(
                    "{name} has no colour {}: the box may have any",
                    listed(colours)
                )
            },
            &|count| {
                let colours = listed(colours);
                format!("{name} has no colour {colours}: {count} boxes may have any")
            },
        ),
    ];
    told.into_iter().flatten().collect()
}

/// Words in quotation marks, the first three of them.
fn listed(words: &[String]) -> String {
    const MOST_WORDS: usize = 3;
    let mut quoted: Vec<String> = words
        .iter()
        .take(MOST_WORDS)
        .map(|word| format!("“{word}”"))
        .collect();
    if words.len() > MOST_WORDS {
        quoted.push(format!("{} others", words.len() - MOST_WORDS));
    }
    match quoted.pop() {
        None => String::new(),
        Some(last) if quoted.is_empty() => last,
        Some(last) => format!("{} and {last}", quoted.join(", ")),
    }
}

#[cfg(test)]
mod tests;
