//! What the numbers of a picture mean: ICC profiles and PNG's gamma, brought to
//! sRGB, which is what everything else in the studio takes them for.

use image::{DynamicImage, RgbImage, RgbaImage};
use moxcms::{
    Chromaticity, CmsError, ColorPrimaries, ColorProfile, DataColorSpace, Layout, ToneReprCurve,
    Transform8BitExecutor, TransformOptions, XyY,
};

/// Gammas that PNG files are written with; others are mistakes of the writer.
const GAMMAS: std::ops::RangeInclusive<f32> = 0.1..=10.0;

/// How far a gamma may be from another to mean the same: libpng's
/// `PNG_GAMMA_THRESHOLD`.
const GAMMA_TOLERANCE: f32 = 0.05;

/// Least area of primaries that span colours; those of sRGB have 0.11.
const SMALLEST_GAMUT: f32 = 0.001;

/// Rows that are converted at once.
const ROWS: usize = 64;

/// The profile of a PNG file's `gAMA` and `cHRM` chunks
/// (<https://www.w3.org/TR/png-3/#11gAMA>); `None` where they make no sense.
pub(super) fn profile_of_gamma(
    gamma: f32,
    chromaticities: Option<&png::SourceChromaticities>,
) -> Option<ColorProfile> {
    if !GAMMAS.contains(&gamma) {
        return None;
    }
    let mut profile = ColorProfile::new_srgb();
    if let Some(given) = chromaticities {
        let point = |(x, y): (png::ScaledFloat, png::ScaledFloat)| {
            let (x, y) = (x.into_value(), y.into_value());
            (y > 0.0 && x + y <= 1.0).then_some(Chromaticity { x, y })
        };
        let white = point(given.white)?;
        let white = XyY {
            x: white.x.into(),
            y: white.y.into(),
            yb: 1.0,
        };
        let primaries = ColorPrimaries {
            red: point(given.red)?,
            green: point(given.green)?,
            blue: point(given.blue)?,
        };
        if area(&primaries) < SMALLEST_GAMUT {
            return None;
        }
        profile.update_rgb_colorimetry(white, primaries);
    }
    profile.cicp = None;
    // 1/2.2 is how those who mean sRGB say it where there is but one number.
    if (gamma * 2.2 - 1.0).abs() > GAMMA_TOLERANCE {
        let curve = ToneReprCurve::Parametric(vec![1.0 / gamma]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    Some(profile)
}

/// The area between three primaries in the diagram of chromaticities.
fn area(ColorPrimaries { red, green, blue }: &ColorPrimaries) -> f32 {
    let (to_green, to_blue) = (
        [green.x - red.x, green.y - red.y],
        [blue.x - red.x, blue.y - red.y],
    );
    (to_green[0] * to_blue[1] - to_blue[0] * to_green[1]).abs() / 2.0
}

/// Brings a picture to 8-bit sRGB, so that it looks the same. A profile that is
/// sRGB under another name, as most cameras and editors write, changes nothing:
/// not a single bit.
///
/// # Errors
/// When the profile is not one for such a picture, or is damaged. The picture
/// then stays as it was.
pub(super) fn bring_to_srgb(
    picture: &mut DynamicImage,
    profile: &ColorProfile,
) -> Result<(), CmsError> {
    let transform = |from, to| {
        let srgb = ColorProfile::new_srgb();
        profile.create_transform_8bit(from, &srgb, to, TransformOptions::default())
    };
    let has_alpha = picture.color().has_alpha();
    let is_gray = profile.color_space == DataColorSpace::Gray;
    if is_gray && picture.color().has_color() {
        return Err(CmsError::InvalidLayout);
    }
    if !is_gray && is_srgb(&*transform(Layout::Rgb, Layout::Rgb)?)? {
        return Ok(());
    }
    *picture = match (is_gray, has_alpha) {
        // One number becomes three, so the pixels move to a wider picture.
        (true, true) => {
            let mut wide = RgbaImage::new(picture.width(), picture.height());
            transform(Layout::GrayAlpha, Layout::Rgba)?
                .transform(&picture.to_luma_alpha8(), &mut wide)?;
            wide.into()
        }
        (true, false) => {
            let mut wide = RgbImage::new(picture.width(), picture.height());
            transform(Layout::Gray, Layout::Rgb)?.transform(&picture.to_luma8(), &mut wide)?;
            wide.into()
        }
        (false, true) => {
            let mut pixels = picture.to_rgba8();
            let row_bytes = pixels.width() as usize * 4;
            in_place(
                &*transform(Layout::Rgba, Layout::Rgba)?,
                &mut pixels,
                row_bytes,
            )?;
            pixels.into()
        }
        (false, false) => {
            let mut pixels = picture.to_rgb8();
            let row_bytes = pixels.width() as usize * 3;
            in_place(
                &*transform(Layout::Rgb, Layout::Rgb)?,
                &mut pixels,
                row_bytes,
            )?;
            pixels.into()
        }
    };
    Ok(())
}

/// Whether a transform leaves all colours where they are, up to rounding.
fn is_srgb(transform: &Transform8BitExecutor) -> Result<bool, CmsError> {
    let levels = || (0..=255_u8).step_by(51);
    let colours: Vec<u8> = levels()
        .flat_map(|r| levels().flat_map(move |g| levels().flat_map(move |b| [r, g, b])))
        .collect();
    let mut converted = vec![0; colours.len()];
    transform.transform(&colours, &mut converted)?;
    let mut pairs = colours.iter().zip(&converted);
    Ok(pairs.all(|(from, to)| from.abs_diff(*to) <= 1))
}

fn in_place(
    transform: &Transform8BitExecutor,
    pixels: &mut [u8],
    row_bytes: usize,
) -> Result<(), CmsError> {
    let mut before = Vec::with_capacity(row_bytes * ROWS);
    for rows in pixels.chunks_mut((row_bytes * ROWS).max(1)) {
        before.clear();
        before.extend_from_slice(rows);
        transform.transform(&before, rows)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use image::{GrayAlphaImage, GrayImage, Luma, LumaA, Rgb, Rgba};

    use super::*;

    fn to_srgb(
        picture: impl Into<DynamicImage>,
        profile: &ColorProfile,
    ) -> Result<DynamicImage, CmsError> {
        let mut picture = picture.into();
        bring_to_srgb(&mut picture, profile)?;
        Ok(picture)
    }

    #[test]
    fn srgb_by_any_name_changes_nothing() {
        let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([x as u8 * 4, y as u8 * 4, 77]));
        let before = DynamicImage::from(picture);
        let encoded = ColorProfile::new_srgb().encode().unwrap();
        let profile = ColorProfile::new_from_slice(&encoded).unwrap();
        assert_eq!(to_srgb(before.clone(), &profile).unwrap(), before);
        // What the studio's own PNG files say beside "sRGB".
        let (white, red) = ((0.3127, 0.3290), (0.64, 0.33));
        let points = png::SourceChromaticities::new(white, red, (0.30, 0.60), (0.15, 0.06));
        let profile = profile_of_gamma(0.45455, Some(&points)).unwrap();
        assert_eq!(to_srgb(before.clone(), &profile).unwrap(), before);
    }

    #[test]
    fn wide_colours_and_linear_light_are_converted() {
        let green = RgbaImage::from_pixel(3, 70, Rgba([60, 200, 60, 9]));
        let profile = ColorProfile::new_display_p3();
        let after = to_srgb(green, &profile).unwrap().into_rgba8();
        // P3's green is beyond sRGB's: less red, more green, and alpha as it was.
        for pixel in after.pixels() {
            assert!(
                pixel[0] < 40 && pixel[1] > 200 && pixel[3] == 9,
                "{pixel:?}"
            );
        }

        let gray = GrayImage::from_pixel(2, 2, Luma([55]));
        let linear = profile_of_gamma(1.0, None).unwrap();
        let after = to_srgb(gray, &linear).unwrap().into_rgb8();
        // sRGB's 128 is 0.2159 of the light, 55 of 255.
        assert!(after.get_pixel(1, 1)[0].abs_diff(128) <= 1, "{after:?}");
    }

    #[test]
    fn gray_profiles_are_for_gray_pictures() {
        let linear = ColorProfile::new_gray_with_gamma(1.0);
        let gray = GrayImage::from_pixel(2, 2, Luma([55]));
        let after = to_srgb(gray, &linear).unwrap().into_rgb8();
        assert!(after.get_pixel(0, 1)[2].abs_diff(128) <= 1, "{after:?}");
        let gray = GrayAlphaImage::from_pixel(2, 2, LumaA([55, 200]));
        let after = to_srgb(gray, &linear).unwrap().into_rgba8();
        assert_eq!(after.get_pixel(0, 1)[3], 200);
        assert!(to_srgb(RgbImage::new(2, 2), &linear).is_err());
    }

    #[test]
    fn numbers_that_make_no_sense_are_no_profile() {
        let points = |y: f32| {
            let red = (0.64, y);
            png::SourceChromaticities::new((0.31, 0.33), red, (0.3, 0.6), (0.15, 0.06))
        };
        assert!(profile_of_gamma(0.5, Some(&points(0.33))).is_some());
        assert!(profile_of_gamma(0.5, Some(&points(0.0))).is_none());
        assert!(profile_of_gamma(0.0, None).is_none());
        // All primaries in one place span no colours.
        let place = (0.3, 0.3);
        let none = png::SourceChromaticities::new(place, place, place, place);
        assert!(profile_of_gamma(0.5, Some(&none)).is_none());
    }
}
