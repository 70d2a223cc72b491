//! Ctrl+C, and the system's wish that the program ends (SIGTERM).
//!
//! The first one ends a job cleanly, with what it has; a second one ends the
//! program at once. SIGHUP is left alone: a run that was started with `nohup` is
//! to go on when its terminal closes, which is why the crate `ctrlc`, which takes
//! SIGHUP along with SIGTERM, will not do.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::signal::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::CliError;

/// How a command ends that was interrupted: 128 + SIGINT, as shells count.
pub(super) const EXIT_CODE: u8 = 130;

static IS_ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on the first interruption is only noted.
///
/// # Errors
/// If the system lets nobody listen.
pub(super) fn listen() -> Result<(), CliError> {
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first signal finds the flag down.
        let end = flag::register_conditional_shutdown(signal, EXIT_CODE.into(), asked());
        end.and_then(|_| flag::register(signal, asked()))
            .map_err(CliError::NoInterrupt)?;
    }
    Ok(())
}

/// Whether the user wants the command to end.
pub(super) fn is_asked() -> bool {
    IS_ASKED.load(Ordering::Relaxed)
}

/// Whether work is to be gone on with.
pub(super) fn go_on() -> ControlFlow<()> {
    match is_asked() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

fn asked() -> Arc<AtomicBool> {
    Arc::clone(&IS_ASKED)
}
