//! What a picture shows where: a label map and boxes, as a start to draw on.
//!
//! The judge sees squares of one size. A picture that is no square is read in as many
//! overlapping ones as it needs, and what they say is averaged where they overlap.

use image::{GrayImage, Luma, RgbImage, RgbaImage, imageops};

use super::EvaluateError;
use super::grid::{Grid, class_of};
use super::judge::Judge;
use super::network::{CELL_PX, SIZE_PX};
use super::specks::without_specks;
use crate::pixels::regions::{Region, regions};
use crate::pixels::{WHITE, flattened};
use crate::recipe::LayoutBox;
use crate::recipe::palette::NOTHING;
use crate::scenes::{Stuff, Tint, classes};

/// Parts of a square that a region must cover to be no speck.
const SPECK: f32 = 0.004;
/// Parts of a square that an object must cover to get a box.
const LEAST_OBJECT: f32 = 0.006;

/// What a picture shows where.
#[derive(Clone, Debug)]
pub struct Segmentation {
    /// The class of each pixel by its number in [`palette`](crate::scenes::palette),
    /// [`NOTHING`] where the picture is clear; smaller than the picture or larger, of
    /// about its shape.
    pub labels: GrayImage,
    /// A box around each object, in pixels of the picture; the largest first.
    pub boxes: Vec<LayoutBox>,
}

impl Judge {
    /// Reads what a picture of any size and shape shows where.
    ///
    /// # Errors
    /// If the device fails.
    pub fn segment(&self, picture: &RgbaImage) -> Result<Segmentation, EvaluateError> {
        let (width, height) = picture.dimensions();
        if width == 0 || height == 0 {
            return Ok(Segmentation {
                labels: GrayImage::new(width, height),
                boxes: Vec::new(),
            });
        }
        let grid = Grid::of([width, height]);
        let [across, down] = grid.size_px();
        let scaled = imageops::resize(picture, across, down, imageops::FilterType::Triangle);
        let flat = flattened(&scaled, WHITE);
        let squares: Vec<RgbImage> = grid.squares().map(|at| square(&flat, at)).collect();
        let sights = self.look(&squares)?;
        let shares = grid.joined(&sights);
        let mut labels = grid.likeliest(&shares);
        let area = (SIZE_PX * SIZE_PX) as f32;
        without_specks(&mut labels, (area * SPECK) as usize);
        grid.settle_objects(&mut labels, &shares);
        let stickers = sights.iter().filter(|sight| sight.is_sticker).count();
        if stickers * 2 <= sights.len() {
            name_sky(&mut labels);
        }
        for (label, pixel) in labels.pixels_mut().zip(scaled.pixels()) {
            if pixel[3] < 128 {
                *label = Luma([NOTHING]);
            }
        }
        let mut objects: Vec<Region> = regions(&labels)
            .into_iter()
            .filter(|region| class_of(region.label).is_some())
            .filter(|region| region.pixels.len() as f32 >= area * LEAST_OBJECT)
            .collect();
        objects.sort_by_key(|region| std::cmp::Reverse(region.pixels.len()));
        let scale = [width as f32 / across as f32, height as f32 / down as f32];
        let boxes = objects
            .iter()
            .filter_map(|region| object_box(region, &flat, scale));
        Ok(Segmentation {
            boxes: boxes.collect(),
            labels,
        })
    }
}

/// In landscapes, what scenes leave plain is the sky.
fn name_sky(labels: &mut GrayImage) {
    for label in labels.pixels_mut() {
        if label.0 == [Stuff::Plain as u8] {
            *label = Luma([Stuff::Sky as u8]);
        }
    }
}

fn object_box(region: &Region, picture: &RgbImage, scale: [f32; 2]) -> Option<LayoutBox> {
    let class = &classes()[class_of(region.label)?];
    let [left, top, right, bottom] = region.bounds();
    let along = |from: u32, to: u32, axis: usize| {
        [from as f32 * scale[axis], (to - from) as f32 * scale[axis]]
    };
    let ([x, width], [y, height]) = (along(left, right, 0), along(top, bottom, 1));
    let tint = tint_of(region, picture).filter(|_| class.recolours);
    Some(LayoutBox {
        class: class.noun.clone(),
        rect: [x, y, width, height],
        colour: tint.map(|tint| tint.name().to_owned()),
    })
}

/// The colour of most of a region, if it has one that has a word.
fn tint_of(region: &Region, picture: &RgbImage) -> Option<Tint> {
    let mut votes = [0_usize; Tint::ALL.len()];
    for [x, y] in &region.pixels {
        if let Some(tint) = Tint::nearest(picture.get_pixel(*x, *y).0) {
            votes[tint as usize] += 1;
        }
    }
    let tint = Tint::ALL
        .into_iter()
        .max_by_key(|tint| votes[*tint as usize])?;
    let [most, coloured] = [votes[tint as usize], votes.iter().sum()];
    // Half of what has a colour, where a good part has one.
    let is_clear = most * 2 >= coloured && coloured * 4 >= region.pixels.len();
    is_clear.then_some(tint)
}

/// The square whose first cell is given.
fn square(picture: &RgbImage, [left, top]: [usize; 2]) -> RgbImage {
    let [x, y] = [left, top].map(|cell| (cell * CELL_PX) as u32);
    imageops::crop_imm(picture, x, y, SIZE_PX as u32, SIZE_PX as u32).to_image()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::pixels::opaque;
    use crate::scenes::{Scene, SceneSource};

    fn judge() -> Judge {
        Judge::open(Path::new("assets/judge")).expect("the judge that ships")
    }

    fn scenes(count: usize) -> Vec<Scene> {
        let source = SceneSource::new(128).expect("a size");
        source.endless(77, 0).take(count).collect()
    }

    #[test]
    fn scenes_are_read_much_as_they_were_drawn() {
        let judge = judge();
        let (mut right, mut all) = (0_usize, 0_usize);
        let (mut found, mut objects) = (0, 0);
        let (mut tints, mut tinted) = (0, 0);
        for scene in scenes(40) {
            let read = judge.segment(&opaque(&scene.image)).expect("read");
            assert_eq!(read.labels.dimensions(), (128, 128));
            let mut drawn = scene.labels.clone();
            if scene.attributes.sticker_ground.is_none() {
                name_sky(&mut drawn);
            }
            let pairs = read.labels.pixels().zip(drawn.pixels());
            right += pairs.filter(|(read, drawn)| read == drawn).count();
            all += 128 * 128;
            for object in &scene.objects {
                let noun = &classes()[object.class].noun;
                let same = read.boxes.iter().filter(|it| it.class == *noun);
                let best = same.max_by(|a, b| {
                    overlap(a.rect, object.bbox).total_cmp(&overlap(b.rect, object.bbox))
                });
                objects += 1;
                let best = best.filter(|it| overlap(it.rect, object.bbox) > 0.4);
                found += usize::from(best.is_some());
                if let (Some(best), Some(tint)) = (best, object.tint) {
                    tinted += 1;
                    tints += usize::from(best.colour.as_deref() == Some(tint.name()));
                }
            }
        }
        let share = |part: usize, of: usize| part as f32 / of.max(1) as f32;
        let told = format!(
            "pixels {:.2}, boxes {:.2} of {objects}, colours {:.2} of {tinted}",
            share(right, all),
            share(found, objects),
            share(tints, tinted)
        );
        println!("{told}");
        assert!(share(right, all) > 0.8, "{told}");
        assert!(share(found, objects) > 0.4, "{told}");
        assert!(share(tints, tinted) > 0.6, "{told}");
    }

    fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
        let side = |axis: usize| {
            let end = (a[axis] + a[axis + 2]).min(b[axis] + b[axis + 2]);
            (end - a[axis].max(b[axis])).max(0.0)
        };
        let both = side(0) * side(1);
        both / (a[2] * a[3] + b[2] * b[3] - both)
    }

    #[test]
    fn clear_parts_are_nothing_and_boxes_are_in_pixels_of_the_picture() {
        let judge = judge();
        let scene = scenes(40)
            .into_iter()
            .find(|scene| {
                let read = judge.segment(&opaque(&scene.image)).expect("read");
                !read.boxes.is_empty()
            })
            .expect("an object");
        let small = judge.segment(&opaque(&scene.image)).expect("read");
        let large = imageops::resize(
            &opaque(&scene.image),
            512,
            512,
            imageops::FilterType::Triangle,
        );
        let large = judge.segment(&large).expect("read");
        let [first, scaled] = [&small, &large].map(|read| read.boxes[0].rect);
        let is_near = |axis: usize| (first[axis] * 4.0 - scaled[axis]).abs() < 48.0;
        assert!((0..4).all(is_near), "{first:?} {scaled:?}");

        let clear = RgbaImage::new(40, 20);
        let read = judge.segment(&clear).expect("read");
        assert!(read.labels.pixels().all(|label| label.0 == [NOTHING]));
        assert!(read.boxes.is_empty());
        assert!(
            judge
                .segment(&RgbaImage::new(0, 9))
                .expect("read")
                .boxes
                .is_empty()
        );
    }
}
