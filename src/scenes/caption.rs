//! Sentences about scenes.

use std::collections::BTreeSet;

use super::objects::Wish;
use super::random::Dice;
use super::scene::Attributes;
use super::tint::Tint;
use super::vocabulary::{GROUNDS, Place, Style, Time, classes};

const NUMBERS: [&str; 7] = ["no", "one", "two", "three", "four", "five", "six"];

/// The article before a word; no word here begins with a spoken "you".
pub fn article(next: &str) -> &'static str {
    if next.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

/// `a red car`, `two sheep`.
fn group(wish: &Wish) -> String {
    let class = &classes()[wish.class];
    let noun = if wish.count == 1 {
        &class.noun
    } else {
        &class.plural
    };
    let words = match wish.tint {
        Some(tint) => format!("{} {noun}", tint.name()),
        None => noun.clone(),
    };
    // "an umbrella" but "a unicycle": none of our nouns begins with a spoken "you".
    match wish.count {
        1 => format!("{} {words}", article(&words)),
        count => format!("{} {words}", NUMBERS[count.min(6)]),
    }
}

/// `a cat, a red car and two trees`.
pub(super) fn list(wishes: &[Wish]) -> String {
    let groups: Vec<String> = wishes.iter().map(group).collect();
    match groups.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn picture(style: Style) -> &'static str {
    match style {
        Style::ThreeD => "a 3d picture",
        Style::Flat => "a flat picture",
        Style::Cartoon => "a cartoon",
    }
}

/// Words of captions that say on which side something is; older models do not know them.
pub const SIDE_WORDS: [&str; 3] = ["to", "left", "right"];

/// `a red car to the left of a cow`: the first of two, from where the other one is.
pub(super) fn beside(one: &Wish, other: &Wish, is_left: bool) -> String {
    let side = if is_left { "left" } else { "right" };
    format!("{} to the {side} of {}", group(one), group(other))
}

/// A caption for a scene with these objects.
pub fn caption(dice: &mut Dice, scene: &Attributes, wishes: &[Wish]) -> String {
    let style = scene.style.name();
    if let Some(ground) = scene.sticker_ground {
        let things = list(wishes);
        let (colour, _) = GROUNDS[ground];
        let on = format!("on {} {colour} background", article(colour));
        return match dice.below(3) {
            0 => format!("a sticker of {things} {on}, {style} style"),
            1 => format!("{things} {on}, {style} style"),
            _ => format!("{} of {things} {on}", picture(scene.style)),
        };
    }
    let (place, time) = (scene.place.phrase(), scene.time.phrase());
    let mut extra = String::new();
    if scene.body && dice.chance(0.3) {
        extra = if scene.time == Time::Night {
            " under the moon"
        } else {
            " under the sun"
        }
        .to_owned();
    } else if scene.clouds && dice.chance(0.3) {
        extra = " with clouds".to_owned();
    } else if scene.path && dice.chance(0.5) {
        extra = " with a path".to_owned();
    }
    if wishes.is_empty() {
        let what = scene.place.noun_phrase();
        return match dice.below(2) {
            0 => format!("{what} {time}{extra}, {style} style"),
            _ => format!("{} of {what} {time}{extra}", picture(scene.style)),
        };
    }
    let things = list(wishes);
    match dice.below(4) {
        0 => format!("{} of {things} {place} {time}{extra}", picture(scene.style)),
        1 => format!("{things} {place} {time}{extra}, {style} style"),
        2 => format!("{time}, {things} {place}{extra}, {style} style"),
        _ => format!("{style} style, {things} {place}{extra} {time}"),
    }
}

/// Every word that a caption may hold, sorted.
pub fn caption_words() -> Vec<String> {
    let mut words = BTreeSet::new();
    let mut add = |text: &str| {
        words.extend(
            text.split([' ', ','])
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    };
    add(
        "a an and of on in by with style sticker background picture under the sun moon clouds path",
    );
    NUMBERS[2..].iter().for_each(|word| add(word));
    SIDE_WORDS.iter().for_each(|word| add(word));
    for class in classes() {
        add(&class.noun);
        add(&class.plural);
    }
    Style::ALL.into_iter().for_each(|style| {
        add(style.name());
        add(picture(style));
    });
    Time::ALL.into_iter().for_each(|time| add(time.phrase()));
    Place::ALL.into_iter().for_each(|place| {
        add(place.phrase());
        add(place.noun_phrase());
    });
    Tint::ALL.into_iter().for_each(|tint| add(tint.name()));
    GROUNDS.iter().for_each(|(name, _)| add(name));
    words.into_iter().collect()
}
