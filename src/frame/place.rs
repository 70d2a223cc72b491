//! Where frames lie, and at what size they are painted.

use crate::geometry::CanvasRect;

/// Ratios of width to height that models paint well.
pub const RATIOS: [[u32; 2]; 7] = [[1, 1], [4, 3], [3, 4], [3, 2], [2, 3], [16, 9], [9, 16]];

/// A frame around a mask is made wider or higher where it would be longer than so many
/// times its short side: models know few pictures that are.
const LONGEST_RATIO: u32 = 2;

/// The painted picture is at most so many times as long as the model's, whatever the
/// frame's shape.
const LONGEST_SIDES: u32 = 4;

/// The part of a mask's longest side that is usually seen beyond each of its edges.
const PADDING_PART: f32 = 0.25;
/// The same for models of scenes. Of 20 places of scenes of 512 pixels where nothing lies,
/// painted anew under the words of the whole, Storybook put something in 17 with a quarter, 16
/// with a half, 10 with once the side, 5 with this and 3 with twice the side; things came out as
/// often with all of them.
const SCENE_PADDING_PART: f32 = 1.5;

/// What a frame has to know of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameModel {
    /// Side of the square pictures that the model was trained on.
    pub native_px: u32,
    /// Both sides of what it paints are multiples of this.
    pub multiple_px: u32,
    /// Whether it learnt how things lie in scenes: of a part of one it must see that it is one,
    /// or it paints a whole scene there.
    pub composes: bool,
}

impl FrameModel {
    fn multiple(self) -> u32 {
        self.multiple_px.max(1)
    }

    /// The sizes of pictures of each of the [`RATIOS`] that suit the model.
    pub fn sizes_px(self) -> [[u32; 2]; RATIOS.len()] {
        RATIOS.map(|ratio| painted_px(ratio, self))
    }

    /// Whether a picture is larger than what the model paints well as a whole.
    pub fn is_smaller_than(self, picture_px: [u32; 2]) -> bool {
        picture_px.iter().any(|side| *side > self.native_px)
    }
}

/// How much of a picture around a mask is usually seen: a part of what the model
/// paints, and more where the mask is larger than that or the model knows whole scenes.
pub fn usual_padding_px(mask: CanvasRect, model: FrameModel) -> u32 {
    let longest = mask.width().max(mask.height()).max(model.native_px);
    let part = match model.composes {
        true => SCENE_PADDING_PART,
        false => PADDING_PART,
    };
    (longest as f32 * part) as u32
}

/// The frame around a mask of these bounds: with so much of the picture around it, and
/// never smaller than what suits the model, as far as the picture has room.
///
/// It has no pixel for an empty mask.
pub fn around_mask(
    mask: CanvasRect,
    padding_px: u32,
    picture_px: [u32; 2],
    model: FrameModel,
) -> CanvasRect {
    let mask = mask.intersect(&CanvasRect::from_size(picture_px));
    if mask.is_empty() {
        return CanvasRect::EMPTY;
    }
    let padded =
        [mask.width(), mask.height()].map(|side| side.saturating_add(padding_px.saturating_mul(2)));
    let longest = padded[0].max(padded[1]);
    let least = model.native_px.max(longest.div_ceil(LONGEST_RATIO));
    let side = |axis: usize| {
        let wanted = padded[axis].max(least).min(picture_px[axis]);
        let snapped = wanted.checked_next_multiple_of(model.multiple());
        let side = snapped.unwrap_or(wanted).min(picture_px[axis]);
        // In the middle of the mask, and moved back inside of the picture.
        let middle = i64::from(mask.min[axis]) + i64::from(mask.max[axis]);
        let start = (middle - i64::from(side)).div_euclid(2);
        let last = i64::from(picture_px[axis]) - i64::from(side);
        (start.clamp(0, last), side)
    };
    let ((x, width), (y, height)) = (side(0), side(1));
    // Both lie inside of the picture.
    CanvasRect::from_min_size([x as i32, y as i32], [width, height])
}

/// The size at which a model paints a frame: of the same shape, with about as many
/// pixels as the model's own pictures, and both sides multiples of what it takes.
pub fn painted_px(frame_px: [u32; 2], model: FrameModel) -> [u32; 2] {
    let multiple = f64::from(model.multiple());
    let native = f64::from(model.native_px.max(1));
    let [width, height] = frame_px.map(|side| f64::from(side.max(1)));
    let longest = native * f64::from(LONGEST_SIDES);
    let stretch = (width / height).sqrt();
    [stretch, stretch.recip()].map(|part| {
        let side = (native * part).min(longest);
        // A finite number of at most 2³⁴.
        ((side / multiple).round().max(1.0) * multiple) as u32
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORYBOOK: FrameModel = FrameModel {
        native_px: 128,
        multiple_px: 8,
        composes: true,
    };
    const LARGE: FrameModel = FrameModel {
        native_px: 512,
        multiple_px: 8,
        composes: false,
    };

    fn rect(x: i32, y: i32, width: u32, height: u32) -> CanvasRect {
        CanvasRect::from_min_size([x, y], [width, height])
    }

    #[test]
    fn a_small_mask_is_seen_with_what_suits_the_model() {
        let mask = rect(2000, 1000, 20, 20);
        let seen = |model| around_mask(mask, 4, [4096, 4096], model);
        assert_eq!(seen(STORYBOOK), rect(1946, 946, 128, 128));
        assert_eq!(seen(LARGE), rect(1754, 754, 512, 512));
        // In a corner the frame moves back inside.
        let corner = around_mask(rect(0, 4090, 6, 6), 40, [4096, 4096], STORYBOOK);
        assert_eq!(corner, rect(0, 3968, 128, 128));
    }

    #[test]
    fn a_large_mask_is_seen_with_its_padding_and_not_too_long() {
        let seen = around_mask(rect(500, 500, 300, 200), 50, [4096, 4096], STORYBOOK);
        assert_eq!(seen, rect(450, 448, 400, 304));
        let long = around_mask(rect(100, 1000, 3000, 10), 0, [4096, 4096], STORYBOOK);
        assert_eq!((long.width(), long.height()), (3000, 1504));
        assert!(long.min[1] <= 1000 && long.max[1] >= 1010);
    }

    #[test]
    fn a_picture_without_room_is_seen_as_a_whole() {
        let seen = around_mask(rect(10, 10, 5, 5), 32, [100, 60], STORYBOOK);
        assert_eq!(seen, rect(0, 0, 100, 60));
        let nothing = around_mask(CanvasRect::EMPTY, 32, [100, 60], STORYBOOK);
        assert!(nothing.is_empty());
        let outside = around_mask(rect(200, 10, 5, 5), 32, [100, 60], STORYBOOK);
        assert!(outside.is_empty());
    }

    #[test]
    fn frames_hold_their_masks_and_lie_in_the_picture() {
        let mut random = crate::random::Random::new(7, 0);
        for _ in 0..2000 {
            let mut below = |bound: u32| random.below(u64::from(bound)) as u32;
            let picture_px = [1 + below(9000), 1 + below(9000)];
            let corner = [below(picture_px[0]), below(picture_px[1])];
            let size = [0, 1].map(|axis| 1 + below(picture_px[axis] - corner[axis]));
            let mask = CanvasRect::from_min_size(corner.map(|at| at as i32), size);
            let padding = [below(100), u32::MAX][usize::from(below(20) == 0)];
            let model = FrameModel {
                native_px: below(1025),
                multiple_px: below(65),
                composes: below(2) == 0,
            };
            let frame = around_mask(mask, padding, picture_px, model);
            assert_eq!(frame.union(&mask), frame, "{mask:?} in {frame:?}");
            let picture = CanvasRect::from_size(picture_px);
            assert_eq!(frame.intersect(&picture), frame, "{frame:?}");
            for axis in [0, 1] {
                let side = [frame.width(), frame.height()][axis];
                assert!(side >= model.native_px.min(picture_px[axis]));
            }
        }
    }

    #[test]
    fn frames_are_painted_in_their_shape_at_the_size_of_the_model() {
        assert_eq!(painted_px([128, 128], STORYBOOK), [128, 128]);
        assert_eq!(painted_px([3000, 3000], LARGE), [512, 512]);
        assert_eq!(painted_px([100, 60], STORYBOOK), [168, 96]);
        assert_eq!(painted_px([212, 180], STORYBOOK), [136, 120]);
        // However long a frame is, the work stays within bounds.
        assert_eq!(painted_px([8192, 1], LARGE), [2048, 8]);
        assert_eq!(painted_px([0, u32::MAX], STORYBOOK), [8, 512]);
        let none = FrameModel {
            native_px: 0,
            multiple_px: 0,
            composes: false,
        };
        assert_eq!(painted_px([5, 5], none), [1, 1]);
        for [width, height] in STORYBOOK.sizes_px() {
            assert!(width % 8 == 0 && height % 8 == 0);
            assert!((12_000..22_000).contains(&(width * height)));
        }
    }

    #[test]
    fn the_usual_padding_grows_with_the_mask() {
        assert_eq!(usual_padding_px(rect(0, 0, 9, 9), LARGE), 128);
        assert_eq!(usual_padding_px(rect(0, 0, 2000, 9), LARGE), 500);
        assert_eq!(usual_padding_px(rect(0, 0, 9, 9), STORYBOOK), 192);
        assert_eq!(usual_padding_px(rect(0, 0, 2000, 9), STORYBOOK), 3000);
    }
}
