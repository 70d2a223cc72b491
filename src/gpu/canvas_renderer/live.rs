//! The texture of a running job's newest step.

use std::sync::Arc;

use image::GrayImage;

use super::layers::Frame;
use crate::gpu::canvas_limits::Allowance;
use crate::gpu::canvas_scene::{LiveFrame, LivePicture};

/// A step on the graphics card, with its mask.
#[derive(Debug)]
pub(super) struct LiveTexture {
    /// What is uploaded; another allocation is another step.
    picture: LivePicture,
    /// Where it is uploaded to, unless it was on the card already.
    own: Option<Filled>,
    mask: Option<(Arc<GrayImage>, Filled)>,
    bind_group: wgpu::BindGroup,
}

impl LiveTexture {
    /// Memory that the textures of a frame take.
    pub fn size_bytes(frame: &LiveFrame) -> u64 {
        let picture = match &frame.picture {
            LivePicture::Image(image) => image.as_raw().len(),
            LivePicture::Texture(_) => 0,
        };
        let mask = frame.mask.as_ref().map_or(0, |mask| mask.as_raw().len());
        (picture + mask) as u64
    }

    /// The texture of a frame: the one of the last frame where that shows the
    /// same, filled as far as the frame allows.
    pub fn renew(last: Option<Self>, frame: &mut Frame<'_>, live: &LiveFrame) -> Self {
        let mut this = Self::with_room(last, frame, live);
        if let Some((mask, filled)) = &mut this.mask {
            filled.go_on(frame.queue, mask.as_raw(), &mut frame.allowance);
        }
        if let (LivePicture::Image(image), Some(own)) = (&this.picture, &mut this.own) {
            own.go_on(frame.queue, image.as_raw(), &mut frame.allowance);
        }
        this
    }

    fn with_room(last: Option<Self>, frame: &Frame<'_>, live: &LiveFrame) -> Self {
        let has_same_mask = |last: &Self| match (&last.mask, &live.mask) {
            (Some((a, _)), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        let mut known_mask = None;
        if let Some(last) = last.filter(has_same_mask) {
            if is_same(&last.picture, &live.picture) {
                return last;
            }
            if let (LivePicture::Image(image), Some(own)) = (&live.picture, &last.own)
                && image.dimensions() == (own.texture.width(), own.texture.height())
            {
                // A step that takes several frames is finished before the next
                // is begun: else only the upper part would ever be seen. And new
                // memory for every step would cost more than the copy.
                return if own.is_full() {
                    Self {
                        picture: live.picture.clone(),
                        own: last.own.map(Filled::anew),
                        ..last
                    }
                } else {
                    last
                };
            }
            known_mask = last.mask;
        }
        let device = frame.device;
        let mask = known_mask.or_else(|| {
            let mask = live.mask.as_ref()?;
            let format = wgpu::TextureFormat::R8Unorm;
            let filled = Filled::new(device, mask.dimensions(), format);
            Some((Arc::clone(mask), filled))
        });
        let (own, picture_view) = match &live.picture {
            LivePicture::Image(image) => {
                let format = wgpu::TextureFormat::Rgba8Unorm;
                let own = Filled::new(device, image.dimensions(), format);
                let view = own.view();
                (Some(own), view)
            }
            LivePicture::Texture(texture) => (None, texture.view().clone()),
        };
        let mask_view = mask.as_ref().map(|(_, filled)| filled.view());
        Self {
            picture: live.picture.clone(),
            bind_group: frame
                .pipelines
                .bind(device, Some(&picture_view), mask_view.as_ref()),
            own,
            mask,
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

/// A texture that is filled from above.
#[derive(Debug)]
struct Filled {
    texture: wgpu::Texture,
    rows: u32,
}

impl Filled {
    fn new(
        device: &wgpu::Device,
        (width, height): (u32, u32),
        format: wgpu::TextureFormat,
    ) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
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
        });
        Self { texture, rows: 0 }
    }

    fn view(&self) -> wgpu::TextureView {
        self.texture
            .create_view(&wgpu::TextureViewDescriptor::default())
    }

    /// The same texture, to be filled with something else.
    fn anew(self) -> Self {
        Self { rows: 0, ..self }
    }

    fn is_full(&self) -> bool {
        self.rows == self.texture.height()
    }

    /// Uploads as many of the rows that are not there yet as is allowed.
    fn go_on(&mut self, queue: &wgpu::Queue, bytes: &[u8], allowance: &mut Allowance) {
        let row_bytes = bytes.len() / self.texture.height() as usize;
        let missing = self.texture.height() - self.rows;
        let count = allowance.take_some(missing, row_bytes as u64);
        if count == 0 {
            return;
        }
        let start = self.rows as usize * row_bytes;
        queue.write_texture(
            wgpu::TexelCopyTextureInfo {
                origin: wgpu::Origin3d {
                    y: self.rows,
                    ..wgpu::Origin3d::ZERO
                },
                ..self.texture.as_image_copy()
            },
            &bytes[start..start + count as usize * row_bytes],
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(row_bytes as u32),
                rows_per_image: Some(count),
            },
            wgpu::Extent3d {
                height: count,
                ..self.texture.size()
            },
        );
        self.rows += count;
    }
}
