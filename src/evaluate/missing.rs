//! Boxes for what words name and the kept part of a picture does not show: it must be meant
//! to lie where the picture is painted anew.

use std::cmp::Reverse;

use image::{GrayImage, Luma, RgbImage, imageops};

use super::EvaluateError;
use super::judge::Judge;
use super::network::CELLS;
use crate::diffusion::{Composing, GenerationRequest, LatentDiffusion};
use crate::pixels::regions::{Region, regions};
use crate::recipe::palette::is_same_name;
use crate::recipe::{LayoutBox, LayoutInput};
use crate::scenes::classes;

/// From this probability on a thing may be there: a second one that nobody wants is worse
/// than one without a box.
const PERHAPS: f32 = 0.2;
/// How many times as wide or high as a thing what is masked may be, to be meant as its place.
const MOST_TIMES: f32 = 2.0;
/// Share of a box that must be painted anew.
const LEAST_MASKED: f32 = 0.7;
/// Longest side of the maps in which places are looked for.
const SIDE_PX: u32 = 256;

impl Judge {
    /// Boxes for the things that the words of a job name and the part of its picture that
    /// is kept does not show, in what is painted anew. `None` where nothing is missing, the
    /// job has boxes, begins with no picture or has no mask, or the model places no boxes for
    /// words.
    ///
    /// # Errors
    /// If the device fails.
    pub fn missing(
        &self,
        model: &LatentDiffusion,
        request: &GenerationRequest,
    ) -> Result<Option<LayoutInput>, EvaluateError> {
        let (Some(picture), Some(mask)) = (&request.init, &request.mask) else {
            return Ok(None);
        };
        if request.conditions.layout.is_some() || request.conditions.boxes_are_regions {
            return Ok(None);
        }
        let Some(named) = model.boxes_for(&Composing::of(request)) else {
            return Ok(None);
        };
        let unseen = self.unseen(&named, picture, mask)?;
        let placed = placed(&unseen, mask);
        Ok((!placed.is_empty()).then(|| LayoutInput(placed.into())))
    }

    /// Those of some things that the kept part of a picture does not show; none where one is
    /// of a kind that nobody here can tell.
    fn unseen(
        &self,
        named: &LayoutInput,
        picture: &RgbImage,
        mask: &GrayImage,
    ) -> Result<Vec<LayoutBox>, EvaluateError> {
        let kept = [without(picture, mask)];
        let stays = kept_cells(mask);
        let readings = self.read(&kept)?;
        let mut unseen = Vec::new();
        let mut known: Vec<&str> = Vec::new();
        for LayoutBox { class, .. } in named.0.iter() {
            if known.contains(&&**class) {
                continue;
            }
            known.push(class);
            let kind = classes()
                .iter()
                .position(|it| is_same_name(&it.noun, class));
            let Some(kind) = kind else {
                return Ok(Vec::new());
            };
            let alike = named.0.iter().filter(|it| it.class == *class);
            let traces = readings[0].traces(kind, &stays, PERHAPS);
            let seen = match (traces, alike.clone().count()) {
                (0, _) => 0,
                // Of two, one may be gone. Nobody counts a flock as well as that.
                (1, 2) => match self.count(&kept, &[kind])? {
                    Some(counts) => counts[0].max(1) as usize,
                    None => continue,
                },
                _ => continue,
            };
            unseen.extend(alike.skip(seen).cloned());
        }
        Ok(unseen)
    }
}

/// The kept part of a picture: elsewhere it has the mean colour of that, in which nothing
/// is seen, as something is in white.
fn without(picture: &RgbImage, mask: &GrayImage) -> RgbImage {
    let is_masked = |mask: &Luma<u8>| mask.0[0] >= 128;
    let kept = picture.pixels().zip(mask.pixels());
    let kept = kept.filter(|(_, mask)| !is_masked(mask));
    let (sum, count) = kept.fold(([0_u64; 3], 0_u64), |(sum, count), (pixel, _)| {
        let added = [0, 1, 2].map(|channel| sum[channel] + u64::from(pixel.0[channel]));
        (added, count + 1)
    });
    let mean = sum.map(|sum| (sum / count.max(1)) as u8);
    let mut kept = picture.clone();
    for (pixel, mask) in kept.pixels_mut().zip(mask.pixels()) {
        if is_masked(mask) {
            pixel.0 = mean;
        }
    }
    kept
}

/// The cells that the judge sees of what is kept, 255, but for those at the edge of a mask.
fn kept_cells(mask: &GrayImage) -> GrayImage {
    let side = CELLS as u32;
    let covered = imageops::resize(mask, side, side, imageops::FilterType::Triangle);
    GrayImage::from_fn(side, side, |x, y| {
        let around = |at: u32| at.saturating_sub(1)..(at + 2).min(side);
        let mut cells = around(y).flat_map(|y| around(x).map(move |x| [x, y]));
        let is_kept = cells.all(|[x, y]| covered.get_pixel(x, y).0[0] == 0);
        Luma([if is_kept { 255 } else { 0 }])
    })
}

/// Things moved to where a mask is, lower ones last, the largest of them where there is no
/// room for all.
fn placed(things: &[LayoutBox], mask: &GrayImage) -> Vec<LayoutBox> {
    let (width, height) = mask.dimensions();
    let scale = (SIDE_PX as f32 / width.max(height) as f32).min(1.0);
    let small_px = [width, height].map(|side| ((side as f32 * scale).round() as u32).max(1));
    let [across, down] = small_px;
    let mut small = imageops::resize(mask, across, down, imageops::FilterType::Nearest);
    for Luma([value]) in small.pixels_mut() {
        *value = u8::from(*value >= 128);
    }
    let mut rooms = regions(&small);
    rooms.retain(|region| region.label > 0);
    rooms.sort_by_key(|region| Reverse(region.pixels.len()));
    // From pixels of the small map to those of the picture.
    let back = [width as f32 / across as f32, height as f32 / down as f32];
    let mut things = things.to_vec();
    for thing in &mut things {
        thing.rect = scaled(thing.rect, back.map(f32::recip));
    }
    things.sort_by(|a, b| area(b.rect).total_cmp(&area(a.rect)));
    let counts = (1..=things.len()).rev();
    let mut arranged = counts.map(|count| arranged(&things[..count], &rooms, small_px));
    let mut placed = arranged.find_map(|it| it).unwrap_or_default();
    for thing in &mut placed {
        thing.rect = scaled(thing.rect, back);
    }
    placed.sort_by(|a, b| (a.rect[1] + a.rect[3]).total_cmp(&(b.rect[1] + b.rect[3])));
    placed
}

fn area([_, _, width, height]: [f32; 4]) -> f32 {
    width * height
}

fn scaled([x, y, width, height]: [f32; 4], [across, down]: [f32; 2]) -> [f32; 4] {
    [x * across, y * down, width * across, height * down]
}

/// Things in rooms of their own, each in the one that is nearest to where it was: in the
/// largest ones, of which the largest are shared where there are too few. `None` if one does
/// not fit, or would shrink too much by sharing.
fn arranged(things: &[LayoutBox], rooms: &[Region], size_px: [u32; 2]) -> Option<Vec<LayoutBox>> {
    let mut free: Vec<Region> = rooms.iter().take(things.len()).cloned().collect();
    let is_shared = free.len() < things.len();
    while free.len() < things.len() {
        let largest = (0..free.len()).max_by_key(|at| free[*at].pixels.len())?;
        let shared = halves(free.swap_remove(largest))?;
        free.extend(shared);
    }
    let mut placed = Vec::new();
    for thing in things {
        let middle = |[left, top, right, bottom]: [u32; 4]| {
            [left + right, top + bottom].map(|sum| sum as f32 / 2.0)
        };
        let away = |room: &Region| distance(middle(room.bounds()), middle_of(thing.rect));
        let nearest = (0..free.len()).min_by(|a, b| away(&free[*a]).total_cmp(&away(&free[*b])))?;
        let rect = place_in(&free.swap_remove(nearest), thing.rect, size_px)?;
        let shrinks = (2..4).any(|side| MOST_TIMES * rect[side] < thing.rect[side]);
        if is_shared && shrinks {
            return None;
        }
        placed.push(LayoutBox {
            rect,
            ..thing.clone()
        });
    }
    Some(placed)
}

/// A room cut in two across its longer side; `None` where nothing is left of one.
fn halves(room: Region) -> Option<[Region; 2]> {
    let [left, top, right, bottom] = room.bounds();
    let (axis, middle) = match right - left >= bottom - top {
        true => (0, left.midpoint(right)),
        false => (1, top.midpoint(bottom)),
    };
    let pixels = room.pixels.into_iter();
    let (one, other): (Vec<_>, Vec<_>) = pixels.partition(|pixel| pixel[axis] < middle);
    let is_whole = !one.is_empty() && !other.is_empty();
    is_whole.then(|| {
        [one, other].map(|pixels| Region {
            label: room.label,
            pixels,
        })
    })
}

fn middle_of([x, y, width, height]: [f32; 4]) -> [f32; 2] {
    [x + width / 2.0, y + height / 2.0]
}

fn distance([x, y]: [f32; 2], [to_x, to_y]: [f32; 2]) -> f32 {
    (x - to_x).hypot(y - to_y)
}

/// The place of a thing in a room: all of that if it is about as large; else the thing keeps
/// its size, and lies in it as near to its own place as can be.
fn place_in(room: &Region, wanted: [f32; 4], [across, down]: [u32; 2]) -> Option<[f32; 4]> {
    let [left, top, right, bottom] = room.bounds();
    let [wide, high] = [right - left, bottom - top];
    if wide as f32 <= MOST_TIMES * wanted[2] && high as f32 <= MOST_TIMES * wanted[3] {
        return Some([left, top, wide, high].map(|at| at as f32));
    }
    let width = (wanted[2].round() as u32).clamp(1, wide);
    let height = (wanted[3].round() as u32).clamp(1, high);
    let mut mask = GrayImage::new(across, down);
    for [x, y] in &room.pixels {
        mask.put_pixel(*x, *y, Luma([1]));
    }
    let sums = Sums::of(&mask);
    let needed = (LEAST_MASKED * (width * height) as f32).ceil() as u32;
    let places = (top..=bottom - height).flat_map(|y| (left..=right - width).map(move |x| [x, y]));
    let masked = places.map(|[x, y]| (sums.inside([x, y, x + width, y + height]), [x, y]));
    let rect = |[x, y]: [u32; 2]| [x, y, width, height].map(|at| at as f32);
    let away = |at: [u32; 2]| distance(middle_of(rect(at)), middle_of(wanted));
    let best = masked
        .filter(|(inside, _)| *inside >= needed)
        .max_by(|a, b| a.0.cmp(&b.0).then_with(|| away(b.1).total_cmp(&away(a.1))));
    best.map(|(_, at)| rect(at))
}

/// How much is masked above and left of each corner of a pixel.
struct Sums {
    width: usize,
    sums: Vec<u32>,
}

impl Sums {
    fn of(mask: &GrayImage) -> Self {
        let width = mask.width() as usize + 1;
        let mut sums = vec![0; width * (mask.height() as usize + 1)];
        for (x, y, Luma([value])) in mask.enumerate_pixels() {
            let at = (y as usize + 1) * width + x as usize + 1;
            let before = sums[at - 1] + sums[at - width] - sums[at - width - 1];
            sums[at] = before + u32::from(*value > 0);
        }
        Self { width, sums }
    }

    fn inside(&self, [left, top, right, bottom]: [u32; 4]) -> u32 {
        let at = |x: u32, y: u32| self.sums[y as usize * self.width + x as usize];
        at(right, bottom) + at(left, top) - at(left, bottom) - at(right, top)
    }
}

#[cfg(test)]
mod tests {
    use super::super::repainting::hole;
    use super::*;
    use crate::scenes::{Scene, SceneSource};

    fn thing(class: &str, rect: [f32; 4]) -> LayoutBox {
        LayoutBox {
            class: class.to_owned(),
            rect,
            colour: None,
        }
    }

    fn mask_of(side: u32, rects: &[[u32; 4]]) -> GrayImage {
        GrayImage::from_fn(side, side, |x, y| {
            let mut inside = rects.iter();
            let is_in = inside.any(|[left, top, right, bottom]| {
                (left..right).contains(&&x) && (top..bottom).contains(&&y)
            });
            Luma([if is_in { 255 } else { 0 }])
        })
    }

    /// What a scene shows, as words place it.
    fn told(scene: &Scene) -> LayoutInput {
        let told = scene.objects.iter();
        let told = told.map(|object| thing(&classes()[object.class].noun, object.bbox));
        LayoutInput(told.collect())
    }

    #[test]
    fn a_mask_about_a_thing_is_its_place() {
        let mask = mask_of(128, &[[40, 50, 80, 90]]);
        let placed = placed(&[thing("cow", [0.0, 0.0, 30.0, 24.0])], &mask);
        assert_eq!(placed, [thing("cow", [40.0, 50.0, 40.0, 40.0])]);
    }

    #[test]
    fn in_much_room_a_thing_keeps_its_size_and_side() {
        let mask = mask_of(512, &[[0, 256, 512, 512]]);
        let placed = placed(&[thing("cow", [400.0, 100.0, 80.0, 60.0])], &mask);
        assert_eq!(placed, [thing("cow", [400.0, 256.0, 80.0, 60.0])]);
    }

    #[test]
    fn things_share_what_is_masked() {
        let cow = thing("cow", [10.0, 10.0, 40.0, 30.0]);
        let dog = thing("dog", [60.0, 10.0, 20.0, 20.0]);
        let two = mask_of(128, &[[0, 60, 50, 90], [90, 90, 115, 115]]);
        assert_eq!(
            placed(&[dog.clone(), cow.clone()], &two),
            [
                thing("cow", [0.0, 60.0, 50.0, 30.0]),
                thing("dog", [90.0, 90.0, 25.0, 25.0])
            ]
        );
        let one = mask_of(128, &[[20, 60, 110, 100]]);
        assert_eq!(
            placed(&[dog.clone(), cow.clone()], &one),
            [
                thing("dog", [65.0, 60.0, 20.0, 20.0]),
                thing("cow", [20.0, 60.0, 45.0, 40.0]),
            ]
        );
        // No slivers: where there is no room for both, the larger one has all of it.
        let narrow = mask_of(128, &[[50, 60, 80, 80]]);
        assert_eq!(
            placed(&[dog, cow], &narrow),
            [thing("cow", [50.0, 60.0, 30.0, 20.0])]
        );
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let thin = mask_of(128, &[[0, 0, 128, 3], [0, 0, 3, 128]]);
        let wide = thing("cow", [30.0, 30.0, 40.0, 40.0]);
        assert_eq!(placed(&[wide], &thin), []);
        assert_eq!(placed(&[], &thin), []);
    }

    #[test]
    fn what_was_cut_out_of_scenes_is_missed_and_nothing_else() {
        let judge = Judge::open("assets/judge".as_ref()).expect("a judge");
        let source = SceneSource::new(128).expect("a size");
        let scenes: Vec<Scene> = source.endless(900_000_700, 0).take(60).collect();
        let (mut holes, mut found, mut whole) = (0, 0, 0);
        for (index, scene) in scenes.iter().enumerate() {
            let named = told(scene);
            let sky = mask_of(128, &[[0, 0, 128, 8]]);
            let unseen = judge.unseen(&named, &scene.image, &sky).expect("a reading");
            whole += usize::from(unseen.is_empty());
            let Some(hole) = hole((index, scene)) else {
                continue;
            };
            holes += 1;
            let unseen = judge.unseen(&named, &scene.image, &hole.mask);
            let unseen = unseen.expect("a reading");
            let class = &hole.as_box().0[0].class;
            found += usize::from(matches!(&unseen[..], [only] if only.class == *class));
        }
        assert!(holes > 40 && found * 10 >= holes * 9, "{found} of {holes}");
        assert!(
            whole * 10 >= scenes.len() * 9,
            "{whole} of {}",
            scenes.len()
        );
    }
}
