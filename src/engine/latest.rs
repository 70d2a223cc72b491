//! A slot that holds the newest value only.

use std::sync::{Arc, Mutex, PoisonError};

/// The newest value of something that changes faster than it is read.
///
/// A writer never waits for a reader and a reader never sees an old value
/// after a new one. Cheap to clone; clones share the slot.
#[derive(Debug)]
pub struct Latest<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    generation: u64,
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self {
            slot: Arc::new(Mutex::new(Slot {
                value: None,
                generation: 0,
            })),
        }
    }
}

impl<T: Clone> Latest<T> {
    /// Replaces the value.
    pub fn publish(&self, value: T) {
        // A poisoned slot still holds a whole value: it is only ever assigned.
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.value = Some(value);
        slot.generation += 1;
    }

    /// The value and its generation, if it is newer than `seen`.
    pub fn newer_than(&self, seen: u64) -> Option<(u64, T)> {
        let slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.generation <= seen {
            return None;
        }
        slot.value.clone().map(|value| (slot.generation, value))
    }
}
