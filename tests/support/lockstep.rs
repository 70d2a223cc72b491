//! An engine that goes no further than the test has seen: what it does after an
//! event does not depend on which of the two threads is the faster.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded};
use velatura::engine::protocol::EngineEvent;
use velatura::engine::{EngineFactory, EngineHandle};

const PATIENCE: Duration = Duration::from_secs(300);

/// An engine that stands still from an event until the next one is waited for.
pub struct Lockstep {
    /// Lets the engine go on. Ahead of the engine, so that it is dropped first and
    /// holds nothing up.
    go_on: Sender<()>,
    /// Tells it what to do.
    pub engine: EngineHandle,
    stands_still: bool,
}

impl Lockstep {
    pub fn start(factory: EngineFactory) -> Self {
        let (go_on, gate) = bounded(0);
        // It is woken by every event, on its own thread.
        let waker = Arc::new(move || gate.recv().unwrap_or_default());
        let engine = EngineHandle::spawn(factory, waker).expect("a thread");
        // A step that is shown wakes too.
        engine.look_away();
        Self {
            go_on,
            engine,
            stands_still: false,
        }
    }

    /// The next event.
    pub fn wait(&mut self) -> EngineEvent {
        if self.stands_still {
            self.go_on.send(()).expect("the engine stands still");
        }
        self.stands_still = true;
        self.engine.wait(PATIENCE).expect("an event in time")
    }
}
