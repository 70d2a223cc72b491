//! Errands that write, of which none may be broken off when the window closes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many errands that write were given and have not ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Writing {
    count: Arc<(Mutex<usize>, Condvar)>,
}

/// An errand that writes; it has ended when this is gone.
#[derive(Debug)]
pub(super) struct Errand(Writing);

impl Writing {
    /// Notes an errand.
    pub fn begin(&self) -> Errand {
        *self.count() += 1;
        Errand(self.clone())
    }

    /// Waits until no errand is left, but no longer than `patience`.
    pub fn wait(&self, patience: Duration) {
        let (_, ended) = &*self.count;
        let waited = ended.wait_timeout_while(self.count(), patience, |count| *count > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        *self.0.count() -= 1;
        self.0.count.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errands_are_waited_for() {
        let writing = Writing::default();
        writing.wait(Duration::from_secs(300));
        let errands = [writing.begin(), writing.begin()];
        let ending = std::thread::spawn(move || errands.map(drop));
        writing.wait(Duration::from_secs(300));
        assert_eq!(*writing.count(), 0);
        ending.join().expect("it ends");
        // Patience ends.
        let left = writing.begin();
        writing.wait(Duration::ZERO);
        assert_eq!(*writing.count(), 1);
        drop(left);
    }
}
