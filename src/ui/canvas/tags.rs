//! Where the names of boxes stand, so that none covers another.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// Most steps that a name is moved away from its box before it is left out.
const MOST_STEPS: usize = 12;

/// A box on the screen and the size of its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// The box.
    pub outline: Rect,
    /// The size of the name.
    pub size: Vec2,
}

/// A place inside of `canvas` for each name, those named first served first;
/// `None` where there is no room near its box.
pub(super) fn placed(canvas: Rect, wishes: &[Wish]) -> Vec<Option<Rect>> {
    let mut taken: Vec<Rect> = Vec::with_capacity(wishes.len());
    wishes
        .iter()
        .map(|wish| {
            let place = candidates(canvas, wish).find(|place| {
                canvas.contains_rect(*place) && taken.iter().all(|other| !overlaps(place, other))
            })?;
            taken.push(place);
            Some(place)
        })
        .collect()
}

/// Whether two places have an area in common, and not only an edge.
fn overlaps(a: &Rect, b: &Rect) -> bool {
    a.left() < b.right() && b.left() < a.right() && a.top() < b.bottom() && b.top() < a.bottom()
}

/// The places of a name, the best first: at the corners of the box above, inside
/// and below, then down its edges.
fn candidates(canvas: Rect, wish: &Wish) -> impl Iterator<Item = Rect> + use<> {
    let Vec2 {
        x: width,
        y: height,
    } = wish.size;
    let seen = wish.outline.intersect(canvas);
    let is_seen = seen.is_positive() || canvas.contains(seen.center());
    // A name stays beside the part of its box that is seen.
    let limit = canvas.right() - width;
    let left = seen.left().min(limit).max(canvas.left());
    let right = (seen.right() - width).min(limit).max(canvas.left());
    let above = wish.outline.top() - height;
    let below = wish.outline.bottom();
    let rows = [above, seen.top(), below, seen.bottom() - height];
    let at_corners = rows
        .into_iter()
        .flat_map(move |y| [left, right].map(move |x| pos2(x, y)));
    // First the left corner of every row, then the right ones.
    let corners: Vec<Pos2> = at_corners.collect();
    let ordered = [0, 2, 4, 6, 1, 3, 5, 7].map(|index| corners[index]);
    let stepped = (1..=MOST_STEPS).flat_map(move |step| {
        let step = step as f32 * height;
        [
            pos2(left, seen.top() + step),
            pos2(left, above - step),
            pos2(right, seen.top() + step),
        ]
    });
    let places = ordered.into_iter().chain(stepped);
    places
        .filter(move |_| is_seen)
        .map(move |min| Rect::from_min_size(min, vec2(width, height)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop, proptest};

    fn wish() -> impl Strategy<Value = Wish> {
        let at = || -200.0..900.0f32;
        (at(), at(), 0.5..400.0f32, 0.5..400.0f32, 10.0..160.0f32).prop_map(
            |(x, y, width, height, name)| Wish {
                outline: Rect::from_min_size(pos2(x, y), vec2(width, height)),
                size: vec2(name, 16.0),
            },
        )
    }

    proptest! {
        #[test]
        fn no_name_covers_another_or_leaves_the_canvas(wishes in prop::collection::vec(wish(), 0..40)) {
            let canvas = Rect::from_min_size(pos2(48.0, 96.0), vec2(640.0, 480.0));
            let places: Vec<Rect> = placed(canvas, &wishes).into_iter().flatten().collect();
            for (index, place) in places.iter().enumerate() {
                assert!(canvas.contains_rect(*place));
                assert!(places[index + 1..].iter().all(|other| !overlaps(place, other)));
            }
        }
    }

    #[test]
    fn boxes_that_lie_on_each_other_all_show_their_names() {
        let canvas = Rect::from_min_size(Pos2::ZERO, vec2(640.0, 480.0));
        let wish = Wish {
            outline: Rect::from_min_size(pos2(100.0, 100.0), vec2(200.0, 150.0)),
            size: vec2(40.0, 16.0),
        };
        let places = placed(canvas, &[wish; 12]);
        assert!(places.iter().all(Option::is_some));
        assert_eq!(places[0].map(|place| place.min), Some(pos2(100.0, 84.0)));
    }

    #[test]
    fn a_box_out_of_sight_shows_no_name() {
        let canvas = Rect::from_min_size(Pos2::ZERO, vec2(640.0, 480.0));
        let wish = Wish {
            outline: Rect::from_min_size(pos2(700.0, 100.0), vec2(50.0, 50.0)),
            size: vec2(40.0, 16.0),
        };
        assert_eq!(placed(canvas, &[wish]), [None]);
    }
}
