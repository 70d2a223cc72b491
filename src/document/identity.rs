//! What names a document, and its states.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names a document for as long as the program runs; never given twice.
///
/// Everything that leaves a document and comes back to it (a job's pictures, a
/// file being saved) carries this name, so that it cannot arrive in another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(u64);

impl DocumentId {
    /// A name that no document has.
    pub(super) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl std::fmt::Display for DocumentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Counts the changes of a document, so that a result can tell whether it was
/// made from what is there now. Grows with every change, also with undo.
///
/// Two documents never share one, so that what was made of a picture is not
/// taken for what was made of the picture opened after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentRevision(pub u64);

impl DocumentRevision {
    /// The first one of a document.
    pub(super) fn first() -> Self {
        static DOCUMENTS: AtomicU64 = AtomicU64::new(0);
        // Nobody makes four thousand million changes to a picture.
        Self(DOCUMENTS.fetch_add(1, Ordering::Relaxed) << 32)
    }
}

/// The state of a document that a file holds: undo and redo lead back to it,
/// which a [`DocumentRevision`] does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavePoint(pub(super) u64);
