//! What can be undone and redone.

use std::collections::VecDeque;

use super::identity::SavePoint;
use super::layer::LayerId;
use super::transaction::Transaction;

/// Memory that undo steps may take unless told otherwise: 512 MiB.
pub const DEFAULT_HISTORY_BUDGET_BYTES: usize = 512 << 20;

/// Marks steps that become one while a slider is dragged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MergeKey {
    /// The opacity of a layer.
    Opacity(LayerId),
    /// The strength of a mask.
    Strength(LayerId),
    /// The frame of the next job.
    Frame(&'static str),
    /// One thing about the boxes of a layer.
    Boxes(LayerId, &'static str),
}

#[derive(Clone, Debug)]
struct Entry {
    transaction: Transaction,
    /// Names the state of the document after this transaction.
    state: u64,
    /// The bytes as they were counted into the sum.
    size_bytes: usize,
    merge_key: Option<MergeKey>,
}

/// The transactions done so far, and those undone that can be redone.
///
/// Bounded in bytes, because one step may be a moved slider or a whole
/// repainted picture. The newest step is always kept, however large.
#[derive(Clone, Debug)]
pub struct History {
    entries: VecDeque<Entry>,
    /// How many of the entries are done.
    position: usize,
    /// Names the state before the oldest entry.
    oldest_state: u64,
    next_state: u64,
    saved_state: Option<u64>,
    budget_bytes: usize,
    used_bytes: usize,
}

impl History {
    /// An empty history whose present state counts as saved.
    pub fn new(budget_bytes: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            position: 0,
            oldest_state: 0,
            next_state: 1,
            saved_state: Some(0),
            budget_bytes,
            used_bytes: 0,
        }
    }

    /// What undo would take back.
    pub fn undo_label(&self) -> Option<&str> {
        let index = self.position.checked_sub(1)?;
        self.entries
            .get(index)
            .map(|entry| entry.transaction.label())
    }

    /// What redo would bring back.
    pub fn redo_label(&self) -> Option<&str> {
        self.entries
            .get(self.position)
            .map(|entry| entry.transaction.label())
    }

    /// How many steps can be undone.
    pub fn undo_count(&self) -> usize {
        self.position
    }

    /// How many steps can be redone.
    pub fn redo_count(&self) -> usize {
        self.entries.len() - self.position
    }

    /// Memory that the steps take, as an upper bound.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    /// Whether the present state is not the saved one.
    pub fn is_dirty(&self) -> bool {
        self.saved_state != Some(self.present_state())
    }

    /// Names the present state, to which undo and redo will lead back: slider
    /// steps that follow do not merge into the one before.
    pub fn save_point(&mut self) -> SavePoint {
        self.seal();
        SavePoint(self.present_state())
    }

    /// Declares that a file holds the given state.
    pub fn mark_saved(&mut self, point: SavePoint) {
        self.saved_state = Some(point.0);
    }

    /// Declares that no file holds any state.
    pub fn mark_unsaved(&mut self) {
        self.saved_state = None;
    }

    /// Ends the merging of slider steps: the next one is a step of its own.
    pub fn seal(&mut self) {
        if let Some(index) = self.position.checked_sub(1) {
            self.entries[index].merge_key = None;
        }
    }

    /// Whether a step in reach brings a layer or takes it away.
    pub fn remembers_layer(&self, id: LayerId) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.transaction.names_layer(id))
    }

    fn present_state(&self) -> u64 {
        match self.position.checked_sub(1) {
            Some(index) => self.entries[index].state,
            None => self.oldest_state,
        }
    }

    fn fresh_state(&mut self) -> u64 {
        let state = self.next_state;
        self.next_state += 1;
        state
    }

    /// Adds a step that was just done. What could be redone is forgotten.
    pub(super) fn push(&mut self, transaction: Transaction, merge_key: Option<MergeKey>) {
        for undone in self.entries.drain(self.position..) {
            self.used_bytes -= undone.size_bytes;
        }
        let state = self.fresh_state();
        let continued = self
            .entries
            .back_mut()
            .filter(|last| merge_key.is_some() && last.merge_key == merge_key);
        if let Some(last) = continued {
            last.transaction.extend(transaction);
            last.state = state;
            let size_bytes = last.transaction.size_bytes();
            self.used_bytes = self.used_bytes - last.size_bytes + size_bytes;
            last.size_bytes = size_bytes;
        } else {
            let size_bytes = transaction.size_bytes();
            self.used_bytes += size_bytes;
            self.entries.push_back(Entry {
                transaction,
                state,
                size_bytes,
                merge_key,
            });
            self.position += 1;
        }
        self.trim();
    }

    fn trim(&mut self) {
        while self.used_bytes > self.budget_bytes && self.position > 1 {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.used_bytes -= oldest.size_bytes;
            self.oldest_state = oldest.state;
            self.position -= 1;
        }
    }

    /// Steps back and gives the transaction to revert.
    pub(super) fn step_back(&mut self) -> Option<&Transaction> {
        self.seal();
        self.position = self.position.checked_sub(1)?;
        Some(&self.entries[self.position].transaction)
    }

    /// Steps forward and gives the transaction to replay.
    pub(super) fn step_forward(&mut self) -> Option<&Transaction> {
        let entry = self.entries.get(self.position)?;
        self.position += 1;
        Some(&entry.transaction)
    }
}
