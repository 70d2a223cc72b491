//! What a denoiser can be told of a picture besides masks, and how much of it it is
//! told at a time.
//!
//! Each condition is left out at random, alone and all together, so that every mix
//! of them works and guidance has its branch without any; and what is told is as
//! people tell it: captions that name some things only, boxes that are a little off
//! or missing, maps that are rough.

use std::sync::Arc;

use image::{GrayImage, Luma, RgbImage, imageops};

use super::config::ConditionShares;
use super::degradation::degraded;
use super::paper_form::{PaperForm, Reads, WHOLE};
use super::rough_map::roughened;
use super::source::Sample;
use crate::model::conditioner::box_tokens::BoxGrammar;
use crate::model::conditioner::layout::{BoxNames, NumberedBox};
use crate::model::conditioner::semantic::class_number;
use crate::model::{ClipTokenizer, Manifest};
use crate::pixels::planes;
use crate::random::Random;
use crate::recipe::palette::{NOTHING, is_same_name};
use crate::recipe::{Degradation, InputSpec, PaletteClass, SemanticInput};

/// Share of the layouts that have all boxes of the picture.
const ALL_BOXES: f32 = 0.65;
/// Share of the boxes that the others have.
const KEPT_BOXES: f32 = 0.6;
/// Share of the layouts that tell colours.
const COLOURS: f32 = 0.7;
/// Standard deviation of what corners are off, as a share of the picture.
const OFF: f32 = 0.012;

/// Everything that can be told of a picture besides masks.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tellable {
    /// Its caption as tokens, and captions that leave something out.
    pub captions: Vec<Vec<i32>>,
    pub boxes: Vec<NumberedBox>,
    /// The part of a picture that is shown, in which boxes are told of all of it.
    pub part: [f32; 4],
    /// The model's number of a class for each pixel, or [`NOTHING`].
    pub label_map: Option<Arc<GrayImage>>,
    /// Planes of the small picture, in [-1, 1]; empty where the model takes none.
    pub small: Vec<f32>,
    /// The model's number of its class.
    pub class: Option<u32>,
}

/// What is told of a picture once.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Told<'a> {
    /// Tokens; empty for no words.
    pub caption: &'a [i32],
    pub boxes: Vec<NumberedBox>,
    /// Of the picture that the boxes are in.
    pub part: [f32; 4],
    pub label_map: Option<GrayImage>,
    /// Empty for no picture.
    pub small: &'a [f32],
    /// `None` for none.
    pub class: Option<u32>,
}

/// Knows what a model can be told, and in which numbers.
#[derive(Clone)]
pub(super) struct Teller {
    /// Absent for a model that takes no words.
    tokenizer: Option<Arc<ClipTokenizer>>,
    /// How models of the paper's code are told.
    reads: Option<Reads>,
    boxes: Option<BoxNames>,
    classes: Vec<PaletteClass>,
    /// Names of what a whole picture may be.
    kinds: Vec<String>,
    /// Which of `classes` are things: what boxes may hold.
    is_thing: [bool; 256],
    small_factor: Option<u32>,
    degradation: Degradation,
    shares: ConditionShares,
    /// Whether boxes and maps are told as they are, and not as hands would draw them.
    is_exact: bool,
}

/// How often a model that takes one thing alone is told it.
fn shares_alone(inputs: &[InputSpec], dropout: f32) -> Option<ConditionShares> {
    let is_alone = |input: &InputSpec| !matches!(input, InputSpec::Mask { .. });
    let mut inputs = inputs.iter().filter(|input| is_alone(input));
    let nothing = match (inputs.next()?, inputs.next()) {
        // What is said without words is dropped with the words.
        (InputSpec::Text { .. }, _) | (_, Some(_)) => return None,
        (
            InputSpec::LowResolution {
                is_needed: true, ..
            },
            None,
        ) => 0.0,
        (_, None) => dropout,
    };
    Some(ConditionShares {
        nothing,
        partial_caption: 0.0,
        boxes: 1.0,
        label_map: 1.0,
        low_resolution: 1.0,
    })
}

impl Teller {
    /// For a model that takes what its manifest says, told as often as `shares` say or, if
    /// it takes one thing alone, always but for `dropout`.
    pub fn new(
        manifest: &Manifest,
        tokenizer: Option<Arc<ClipTokenizer>>,
        shares: Option<ConditionShares>,
        dropout: f32,
    ) -> Self {
        let alone = shares_alone(&manifest.inputs, dropout);
        let mut teller = Self {
            tokenizer,
            reads: None,
            boxes: None,
            classes: Vec::new(),
            kinds: manifest.classes().unwrap_or_default().to_vec(),
            is_thing: [false; 256],
            small_factor: manifest.low_resolution_factor(),
            degradation: Degradation::default(),
            is_exact: shares.is_none() && alone.is_some(),
            shares: shares.or(alone).unwrap_or_default(),
        };
        let mut things: &[String] = &[];
        for input in &manifest.inputs {
            match input {
                InputSpec::Layout {
                    classes, colours, ..
                } => {
                    things = classes;
                    teller.boxes = Some(BoxNames::new(classes.clone(), colours.clone()));
                }
                InputSpec::Semantic { classes } => teller.classes.clone_from(classes),
                InputSpec::Text { .. }
                | InputSpec::Mask { .. }
                | InputSpec::LowResolution { .. }
                | InputSpec::Phrases { .. }
                | InputSpec::Class { .. } => {}
            }
        }
        for (class, is_thing) in teller.classes.iter().zip(&mut teller.is_thing) {
            *is_thing = things.iter().any(|thing| is_same_name(thing, &class.name));
        }
        teller
    }

    /// The same, with small pictures that are made in another way.
    #[must_use]
    pub fn with_degradation(self, degradation: Degradation) -> Self {
        Self {
            degradation,
            ..self
        }
    }

    /// The same for a model that is told as in the paper's code.
    #[must_use]
    pub fn with_form(self, form: Option<&PaperForm>) -> Self {
        Self {
            reads: form.map(|form| form.reads.clone()),
            ..self
        }
    }

    /// How boxes are written, for a model that reads them as tokens.
    pub fn grammar(&self) -> Option<BoxGrammar> {
        match self.reads {
            Some(Reads::Boxes(grammar)) => Some(grammar),
            _ => None,
        }
    }

    /// Whether what is told of a picture is another thing each time that it is looked at.
    pub fn varies(&self) -> bool {
        self.small_factor.is_some() && self.degradation != Degradation::Bicubic
    }

    /// Whether there is more to tell than words.
    fn tells_more(&self) -> bool {
        self.boxes.is_some()
            || !self.classes.is_empty()
            || self.small_factor.is_some()
            || !self.kinds.is_empty()
    }

    /// The numbers of a caption; none for a model that takes no words.
    pub fn tokens(&self, caption: &str) -> Vec<i32> {
        let tokens = match &self.reads {
            Some(Reads::Words(words)) => Some(words.encode(caption)),
            _ => self.tokenizer.as_ref().map(|it| it.encode(caption)),
        };
        let tokens = tokens.unwrap_or_default().into_iter();
        tokens.map(|token| token as i32).collect()
    }

    /// Everything that the model can be told of a picture; `random` decides on what
    /// happens to a small one.
    pub fn tellable(&self, sample: &Sample, random: &mut Random) -> Tellable {
        let mut captions = vec![self.tokens(&sample.caption)];
        if self.tells_more() {
            let partial = sample.known.partial_captions.iter();
            captions.extend(partial.map(|caption| self.tokens(caption)));
        }
        let side = sample.rgb.width() as f32;
        let whole = sample.known.whole.as_ref();
        let whole = whole.filter(|_| self.grammar().is_some_and(BoxGrammar::tells_crop));
        let (found, side) = match whole {
            Some(whole) => (&whole.boxes, 1.0),
            None => (&sample.known.boxes, side),
        };
        let boxes = self.boxes.as_ref().map(|names| {
            let boxes = found.iter();
            let numbered = boxes.filter_map(|it| names.numbered(it, [side; 2]));
            numbered.collect()
        });
        let small = self.small(&sample.rgb, random);
        let small = small.map(|small| planes(&small));
        let map = sample.known.label_map.as_ref();
        let map = map.filter(|_| !self.classes.is_empty());
        Tellable {
            captions,
            boxes: boxes.unwrap_or_default(),
            part: whole.map_or(WHOLE, |whole| whole.part),
            label_map: map.map(|input| Arc::new(self.numbered(input))),
            small: small.unwrap_or_default(),
            class: sample
                .known
                .class
                .as_ref()
                .and_then(|class| self.kind(class)),
        }
    }

    /// A picture in small, for a model that takes one.
    pub fn small(&self, picture: &RgbImage, random: &mut Random) -> Option<RgbImage> {
        let factor = self.small_factor?;
        Some(match self.degradation {
            Degradation::Bicubic => small(picture, factor),
            Degradation::BsrganLight => degraded(picture, factor, random),
        })
    }

    /// The model's number of a class.
    fn kind(&self, name: &str) -> Option<u32> {
        let place = self.kinds.iter().position(|kind| is_same_name(kind, name));
        place.and_then(|place| u32::try_from(place).ok())
    }

    /// A map in the model's own numbers.
    fn numbered(&self, input: &SemanticInput) -> GrayImage {
        let mut numbers = [NOTHING; 256];
        for (value, number) in (0..=u8::MAX).zip(&mut numbers) {
            let class = class_number(&self.classes, &input.palette, value);
            // Where nobody says what numbers mean, they are those of the model.
            let is_unnamed = |class: &PaletteClass| class.name == value.to_string();
            let known = input.palette.class(value).filter(|class| is_unnamed(class));
            let class = class.or_else(|| {
                let number = known?.index;
                self.classes.iter().position(|class| class.index == number)
            });
            *number = class.map_or(NOTHING, |class| class as u8);
        }
        let mut map = input.map.as_ref().clone();
        for Luma([value]) in map.pixels_mut() {
            *value = numbers[usize::from(*value)];
        }
        map
    }

    /// Bytes that a picture of a side takes.
    pub fn footprint(&self, side_px: usize) -> usize {
        let area = side_px * side_px;
        let map = if self.classes.is_empty() { 0 } else { area };
        let small = self.small_factor.map_or(0, |factor| {
            let side = side_px.div_ceil(factor as usize);
            4 * 3 * side * side
        });
        map + small
    }

    /// What is told of a picture this time. Without anything more than words to tell,
    /// nothing is drawn and the caption is told.
    pub fn tell<'a>(&self, about: &'a Tellable, random: &mut Random) -> Told<'a> {
        let captions = &about.captions;
        let whole = captions.first().map_or(&[][..], Vec::as_slice);
        if !self.tells_more() {
            return Told {
                caption: whole,
                part: WHOLE,
                ..Told::default()
            };
        }
        let shares = &self.shares;
        let is_silent = random.happens(shares.nothing);
        let partial = captions.len().saturating_sub(1) as u64;
        let chosen = random.happens(shares.partial_caption) && partial > 0;
        let caption = match chosen {
            true => &captions[1 + random.below(partial) as usize],
            false => whole,
        };
        let boxes = if random.happens(shares.boxes) && !is_silent {
            match self.is_exact {
                true if self.grammar().is_some() => shuffled(&about.boxes, random),
                true => about.boxes.clone(),
                false => drawn(&about.boxes, random),
            }
        } else {
            Vec::new()
        };
        let has_map = random.happens(shares.label_map) && !is_silent;
        let map = about.label_map.as_ref().filter(|_| has_map);
        let label_map = map.map(|map| match self.is_exact {
            true => map.as_ref().clone(),
            false => roughened(map, &self.is_thing, random),
        });
        let has_small = random.happens(shares.low_resolution) && !is_silent;
        Told {
            caption: if is_silent { &[] } else { caption },
            boxes,
            part: about.part,
            label_map,
            small: if has_small { &about.small } else { &[] },
            class: about.class.filter(|_| !is_silent),
        }
    }
}

/// A picture in small: bicubic, each pixel of all that it stands for.
fn small(picture: &RgbImage, factor: u32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let [width, height] = [width, height].map(|side| side.div_ceil(factor));
    imageops::resize(picture, width, height, imageops::FilterType::CatmullRom)
}

/// Boxes in any order: where positions are learnt, one that is always the same would be
/// too.
fn shuffled(boxes: &[NumberedBox], random: &mut Random) -> Vec<NumberedBox> {
    let order = random.permutation(boxes.len());
    order.into_iter().map(|at| boxes[at as usize]).collect()
}

/// Boxes as hands draw them.
fn drawn(boxes: &[NumberedBox], random: &mut Random) -> Vec<NumberedBox> {
    let has_all = random.happens(ALL_BOXES);
    let has_colours = random.happens(COLOURS);
    let off = random.normals(4 * boxes.len());
    let moved = boxes.iter().zip(off.chunks(4)).map(|(it, off)| {
        let mut it = *it;
        for (corner, off) in it.corners.iter_mut().zip(off) {
            *corner += OFF * off;
        }
        it.colour = if has_colours { it.colour } else { 0 };
        it
    });
    let mut kept = Vec::with_capacity(boxes.len());
    for it in moved {
        // Drawn for all of them, so that the stream goes on alike.
        if random.happens(KEPT_BOXES) || has_all {
            kept.push(it);
        }
    }
    kept
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::model::ModelFolder;
    use crate::recipe::{LayoutBox, Palette};
    use crate::train::source::Known;

    fn teller(folder: &str, shares: ConditionShares) -> Teller {
        let folder = ModelFolder::open(folder).expect("a model");
        let tokenizer = Arc::new(folder.tokenizer().expect("a tokenizer"));
        Teller::new(&folder.manifest(), Some(tokenizer), Some(shares), 0.1)
    }

    fn sample() -> Sample {
        let class = |index, name: &str| PaletteClass {
            index,
            name: name.to_owned(),
            color: [index; 3],
        };
        Sample {
            rgb: RgbImage::from_pixel(16, 16, image::Rgb([255, 0, 128])),
            caption: "a red bus".to_owned(),
            objects: Vec::new(),
            known: Known {
                partial_captions: vec![String::new()],
                boxes: vec![
                    LayoutBox {
                        class: "BUS".to_owned(),
                        rect: [4.0, 8.0, 8.0, 4.0],
                        colour: Some("red".to_owned()),
                    },
                    LayoutBox {
                        class: "unicorn".to_owned(),
                        rect: [0.0, 0.0, 1.0, 1.0],
                        colour: None,
                    },
                ],
                label_map: Some(SemanticInput {
                    map: Arc::new(GrayImage::from_fn(16, 16, |x, _| Luma([(x % 3) as u8]))),
                    palette: Palette {
                        name: String::new(),
                        classes: vec![class(0, "Sky"), class(2, "bus stop")],
                    },
                }),
                class: Some("Buses".to_owned()),
                whole: None,
            },
        }
    }

    #[test]
    fn everything_known_is_told_in_the_models_numbers() {
        let always = ConditionShares {
            nothing: 0.0,
            partial_caption: 0.0,
            boxes: 1.0,
            label_map: 1.0,
            low_resolution: 1.0,
        };
        let teller = teller("tests/data/reference/joint-tiny", always);
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        assert_eq!(about.captions.len(), 2);
        let bus = about.boxes[0];
        assert_eq!((about.boxes.len(), bus.class, bus.colour), (1, 0, 1));
        assert_eq!(bus.corners, [0.25, 0.5, 0.75, 0.75]);
        let map = about.label_map.clone().expect("a map");
        // The sky is second in the model's list; it knows no bus stop, and 1 is nothing.
        assert_eq!(map.as_raw()[..3], [1, NOTHING, NOTHING]);
        assert_eq!(about.small.len(), 3 * 4 * 4);
        assert!(about.small[..16].iter().all(|value| *value == 1.0));
        let told = teller.tell(&about, &mut Random::new(1, 0));
        assert_eq!(told.caption, about.captions[0]);
        assert!(told.label_map.is_some() && told.small == about.small);
    }

    #[test]
    fn each_condition_is_left_out_alone_and_all_together() {
        let teller = teller(
            "tests/data/reference/joint-tiny",
            ConditionShares::default(),
        );
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        let mut counts = [0; 5];
        for seed in 0..1000 {
            let told = teller.tell(&about, &mut Random::new(seed, 0));
            let is_there = [
                told.caption == about.captions[0],
                !told.boxes.is_empty(),
                told.label_map.is_some(),
                !told.small.is_empty(),
            ];
            for (count, is_there) in counts.iter_mut().zip(is_there) {
                *count += usize::from(is_there);
            }
            counts[4] += usize::from(told.caption.is_empty());
            if told.caption.is_empty() {
                assert!(is_there.iter().all(|is| !is));
            }
            for it in &told.boxes {
                let wrong = it.corners.iter().zip(about.boxes[0].corners);
                assert!(wrong.into_iter().all(|(a, b)| (a - b).abs() < 0.08));
            }
        }
        for (count, range) in counts
            .iter()
            .zip([420..580, 310..460, 320..440, 70..150, 70..140])
        {
            assert!(range.contains(count), "{counts:?}");
        }
    }

    #[test]
    fn models_without_boxes_are_told_the_caption_and_nothing_is_drawn() {
        let teller = teller(
            "tests/data/reference/inpaint-tiny",
            ConditionShares::default(),
        );
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        let mut random = Random::new(3, 0);
        let told = teller.tell(&about, &mut random);
        assert_eq!(told.caption, teller.tokens("a red bus"));
        assert_eq!(random.unit(), Random::new(3, 0).unit());
        assert_eq!(teller.footprint(16), 0);
    }
    #[test]
    fn what_is_told_alone_is_told_exactly_and_left_out_as_often_as_asked_for() {
        let classes = vec!["boats".to_owned(), "buses".to_owned()];
        let mut manifest = Manifest::default();
        let count = classes.len() as u32;
        manifest.inputs = vec![InputSpec::Class {
            classes,
            empty: Some(count),
        }];
        let teller = Teller::new(&manifest, None, None, 0.25);
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        assert_eq!((about.class, about.captions[0].len()), (Some(1), 0));
        let told = (0..1000).filter(|seed| {
            let told = teller.tell(&about, &mut Random::new(*seed, 0));
            told.class == Some(1)
        });
        assert!((700..800).contains(&told.count()));

        manifest.inputs = vec![InputSpec::Layout {
            classes: vec!["bus".to_owned()],
            colours: Vec::new(),
            max_boxes: 4,
            in_sequence: false,
        }];
        let teller = Teller::new(&manifest, None, None, 0.0);
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        let told = teller.tell(&about, &mut Random::new(3, 0));
        assert_eq!(
            (told.boxes.as_slice(), about.boxes.len()),
            (&about.boxes[..], 1)
        );

        manifest.inputs = vec![InputSpec::LowResolution {
            factor: 4,
            is_needed: true,
            degradation: None,
        }];
        let teller = Teller::new(&manifest, None, None, 1.0);
        let about = teller.tellable(&sample(), &mut Random::new(0, 0));
        assert!(!teller.tell(&about, &mut Random::new(3, 0)).small.is_empty());
    }
}
