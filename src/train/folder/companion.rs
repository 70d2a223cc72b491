//! What belongs to a picture and is none itself: label maps, masks, boxes.

use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::files::open_file;
use crate::recipe::LayoutBox;

/// Ends of the names of label maps and masks: nobody calls a picture so, and they
/// are never trained on as such.
const ALWAYS: [&str; 2] = [".label", ".mask"];
/// Ends of names that a picture may have too: they belong to one if it is there.
const BESIDE_A_PICTURE: [&str; 3] = ["-masklabel", "-mask", "_mask"];
/// Bytes of a file of boxes that are read.
const MOST_BYTES: u64 = 4 << 20;
/// Boxes of one picture that are kept.
pub(super) const MOST_BOXES: usize = 256;

/// Whether a file of this stem belongs to a picture; `is_picture` says which stems
/// of the same folder are there.
pub(super) fn belongs_to_a_picture(stem: &str, is_picture: impl Fn(&str) -> bool) -> bool {
    let lower = stem.to_ascii_lowercase();
    let ends = |end: &str| lower.len() > end.len() && lower.ends_with(end);
    ALWAYS.iter().any(|end| ends(end))
        || BESIDE_A_PICTURE
            .iter()
            .filter(|end| ends(end))
            // Both are of the same length: lower case of ASCII alone.
            .any(|end| is_picture(&stem[..stem.len() - end.len()]))
}

/// The boxes that `velatura scenes` writes beside a picture, in COCO's words.
#[derive(Deserialize)]
struct Annotations {
    image: Size,
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Size {
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Annotation {
    /// Left, top, width and height in pixels.
    bbox: [f32; 4],
    /// What it is.
    #[serde(default)]
    category: Option<String>,
    /// The word for its colour.
    #[serde(default)]
    colour: Option<String>,
}

/// Boxes of the things in a picture, by the picture's own sides, without a class where
/// none is said; none where the file says nothing of boxes: a JSON file beside a picture may be anybody's.
///
/// # Errors
/// The size that the boxes were drawn for, if it is not the picture's.
pub(super) fn read_boxes(path: &Path, size_px: [u32; 2]) -> Result<Vec<LayoutBox>, [u32; 2]> {
    let mut bytes = Vec::new();
    let is_read = open_file(path)
        .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes))
        .is_ok();
    let found = serde_json::from_slice::<Annotations>(&bytes).ok();
    let Some(found) = found.filter(|_| is_read) else {
        return Ok(Vec::new());
    };
    let Size { width, height } = found.image;
    if [width, height] != size_px {
        return Err([width, height]);
    }
    let fits = |[left, top, wide, high]: [f32; 4]| {
        let (width, height) = (width as f32, height as f32);
        left >= 0.0 && top >= 0.0 && wide > 0.0 && high > 0.0
            // One pixel is what rounding may add.
            && left + wide <= width + 1.0 && top + high <= height + 1.0
    };
    let boxes = found.annotations.into_iter().map(|thing| LayoutBox {
        class: thing.category.unwrap_or_default(),
        rect: thing.bbox,
        colour: thing.colour,
    });
    Ok(boxes.filter(|it| fits(it.rect)).take(MOST_BOXES).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_belongs_to_a_picture() {
        let belongs = |stem: &str| belongs_to_a_picture(stem, |other| other == "barn");
        for stem in [
            "0001.label",
            "barn.mask",
            "x.LABEL",
            "barn-mask",
            "barn-masklabel",
        ] {
            assert!(belongs(stem), "{stem}");
        }
        for stem in [
            "barn",
            "label",
            ".mask",
            "venice-mask",
            "unmask",
            "barn_masks",
            "ü-mask",
        ] {
            assert!(!belongs(stem), "{stem}");
        }
    }

    #[test]
    fn boxes_are_taken_only_where_they_fit() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.json");
        let read = |text: &str, size_px| {
            std::fs::write(&path, text).expect("a file");
            read_boxes(&path, size_px)
        };
        let ours = r#"{ "image": { "id": 3, "width": 64, "height": 32 }, "annotations": [
            { "category": "cat", "bbox": [1.0, 2.0, 8.5, 9.0], "colour": "red" }, { "bbox": [60, 0, 9, 9] },
            { "bbox": [1, 1, 0, 3] } ] }"#;
        let cat = LayoutBox {
            class: "cat".to_owned(),
            rect: [1.0, 2.0, 8.5, 9.0],
            colour: Some("red".to_owned()),
        };
        assert_eq!(read(ours, [64, 32]), Ok(vec![cat]));
        assert_eq!(read(ours, [32, 32]), Err([64, 32]));
        for other in ["", "[]", r#"{ "prompt": "a cat" }"#, "\u{0}"] {
            assert_eq!(read(other, [64, 32]), Ok(Vec::new()));
        }
        assert_eq!(
            read_boxes(Path::new("nowhere.json"), [1, 1]),
            Ok(Vec::new())
        );
    }
}
