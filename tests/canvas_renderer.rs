//! The canvas without a window: what the graphics card draws is what the document
//! says, within the memory and the traffic that it is given.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod gpu_support;

use std::collections::BTreeMap;
use std::sync::Arc;

use gpu_support::{Card, card};
use image::{GrayImage, Luma, Rgba, RgbaImage};
use velatura::document::{
    Document, DocumentEditor, Edit, PixelChanges, TILE_SIDE_PX, Tile, TileChange, TileGrid,
    TileIndex, blend_over,
};
use velatura::geometry::{CanvasPoint, CanvasRect, CanvasView, UiPoint, Viewport};
use velatura::gpu::{
    CanvasLimits, CanvasRenderer, CanvasScene, CanvasStatus, LiveFrame, LivePicture,
};

/// A tile of colours with its smaller copies.
const TILE_BYTES: u64 = 349_524;

struct Bench {
    card: Card,
    renderer: CanvasRenderer,
    target: wgpu::Texture,
}

impl Bench {
    fn new(size_px: [u32; 2], limits: CanvasLimits) -> Self {
        let card = card();
        let format = wgpu::TextureFormat::Rgba8Unorm;
        let renderer = CanvasRenderer::new(&card.device, format, limits).unwrap();
        let target = card.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d {
                width: size_px[0],
                height: size_px[1],
                depth_or_array_layers: 1,
            },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        Self {
            card,
            renderer,
            target,
        }
    }

    fn scene(&self, document: &Document, center: [f32; 2], zoom: f32) -> CanvasScene {
        let size = [self.target.width(), self.target.height()].map(|side| side as f32);
        let viewport = Viewport {
            min: UiPoint::new(0.0, 0.0),
            size,
            pixels_per_point: 1.0,
        };
        let view = CanvasView {
            center: CanvasPoint::new(center[0], center[1]),
            zoom,
            is_fitted: false,
        };
        CanvasScene {
            document: document.snapshot(),
            live: None,
            is_mask_outlined: false,
            classes: Default::default(),
            transform: view.transform(&viewport),
            viewport,
        }
    }

    /// The whole document over the whole target.
    fn whole(&self, document: &Document) -> CanvasScene {
        let [width, height] = document.size_px().map(|side| side as f32);
        let zoom = self.target.width() as f32 / width;
        self.scene(document, [width / 2.0, height / 2.0], zoom)
    }

    fn frame(&mut self, scene: &CanvasScene) -> CanvasStatus {
        let Card { device, queue, .. } = &self.card;
        self.renderer.prepare(device, queue, scene);
        let view = self.target.create_view(&Default::default());
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
        self.renderer.paint(&mut pass);
        drop(pass);
        queue.submit([encoder.finish()]);
        self.renderer.status()
    }

    fn drawn(&mut self, scene: &CanvasScene) -> RgbaImage {
        self.frame(scene);
        let pixels = self.card.read_back(&self.target).concat();
        RgbaImage::from_raw(self.target.width(), self.target.height(), pixels).unwrap()
    }
}

fn assert_close(drawn: &RgbaImage, expected: impl Fn(u32, u32) -> [u8; 4], tolerance: u8) {
    for (x, y, pixel) in drawn.enumerate_pixels() {
        let expected = expected(x, y);
        let off = pixel.0.iter().zip(expected).map(|(a, b)| a.abs_diff(b));
        assert!(
            off.max().unwrap() <= tolerance,
            "({x}, {y}): {:?}, expected {expected:?}",
            pixel.0
        );
    }
}

fn gradient(side: u32) -> RgbaImage {
    RgbaImage::from_fn(side, side, |x, y| {
        Rgba([(x * 255 / side) as u8, (y * 255 / side) as u8, 40, 255])
    })
}

/// A picture in its place on a canvas that is clear around it.
fn placed(picture: &RgbaImage, size_px: [u32; 2], offset: [u32; 2]) -> TileGrid<[u8; 4]> {
    let mut grid = TileGrid::new(size_px);
    for (x, y, pixel) in picture.enumerate_pixels() {
        let at = [x + offset[0], y + offset[1]];
        if at[0] >= size_px[0] || at[1] >= size_px[1] {
            continue;
        }
        let [column, row] = at.map(|place| place / TILE_SIDE_PX);
        let tile = grid.tile_mut(TileIndex { column, row });
        tile.row_mut(at[1] % TILE_SIDE_PX)[(at[0] % TILE_SIDE_PX) as usize] = pixel.0;
    }
    grid
}

/// Numbers without a pattern that filtering could hide behind.
fn noise(seed: u32) -> impl FnMut() -> u8 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 24) as u8
    }
}

#[test]
fn layers_are_blended_as_the_document_flattens_them() {
    // Not whole tiles, and larger than one.
    let size_px = [300, 280];
    let mut bench = Bench::new(size_px, CanvasLimits::default());
    let ground = bench.drawn(&bench.whole(&Document::blank(size_px).unwrap()));
    for seed in 1..=3 {
        let mut random = noise(seed * 7919);
        let bottom = RgbaImage::from_fn(300, 280, |_, _| Rgba([0; 4].map(|_| random())));
        let upper = RgbaImage::from_fn(150, 90, |_, _| Rgba([0; 4].map(|_| random())));
        let document = Document::from_image("Bottom", &bottom).unwrap();
        let mut editor = DocumentEditor::new(document);
        for (offset, opacity) in [([40, 200], 1.0), ([200, 10], 0.4), ([120, 120], 0.0)] {
            let upper = placed(&upper, size_px, offset);
            let id = editor.insert_picture("Paste", "Upper", upper).unwrap();
            editor.set_layer_opacity(id, opacity).unwrap();
        }
        let hidden = editor
            .insert_picture("Paste", "Hidden", placed(&upper, size_px, [0, 0]))
            .unwrap();
        editor.set_layer_visible(hidden, false).unwrap();
        let flat = editor.document().composite();
        let drawn = bench.drawn(&bench.whole(editor.document()));
        let expected = |x, y| blend_over(ground.get_pixel(x, y).0, flat.get_pixel(x, y).0, 255);
        // Each of the layers is rounded on the way.
        assert_close(&drawn, expected, 3);
    }
}

#[test]
fn a_layer_takes_the_room_of_what_is_painted_and_grows_with_it() {
    let limits = CanvasLimits {
        // Room for 5 × 5 tiles of a document of 16 × 16.
        texture_bytes: 25 * TILE_BYTES,
        ..CanvasLimits::default()
    };
    let mut bench = Bench::new([64, 64], limits);
    let mut editor = DocumentEditor::new(Document::blank([4096, 4096]).unwrap());
    let dot = RgbaImage::from_pixel(8, 8, Rgba([200, 30, 10, 255]));
    let dot = placed(&dot, [4096, 4096], [3000, 2990]);
    let layer = editor.insert_picture("Paste", "Dot", dot).unwrap();
    let scene = |bench: &Bench, editor: &DocumentEditor, x: f32, y: f32| {
        bench.scene(editor.document(), [x, y], 8.0)
    };
    let look = scene(&bench, &editor, 3004.0, 2994.0);
    let drawn = bench.drawn(&look);
    assert_eq!(bench.renderer.status(), CanvasStatus::default());
    assert_close(&drawn, |_, _| [200, 30, 10, 255], 0);

    // Two tiles on: the texture is another, the first dot still there.
    let mut tile = Tile::blank();
    tile.pixels_mut().fill([10, 20, 250, 255]);
    let change = TileChange {
        before: None,
        after: Some(Arc::new(tile)),
    };
    let index = TileIndex {
        column: 13,
        row: 13,
    };
    editor.begin("Paint").unwrap();
    editor
        .apply(Edit::ReplaceTiles {
            layer,
            changes: PixelChanges::Color(BTreeMap::from([(index, change)])),
        })
        .unwrap();
    editor.commit();
    let at = CanvasPoint::new(3430.0, 3430.0);
    let look = scene(&bench, &editor, 3004.0, 2994.0);
    assert_close(&bench.drawn(&look), |_, _| [200, 30, 10, 255], 0);
    let look = scene(&bench, &editor, at.x, at.y);
    let drawn = bench.drawn(&look);
    assert_eq!(drawn.get_pixel(32, 32).0, [10, 20, 250, 255]);
    assert_eq!(bench.renderer.status(), CanvasStatus::default());
}

#[test]
fn what_does_not_fit_is_drawn_coarsely_or_left_out_and_comes_back() {
    let picture = gradient(2048);
    let document = Document::from_image("Picture", &picture).unwrap();
    let expected = |x: u32, y: u32| [(x * 2) as u8, (y * 2) as u8, 40, 255];
    let limits = |tiles: u64| CanvasLimits {
        texture_bytes: tiles * TILE_BYTES,
        ..CanvasLimits::default()
    };
    // 64 tiles in full, 16 halved once.
    let mut bench = Bench::new([128, 128], limits(20));
    let drawn = bench.drawn(&bench.whole(&document));
    let status = bench.renderer.status();
    assert_eq!((status.coarse_layers, status.missing_layers), (1, 0));
    assert!(status.notice().unwrap().contains("softer"));
    assert_close(&drawn, expected, 3);

    // Not even the smallest copy.
    let mut bench = Bench::new(
        [128, 128],
        CanvasLimits {
            texture_bytes: 10_000,
            ..limits(0)
        },
    );
    let scene = bench.whole(&document);
    assert_eq!(bench.frame(&scene).missing_layers, 1);
    assert!(
        bench
            .renderer
            .status()
            .notice()
            .unwrap()
            .contains("not all")
    );

    // Two pictures where there is room for one: the second is coarse until the
    // first is gone.
    let mut editor = DocumentEditor::new(document);
    let first = editor.document().layers()[0].id;
    editor
        .insert_picture("Paste", "Above", TileGrid::from_image(&picture))
        .unwrap();
    let mut bench = Bench::new([128, 128], limits(70));
    let scene = bench.whole(editor.document());
    assert_eq!(bench.frame(&scene).coarse_layers, 1);
    // The state does not swing.
    assert_eq!(bench.frame(&scene).coarse_layers, 1);
    editor.set_layer_visible(first, false).unwrap();
    let scene = bench.whole(editor.document());
    let frames = (0..4).find(|_| bench.frame(&scene) == CanvasStatus::default());
    assert!(frames.is_some(), "{:?}", bench.renderer.status());
    assert_close(&bench.drawn(&scene), expected, 3);
}

#[test]
fn a_frame_uploads_what_it_may_and_the_next_ones_the_rest() {
    let picture = gradient(2048);
    let mut bench = Bench::new(
        [128, 128],
        CanvasLimits {
            frame_upload_bytes: 10 * TILE_BYTES,
            ..CanvasLimits::default()
        },
    );
    let document = Document::from_image("Picture", &picture).unwrap();
    // What is in view comes first: here the last tile.
    let corner = bench.scene(&document, [1984.0, 1984.0], 1.0);
    let drawn = bench.drawn(&corner);
    assert!(bench.renderer.status().is_loading);
    let expected = |x: u32, y: u32| picture.get_pixel(1920 + x, 1920 + y).0;
    assert_close(&drawn, expected, 0);
    let whole = bench.whole(&document);
    let frames = (2..).find(|_| !bench.frame(&whole).is_loading).unwrap();
    assert_eq!(frames, 64u32.div_ceil(10));
    let expected = |x: u32, y: u32| [(x * 2) as u8, (y * 2) as u8, 40, 255];
    assert_close(&bench.drawn(&whole), expected, 3);

    // A step of a job, too, and its mask.
    let mut scene = bench.whole(&document);
    scene.live = Some(LiveFrame {
        picture: LivePicture::Image(Arc::new(RgbaImage::from_pixel(
            2048,
            2048,
            Rgba([255, 0, 0, 255]),
        ))),
        target: CanvasRect::from_size([2048, 2048]),
        mask: Some(Arc::new(GrayImage::from_pixel(2048, 2048, Luma([255])))),
    });
    let frames = (1..).find(|_| !bench.frame(&scene).is_loading).unwrap();
    // 20 MiB in parts of 3⅓.
    assert!((6..=8).contains(&frames), "{frames}");
    assert_close(&bench.drawn(&scene), |_, _| [255, 0, 0, 255], 1);
}

#[test]
fn what_the_driver_refuses_is_left_out_and_the_program_goes_on() {
    let mut bench = Bench::new([64, 64], CanvasLimits::default());
    let document = Document::from_image("Picture", &gradient(64)).unwrap();
    let mut scene = bench.whole(&document);
    // Wider than any texture may be.
    let wide = bench.card.device.limits().max_texture_dimension_2d + 1;
    scene.live = Some(LiveFrame {
        picture: LivePicture::Image(Arc::new(RgbaImage::new(wide, 1))),
        target: CanvasRect::from_size([64, 64]),
        mask: None,
    });
    let drawn = bench.drawn(&scene);
    assert_eq!(bench.renderer.status().missing_layers, 1);
    let expected = |x: u32, y: u32| gradient(64).get_pixel(x, y).0;
    assert_close(&drawn, expected, 0);
}

#[test]
fn a_lost_device_does_not_end_the_program() {
    let mut bench = Bench::new([64, 64], CanvasLimits::default());
    let document = Document::from_image("Picture", &gradient(64)).unwrap();
    let scene = bench.whole(&document);
    bench.frame(&scene);
    bench.card.device.destroy();
    let mut editor = DocumentEditor::new(document);
    editor
        .insert_picture("Paste", "More", TileGrid::from_image(&gradient(32)))
        .unwrap();
    let scene = bench.whole(editor.document());
    bench
        .renderer
        .prepare(&bench.card.device, &bench.card.queue, &scene);
}
