//! The palettes that come with the program, and the one that is being edited.

use crate::document::Recoding;
use crate::recipe::palette::{NOTHING, Palette, PaletteClass, PaletteError};
use crate::scenes;

/// A palette that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuiltInPalette {
    /// What storybook scenes are made of.
    Storybook,
    /// 171 classes of things and stuff, with the indices of their label maps: 1 to
    /// 182, of which some are not used (<https://arxiv.org/abs/1612.03716>).
    CocoStuff,
    /// 150 classes of rooms and streets, with the indices of their label maps: 1 to
    /// 150 (<https://arxiv.org/abs/1608.05442>), in their usual colours.
    Ade20k,
}

impl BuiltInPalette {
    /// Every palette, in menu order.
    pub const ALL: [Self; 3] = [Self::Storybook, Self::CocoStuff, Self::Ade20k];

    /// Its name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Storybook => "Storybook",
            Self::CocoStuff => "COCO-Stuff",
            Self::Ade20k => "ADE20K",
        }
    }

    /// Its classes.
    pub fn palette(self) -> Palette {
        let file = match self {
            Self::Storybook => return storybook(),
            Self::CocoStuff => include_str!("../../../assets/palettes/coco-stuff.json"),
            Self::Ade20k => include_str!("../../../assets/palettes/ade20k.json"),
        };
        serde_json::from_str(file).expect("the bundled palettes are read by a test")
    }
}

fn storybook() -> Palette {
    let class = |entry: scenes::PaletteEntry| PaletteClass {
        index: entry.id,
        name: entry.name,
        color: entry.colour,
    };
    Palette {
        name: BuiltInPalette::Storybook.label().to_owned(),
        classes: scenes::palette().into_iter().map(class).collect(),
    }
}

/// A class that is being edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaletteRow {
    /// What it is to be.
    pub class: PaletteClass,
    /// The index that it has in the document; none for a new one.
    pub before: Option<u8>,
}

/// A palette that is being edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PaletteDraft {
    /// What it is to be called.
    pub name: String,
    /// Its classes.
    pub rows: Vec<PaletteRow>,
    /// Indices that classes had which were deleted.
    deleted: Vec<u8>,
}

impl PaletteDraft {
    /// The palette of a document, to be edited.
    pub fn of(palette: &Palette) -> Self {
        let row = |class: &PaletteClass| PaletteRow {
            class: class.clone(),
            before: Some(class.index),
        };
        Self {
            name: palette.name.clone(),
            rows: palette.classes.iter().map(row).collect(),
            deleted: Vec::new(),
        }
    }

    /// The palette as it is written.
    pub fn palette(&self) -> Palette {
        Palette {
            name: self.name.trim().to_owned(),
            classes: self.rows.iter().map(|row| row.class.clone()).collect(),
        }
    }

    /// Why it cannot be taken as it is written.
    pub fn problem(&self) -> Option<PaletteError> {
        self.palette().validate().err()
    }

    /// The first index that no class has.
    pub fn free_index(&self) -> Option<u8> {
        let is_taken = |index: u8| self.rows.iter().any(|row| row.class.index == index);
        (0..NOTHING).find(|index| !is_taken(*index))
    }

    /// Deletes a class by its place.
    pub fn remove(&mut self, place: usize) {
        let row = self.rows.remove(place);
        self.deleted.extend(row.before);
    }

    /// What becomes of the classes in the maps: those with a new index keep their
    /// places there, deleted ones leave nothing.
    pub fn recoding(&self) -> Recoding {
        let mut recoding = Recoding::default();
        for before in &self.deleted {
            recoding = recoding.with(*before, NOTHING);
        }
        for row in &self.rows {
            if let Some(before) = row.before {
                recoding = recoding.with(before, row.class.index);
            }
        }
        recoding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palettes_are_whole_and_their_classes_told_apart() {
        let expected = [(None, "sky"), (Some(171), "wood"), (Some(150), "flag")];
        for (palette, (count, name)) in BuiltInPalette::ALL.into_iter().zip(expected) {
            let classes = palette.palette();
            classes.validate().expect("a valid palette");
            assert_eq!(classes.name, palette.label());
            assert!(count.is_none_or(|count| count == classes.classes.len()));
            assert!(classes.class_named(name).is_some());
            for (index, class) in classes.classes.iter().enumerate() {
                let twin = classes.classes[index + 1..].iter().find(|other| {
                    // In the usual colours of ADE20K, road and skyscraper are one.
                    other.color == class.color && class.name != "road"
                });
                assert!(twin.is_none(), "{class:?} and {twin:?}");
            }
        }
        let coco = BuiltInPalette::CocoStuff.palette();
        let name = |index| coco.class(index).map(|class| &*class.name);
        assert_eq!(
            [name(1), name(92), name(182)],
            [Some("person"), Some("banner"), Some("wood")]
        );
        assert_eq!([name(0), name(12), name(91), name(183)], [None; 4]);
        let ade = BuiltInPalette::Ade20k.palette();
        assert_eq!(ade.class(3).map(|class| &*class.name), Some("sky"));
    }

    #[test]
    fn a_class_with_a_new_index_keeps_its_places() {
        let palette = BuiltInPalette::Ade20k.palette();
        let mut draft = PaletteDraft::of(&palette);
        assert_eq!(draft.palette(), palette);
        assert!(draft.recoding().is_identity());
        assert_eq!(draft.free_index(), Some(0));
        draft.rows[2].class.index = 0;
        assert!(draft.problem().is_none());
        assert_eq!(draft.recoding(), Recoding::default().with(3, 0));
        draft.rows[3].class.index = 0;
        assert!(draft.problem().is_some());
        draft.remove(3);
        assert!(draft.problem().is_none());
        let expected = Recoding::default().with(3, 0).with(4, NOTHING);
        assert_eq!(draft.recoding(), expected);
    }
}
