//! Combinations that no scene to learn from shows, so that a model can be asked
//! for what it has not seen.

use std::sync::LazyLock;

use super::tint::Tint;
use super::vocabulary::{Place, Style, Time, classes};

/// Scenes of smaller seeds never show a held-out combination; scenes of this seed
/// and above may.
pub const FIRST_UNSEEN_SEED: u64 = 900_000_000;

/// The half of a combination that is not its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The object in this colour, anywhere.
    Tint(Tint),
    /// The object in this place, in any colour.
    Place(Place),
}

/// An object and a setting that are not shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldOut {
    /// Index into the class list.
    pub class: usize,
    /// The colour or the place.
    pub setting: Setting,
}

impl HeldOut {
    /// A caption that asks for it and for nothing else that is held out.
    pub fn caption(&self, style: Style, time: Time) -> String {
        let noun = &classes()[self.class].noun;
        let (thing, place) = match self.setting {
            Setting::Tint(tint) => (format!("{} {noun}", tint.name()), Place::Hills),
            Setting::Place(place) => (noun.clone(), place),
        };
        let article = super::caption::article(&thing);
        format!(
            "{article} {thing} {} {}, {} style",
            place.phrase(),
            time.phrase(),
            style.name()
        )
    }
}

/// Everyday objects in colours that others have.
const TINTED: [(&str, Tint); 12] = [
    ("car", Tint::Purple),
    ("apple", Tint::Blue),
    ("umbrella", Tint::Orange),
    ("bucket", Tint::Yellow),
    ("balloon", Tint::Green),
    ("mushroom", Tint::Blue),
    ("backpack", Tint::Red),
    ("truck", Tint::Pink),
    ("teapot", Tint::Purple),
    ("dress", Tint::Green),
    ("telephone", Tint::Yellow),
    ("book", Tint::Orange),
];

/// Objects without a colour in places where others are; no colour is drawn for
/// them, so that only the place is new.
const PLACED: [(&str, Place); 12] = [
    ("penguin", Place::Desert),
    ("elephant", Place::Snow),
    ("snowman", Place::Beach),
    ("giraffe", Place::Mountains),
    ("castle", Place::Desert),
    ("monkey", Place::Snow),
    ("crab", Place::Mountains),
    ("cactus", Place::Lake),
    ("tractor", Place::Beach),
    ("rabbit", Place::Desert),
    ("airplane", Place::Hills),
    ("dinosaur", Place::Meadow),
];

static HELD_OUT: LazyLock<Vec<HeldOut>> = LazyLock::new(|| {
    let tinted = TINTED
        .iter()
        .map(|(noun, tint)| (*noun, Setting::Tint(*tint)));
    let placed = PLACED
        .iter()
        .map(|(noun, place)| (*noun, Setting::Place(*place)));
    tinted
        .chain(placed)
        .filter_map(|(noun, setting)| {
            // A test holds the list to nouns that there are.
            let class = classes().iter().position(|class| class.noun == noun)?;
            Some(HeldOut { class, setting })
        })
        .collect()
});

/// Every combination that scenes below [`FIRST_UNSEEN_SEED`] never show.
pub fn held_out() -> &'static [HeldOut] {
    &HELD_OUT
}

/// What one scene may show.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    everything: bool,
    place: Option<Place>,
}

impl Allowed {
    /// For a scene of the run `seed`; a sticker has no place.
    pub fn new(seed: u64, place: Option<Place>) -> Self {
        Self {
            everything: seed >= FIRST_UNSEEN_SEED,
            place,
        }
    }

    fn shows(self, class: usize, setting: Setting) -> bool {
        self.everything || !held_out().contains(&HeldOut { class, setting })
    }

    /// Whether the object may be there at all.
    pub fn class(self, class: usize) -> bool {
        self.place
            .is_none_or(|place| self.shows(class, Setting::Place(place)))
    }

    /// The colours that the object may have.
    pub fn tints(self, class: usize) -> Vec<Tint> {
        let shows = |tint: &Tint| self.shows(class, Setting::Tint(*tint));
        Tint::ALL.into_iter().filter(shows).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::caption_words;

    #[test]
    fn the_list_names_objects_that_there_are() {
        assert_eq!(held_out().len(), TINTED.len() + PLACED.len());
        for one in held_out() {
            let class = &classes()[one.class];
            match one.setting {
                Setting::Tint(_) => assert!(class.recolours, "{}", class.noun),
                Setting::Place(_) => assert!(!class.recolours, "{}", class.noun),
            }
        }
        // Each object is held out once, or little of it would be left to learn.
        let mut objects: Vec<usize> = held_out().iter().map(|one| one.class).collect();
        objects.sort_unstable();
        objects.dedup();
        assert_eq!(objects.len(), held_out().len());
    }

    #[test]
    fn captions_of_the_list_hold_known_words_only() {
        let words = caption_words();
        for one in held_out() {
            let caption = one.caption(Style::Flat, Time::Day);
            for word in caption.split([' ', ',']).filter(|word| !word.is_empty()) {
                assert!(words.iter().any(|known| known == word), "{caption}");
            }
        }
        let first = held_out()[0].caption(Style::ThreeD, Time::Sunset);
        assert_eq!(first, "a purple car in the hills at sunset, 3d style");
    }

    #[test]
    fn only_seeds_above_the_border_allow_them() {
        for one in held_out() {
            let allowed = |seed| match one.setting {
                Setting::Tint(tint) => {
                    let rules = Allowed::new(seed, None);
                    assert!(rules.class(one.class), "stickers keep the object");
                    rules.tints(one.class).contains(&tint)
                }
                Setting::Place(place) => Allowed::new(seed, Some(place)).class(one.class),
            };
            assert!(!allowed(0) && !allowed(FIRST_UNSEEN_SEED - 1), "{one:?}");
            assert!(allowed(FIRST_UNSEEN_SEED), "{one:?}");
        }
    }
}
