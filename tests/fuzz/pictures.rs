//! Targets that read picture files.

use std::io::Write as _;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder as _, Rgba, RgbaImage};
use velatura::recipe::{
    GenerateSpec, PaintedRecipe, SaveOptions, decode_picture, open_picture, picture_size,
    read_recipe, save_picture,
};

use super::containers::{self, push_chunk};
use super::drive::Target;
use super::mutate;

/// Bytes that one picture may take. The largest that the studio allows has
/// 8192² pixels of four bytes, and lies there as it was read and as it is used;
/// a handful of bytes can rightly say so.
const MOST_BYTES: usize = 3 << 30;

fn picture(side_px: u32) -> RgbaImage {
    RgbaImage::from_fn(side_px, side_px, |x, y| {
        Rgba([(x * 9) as u8, (y * 7) as u8, 90, (x * y + 100) as u8])
    })
}

fn saved(name: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let spec = GenerateSpec {
        prompt: "a mill, 水車".to_owned(),
        ..Default::default()
    };
    let recipe = PaintedRecipe::new(spec, "Storybook", "0123456789");
    save_picture(&path, &picture(24), Some(&recipe), &SaveOptions::default()).unwrap();
    std::fs::read(path).unwrap()
}

fn packed(data: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(data).unwrap();
    packer.finish().unwrap()
}

/// A PNG file with every chunk that is looked at.
fn png_with_everything() -> Vec<u8> {
    let text = b"hills\nSteps: 9, Sampler: Heun, Seed: 3";
    let exif = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let chromaticities: Vec<u8> = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000_u32]
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut add = |kind: &[u8; 4], data: &[u8]| push_chunk(&mut file, *kind, data);
    add(b"IHDR", &[0, 0, 0, 5, 0, 0, 0, 3, 4, 3, 0, 0, 1]);
    add(b"gAMA", &60_000_u32.to_be_bytes());
    add(b"cHRM", &chromaticities);
    add(b"PLTE", &[9, 8, 7, 200, 100, 50]);
    add(b"tRNS", &[128]);
    add(b"eXIf", exif);
    add(b"zTXt", &[b"parameters\0\0", &packed(text)[..]].concat());
    add(b"IDAT", &packed(&[0; 40]));
    add(
        b"iTXt",
        &[b"velatura\0\x01\0en\0\0", &packed(b"{\"format\":1}")[..]].concat(),
    );
    add(b"tEXt", b"parameters\0a pond\nNegative prompt: ugly");
    add(b"IEND", b"");
    file
}

fn png_with_profile() -> Vec<u8> {
    std::fs::read("tests/data/faults/icc-red-blue-swapped.png").unwrap()
}

/// A JPEG file whose EXIF block is the given one.
fn jpeg(exif: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 80);
    encoder.set_exif_metadata(exif.to_vec()).unwrap();
    let pixels = image::DynamicImage::from(picture(24)).into_rgb8();
    encoder.encode_image(&pixels).unwrap();
    file
}

fn gray_jpeg_with_profile() -> Vec<u8> {
    let profile = moxcms::ColorProfile::new_gray_with_gamma(1.8)
        .encode()
        .unwrap();
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, 80);
    encoder.set_icc_profile(profile).unwrap();
    let pixels = image::DynamicImage::from(picture(24)).into_luma8();
    encoder.encode_image(&pixels).unwrap();
    file
}

/// Opens a file of these bytes in every way.
fn open(input: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, input).unwrap();
    let size = picture_size(&path);
    if let Ok(opened) = open_picture(&path) {
        assert_eq!(size.unwrap(), opened.image.dimensions());
    }
    drop(decode_picture(&path));
    drop(read_recipe(&path));
}

#[test]
fn pictures() {
    Target {
        name: "pictures",
        corpus: vec![
            saved("a.png"),
            saved("a.jpg"),
            saved("a.webp"),
            png_with_everything(),
            png_with_profile(),
            gray_jpeg_with_profile(),
        ],
        mutate: containers::picture,
        most_bytes: MOST_BYTES,
        read: &open,
    }
    .fuzz();
}

/// What the studio writes as EXIF, and the other byte order.
fn exif_blocks() -> Vec<Vec<u8>> {
    let text = "a mill\nSteps: 9, Sampler: Heun, Seed: 3";
    let words: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let mut big = b"MM\0\x2a\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x1a\0\0\0\0".to_vec();
    big.extend(b"\0\x01\x92\x86\0\x07");
    big.extend(u32::try_from(words.len() + 8).unwrap().to_be_bytes());
    big.extend(b"\0\0\0\x2c\0\0\0\0UNICODE\0");
    big.extend(words);
    let mut little = b"II\x2a\0\x08\0\0\0".to_vec();
    little.extend([1, 0, 0x69, 0x87, 4, 0, 1, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0]);
    little.extend([1, 0, 0x86, 0x92, 7, 0]);
    little.extend(u32::try_from(text.len() + 8).unwrap().to_le_bytes());
    little.extend(b"\x2c\0\0\0\0\0\0\0ASCII\0\0\0");
    little.extend(text.bytes());
    vec![big, little]
}

#[test]
fn exif() {
    Target {
        name: "exif",
        corpus: exif_blocks(),
        mutate: mutate::bytes,
        most_bytes: super::drive::MOST_BYTES,
        read: &|input| {
            // What a JPEG file cannot hold is cut.
            open(&jpeg(&input[..input.len().min(60_000)]));
        },
    }
    .fuzz();
}

#[test]
fn png_texts() {
    let text = packed(b"hills\nSteps: 9, Sampler: Heun, Seed: 3");
    Target {
        name: "png_texts",
        corpus: vec![
            [b"zTXtparameters\0\0", &text[..]].concat(),
            [b"iTXtparameters\0\x01\0de\0\0", &text[..]].concat(),
            b"iTXtvelatura\0\0\0\0\0{\"format\":1,\"spec\":{}}".to_vec(),
            b"tEXtparameters\0hills\nSteps: 9, Sampler: Heun, Seed: 3".to_vec(),
        ],
        mutate: mutate::bytes,
        most_bytes: super::drive::MOST_BYTES,
        read: &|input| {
            let Some((kind, data)) = input.split_first_chunk() else {
                return;
            };
            let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
            push_chunk(
                &mut file,
                *b"IHDR",
                &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0],
            );
            push_chunk(&mut file, *kind, data);
            push_chunk(&mut file, *b"IDAT", &packed(&[0, 7]));
            push_chunk(&mut file, *kind, data);
            push_chunk(&mut file, *b"IEND", b"");
            open(&file);
        },
    }
    .fuzz();
}
