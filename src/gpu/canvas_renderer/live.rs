//! The texture of a running job's newest step.

use std::sync::Arc;

use eframe::wgpu;
use image::GrayImage;

use super::pipelines::Pipelines;
use crate::gpu::canvas_scene::{LiveFrame, LivePicture};

/// A step on the graphics card, with its mask.
#[derive(Debug)]
pub(super) struct LiveTexture {
    /// What was uploaded; another allocation is another step.
    picture: LivePicture,
    /// Where it was uploaded to, unless it was on the card already.
    own: Option<wgpu::Texture>,
    mask: Option<Arc<GrayImage>>,
    mask_view: Option<wgpu::TextureView>,
    bind_group: wgpu::BindGroup,
}

impl LiveTexture {
    /// The texture of a frame: the one of the last frame where that shows the same.
    pub fn renew(
        last: Option<Self>,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        pipelines: &Pipelines,
        frame: &LiveFrame,
    ) -> Self {
        let has_same_mask = |last: &Self| match (&last.mask, &frame.mask) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut known_mask = None;
        let mut own = None;
        if let Some(last) = last.filter(has_same_mask) {
            if is_same(&last.picture, &frame.picture) {
                return last;
            }
            if let (LivePicture::Image(image), Some(own)) = (&frame.picture, &last.own)
                && image.dimensions() == (own.width(), own.height())
            {
                // New memory for every step would cost more than the copy.
                write(queue, own, image.as_raw());
                return Self {
                    picture: frame.picture.clone(),
                    ..last
                };
            }
            known_mask = last.mask_view;
        }
        let mask_view = known_mask.or_else(|| {
            let mask = frame.mask.as_ref()?;
            let format = wgpu::TextureFormat::R8Unorm;
            let texture = texture(device, mask.dimensions(), format);
            write(queue, &texture, mask.as_raw());
            Some(view(&texture))
        });
        let picture_view = match &frame.picture {
            LivePicture::Image(image) => {
                let format = wgpu::TextureFormat::Rgba8Unorm;
                let texture = own.insert(texture(device, image.dimensions(), format));
                write(queue, texture, image.as_raw());
                view(texture)
            }
            LivePicture::Texture(texture) => texture.view().clone(),
        };
        Self {
            picture: frame.picture.clone(),
            mask: frame.mask.clone(),
            bind_group: pipelines.bind(device, Some(&picture_view), mask_view.as_ref()),
            mask_view,
            own,
        }
    }

    /// Size in texels.
    pub fn texture_px(&self) -> [u32; 2] {
        self.picture.size_px()
    }

    /// What binds it to the shader.
    pub fn bind_group(&self) -> &wgpu::BindGroup {
        &self.bind_group
    }
}

fn is_same(a: &LivePicture, b: &LivePicture) -> bool {
    match (a, b) {
        (LivePicture::Image(a), LivePicture::Image(b)) => Arc::ptr_eq(a, b),
        (LivePicture::Texture(a), LivePicture::Texture(b)) => a.is_same(b),
        _ => false,
    }
}

fn texture(
    device: &wgpu::Device,
    (width, height): (u32, u32),
    format: wgpu::TextureFormat,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some("live frame"),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

fn view(texture: &wgpu::Texture) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn write(queue: &wgpu::Queue, texture: &wgpu::Texture, bytes: &[u8]) {
    let height = texture.height();
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some((bytes.len() / height as usize) as u32),
        rows_per_image: Some(height),
    };
    queue.write_texture(texture.as_image_copy(), bytes, layout, texture.size());
}
