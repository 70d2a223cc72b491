//! Which of two objects is left, and which right.

use super::caption::beside;
use super::objects::{SceneObject, Wish};
use super::partial_caption::joined;
use super::scene::Scene;

/// Parts of the width by which the middles of two objects are apart at least, so that
/// nobody can call them one above the other.
const LEAST_APART: f32 = 0.22;
/// Parts of both that are seen at least.
const LEAST_VISIBLE: f32 = 0.6;

/// Two objects of a scene, each the only one of its kind, side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Kind of the left one, an index into the class list.
    pub left: usize,
    /// Kind of the right one.
    pub right: usize,
    /// `a red car to the left of a cow`, or of the cow and the car.
    pub words: String,
}

/// The first two objects of a scene that lie clearly side by side; `is_left` chooses from
/// which side it is told.
pub(super) fn sides(scene: &Scene, is_left: bool) -> Option<Sides> {
    let objects = &scene.objects;
    let is_alone = |object: &SceneObject| {
        let same = objects.iter().filter(|other| other.class == object.class);
        object.visible >= LEAST_VISIBLE && same.count() == 1
    };
    let middle = |object: &SceneObject| object.bbox[0] + object.bbox[2] / 2.0;
    let alone: Vec<&SceneObject> = objects.iter().filter(|object| is_alone(object)).collect();
    let least = LEAST_APART * scene.image.width() as f32;
    let pairs = alone.iter().enumerate();
    let mut pairs = pairs.flat_map(|(at, one)| alone[at + 1..].iter().map(move |it| (*one, *it)));
    let (one, other) = pairs.find(|(one, other)| (middle(one) - middle(other)).abs() >= least)?;
    let (left, right) = match middle(one) < middle(other) {
        true => (one, other),
        false => (other, one),
    };
    let wish = |object: &SceneObject| Wish {
        class: object.class,
        tint: object.tint,
        count: 1,
    };
    let (told, from) = if is_left {
        (left, right)
    } else {
        (right, left)
    };
    Some(Sides {
        left: left.class,
        right: right.class,
        words: beside(&wish(told), &wish(from), is_left),
    })
}

/// A caption that says which of two objects of a landscape is left or right, by its words,
/// and where, when and in which style; `None` where they do not lie so, and for stickers.
pub fn side_caption(scene: &Scene, is_left: bool) -> Option<(Sides, String)> {
    let about = &scene.attributes;
    let sides = sides(scene, is_left).filter(|_| about.sticker_ground.is_none())?;
    let setting = [
        sides.words.clone(),
        about.place.phrase().to_owned(),
        about.time.phrase().to_owned(),
    ];
    let caption = joined(&setting, &format!("{} style", about.style.name()));
    Some((sides, caption))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::{SceneSource, classes};

    #[test]
    fn who_is_left_is_told_from_both_sides() {
        let source = SceneSource::new(64).expect("a size");
        let mut found = 0;
        for scene in source.endless(12, 0).take(120) {
            let told = [true, false].map(|is_left| side_caption(&scene, is_left));
            let [Some((from_left, left)), Some((from_right, right))] = told else {
                continue;
            };
            found += 1;
            assert_eq!(
                (from_left.left, from_left.right),
                (from_right.left, from_right.right)
            );
            let noun = |class: usize| classes()[class].noun.as_str();
            let at = |caption: &str, word: &str| caption.find(word).expect("a word of it");
            assert!(
                at(&left, noun(from_left.left)) < at(&left, " to the left of "),
                "{left}"
            );
            assert!(
                at(&right, noun(from_left.right)) < at(&right, " to the right of "),
                "{right}"
            );
            let middle = |class: usize| {
                let object = scene
                    .objects
                    .iter()
                    .find(|it| it.class == class)
                    .expect("there");
                object.bbox[0] + object.bbox[2] / 2.0
            };
            assert!(middle(from_left.left) + 0.2 * 64.0 < middle(from_left.right));
        }
        assert!(found > 10, "{found}");
    }
}
