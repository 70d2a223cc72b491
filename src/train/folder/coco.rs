//! Boxes of many pictures in one file, as COCO has them, anywhere in a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::companion::MOST_BOXES;
use crate::exchange::{BoxImage, ExchangeError, read_boxes};
use crate::recipe::LayoutBox;

/// Files that are looked into: more of them are something else.
const MOST_FILES: usize = 64;

/// The files of a folder that list boxes.
#[derive(Default)]
pub(super) struct BoxLists {
    /// Their images by the last part of the name.
    images: BTreeMap<String, Vec<Listed>>,
    /// What is wrong with files that do list boxes, as sentences.
    pub problems: Vec<String>,
}

/// An image of a list.
struct Listed {
    /// Where the picture may lie: beside the list, under its name in full.
    path: PathBuf,
    /// Its name in full.
    name: String,
    image: BoxImage,
}

impl BoxLists {
    /// Reads those of some JSON files that are lists of boxes.
    pub fn read<'a>(files: impl Iterator<Item = &'a Path>) -> Self {
        let mut lists = Self::default();
        for file in files.take(MOST_FILES) {
            match read_boxes(file) {
                Ok(found) => {
                    let folder = file.parent().unwrap_or(Path::new(""));
                    for image in found.images {
                        lists.add(folder, image);
                    }
                }
                // A JSON file among pictures may be anybody's.
                Err(ExchangeError::NoBoxes { .. }) => {}
                Err(error) => lists.problems.push(error.to_string()),
            }
        }
        lists
    }

    fn add(&mut self, folder: &Path, image: BoxImage) {
        let Some(name) = image.file_name.as_ref().map(|name| name.replace('\\', "/")) else {
            return;
        };
        let last = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let listed = Listed {
            path: folder.join(&name),
            name,
            image,
        };
        self.images.entry(last).or_default().push(listed);
    }

    /// Whether a list may name a picture.
    pub fn name(&self, picture: &Path) -> bool {
        let last = picture.file_name().and_then(|name| name.to_str());
        last.is_some_and(|last| self.images.contains_key(last))
    }

    /// The boxes of a picture of so many pixels, by parts of its sides; nothing where
    /// no list names it.
    ///
    /// # Errors
    /// If they were drawn for another shape of the picture.
    pub fn boxes(&self, picture: &Path, size_px: [u32; 2]) -> Option<Result<Vec<LayoutBox>, ()>> {
        let named = self.images.get(picture.file_name()?.to_str()?)?;
        let beside = named.iter().find(|it| it.path == picture);
        let listed = beside.or_else(|| named.iter().find(|it| picture.ends_with(&it.name)))?;
        let [width, height] = size_px.map(|side| side as f32);
        let drawn_for = listed.image.size_px.unwrap_or([width, height]);
        // A list may be of larger or smaller copies, which have the same proportions.
        let stretch = (drawn_for[0] * height) / (drawn_for[1] * width);
        if !(0.98..1.02).contains(&stretch) {
            return Some(Err(()));
        }
        let boxes = listed.image.boxes.iter().filter_map(|found| {
            let it = found.named(|_| None);
            let [left, top, wide, high] = it.rect;
            let along = |from: f32, length: f32, side: f32| {
                let start = (from / side).clamp(0.0, 1.0);
                (start, ((from + length) / side).clamp(0.0, 1.0) - start)
            };
            let (left, wide) = along(left, wide, drawn_for[0]);
            let (top, high) = along(top, high, drawn_for[1]);
            (wide > 0.0 && high > 0.0).then_some(LayoutBox {
                rect: [left, top, wide, high],
                ..it
            })
        });
        Some(Ok(boxes.take(MOST_BOXES).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_found_by_their_names() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(&path, text).expect("a file");
            path
        };
        let list = write(
            "annotations/instances.json",
            r#"{ "images": [
                { "id": 1, "file_name": "a.png", "width": 200, "height": 100 },
                { "id": 2, "file_name": "more/b.png", "width": 10, "height": 10 } ],
              "annotations": [
                { "image_id": 1, "category_id": 5, "bbox": [-20, 25, 120, 50] },
                { "image_id": 1, "category_id": 6, "bbox": [300, 0, 5, 5] },
                { "image_id": 2, "category_id": 7, "bbox": [0, 0, 5, 5] } ],
              "categories": [ { "id": 5, "name": "cat" }, { "id": 7, "name": "dog" } ] }"#,
        );
        let other = write("settings.json", r#"{ "prompt": "a cat" }"#);
        let bad = write(
            "bad.json",
            r#"{ "image": { "id": 1 }, "annotations": [ { "category": "x", "bbox": [0] } ] }"#,
        );
        let lists = BoxLists::read([list, other, bad].iter().map(PathBuf::as_path));
        assert_eq!(lists.problems.len(), 1, "{:?}", lists.problems);
        let at = |name: &str, size_px| lists.boxes(&root.path().join(name), size_px);
        let cats = at("train/a.png", [100, 50]).expect("named").expect("boxes");
        assert_eq!(cats.len(), 1);
        assert_eq!(
            (cats[0].class.as_str(), cats[0].rect),
            ("cat", [0.0, 0.25, 0.5, 0.5])
        );
        assert_eq!(at("train/a.png", [50, 100]), Some(Err(())));
        let dogs = at("more/b.png", [20, 20]).expect("named").expect("boxes");
        assert_eq!((dogs[0].class.as_str(), dogs[0].rect[2]), ("dog", 0.5));
        assert_eq!(at("b.png", [20, 20]), None);
    }
}
