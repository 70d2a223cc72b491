//! Words or a label map told as boxes too, by a model that can place them.

use std::borrow::Cow;

use super::unnamed::{Names, without_things};
use super::{Canvas, Conditions, GenerationRequest, LatentDiffusion};
use crate::model::PlacedBox;
use crate::recipe::prompt::{PromptSyntax, joined};
use crate::recipe::{
    BoxUse, InputSpec, LayoutBox, LayoutInput, MAX_BOXES, SemanticInput, Things, is_strip,
    knows_things,
};

/// How much longer one side may be: things were learnt to be placed on squares.
const MOST_RATIO: f32 = 2.0;

/// What boxes are placed for.
#[derive(Clone, Copy, Debug)]
pub struct Composing<'a> {
    /// The words.
    pub prompt: &'a str,
    /// Whether signs in them mean something.
    pub syntax: PromptSyntax,
    /// Steps of the run, by which words may change.
    pub steps: usize,
    /// Decides where.
    pub seed: u64,
    /// The size of the picture.
    pub size_px: [u32; 2],
    /// How it is seen.
    pub canvas: Canvas,
}

impl<'r> Composing<'r> {
    /// What boxes are placed for in a run.
    pub fn of(request: &'r GenerationRequest) -> Self {
        Self {
            prompt: &request.prompt,
            syntax: request.reading.syntax,
            steps: request.steps as usize,
            seed: request.seed,
            size_px: [request.width_px, request.height_px],
            canvas: request.canvas,
        }
    }

    /// The words without signs; `None` for those that change on the way, or are several
    /// texts: nobody can say what then lies where.
    fn words(&self) -> Option<String> {
        let [whole] = &self.syntax.conjuncts(self.prompt)[..] else {
            return None;
        };
        let [part] = &self.syntax.parts(&whole.text, self.steps)[..] else {
            return None;
        };
        Some(joined(&self.syntax.pieces(&part.text)))
    }

    /// The words, where they are no more than that.
    fn plain_words(&self) -> Option<String> {
        self.words()
            .filter(|words| words.trim() == self.prompt.trim())
    }

    /// Whether the picture is seen whole, and near enough to a square.
    fn is_squarish(&self) -> bool {
        let [across, down] = self.size_px.map(|side| side as f32);
        let is_whole = !self.canvas.divides(self.size_px);
        is_whole && across <= MOST_RATIO * down && down <= MOST_RATIO * across
    }
}

impl LatentDiffusion {
    /// Boxes for what words name, on a picture of this size; the same seed places them in
    /// the same way. `None` where the model cannot, or knows nothing that they name.
    pub fn boxes_for(&self, composing: &Composing<'_>) -> Option<LayoutInput> {
        let prior = self.layout_prior()?;
        let inputs = &self.manifest().inputs;
        let (classes, colours, max_boxes) = inputs.iter().find_map(|input| match input {
            InputSpec::Layout {
                classes,
                colours,
                max_boxes,
                ..
            } => Some((classes, colours, *max_boxes as usize)),
            _ => None,
        })?;
        let is_fit = composing.is_squarish() || self.is_strip_of_boxes(composing);
        let words = composing.words().filter(|_| is_fit)?;
        let named = |it: PlacedBox| {
            Some(LayoutBox {
                class: classes.get(it.class)?.clone(),
                rect: rect_of(it.place, composing.size_px.map(|side| side as f32)),
                colour: it
                    .colour
                    .checked_sub(1)
                    .and_then(|at| colours.get(at).cloned()),
            })
        };
        let placed = prior.placed(&words, composing.seed);
        let boxes: Vec<LayoutBox> = placed
            .into_iter()
            .filter_map(named)
            .take(max_boxes)
            .collect();
        (!boxes.is_empty()).then(|| LayoutInput(boxes.into()))
    }

    /// The things on a label map; `None` where there are none, or the model was not taught
    /// both. What is painted in windows may have more than the model sees.
    fn things_on(&self, map: &SemanticInput, composing: &Composing<'_>) -> Option<Things> {
        let inputs = &self.manifest().inputs;
        let Some(BoxUse::Classes {
            classes, max_boxes, ..
        }) = BoxUse::of(inputs).filter(|_| knows_things(inputs))
        else {
            return None;
        };
        let most = match composing.canvas.divides(composing.size_px) {
            true => MAX_BOXES,
            false => max_boxes as usize,
        };
        let things = map.things(classes, most);
        (!things.boxes.0.is_empty()).then_some(things)
    }

    /// Whether boxes can be placed for words, or for the things on a label map.
    pub fn places_boxes(&self, is_on_map: bool) -> bool {
        match is_on_map {
            true => knows_things(&self.manifest().inputs),
            false => self.layout_prior().is_some(),
        }
    }

    /// Conditions with boxes for the words or for what is on the label map, where they ask
    /// for them and have none themselves.
    pub(super) fn with_boxes(
        &self,
        conditions: Conditions,
        composing: &Composing<'_>,
    ) -> Conditions {
        let is_told = conditions.layout.is_some() || conditions.boxes_are_regions;
        if is_told || !conditions.places_boxes {
            return conditions;
        }
        let Some(map) = &conditions.semantic else {
            let layout = match conditions.low_resolution {
                Some(_) => None,
                None => self.boxes_for(composing),
            };
            return Conditions {
                layout,
                ..conditions
            };
        };
        match self.things_on(map, composing) {
            // As strong as the map that they stand for.
            Some(Things { boxes, map }) => Conditions {
                layout: Some(boxes),
                layout_weight: conditions.semantic_weight,
                semantic: Some(map),
                ..conditions
            },
            None => conditions,
        }
    }

    /// Whether the model knows what boxes are called, so that words can be left to them.
    pub fn names_boxes(&self) -> bool {
        let prior = self.layout_prior();
        prior.is_some_and(|prior| !prior.config().plurals.is_empty())
    }

    /// Whether a picture is a strip on which boxes stand for words: one that
    /// [`WindowChoice::beside_boxes`](crate::recipe::WindowChoice::beside_boxes) divides so.
    /// Recipes of other windows, and from before there were such strips, paint as ever.
    fn is_strip_of_boxes(&self, composing: &Composing<'_>) -> bool {
        let native_px = self.manifest().resolution_px;
        self.names_boxes()
            && is_strip(composing.size_px, native_px)
            && composing.canvas.window_px == Some(native_px)
    }

    /// What the denoiser hears of a prompt on a strip with boxes: nothing of the things that
    /// boxes stand for, which every window would paint. `None` where that is all of it.
    pub(super) fn words_beside_boxes(
        &self,
        composing: &Composing<'_>,
        conditions: &Conditions,
    ) -> Option<String> {
        if !self.is_strip_of_boxes(composing) || conditions.boxes_are_regions {
            return None;
        }
        let boxes = conditions.layout.as_ref()?;
        self.words_without(composing, |class| {
            boxes.0.iter().any(|it| it.class == class)
        })
    }

    /// The words without what they say of things of some classes; `None` where they name none
    /// of these, or are more than words.
    pub fn words_without(
        &self,
        composing: &Composing<'_>,
        is_gone: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let config = self.layout_prior()?.config();
        let inputs = &self.manifest().inputs;
        let (classes, colours) = inputs.iter().find_map(|input| match input {
            InputSpec::Layout {
                classes, colours, ..
            } => Some((classes, colours)),
            _ => None,
        })?;
        let named = classes.iter().zip(&config.plurals);
        let gone = named.filter(|(class, _)| is_gone(class));
        let names = Names {
            nouns: gone
                .flat_map(|(one, several)| [&**one, &**several])
                .collect(),
            colours,
            placing: &config.words,
        };
        without_things(&composing.plain_words()?, &names)
    }

    /// A request with boxes for its words, as [`Self::with_boxes`] says, and without the
    /// words that boxes stand for, as [`Self::words_beside_boxes`] says.
    pub(super) fn composed<'r>(
        &self,
        request: &'r GenerationRequest,
    ) -> Cow<'r, GenerationRequest> {
        let composing = Composing::of(request);
        let mut conditions = Cow::Borrowed(&request.conditions);
        // Words say what is to be on the whole picture, and a mask where some of it goes.
        let says_where = request.init.is_none() || conditions.semantic.is_some();
        if conditions.places_boxes && says_where {
            conditions = Cow::Owned(self.with_boxes(conditions.into_owned(), &composing));
        }
        let rest = self.words_beside_boxes(&composing, &conditions);
        match (conditions, rest) {
            (Cow::Borrowed(_), None) => Cow::Borrowed(request),
            (conditions, rest) => Cow::Owned(GenerationRequest {
                conditions: conditions.into_owned(),
                prompt: rest.unwrap_or_else(|| request.prompt.clone()),
                ..request.clone()
            }),
        }
    }
}

/// Left, top, width and height in pixels of a box whose middle is a share of each side and
/// whose size is a share of the shorter one, moved into the picture.
fn rect_of([x, y, width, height]: [f32; 4], [across, down]: [f32; 2]) -> [f32; 4] {
    let shorter = across.min(down);
    let (width, height) = ((width * shorter).min(across), (height * shorter).min(down));
    let left = (x * across - width / 2.0).clamp(0.0, across - width);
    let top = (y * down - height / 2.0).clamp(0.0, down - height);
    [left, top, width, height]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(prompt: &str, syntax: PromptSyntax) -> Option<String> {
        Composing {
            prompt,
            syntax,
            steps: 8,
            seed: 0,
            size_px: [128, 128],
            canvas: Canvas::default(),
        }
        .words()
    }

    #[test]
    fn signs_are_no_words() {
        let weighted = |prompt| words(prompt, PromptSyntax::Weighted);
        assert_eq!(weighted("a (red:1.3) car").as_deref(), Some("a red car"));
        assert_eq!(weighted("a [car:cow:0.5]"), None);
        assert_eq!(weighted("a car AND a cow"), None);
        let plain = words("a (car) AND a cow", PromptSyntax::Plain);
        assert_eq!(plain.as_deref(), Some("a (car) AND a cow"));
    }

    #[test]
    fn boxes_keep_their_form_and_stay_inside() {
        assert_eq!(
            rect_of([0.5, 0.5, 0.5, 0.25], [128.0, 128.0]),
            [32.0, 48.0, 64.0, 32.0]
        );
        // Twice as wide: as large, twice as far apart.
        assert_eq!(
            rect_of([0.25, 0.5, 0.5, 0.25], [256.0, 128.0]),
            [32.0, 48.0, 64.0, 32.0]
        );
        assert_eq!(
            rect_of([0.0, 1.0, 0.5, 0.5], [128.0, 128.0]),
            [0.0, 64.0, 64.0, 64.0]
        );
    }
}
