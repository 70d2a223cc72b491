//! Boxes as JSON: COCO's form for many images, and that of one storybook scene.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::ExchangeError;
use crate::files::open_file;
use crate::recipe::{LayoutBox, MAX_BOXES};

/// Length of a file that is read. COCO's largest, of 118,000 images, is longer: its
/// like is cut down first.
const MOST_BYTES: u64 = 128 << 20;
/// Images that are kept to be named in a sentence.
const MOST_LISTED: usize = 12;

/// A box of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundBox {
    /// What it holds, by its name, where the file has names.
    pub name: Option<String>,
    /// What it holds, by its number.
    pub id: Option<u64>,
    /// Left, top, width and height in pixels of the file's image.
    pub rect: [f32; 4],
    /// The colour of what it holds, in a word.
    pub colour: Option<String>,
    /// Whether it is around many things at once.
    pub is_crowd: bool,
}

impl FoundBox {
    /// The box with what it holds in a word. `name_of` says what a model calls a
    /// number, where the file has no name for it; a number that it does not know
    /// stands for itself.
    pub fn named(&self, name_of: impl Fn(u64) -> Option<String>) -> LayoutBox {
        let by_number = || {
            self.id.map_or_else(String::new, |id| {
                name_of(id).unwrap_or(format!("category {id}"))
            })
        };
        LayoutBox {
            class: self.name.clone().unwrap_or_else(by_number),
            rect: self.rect,
            colour: self.colour.clone(),
        }
    }
}

/// The boxes of an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BoxImage {
    /// Its number or name in the file.
    pub id: String,
    /// The picture that they belong to.
    pub file_name: Option<String>,
    /// Its width and height in pixels, if the file tells.
    pub size_px: Option<[f32; 2]>,
    /// The boxes, in the order of the file.
    pub boxes: Vec<FoundBox>,
}

impl BoxImage {
    /// Its boxes on a picture of another size.
    pub fn boxes_at(&self, size_px: [u32; 2]) -> Vec<FoundBox> {
        let factors = match self.size_px {
            Some([width, height]) => [size_px[0] as f32 / width, size_px[1] as f32 / height],
            None => [1.0; 2],
        };
        let scaled = |it: &FoundBox| {
            let [x, y, width, height] = it.rect;
            let [across, down] = factors;
            FoundBox {
                rect: [x * across, y * down, width * across, height * down],
                ..it.clone()
            }
        };
        self.boxes.iter().map(scaled).collect()
    }
}

/// A file of boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxFile {
    /// Its images, in the order of the file; at least one.
    pub images: Vec<BoxImage>,
}

impl BoxFile {
    /// The image of an id; without one the only image that there is.
    ///
    /// # Errors
    /// If there is no such image, or none was named and there are several.
    pub fn image(&self, path: &Path, id: Option<&str>) -> Result<&BoxImage, ExchangeError> {
        let listed = || {
            let images = self.images.iter().take(MOST_LISTED);
            let images = images.map(|image| (image.id.clone(), image.file_name.clone()));
            images.collect()
        };
        let Some(id) = id else {
            return match &self.images[..] {
                [only] => Ok(only),
                several => Err(ExchangeError::SeveralImages {
                    path: path.to_owned(),
                    count: several.len(),
                    images: listed(),
                }),
            };
        };
        let mut images = self.images.iter();
        let found = images.find(|image| image.id == id);
        found.ok_or_else(|| ExchangeError::NoSuchImage {
            path: path.to_owned(),
            id: id.to_owned(),
            count: self.images.len(),
            images: listed(),
        })
    }
}

#[derive(Deserialize)]
struct File {
    image: Option<ImageEntry>,
    images: Option<Vec<ImageEntry>>,
    annotations: Option<Vec<Annotation>>,
    categories: Option<Vec<Category>>,
}

#[derive(Deserialize)]
struct ImageEntry {
    #[serde(default)]
    id: Value,
    file_name: Option<String>,
    width: Option<f64>,
    height: Option<f64>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    image_id: Value,
    category: Option<String>,
    category_id: Option<u64>,
    #[serde(default)]
    bbox: Value,
    colour: Option<String>,
    /// What COCO's panoptic form has of an image instead: all that is in it.
    segments_info: Option<Vec<Annotation>>,
    #[serde(default)]
    iscrowd: Value,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// An id as a user would type it.
fn id_text(id: &Value) -> String {
    match id {
        Value::String(text) => text.clone(),
        Value::Null => "0".to_owned(),
        other => other.to_string(),
    }
}

/// Reads a file of boxes in either form. What a segmentation says is passed over.
///
/// # Errors
/// If it cannot be read, is no such file, or a box in it cannot be.
pub fn read_boxes(path: &Path) -> Result<BoxFile, ExchangeError> {
    let read_error = |source| ExchangeError::Read {
        path: path.to_owned(),
        source,
    };
    let file = open_file(path).map_err(read_error)?;
    let bytes = file.metadata().map_err(read_error)?.len();
    let mut text = Vec::new();
    if bytes <= MOST_BYTES {
        // What says nothing of its length, such as a device, may have no end.
        file.take(MOST_BYTES + 1)
            .read_to_end(&mut text)
            .map_err(read_error)?;
    }
    let bytes = bytes.max(text.len() as u64);
    if bytes > MOST_BYTES {
        return Err(ExchangeError::TooLong {
            path: path.to_owned(),
            megabytes: bytes >> 20,
            most: MOST_BYTES >> 20,
        });
    }
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    let no_boxes = |reason: String| ExchangeError::NoBoxes {
        path: path.to_owned(),
        reason,
    };
    let file: File = serde_json::from_slice(text).map_err(|error| {
        let is_no_number = [&b"NaN"[..], b"Infinity"]
            .iter()
            .any(|word| text.windows(word.len()).any(|part| part == *word));
        no_boxes(if error.is_syntax() && is_no_number {
            "it has a number that is NaN or infinite, which JSON has not".to_owned()
        } else {
            error.to_string()
        })
    })?;
    let Some(annotations) = file.annotations else {
        return Err(no_boxes("it has no list of annotations".to_owned()));
    };
    let is_scene = file.images.is_none();
    let entries = file.images.or_else(|| file.image.map(|image| vec![image]));
    let entries = entries.unwrap_or_default();
    if entries.is_empty() {
        return Err(no_boxes("it has no image".to_owned()));
    }
    let categories = file.categories.unwrap_or_default().into_iter();
    let names: BTreeMap<u64, String> = categories.map(|it| (it.id, it.name)).collect();
    let image = |entry: ImageEntry| {
        let side = |side: Option<f64>| side.map(|side| side as f32).filter(|side| *side >= 1.0);
        BoxImage {
            id: id_text(&entry.id),
            file_name: entry.file_name,
            size_px: side(entry.width)
                .zip(side(entry.height))
                .map(<[f32; 2]>::from),
            boxes: Vec::new(),
        }
    };
    let is_without = |it: &Annotation| it.bbox.is_null() && it.segments_info.is_none();
    if !is_scene && !annotations.is_empty() && annotations.iter().all(is_without) {
        return Err(no_boxes("its annotations have no boxes".to_owned()));
    }
    let mut images: Vec<BoxImage> = entries.into_iter().map(image).collect();
    let places: BTreeMap<String, usize> = (0..images.len())
        .map(|at| (images[at].id.clone(), at))
        .collect();
    for (number, annotation) in (1..).zip(annotations) {
        // A scene has one image, to which everything in it belongs.
        let place = match is_scene {
            true => Some(0),
            false => places.get(&id_text(&annotation.image_id)).copied(),
        };
        let Some(place) = place else { continue };
        let things = match annotation.segments_info {
            Some(segments) => segments,
            None => vec![annotation],
        };
        for thing in things {
            let found = found_box(path, number, thing, &names)?;
            images[place].boxes.push(found);
        }
    }
    if let Some(image) = images.iter().find(|image| image.boxes.len() > MAX_BOXES) {
        return Err(ExchangeError::TooManyBoxes {
            path: path.to_owned(),
            count: image.boxes.len(),
            most: MAX_BOXES,
        });
    }
    Ok(BoxFile { images })
}

fn found_box(
    path: &Path,
    number: usize,
    annotation: Annotation,
    names: &BTreeMap<u64, String>,
) -> Result<FoundBox, ExchangeError> {
    let numbers: Option<Vec<f64>> = match &annotation.bbox {
        Value::Array(numbers) => numbers.iter().map(Value::as_f64).collect(),
        _ => None,
    };
    let rect = numbers
        .map(|numbers| numbers.into_iter().map(|it| it as f32).collect::<Vec<_>>())
        .filter(|numbers| numbers.iter().all(|it| it.is_finite()))
        .and_then(|numbers| <[f32; 4]>::try_from(numbers).ok());
    let Some(rect) = rect else {
        let mut bbox = annotation.bbox.to_string();
        if let Some((end, _)) = bbox.char_indices().nth(60) {
            bbox.truncate(end);
            bbox.push('…');
        }
        return Err(ExchangeError::Place {
            path: path.to_owned(),
            number,
            bbox,
        });
    };
    let id = annotation.category_id;
    let name = annotation
        .category
        .or_else(|| id.and_then(|id| names.get(&id).cloned()))
        .filter(|name| !name.trim().is_empty());
    if name.is_none() && id.is_none() {
        return Err(ExchangeError::NoClass {
            path: path.to_owned(),
            number,
        });
    }
    Ok(FoundBox {
        name,
        id,
        rect,
        colour: annotation.colour.filter(|word| !word.trim().is_empty()),
        is_crowd: matches!(annotation.iscrowd.as_u64(), Some(1..)) || annotation.iscrowd == true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panoptic_files_have_the_boxes_of_their_segments() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("panoptic.json");
        let write = |text: &str| std::fs::write(&path, text).expect("a file");
        write(
            r#"{ "images": [{ "id": 7, "file_name": "a.jpg", "width": 20, "height": 10 }],
                "annotations": [{ "image_id": 7, "file_name": "a.png", "segments_info": [
                    { "id": 1, "category_id": 3, "iscrowd": 1, "bbox": [0, 0, 9, 9] },
                    { "id": 2, "category_id": 4, "iscrowd": 0, "bbox": [1, 2, 3, 4] } ] }],
                "categories": [{ "id": 3, "name": "person" }, { "id": 4, "name": "sky" }] }"#,
        );
        let boxes = &read_boxes(&path).expect("boxes").images[0].boxes;
        let told: Vec<_> = boxes
            .iter()
            .map(|it| (it.name.as_deref(), it.is_crowd))
            .collect();
        assert_eq!(told, [(Some("person"), true), (Some("sky"), false)]);
        write(
            r#"{ "images": [{ "id": 7, "file_name": "a.jpg" }],
                "annotations": [{ "image_id": 7, "caption": "a dog" }] }"#,
        );
        let error = read_boxes(&path).expect_err("captions").to_string();
        assert!(error.contains("have no boxes"), "{error}");
    }

    fn read(text: &str) -> Result<BoxFile, ExchangeError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read_boxes(file.path())
    }

    fn sentence(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn scenes_and_coco_are_read_alike() {
        let scene = r#"{"image": {"id": 7, "file_name": "0007.png", "width": 128, "height": 64},
            "caption": "a bus", "annotations": [{"category": "bus", "category_id": 31,
            "bbox": [1, 2.5, 30, 40], "area": 1200, "visible": 0.9, "colour": "red"}],
            "scene": {"style": "3d"}}"#;
        let found = read(scene).unwrap();
        let image = found.image(Path::new("x"), None).unwrap();
        assert_eq!(
            (image.id.as_str(), image.size_px),
            ("7", Some([128.0, 64.0]))
        );
        let bus = FoundBox {
            name: Some("bus".to_owned()),
            id: Some(31),
            rect: [1.0, 2.5, 30.0, 40.0],
            colour: Some("red".to_owned()),
            is_crowd: false,
        };
        assert_eq!(image.boxes, [bus]);
        assert_eq!(image.boxes_at([64, 64])[0].rect, [0.5, 2.5, 15.0, 40.0]);

        let coco = r#"{"images": [{"id": 5, "file_name": "a.jpg"}, {"id": "b"}],
            "annotations": [{"image_id": "b", "category_id": 1, "bbox": [0, 0, 5, 5],
                "segmentation": [[1, 2]]},
            {"image_id": 5, "category_id": 99, "bbox": [1, 1, 5, 5]}],
            "categories": [{"id": 1, "name": "dog", "supercategory": "animal"}]}"#;
        let found = read(coco).unwrap();
        let path = Path::new("x.json");
        let dogs = found.image(path, Some("b")).unwrap();
        assert_eq!(dogs.boxes[0].name.as_deref(), Some("dog"));
        let numbers = found.image(path, Some("5")).unwrap();
        let named = numbers.boxes[0].named(|id| (id == 99).then(|| "cat".to_owned()));
        assert_eq!(named.class, "cat");
        assert_eq!(numbers.boxes[0].named(|_| None).class, "category 99");
        let several = found.image(path, None).unwrap_err().to_string();
        assert!(
            several.contains("2 images") && several.contains("5 (a.jpg), b"),
            "{several}"
        );
        let missing = found.image(path, Some("6")).unwrap_err().to_string();
        assert!(missing.contains("the id 6"), "{missing}");
    }

    #[test]
    fn what_cannot_be_is_told_in_a_sentence() {
        let scene = |annotation: &str| {
            sentence(&format!(
                r#"{{"image": {{"id": 1}}, "annotations": [{annotation}]}}"#
            ))
        };
        assert!(scene(r#"{"bbox": [0, 0, 1, 1]}"#).contains("box 1"));
        assert!(scene(r#"{"category": " ", "bbox": [0, 0, 1, 1]}"#).contains("no class"));
        for bbox in [
            "null",
            "[1, 2, 3]",
            "[1, 2, 3, null]",
            "[1e300, 0, 1, 1]",
            "\"x\"",
        ] {
            let text = scene(&format!(r#"{{"category": "bus", "bbox": {bbox}}}"#));
            assert!(text.contains("four finite numbers"), "{text}");
        }
        let nan = scene(r#"{"category": "bus", "bbox": [NaN, 0, 1, 1]}"#);
        assert!(nan.contains("NaN"), "{nan}");
        assert!(sentence("[1, 2]").contains("neither COCO"));
        assert!(sentence(r#"{"images": []}"#).contains("annotations"));
        assert!(sentence(r#"{"images": [], "annotations": []}"#).contains("no image"));
        let one = r#"{"category": "bus", "bbox": [0, 0, 1, 1]}"#;
        let many = vec![one; MAX_BOXES + 1].join(",");
        assert!(scene(&many).contains("10001 boxes"));

        let folder = tempfile::tempdir().unwrap();
        let huge = folder.path().join("huge.json");
        let file = std::fs::File::create(&huge).unwrap();
        file.set_len(500 << 20).unwrap();
        let text = read_boxes(&huge).unwrap_err().to_string();
        assert!(text.contains("500 MB"), "{text}");
        assert!(read_boxes(&folder.path().join("none.json")).is_err());
    }
}
