//! The pipelines of the canvas and the buffer of their uniforms.

use super::draw::Draw;
use crate::gpu::shaders;

/// Distance of two uniforms in their buffer: the largest alignment that any
/// device asks of a dynamic offset.
const STRIDE_BYTES: u64 = 256;

/// Draws that the uniform buffer has room for at first.
const FIRST_CAPACITY: u64 = 32;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The squares behind everything.
    Ground,
    /// A picture layer.
    Layer,
    /// A step of a running job.
    Live,
    /// A semantic layer.
    Classes,
    /// The mask.
    Mask,
}

/// Everything that does not depend on the document.
#[derive(Debug)]
pub(super) struct Pipelines {
    ground: wgpu::RenderPipeline,
    layer: wgpu::RenderPipeline,
    live: wgpu::RenderPipeline,
    classes: wgpu::RenderPipeline,
    mask: wgpu::RenderPipeline,
    draw_layout: wgpu::BindGroupLayout,
    texture_layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    blank_view: wgpu::TextureView,
    blank: wgpu::BindGroup,
    draws: wgpu::Buffer,
    draws_bound: wgpu::BindGroup,
    is_target_linear: bool,
}

impl Pipelines {
    /// Builds them for a target of the given format. The target has one sample
    /// and no depth, as eframe makes it by default.
    pub fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let draw_layout = draw_layout(device);
        let texture_layout = texture_layout(device);
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("canvas_composite"),
            source: wgpu::ShaderSource::Wgsl(shaders::CANVAS_COMPOSITE.into()),
        });
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("canvas"),
            bind_group_layouts: &[Some(&draw_layout), Some(&texture_layout)],
            immediate_size: 0,
        });
        let pipeline = |entry_point: &'static str| {
            device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(entry_point),
                layout: Some(&layout),
                vertex: wgpu::VertexState {
                    module: &module,
                    entry_point: Some("vs_main"),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    buffers: &[],
                },
                primitive: wgpu::PrimitiveState {
                    topology: wgpu::PrimitiveTopology::TriangleStrip,
                    ..wgpu::PrimitiveState::default()
                },
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module,
                    entry_point: Some(entry_point),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    targets: &[Some(wgpu::ColorTargetState {
                        format: target,
                        blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                        write_mask: wgpu::ColorWrites::ALL,
                    })],
                }),
                multiview_mask: None,
                cache: None,
            })
        };
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label: Some("canvas"),
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            mipmap_filter: wgpu::MipmapFilterMode::Linear,
            ..wgpu::SamplerDescriptor::default()
        });
        let blank_view = blank_texture(device);
        let blank = bind(device, &texture_layout, &sampler, &blank_view, &blank_view);
        let (draws, draws_bound) = draw_buffer(device, &draw_layout, FIRST_CAPACITY);
        Self {
            ground: pipeline("fs_ground"),
            layer: pipeline("fs_layer"),
            live: pipeline("fs_live"),
            classes: pipeline("fs_classes"),
            mask: pipeline("fs_mask"),
            draw_layout,
            texture_layout,
            sampler,
            blank_view,
            blank,
            draws,
            draws_bound,
            is_target_linear: target.is_srgb(),
        }
    }

    /// Whether shaders must write linear light.
    pub fn is_target_linear(&self) -> bool {
        self.is_target_linear
    }

    /// Binds nothing.
    pub fn blank(&self) -> &wgpu::BindGroup {
        &self.blank
    }

    /// Binds a picture, a mask, or both.
    pub fn bind(
        &self,
        device: &wgpu::Device,
        color: Option<&wgpu::TextureView>,
        mask: Option<&wgpu::TextureView>,
    ) -> wgpu::BindGroup {
        let blank = &self.blank_view;
        let (color, mask) = (color.unwrap_or(blank), mask.unwrap_or(blank));
        bind(device, &self.texture_layout, &self.sampler, color, mask)
    }

    /// Hands the uniforms of a frame to the graphics card.
    pub fn write_draws(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, draws: &[&Draw]) {
        let needed = draws.len() as u64;
        if needed * STRIDE_BYTES > self.draws.size() {
            (self.draws, self.draws_bound) =
                draw_buffer(device, &self.draw_layout, needed.next_power_of_two());
        }
        let mut bytes = vec![0; draws.len() * STRIDE_BYTES as usize];
        for (slot, draw) in bytes.chunks_exact_mut(STRIDE_BYTES as usize).zip(draws) {
            let words = draw.words();
            slot[..size_of_val(&words)].copy_from_slice(bytemuck::cast_slice(&words));
        }
        queue.write_buffer(&self.draws, 0, &bytes);
    }

    /// Draws one rectangle with the uniform at `index`.
    pub fn draw(
        &self,
        pass: &mut wgpu::RenderPass<'static>,
        stage: Stage,
        textures: &wgpu::BindGroup,
        index: usize,
    ) {
        pass.set_pipeline(match stage {
            Stage::Ground => &self.ground,
            Stage::Layer => &self.layer,
            Stage::Live => &self.live,
            Stage::Classes => &self.classes,
            Stage::Mask => &self.mask,
        });
        pass.set_bind_group(0, &self.draws_bound, &[index as u32 * STRIDE_BYTES as u32]);
        pass.set_bind_group(1, textures, &[]);
        pass.draw(0..4, 0..1);
    }
}

fn draw_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("canvas draw"),
        entries: &[wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: true,
                min_binding_size: wgpu::BufferSize::new(Draw::SIZE_BYTES),
            },
            count: None,
        }],
    })
}

fn texture_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let texture = |binding| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty: wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        count: None,
    };
    let sampler = wgpu::BindGroupLayoutEntry {
        ty: wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering),
        ..texture(2)
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("canvas textures"),
        entries: &[texture(0), texture(1), sampler],
    })
}

fn bind(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    sampler: &wgpu::Sampler,
    color: &wgpu::TextureView,
    mask: &wgpu::TextureView,
) -> wgpu::BindGroup {
    let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("canvas textures"),
        layout,
        entries: &[
            entry(0, wgpu::BindingResource::TextureView(color)),
            entry(1, wgpu::BindingResource::TextureView(mask)),
            entry(2, wgpu::BindingResource::Sampler(sampler)),
        ],
    })
}

fn blank_texture(device: &wgpu::Device) -> wgpu::TextureView {
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("blank"),
        size: wgpu::Extent3d {
            width: 1,
            height: 1,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn draw_buffer(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    capacity: u64,
) -> (wgpu::Buffer, wgpu::BindGroup) {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("canvas draws"),
        size: capacity * STRIDE_BYTES,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let bound = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("canvas draws"),
        layout,
        entries: &[wgpu::BindGroupEntry {
            binding: 0,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer: &buffer,
                offset: 0,
                size: wgpu::BufferSize::new(Draw::SIZE_BYTES),
            }),
        }],
    });
    (buffer, bound)
}
