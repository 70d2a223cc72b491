//! Label maps as people paint them: things left out, coarse, some classes only.

use image::{GrayImage, Luma};

use crate::random::Random;
use crate::recipe::palette::NOTHING;

/// Share of the maps in which things are painted over by what is behind them.
const PAINTED_OVER: f32 = 0.3;
/// Share of the maps in which there is nothing where things are.
const LEFT_OUT: f32 = 0.3;
/// Share of the maps that are brought to a coarser grid.
const COARSE: f32 = 0.4;
/// Share of the maps that have some classes only.
const SOME_CLASSES: f32 = 0.35;
/// Share of the classes that such a map keeps.
const KEPT_CLASSES: f32 = 0.55;
/// Share of the maps of which only a rectangle is painted.
const PART: f32 = 0.15;
/// Sides of the squares of coarser grids, in parts of the picture's side.
const GRID: [f32; 2] = [2.0 / 128.0, 12.0 / 128.0];

/// The map, made rougher at random. `is_thing` tells things from what is behind them.
pub(super) fn roughened(map: &GrayImage, is_thing: &[bool; 256], random: &mut Random) -> GrayImage {
    let mut map = map.clone();
    match random.unit() {
        part if part < PAINTED_OVER => painted_over(&mut map, is_thing),
        part if part < PAINTED_OVER + LEFT_OUT => {
            keep(&mut map, |_, _, value| !is_thing[usize::from(value)]);
        }
        _ => {}
    }
    if random.happens(COARSE) {
        map = coarse(&map, random);
    }
    if random.happens(SOME_CLASSES) {
        let mut is_kept = [false; 256];
        is_kept.fill_with(|| random.happens(KEPT_CLASSES));
        keep(&mut map, |_, _, value| is_kept[usize::from(value)]);
    }
    if random.happens(PART) {
        let mut range = |side: u32| {
            let (middle, half) = (random.unit(), 0.1 + 0.4 * random.unit());
            let place = |part: f32| (part * side as f32).max(0.0) as u32;
            place(middle - half)..place(middle + half)
        };
        let (columns, rows) = (range(map.width()), range(map.height()));
        keep(&mut map, |x, y, _| {
            columns.contains(&x) && rows.contains(&y)
        });
    }
    map
}

/// Leaves nothing where `is_kept` says no.
fn keep(map: &mut GrayImage, is_kept: impl Fn(u32, u32, u8) -> bool) {
    for (x, y, pixel) in map.enumerate_pixels_mut() {
        if !is_kept(x, y, pixel.0[0]) {
            *pixel = Luma([NOTHING]);
        }
    }
}

/// Things give way to what is left of them, or else right of them.
fn painted_over(map: &mut GrayImage, is_thing: &[bool; 256]) {
    let width = map.width() as usize;
    for row in map.chunks_mut(width.max(1)) {
        let is_ground = |value: &&u8| !is_thing[usize::from(**value)];
        let mut behind = row.iter().find(is_ground).copied().unwrap_or(NOTHING);
        for value in row {
            if is_thing[usize::from(*value)] {
                *value = behind;
            } else {
                behind = *value;
            }
        }
    }
}

/// Squares of one value each, on a random grid.
fn coarse(map: &GrayImage, random: &mut Random) -> GrayImage {
    let (width, height) = map.dimensions();
    let [least, most] = GRID.map(|part| part * width as f32);
    let step = (random.between(least, most) as u32).max(2);
    let mut shift = || random.below(u64::from(step)) as u32;
    let (across, down) = (shift(), shift());
    let snapped = |at: u32, shift: u32, side: u32| {
        let middle = (at + shift) / step * step + step / 2;
        middle.saturating_sub(shift).min(side.saturating_sub(1))
    };
    GrayImage::from_fn(width, height, |x, y| {
        *map.get_pixel(snapped(x, across, width), snapped(y, down, height))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> GrayImage {
        // A thing (7) on ground (1) under sky (2).
        GrayImage::from_fn(32, 32, |x, y| {
            let is_thing = (10..20).contains(&x) && (12..24).contains(&y);
            Luma([if is_thing { 7 } else { 1 + u8::from(y < 16) }])
        })
    }

    #[test]
    fn things_give_way_to_what_is_behind_them() {
        let mut is_thing = [false; 256];
        is_thing[7] = true;
        let mut covered = map();
        painted_over(&mut covered, &is_thing);
        assert_eq!(covered.get_pixel(15, 13).0, [2]);
        assert_eq!(covered.get_pixel(15, 20).0, [1]);
        let mut nothing_behind = GrayImage::from_pixel(4, 2, Luma([7]));
        painted_over(&mut nothing_behind, &is_thing);
        assert!(nothing_behind.iter().all(|value| *value == NOTHING));
    }

    #[test]
    fn no_value_comes_from_nowhere_and_some_maps_stay() {
        let mut is_thing = [false; 256];
        is_thing[7] = true;
        let map = map();
        let mut same = 0;
        for seed in 0..200 {
            let rough = roughened(&map, &is_thing, &mut Random::new(seed, 0));
            assert_eq!(rough.dimensions(), map.dimensions());
            assert!(rough.iter().all(|value| [1, 2, 7, NOTHING].contains(value)));
            same += u32::from(rough == map);
        }
        assert!((15..80).contains(&same), "{same}");
    }
}
