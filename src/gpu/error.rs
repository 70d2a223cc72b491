//! What can go wrong with the graphics card.

use eframe::wgpu;

/// Why something cannot be drawn or shared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuError {
    /// The window has no device.
    #[error(
        "No graphics device was found, so the canvas cannot be drawn; install a Vulkan driver."
    )]
    NoDevice,
    /// The driver refused something of ours.
    #[error("The graphics driver refused the {what} ({reason}); update the driver.")]
    Refused {
        /// What was to be made.
        what: &'static str,
        /// What the driver says.
        reason: String,
    },
}

/// Runs `make` and turns what the driver says against it into an error.
///
/// Without this, burn's handler on the shared device would take a rejected
/// pipeline of ours for a lost device and end the program.
pub(super) fn in_error_scope<T>(
    device: &wgpu::Device,
    what: &'static str,
    make: impl FnOnce() -> T,
) -> Result<T, GpuError> {
    let scope = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let made = make();
    match ready(scope.pop()).flatten() {
        None => Ok(made),
        Some(error) => Err(GpuError::Refused {
            what,
            reason: error.to_string(),
        }),
    }
}

/// The value of a future that does not need to wait, as those of error scopes
/// outside of browsers.
fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}
