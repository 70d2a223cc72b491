//! Points, rectangles and the view transform of the canvas.
//!
//! Every room may use this one; it uses nothing but `std`. Two spaces are kept
//! apart by their types: *canvas* space counts document pixels from the
//! top-left corner of the picture, *ui* space counts the logical points of the
//! window. Only [`CanvasTransform`] goes from one to the other, so no other
//! code needs to know about zoom, pan or the density of the screen.

/// A position in document pixels; whole numbers are the corners of pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CanvasPoint {
    /// Pixels from the left edge of the picture.
    pub x: f32,
    /// Pixels from the top edge of the picture.
    pub y: f32,
}

impl CanvasPoint {
    /// The point at the given coordinates.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }

    /// The distance to another point in pixels.
    pub fn distance(self, other: Self) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point that divides the way to `other` at `t`: 0 is here, 1 is there.
    pub fn lerp(self, other: Self, t: f32) -> Self {
        Self::new(
            self.x + (other.x - self.x) * t,
            self.y + (other.y - self.y) * t,
        )
    }

    /// Whether both coordinates are numbers that can be drawn.
    pub fn is_finite(self) -> bool {
        self.x.is_finite() && self.y.is_finite()
    }
}

/// A rectangle of whole document pixels, half open: `max` is outside.
///
/// A rectangle whose `max` does not exceed its `min` on both axes is empty;
/// [`CanvasRect::EMPTY`] is the one that unions leave unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasRect {
    /// The first column and row.
    pub min: [i32; 2],
    /// One past the last column and row.
    pub max: [i32; 2],
}

impl Default for CanvasRect {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl CanvasRect {
    /// The rectangle that holds nothing.
    pub const EMPTY: Self = Self {
        min: [0, 0],
        max: [0, 0],
    };

    /// The rectangle between two corners.
    pub const fn from_min_max(min: [i32; 2], max: [i32; 2]) -> Self {
        Self { min, max }
    }

    /// The rectangle of the given size at the given corner.
    pub fn from_min_size(min: [i32; 2], size_px: [u32; 2]) -> Self {
        let end = |start: i32, size: u32| start.saturating_add_unsigned(size);
        Self {
            min,
            max: [end(min[0], size_px[0]), end(min[1], size_px[1])],
        }
    }

    /// The whole of a picture of the given size.
    pub fn from_size(size_px: [u32; 2]) -> Self {
        Self::from_min_size([0, 0], size_px)
    }

    /// The smallest rectangle of whole pixels that holds a disc.
    pub fn around(center: CanvasPoint, radius_px: f32) -> Self {
        let low = |v: f32| (v - radius_px).floor() as i32;
        let high = |v: f32| (v + radius_px).ceil() as i32;
        Self {
            min: [low(center.x), low(center.y)],
            max: [high(center.x), high(center.y)],
        }
    }

    /// Whether there is no pixel inside.
    pub fn is_empty(&self) -> bool {
        self.max[0] <= self.min[0] || self.max[1] <= self.min[1]
    }

    /// The number of columns.
    pub fn width(&self) -> u32 {
        u32::try_from(i64::from(self.max[0]) - i64::from(self.min[0])).unwrap_or(0)
    }

    /// The number of rows.
    pub fn height(&self) -> u32 {
        u32::try_from(i64::from(self.max[1]) - i64::from(self.min[1])).unwrap_or(0)
    }

    /// The pixels that are in both rectangles.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let both = Self {
            min: [self.min[0].max(other.min[0]), self.min[1].max(other.min[1])],
            max: [self.max[0].min(other.max[0]), self.max[1].min(other.max[1])],
        };
        if both.is_empty() { Self::EMPTY } else { both }
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Self {
            min: [self.min[0].min(other.min[0]), self.min[1].min(other.min[1])],
            max: [self.max[0].max(other.max[0]), self.max[1].max(other.max[1])],
        }
    }

    /// Whether all of another rectangle lies inside.
    pub fn holds(&self, other: &Self) -> bool {
        other.is_empty() || self.intersect(other) == *other
    }

    /// The same at another place, so many pixels to the right and down.
    #[must_use]
    pub fn moved_by(&self, by_px: [i32; 2]) -> Self {
        let moved =
            |corner: [i32; 2]| [0, 1].map(|axis: usize| corner[axis].saturating_add(by_px[axis]));
        Self {
            min: moved(self.min),
            max: moved(self.max),
        }
    }

    /// Width and height.
    pub fn size_px(&self) -> [u32; 2] {
        [self.width(), self.height()]
    }

    /// Whether the point lies inside.
    pub fn contains(&self, point: CanvasPoint) -> bool {
        let inside = |v: f32, axis: usize| v >= self.min[axis] as f32 && v < self.max[axis] as f32;
        inside(point.x, 0) && inside(point.y, 1)
    }

    /// The middle of the rectangle.
    pub fn center(&self) -> CanvasPoint {
        let middle = |axis: usize| (self.min[axis] as f32 + self.max[axis] as f32) * 0.5;
        CanvasPoint::new(middle(0), middle(1))
    }
}

/// A position in the logical points of the window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UiPoint {
    /// Points from the left edge of the window.
    pub x: f32,
    /// Points from the top edge of the window.
    pub y: f32,
}

impl UiPoint {
    /// The point at the given coordinates.
    pub const fn new(x: f32, y: f32) -> Self {
        Self { x, y }
    }
}

/// The part of the window that shows the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// Its top-left corner.
    pub min: UiPoint,
    /// Its width and height in points.
    pub size: [f32; 2],
    /// Physical pixels of the screen in one point.
    pub pixels_per_point: f32,
}

impl Viewport {
    /// The middle of the viewport.
    pub fn center(&self) -> UiPoint {
        UiPoint::new(
            self.min.x + self.size[0] * 0.5,
            self.min.y + self.size[1] * 0.5,
        )
    }
}

/// Smallest zoom: one screen pixel shows 64 × 64 document pixels.
pub const MIN_ZOOM: f32 = 1.0 / 64.0;

/// Largest zoom: one document pixel covers 64 × 64 screen pixels.
pub const MAX_ZOOM: f32 = 64.0;

/// Free space around a fitted picture, in points.
const FIT_MARGIN_POINTS: f32 = 24.0;

/// The steps that [`CanvasView::zoomed_in`] and [`CanvasView::zoomed_out`] stop at.
const ZOOM_STEPS: [f32; 19] = [
    1.0 / 64.0,
    1.0 / 32.0,
    1.0 / 16.0,
    1.0 / 8.0,
    1.0 / 6.0,
    0.25,
    1.0 / 3.0,
    0.5,
    2.0 / 3.0,
    1.0,
    2.0,
    3.0,
    4.0,
    6.0,
    8.0,
    12.0,
    16.0,
    32.0,
    64.0,
];

/// Which part of the picture is shown, and how large.
///
/// `zoom` counts physical screen pixels per document pixel, so that 1 is what
/// every studio calls 100 %, on any screen. The view holds no window size:
/// resizing the window keeps the same document point in the middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanvasView {
    /// The document point in the middle of the viewport.
    pub center: CanvasPoint,
    /// Physical screen pixels per document pixel.
    pub zoom: f32,
    /// Whether the view was fitted and not moved since; such a view is fitted
    /// again when the window or the picture changes its size.
    pub is_fitted: bool,
}

impl Default for CanvasView {
    fn default() -> Self {
        Self {
            center: CanvasPoint::default(),
            zoom: 1.0,
            is_fitted: true,
        }
    }
}

impl CanvasView {
    /// The view that shows the whole picture with a margin.
    ///
    /// Small pictures are enlarged by whole factors only, so that all their
    /// pixels look equally large.
    #[must_use]
    pub fn fit(picture_px: [u32; 2], viewport: &Viewport) -> Self {
        let scale = |axis: usize| {
            let room = (viewport.size[axis] - 2.0 * FIT_MARGIN_POINTS).max(1.0);
            room * viewport.pixels_per_point / (picture_px[axis].max(1) as f32)
        };
        let zoom = scale(0).min(scale(1));
        let zoom = if zoom >= 2.0 { zoom.floor() } else { zoom };
        Self {
            center: CanvasRect::from_size(picture_px).center(),
            zoom: zoom.clamp(MIN_ZOOM, MAX_ZOOM),
            is_fitted: true,
        }
    }

    /// The same middle at 100 %: one document pixel on one screen pixel.
    #[must_use]
    pub fn at_actual_size(self) -> Self {
        Self {
            zoom: 1.0,
            is_fitted: false,
            ..self
        }
    }

    /// The view with another zoom in which `anchor` stays where it is on the screen.
    #[must_use]
    pub fn zoomed_about(self, anchor: CanvasPoint, zoom: f32) -> Self {
        if !zoom.is_finite() || !anchor.is_finite() {
            return self;
        }
        let zoom = zoom.clamp(MIN_ZOOM, MAX_ZOOM);
        // The anchor's offset from the middle, in screen pixels, is kept.
        let center = anchor.lerp(self.center, self.zoom / zoom);
        Self {
            center,
            zoom,
            is_fitted: false,
        }
    }

    /// The next larger round zoom about `anchor`.
    #[must_use]
    pub fn zoomed_in(self, anchor: CanvasPoint) -> Self {
        let next = ZOOM_STEPS.into_iter().find(|step| *step > self.zoom * 1.01);
        self.zoomed_about(anchor, next.unwrap_or(MAX_ZOOM))
    }

    /// The next smaller round zoom about `anchor`.
    #[must_use]
    pub fn zoomed_out(self, anchor: CanvasPoint) -> Self {
        let next = ZOOM_STEPS
            .into_iter()
            .rev()
            .find(|step| *step < self.zoom * 0.99);
        self.zoomed_about(anchor, next.unwrap_or(MIN_ZOOM))
    }

    /// The view after the picture was dragged so that the document point
    /// `grabbed` comes to lie where `pointer` was.
    #[must_use]
    pub fn dragged(self, grabbed: CanvasPoint, pointer: CanvasPoint) -> Self {
        let center = CanvasPoint::new(
            self.center.x + grabbed.x - pointer.x,
            self.center.y + grabbed.y - pointer.y,
        );
        Self {
            center,
            is_fitted: false,
            ..self
        }
    }

    /// The view with its middle kept over the picture, so that it cannot be lost.
    #[must_use]
    pub fn kept_near(self, picture_px: [u32; 2]) -> Self {
        let inside = |v: f32, side: u32| v.clamp(0.0, side as f32);
        let center = CanvasPoint::new(
            inside(self.center.x, picture_px[0]),
            inside(self.center.y, picture_px[1]),
        );
        Self { center, ..self }
    }

    /// The transform between the window and the picture for this view.
    pub fn transform(&self, viewport: &Viewport) -> CanvasTransform {
        let density = viewport.pixels_per_point;
        let middle = viewport.center();
        // The picture's corner lies on a whole screen pixel: otherwise every
        // edge of the picture would be blurred over two of them.
        let snap = |v: f32| (v * density).round() / density;
        let scale = self.zoom / density;
        CanvasTransform {
            origin: UiPoint::new(
                snap(middle.x - self.center.x * scale),
                snap(middle.y - self.center.y * scale),
            ),
            points_per_pixel: scale,
        }
    }
}

/// Maps window points to document pixels and back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanvasTransform {
    /// Where the top-left corner of the picture lies in the window.
    pub origin: UiPoint,
    /// Window points in one document pixel.
    pub points_per_pixel: f32,
}

impl CanvasTransform {
    /// The document position under a window position.
    pub fn canvas_from_ui(&self, point: UiPoint) -> CanvasPoint {
        CanvasPoint::new(
            (point.x - self.origin.x) / self.points_per_pixel,
            (point.y - self.origin.y) / self.points_per_pixel,
        )
    }

    /// The window position of a document position.
    pub fn ui_from_canvas(&self, point: CanvasPoint) -> UiPoint {
        UiPoint::new(
            self.origin.x + point.x * self.points_per_pixel,
            self.origin.y + point.y * self.points_per_pixel,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEWPORT: Viewport = Viewport {
        min: UiPoint::new(100.0, 50.0),
        size: [800.0, 600.0],
        pixels_per_point: 1.5,
    };

    fn close(a: f32, b: f32) -> bool {
        (a - b).abs() < 1e-2
    }

    #[test]
    fn transforms_are_inverse_to_each_other() {
        let view = CanvasView {
            center: CanvasPoint::new(31.0, 7.5),
            zoom: 3.7,
            is_fitted: false,
        };
        let transform = view.transform(&VIEWPORT);
        let back = transform.canvas_from_ui(transform.ui_from_canvas(CanvasPoint::new(12.5, -4.0)));
        assert!(close(back.x, 12.5) && close(back.y, -4.0));
    }

    #[test]
    fn the_middle_of_the_view_is_the_middle_of_the_viewport_up_to_snapping() {
        let view = CanvasView {
            center: CanvasPoint::new(100.0, 40.0),
            zoom: 2.0,
            is_fitted: false,
        };
        let middle = view.transform(&VIEWPORT).ui_from_canvas(view.center);
        assert!((middle.x - 500.0).abs() <= 0.5 && (middle.y - 350.0).abs() <= 0.5);
    }

    #[test]
    fn the_corner_of_the_picture_lies_on_a_whole_screen_pixel() {
        for zoom in [0.3, 1.0, 1.7, 5.0] {
            let view = CanvasView {
                center: CanvasPoint::new(33.3, 12.1),
                zoom,
                is_fitted: false,
            };
            let origin = view.transform(&VIEWPORT).origin;
            let on_screen = origin.x * VIEWPORT.pixels_per_point;
            assert!(close(on_screen, on_screen.round()));
        }
    }

    #[test]
    fn zooming_keeps_the_anchor_in_place() {
        let view = CanvasView {
            center: CanvasPoint::new(64.0, 64.0),
            zoom: 2.0,
            is_fitted: true,
        };
        let anchor = CanvasPoint::new(10.0, 100.0);
        let before = view.transform(&VIEWPORT).ui_from_canvas(anchor);
        let zoomed = view.zoomed_about(anchor, 7.0);
        let after = zoomed.transform(&VIEWPORT).ui_from_canvas(anchor);
        // Up to half a screen pixel of snapping at either end.
        assert!((before.x - after.x).abs() < 0.7 && (before.y - after.y).abs() < 0.7);
        assert!(!zoomed.is_fitted);
    }

    #[test]
    fn zoom_stays_within_its_limits_and_ignores_nonsense() {
        let view = CanvasView::default();
        let anchor = CanvasPoint::default();
        assert_eq!(view.zoomed_about(anchor, 1e9).zoom, MAX_ZOOM);
        assert_eq!(view.zoomed_about(anchor, 0.0).zoom, MIN_ZOOM);
        assert_eq!(view.zoomed_about(anchor, f32::NAN), view);
    }

    #[test]
    fn fitting_shows_the_whole_picture_and_enlarges_by_whole_factors() {
        let small = CanvasView::fit([64, 64], &VIEWPORT);
        assert_eq!(small.zoom, 12.0);
        let large = CanvasView::fit([4000, 1000], &VIEWPORT);
        let transform = large.transform(&VIEWPORT);
        let corner = transform.ui_from_canvas(CanvasPoint::new(4000.0, 1000.0));
        assert!(corner.x <= 900.0 && transform.origin.x >= 100.0);
    }

    #[test]
    fn zoom_steps_go_up_and_down_through_round_numbers() {
        let anchor = CanvasPoint::default();
        let view = CanvasView {
            zoom: 0.9,
            ..CanvasView::default()
        };
        assert_eq!(view.zoomed_in(anchor).zoom, 1.0);
        assert_eq!(view.zoomed_in(anchor).zoomed_in(anchor).zoom, 2.0);
        assert_eq!(view.zoomed_out(anchor).zoom, 2.0 / 3.0);
    }

    #[test]
    fn dragging_puts_the_grabbed_point_under_the_pointer() {
        let view = CanvasView {
            center: CanvasPoint::new(50.0, 50.0),
            zoom: 1.0,
            is_fitted: true,
        };
        let pointer = UiPoint::new(300.0, 200.0);
        let grabbed = CanvasPoint::new(5.0, 5.0);
        let moved = view.dragged(grabbed, view.transform(&VIEWPORT).canvas_from_ui(pointer));
        let under = moved.transform(&VIEWPORT).canvas_from_ui(pointer);
        assert!((under.x - 5.0).abs() <= 1.0 && (under.y - 5.0).abs() <= 1.0);
    }

    #[test]
    fn rectangles_intersect_and_unite() {
        let a = CanvasRect::from_size([10, 10]);
        let b = CanvasRect::from_min_size([5, -5], [10, 10]);
        assert_eq!(a.intersect(&b), CanvasRect::from_min_max([5, 0], [10, 5]));
        assert_eq!(a.union(&b), CanvasRect::from_min_max([0, -5], [15, 10]));
        assert_eq!(CanvasRect::EMPTY.union(&b), b);
        assert!(
            a.intersect(&CanvasRect::from_min_size([20, 0], [5, 5]))
                .is_empty()
        );
    }
}
