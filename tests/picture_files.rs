//! Picture files that are hostile, damaged or unusual.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};

use image::{ImageEncoder as _, Rgb, RgbImage};
use velatura::recipe::{
    PictureWarning, RecipeFileError, decode_picture, open_picture, picture_size, read_recipe,
};

fn given(name: &str) -> PathBuf {
    Path::new("tests/data/faults").join(name)
}

/// A PNG file of the given chunks, between its signature and its end.
fn png_of(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let end: (&[u8; 4], Vec<u8>) = (b"IEND", Vec::new());
    for (kind, data) in chunks.iter().chain([&end]) {
        file.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        file.extend(*kind);
        file.extend(data);
        let mut sum = flate2::Crc::new();
        sum.update(*kind);
        sum.update(data);
        file.extend(sum.sum().to_be_bytes());
    }
    file
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

/// The head of a PNG file.
fn ihdr(side_px: u32, bits: u8, colour: u8) -> (&'static [u8; 4], Vec<u8>) {
    let side = side_px.to_be_bytes();
    let data = [&side[..], &side, &[bits, colour, 0, 0, 0]].concat();
    (b"IHDR", data)
}

fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

#[test]
fn pictures_larger_than_the_studio_are_refused_from_their_head() {
    let path = given("wide-10000px-1bit.png");
    let sentence = open_picture(&path).unwrap_err().to_string();
    assert!(sentence.contains("10000 × 10000"), "{sentence}");
    assert!(sentence.contains("at most 8192"), "{sentence}");

    // A bomb: 2.5 GB of gray pixels in less than a kilobyte. What is packed is
    // never looked at.
    for side_px in [50_000, u32::MAX >> 1] {
        let bomb = png_of(&[ihdr(side_px, 1, 0), (b"IDAT", packed(&[0; 4096]))]);
        let (_folder, path) = written("bomb.png", &bomb);
        for error in [
            open_picture(&path).map(drop).unwrap_err(),
            decode_picture(&path).map(drop).unwrap_err(),
            picture_size(&path).map(drop).unwrap_err(),
            read_recipe(&path).map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, RecipeFileError::TooLarge { .. }), "{error}");
        }
    }

    // A JPEG whose head says so.
    let mut jpeg = Vec::new();
    let picture = RgbImage::new(16, 16);
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode_image(&picture)
        .unwrap();
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
    let (_folder, path) = written("bomb.jpg", &jpeg);
    let error = open_picture(&path).unwrap_err();
    assert!(error.to_string().contains("65535 × 65535"), "{error}");
}

#[test]
fn a_text_that_unpacks_to_far_more_is_not_unpacked() {
    let bomb = |keyword: &[u8]| {
        let text = packed(&vec![b'a'; 64 << 20]);
        let chunk = [keyword, &[0, 0], &text].concat();
        png_of(&[ihdr(1, 8, 0), (b"zTXt", chunk), (b"IDAT", packed(&[0, 7]))])
    };
    let (_folder, path) = written("bomb.png", &bomb(b"parameters"));
    let opened = open_picture(&path).unwrap();
    assert_eq!(opened.image.get_pixel(0, 0).0, [7, 7, 7, 255]);
    assert_eq!(opened.recipe, None);
    assert_eq!(
        opened.warnings,
        [PictureWarning::RecipeTooLong(path.clone())]
    );

    let (_folder, path) = written("other.png", &bomb(b"workflow"));
    let opened = open_picture(&path).unwrap();
    assert_eq!((opened.recipe, opened.warnings), (None, Vec::new()));
}

#[test]
fn a_jpeg_that_is_cut_off_is_told_as_such() {
    let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * 4) as u8, (y * 4) as u8, 99]));
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
        .encode_image(&picture)
        .unwrap();
    let (_folder, whole) = written("whole.jpg", &jpeg);
    assert_eq!(open_picture(&whole).unwrap().warnings, []);
    let (_folder, cut) = written("cut.jpg", &jpeg[..jpeg.len() * 2 / 3]);
    let opened = open_picture(&cut).unwrap();
    assert_eq!(opened.image.dimensions(), (64, 64));
    assert_eq!(opened.warnings, [PictureWarning::CutOff(cut)]);
}

/// Decoders speak of chunks, markers and sums.
#[test]
fn a_damaged_picture_costs_a_sentence_that_anybody_understands() {
    let picture = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 6) as u8, (y * 8) as u8, 77]));
    for ending in ["png", "jpg", "webp"] {
        let (_folder, path) = written(&format!("a.{ending}"), b"");
        picture.save(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let mut sentences = 0;
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            for bytes in [&whole[..at], &changed] {
                std::fs::write(&path, bytes).unwrap();
                let Err(RecipeFileError::Damaged { reason, .. }) = open_picture(&path) else {
                    continue;
                };
                sentences += 1;
                let is_foreign = |letter: char| letter.is_uppercase() || letter.is_numeric();
                assert!(!reason.contains(is_foreign), "{reason}");
            }
        }
        assert!(sentences > 20, "{ending}: {sentences}");
    }
}

#[test]
fn colours_are_shown_as_their_profile_means_them() {
    let path = given("icc-red-blue-swapped.png");
    let plain = image::open(&path).unwrap().into_rgb8();
    let opened = open_picture(&path).unwrap();
    assert_eq!(opened.warnings, []);
    for (before, after) in plain.pixels().zip(opened.image.pixels()) {
        let [r, g, b] = before.0;
        for (got, meant) in after.0.into_iter().zip([b, g, r]) {
            assert!(got.abs_diff(meant) <= 2, "{before:?} became {after:?}");
        }
    }

    // Linear light, as renderers write it, of 55 / 255.
    let gamma = (b"gAMA", 100_000_u32.to_be_bytes().to_vec());
    let pixel = (b"IDAT", packed(&[0, 55]));
    let file = png_of(&[ihdr(1, 8, 0), gamma.clone(), pixel.clone()]);
    let (_folder, path) = written("linear.png", &file);
    let pixel_of = |path: &Path| open_picture(path).unwrap().image.get_pixel(0, 0).0[0];
    assert!(pixel_of(&path).abs_diff(128) <= 1);
    // The same file that says that it is sRGB after all.
    let file = png_of(&[ihdr(1, 8, 0), (b"sRGB", vec![0]), gamma, pixel.clone()]);
    let (_folder, path) = written("srgb.png", &file);
    assert_eq!(pixel_of(&path), 55);

    // A profile that is none.
    let profile = [&b"mine\0\0"[..], &packed(b"not a profile")].concat();
    let file = png_of(&[ihdr(1, 8, 0), (b"iCCP", profile), pixel]);
    let (_folder, path) = written("odd.png", &file);
    let opened = open_picture(&path).unwrap();
    assert_eq!(opened.image.get_pixel(0, 0).0, [55, 55, 55, 255]);
    assert!(
        matches!(
            &opened.warnings[..],
            [PictureWarning::UnknownColours { .. }]
        ),
        "{:?}",
        opened.warnings
    );
}

#[test]
fn a_comment_in_utf_8_under_the_unicode_code_is_read() {
    // A block with a comment only, as exif.rs writes it, but for the text.
    let text = "Mühle\nSteps: 7, Sampler: Euler, Seed: 3".as_bytes();
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    exif.extend(b"\0\x01\x92\x86\0\x07");
    exif.extend(u32::try_from(text.len() + 8).unwrap().to_be_bytes());
    exif.extend(b"\0\0\0\x2c\0\0\0\0UNICODE\0");
    exif.extend(text);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    let file = std::fs::File::create(&path).unwrap();
    let mut encoder = image::codecs::jpeg::JpegEncoder::new(file);
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&RgbImage::new(8, 8)).unwrap();
    let found = read_recipe(&path).unwrap().unwrap();
    assert_eq!((found.spec.prompt.as_str(), found.spec.steps), ("Mühle", 7));
}
