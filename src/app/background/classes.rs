//! Errands for label maps: whatever reads every pixel of one.

use std::path::PathBuf;
use std::sync::Arc;

use super::label_maps::FittedDrawing;
use super::{Background, BackgroundEvent, failing};
use crate::app::classes::{Counted, ReadMap};
use crate::app::notices::Subject;
use crate::document::{ClassChanges, Document, DocumentSnapshot, LayerId, Recoding, joined};
use crate::recipe::palette::Palette;
use crate::tools::Fill;

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
    /// An area gets a value.
    Fill(Fill),
    /// The classes of a palette, joined by those in use that it lacks.
    Palette(Palette),
}

/// What an errand for label maps reports.
#[derive(Debug)]
pub enum ClassEvent {
    /// The classes of a document were counted; `None` when that went wrong.
    Counted(Option<Counted>),
    /// A label map was read from a file.
    MapRead(Arc<ReadMap>),
    /// Boxes and a label map are ready for their place.
    Fitted(Box<FittedDrawing>),
    /// A palette was read from a file.
    PaletteRead(Palette),
    /// A label map or a palette was saved.
    Written(PathBuf),
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
}

impl From<ClassEvent> for BackgroundEvent {
    fn from(event: ClassEvent) -> Self {
        Self::Classes(Box::new(event))
    }
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
        self.counter.send(failing(Subject::Classes), move |()| {
            let (changes, note) = wish.worked_out(&document)?;
            Ok(BackgroundEvent::Classes(Box::new(ClassEvent::Changed {
                label,
                wish,
                changes,
                note,
            })))
        });
    }
}

impl ClassWish {
    fn worked_out(
        &self,
        document: &DocumentSnapshot,
    ) -> Result<(ClassChanges, Option<String>), String> {
        match self {
            Self::Recode {
                only,
                recoding,
                palette,
            } => {
                let changes = ClassChanges::of(document, *only, recoding, palette.clone());
                Ok((changes, None))
            }
            Self::Fill(fill) => {
                let find = |document: &Document| fill.changes(document);
                Ok((ClassChanges::of_tiles(document, fill.layer, find), None))
            }
            Self::Palette(palette) => {
                let counts = document.class_counts();
                let is_used = |index: u8| counts[usize::from(index)] > 0;
                let (both, recoding, left_out) = joined(palette, document.palette(), is_used);
                if !left_out.is_empty() {
                    return Err(no_room(&left_out));
                }
                let changes = ClassChanges::of(document, None, &recoding, Some(both.clone()));
                let kept = both.classes.iter().skip(palette.classes.len());
                let kept: Vec<&str> = kept.map(|class| class.name.as_str()).collect();
                Ok((changes, kept_note(&kept)))
            }
        }
    }
}

/// What is told when classes that are painted were added to a palette that lacks them.
fn kept_note(kept: &[&str]) -> Option<String> {
    (!kept.is_empty()).then(|| {
        let text = "Classes that are painted and that the palette lacks were added to it";
        format!("{text}: {}", named(kept))
    })
}

/// Why a palette cannot be used when it has no room for classes that are painted.
pub(super) fn no_room(left_out: &[String]) -> String {
    let left_out: Vec<&str> = left_out.iter().map(String::as_str).collect();
    let text = "The palette has no room for classes that are painted already";
    format!("{text} ({}); replace some of them first", named(&left_out))
}

fn named(names: &[&str]) -> String {
    match names {
        [first, second, third, _, ..] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        _ => names.join(", "),
    }
}
