//! The colours of classes on the graphics card.

/// Stored classes, of which 0 is none.
const COUNT: u32 = 256;

/// A row of colours, one a stored class; clear where the palette has no class.
#[derive(Debug)]
pub(super) struct PaletteTexture {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    uploaded: Option<[[u8; 4]; COUNT as usize]>,
}

impl PaletteTexture {
    /// A palette without classes.
    pub fn new(device: &wgpu::Device) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("palette"),
            size: wgpu::Extent3d {
                width: COUNT,
                height: 1,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self {
            texture,
            view,
            uploaded: None,
        }
    }

    /// What shaders read.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.view
    }

    /// Brings the colours to those of the stored classes.
    pub fn renew(&mut self, queue: &wgpu::Queue, colors: [[u8; 4]; COUNT as usize]) {
        if self.uploaded == Some(colors) {
            return;
        }
        queue.write_texture(
            self.texture.as_image_copy(),
            colors.as_flattened(),
            wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(COUNT * 4),
                rows_per_image: Some(1),
            },
            self.texture.size(),
        );
        self.uploaded = Some(colors);
    }
}
