//! A group of edits that is undone as one.

use super::edit::Edit;
use super::error::DocumentError;
use super::layer::LayerId;
use super::picture::Document;

/// Edits that belong together, with the name under which the menu undoes them.
///
/// The edits are already carried out; a transaction remembers them.
#[derive(Clone, Debug)]
pub struct Transaction {
    label: String,
    edits: Vec<Edit>,
}

impl Transaction {
    /// A transaction without edits.
    pub(super) fn begin(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            edits: Vec::new(),
        }
    }

    /// What the menu calls it, in sentence case, such as `Brush stroke`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Memory that keeping it takes.
    pub fn size_bytes(&self) -> usize {
        self.edits.iter().map(Edit::size_bytes).sum()
    }

    /// Whether an edit brings a layer or takes it away.
    pub(super) fn names_layer(&self, id: LayerId) -> bool {
        self.edits.iter().any(|edit| edit.names_layer(id))
    }

    /// Carries an edit out and remembers it.
    ///
    /// # Errors
    /// When the edit does not fit the document, which is then unchanged.
    pub(super) fn apply(
        &mut self,
        document: &mut Document,
        edit: Edit,
    ) -> Result<(), DocumentError> {
        edit.apply_to(document)?;
        self.remember(edit);
        Ok(())
    }

    fn remember(&mut self, edit: Edit) {
        // A brush stroke is hundreds of edits of the same few tiles: what was
        // before the first and after the last is all that undo needs.
        let rest = match self.edits.last_mut() {
            Some(last) => last.absorb(edit),
            None => Some(edit),
        };
        self.edits.extend(rest);
    }

    /// Takes in a later transaction that continues this one.
    pub(super) fn extend(&mut self, later: Self) {
        for edit in later.edits {
            self.remember(edit);
        }
    }

    /// Takes the edits back, last first.
    ///
    /// # Errors
    /// When the document was changed in another way since.
    pub(super) fn revert(&self, document: &mut Document) -> Result<(), DocumentError> {
        self.edits
            .iter()
            .rev()
            .try_for_each(|edit| edit.inverse().apply_to(document))
    }

    /// Carries the edits out again.
    ///
    /// # Errors
    /// When the document was changed in another way since.
    pub(super) fn replay(&self, document: &mut Document) -> Result<(), DocumentError> {
        self.edits
            .iter()
            .try_for_each(|edit| edit.apply_to(document))
    }
}
