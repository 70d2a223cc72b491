//! Whether there are as many as a caption says.

use image::RgbImage;

use super::EvaluateError;
use super::judge::Judge;
use super::report::{AskedRow, Share};
use crate::scenes::{Scene, SceneSource, is_sticker, kinds_and_numbers};

/// Numbers that are asked for, from one on.
const NAMES: [&str; 4] = ["one", "two", "three", "four"];
/// Parts of every object that are seen at least: nobody counts what is hidden.
const LEAST_VISIBLE: f32 = 0.5;

/// Landscapes with things of one kind, one to four of them as often as each other: the first
/// such ones of a run, with their own captions.
pub(super) fn scenes(source: &SceneSource, seed: u64, count: usize) -> Vec<Scene> {
    let mut next = [0; NAMES.len()];
    let mut scene_of = |number: usize| {
        let from = next[number - 1];
        let numbers = (from..).filter(|index| {
            let wished = kinds_and_numbers(seed, *index);
            !is_sticker(seed, *index) && matches!(wished[..], [(_, wished)] if wished == number)
        });
        for index in numbers {
            let scene = source.scene(seed, index);
            let is_seen = scene.objects.iter().all(|it| it.visible >= LEAST_VISIBLE);
            if scene.objects.len() == number && is_seen {
                next[number - 1] = index + 1;
                return Some(scene);
            }
        }
        None
    };
    let numbers = (0..count).map(|at| 1 + at % NAMES.len());
    numbers.filter_map(&mut scene_of).collect()
}

/// How often the number seen is the one asked for, for each number and from two to four
/// together; chance is the number of the next picture. Empty if the judge cannot count.
pub(super) fn rows(
    judge: &Judge,
    scenes: &[Scene],
    painted: &[RgbImage],
) -> Result<Vec<AskedRow>, EvaluateError> {
    let kinds: Vec<usize> = scenes.iter().map(|it| it.objects[0].class).collect();
    let real: Vec<RgbImage> = scenes.iter().map(|it| it.image.clone()).collect();
    let (Some(painted), Some(real)) = (judge.count(painted, &kinds)?, judge.count(&real, &kinds)?)
    else {
        return Ok(Vec::new());
    };
    let share = |seen: &[u32], offset: usize, is_asked: &dyn Fn(usize) -> bool| {
        let mut share = Share::default();
        for (at, seen) in seen.iter().enumerate() {
            let number = |at: usize| scenes[at % scenes.len()].objects.len();
            if is_asked(number(at)) {
                share.count(*seen as usize == number(at + offset));
            }
        }
        share
    };
    let row = |name: &'static str, is_asked: &dyn Fn(usize) -> bool| AskedRow {
        name,
        painted: share(&painted, 0, is_asked),
        real: share(&real, 0, is_asked),
        chance: share(&painted, 1, is_asked),
    };
    let numbered = (1..).zip(NAMES);
    let mut rows: Vec<AskedRow> = numbered
        .map(|(number, name)| row(name, &|asked| asked == number))
        .collect();
    rows.push(row("two to four", &|asked| asked > 1));
    rows.retain(|row| row.painted.asked > 0);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_asked_for_as_often() {
        let source = SceneSource::new(32).expect("a size");
        let scenes = scenes(&source, 900_000_000, 9);
        let numbers: Vec<usize> = scenes.iter().map(|it| it.objects.len()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 1, 2, 3, 4, 1]);
        for scene in &scenes {
            let class = scene.objects[0].class;
            assert!(scene.objects.iter().all(|it| it.class == class));
            assert!(
                scene.objects.len() == 1 || scene.caption.contains(NAMES[scene.objects.len() - 1])
            );
        }
    }
}
