//! The one way to change a document.

use super::edit::Edit;
use super::error::DocumentError;
use super::history::{DEFAULT_HISTORY_BUDGET_BYTES, History, MergeKey};
use super::identity::{DocumentId, DocumentRevision, SavePoint};
use super::layer::LayerId;
use super::picture::{Document, DocumentSnapshot};
use super::transaction::Transaction;

mod boxes;
mod drawing;
mod operations;
mod results;
mod semantic;

pub use drawing::{Drawing, DrawnMap, InsertedDrawing};
pub use results::index_above_pictures;

/// A document with its history, and the transaction in progress.
///
/// [`Self::begin`], any number of [`Self::apply`], then [`Self::commit`] or
/// [`Self::cancel`]: a transaction without edits leaves no step. What the menus
/// and panels do is there as ready methods, each of them one transaction.
#[derive(Clone, Debug)]
pub struct DocumentEditor {
    document: Document,
    history: History,
    open: Option<Transaction>,
}

impl DocumentEditor {
    /// An editor for a document that counts as saved.
    pub fn new(document: Document) -> Self {
        Self::with_history_budget(document, DEFAULT_HISTORY_BUDGET_BYTES)
    }

    /// An editor whose undo steps take at most the given memory.
    pub fn with_history_budget(document: Document, budget_bytes: usize) -> Self {
        Self {
            document,
            history: History::new(budget_bytes),
            open: None,
        }
    }

    /// Names the document.
    pub fn id(&self) -> DocumentId {
        self.document.id()
    }

    /// The document as it is now, including the transaction in progress.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What can be undone and redone.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// An immutable copy that shares all pixels.
    pub fn snapshot(&self) -> DocumentSnapshot {
        self.document.snapshot()
    }

    /// Counts the changes so far.
    pub fn revision(&self) -> DocumentRevision {
        self.document.revision()
    }

    /// Starts a transaction; `label` is what the menu calls it.
    ///
    /// # Errors
    /// When another one is in progress.
    pub fn begin(&mut self, label: impl Into<String>) -> Result<(), DocumentError> {
        if let Some(open) = &self.open {
            return Err(DocumentError::Busy(open.label().to_owned()));
        }
        self.open = Some(Transaction::begin(label));
        Ok(())
    }

    /// Carries an edit out within the transaction in progress, or as a
    /// transaction of its own when none is.
    ///
    /// # Errors
    /// When the edit does not fit the document, which is then unchanged.
    pub fn apply(&mut self, edit: Edit) -> Result<(), DocumentError> {
        match &mut self.open {
            Some(open) => open.apply(&mut self.document, edit),
            None => self.apply_alone("Change", edit, None),
        }
    }

    /// Ends the transaction in progress. `false` when nothing was changed.
    pub fn commit(&mut self) -> bool {
        match self.open.take() {
            Some(open) if !open.is_empty() => {
                self.history.push(open, None);
                true
            }
            _ => false,
        }
    }

    /// Takes the transaction in progress back. `false` when there was none.
    pub fn cancel(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
        open.revert(&mut self.document)
            .expect("an open transaction's edits were applied last");
        true
    }

    /// Whether a transaction is in progress.
    pub fn is_busy(&self) -> bool {
        self.open.is_some()
    }

    fn apply_alone(
        &mut self,
        label: &str,
        edit: Edit,
        merge_key: Option<MergeKey>,
    ) -> Result<(), DocumentError> {
        self.begin(label)?;
        let mut transaction = self.open.take().expect("begin succeeded");
        transaction.apply(&mut self.document, edit)?;
        self.history.push(transaction, merge_key);
        Ok(())
    }

    /// Takes the last step back: the transaction in progress, if there is one.
    /// `false` when there is nothing to undo.
    pub fn undo(&mut self) -> bool {
        if self.cancel() {
            return true;
        }
        let Some(transaction) = self.history.step_back() else {
            return false;
        };
        transaction
            .revert(&mut self.document)
            .expect("history leads to the present document");
        true
    }

    /// Brings the last undone step back. `false` when there is none, or while
    /// a transaction is in progress.
    pub fn redo(&mut self) -> bool {
        if self.is_busy() {
            return false;
        }
        let Some(transaction) = self.history.step_forward() else {
            return false;
        };
        transaction
            .replay(&mut self.document)
            .expect("history leads to the present document");
        true
    }

    /// Whether there are changes that were not saved.
    pub fn is_dirty(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.is_empty()) || self.history.is_dirty()
    }

    /// Names the present state for [`Self::mark_saved`]; `None` while a
    /// transaction is in progress, which may still be taken back.
    pub fn save_point(&mut self) -> Option<SavePoint> {
        (!self.is_busy()).then(|| self.history.save_point())
    }

    /// Declares that a file holds the given state.
    pub fn mark_saved(&mut self, point: SavePoint) {
        self.history.mark_saved(point);
    }

    /// Declares that no file holds any state: the document was restored from a copy.
    pub fn mark_unsaved(&mut self) {
        self.history.mark_unsaved();
    }

    /// Tells that a slider was let go: its steps so far are one undo step.
    pub fn end_slider_drag(&mut self) {
        self.history.seal();
    }

    /// Chooses the layer that tools work on. Not a step of the history.
    ///
    /// # Errors
    /// When the layer is not in the document.
    pub fn select_layer(&mut self, id: LayerId) -> Result<(), DocumentError> {
        self.document.layer_index(id)?;
        if self.document.selected != Some(id) {
            self.document.selected = Some(id);
            self.document.selected_boxes.clear();
        }
        Ok(())
    }

    /// Begins anew with a blank canvas of another size: for a document on which
    /// nothing was done, and which stays the same one for those who know it.
    ///
    /// # Errors
    /// When the size is not allowed.
    pub fn refit_blank(&mut self, size_px: [u32; 2]) -> Result<(), DocumentError> {
        let id = self.id();
        *self = Self::new(Document {
            id,
            ..Document::blank(size_px)?
        });
        Ok(())
    }

    /// Whether a layer is in the document, or would be after undo or redo.
    pub fn remembers_layer(&self, id: LayerId) -> bool {
        self.document.layer(id).is_some() || self.history.remembers_layer(id)
    }

    /// An identifier that no layer of this document has or had.
    pub fn fresh_layer_id(&mut self) -> LayerId {
        self.document.fresh_layer_id()
    }
}
