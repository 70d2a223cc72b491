//! Which part of the canvas the next job paints.

use crate::geometry::CanvasRect;

/// What the user wants a job to paint. It is a part of the document, so that undo,
/// projects and a canvas that grows keep it where it belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameChoice {
    /// What suits the mask, where there is one and the picture is larger than the
    /// model's; else the whole canvas.
    #[default]
    Automatic,
    /// The whole canvas, pixel for pixel.
    Canvas,
    /// This part of the canvas, which may reach over its edges.
    Fixed(CanvasRect),
}

impl FrameChoice {
    /// The same on a canvas that grew by so many pixels at the left and above.
    #[must_use]
    pub fn moved_by(self, by_px: [i32; 2]) -> Self {
        match self {
            Self::Fixed(rect) => Self::Fixed(rect.moved_by(by_px)),
            Self::Automatic | Self::Canvas => self,
        }
    }

    /// The same on a canvas of another size, on which a corner lies elsewhere.
    #[must_use]
    pub fn scaled(self, corner: impl Fn([i32; 2]) -> [i32; 2]) -> Self {
        match self {
            Self::Fixed(rect) => {
                Self::Fixed(CanvasRect::from_min_max(corner(rect.min), corner(rect.max)))
            }
            Self::Automatic | Self::Canvas => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_goes_with_its_canvas() {
        let rect = CanvasRect::from_min_size([-8, 16], [64, 32]);
        let moved = FrameChoice::Fixed(rect).moved_by([8, 3]);
        assert_eq!(
            moved,
            FrameChoice::Fixed(CanvasRect::from_min_size([0, 19], [64, 32]))
        );
        let larger = FrameChoice::Fixed(rect).scaled(|corner| corner.map(|at| at * 4));
        let expected = CanvasRect::from_min_size([-32, 64], [256, 128]);
        assert_eq!(larger, FrameChoice::Fixed(expected));
        assert_eq!(
            FrameChoice::Automatic.moved_by([8, 3]),
            FrameChoice::Automatic
        );
    }
}
