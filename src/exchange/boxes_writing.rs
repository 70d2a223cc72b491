//! Boxes written as JSON: in COCO's form, and that of a storybook scene.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::ExchangeError;
use crate::files::{reason_of, write_atomically};
use crate::recipe::LayoutBox;

/// The forms in which boxes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxForm {
    /// COCO's, with a category for each class.
    Coco,
    /// That of a storybook scene.
    Scene,
}

/// Writes the boxes of a picture, which is called as the file.
///
/// # Errors
/// If the file cannot be written.
pub fn write_boxes(
    path: &Path,
    form: BoxForm,
    size_px: [u32; 2],
    boxes: &[LayoutBox],
) -> Result<(), ExchangeError> {
    let picture = path.with_extension("png");
    let picture = picture.file_name().unwrap_or(picture.as_os_str());
    let whole = json_of(form, &picture.to_string_lossy(), size_px, boxes);
    let failed = |reason: String| ExchangeError::Write {
        path: path.to_owned(),
        reason,
    };
    let mut text = serde_json::to_vec_pretty(&whole).map_err(|error| failed(error.to_string()))?;
    text.push(b'\n');
    write_atomically(path, |file| file.write_all(&text)).map_err(|error| failed(reason_of(&error)))
}

fn json_of(
    form: BoxForm,
    file_name: &str,
    [width, height]: [u32; 2],
    boxes: &[LayoutBox],
) -> Value {
    let image = json!({ "id": 1, "file_name": file_name, "width": width, "height": height });
    let mut classes: Vec<&str> = Vec::new();
    let annotations: Vec<Value> = (1..)
        .zip(boxes)
        .map(|(number, found): (usize, _)| {
            let known = classes.iter().position(|class| *class == found.class);
            let category = known.unwrap_or_else(|| {
                classes.push(&found.class);
                classes.len() - 1
            });
            let [_, _, across, down] = found.rect;
            let mut entry = json!({
                "id": number,
                "image_id": 1,
                "category": found.class,
                "category_id": category + 1,
                "bbox": found.rect,
                "area": across * down,
                "iscrowd": 0,
            });
            if let Some(colour) = &found.colour {
                entry["colour"] = json!(colour);
            }
            entry
        })
        .collect();
    match form {
        BoxForm::Coco => {
            let categories = (1..).zip(&classes);
            let categories: Vec<Value> = categories
                .map(|(number, class): (usize, _)| json!({ "id": number, "name": class }))
                .collect();
            json!({ "images": [image], "annotations": annotations, "categories": categories })
        }
        BoxForm::Scene => json!({ "image": image, "annotations": annotations }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::read_boxes;

    #[test]
    fn what_is_written_is_read_again() {
        let one = |class: &str, colour: Option<&str>| LayoutBox {
            class: class.to_owned(),
            rect: [1.0, -2.0, 3.0, 4.5],
            colour: colour.map(str::to_owned),
        };
        let boxes = [one("bus", Some("red")), one("cat", None), one("bus", None)];
        let coco = json_of(BoxForm::Coco, "a.png", [64, 48], &boxes);
        assert_eq!(coco["categories"].as_array().map(Vec::len), Some(2));
        assert_eq!(coco["annotations"][2]["category_id"], 1);
        let folder = tempfile::tempdir().unwrap();
        for form in [BoxForm::Coco, BoxForm::Scene] {
            let path = folder.path().join("a.json");
            write_boxes(&path, form, [64, 48], &boxes).unwrap();
            let read = read_boxes(&path).unwrap();
            assert_eq!(read.images.len(), 1);
            let image = &read.images[0];
            assert_eq!(image.file_name.as_deref(), Some("a.png"));
            assert_eq!(image.size_px, Some([64.0, 48.0]));
            let found = image.boxes.iter().map(|found| found.named(|_| None));
            assert_eq!(found.collect::<Vec<_>>(), boxes, "{form:?}");
        }
    }
}
