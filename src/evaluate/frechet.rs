//! How far painted pictures are from real ones as a set.

use image::RgbImage;
use serde::Serialize;

use super::EvaluateError;
use super::compare::{Distribution, Moments};
use super::judge::Judge;
use crate::scenes::{Scene, SceneSource};

/// Fréchet's distances in the features of the judge; not FID, which is of Inception's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FrechetDistance {
    /// Pictures of each set.
    pub count: u32,
    /// Painted captions against as many scenes of another seed.
    pub painted: f64,
    /// The scenes of these captions against the same: how far two real sets are apart.
    pub real: f64,
}

impl FrechetDistance {
    pub(super) fn sentence(&self) -> String {
        let Self {
            count,
            painted,
            real,
        } = self;
        let times = painted / real.max(f64::MIN_POSITIVE);
        format!(
            "\nFréchet distance in the judge's features, {count} against {count} scenes of another seed: \
             painted {painted:.3}, real {real:.3}, that is {times:.1} times as far.\n"
        )
    }
}

/// Of pictures painted of these scenes; those of another seed are drawn here.
pub(super) fn distance(
    judge: &Judge,
    (source, seed): (&SceneSource, u64),
    scenes: &[Scene],
    painted: &[RgbImage],
) -> Result<FrechetDistance, EvaluateError> {
    let own = scenes.iter().map(|scene| scene.image.clone());
    let others = source.endless(seed.wrapping_add(1), 0).map(|it| it.image);
    let others = distribution(judge, others.take(scenes.len()))?;
    Ok(FrechetDistance {
        count: painted.len() as u32,
        painted: distribution(judge, painted.iter().cloned())?.distance(&others)?,
        real: distribution(judge, own)?.distance(&others)?,
    })
}

fn distribution(
    judge: &Judge,
    pictures: impl Iterator<Item = RgbImage>,
) -> Result<Distribution, EvaluateError> {
    let mut moments = Moments::new(Judge::FEATURES);
    for picture in pictures {
        moments.add(&judge.features(&[picture])?)?;
    }
    moments.finish()
}

#[cfg(test)]
mod tests {
    use image::imageops;

    use super::*;

    #[test]
    fn blurred_scenes_are_further_away_than_real_ones() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(64).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_000, 0).take(60).collect();
        let blurred = scenes.iter().map(|it| imageops::blur(&it.image, 4.0));
        let blurred: Vec<RgbImage> = blurred.collect();
        let found = distance(&judge, (&source, 900_000_000), &scenes, &blurred).expect("found");
        assert_eq!(found.count, 60);
        assert!(found.real > 0.0 && found.painted > found.real, "{found:?}");
        let own: Vec<RgbImage> = scenes.iter().map(|it| it.image.clone()).collect();
        let same = distance(&judge, (&source, 900_000_000), &scenes, &own).expect("found");
        assert_eq!(same.painted, same.real);
    }
}
