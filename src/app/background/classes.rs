//! Errands for label maps: whatever reads every pixel of one.

use super::{Background, BackgroundEvent};
use crate::app::classes::Counted;
use crate::document::{ClassChanges, DocumentSnapshot, LayerId, Recoding, TileGrid, joined};
use crate::recipe::SemanticInput;
use crate::recipe::palette::Palette;

/// A change of classes that is wanted, told so that it can be worked out anew when the
/// document changed meanwhile.
#[derive(Clone, Debug)]
pub enum ClassWish {
    /// Other classes in one layer, or in all, and another palette if one is given.
    Recode {
        /// The layer; all when none is given.
        only: Option<LayerId>,
        /// What becomes of which.
        recoding: Recoding,
        /// The classes afterwards.
        palette: Option<Palette>,
    },
    /// The classes of a palette, joined by those in use that it lacks.
    Palette(Palette),
}

/// What an errand for label maps reports.
#[derive(Debug)]
pub enum ClassEvent {
    /// The classes of a document were counted; `None` when that went wrong.
    Counted(Option<Counted>),
    /// A change of classes is worked out.
    Changed {
        /// What the menu calls it.
        label: &'static str,
        /// What was wanted.
        wish: ClassWish,
        /// What it comes to.
        changes: ClassChanges,
        /// What is to be told, as a sentence.
        note: Option<String>,
    },
    /// The label map of a recipe is ready for a document.
    Restored(RestoredMap),
}

/// The label map of a recipe, as a layer of a document.
#[derive(Debug)]
pub struct RestoredMap {
    /// The map as the recipe has it.
    pub input: SemanticInput,
    /// The document that it was made for, as it was.
    pub document: DocumentSnapshot,
    /// What the layer stores.
    pub map: TileGrid<u8>,
    /// The classes of the document afterwards.
    pub palette: Palette,
    /// What is to be told, as a sentence.
    pub note: Option<String>,
}

impl Background {
    /// Counts the classes of a document.
    pub fn count_classes(&mut self, document: DocumentSnapshot) {
        let failed = |_| BackgroundEvent::Classes(Box::new(ClassEvent::Counted(None)));
        self.counter.send(Box::new(failed), move |()| {
            let counted = Some(Counted::of(&document));
            Ok(BackgroundEvent::Classes(Box::new(ClassEvent::Counted(
                counted,
            ))))
        });
    }

    /// Works out a change of classes.
    pub fn change_classes(
        &mut self,
        label: &'static str,
        wish: ClassWish,
        document: DocumentSnapshot,
    ) {
        let failed = Box::new(BackgroundEvent::Failed);
        self.counter.send(failed, move |()| {
            let (changes, note) = wish.worked_out(&document);
            Ok(BackgroundEvent::Classes(Box::new(ClassEvent::Changed {
                label,
                wish,
                changes,
                note,
            })))
        });
    }
}

impl Background {
    /// Makes a layer of the label map of a recipe: at the size of the document, and
    /// with the numbers that its classes have there.
    pub fn restore_map(&mut self, input: SemanticInput, document: DocumentSnapshot) {
        let failed = Box::new(BackgroundEvent::Failed);
        self.counter.send(failed, move |()| {
            let fitting = input.resized(document.size_px());
            let counts = fitting.counts();
            let is_used = |index: u8| counts[usize::from(index)] > 0;
            let (palette, recoding, left_out) =
                joined(document.palette(), &fitting.palette, is_used);
            let map = recoding.applied(&TileGrid::from_class_map(&fitting.map));
            let restored = RestoredMap {
                input,
                document,
                map,
                palette,
                note: palette_note(&[], &left_out),
            };
            let event = ClassEvent::Restored(restored);
            Ok(BackgroundEvent::Classes(Box::new(event)))
        });
    }
}

impl ClassWish {
    fn worked_out(&self, document: &DocumentSnapshot) -> (ClassChanges, Option<String>) {
        match self {
            Self::Recode {
                only,
                recoding,
                palette,
            } => {
                let changes = ClassChanges::of(document, *only, recoding, palette.clone());
                (changes, None)
            }
            Self::Palette(palette) => {
                let counts = document.class_counts();
                let is_used = |index: u8| counts[usize::from(index)] > 0;
                let (both, recoding, left_out) = joined(palette, document.palette(), is_used);
                let changes = ClassChanges::of(document, None, &recoding, Some(both.clone()));
                let kept = both.classes.iter().skip(palette.classes.len());
                let kept: Vec<&str> = kept.map(|class| class.name.as_str()).collect();
                (changes, palette_note(&kept, &left_out))
            }
        }
    }
}

/// What is told when a palette lacks classes that are painted.
fn palette_note(kept: &[&str], left_out: &[String]) -> Option<String> {
    let named = |names: &[&str]| match names {
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        _ => names.join(", "),
    };
    if !left_out.is_empty() {
        let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
        let text = "The palette has no room for classes that are painted already";
        return Some(format!(
            "{text}; they have no name now: {}",
            named(&left_out)
        ));
    }
    (!kept.is_empty()).then(|| {
        let text = "Classes that are painted and that the palette lacks were added to it";
        format!("{text}: {}", named(kept))
    })
}
