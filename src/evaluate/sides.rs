//! Whether what should be left is left.

use super::reading::Reading;
use super::report::{AskedRow, Share};
use crate::scenes::{Scene, SceneSource, Sides, kinds_and_numbers, side_caption};

/// A scene and the caption that says which of its two things is left or right.
pub(super) struct SideScene {
    pub scene: Scene,
    pub caption: String,
    sides: Sides,
}

/// The first scenes of a run that show one thing beside another and nothing else, told from
/// the left and from the right in turns.
pub(super) fn scenes(source: &SceneSource, seed: u64, count: usize) -> Vec<SideScene> {
    let is_pair = |index: &u64| matches!(kinds_and_numbers(seed, *index)[..], [(_, 1), (_, 1)]);
    let mut is_left = false;
    let found = (0..).filter(is_pair).filter_map(|index| {
        let scene = source.scene(seed, index);
        let (sides, caption) = side_caption(&scene, !is_left)?;
        is_left = !is_left;
        Some(SideScene {
            scene,
            caption,
            sides,
        })
    });
    found.take(count).collect()
}

/// How often both things are there, the left one on the left. In place of chance stands how
/// often they are there the other way round, which is as often for a model that does not
/// know sides.
pub(super) fn row(scenes: &[SideScene], painted: &[Reading], real: &[Reading]) -> AskedRow {
    let share = |readings: &[Reading], is_turned: bool| {
        let mut share = Share::default();
        for (asked, reading) in scenes.iter().zip(readings) {
            let Sides { left, right, .. } = asked.sides;
            let middles = (reading.middle(left), reading.middle(right));
            share.count(match middles {
                (Some(left), Some(right)) if is_turned => left > right,
                (Some(left), Some(right)) => left < right,
                _ => false,
            });
        }
        share
    };
    AskedRow {
        name: "left and right",
        painted: share(painted, false),
        real: share(real, false),
        chance: share(painted, true),
    }
}

#[cfg(test)]
mod tests {
    use image::imageops;

    use super::*;
    use crate::evaluate::Judge;

    #[test]
    fn real_scenes_are_as_told_and_mirrored_ones_are_not() {
        let source = SceneSource::new(128).expect("a size");
        let scenes = scenes(&source, 900_000_000, 24);
        assert_eq!(scenes.len(), 24);
        let lefts = scenes
            .iter()
            .filter(|it| it.caption.contains(" to the left of "));
        assert_eq!(lefts.count(), 12);
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let real: Vec<_> = scenes.iter().map(|it| it.scene.image.clone()).collect();
        let mirrored: Vec<_> = real.iter().map(imageops::flip_horizontal).collect();
        let [real, mirrored] = [real, mirrored].map(|it| judge.read(&it).expect("readings"));
        let row = row(&scenes, &mirrored, &real);
        assert!(row.real.right >= 22, "{row:?}");
        assert!(row.painted.right <= 1 && row.chance.right >= 20, "{row:?}");
    }
}
