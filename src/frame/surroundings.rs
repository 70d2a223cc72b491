//! What lies around a frame, for who asks whether something is in the picture already.

use image::{Rgba, RgbaImage};

use crate::geometry::CanvasRect;

/// The longest side of what is looked at.
const LONGEST_PX: u32 = 512;

/// How many pixels of a picture are read for its [`surroundings`].
pub fn surroundings_px([width, height]: [u32; 2]) -> u64 {
    u64::from(width) * u64::from(height.min(LONGEST_PX))
}

/// A picture of up to 512 pixels a side, clear inside of a frame; `None` where there is
/// nothing beside that. `cut` gives a part of it; of a large one only some rows are asked for.
pub fn surroundings(
    picture_px: [u32; 2],
    frame: CanvasRect,
    cut: impl Fn(CanvasRect) -> RgbaImage,
) -> Option<RgbaImage> {
    let whole = CanvasRect::from_size(picture_px);
    if frame.intersect(&whole) == whole || picture_px.contains(&0) {
        return None;
    }
    let longest = picture_px[0].max(picture_px[1]);
    let small_px = picture_px.map(|side| match longest {
        ..=LONGEST_PX => side,
        _ => (u64::from(side) * u64::from(LONGEST_PX) / u64::from(longest)).max(1) as u32,
    });
    // The pixel in the middle of those that one stands for.
    let source = |at: u32, axis: usize| {
        let [from, to] = [picture_px[axis], small_px[axis]].map(u64::from);
        ((2 * u64::from(at) + 1) * from / (2 * to)) as u32
    };
    let mut small = RgbaImage::new(small_px[0], small_px[1]);
    for y in 0..small_px[1] {
        let from_y = source(y, 1);
        let row = cut(CanvasRect::from_min_size(
            [0, from_y as i32],
            [picture_px[0], 1],
        ));
        for x in 0..small_px[0] {
            let from_x = source(x, 0);
            let at = CanvasRect::from_min_size([from_x as i32, from_y as i32], [1, 1]);
            let is_inside = !frame.intersect(&at).is_empty();
            let pixel = match is_inside {
                true => Rgba([0; 4]),
                false => *row.get_pixel(from_x, 0),
            };
            small.put_pixel(x, y, pixel);
        }
    }
    Some(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::cut_picture;

    fn picture(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, y| {
            Rgba([(x / 8) as u8, (y / 8) as u8, 7, 255])
        })
    }

    #[test]
    fn the_frame_is_clear_and_all_else_is_as_it_is() {
        let picture = picture(300, 200);
        let frame = CanvasRect::from_min_size([250, 20], [100, 64]);
        let around = surroundings([300, 200], frame, |part| cut_picture(&picture, part));
        let around = around.expect("something beside the frame");
        for (x, y, pixel) in around.enumerate_pixels() {
            let is_inside = x >= 250 && (20..84).contains(&y);
            let wanted = match is_inside {
                true => Rgba([0; 4]),
                false => *picture.get_pixel(x, y),
            };
            assert_eq!(*pixel, wanted, "{x}, {y}");
        }
    }

    #[test]
    fn a_large_picture_is_small_and_most_of_it_is_not_read() {
        let picture = picture(2048, 1024);
        let read = std::cell::Cell::new(0_u64);
        let frame = CanvasRect::from_min_size([0, 0], [1024, 1024]);
        let around = surroundings([2048, 1024], frame, |part| {
            read.set(read.get() + u64::from(part.width()) * u64::from(part.height()));
            cut_picture(&picture, part)
        });
        let around = around.expect("a half");
        assert_eq!(around.dimensions(), (512, 256));
        assert_eq!(around.get_pixel(255, 9)[3], 0);
        assert_eq!(*around.get_pixel(256, 128), Rgba([128, 64, 7, 255]));
        assert!(read.get() <= surroundings_px([2048, 1024]));
    }

    #[test]
    fn there_is_nothing_around_a_frame_of_all() {
        let cut = |_| unreachable!("nothing is read");
        let frame = CanvasRect::from_min_size([-8, 0], [100, 64]);
        assert_eq!(surroundings([64, 64], frame, cut), None);
    }
}
