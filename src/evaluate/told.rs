//! What a model is told of a scene: its boxes, its label map, itself in small; and
//! the same wrongly.

use std::sync::Arc;

use image::{RgbImage, imageops};

use super::task::PictureKind;
use crate::diffusion::Conditions;
use crate::model::Manifest;
use crate::recipe::{LayoutBox, LayoutInput, Palette, PaletteClass, SemanticInput};
use crate::scenes::{Scene, classes, palette};

/// The conditions of a picture of scene `index`, beside how they act. What the model does
/// not know is left out.
pub(super) fn conditions(
    kind: PictureKind,
    scenes: &[Scene],
    index: usize,
    (manifest, how): (&Manifest, Conditions),
) -> Conditions {
    let scene = &scenes[index];
    let another = &scenes[(index + 1) % scenes.len()];
    let mut told = how;
    match kind {
        PictureKind::TextToImage
        | PictureKind::Inpainting
        | PictureKind::InpaintingInBox
        | PictureKind::HeldOut
        | PictureKind::Familiar
        | PictureKind::Numbers
        | PictureKind::Sides
        | PictureKind::FourSteps
        | PictureKind::EightSteps => {}
        PictureKind::Boxes | PictureKind::TextAndBoxes => told.layout = Some(boxes(scene, false)),
        PictureKind::MovedBoxes => told.layout = Some(boxes(scene, true)),
        PictureKind::LabelMap | PictureKind::TextAndLabelMap => {
            told.semantic = Some(label_map(scene));
        }
        PictureKind::ForeignLabelMap => told.semantic = Some(label_map(another)),
        PictureKind::SmallPicture => told.low_resolution = small(scene, manifest),
    }
    told.limited_to(manifest)
}

/// The boxes of a scene's objects; moved, they lie half a picture further.
fn boxes(scene: &Scene, is_moved: bool) -> LayoutInput {
    let size_px: [u32; 2] = scene.image.dimensions().into();
    let told = scene.objects.iter().map(|object| LayoutBox {
        class: classes()[object.class].noun.clone(),
        rect: match is_moved {
            true => moved(object.bbox, size_px.map(|side| side as f32)),
            false => object.bbox,
        },
        colour: object.tint.map(|tint| tint.name().to_owned()),
    });
    LayoutInput(told.collect())
}

/// A box of the same size whose middle lies half a picture further, round the edges,
/// as far as it stays inside.
pub(super) fn moved([x, y, width, height]: [f32; 4], [across, down]: [f32; 2]) -> [f32; 4] {
    let along = |from: f32, length: f32, side: f32| {
        let middle = (from + length / 2.0 + side / 2.0).rem_euclid(side);
        (middle - length / 2.0).clamp(0.0, (side - length).max(0.0))
    };
    [
        along(x, width, across),
        along(y, height, down),
        width,
        height,
    ]
}

/// The label map of a scene.
fn label_map(scene: &Scene) -> SemanticInput {
    let named = palette().into_iter().map(|entry| PaletteClass {
        index: entry.id,
        name: entry.name,
        color: entry.colour,
    });
    SemanticInput {
        map: Arc::new(scene.labels.clone()),
        palette: Palette {
            name: "Storybook".to_owned(),
            classes: named.collect(),
        },
    }
}

/// A scene in small, as the model takes it.
pub(super) fn small(scene: &Scene, manifest: &Manifest) -> Option<RgbImage> {
    let factor = manifest.low_resolution_factor()?;
    let [width, height] = [scene.image.width(), scene.image.height()].map(|s| s.div_ceil(factor));
    let filter = imageops::FilterType::CatmullRom;
    Some(imageops::resize(&scene.image, width, height, filter))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelFolder;
    use crate::scenes::SceneSource;

    #[test]
    fn moved_boxes_lie_elsewhere_inside() {
        assert_eq!(
            moved([10.0, 90.0, 20.0, 10.0], [128.0, 128.0]),
            [74.0, 26.0, 20.0, 10.0]
        );
        let large = moved([20.0, 20.0, 90.0, 90.0], [128.0, 128.0]);
        assert!(large[..2].iter().all(|at| (0.0..=38.0).contains(at)));
        assert_eq!(
            moved([0.0, 0.0, 200.0, 200.0], [128.0, 128.0])[..2],
            [0.0, 0.0]
        );
    }

    #[test]
    fn a_model_is_told_what_it_knows_of_a_scene() {
        let folder = ModelFolder::open("tests/data/reference/joint-tiny").expect("a model");
        let manifest = folder.manifest();
        let source = SceneSource::new(64).expect("a size");
        let scenes: Vec<Scene> = source.endless(3, 0).take(60).collect();
        let mut boxes = 0;
        for index in 0..scenes.len() {
            for kind in PictureKind::ALL {
                let told = conditions(kind, &scenes, index, (&manifest, Conditions::default()));
                told.check(&manifest, [64, 64], false)
                    .expect("what the model takes");
                boxes += told.layout.map_or(0, |layout| layout.0.len());
                let takes_map = kind.task() == super::super::Task::Semantic;
                assert!(told.semantic.is_none() || takes_map);
            }
        }
        assert!(boxes > 0);
    }
}
