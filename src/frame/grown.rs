//! A picture with a patch in it.

use image::{Rgba, RgbaImage};

use crate::geometry::CanvasRect;

/// A picture of the size that holds the other and a frame.
pub fn grown_px(picture_px: [u32; 2], frame: CanvasRect) -> [u32; 2] {
    let whole = CanvasRect::from_size(picture_px).union(&frame);
    [whole.width(), whole.height()]
}

/// The picture with the patch of a frame in it. Where the frame reaches over its edges
/// the picture grows; what neither covers is transparent.
pub fn with_patch(picture: &RgbaImage, frame: CanvasRect, patch: &RgbaImage) -> RgbaImage {
    let whole = CanvasRect::from_size(picture.dimensions().into()).union(&frame);
    let mut grown = RgbaImage::from_pixel(whole.width(), whole.height(), Rgba([0; 4]));
    for (part, corner) in [(picture, [0, 0]), (patch, frame.min)] {
        let [x, y] = [0, 1].map(|axis| i64::from(corner[axis]) - i64::from(whole.min[axis]));
        image::imageops::replace(&mut grown, part, x, y);
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_grows_where_the_frame_reaches_over_its_edge() {
        let picture = RgbaImage::from_pixel(10, 8, Rgba([1, 2, 3, 255]));
        let patch = RgbaImage::from_pixel(6, 4, Rgba([9, 9, 9, 255]));
        let frame = CanvasRect::from_min_size([-2, 6], [6, 4]);
        assert_eq!(grown_px([10, 8], frame), [12, 10]);
        let whole = with_patch(&picture, frame, &patch);
        assert_eq!(whole.dimensions(), (12, 10));
        assert_eq!(whole.get_pixel(0, 0)[3], 0);
        assert_eq!(whole.get_pixel(2, 0).0, [1, 2, 3, 255]);
        assert_eq!(whole.get_pixel(3, 7).0, [9, 9, 9, 255]);
        assert_eq!(whole.get_pixel(11, 9)[3], 0);
        let inside = CanvasRect::from_min_size([2, 2], [6, 4]);
        let whole = with_patch(&picture, inside, &patch);
        assert_eq!(whole.dimensions(), (10, 8));
    }
}
