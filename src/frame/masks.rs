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
        let strength_at = |covered, strength| if covered > 0 { share(strength) } else { 0 };
        Some(Self {
            mask: largest(&|covered, _| covered),
            strengths: (!are_equal).then(|| largest(&strength_at)),
            strength: strongest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
