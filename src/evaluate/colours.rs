//! Whether things have the colours that captions give them.

use image::RgbImage;

use super::EvaluateError;
use super::judge::Judge;
use super::report::{AskedRow, Share};
use crate::pixels::opaque;
use crate::scenes::{Scene, Tint, classes};

/// How often a thing that is found has its colour: the one of the seven that most of its
/// pixels are nearest to. Chance is the colour of the next thing. `None` if no scene has a
/// coloured thing.
pub(super) fn row(
    judge: &Judge,
    scenes: &[Scene],
    painted: &[RgbImage],
) -> Result<Option<AskedRow>, EvaluateError> {
    let mut row = AskedRow {
        name: "colours of what is found",
        painted: Share::default(),
        real: Share::default(),
        chance: Share::default(),
    };
    // Colour asked for, and the one seen.
    let mut seen = Vec::new();
    for (scene, picture) in scenes.iter().zip(painted) {
        for (asked, seen) in found(judge, scene, &scene.image)? {
            row.real.count(seen.as_deref() == Some(asked.name()));
        }
        seen.extend(found(judge, scene, picture)?);
    }
    for (at, (asked, colour)) in seen.iter().enumerate() {
        let other = seen[(at + 1) % seen.len()].0;
        row.painted.count(colour.as_deref() == Some(asked.name()));
        row.chance.count(colour.as_deref() == Some(other.name()));
    }
    Ok((row.real.asked > 0).then_some(row))
}

/// Of the kinds of coloured things of a scene that a picture shows, the colour in the scene
/// and the one that is seen.
fn found(
    judge: &Judge,
    scene: &Scene,
    picture: &RgbImage,
) -> Result<Vec<(Tint, Option<String>)>, EvaluateError> {
    let mut coloured: Vec<(usize, Tint)> = Vec::new();
    for object in &scene.objects {
        if let Some(tint) = object.tint
            && !coloured.contains(&(object.class, tint))
        {
            coloured.push((object.class, tint));
        }
    }
    if coloured.is_empty() {
        return Ok(Vec::new());
    }
    let boxes = judge.segment(&opaque(picture))?.boxes;
    let found = coloured.into_iter().filter_map(|(class, tint)| {
        // The largest comes first.
        let one = boxes.iter().find(|it| it.class == classes()[class].noun)?;
        Some((tint, one.colour.clone()))
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::SceneSource;

    #[test]
    fn real_scenes_have_their_colours_and_turned_ones_do_not() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(128).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_000, 0).take(60).collect();
        let mut turned: Vec<RgbImage> = scenes.iter().map(|it| it.image.clone()).collect();
        // Red becomes green, green blue, and blue red.
        let pixels = turned.iter_mut().flat_map(RgbImage::pixels_mut);
        pixels.for_each(|pixel| pixel.0.rotate_right(1));
        let row = row(&judge, &scenes, &turned)
            .expect("read")
            .expect("colours");
        let part = |share: Share| share.part().unwrap_or_default();
        assert!(row.real.asked > 5 && part(row.real) > 0.6, "{row:?}");
        assert!(part(row.painted) < 0.3, "{row:?}");
    }
}
