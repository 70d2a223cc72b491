//! Draws the canvas inside of egui's own pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, RenderState, ScreenDescriptor};
use eframe::{egui, wgpu};
use egui::PaintCallbackInfo;

use super::canvas_scene::{CanvasScene, LiveFrame};
use super::error::{GpuError, in_error_scope};
use super::layer_texture::LayerTexture;
use crate::document::{Document, LayerContent, LayerId};

mod draw;
mod live;
mod pipelines;

use draw::{Draw, Sampling};
use live::LiveTexture;
use pipelines::{Pipelines, Stage};

/// From this zoom on, document pixels have hard edges.
const SHARP_FROM_ZOOM: f32 = 4.0;

/// The colour of the mask, sRGB.
const MASK_TINT: [f32; 3] = [0.93, 0.2, 0.36];

/// Least strength of the tint of a mask that acts, however transparent its layer.
const LEAST_TINT: f32 = 0.35;

/// The graphics card's side of the canvas: pipelines, and the textures of the
/// layers. Lives in egui's renderer from [`Self::install`] on.
#[derive(Debug)]
pub struct CanvasRenderer {
    pipelines: Pipelines,
    layers: BTreeMap<LayerId, Texture>,
    live: Option<LiveTexture>,
    draws: Vec<PreparedDraw>,
}

/// The texture of a layer with what binds it to a shader.
#[derive(Debug)]
enum Texture {
    Color(LayerTexture<[u8; 4]>, wgpu::BindGroup),
    Mask(LayerTexture<u8>, wgpu::BindGroup),
}

#[derive(Debug)]
struct PreparedDraw {
    stage: Stage,
    bind_group: wgpu::BindGroup,
    draw: Draw,
}

impl CanvasRenderer {
    /// Builds the pipelines and puts the renderer where [`canvas_callback`] finds it.
    ///
    /// # Errors
    /// When the driver refuses a pipeline.
    pub fn install(render_state: &RenderState) -> Result<(), GpuError> {
        let device = &render_state.device;
        let pipelines = in_error_scope(device, "canvas shaders", || {
            Pipelines::new(device, render_state.target_format)
        })?;
        let renderer = Self {
            pipelines,
            layers: BTreeMap::new(),
            live: None,
            draws: Vec::new(),
        };
        render_state
            .renderer
            .write()
            .callback_resources
            .insert(renderer);
        Ok(())
    }

    fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, scene: &CanvasScene) {
        let document: &Document = &scene.document;
        self.upload_layers(device, queue, document);
        self.live = match &scene.live {
            Some(frame) => Some(LiveTexture::renew(
                self.live.take(),
                device,
                queue,
                &self.pipelines,
                frame,
            )),
            None => None,
        };
        self.draws.clear();
        self.collect_draws(scene);
        let draws: Vec<&Draw> = self.draws.iter().map(|prepared| &prepared.draw).collect();
        self.pipelines.write_draws(device, queue, &draws);
    }

    fn upload_layers(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, document: &Document) {
        self.layers.retain(|id, _| document.layer(*id).is_some());
        for layer in document.layers().iter().filter(|layer| layer.visible) {
            match &layer.content {
                LayerContent::Raster(grid) => {
                    let mut texture = match self.layers.remove(&layer.id) {
                        Some(Texture::Color(known, bound)) if known.size_px() == grid.size_px() => {
                            (known, bound)
                        }
                        _ => {
                            let texture = LayerTexture::new(device, grid.size_px());
                            let bound = self.pipelines.bind(device, Some(texture.view()), None);
                            (texture, bound)
                        }
                    };
                    texture.0.update(queue, grid);
                    self.layers
                        .insert(layer.id, Texture::Color(texture.0, texture.1));
                }
                LayerContent::Mask(grid) => {
                    let mut texture = match self.layers.remove(&layer.id) {
                        Some(Texture::Mask(known, bound)) if known.size_px() == grid.size_px() => {
                            (known, bound)
                        }
                        _ => {
                            let texture = LayerTexture::new(device, grid.size_px());
                            let bound = self.pipelines.bind(device, None, Some(texture.view()));
                            (texture, bound)
                        }
                    };
                    texture.0.update(queue, grid);
                    self.layers
                        .insert(layer.id, Texture::Mask(texture.0, texture.1));
                }
                LayerContent::Layout(_) | LayerContent::Semantic(_) => {}
            }
        }
    }

    fn collect_draws(&mut self, scene: &CanvasScene) {
        let document: &Document = &scene.document;
        let ground = Draw::of_document(scene);
        self.push(Stage::Ground, self.pipelines.blank().clone(), ground);
        for layer in document.layers().iter().filter(|layer| layer.visible) {
            let Some(Texture::Color(texture, bound)) = self.layers.get(&layer.id) else {
                continue;
            };
            if texture.is_blank() || layer.opacity == 0.0 {
                continue;
            }
            let draw = Draw {
                opacity: layer.opacity,
                ..ground
            }
            .reading(texture.texture_px());
            let bound = bound.clone();
            self.push(Stage::Layer, bound, draw);
        }
        if let (Some(frame), Some(live)) = (&scene.live, &self.live) {
            let (draw, bound) = (
                live_draw(ground, scene, frame, live),
                live.bind_group().clone(),
            );
            self.push(Stage::Live, bound, draw);
        }
        let Some(mask) = document.active_mask() else {
            return;
        };
        let Some(Texture::Mask(texture, bound)) = self.layers.get(&mask.id) else {
            return;
        };
        // A picture that appears under the mask is to be seen: only the
        // outline stays then.
        let opacity = if scene.live.is_some() || scene.is_mask_outlined {
            0.0
        } else {
            mask.opacity.max(LEAST_TINT)
        };
        let [r, g, b] = MASK_TINT;
        let draw = Draw {
            opacity,
            tint: [r, g, b, 1.0],
            ..ground
        }
        .reading(texture.texture_px());
        let bound = bound.clone();
        self.push(Stage::Mask, bound, draw);
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

    fn paint(&self, pass: &mut wgpu::RenderPass<'static>) {
        for (index, prepared) in self.draws.iter().enumerate() {
            self.pipelines
                .draw(pass, prepared.stage, &prepared.bind_group, index);
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
    /// Screen pixels in one document pixel.
    fn screen_px_per_px(&self) -> f32 {
        self.transform.points_per_pixel * self.viewport.pixels_per_point
    }
}

/// A shape that draws the scene; add it to a painter whose clip is within `rect`.
pub fn canvas_callback(rect: egui::Rect, scene: CanvasScene) -> egui::PaintCallback {
    egui_wgpu::Callback::new_paint_callback(
        rect,
        CanvasPaint {
            scene: Arc::new(scene),
        },
    )
}

#[derive(Debug)]
struct CanvasPaint {
    scene: Arc<CanvasScene>,
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
            renderer.prepare(device, queue, &self.scene);
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
