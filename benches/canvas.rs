//! What one movement of a large brush on a large document costs: the document's
//! part, and the frame that shows it.

use criterion::{Criterion, criterion_group, criterion_main};
use egui_wgpu::WgpuSetup;
use velatura::document::{Document, DocumentEditor};
use velatura::geometry::{CanvasPoint, CanvasView, UiPoint, Viewport};
use velatura::gpu::{CanvasLimits, CanvasRenderer, CanvasScene, wgpu_configuration};
use velatura::recipe::param::Value;
use velatura::tools::{PointerEvent, PointerPhase, Toolbox};

/// A stroke that goes round and round on a document of 2048².
struct Stroke {
    toolbox: Toolbox,
    editor: DocumentEditor,
    events: u32,
}

impl Stroke {
    fn new() -> Self {
        let document = Document::blank([2048, 2048]).expect("a document");
        let mut toolbox = Toolbox::default();
        toolbox.set_option("size", Value::Real(200.0));
        toolbox.set_option("hardness", Value::Real(0.3));
        Self {
            toolbox,
            editor: DocumentEditor::new(document),
            events: 0,
        }
    }

    fn go_on(&mut self) {
        let phase = match self.events {
            0 => PointerPhase::Press,
            _ => PointerPhase::Drag,
        };
        let angle = self.events as f32 * 0.05;
        let at = CanvasPoint::new(1000.0 + 700.0 * angle.cos(), 1000.0 + 700.0 * angle.sin());
        self.events += 1;
        let event = PointerEvent::new(phase, at);
        self.toolbox
            .handle(&[event], &mut self.editor, &mut CanvasView::default())
            .expect("painted");
    }
}

fn device() -> (wgpu::Device, wgpu::Queue) {
    let WgpuSetup::CreateNew(create) = wgpu_configuration().wgpu_setup else {
        panic!("the window makes a device of its own");
    };
    let instance = wgpu::Instance::new(create.instance_descriptor);
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = pollster::block_on(instance.request_adapter(&options)).expect("an adapter");
    let descriptor = (create.device_descriptor)(&adapter);
    pollster::block_on(adapter.request_device(&descriptor)).expect("a device")
}

fn brush(c: &mut Criterion) {
    let mut group = c.benchmark_group("brush_of_200px_on_2048px");
    let mut stroke = Stroke::new();
    group.bench_function("event", |b| b.iter(|| stroke.go_on()));

    let (device, queue) = device();
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut renderer =
        CanvasRenderer::new(&device, format, CanvasLimits::default()).expect("a renderer");
    let target = device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d {
            width: 1280,
            height: 800,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    let view = target.create_view(&wgpu::TextureViewDescriptor::default());
    let viewport = Viewport {
        min: UiPoint::new(0.0, 0.0),
        size: [1280.0, 800.0],
        pixels_per_point: 1.0,
    };
    let transform = CanvasView::fit([2048, 2048], &viewport).transform(&viewport);
    let mut stroke = Stroke::new();
    group.sample_size(20);
    group.bench_function("event_and_frame", |b| {
        b.iter(|| {
            stroke.go_on();
            let scene = CanvasScene {
                document: stroke.editor.snapshot(),
                live: None,
                is_mask_outlined: false,
                classes: Default::default(),
                transform,
                viewport,
            };
            renderer.prepare(&device, &queue, &scene);
            let mut encoder = device.create_command_encoder(&Default::default());
            let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations {
                        load: wgpu::LoadOp::Clear(wgpu::Color::BLACK),
                        store: wgpu::StoreOp::Store,
                    },
                })],
                ..Default::default()
            });
            let mut pass = pass.forget_lifetime();
            renderer.paint(&mut pass);
            drop(pass);
            queue.submit([encoder.finish()]);
            device
                .poll(wgpu::PollType::wait_indefinitely())
                .expect("the device answers");
        });
    });
}

criterion_group!(benches, brush);
criterion_main!(benches);
