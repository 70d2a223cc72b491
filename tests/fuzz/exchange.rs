//! Targets that read boxes and label maps of others.

use std::collections::BTreeMap;
use std::path::Path;

use image::{GrayImage, Luma, RgbImage};
use velatura::exchange::{
    read_boxes, read_label_map, read_palette, write_label_map, write_palette,
};
use velatura::recipe::{LayoutInput, Palette, PaletteClass};

use super::drive::{MOST_BYTES, Target};
use super::{containers, json};

fn in_file(input: &[u8], read: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    std::fs::write(&path, input).unwrap();
    read(&path);
}

#[test]
fn boxes() {
    let coco = r#"{"info": {}, "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48},
        {"id": "b"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 2,
        "bbox": [1, 2.5, 30, 4e1], "segmentation": [[1, 2, 3]], "iscrowd": 0}],
        "categories": [{"id": 2, "name": "dog", "supercategory": "animal"}]}"#;
    let scene = r#"{"image": {"id": 0, "width": 128, "height": 128}, "caption": "a bus",
        "annotations": [{"category": "bus", "category_id": 31, "bbox": [1, 2, 3, 4],
        "colour": "red", "visible": 0.5}], "scene": {"style": "3d"}}"#;
    Target {
        name: "boxes",
        corpus: vec![coco.into(), scene.into()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            in_file(input, |path| {
                let Ok(file) = read_boxes(path) else { return };
                file.image(path, None).ok();
                for image in &file.images {
                    let boxes = image.boxes_at([100, 50]);
                    let boxes = boxes.iter().map(|found| found.named(|_| None));
                    // What it says of them is a sentence, whatever they are.
                    LayoutInput(boxes.collect()).validate().ok();
                }
            });
        },
    }
    .fuzz();
}

#[test]
fn palettes() {
    let ours = r#"{"name": "Mine", "classes": [{"index": 3, "name": "sky", "color": [1, 2, 3]},
        {"index": 0, "name": "sea", "color": [0, 0, 255]}]}"#;
    let scenes = r#"[{"id": 3, "name": "sky", "colour": [1, 2, 3], "is_thing": false},
        {"id": 31, "name": "bus", "colour": [200, 2, 3], "is_thing": true}]"#;
    Target {
        name: "palettes",
        corpus: vec![ours.into(), scenes.into()],
        mutate: json::values,
        most_bytes: MOST_BYTES,
        read: &|input| {
            in_file(input, |path| {
                let Ok(palette) = read_palette(path) else {
                    return;
                };
                // What is read can be written, and is read again as it was.
                write_palette(path, &palette).unwrap();
                assert_eq!(read_palette(path).unwrap(), palette);
            });
        },
    }
    .fuzz();
}

#[test]
fn label_maps() {
    let palette = Palette {
        name: String::new(),
        classes: vec![PaletteClass {
            index: 3,
            name: "sky".to_owned(),
            color: [9, 9, 9],
        }],
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.png");
    let map = GrayImage::from_fn(24, 9, |x, y| Luma([if x > y { 3 } else { 255 }]));
    write_label_map(&path, &map, &palette).unwrap();
    let indexed = std::fs::read(&path).unwrap();
    map.save(&path).unwrap();
    let grey = std::fs::read(&path).unwrap();
    RgbImage::from_pixel(8, 8, image::Rgb([9, 9, 9]))
        .save(&path)
        .unwrap();
    let coloured = std::fs::read(&path).unwrap();
    let odd = std::fs::read("tests/data/fuzz/pictures/palette-of-two-bytes.png").unwrap();
    Target {
        name: "label_maps",
        corpus: vec![indexed, grey, coloured, odd],
        mutate: containers::picture,
        most_bytes: 2 * MOST_BYTES,
        read: &|input| {
            in_file(input, |path| {
                if let Ok(found) = read_label_map(path) {
                    found.numbers(&palette, &BTreeMap::new()).ok();
                }
            });
        },
    }
    .fuzz();
}
