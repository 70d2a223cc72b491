//! One object of a scene, painted anew.

use image::{GrayImage, Luma};

use super::reading::Reading;
use super::report::{AskedRow, Share};
use crate::pixels::regions::regions;
use crate::recipe::{LayoutBox, LayoutInput};
use crate::scenes::{Scene, SceneObject, classes};

/// Pixels around an object that are painted anew with it, at 64 pixels a side.
const MARGIN: f32 = 3.0 / 64.0;
/// Share of an object that must be seen before it is worth painting anew.
const LEAST_VISIBLE: f32 = 0.6;

/// A scene and the object of it that is painted anew.
pub(super) struct Hole {
    /// Index of the scene.
    pub scene: usize,
    class: usize,
    pub mask: GrayImage,
}

/// The largest object of a scene that can be seen well.
pub(super) fn hole((index, scene): (usize, &Scene)) -> Option<Hole> {
    let area = |object: &SceneObject| object.bbox[2] * object.bbox[3];
    let object = scene
        .objects
        .iter()
        .filter(|object| object.visible >= LEAST_VISIBLE)
        .max_by(|a, b| area(a).total_cmp(&area(b)))?;
    let (width, height) = scene.image.dimensions();
    let [left, top, wide, high] = object.bbox;
    let margin = MARGIN * width as f32;
    let is_inside = |at: u32, from: f32, length: f32| {
        let at = at as f32 + 0.5;
        at >= from - margin && at < from + length + margin
    };
    let mask = GrayImage::from_fn(width, height, |x, y| {
        let is_in = is_inside(x, left, wide) && is_inside(y, top, high);
        Luma([if is_in { 255 } else { 0 }])
    });
    Some(Hole {
        scene: index,
        class: object.class,
        mask,
    })
}

impl Hole {
    /// What is painted anew as a box around all that is masked.
    pub fn as_box(&self) -> LayoutInput {
        let masked = regions(&self.mask).into_iter().find(|it| it.label > 0);
        let boxed = masked.map(|region| {
            let [left, top, right, bottom] = region.bounds().map(|at| at as f32);
            LayoutBox {
                class: classes()[self.class].noun.clone(),
                rect: [left, top, right - left, bottom - top],
                colour: None,
            }
        });
        LayoutInput(boxed.into_iter().collect())
    }
}

/// Whether the objects painted anew are found where they should be; nothing where there
/// was none.
pub(super) fn inpainting(
    name: &'static str,
    holes: &[Hole],
    filled: &[Reading],
    real: &[Reading],
) -> Option<AskedRow> {
    let mut row = AskedRow {
        name,
        painted: Share::default(),
        real: Share::default(),
        chance: Share::default(),
    };
    for (i, (hole, reading)) in holes.iter().zip(filled).enumerate() {
        let other = holes[(i + 1) % holes.len()].class;
        let mask = Some(&hole.mask);
        row.painted.count(reading.shows(hole.class, mask));
        row.real.count(real[hole.scene].shows(hole.class, mask));
        row.chance.count(reading.shows(other, mask));
    }
    (!holes.is_empty()).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::SceneSource;

    #[test]
    fn a_hole_covers_its_object_and_not_everything() {
        let source = SceneSource::new(64).expect("a size");
        let scenes: Vec<Scene> = source.endless(5, 0).take(60).collect();
        let holes: Vec<Hole> = scenes.iter().enumerate().filter_map(hole).collect();
        assert!(holes.len() > 40);
        for hole in &holes {
            let scene = &scenes[hole.scene];
            let object = scene.objects.iter().find(|o| o.class == hole.class);
            assert!(object.is_some());
            let masked = hole.mask.pixels().filter(|p| p.0[0] == 255).count();
            assert!(masked > 20 && masked < 64 * 64, "{masked}");
            let told = hole.as_box();
            let [_, _, width, height] = told.0[0].rect;
            assert_eq!((width * height) as usize, masked);
            assert_eq!(told.0[0].class, classes()[hole.class].noun);
        }
    }
}
