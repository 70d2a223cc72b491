//! Sentences that leave out a part of a scene, as people describe what they want.

use super::caption::{article, list};
use super::objects::Wish;
use super::random::Dice;
use super::scene::Scene;
use super::sides::sides;
use super::vocabulary::GROUNDS;

/// A caption of some of the objects, one of all objects and nothing else, one of the
/// mood without any object and, where two objects lie clearly side by side, one that says
/// which of them is left or right. `seed` and `index` decide what is left out; a caption
/// may be empty.
pub fn partial_captions(scene: &Scene, seed: u64, index: u64) -> Vec<String> {
    // Another stream than that of the scene itself.
    let mut dice = Dice::new(!seed, index);
    let wishes = wishes(scene);
    let some = wishes.iter().copied().filter(|_| dice.chance(0.5));
    let some = list(&some.collect::<Vec<Wish>>());
    let (place, style) = setting(scene, &mut dice, 0.6);
    let named = joined(&[some, place], &style);
    let (place, style) = setting(scene, &mut dice, 0.75);
    let about = &scene.attributes;
    let place = if about.sticker_ground.is_none() && dice.chance(0.3) {
        let land = about.place.noun_phrase().to_owned();
        match dice.chance(0.6) {
            true => format!("{land} {}", about.time.phrase()),
            false => land,
        }
    } else {
        place
    };
    let mood = joined(&[place], &style);
    let mut captions = vec![named, list(&wishes), mood];
    let beside = dice.chance(0.5);
    let (place, style) = setting(scene, &mut dice, 0.6);
    if let Some(sides) = sides(scene, beside) {
        captions.push(joined(&[sides.words, place], &style));
    }
    captions
}

/// What is in a scene, counted by kind and colour.
fn wishes(scene: &Scene) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = Vec::new();
    for object in &scene.objects {
        let mut known = wishes.iter_mut();
        match known.find(|wish| (wish.class, wish.tint) == (object.class, object.tint)) {
            Some(wish) => wish.count += 1,
            None => wishes.push(Wish {
                class: object.class,
                tint: object.tint,
                count: 1,
            }),
        }
    }
    wishes
}

/// Where and when, and how it is drawn; each part with this probability.
fn setting(scene: &Scene, dice: &mut Dice, probability: f32) -> (String, String) {
    let about = &scene.attributes;
    let mut parts = Vec::new();
    if let Some(ground) = about.sticker_ground {
        let (colour, _) = GROUNDS[ground];
        if dice.chance(probability) {
            parts.push(format!("on {} {colour} background", article(colour)));
        }
    } else {
        for phrase in [about.place.phrase(), about.time.phrase()] {
            if dice.chance(probability) {
                parts.push(phrase.to_owned());
            }
        }
    }
    let style = dice.chance(probability);
    let style = style.then(|| format!("{} style", about.style.name()));
    (parts.join(" "), style.unwrap_or_default())
}

/// The parts that say something, and the style after a comma.
pub(super) fn joined(parts: &[String], style: &str) -> String {
    let said = |part: &&str| !part.is_empty();
    let sentence: Vec<&str> = parts.iter().map(String::as_str).filter(said).collect();
    let sentence = sentence.join(" ");
    let both: Vec<&str> = [sentence.as_str(), style]
        .into_iter()
        .filter(said)
        .collect();
    both.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::{SceneSource, caption_words, classes};

    #[test]
    fn parts_are_told_in_the_words_of_captions() {
        let source = SceneSource::new(32).expect("a size");
        let words = caption_words();
        let mut lengths = [0; 4];
        for index in 0..60 {
            let scene = source.scene(5, index);
            let captions = partial_captions(&scene, 5, index);
            assert_eq!(captions, partial_captions(&scene, 5, index));
            for (caption, length) in captions.iter().zip(&mut lengths) {
                *length += caption.len();
                let said = caption.split([' ', ',']).filter(|word| !word.is_empty());
                for word in said {
                    assert!(
                        words.iter().any(|known| known == word),
                        "{word} in {caption}"
                    );
                }
            }
            for object in &scene.objects {
                let class = &classes()[object.class];
                let alone = &captions[1];
                assert!(alone.contains(&class.noun) || alone.contains(&class.plural));
                assert!(!captions[2].contains(&class.noun) || scene.caption.contains(&captions[2]));
            }
        }
        assert!(lengths.iter().all(|length| *length > 200), "{lengths:?}");
    }
}
