//! What a shader needs to know for one draw.

use super::SHARP_FROM_ZOOM;
use crate::gpu::canvas_scene::CanvasScene;
use crate::gpu::layer_texture::LayerTexture;
use crate::gpu::texture_pixel::TexturePixel;

/// How texels become screen pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    /// Linear between texels and mip levels.
    Linear,
    /// Hard texel edges, one screen pixel wide.
    Sharp,
    /// Cubic, for pictures much smaller than their place.
    Smooth,
}

/// One rectangle; the `Draw` of `canvas_composite.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Draw {
    pub viewport_px: [f32; 2],
    pub origin_px: [f32; 2],
    pub size_px: [f32; 2],
    pub texture_px: [f32; 2],
    pub texels_per_px: [f32; 2],
    pub zoom: f32,
    pub lod: f32,
    pub opacity: f32,
    pub sampling: Sampling,
    pub is_target_linear: bool,
    pub is_masked: bool,
    pub tint: [f32; 4],
    /// Whether the borders of regions are drawn.
    pub is_outlined: bool,
    /// The one class that stands out, as it is stored.
    pub isolated: Option<u8>,
}

impl Draw {
    /// Size of the uniform in bytes.
    pub const SIZE_BYTES: u64 = 96;

    /// The rectangle of the whole document.
    pub fn of_document(scene: &CanvasScene) -> Self {
        let density = scene.viewport.pixels_per_point;
        let min = [scene.viewport.min.x, scene.viewport.min.y];
        // egui rounds the corners of a callback's viewport in the same way.
        let low = min.map(|v| (v * density).round());
        let high = |axis: usize| ((min[axis] + scene.viewport.size[axis]) * density).round();
        let origin = [scene.transform.origin.x, scene.transform.origin.y];
        let size_px = scene.document.size_px().map(|side| side as f32);
        let zoom = scene.transform.points_per_pixel * density;
        Self {
            viewport_px: [(high(0) - low[0]).max(1.0), (high(1) - low[1]).max(1.0)],
            origin_px: [origin[0] * density - low[0], origin[1] * density - low[1]],
            size_px,
            texture_px: size_px,
            texels_per_px: [1.0, 1.0],
            zoom,
            lod: (-zoom.log2()).max(0.0),
            opacity: 1.0,
            sampling: if zoom >= SHARP_FROM_ZOOM {
                Sampling::Sharp
            } else {
                Sampling::Linear
            },
            is_target_linear: false,
            is_masked: false,
            tint: [0.0; 4],
            is_outlined: false,
            isolated: None,
        }
    }

    /// The part of the document's rectangle that a texture of a layer covers.
    pub fn reading<P: TexturePixel>(self, texture: &LayerTexture<P>) -> Self {
        let rect = texture.area().rect(texture.size_px());
        let texels_per_px = 0.5f32.powi(texture.halvings() as i32);
        let origin = |axis: usize| self.origin_px[axis] + rect.min[axis] as f32 * self.zoom;
        let sampling = match texture.halvings() {
            0 => self.sampling,
            // Texels that stand for several pixels have no edges to be shown.
            _ if self.zoom > texels_per_px => Sampling::Smooth,
            _ => Sampling::Linear,
        };
        Self {
            origin_px: [origin(0), origin(1)],
            size_px: [rect.width() as f32, rect.height() as f32],
            texture_px: texture.texture_px().map(|side| side as f32),
            texels_per_px: [texels_per_px; 2],
            lod: (self.lod - texture.halvings() as f32).max(0.0),
            sampling,
            ..self
        }
    }

    /// The uniform as the shader lays it out.
    pub fn words(&self) -> [u32; Self::SIZE_BYTES as usize / 4] {
        let sampling = match self.sampling {
            Sampling::Linear => 0,
            Sampling::Sharp => 1,
            Sampling::Smooth => 2,
        };
        let mut words = [0; Self::SIZE_BYTES as usize / 4];
        let pairs = [
            self.viewport_px,
            self.origin_px,
            self.size_px,
            self.texture_px,
            self.texels_per_px,
            [self.zoom, self.lod],
        ];
        for (word, value) in words.iter_mut().zip(pairs.as_flattened()) {
            *word = value.to_bits();
        }
        words[12] = self.opacity.to_bits();
        words[13] = sampling;
        words[14] = u32::from(self.is_target_linear);
        words[15] = u32::from(self.is_masked);
        for (word, value) in words[16..20].iter_mut().zip(self.tint) {
            *word = value.to_bits();
        }
        words[20] = u32::from(self.is_outlined);
        // 0 is none: a class, or nothing, is counted from 1.
        words[21] = self.isolated.map_or(0, |stored| u32::from(stored) + 1);
        words
    }
}
