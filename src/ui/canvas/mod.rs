//! The canvas: shows the document and turns what hands do into commands.
//!
//! It owns neither the document nor the view, and knows no tool: it reads a
//! [`CanvasInput`] and pushes [`Command::Pointer`] for the tool in hand,
//! [`Command::CancelGesture`] and [`Command::SetView`].
//!
//! The canvas handles the pointer, the wheel, pinching and the space bar. Keys
//! that are in the table of actions belong to the shell: for "fit in the window"
//! it sets [`CanvasView::is_fitted`], and the canvas answers with the fitted view.
//!
//! The wheel of a mouse zooms. Two fingers on a touchpad pan, and zoom with
//! Ctrl or by pinching.

mod boxes;
mod frame;
mod gesture;
mod overlay;
mod tags;

use egui::{Rect, Response, Sense, Ui};
use egui_wgpu::RenderState;

use crate::app::frame::FrameShown;
use crate::app::{Command, CommandSink};
use crate::document::Document;
use crate::geometry::{CanvasView, UiPoint, Viewport};
use crate::gpu::{
    CanvasLimits, CanvasMonitor, CanvasRenderer, CanvasScene, ClassesShown, GpuError, LiveFrame,
    canvas_callback,
};
use crate::tools::Overlay;

pub use boxes::BoxLook;
use gesture::Gesture;

/// What the canvas shows.
#[derive(Clone, Debug)]
pub struct CanvasInput<'a> {
    /// The document.
    pub document: &'a Document,
    /// The part of it to be shown.
    pub view: CanvasView,
    /// What the tool in hand draws over it.
    pub overlay: Overlay,
    /// Whether the tool in hand has nothing that it can act on.
    pub is_tool_blocked: bool,
    /// Whether the tool is in the middle of a gesture.
    pub is_gesture_active: bool,
    /// A step of a running job, drawn in its place.
    pub live: Option<LiveFrame>,
    /// Whether the mask is only outlined, and not tinted.
    pub is_mask_outlined: bool,
    /// How boxes are drawn; `None` draws none.
    pub boxes: Option<BoxLook<'a>>,
    /// How label maps are shown.
    pub classes: ClassesShown,
    /// The frame of the next job; `None` shows none.
    pub frame: Option<FrameShown>,
}

/// The canvas of a window: what only the screen knows.
#[derive(Debug)]
pub struct CanvasUi {
    /// How the graphics card fares with it, or why it cannot draw it.
    renderer: Result<CanvasMonitor, GpuError>,
    gesture: Gesture,
}

impl CanvasUi {
    /// A canvas that draws with the window's device.
    pub fn new(render_state: Option<&RenderState>, limits: CanvasLimits) -> Self {
        let renderer = render_state
            .ok_or(GpuError::NoDevice)
            .and_then(|state| CanvasRenderer::install(state, limits));
        if let Err(error) = &renderer {
            log::error!("{error}");
        }
        Self {
            renderer,
            gesture: Gesture::default(),
        }
    }

    /// Draws the canvas over all the room there is, and pushes what is done on it.
    pub fn show(
        &mut self,
        ui: &mut Ui,
        input: &CanvasInput<'_>,
        commands: &mut CommandSink,
    ) -> Response {
        let rect = ui.available_rect_before_wrap();
        // Clicks only: a canvas that asked for drags too would be given those
        // that begin on a button lying on it.
        let response = ui.allocate_rect(rect, Sense::click());
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::Canvas, ui.is_enabled(), "Canvas")
        });
        let viewport = viewport_of(rect, ui.pixels_per_point());
        let picture_px = input.document.size_px();

        let mut view = input.view;
        if view.is_fitted {
            view = CanvasView::fit(picture_px, &viewport);
        }
        let shown = view;
        self.gesture
            .update(ui, &response, &viewport, &mut view, commands);
        let view = if view == shown {
            view
        } else {
            view.kept_near(picture_px)
        };
        if view != input.view {
            commands.push(Command::SetView(view));
        }
        self.paint(ui, rect, input, &viewport, view);
        if let Some(look) = &input.boxes {
            boxes::boxes_ui(ui, rect, input.document, look, &view.transform(&viewport));
        }
        if let Some(shown) = &input.frame {
            frame::frame_ui(ui, rect, shown, &view.transform(&viewport));
        }
        overlay::overlay_ui(ui, &response, input, &viewport, view, &self.gesture);
        response
    }

    fn paint(
        &self,
        ui: &mut Ui,
        rect: Rect,
        input: &CanvasInput<'_>,
        viewport: &Viewport,
        view: CanvasView,
    ) {
        let painter = ui.painter_at(rect);
        let monitor = match &self.renderer {
            Ok(monitor) => monitor,
            Err(error) => {
                painter.text(
                    rect.center(),
                    egui::Align2::CENTER_CENTER,
                    error.to_string(),
                    egui::TextStyle::Body.resolve(ui.style()),
                    ui.visuals().error_fg_color,
                );
                return;
            }
        };
        let transform = view.transform(viewport);
        let [width, height] = input.document.size_px().map(|side| side as f32);
        let corner = |x: f32, y: f32| {
            let point = transform.ui_from_canvas(crate::geometry::CanvasPoint::new(x, y));
            egui::pos2(point.x, point.y)
        };
        let picture = Rect::from_min_max(corner(0.0, 0.0), corner(width, height));
        // A dark line sets the picture off from a panel of any colour.
        painter.rect_stroke(
            picture,
            0.0,
            egui::Stroke::new(1.0, egui::Color32::from_black_alpha(120)),
            egui::StrokeKind::Outside,
        );
        let scene = CanvasScene {
            document: input.document.snapshot(),
            live: input.live.clone(),
            is_mask_outlined: input.is_mask_outlined,
            classes: input.classes,
            transform,
            viewport: *viewport,
        };
        painter.add(canvas_callback(ui.ctx(), rect, scene));
        if let Some(notice) = monitor.status().notice() {
            notice_ui(ui, rect, notice);
        }
    }
}

/// Says at the foot of the canvas, for as long as it is so, what is not drawn.
fn notice_ui(ui: &mut Ui, canvas: Rect, notice: &str) {
    let size = egui::vec2(canvas.width().min(520.0), 40.0);
    let place = Rect::from_center_size(canvas.center_bottom() - egui::vec2(0.0, 28.0), size);
    let text = egui::RichText::new(notice).color(ui.visuals().warn_fg_color);
    let back = ui.visuals().extreme_bg_color.gamma_multiply(0.85);
    ui.painter().rect_filled(place, 6.0, back);
    ui.put(place.shrink(6.0), egui::Label::new(text).wrap());
}

/// The part of the window that a canvas takes.
pub fn viewport_of(rect: Rect, pixels_per_point: f32) -> Viewport {
    Viewport {
        min: UiPoint::new(rect.min.x, rect.min.y),
        size: [rect.width(), rect.height()],
        pixels_per_point,
    }
}
