//! What a network that controls the painting is made to see of a picture.
//!
//! Of most kinds it is the picture as it is; [`canny`] finds edges and [`scribble`] strokes,
//! as the networks were shown them when they were trained. All of it reads every pixel:
//! it is not for the thread of the window.

mod canny;
mod scribble;

use image::{GrayImage, Rgb, RgbImage, RgbaImage};

use crate::pixels::{WHITE, flattened, opaque};
use crate::recipe::{ControlKind, scale_picture};

pub use canny::canny;
pub use scribble::scribble;

/// What stands where a picture shows nothing, for networks that see lines or colours of
/// classes.
const BLACK: Rgb<u8> = Rgb([0; 3]);

/// What a network sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The picture.
    pub picture: RgbImage,
    /// Where it is told that there is nothing to see: 255.
    pub hidden: Option<GrayImage>,
}

impl Seen {
    /// The same for people: what is hidden is clear.
    pub fn into_picture(self) -> RgbaImage {
        let mut picture = opaque(&self.picture);
        let hidden = self.hidden.iter().flat_map(|hidden| hidden.pixels());
        for (pixel, hidden) in picture.pixels_mut().zip(hidden) {
            pixel[3] = if hidden[0] >= 128 { 0 } else { 255 };
        }
        picture
    }
}

/// What a network sees of a picture, at the size (width, height) of the job. A mask hides
/// what it covers where the kind says so.
pub fn seen(
    kind: ControlKind,
    picture: &RgbaImage,
    mask: Option<&GrayImage>,
    [width_px, height_px]: [u32; 2],
) -> Seen {
    let scaled;
    let picture = if picture.dimensions() == (width_px, height_px) {
        picture
    } else if kind == ControlKind::Segmentation {
        // Between two classes there is none.
        scaled = image::imageops::resize(
            picture,
            width_px,
            height_px,
            image::imageops::FilterType::Nearest,
        );
        &scaled
    } else {
        scaled = scale_picture(picture, width_px, height_px);
        &scaled
    };
    let shown = match kind {
        ControlKind::Canny => canny(&flattened(picture, WHITE)),
        ControlKind::Scribble => scribble(picture),
        ControlKind::Segmentation | ControlKind::Depth | ControlKind::Pose | ControlKind::Lines => {
            flattened(picture, BLACK)
        }
        ControlKind::AsIs | ControlKind::Tile | ControlKind::Inpaint => flattened(picture, WHITE),
    };
    let hidden = mask.filter(|_| kind == ControlKind::Inpaint).cloned();
    Seen {
        picture: shown,
        hidden,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image::{Luma, Rgba};

    use super::*;
    use crate::recipe::{Palette, PaletteClass, SemanticInput};

    #[test]
    fn each_kind_has_its_ground() {
        let clear = RgbaImage::new(4, 4);
        let ground = |kind| seen(kind, &clear, None, [8, 6]).picture;
        for kind in ControlKind::ALL {
            let seen = ground(kind);
            assert_eq!(seen.dimensions(), (8, 6));
            let is_white = matches!(
                kind,
                ControlKind::AsIs | ControlKind::Tile | ControlKind::Inpaint
            );
            assert_eq!(seen.get_pixel(5, 5).0, [if is_white { 255 } else { 0 }; 3]);
        }
    }

    #[test]
    fn a_mask_hides_from_networks_that_paint_inside_of_it() {
        let picture = RgbaImage::from_pixel(4, 4, Rgba([9, 8, 7, 255]));
        let mask = GrayImage::from_pixel(4, 4, Luma([255]));
        let hides = |kind| seen(kind, &picture, Some(&mask), [4, 4]).hidden.is_some();
        assert!(hides(ControlKind::Inpaint) && !hides(ControlKind::Tile));
    }

    #[test]
    fn a_label_map_has_the_colours_of_its_classes() {
        let class = PaletteClass {
            index: 3,
            name: "sky".to_owned(),
            color: [6, 230, 230],
        };
        let input = SemanticInput {
            map: Arc::new(GrayImage::from_fn(2, 1, |x, _| {
                Luma([[3, 255][x as usize]])
            })),
            palette: Palette {
                name: "ADE20K".to_owned(),
                classes: vec![class],
            },
        };
        let picture = input.in_colours();
        assert_eq!(picture.get_pixel(0, 0).0, [6, 230, 230, 255]);
        assert_eq!(picture.get_pixel(1, 0)[3], 0);
        let large = seen(ControlKind::Segmentation, &picture, None, [4, 2]).picture;
        assert!(
            large
                .pixels()
                .all(|it| [[6, 230, 230], [0; 3]].contains(&it.0))
        );
    }
}
