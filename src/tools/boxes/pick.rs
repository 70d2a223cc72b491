//! Which box a click means.

use crate::document::BoundingBox;
use crate::geometry::CanvasPoint;

/// Positions of the boxes under a point that are not locked: the smallest first,
/// and of equal ones the upper one. A box that is smaller on the screen than a
/// hand can hit counts as large as that.
pub fn under(boxes: &[BoundingBox], point: CanvasPoint, reach_px: f32) -> Vec<usize> {
    let is_hit = |found: &BoundingBox| {
        let [width, height] = found.size_px();
        let grown = |side: f32| (reach_px - side * 0.5).max(0.0);
        let (dx, dy) = (grown(width), grown(height));
        (found.min.x - dx..=found.max.x + dx).contains(&point.x)
            && (found.min.y - dy..=found.max.y + dy).contains(&point.y)
    };
    let mut hit: Vec<usize> = (0..boxes.len())
        .rev()
        .filter(|index| !boxes[*index].is_locked && is_hit(&boxes[*index]))
        .collect();
    hit.sort_by(|a, b| boxes[*a].area_px().total_cmp(&boxes[*b].area_px()));
    hit
}

/// What another click at the same place means: the next larger box, and after the
/// largest the smallest again.
pub fn next(under: &[usize], chosen: &[usize]) -> Option<usize> {
    let present = match chosen {
        [one] => under.iter().position(|index| index == one),
        _ => None,
    };
    let next = present.map_or(0, |at| (at + 1) % under.len());
    under.get(next).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, proptest};

    fn boxed(at: f32, side: f32) -> BoundingBox {
        let end = CanvasPoint::new(at + side, at + side);
        BoundingBox::from_corners(CanvasPoint::new(at, at), end, "")
    }

    #[test]
    fn clicks_go_from_the_smallest_to_the_largest_and_round() {
        let boxes = [boxed(0.0, 40.0), boxed(10.0, 10.0), boxed(5.0, 20.0)];
        let hit = under(&boxes, CanvasPoint::new(12.0, 12.0), 0.0);
        assert_eq!(hit, [1, 2, 0]);
        assert_eq!(next(&hit, &[]), Some(1));
        assert_eq!(next(&hit, &[1]), Some(2));
        assert_eq!(next(&hit, &[2]), Some(0));
        assert_eq!(next(&hit, &[0]), Some(1));
        assert_eq!(next(&hit, &[0, 2]), Some(1));
        assert_eq!(next(&[], &[0]), None);
    }

    #[test]
    fn a_locked_box_is_passed_over_and_a_tiny_one_can_be_hit() {
        let locked = BoundingBox {
            is_locked: true,
            ..boxed(0.0, 10.0)
        };
        let boxes = [boxed(0.0, 10.0), locked, boxed(20.0, 0.5)];
        assert_eq!(under(&boxes, CanvasPoint::new(5.0, 5.0), 0.0), [0]);
        assert_eq!(under(&boxes, CanvasPoint::new(22.0, 22.0), 4.0), [2]);
        assert!(under(&boxes, CanvasPoint::new(22.0, 22.0), 1.0).is_empty());
    }

    proptest! {
        #[test]
        fn every_box_under_the_point_is_reached_by_clicking_on(
            places in prop::collection::vec((0..20u8, 1..30u8), 1..8),
            (x, y) in (0..40u8, 0..40u8),
        ) {
            let boxes: Vec<_> = places.iter().map(|(at, side)| boxed(f32::from(*at), f32::from(*side))).collect();
            let point = CanvasPoint::new(f32::from(x), f32::from(y));
            let hit = under(&boxes, point, 0.0);
            let mut reached = Vec::new();
            for _ in 0..hit.len() {
                reached.push(next(&hit, &reached[reached.len().saturating_sub(1)..]).expect("one is hit"));
            }
            assert_eq!(reached, hit);
            assert!(hit.iter().all(|index| boxes[*index].contains(point)));
        }
    }
}
