//! Draws the canvas inside of egui's own pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use egui::PaintCallbackInfo;
use egui_wgpu::{self, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};

use super::canvas_limits::{Allowance, CanvasLimits, CanvasStatus, TextureMemory};
use super::canvas_scene::{CanvasScene, LiveFrame};
use super::error::{GpuError, in_error_scope};
use crate::document::Document;
use crate::geometry::{CanvasRect, UiPoint, Viewport};

mod draw;
mod layers;
mod live;
mod palette;
mod pipelines;

use draw::{Draw, Sampling};
use layers::{Frame, LayerTextures};
use live::LiveTexture;
use palette::PaletteTexture;
use pipelines::{Pipelines, Stage};

/// From this zoom on, document pixels have hard edges.
const SHARP_FROM_ZOOM: f32 = 4.0;

/// The colour of the mask, sRGB.
const MASK_TINT: [f32; 3] = [0.93, 0.2, 0.36];

/// Least strength of the tint of a mask that acts, however transparent its layer.
const LEAST_TINT: f32 = 0.35;

/// The part of that strength which is left to a mask that repaints nothing.
const LEAST_SHARE: f32 = 0.4;

/// How the canvas fares, for those who do not draw it; clones share it.
#[derive(Clone, Debug, Default)]
pub struct CanvasMonitor(Arc<Mutex<CanvasStatus>>);

impl CanvasMonitor {
    /// What of the last frame could not be drawn as it is.
    pub fn status(&self) -> CanvasStatus {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, CanvasStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The graphics card's side of the canvas: pipelines, and the textures of the
/// layers. Lives in egui's renderer from [`Self::install`] on.
///
/// Nothing that the card has no room for ends the program: layers are drawn from
/// smaller copies then, or left out, and [`Self::status`] tells.
#[derive(Debug)]
pub struct CanvasRenderer {
    pipelines: Pipelines,
    limits: CanvasLimits,
    layers: LayerTextures,
    palette: PaletteTexture,
    /// With the memory that it takes.
    live: Option<(LiveTexture, u64)>,
    draws: Vec<PreparedDraw>,
    monitor: CanvasMonitor,
}

#[derive(Debug)]
struct PreparedDraw {
    stage: Stage,
    bind_group: wgpu::BindGroup,
    draw: Draw,
}

impl CanvasRenderer {
    /// A renderer for targets of the given format, with one sample and no depth.
    ///
    /// # Errors
    /// When the driver refuses a pipeline.
    pub fn new(
        device: &wgpu::Device,
        target: wgpu::TextureFormat,
        limits: CanvasLimits,
    ) -> Result<Self, GpuError> {
        let pipelines =
            in_error_scope(device, "canvas shaders", || Pipelines::new(device, target))?;
        Ok(Self {
            pipelines,
            limits,
            layers: LayerTextures::new(TextureMemory::new(limits.texture_bytes)),
            palette: PaletteTexture::new(device),
            live: None,
            draws: Vec::new(),
            monitor: CanvasMonitor::default(),
        })
    }

    /// Builds the pipelines and puts the renderer where [`canvas_callback`] finds it.
    ///
    /// # Errors
    /// When the driver refuses a pipeline.
    pub fn install(
        render_state: &RenderState,
        limits: CanvasLimits,
    ) -> Result<CanvasMonitor, GpuError> {
        let renderer = Self::new(&render_state.device, render_state.target_format, limits)?;
        let monitor = renderer.monitor.clone();
        render_state
            .renderer
            .write()
            .callback_resources
            .insert(renderer);
        Ok(monitor)
    }

    /// What of the last frame could not be drawn as it is.
    pub fn status(&self) -> CanvasStatus {
        self.monitor.status()
    }

    /// Brings the textures to what the scene shows, as far as one frame may
    /// upload. To be called once before [`Self::paint`].
    pub fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, scene: &CanvasScene) {
        let prepared = in_error_scope(device, "canvas", || {
            self.prepare_unguarded(device, queue, scene);
        });
        if let Err(error) = prepared {
            // What is bound may be broken: nothing is drawn this time.
            log::error!("{error}");
            self.draws.clear();
        }
    }

    fn prepare_unguarded(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        scene: &CanvasScene,
    ) {
        self.palette.renew(queue, scene.document.class_colors());
        let mut frame = Frame {
            device,
            queue,
            pipelines: &self.pipelines,
            palette: self.palette.view(),
            in_view: scene.in_view(),
            allowance: Allowance::new(self.limits.frame_upload_bytes),
        };
        self.layers.renew(&mut frame, &scene.document);
        let is_live_missing = match &scene.live {
            Some(live) => {
                let last = self.live.take();
                self.live = renewed_live(&mut self.layers, &mut frame, last, live);
                self.live.is_none()
            }
            None => {
                let (_, bytes) = self.live.take().unzip();
                self.layers.memory().give_back(bytes.unwrap_or(0));
                false
            }
        };
        let status = CanvasStatus {
            coarse_layers: self.layers.coarse_count(),
            missing_layers: self.layers.missing_count() + usize::from(is_live_missing),
            is_loading: frame.allowance.is_spent(),
        };
        *self.monitor.lock() = status;
        self.draws.clear();
        self.collect_draws(scene);
        let draws: Vec<&Draw> = self.draws.iter().map(|prepared| &prepared.draw).collect();
        self.pipelines.write_draws(device, queue, &draws);
    }

    fn collect_draws(&mut self, scene: &CanvasScene) {
        let document: &Document = &scene.document;
        let ground = Draw::of_document(scene);
        self.push(Stage::Ground, self.pipelines.blank().clone(), ground);
        for layer in document.layers().iter().filter(|layer| layer.visible) {
            let Some(bound) = self.layers.color(layer.id) else {
                continue;
            };
            if bound.texture.is_blank() || layer.opacity == 0.0 {
                continue;
            }
            let draw = Draw {
                opacity: layer.opacity,
                ..ground
            }
            .reading(&bound.texture);
            let bind_group = bound.bind_group.clone();
            self.push(Stage::Layer, bind_group, draw);
        }
        if let (Some(frame), Some((live, _))) = (&scene.live, &self.live) {
            let (draw, bound) = (
                live_draw(ground, scene, frame, live),
                live.bind_group().clone(),
            );
            self.push(Stage::Live, bound, draw);
        }
        self.collect_classes(scene, ground);
        for mask in document.seen_masks() {
            let Some(bound) = self.layers.mask(mask.id) else {
                continue;
            };
            // A picture that appears under the mask is to be seen: only the
            // outline stays then.
            let opacity = if scene.live.is_some() || scene.is_mask_outlined {
                0.0
            } else {
                mask.opacity.max(LEAST_TINT) * (LEAST_SHARE + (1.0 - LEAST_SHARE) * mask.strength)
            };
            let [r, g, b] = MASK_TINT;
            let draw = Draw {
                opacity,
                tint: [r, g, b, 1.0],
                ..ground
            }
            .reading(&bound.texture);
            let bind_group = bound.bind_group.clone();
            self.push(Stage::Mask, bind_group, draw);
        }
    }

    /// Label maps lie over every picture, as the mask does: they say what is to be
    /// painted, and are no part of it.
    fn collect_classes(&mut self, scene: &CanvasScene, ground: Draw) {
        // As with the mask, what appears under them is to be seen.
        let is_result_seen = scene.live.is_some() || scene.is_mask_outlined;
        let document: &Document = &scene.document;
        for layer in document.layers().iter().filter(|layer| layer.visible) {
            let Some(bound) = self.layers.classes(layer.id) else {
                continue;
            };
            if bound.texture.is_blank() {
                continue;
            }
            let is_selected = document.selected_layer().map(|layer| layer.id) == Some(layer.id);
            let isolated = scene.classes.isolated.filter(|_| is_selected);
            let is_hidden = is_result_seen && isolated.is_none();
            let draw = Draw {
                opacity: if is_hidden { 0.0 } else { layer.opacity },
                is_outlined: scene.classes.is_outlined,
                isolated,
                ..ground
            }
            .reading(&bound.texture);
            let bind_group = bound.bind_group.clone();
            self.push(Stage::Classes, bind_group, draw);
        }
    }

    fn push(&mut self, stage: Stage, bind_group: wgpu::BindGroup, draw: Draw) {
        let draw = Draw {
            is_target_linear: self.pipelines.is_target_linear(),
            ..draw
        };
        self.draws.push(PreparedDraw {
            stage,
            bind_group,
            draw,
        });
    }

    /// Draws the scene that was prepared last.
    pub fn paint(&self, pass: &mut wgpu::RenderPass<'static>) {
        for (index, prepared) in self.draws.iter().enumerate() {
            self.pipelines
                .draw(pass, prepared.stage, &prepared.bind_group, index);
        }
    }
}

/// The texture of a step with the memory that it takes; `None` when there is no
/// room for it.
fn renewed_live(
    layers: &mut LayerTextures,
    frame: &mut Frame<'_>,
    last: Option<(LiveTexture, u64)>,
    live: &LiveFrame,
) -> Option<(LiveTexture, u64)> {
    let (last, last_bytes) = last.unzip();
    let (bytes, last_bytes) = (LiveTexture::size_bytes(live), last_bytes.unwrap_or(0));
    let made = layers.memory().fits(bytes, last_bytes).then(|| {
        in_error_scope(frame.device, "step of the running job", || {
            LiveTexture::renew(last, frame, live)
        })
    });
    match made {
        Some(Ok(made)) => {
            if bytes != last_bytes {
                layers.memory().give_back(last_bytes);
                layers.memory().take(bytes);
            }
            Some((made, bytes))
        }
        refused => {
            layers.memory().give_back(last_bytes);
            if let Some(Err(error)) = refused {
                log::warn!("{error}");
                layers.memory().refused(bytes, 0);
            }
            None
        }
    }
}

fn live_draw(ground: Draw, scene: &CanvasScene, frame: &LiveFrame, live: &LiveTexture) -> Draw {
    let target_px = [frame.target.width(), frame.target.height()].map(|side| side as f32);
    let texture_px = live.texture_px().map(|side| side as f32);
    let texels_per_px = [
        texture_px[0] / target_px[0].max(1.0),
        texture_px[1] / target_px[1].max(1.0),
    ];
    let is_enlarged = texels_per_px[0] < 0.99 || texels_per_px[1] < 0.99;
    let sampling = if is_enlarged {
        Sampling::Smooth
    } else {
        ground.sampling
    };
    let origin = |axis: usize| {
        ground.origin_px[axis] + frame.target.min[axis] as f32 * scene.screen_px_per_px()
    };
    Draw {
        origin_px: [origin(0), origin(1)],
        size_px: target_px,
        texture_px,
        texels_per_px,
        lod: 0.0,
        opacity: 1.0,
        sampling,
        is_masked: frame.mask.is_some(),
        ..ground
    }
}

impl CanvasScene {
    /// The pixels of the document that are on the screen.
    fn in_view(&self) -> CanvasRect {
        let Viewport { min, size, .. } = self.viewport;
        let corner = |x: f32, y: f32| self.transform.canvas_from_ui(UiPoint::new(x, y));
        let (low, high) = (
            corner(min.x, min.y),
            corner(min.x + size[0], min.y + size[1]),
        );
        CanvasRect::from_min_max(
            [low.x.floor() as i32, low.y.floor() as i32],
            [high.x.ceil() as i32, high.y.ceil() as i32],
        )
    }

    /// Screen pixels in one document pixel.
    fn screen_px_per_px(&self) -> f32 {
        self.transform.points_per_pixel * self.viewport.pixels_per_point
    }
}

/// A shape that draws the scene; add it to a painter whose clip is within `rect`.
///
/// The window of `ctx` is drawn again where one frame is not enough.
pub fn canvas_callback(
    ctx: &egui::Context,
    rect: egui::Rect,
    scene: CanvasScene,
) -> egui::PaintCallback {
    let ctx = ctx.clone();
    egui_wgpu::Callback::new_paint_callback(rect, CanvasPaint { ctx, scene })
}

struct CanvasPaint {
    ctx: egui::Context,
    scene: CanvasScene,
}

impl CallbackTrait for CanvasPaint {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen_descriptor: &ScreenDescriptor,
        _egui_encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(renderer) = resources.get_mut::<CanvasRenderer>() {
            let before = renderer.status();
            renderer.prepare(device, queue, &self.scene);
            let status = renderer.status();
            // What is told about the last frame can only be seen in the next one.
            if status.is_loading || status != before {
                self.ctx.request_repaint();
            }
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: PaintCallbackInfo,
        render_pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        if let Some(renderer) = resources.get::<CanvasRenderer>() {
            renderer.paint(render_pass);
        }
    }
}
