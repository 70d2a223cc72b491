//! Places for things in what is painted anew of a picture.

use std::cmp::Reverse;

use image::{GrayImage, Luma, imageops};

use crate::pixels::regions::{Region, regions};
use crate::recipe::LayoutBox;

/// How many times as wide or high as a thing what is masked may be, to be meant as its place.
const MOST_TIMES: f32 = 2.0;
/// Share of a box that must be painted anew, and be free of other boxes.
const LEAST_MASKED: f32 = 0.7;
/// Longest side of the maps in which places are looked for.
const SIDE_PX: u32 = 256;
/// How large things are tried to be that share what is masked, as parts of their own size.
const SIZES: [f32; 4] = [1.0, 0.85, 0.7, 0.55];
/// As how many pixels of way each row of a thing counts that another one hides.
const HIDDEN_ROW_PX: f32 = 2.0;
/// As how many each row counts that is not masked, where nothing but that matters.
const MASKED_FIRST_PX: f32 = 1e4;
/// How many times as far things are moved upwards as they are downwards or aside.
const LIFTED: f32 = 2.0;

/// Things moved to where a mask is, lower ones last, the largest of them where there is no
/// room for all.
pub(super) fn placed(things: &[LayoutBox], mask: &GrayImage) -> Vec<LayoutBox> {
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
        let [left, top, right, bottom] = free[largest].bounds();
        if bottom - top > right - left {
            // One above the other they would hang in the air.
            return beside_each_other(things, rooms, size_px);
        }
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

/// Things as large as they are, or less, each as near to its own place as it can be without
/// hiding those before it.
fn beside_each_other(
    things: &[LayoutBox],
    rooms: &[Region],
    size_px: [u32; 2],
) -> Option<Vec<LayoutBox>> {
    let mut free = GrayImage::new(size_px[0], size_px[1]);
    for [x, y] in rooms.iter().flat_map(|room| &room.pixels) {
        free.put_pixel(*x, *y, Luma([1]));
    }
    let mut placed = Vec::new();
    for thing in things {
        let mut smaller = SIZES.iter().map(|size| about_middle(thing.rect, *size));
        let rect = smaller.find_map(|wanted| nearest_place(&free, wanted, HIDDEN_ROW_PX))?;
        let [left, top, width, high] = rect.map(|at| at as u32);
        for y in top..top + high {
            (left..left + width).for_each(|x| free.put_pixel(x, y, Luma([0])));
        }
        placed.push(LayoutBox {
            rect,
            ..thing.clone()
        });
    }
    Some(placed)
}

/// A box about the same middle, so many times as large.
fn about_middle([x, y, width, height]: [f32; 4], size: f32) -> [f32; 4] {
    let by = (1.0 - size) / 2.0;
    [x + by * width, y + by * height, width * size, height * size]
}

/// The left and the right half of a room; `None` where nothing is left of one.
fn halves(room: Region) -> Option<[Region; 2]> {
    let [left, _, right, _] = room.bounds();
    let middle = left.midpoint(right);
    let pixels = room.pixels.into_iter();
    let (one, other): (Vec<_>, Vec<_>) = pixels.partition(|[x, _]| *x < middle);
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
    let [x, y, width, height] = wanted;
    let mut mask = GrayImage::new(across, down);
    for [x, y] in &room.pixels {
        mask.put_pixel(*x, *y, Luma([1]));
    }
    let fitting = [width.min(wide as f32), height.min(high as f32)];
    let shift = [(width - fitting[0]) / 2.0, (height - fitting[1]) / 2.0];
    let wanted = [x + shift[0], y + shift[1], fitting[0], fitting[1]];
    nearest_place(&mask, wanted, MASKED_FIRST_PX)
}

/// The place of a box of a size that is nearest to its own; each row of it that is not free
/// is as far as so many pixels. `None` where too little is free everywhere.
fn nearest_place(free: &GrayImage, wanted: [f32; 4], row_px: f32) -> Option<[f32; 4]> {
    let (across, down) = free.dimensions();
    let width = (wanted[2].round() as u32).clamp(1, across);
    let height = (wanted[3].round() as u32).clamp(1, down);
    let sums = Sums::of(free);
    let needed = (LEAST_MASKED * (width * height) as f32).ceil() as u32;
    let rect = |[x, y]: [u32; 2]| [x, y, width, height].map(|at| at as f32);
    let far = |inside: u32, at: [u32; 2]| {
        let hidden_rows = (width * height - inside) as f32 / width as f32;
        moved(middle_of(wanted), middle_of(rect(at))) + row_px * hidden_rows
    };
    let places = (0..=down - height).flat_map(|y| (0..=across - width).map(move |x| [x, y]));
    let inside = places.map(|[x, y]| (sums.inside([x, y, x + width, y + height]), [x, y]));
    let best = inside
        .filter(|(inside, _)| *inside >= needed)
        .min_by(|a, b| far(a.0, a.1).total_cmp(&far(b.0, b.1)));
    best.map(|(_, at)| rect(at))
}

/// How far a thing was moved: upwards counts more, for what stands would hang in the air.
fn moved([x, y]: [f32; 2], [to_x, to_y]: [f32; 2]) -> f32 {
    let down = to_y - y;
    (to_x - x).hypot(if down < 0.0 { LIFTED * down } else { down })
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
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn thing(class: &str, rect: [f32; 4]) -> LayoutBox {
        LayoutBox {
            class: class.to_owned(),
            rect,
            colour: None,
        }
    }

    pub(in super::super) fn mask_of(side: u32, rects: &[[u32; 4]]) -> GrayImage {
        GrayImage::from_fn(side, side, |x, y| {
            let mut inside = rects.iter();
            let is_in = inside.any(|[left, top, right, bottom]| {
                (left..right).contains(&&x) && (top..bottom).contains(&&y)
            });
            Luma([if is_in { 255 } else { 0 }])
        })
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
    fn nothing_is_lifted_into_the_air_to_share_a_strip() {
        let strip = mask_of(128, &[[64, 0, 128, 128]]);
        let house = thing("house", [10.0, 40.0, 56.0, 56.0]);
        let cow = thing("cow", [70.0, 70.0, 40.0, 30.0]);
        let placed = placed(&[cow, house], &strip);
        let [first, second] = &placed[..] else {
            panic!("{placed:?}");
        };
        assert_eq!(*first, thing("house", [64.0, 40.0, 56.0, 56.0]));
        let [x, y, width, height] = second.rect;
        assert!(second.class == "cow" && x >= 64.0 && y >= 70.0);
        assert!(width >= 20.0 && height >= 15.0 && y + height <= 128.0);
    }

    #[test]
    fn what_finds_no_room_is_left_out() {
        let thin = mask_of(128, &[[0, 0, 128, 3], [0, 0, 3, 128]]);
        let wide = thing("cow", [30.0, 30.0, 40.0, 40.0]);
        assert_eq!(placed(&[wide], &thin), []);
        assert_eq!(placed(&[], &thin), []);
    }
}
