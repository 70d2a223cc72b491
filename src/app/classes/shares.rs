//! How much of its map each class covers, counted away from the window's thread.

use std::collections::BTreeMap;

use crate::document::{DocumentId, DocumentRevision, DocumentSnapshot, LayerId, LayerKind};

/// How many pixels of each semantic layer have each stored class.
#[derive(Clone, Debug)]
pub struct Counted {
    document: DocumentId,
    revision: DocumentRevision,
    layers: BTreeMap<LayerId, [u64; 256]>,
}

impl Counted {
    /// Counts what a document holds. Tiles that are counted stay so for all who hold
    /// them: only what was painted since is looked through.
    pub fn of(document: &DocumentSnapshot) -> Self {
        let layers = document.layers().iter();
        let maps = layers.filter_map(|layer| Some((layer.id, layer.semantic()?.counts())));
        Self {
            document: document.id(),
            revision: document.revision(),
            layers: maps.collect(),
        }
    }
}

/// The newest counts, and what is being counted.
#[derive(Debug, Default)]
pub struct ClassShares {
    known: Option<Counted>,
    is_counting: bool,
}

impl ClassShares {
    /// How many pixels of a layer have each stored class, as last counted.
    pub fn of(&self, document: DocumentId, layer: LayerId) -> Option<&[u64; 256]> {
        let known = self.known.as_ref();
        let known = known.filter(|known| known.document == document)?;
        known.layers.get(&layer)
    }

    /// Whether a document is to be counted now: it has changed, and nothing is being
    /// counted. The caller is to do so.
    pub fn begin(&mut self, document: &crate::document::Document) -> bool {
        let mut layers = document.layers().iter();
        let has_map = layers.any(|layer| layer.kind() == LayerKind::Semantic);
        let is_new = self.known.as_ref().is_none_or(|known| {
            (known.document, known.revision) != (document.id(), document.revision())
        });
        let begins = has_map && is_new && !self.is_counting;
        self.is_counting |= begins;
        begins
    }

    /// Takes what was counted; `None` when that went wrong.
    pub fn end(&mut self, counted: Option<Counted>) {
        self.is_counting = false;
        self.known = counted.or_else(|| self.known.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Document, DocumentEditor, TileGrid};
    use crate::recipe::palette::Palette;

    #[test]
    fn each_state_is_counted_once_and_the_last_counts_stay_meanwhile() {
        let mut editor = DocumentEditor::new(Document::blank([8, 8]).expect("a size"));
        let mut shares = ClassShares::default();
        assert!(!shares.begin(editor.document()), "there is no map");
        let map = TileGrid::from_fn([8, 8], |x, _| u8::from(x < 2));
        let layer = editor
            .insert_semantic_layer("Add", "Map", map, Palette::default())
            .expect("a layer");
        assert!(shares.begin(editor.document()));
        assert!(!shares.begin(editor.document()), "it is being counted");
        shares.end(Some(Counted::of(&editor.snapshot())));
        assert!(!shares.begin(editor.document()), "it is counted");
        let of = |shares: &ClassShares| shares.of(editor.id(), layer).map(|counts| counts[1]);
        assert_eq!(of(&shares), Some(16));
        shares.end(None);
        assert_eq!(of(&shares), Some(16));
    }
}
