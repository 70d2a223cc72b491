//! Boxes for the things on a label map.
//!
//! A map says of every place what is there, but not where one thing ends and the next
//! begins, and a model hears of it hardly which of a hundred kinds; a box says both. And who
//! paints a disc for a horse means where it is, not that it is round.

use std::sync::Arc;

use super::drawing::{BoxUse, MapUse};
use super::input::InputSpec;
use super::layout::{LayoutBox, LayoutInput};
use super::palette::{NOTHING, is_same_name};
use super::semantic::SemanticInput;
use crate::pixels::regions::{Region, regions};

/// Parts of the square on the shorter side that a region must cover to be a thing, and not
/// a slip of the brush or the rest of something hidden.
const LEAST_THING: f32 = 0.004;
/// Parts of its convex hull from which on a region says where something is, and nothing of
/// its outline.
const SOLID: f32 = 0.9;

/// The things on a label map.
#[derive(Clone, Debug, PartialEq)]
pub struct Things {
    /// A box for each.
    pub boxes: LayoutInput,
    /// The map, with what lies beside them where solid ones are: boxes, discs, blobs of a
    /// brush.
    pub map: SemanticInput,
}

/// Whether things of label maps can be told as boxes to a model that can be asked for
/// `inputs`: it was taught both, and some class of its maps is one of its boxes.
pub fn knows_things(inputs: &[InputSpec]) -> bool {
    match (BoxUse::of(inputs), MapUse::of(inputs)) {
        (Some(BoxUse::Classes { classes, .. }), Some(MapUse::Classes(labels))) => {
            let mut labels = labels.iter();
            labels.any(|label| class_named(classes, &label.name).is_some())
        }
        _ => false,
    }
}

impl SemanticInput {
    /// A box for every connected region of a class that boxes can have, of the largest
    /// `most` of them; the largest come first, so that smaller things lie on them. What has
    /// an outline, such as a horse with its legs, stays on the map too. Reads every pixel:
    /// not for the thread of the window.
    pub fn things(&self, classes: &[String], most: usize) -> Things {
        let class_of: Vec<Option<&String>> = (0..=u8::MAX)
            .map(|value| class_named(classes, &self.palette.class(value)?.name))
            .collect();
        let shorter = self.map.width().min(self.map.height());
        let least = LEAST_THING * (shorter as f32).powi(2);
        let is_thing = |region: &Region| region.pixels.len() as f32 >= least;
        let mut things: Vec<Region> = regions(&self.map)
            .into_iter()
            .filter(|region| class_of[usize::from(region.label)].is_some() && is_thing(region))
            .collect();
        things.sort_by_key(|region| std::cmp::Reverse(region.pixels.len()));
        things.truncate(most);
        let boxes = things.iter().filter_map(|region| {
            let [left, top, right, bottom] = region.bounds().map(|at| at as f32);
            Some(LayoutBox {
                class: class_of[usize::from(region.label)]?.clone(),
                rect: [left, top, right - left, bottom - top],
                colour: None,
            })
        });
        let boxes = LayoutInput(boxes.collect());
        let solid = things.iter().filter(|region| region.solidity() >= SOLID);
        let map = self.without(solid.flat_map(|region| &region.pixels));
        Things { boxes, map }
    }

    /// The map without some pixels: each has the class that is next to it in its row, on the
    /// left where there is one, as label maps without things were made for training.
    fn without<'a>(&self, pixels: impl Iterator<Item = &'a [u32; 2]>) -> Self {
        let width = self.map.width() as usize;
        let mut is_gone = vec![false; self.map.as_raw().len()];
        for [x, y] in pixels {
            is_gone[*y as usize * width + *x as usize] = true;
        }
        let mut left = self.clone();
        if !is_gone.contains(&true) {
            return left;
        }
        let values = Arc::make_mut(&mut left.map).as_mut();
        let rows = values.chunks_mut(width).zip(is_gone.chunks(width));
        for (row, is_gone) in rows {
            let first = row.iter().zip(is_gone).find(|(_, is_gone)| !**is_gone);
            let mut beside = first.map_or(NOTHING, |(value, _)| *value);
            for (value, is_gone) in row.iter_mut().zip(is_gone) {
                match is_gone {
                    true => *value = beside,
                    false => beside = *value,
                }
            }
        }
        left
    }
}

fn class_named<'a>(classes: &'a [String], name: &str) -> Option<&'a String> {
    classes.iter().find(|class| is_same_name(class, name))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};

    use super::*;
    use crate::recipe::palette::{Palette, PaletteClass};

    const CLASSES: [&str; 2] = ["Bus", "dog"];

    fn map() -> SemanticInput {
        // Grass, three buses of which one is a speck, a dog, a cloud.
        let value = |x: u32, y: u32| match (x, y) {
            (10..30, 40..60) | (50..80, 40..70) | (1, 1) => 7,
            // With a body and two legs.
            (30..40, 44..52) | (30..33 | 37..40, 52..60) => 3,
            (60..90, 0..10) => 5,
            (_, 0..20) => NOTHING,
            _ => 0,
        };
        let class = |(index, name): (u8, &str)| PaletteClass {
            index,
            name: name.to_owned(),
            color: [0; 3],
        };
        SemanticInput {
            map: Arc::new(GrayImage::from_fn(100, 100, |x, y| Luma([value(x, y)]))),
            palette: Palette {
                name: String::new(),
                classes: [(0, "grass"), (7, "bus"), (3, "dog"), (5, "cloud")]
                    .map(class)
                    .to_vec(),
            },
        }
    }

    #[test]
    fn every_thing_of_a_known_class_gets_a_box() {
        let classes = CLASSES.map(str::to_owned);
        let told = |most: usize| -> Vec<(String, [f32; 4])> {
            let boxes = map().things(&classes, most).boxes;
            boxes
                .0
                .iter()
                .map(|it| (it.class.clone(), it.rect))
                .collect()
        };
        let all = [
            ("Bus".to_owned(), [50.0, 40.0, 30.0, 30.0]),
            ("Bus".to_owned(), [10.0, 40.0, 20.0, 20.0]),
            ("dog".to_owned(), [30.0, 44.0, 10.0, 16.0]),
        ];
        assert_eq!(told(12), all);
        assert_eq!(told(2), all[..2]);
        let none = map().things(&["cat".to_owned()], 12);
        assert!(none.boxes.0.is_empty() && none.map == map());
        // Grass is beside the buses; the dog has an outline.
        let left = map().things(&classes, 12).map;
        for (at, value) in [([20, 50], 0), ([60, 50], 0), ([31, 55], 3), ([1, 1], 7)] {
            assert_eq!(left.map.get_pixel(at[0], at[1]).0, [value], "{at:?}");
        }
    }

    #[test]
    fn a_model_must_know_both() {
        let boxes = InputSpec::Layout {
            classes: CLASSES.map(str::to_owned).to_vec(),
            colours: Vec::new(),
            max_boxes: 3,
            in_sequence: false,
        };
        let map_of = |classes: &[PaletteClass]| InputSpec::Semantic {
            classes: classes.to_vec(),
        };
        let classes = map().palette.classes;
        assert!(knows_things(&[boxes.clone(), map_of(&classes)]));
        assert!(!knows_things(&[boxes.clone(), map_of(&classes[..1])]));
        assert!(!knows_things(&[boxes]));
        assert!(!knows_things(&[map_of(&classes)]));
        let words = InputSpec::Text { max_tokens: 77 };
        assert!(!knows_things(&[words, map_of(&classes)]));
    }
}
