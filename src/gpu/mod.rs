//! What is drawn by our own shaders, and the device that the window and burn share.
//!
//! [`wgpu_configuration`] asks for a device that burn can compute on,
//! [`share`] registers it with burn and lets finished tensors be read where
//! they lie, [`PreviewPass`] turns such a tensor into a texture, and
//! [`CanvasRenderer`] draws the document. The window (`ui`, `app`) and the
//! engine (`share` only) may use this room; it knows neither of them.
//!
//! Layers are blended by the graphics card into the window's own target, in
//! sRGB values: the same formula as `Document::composite`, without a picture
//! of the whole document in between, so a frame costs what is visible of it.
//! A layer takes the memory of what was painted on it, not of the picture's size;
//! [`CanvasLimits`] says how much all may take, and how much a frame uploads.

mod adapters;
mod canvas_limits;
mod canvas_renderer;
mod canvas_scene;
mod error;
mod layer_texture;
mod plane_painter;
mod preview;
pub mod shaders;
pub mod share;
mod texture_pixel;
mod tile_area;
mod wgpu_configuration;

pub use adapters::{Adapter, adapters};
pub use canvas_limits::{CanvasLimits, CanvasStatus};
pub use canvas_renderer::{CanvasMonitor, CanvasRenderer, canvas_callback};
pub use canvas_scene::{CanvasScene, ClassesShown, LiveFrame, LivePicture};
pub use error::{GpuError, answers};
pub use plane_painter::PlanePainter;
pub use preview::{PreviewPass, PreviewTexture};
pub use share::window_device;
pub use wgpu_configuration::wgpu_configuration;

/// The graphics device of an open window.
pub use egui_wgpu::RenderState as WindowDevice;
