//! Combinations that no training scene shows: whether a model puts together what it
//! knows apart. Beside them are the same objects in settings that it has seen.

use image::RgbImage;
use serde::Serialize;

use super::judge::Judge;
use super::reading::Reading;
use super::report::Share;
use super::{EvaluateError, PictureKind, Question};
use crate::pixels::opaque;
use crate::scenes::{HeldOut, Place, Setting, Style, Time, Tint, classes, held_out};

/// What a caption asks for, and the caption.
pub(super) struct Combination {
    asked: HeldOut,
    pub caption: String,
}

impl Combination {
    /// The combination of a picture of a kind; `None` for kinds that show scenes.
    pub fn of(kind: PictureKind, index: usize) -> Option<Self> {
        let list = held_out();
        let asked = list[index % list.len()];
        let asked = match kind {
            PictureKind::HeldOut => asked,
            PictureKind::Familiar => familiar(asked),
            _ => return None,
        };
        let style = Style::ALL[index % Style::ALL.len()];
        // Each round through the list goes through other times.
        let time = Time::ALL[(index + index / list.len()) % Time::ALL.len()];
        Some(Self {
            caption: asked.caption(style, time),
            asked,
        })
    }
}

/// The same object in the next setting that scenes show it in.
fn familiar(one: HeldOut) -> HeldOut {
    let HeldOut { class, setting } = one;
    let is_shown = |setting: &Setting| {
        !held_out().contains(&HeldOut {
            class,
            setting: *setting,
        })
    };
    let others: Vec<Setting> = match setting {
        Setting::Tint(tint) => {
            let turned = Tint::ALL.iter().cycle().skip(tint as usize + 1);
            turned
                .take(Tint::ALL.len())
                .map(|it| Setting::Tint(*it))
                .collect()
        }
        Setting::Place(place) => {
            let turned = Place::ALL.iter().cycle().skip(place as usize + 1);
            turned
                .take(Place::ALL.len())
                .map(|it| Setting::Place(*it))
                .collect()
        }
    };
    let other = others.into_iter().find(is_shown);
    HeldOut {
        class,
        setting: other.unwrap_or(setting),
    }
}

/// What came of combinations of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CombinationRow {
    /// Pictures in which the object is found.
    pub objects: Share,
    /// Those in which its colour, or the place, is the one asked for.
    pub settings: Share,
    /// Those in which both is so.
    pub together: Share,
    /// Those in which both is so of what was asked of the next picture.
    pub chance: Share,
}

/// How a model does with what it has not seen together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Combinations {
    /// Combinations that no training scene shows.
    pub held_out: CombinationRow,
    /// The same objects in settings that some show.
    pub familiar: CombinationRow,
}

/// Counts what the judge finds in pictures of a kind, in the order of their captions.
pub(super) fn row(
    judge: &Judge,
    kind: PictureKind,
    pictures: &[RgbImage],
    readings: &[Reading],
) -> Result<CombinationRow, EvaluateError> {
    let combinations = (0..pictures.len()).filter_map(|index| Combination::of(kind, index));
    let asked: Vec<HeldOut> = combinations.map(|it| it.asked).collect();
    let mut row = CombinationRow::default();
    for (index, (picture, reading)) in pictures.iter().zip(readings).enumerate() {
        let colours = judge.segment(&opaque(picture))?.boxes;
        let found = |one: &HeldOut| {
            let noun = &classes()[one.class].noun;
            let mut same = colours.iter().filter(|it| it.class == *noun);
            let is_there = reading.shows(one.class, None);
            let is_so = match one.setting {
                Setting::Tint(tint) => same.any(|it| it.colour.as_deref() == Some(tint.name())),
                Setting::Place(place) => {
                    let place = Place::ALL.iter().position(|it| *it == place);
                    reading.answer(Question::Place) == place
                }
            };
            (is_there, is_so)
        };
        let (is_there, is_so) = found(&asked[index]);
        row.objects.count(is_there);
        row.settings.count(is_so);
        row.together.count(is_there && is_so);
        let (is_there, is_so) = found(&asked[(index + 1) % asked.len()]);
        row.chance.count(is_there && is_so);
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn familiar_settings_are_shown_and_of_the_same_object() {
        for (index, one) in held_out().iter().enumerate() {
            let other = Combination::of(PictureKind::Familiar, index)
                .expect("one")
                .asked;
            assert_eq!(other.class, one.class);
            assert_ne!(other.setting, one.setting);
            assert!(!held_out().contains(&other));
        }
        let first = Combination::of(PictureKind::HeldOut, 0).expect("one");
        assert!(
            first.caption.starts_with("a purple car"),
            "{}",
            first.caption
        );
        assert!(Combination::of(PictureKind::Boxes, 0).is_none());
    }
}
