//! Textures of published tensors, each drawn once.

use std::sync::Arc;

use egui_wgpu::RenderState;

use super::canvas_scene::LivePicture;
use super::preview::{PreviewPass, PreviewTexture};
use super::share::SharedTensor;

/// Draws the planes of a step into a texture for the canvas.
///
/// The pipelines are built when the first tensor comes: where the processor
/// computes, none ever does.
#[derive(Debug, Default)]
pub struct PlanePainter {
    window: Option<(wgpu::Device, wgpu::Queue)>,
    pass: Option<PreviewPass>,
    /// The tensor drawn last. Holding it keeps its address from being taken by another.
    last: Option<(Arc<SharedTensor>, PreviewTexture)>,
}

impl PlanePainter {
    /// A painter that draws with the window's device.
    pub fn new(render_state: Option<&RenderState>) -> Self {
        Self {
            window: render_state.map(|state| (state.device.clone(), state.queue.clone())),
            ..Self::default()
        }
    }

    /// The picture of planes in [-1, 1]; `None` when the driver refuses to draw it.
    ///
    /// # Shapes
    /// `[n, 3, height, width]`; the first picture is drawn.
    pub fn picture(&mut self, planes: &Arc<SharedTensor>) -> Option<LivePicture> {
        if let Some((known, texture)) = &self.last
            && Arc::ptr_eq(known, planes)
        {
            return Some(LivePicture::Texture(texture.clone()));
        }
        let (device, queue) = self.window.as_ref()?;
        if self.pass.is_none() {
            match PreviewPass::new(device, queue) {
                Ok(pass) => self.pass = Some(pass),
                Err(error) => {
                    log::error!("{error}");
                    // Asking again would fail again.
                    self.window = None;
                    return None;
                }
            }
        }
        match self.pass.as_ref()?.draw_planes(planes) {
            Ok(texture) => {
                self.last = Some((Arc::clone(planes), texture.clone()));
                Some(LivePicture::Texture(texture))
            }
            Err(error) => {
                log::warn!("{error}");
                None
            }
        }
    }

    /// Lets go of the last tensor: nothing is shown any more.
    pub fn forget(&mut self) {
        self.last = None;
    }
}
