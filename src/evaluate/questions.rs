//! What is asked about a picture, and what a scene answers.

use serde::{Deserialize, Serialize};

use crate::scenes::{GROUNDS, Place, Scene, Stuff, Style, Time, classes};

/// What is asked about a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Dawn, day, sunset or night; asked of landscapes.
    Time,
    /// Meadow, beach, …; asked of landscapes.
    Place,
    /// The colour behind a sticker.
    Background,
    /// 3d, flat or cartoon; asked of pictures with objects.
    Style,
    /// Whether an object is there; asked for each kind that the caption names.
    Object,
}

impl Question {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Time,
        Self::Place,
        Self::Background,
        Self::Style,
        Self::Object,
    ];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time of day",
            Self::Place => "place",
            Self::Background => "background",
            Self::Style => "style",
            Self::Object => "objects",
        }
    }
}

/// Times of day, and that there is none.
pub(super) const TIMES: usize = Time::ALL.len() + 1;
/// Places, and that there is none.
pub(super) const PLACES: usize = Place::ALL.len() + 1;
/// Colours of plain grounds, and that there is none.
pub(super) const BACKGROUNDS: usize = GROUNDS.len() + 1;
/// Styles.
pub(super) const STYLES: usize = Style::ALL.len();

/// Labels of a pixel: surfaces, then kinds of objects.
pub(super) fn label_count() -> usize {
    Stuff::ALL.len() + classes().len()
}

/// Names of all labels; a judge is of use only while they are the same.
pub(super) fn label_names() -> Vec<String> {
    let stuff = Stuff::ALL.iter().map(|stuff| stuff.name().to_owned());
    stuff
        .chain(classes().iter().map(|class| class.noun.clone()))
        .collect()
}

/// What a caption says, as far as it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Index into [`Time::ALL`].
    pub time: Option<usize>,
    /// Index into [`Place::ALL`].
    pub place: Option<usize>,
    /// Index into [`GROUNDS`].
    pub background: Option<usize>,
    /// Index into [`Style::ALL`].
    pub style: Option<usize>,
    /// Kinds of objects, each once.
    pub objects: Vec<usize>,
}

impl Truth {
    /// What a scene shows.
    pub fn of(scene: &Scene) -> Self {
        let about = &scene.attributes;
        let mut objects: Vec<usize> = scene.objects.iter().map(|object| object.class).collect();
        objects.sort_unstable();
        objects.dedup();
        let is_landscape = about.sticker_ground.is_none();
        let index = |found: Option<usize>| found.filter(|_| is_landscape);
        Self {
            time: index(Time::ALL.iter().position(|time| *time == about.time)),
            place: index(Place::ALL.iter().position(|place| *place == about.place)),
            background: about.sticker_ground,
            style: Style::ALL
                .iter()
                .position(|style| *style == about.style)
                .filter(|_| !objects.is_empty()),
            objects,
        }
    }

    /// The answer to a question with one answer.
    pub(super) fn answer(&self, question: Question) -> Option<usize> {
        match question {
            Question::Time => self.time,
            Question::Place => self.place,
            Question::Background => self.background,
            Question::Style => self.style,
            Question::Object => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenes::SceneSource;

    #[test]
    fn only_what_can_be_seen_is_asked() {
        let source = SceneSource::new(32).expect("a size that scenes have");
        let mut empty = 0;
        for scene in source.endless(3, 0).take(200) {
            let truth = Truth::of(&scene);
            let is_sticker = scene.attributes.sticker_ground.is_some();
            assert_eq!(truth.time.is_none(), is_sticker);
            assert_eq!(truth.place.is_none(), is_sticker);
            assert_eq!(truth.background.is_some(), is_sticker);
            assert_eq!(truth.style.is_some(), !scene.objects.is_empty());
            empty += usize::from(truth.objects.is_empty());
        }
        assert!(empty > 0);
        assert_eq!(label_names().len(), label_count());
    }
}
