//! What is known of a set of pictures, all together, and what can be learnt of it.

use crate::recipe::{LayoutBox, Palette, PaletteClass, TrainTask};

/// Names that a sentence lists.
const NAMED: usize = 4;

/// What is known of a set of pictures, all together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holdings {
    /// Their number; `None` for pictures without end.
    pub pictures: Option<usize>,
    /// Whether there are more than were counted.
    pub is_more: bool,
    /// Pictures with a caption.
    pub captioned: usize,
    /// The folders that tell them apart, in the order of their names.
    pub classes: Vec<String>,
    /// Pictures in such a folder.
    pub classed: usize,
    /// Pictures with boxes of named things.
    pub boxed: usize,
    /// What boxes hold, in the order of the names.
    pub box_classes: Vec<String>,
    /// Words for the colours of boxes, in their order.
    pub box_colours: Vec<String>,
    /// Most boxes of a picture.
    pub most_boxes: usize,
    /// Pictures with a label map.
    pub mapped: usize,
    /// What the numbers of label maps mean, in the order of the names.
    pub map_classes: Vec<PaletteClass>,
    /// What may not be expected of what lies beside them, as sentences.
    pub notes: Vec<String>,
}

impl Default for Holdings {
    /// No picture.
    fn default() -> Self {
        Self {
            pictures: Some(0),
            is_more: false,
            captioned: 0,
            classes: Vec::new(),
            classed: 0,
            boxed: 0,
            box_classes: Vec::new(),
            box_colours: Vec::new(),
            most_boxes: 0,
            mapped: 0,
            map_classes: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl Holdings {
    /// Adds a picture.
    pub(super) fn add(
        &mut self,
        class: Option<&str>,
        has_caption: bool,
        boxes: &[LayoutBox],
        palette: Option<&Palette>,
    ) {
        self.pictures = self.pictures.map(|count| count + 1);
        self.captioned += usize::from(has_caption);
        if let Some(class) = class {
            self.classed += 1;
            insert(&mut self.classes, class);
        }
        let named = boxes.iter().filter(|it| !it.class.trim().is_empty());
        let count = named.clone().count();
        self.boxed += usize::from(count > 0);
        self.most_boxes = self.most_boxes.max(count);
        for it in named {
            insert(&mut self.box_classes, it.class.trim());
            if let Some(colour) = it.colour.as_deref().filter(|word| !word.trim().is_empty()) {
                insert(&mut self.box_colours, colour.trim());
            }
        }
        if let Some(palette) = palette {
            self.mapped += 1;
            for class in &palette.classes {
                let key = |known: &PaletteClass| known.name.to_lowercase();
                let place = self.map_classes.binary_search_by_key(&key(class), key);
                if let Err(place) = place {
                    self.map_classes.insert(place, class.clone());
                }
            }
        }
    }

    /// What there is for a task, as half a sentence.
    ///
    /// # Errors
    /// What is missing for it, as a sentence.
    pub fn found_for(&self, task: TrainTask) -> Result<String, String> {
        let count = |of: usize| match self.pictures {
            Some(all) if of == all => format!("all {}", self.counted()),
            Some(_) => format!("{of} of {}", self.counted()),
            None => self.counted(),
        };
        match task {
            TrainTask::Unconditional => Ok(format!("{} found", self.counted())),
            TrainTask::Class if self.classes.len() < 2 => Err(
                "There are no classes: put the pictures of each class into a folder of its own"
                    .to_owned(),
            ),
            TrainTask::Class => Ok(format!(
                "{} class folders found: {}",
                self.classes.len(),
                listed(&self.classes)
            )),
            TrainTask::Text if self.captioned == 0 => {
                Err("No picture has a caption: barn.txt is that of barn.png".to_owned())
            }
            TrainTask::Text => Ok(format!("captions of {}", count(self.captioned))),
            TrainTask::Layout if self.boxed == 0 => Err(
                "No picture has boxes: they are in a COCO JSON file, or in barn.json beside barn.png"
                    .to_owned(),
            ),
            TrainTask::Layout => Ok(format!(
                "boxes of {} classes in {}",
                self.box_classes.len(),
                count(self.boxed)
            )),
            TrainTask::Semantic if self.mapped == 0 || self.map_classes.is_empty() => Err(
                "No picture has a label map: barn.label.png is that of barn.png".to_owned(),
            ),
            TrainTask::Semantic => Ok(format!(
                "label maps of {} classes beside {}",
                self.map_classes.len(),
                count(self.mapped)
            )),
            TrainTask::Inpaint => Ok(format!("{}; holes are made at random", self.counted())),
            TrainTask::SuperResolution => {
                Ok(format!("{}; small ones are made of them", self.counted()))
            }
        }
    }

    /// How many pictures do not say what a task is about, as a sentence; `None` where all
    /// do.
    pub(super) fn lacking(&self, task: TrainTask) -> Option<String> {
        let all = self.pictures?;
        let (has, what) = match task {
            TrainTask::Class => (self.classed, "are in no class folder"),
            TrainTask::Layout => (self.boxed, "have no boxes"),
            TrainTask::Semantic => (self.mapped, "have no label map"),
            _ => return None,
        };
        let lacking = all.saturating_sub(has);
        (lacking > 0).then(|| format!("{lacking} of the {all} pictures {what}"))
    }

    /// How many pictures say nothing of what they show, as a sentence; `None` where all
    /// do.
    pub(super) fn without_captions(&self) -> Option<String> {
        let all = self.pictures?;
        match all.saturating_sub(self.captioned) {
            0 => None,
            silent if silent == all => Some(format!(
                "none of the {all} pictures has a caption (barn.txt beside barn.png), so that the model will not listen to prompts"
            )),
            silent => Some(format!("{silent} of the {all} pictures have no caption")),
        }
    }

    /// How many pictures there are, in words.
    pub fn counted(&self) -> String {
        match self.pictures {
            Some(1) => "1 picture".to_owned(),
            Some(count) if self.is_more => format!("more than {count} pictures"),
            Some(count) => format!("{count} pictures"),
            None => "scenes without end".to_owned(),
        }
    }
}

/// Keeps names in order, each once.
fn insert(names: &mut Vec<String>, name: &str) {
    let key = |known: &String| known.to_lowercase();
    if let Err(place) = names.binary_search_by_key(&name.to_lowercase(), key) {
        names.insert(place, name.to_owned());
    }
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_and_what_is_missing_is_told() {
        let mut holdings = Holdings::default();
        let class = |index, name: &str| PaletteClass {
            index,
            name: name.to_owned(),
            color: [index; 3],
        };
        let palette = Palette {
            name: String::new(),
            classes: vec![class(3, "sky"), class(1, "Ground")],
        };
        let cat = LayoutBox {
            class: "cat".to_owned(),
            rect: [0.0, 0.0, 1.0, 1.0],
            colour: Some("red".to_owned()),
        };
        holdings.add(Some("b"), true, &[cat.clone(), cat], Some(&palette));
        assert!(holdings.found_for(TrainTask::Class).is_err());
        holdings.add(Some("A"), false, &[], Some(&palette));
        assert_eq!(holdings.classes, ["A", "b"]);
        assert_eq!((holdings.most_boxes, holdings.boxed), (2, 1));
        assert_eq!(holdings.box_classes, ["cat"]);
        let names = holdings.map_classes.iter().map(|class| class.name.as_str());
        assert!(names.eq(["Ground", "sky"]));
        let found = |task| holdings.found_for(task).expect("found");
        assert_eq!(found(TrainTask::Class), "2 class folders found: A, b");
        assert_eq!(found(TrainTask::Text), "captions of 1 of 2 pictures");
        assert_eq!(
            found(TrainTask::Semantic),
            "label maps of 2 classes beside all 2 pictures"
        );
        assert_eq!(
            holdings.lacking(TrainTask::Layout).as_deref(),
            Some("1 of the 2 pictures have no boxes")
        );
        assert_eq!(holdings.lacking(TrainTask::Semantic), None);
        assert_eq!(
            holdings.without_captions().as_deref(),
            Some("1 of the 2 pictures have no caption")
        );
        let none = Holdings::default();
        for task in [
            TrainTask::Class,
            TrainTask::Text,
            TrainTask::Layout,
            TrainTask::Semantic,
        ] {
            assert!(none.found_for(task).is_err());
        }
    }
}
