//! From a finished tensor to a texture, without a trip through main memory.

use std::sync::Arc;

use super::error::{GpuError, in_error_scope};
use super::shaders;
use super::share::SharedTensor;

/// A picture on the graphics card; clones share it.
#[derive(Clone, Debug)]
pub struct PreviewTexture {
    inner: Arc<(wgpu::Texture, wgpu::TextureView)>,
}

impl PreviewTexture {
    fn new(device: &wgpu::Device, [width, height]: [u32; 2]) -> Self {
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("preview"),
            size: wgpu::Extent3d {
                width,
                height,
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT
                | wgpu::TextureUsages::TEXTURE_BINDING
                | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Self {
            inner: Arc::new((texture, view)),
        }
    }

    /// Width and height in pixels.
    pub fn size_px(&self) -> [u32; 2] {
        [self.inner.0.width(), self.inner.0.height()]
    }

    /// The texture, for copies.
    pub fn texture(&self) -> &wgpu::Texture {
        &self.inner.0
    }

    /// What shaders read.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.inner.1
    }

    /// Whether both are the same texture.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

/// Draws shared tensors into textures.
#[derive(Debug)]
pub struct PreviewPass {
    device: wgpu::Device,
    queue: wgpu::Queue,
    layout: wgpu::BindGroupLayout,
    pipeline: wgpu::RenderPipeline,
}

impl PreviewPass {
    /// Builds the pipelines on the shared device.
    ///
    /// # Errors
    /// When the driver refuses a pipeline.
    pub fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Result<Self, GpuError> {
        in_error_scope(device, "preview shaders", || {
            let layout = layout(device);
            Self {
                pipeline: pipeline(device, &layout),
                device: device.clone(),
                queue: queue.clone(),
                layout,
            }
        })
    }

    /// Draws decoded planes in [-1, 1] as a picture.
    ///
    /// # Shapes
    /// - planes: `[n, 3, height, width]`; the first picture is drawn.
    ///
    /// # Errors
    /// When the tensor has another number of channels, or the driver refuses.
    pub fn draw_planes(&self, planes: &SharedTensor) -> Result<PreviewTexture, GpuError> {
        let size_px = plane_size(planes)?;
        let uniform = [size_px[0], size_px[1], 0, 0];
        in_error_scope(&self.device, "preview", || {
            let target = PreviewTexture::new(&self.device, size_px);
            let buffer = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("preview"),
                size: size_of_val(&uniform) as u64,
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            });
            self.queue
                .write_buffer(&buffer, 0, bytemuck::cast_slice(&uniform));
            let bound = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("preview"),
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry {
                        binding: 0,
                        resource: buffer.as_entire_binding(),
                    },
                    // Offset and size matter here: burn's tensors share pages.
                    wgpu::BindGroupEntry {
                        binding: 1,
                        resource: planes.binding(),
                    },
                ],
            });
            let mut encoder = self
                .device
                .create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("preview"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: target.view(),
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..wgpu::RenderPassDescriptor::default()
            });
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &bound, &[]);
            pass.draw(0..3, 0..1);
            drop(pass);
            self.queue.submit([encoder.finish()]);
            target
        })
    }
}

fn plane_size(tensor: &SharedTensor) -> Result<[u32; 2], GpuError> {
    let [pictures, channels, height, width] = tensor.dims();
    if pictures == 0 || channels != 3 || height == 0 || width == 0 {
        return Err(GpuError::Refused {
            what: "preview",
            reason: format!(
                "the tensor is {:?}, not [n, 3, height, width]",
                tensor.dims()
            ),
        });
    }
    Ok([width as u32, height as u32])
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let buffer = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("preview"),
        entries: &[
            buffer(0, wgpu::BufferBindingType::Uniform),
            buffer(1, wgpu::BufferBindingType::Storage { read_only: true }),
        ],
    })
}

fn pipeline(device: &wgpu::Device, layout: &wgpu::BindGroupLayout) -> wgpu::RenderPipeline {
    let label = "planes_to_rgba";
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(shaders::PLANES_TO_RGBA.into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(label),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(label),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: Some("vs_main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: Some("fs_main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(wgpu::TextureFormat::Rgba8Unorm.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
