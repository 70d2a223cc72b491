//! Networks that are read while a model paints: who watches, and what went wrong.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::ModelError;
use crate::model::weights::ReadWatch;

/// Gives those who watch the reading of a network, of so many bytes or about.
#[derive(Clone)]
pub struct TurnWatch(Arc<dyn Fn(u64) -> ReadWatch + Send + Sync>);

impl TurnWatch {
    /// Asks `watch` for somebody each time.
    pub fn new(watch: impl Fn(u64) -> ReadWatch + Send + Sync + 'static) -> Self {
        Self(Arc::new(watch))
    }
}

impl fmt::Debug for TurnWatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TurnWatch")
    }
}

/// Who watches, and the last failure: those who ask a network for numbers are given some, and
/// told of it afterwards.
#[derive(Debug, Default)]
pub(in crate::model) struct Reading {
    watch: Mutex<Option<TurnWatch>>,
    failure: Mutex<Option<ModelError>>,
}

impl Reading {
    /// Watched by the same one, without its failure.
    pub fn anew(&self) -> Self {
        Self {
            watch: Mutex::new(lock(&self.watch).clone()),
            failure: Mutex::default(),
        }
    }

    /// Has the reading of networks watched from now on, or no longer.
    pub fn set_watch(&self, watch: Option<TurnWatch>) {
        *lock(&self.watch) = watch;
    }

    /// Who watches the reading of a network that takes so many bytes.
    pub(super) fn watch(&self, bytes: usize) -> Option<ReadWatch> {
        let watch = lock(&self.watch);
        watch.as_ref().map(|TurnWatch(watch)| watch(bytes as u64))
    }

    /// A network; `None` where it could not be read, which [`Self::check`] tells.
    pub(super) fn told<T>(&self, read: Result<T, ModelError>) -> Option<T> {
        match read {
            Ok(network) => Some(network),
            Err(error) => {
                *lock(&self.failure) = Some(error);
                None
            }
        }
    }

    /// What went wrong when a network was read, once.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> Result<(), ModelError> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
