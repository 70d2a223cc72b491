//! Several masks, each with its strength, as one.

use image::{GrayImage, Luma};

/// Several masks as a job has them.
#[derive(Clone, Debug, PartialEq)]
pub struct MaskUnion {
    /// What any of them covers.
    pub mask: GrayImage,
    /// How strongly each place is repainted where that is not the same everywhere: 255
    /// is [`Self::strength`].
    pub strengths: Option<GrayImage>,
    /// The strength of the strongest, from 0 to 1.
    pub strength: f32,
}

impl MaskUnion {
    /// Masks of one size with their strengths from 0 to 1; where several cover a place,
    /// the strongest acts. `None` if there are no masks.
    pub fn of(masks: &[(&GrayImage, f32)]) -> Option<Self> {
        Self::taken(masks, false)
    }

    /// The same masks taken gradually: what is covered in part is repainted as much less
    /// strongly, instead of all from half coverage on.
    pub fn gradual(masks: &[(&GrayImage, f32)]) -> Option<Self> {
        Self::taken(masks, true)
    }

    fn taken(masks: &[(&GrayImage, f32)], is_gradual: bool) -> Option<Self> {
        let (first, _) = masks.first()?;
        // What is no number acts as all others do: fully.
        let clean = |strength: f32| {
            if strength.is_nan() {
                1.0
            } else {
                strength.clamp(0.0, 1.0)
            }
        };
        let strengths = masks.iter().map(|(_, strength)| clean(*strength));
        let strongest = strengths.clone().fold(0.0, f32::max);
        let are_equal = strengths.clone().all(|strength| strength == strongest);
        let share = |strength: f32| (clean(strength) / strongest * 255.0).round() as u8;
        let (width, height) = first.dimensions();
        let largest = |value: &dyn Fn(u8, f32) -> u8| {
            GrayImage::from_fn(width, height, |x, y| {
                let values = masks.iter().map(|(mask, strength)| {
                    let covered = mask.get_pixel_checked(x, y);
                    covered.map_or(0, |Luma([covered])| value(*covered, *strength))
                });
                Luma([values.max().unwrap_or(0)])
            })
        };
        let strength_at = |covered: u8, strength| match (covered, is_gradual) {
            (0, _) => 0,
            (_, false) => share(strength),
            // At most (255 · 255 + 127) / 255 = 255.
            (_, true) => ((u32::from(covered) * u32::from(share(strength)) + 127) / 255) as u8,
        };
        let all = |covered| if covered > 0 { 255 } else { 0 };
        Some(Self {
            mask: largest(&|covered, _| if is_gradual { all(covered) } else { covered }),
            strengths: (is_gradual || !are_equal).then(|| largest(&strength_at)),
            strength: strongest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_covered_in_part_is_repainted_less_strongly() {
        let mask = GrayImage::from_raw(4, 1, vec![0, 51, 128, 255]).expect("four pixels");
        let one = MaskUnion::gradual(&[(&mask, 0.5)]).expect("a mask");
        assert_eq!(one.mask.as_raw(), &[0, 255, 255, 255]);
        assert_eq!(one.strengths.expect("greys"), mask);
        assert_eq!(one.strength, 0.5);
        let whole = GrayImage::from_pixel(4, 1, Luma([255]));
        let two = MaskUnion::gradual(&[(&mask, 1.0), (&whole, 0.2)]).expect("masks");
        let strengths = two.strengths.expect("greys");
        assert_eq!(strengths.as_raw(), &[51, 51, 128, 255]);
    }

    #[test]
    fn the_strongest_mask_of_a_place_acts() {
        let mask =
            |from: u32| GrayImage::from_fn(4, 1, |x, _| Luma([if x >= from { 200 } else { 0 }]));
        let (wide, narrow) = (mask(1), mask(3));
        let both = MaskUnion::of(&[(&wide, 0.4), (&narrow, 0.8)]).expect("masks");
        assert_eq!(both.mask.as_raw(), &[0, 200, 200, 200]);
        assert_eq!(both.strength, 0.8);
        assert_eq!(
            both.strengths.expect("they differ").as_raw(),
            &[0, 128, 128, 255]
        );
        let same = MaskUnion::of(&[(&wide, 0.5), (&narrow, 0.5)]).expect("masks");
        assert_eq!((same.strength, same.strengths), (0.5, None));
        let odd = MaskUnion::of(&[(&wide, f32::NAN), (&narrow, -3.0)]).expect("masks");
        assert_eq!(odd.strength, 1.0);
        assert_eq!(
            odd.strengths.expect("they differ").as_raw(),
            &[0, 255, 255, 255]
        );
        assert_eq!(MaskUnion::of(&[]), None);
    }
}
