//! The layer list.

use std::collections::HashMap;
use std::sync::Arc;

use egui::{
    Align, Color32, CornerRadius, Layout, Rect, RichText, ScrollArea, Sense, Stroke, Ui, vec2,
};
use image::RgbaImage;

use super::menu_bar::{entries_ui, entry_ui, menu_style};
use crate::app::actions::{self, layer, mask, semantic};
use crate::app::{AppState, Command, CommandSink, boxes};
use crate::document::{
    BoundingBox, Document, DocumentRevision, Layer, LayerContent, LayerId, LayerKind,
};
use crate::icons;
use crate::recipe::param::{Number, Range, Shown, Value};
use crate::ui::UiState;
use crate::ui::class_colour::class_colour;
use crate::ui::theme::{height, radius, space, tokens, type_size};
use crate::ui::widgets::{CONTROL_ICON, IconButton, action_button, number_row, title};

/// Longest side of a layer's thumbnail, in pixels.
const THUMBNAIL_PX: u32 = 64;

/// The opacity of a layer.
static OPACITY: Number = Number {
    id: "opacity",
    label: "Opacity",
    hint: "How much of the layer is seen",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// How strongly what a mask covers is repainted.
static MASK_STRENGTH: Number = Number {
    id: "mask_layer_strength",
    label: "Strength",
    hint: "How strongly what this mask covers is repainted, of the strength of the job",
    ..OPACITY
};

/// Small pictures of the layers, made anew when the document changes.
#[derive(Default)]
pub struct LayerThumbnails {
    revision: Option<DocumentRevision>,
    /// What boxes are coloured by: another model has other classes.
    classes: Vec<String>,
    pictures: HashMap<LayerId, Arc<RgbaImage>>,
}

impl LayerThumbnails {
    fn update(&mut self, document: &Document, classes: &[String], is_drawing: bool) {
        // While a stroke goes on the list may lag: the canvas is what counts.
        let is_fresh = self.revision == Some(document.revision()) && self.classes == classes;
        if is_fresh || (is_drawing && self.revision.is_some()) {
            return;
        }
        self.revision = Some(document.revision());
        self.classes = classes.to_vec();
        let colors = document.class_colors();
        self.pictures = document
            .layers()
            .iter()
            .filter_map(|layer| {
                let picture = thumbnail(layer, document.size_px(), classes, &colors)?;
                Some((layer.id, Arc::new(picture)))
            })
            .collect();
    }
}

fn thumbnail(
    layer: &Layer,
    size_px: [u32; 2],
    classes: &[String],
    colors: &[[u8; 4]; 256],
) -> Option<RgbaImage> {
    let longest = size_px[0].max(size_px[1]).max(1);
    let shrink = (longest as f32 / THUMBNAIL_PX as f32).max(1.0);
    let side = |axis: usize| ((size_px[axis] as f32 / shrink).round() as u32).max(1);
    let at = |x: u32| (((x as f32 + 0.5) * shrink) as i32).max(0);
    let picture = match &layer.content {
        LayerContent::Raster(grid) => RgbaImage::from_fn(side(0), side(1), |x, y| {
            image::Rgba(grid.pixel(at(x), at(y)))
        }),
        LayerContent::Mask(grid) => RgbaImage::from_fn(side(0), side(1), |x, y| {
            let value = grid.pixel(at(x), at(y));
            image::Rgba([value, value, value, 255])
        }),
        LayerContent::Layout(boxes) => {
            let mut picture = RgbaImage::new(side(0), side(1));
            for found in boxes {
                outline(
                    &mut picture,
                    found,
                    shrink,
                    class_colour(&found.label, classes),
                );
            }
            picture
        }
        LayerContent::Semantic(grid) => RgbaImage::from_fn(side(0), side(1), |x, y| {
            image::Rgba(colors[usize::from(grid.pixel(at(x), at(y)))])
        }),
    };
    Some(picture)
}

/// Draws the outline of a box on a small picture.
fn outline(picture: &mut RgbaImage, found: &BoundingBox, shrink: f32, color: Color32) {
    let at = |value: f32| (value / shrink).round() as i32;
    let [left, right] = [at(found.min.x), at(found.max.x) - 1];
    let [top, bottom] = [at(found.min.y), at(found.max.y) - 1];
    let [width, height] = [picture.width(), picture.height()].map(|side| side as i32);
    let mut put = |x: i32, y: i32| {
        if (0..width).contains(&x) && (0..height).contains(&y) {
            picture.put_pixel(x as u32, y as u32, image::Rgba(color.to_array()));
        }
    };
    for x in left.max(0)..=right.min(width) {
        [top, bottom].into_iter().for_each(|y| put(x, y));
    }
    for y in top.max(0)..=bottom.min(height) {
        [left, right].into_iter().for_each(|x| put(x, y));
    }
}

/// Shows the list, top layer first.
pub fn layers_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let document = state.document();
    let is_drawing = state.front().editor.is_busy();
    own.layers
        .update(document, boxes::classes(state), is_drawing);
    egui::Frame::new()
        .inner_margin(egui::Margin {
            left: 12,
            right: 12,
            top: 6,
            bottom: 4,
        })
        .show(ui, |ui| header_ui(ui, state, commands));
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    area.show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let count = document.layers().len();
        for (index, layer) in document.layers().iter().enumerate().rev() {
            layer_ui(ui, state, own, layer, index, count, commands);
        }
    });
}

fn header_ui(ui: &mut Ui, state: &AppState, commands: &mut CommandSink) {
    let document = state.document();
    let selected = document.selected_layer();
    ui.horizontal(|ui| {
        title(ui, "Layers");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for action in [
                &layer::DELETE,
                &layer::MOVE_DOWN,
                &layer::MOVE_UP,
                &actions::boxes::ADD,
                &semantic::ADD,
                &mask::ADD,
                &layer::ADD_PAINT,
            ] {
                action_button(ui, action, CONTROL_ICON, state, commands);
            }
        });
    });
    if let Some(layer) = selected {
        let (response, changed) = number_row(ui, &OPACITY, Value::Real(layer.opacity));
        let done = response.drag_stopped() || (response.changed() && !response.dragged());
        if changed.is_some() || done {
            commands.push(Command::SetLayerOpacity {
                layer: layer.id,
                opacity: changed.map_or(layer.opacity, Value::as_f32),
                done,
            });
        }
    }
    if let Some(layer) = selected.filter(|layer| layer.kind() == LayerKind::Mask) {
        let value = Value::Real(layer.strength);
        let (response, changed) = number_row(ui, &MASK_STRENGTH, value);
        let done = response.drag_stopped() || (response.changed() && !response.dragged());
        if changed.is_some() || done {
            commands.push(Command::SetMaskStrength {
                layer: layer.id,
                strength: changed.map_or(layer.strength, Value::as_f32),
                done,
            });
        }
    }
}

/// What is dragged when a layer is moved with the pointer.
#[derive(Clone, Copy)]
struct DraggedLayer(LayerId);

fn layer_ui(
    ui: &mut Ui,
    state: &AppState,
    own: &mut UiState,
    layer: &Layer,
    index: usize,
    count: usize,
    commands: &mut CommandSink,
) {
    let tokens = tokens(ui);
    let selected = state
        .document()
        .selected_layer()
        .is_some_and(|chosen| chosen.id == layer.id);
    let size = vec2(ui.available_width(), height::LAYER);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    response.widget_info(|| {
        egui::WidgetInfo::selected(
            egui::Role::Button,
            true,
            selected,
            format!("Layer {}", layer.name),
        )
    });
    let fill = match (selected, response.hovered()) {
        (true, _) => tokens.accent_soft,
        (false, true) => tokens.control_pressed,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, CornerRadius::ZERO, fill);

    response.dnd_set_drag_payload(DraggedLayer(layer.id));
    if let Some(dragged) = response.dnd_hover_payload::<DraggedLayer>()
        && dragged.0 != layer.id
    {
        let line = rect.x_range();
        ui.painter()
            .hline(line, rect.top() + 1.0, Stroke::new(2.0, tokens.accent_text));
    }
    if let Some(dragged) = response.dnd_release_payload::<DraggedLayer>()
        && dragged.0 != layer.id
    {
        commands.push(Command::MoveLayer {
            layer: dragged.0,
            index: index.min(count - 1),
        });
    }
    if response.clicked() {
        commands.push(Command::SelectLayer(layer.id));
    }
    if response.double_clicked() {
        own.renaming = Some((layer.id, layer.name.clone()));
    }
    if response.secondary_clicked() {
        // Entries of its menu act on the chosen layer.
        commands.push(Command::SelectLayer(layer.id));
    }
    let is_guide = state.front().guide == Some(layer.id);
    menu_ui(&response, state, own, layer, commands);

    let inside = rect.shrink2(vec2(space::S, space::XS));
    let builder = egui::UiBuilder::new()
        .max_rect(inside)
        .layout(Layout::left_to_right(Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        let (icon, name) = if layer.visible {
            (icons::EYE, format!("Hide {}", layer.name))
        } else {
            (icons::EYE_SLASH, format!("Show {}", layer.name))
        };
        let eye = IconButton::new(icon, &name);
        if eye.show(ui).clicked() {
            commands.push(Command::SetLayerVisible {
                layer: layer.id,
                visible: !layer.visible,
            });
        }
        picture_ui(ui, own, layer);
        if own.renaming.as_ref().is_some_and(|(id, _)| *id == layer.id) {
            rename_ui(ui, own, commands);
        } else {
            name_ui(ui, layer, is_guide);
        }
    });
}

fn menu_ui(
    response: &egui::Response,
    state: &AppState,
    own: &mut UiState,
    layer: &Layer,
    commands: &mut CommandSink,
) {
    response.context_menu(|ui| {
        menu_style(ui.style_mut());
        if entry_ui(ui, icons::PENCIL_SIMPLE, "Rename").clicked() {
            own.renaming = Some((layer.id, layer.name.clone()));
            ui.close();
        }
        let entries = match layer.kind() {
            LayerKind::Raster => layer::OF_PICTURE,
            LayerKind::Mask | LayerKind::Layout | LayerKind::Semantic => layer::OF_OTHERS,
        };
        entries_ui(ui, entries, state, commands);
    });
}

fn picture_ui(ui: &mut Ui, own: &mut UiState, layer: &Layer) {
    let tokens = tokens(ui);
    let side = height::LAYER - 2.0 * space::XS;
    let (rect, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
    let corner = CornerRadius::same(radius::CONTROL);
    ui.painter().rect_filled(rect, corner, tokens.sunken);
    if let Some(picture) = own.layers.pictures.get(&layer.id) {
        let texture = own.thumbnails.thumbnail(ui.ctx(), picture);
        let size = texture.size_vec2();
        let fitted = size * (side / size.max_elem());
        let place = Rect::from_center_size(rect.center(), fitted);
        egui::Image::from_texture(egui::load::SizedTexture::from_handle(&texture))
            .corner_radius(corner)
            .paint_at(ui, place);
    }
    let stroke = Stroke::new(1.0, tokens.border_strong);
    ui.painter()
        .rect_stroke(rect, corner, stroke, egui::StrokeKind::Inside);
}

fn name_ui(ui: &mut Ui, layer: &Layer, is_guide: bool) {
    let tokens = tokens(ui);
    let color = if layer.visible {
        tokens.text
    } else {
        tokens.text_faint
    };
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.spacing_mut().interact_size.y = 0.0;
        ui.add_space(3.0);
        ui.add(egui::Label::new(RichText::new(&layer.name).color(color)).truncate());
        let kind = match layer.kind() {
            LayerKind::Mask if layer.strength < 1.0 => {
                format!("Mask, at {:.0} % of the strength", layer.strength * 100.0)
            }
            LayerKind::Mask => "Mask: what is painted here is repainted".to_owned(),
            LayerKind::Raster if is_guide => "Guide: what is painted is pulled here".to_owned(),
            LayerKind::Raster => "Picture".to_owned(),
            LayerKind::Layout => match layer.boxes().map_or(0, <[_]>::len) {
                0 => "Boxes: draw where something is to appear".to_owned(),
                1 => "1 box".to_owned(),
                count => format!("{count} boxes"),
            },
            LayerKind::Semantic => "Label map: which class is where".to_owned(),
        };
        let note = RichText::new(kind)
            .size(type_size::SMALL)
            .color(tokens.text_faint);
        ui.add(egui::Label::new(note).truncate());
    });
}

fn rename_ui(ui: &mut Ui, own: &mut UiState, commands: &mut CommandSink) {
    let Some((layer, name)) = &mut own.renaming else {
        return;
    };
    let field = egui::TextEdit::singleline(name).desired_width(ui.available_width());
    let response = ui.add(field).accessible_name("Layer name");
    let layer = *layer;
    if response.lost_focus() {
        let kept = !ui.input(|input| input.key_pressed(egui::Key::Escape));
        if let Some((_, name)) = own.renaming.take().filter(|_| kept) {
            commands.push(Command::RenameLayer { layer, name });
        }
    } else if !response.has_focus() {
        response.request_focus();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document may be there before the model is.
    #[test]
    fn thumbnails_follow_the_classes_of_the_model() {
        let document = Document::from_image("Picture", &RgbaImage::new(4, 4)).expect("small");
        let mut thumbnails = LayerThumbnails::default();
        let mut update = |classes: &[String]| {
            thumbnails.update(&document, classes, false);
            let mut pictures = thumbnails.pictures.values().cloned();
            pictures.next().expect("a layer")
        };
        let first = update(&[]);
        assert!(Arc::ptr_eq(&first, &update(&[])));
        assert!(!Arc::ptr_eq(&first, &update(&["cat".to_owned()])));
    }
}
