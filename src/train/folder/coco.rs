//! Boxes of many pictures in one file, as COCO has them, anywhere in a folder.

use std::collections::{BTreeMap, BTreeSet};
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
    /// The names of the files.
    files: Vec<String>,
    /// Boxes around many things at once, which are left out.
    crowds: usize,
    /// What is wrong with files that do list boxes, as sentences.
    pub problems: Vec<String>,
}

/// An image of a list.
struct Listed {
    /// Where the picture may lie: beside the list, under its name in full.
    path: PathBuf,
    /// Its name in full.
    name: String,
    /// Which of the files it is in.
    file: usize,
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
                    let name = file.file_name().unwrap_or_default();
                    lists.files.push(name.to_string_lossy().into_owned());
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

    fn add(&mut self, folder: &Path, mut image: BoxImage) {
        let count = image.boxes.len();
        // What is many things teaches nothing of one.
        image.boxes.retain(|it| !it.is_crowd);
        self.crowds += count - image.boxes.len();
        let Some(name) = image.file_name.as_ref().map(|name| name.replace('\\', "/")) else {
            return;
        };
        let last = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let listed = Listed {
            path: folder.join(&name),
            name,
            file: self.files.len().saturating_sub(1),
            image,
        };
        self.images.entry(last).or_default().push(listed);
    }

    /// What may not be expected of these lists and the pictures of a folder, as sentences.
    pub fn remarks<'a>(&self, pictures: impl Iterator<Item = &'a Path>) -> Vec<String> {
        let names: BTreeSet<&str> = pictures.filter_map(|it| it.file_name()?.to_str()).collect();
        let mut remarks = Vec::new();
        if self.crowds > 0 {
            let crowds = self.crowds;
            remarks.push(format!(
                "boxes around whole crowds (iscrowd) are left out: {crowds}"
            ));
        }
        let listed: usize = self.images.values().map(Vec::len).sum();
        let lost = self
            .images
            .iter()
            .filter(|(name, _)| !names.contains(name.as_str()));
        let lost: usize = lost.map(|(_, listed)| listed.len()).sum();
        if lost > 0 {
            let files = self.files.join(", ");
            remarks.push(format!(
                "of {listed} pictures that {files} names, {lost} are not in the folder"
            ));
        }
        let mut taken = BTreeMap::<usize, usize>::new();
        for named in self.images.values() {
            for (at, it) in named.iter().enumerate() {
                let again = named[at + 1..].iter();
                let again = again.filter(|other| other.file != it.file && other.name == it.name);
                if again.count() > 0 {
                    *taken.entry(it.file).or_default() += 1;
                }
            }
        }
        remarks.extend(taken.into_iter().map(|(file, count)| {
            let file = &self.files[file];
            format!("{count} pictures are in several lists of boxes: those of {file} are taken")
        }));
        remarks
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

    #[test]
    fn crowds_missing_pictures_and_second_lists_are_told() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |name: &str, crowd: u32| {
            let text = format!(
                r#"{{ "images": [ {{ "id": 1, "file_name": "a.png" }}, {{ "id": 2, "file_name": "b.png" }} ],
                  "annotations": [ {{ "image_id": 1, "category_id": 5, "bbox": [0, 0, 5, 5], "iscrowd": {crowd} }} ],
                  "categories": [ {{ "id": 5, "name": "cat" }} ] }}"#
            );
            let path = root.path().join(name);
            std::fs::write(&path, text).expect("a file");
            path
        };
        let files = [write("instances.json", 1), write("persons.json", 0)];
        let lists = BoxLists::read(files.iter().map(PathBuf::as_path));
        assert!(lists.problems.is_empty());
        let remarks = lists.remarks([Path::new("x/a.png")].into_iter());
        assert_eq!(remarks.len(), 3, "{remarks:?}");
        assert!(remarks[0].contains("crowds") && remarks[0].ends_with('1'));
        assert!(remarks[1].contains("of 4 pictures") && remarks[1].contains("2 are not"));
        assert!(remarks[2].contains("2 pictures") && remarks[2].contains("instances.json"));
        let boxes = lists.boxes(&root.path().join("a.png"), [10, 10]);
        assert_eq!(boxes, Some(Ok(Vec::new())), "the crowd is left out");
    }
}
