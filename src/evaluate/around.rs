//! What there is to see around the part of a picture that is painted.

use std::sync::{Arc, Mutex, PoisonError};

use image::{GrayImage, RgbImage, Rgba, RgbaImage, imageops};

use super::EvaluateError;
use super::judge::Judge;
use super::missing::{kept_cells, without};
use super::network::SIZE_PX;
use crate::pixels::{WHITE, flattened};
use crate::scenes::classes;

/// Parts of which more than this share is clear are not looked at.
const MOST_CLEAR: f32 = 0.75;
/// Of very long pictures no more squares are read.
const MOST_SQUARES: usize = 32;

/// What was looked at last, and what it shows: the pictures of a batch and the strokes inside of
/// a frame have the same around them.
#[derive(Debug, Default)]
pub(super) struct LastAround(Mutex<Option<(RgbaImage, Arc<[bool]>)>>);

impl LastAround {
    /// What a picture shows, read only where it is another one than the last.
    fn or_read(
        &self,
        picture: &RgbaImage,
        read: impl FnOnce() -> Result<Arc<[bool]>, EvaluateError>,
    ) -> Result<Arc<[bool]>, EvaluateError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, seen)) = last.as_ref().filter(|(known, _)| known == picture) {
            return Ok(Arc::clone(seen));
        }
        let seen = read()?;
        *last = Some((picture.clone(), Arc::clone(&seen)));
        Ok(seen)
    }
}

impl Judge {
    /// Which kinds of things a picture surely shows, by number; what is clear in it is not
    /// looked at.
    ///
    /// # Errors
    /// If the device fails.
    pub(super) fn seen_around(&self, picture: &RgbaImage) -> Result<Arc<[bool]>, EvaluateError> {
        self.around.or_read(picture, || self.read_around(picture))
    }

    /// The same, looked at. It is read in squares as high as its shorter side, and in those half as high
    /// that need not be enlarged for it, so that neither its shape nor small things in a large
    /// picture are lost.
    fn read_around(&self, picture: &RgbaImage) -> Result<Arc<[bool]>, EvaluateError> {
        let (parts, stays): (Vec<RgbImage>, Vec<GrayImage>) = squares(picture)
            .take(MOST_SQUARES)
            .filter_map(|[left, top, side]| {
                let part = imageops::crop_imm(picture, left, top, side, side).to_image();
                let mask = clear(&part)?;
                Some((without(&flattened(&part, WHITE), &mask), kept_cells(&mask)))
            })
            .unzip();
        let readings = self.read(&parts)?;
        let kinds = 0..classes().len();
        let shows = |kind| {
            let mut pairs = readings.iter().zip(&stays);
            pairs.any(|(reading, stays)| reading.shows(kind, Some(stays)))
        };
        Ok(kinds.map(shows).collect())
    }
}

/// Left, top and side of the squares that are read.
fn squares(picture: &RgbaImage) -> impl Iterator<Item = [u32; 3]> {
    let (width, height) = picture.dimensions();
    let shorter = width.min(height);
    let half = Some(shorter / 2).filter(|half| *half >= SIZE_PX as u32);
    [Some(shorter), half]
        .into_iter()
        .flatten()
        .flat_map(move |side| {
            let down = steps(height, side);
            down.flat_map(move |top| steps(width, side).map(move |left| [left, top, side]))
        })
}

/// Where a part is clear, 255; `None` if there is too little to see.
fn clear(part: &RgbaImage) -> Option<GrayImage> {
    let (width, height) = part.dimensions();
    let clear = part.pixels().map(|Rgba([.., alpha])| *alpha < 128);
    if clear.clone().filter(|it| *it).count() as f32 > MOST_CLEAR * (width * height) as f32 {
        return None;
    }
    let clear = clear.map(|it| if it { 255 } else { 0 }).collect();
    GrayImage::from_raw(width, height, clear)
}

/// Where squares begin that cover a length and overlap by half or more.
fn steps(length: u32, side: u32) -> impl Iterator<Item = u32> + Clone {
    let rest = length - side;
    let count = (2 * rest).div_ceil(side.max(1));
    (0..=count).map(move |at| match count {
        0 => 0,
        _ => (u64::from(rest) * u64::from(at) / u64::from(count)) as u32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::{Scene, SceneSource};

    #[test]
    fn the_same_surroundings_are_read_once() {
        let [one, other] = [1, 2].map(|red| RgbaImage::from_pixel(8, 8, Rgba([red, 0, 0, 255])));
        let last = LastAround::default();
        let reads = std::cell::Cell::new(0);
        let seen = |picture: &RgbaImage| {
            let read = || {
                reads.set(reads.get() + 1);
                Ok([picture.get_pixel(0, 0)[0] == 1].into())
            };
            last.or_read(picture, read).expect("a reading")[0]
        };
        assert!(seen(&one) && seen(&one.clone()));
        assert_eq!(reads.get(), 1);
        assert!(!seen(&other) && seen(&one));
        assert_eq!(reads.get(), 3);
        // What could not be read is read again.
        let failed = last.or_read(&other, || Err(EvaluateError::device("lost")));
        assert!(failed.is_err() && !seen(&other));
    }

    #[test]
    fn squares_cover_all() {
        let all = |length, side| steps(length, side).collect::<Vec<_>>();
        assert_eq!(all(128, 128), [0]);
        assert_eq!(all(192, 128), [0, 64]);
        assert_eq!(all(512, 128), [0, 64, 128, 192, 256, 320, 384]);
        assert_eq!(all(129, 64), [0, 21, 43, 65]);
    }

    /// Two scenes beside each other, one of them cut out.
    #[test]
    fn what_stands_outside_is_seen_and_what_was_cut_out_is_not() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(128).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_800, 0).take(40).collect();
        let (mut asked, mut found, mut absent, mut wrong) = (0, 0, 0, 0);
        for pair in scenes.chunks_exact(2) {
            let shown = RgbaImage::from_fn(256, 128, |x, y| match x {
                ..128 => Rgba([0; 4]),
                _ => {
                    let [r, g, b] = pair[1].image.get_pixel(x - 128, y).0;
                    Rgba([r, g, b, 255])
                }
            });
            let seen = judge.seen_around(&shown).expect("a reading");
            let has = |scene: &Scene, class| scene.objects.iter().any(|it| it.class == class);
            let visible = pair[1].objects.iter().filter(|it| it.visible >= 0.6);
            for object in visible {
                asked += 1;
                found += usize::from(seen[object.class]);
            }
            for object in pair[0].objects.iter().filter(|it| !has(&pair[1], it.class)) {
                absent += 1;
                wrong += usize::from(seen[object.class]);
            }
        }
        assert!(asked > 20 && found * 10 >= asked * 9, "{found} of {asked}");
        assert!(absent > 20 && wrong * 20 <= absent, "{wrong} of {absent}");
    }
}
