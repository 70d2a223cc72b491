//! The classes of the label map in hand: a legend with the share of each, which is
//! the palette to paint from.

use egui::{Align, Align2, Color32, CornerRadius, FontId, Layout, Rect, RichText, ScrollArea};
use egui::{Sense, Stroke, TextEdit, Ui, pos2, vec2};

use super::menu_bar::{entry_ui, menu_style};
use crate::app::actions::{Entry, semantic};
use crate::app::classes::ClassCommand;
use crate::app::{AppState, CommandSink, boxes};
use crate::document::{Recoding, class_index, stored_class};
use crate::icons;
use crate::recipe::palette::PaletteClass;
use crate::ui::UiState;
use crate::ui::theme::{height, radius, space, tokens, type_size};
use crate::ui::widgets::{CONTROL_ICON, IconButton, action_button, title};

/// Width of the panel in points.
pub const CLASSES_WIDTH: f32 = 216.0;

/// What only the screen knows of the list.
#[derive(Debug, Default)]
pub struct ClassListUi {
    /// What classes are looked for.
    search: String,
    /// Whether only classes of the map are listed.
    is_in_map_only: bool,
    is_shown: bool,
}

/// A line of the list.
struct Line<'a> {
    /// What the map stores; 0 is what has no class.
    stored: u8,
    name: String,
    /// The class; none for nothing and for what the palette does not know.
    class: Option<&'a PaletteClass>,
    /// The part of the map that it covers, once counted.
    share: Option<f64>,
}

/// Whether the list is shown: while a label map is in hand, and no tool for boxes, which
/// leaves it for a layer of theirs. It stays or is away as long as a gesture goes on, under
/// which the canvas must not move.
pub fn shows_classes(state: &AppState, own: &mut UiState) -> bool {
    if !state.toolbox.is_active() {
        own.classes.is_shown = semantic::is_in_hand(state) && !boxes::are_in_hand(state);
    }
    own.classes.is_shown
}

/// Shows the list.
pub fn classes_ui(ui: &mut Ui, state: &AppState, own: &mut UiState, commands: &mut CommandSink) {
    let margin = egui::Margin {
        left: 12,
        right: 8,
        top: 6,
        bottom: 6,
    };
    egui::Frame::new()
        .inner_margin(margin)
        .show(ui, |ui| header_ui(ui, state, &mut own.classes, commands));
    let lines = lines(state, &own.classes);
    if lines.is_empty() {
        empty_ui(ui, state, &own.classes);
        return;
    }
    ui.spacing_mut().item_spacing.y = 0.0;
    let area = ScrollArea::vertical().auto_shrink([false, false]);
    area.show_rows(ui, height::CONTROL, lines.len(), |ui, rows| {
        for line in &lines[rows] {
            line_ui(ui, state, line, commands);
        }
    });
}

fn header_ui(ui: &mut Ui, state: &AppState, list: &mut ClassListUi, commands: &mut CommandSink) {
    ui.horizontal(|ui| {
        title(ui, "Classes");
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            for action in [&semantic::EDIT, &semantic::OUTLINES] {
                action_button(ui, action, CONTROL_ICON, state, commands);
            }
            if state.isolated_class().is_some() {
                action_button(ui, &semantic::SHOW_ALL, CONTROL_ICON, state, commands);
            }
        });
    });
    let name = match &*state.document().palette().name {
        "" => "Own classes",
        name => name,
    };
    let text = format!("{name}  {}", icons::CARET_DOWN);
    let menu = ui.menu_button(text, |ui| {
        for entry in semantic::PALETTES {
            let Entry::Action(action) = entry else {
                continue;
            };
            let obstacle = action.obstacle(state);
            let button = ui.add_enabled(obstacle.is_none(), egui::Button::new(action.label));
            let button = button.on_disabled_hover_text(obstacle.unwrap_or_default());
            if button.clicked() {
                commands.act(action, state);
                ui.close();
            }
        }
    });
    menu.response
        .on_hover_text("Choose the classes of this document");
    ui.horizontal(|ui| {
        let width = ui.available_width() - height::CONTROL - space::XS;
        let field = TextEdit::singleline(&mut list.search)
            .hint_text("Find a class")
            .desired_width(width - 2.0 * space::S)
            .margin(egui::Margin::symmetric(8, 6));
        ui.add(field).accessible_name("Find a class");
        let filter = IconButton::new(icons::FUNNEL_SIMPLE, "Only classes of this map");
        if filter.selected(list.is_in_map_only).show(ui).clicked() {
            list.is_in_map_only ^= true;
        }
    });
}

fn empty_ui(ui: &mut Ui, state: &AppState, list: &ClassListUi) {
    let text = if state.document().palette().classes.is_empty() {
        "There are no classes yet. Choose a palette above, or edit classes of your own."
    } else if list.search.trim().is_empty() {
        "Nothing is painted on this map yet. Take a class in hand and paint."
    } else {
        "No class has a name like this."
    };
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        ui.add_space(space::M);
        let text = RichText::new(text).color(tokens(ui).text_muted);
        ui.add(egui::Label::new(text).wrap());
    });
}

/// The lines that are listed: nothing, the classes of the palette, and what else
/// stands in the map.
fn lines<'a>(state: &'a AppState, list: &ClassListUi) -> Vec<Line<'a>> {
    let document = state.document();
    let selected = document.selected_layer().map(|layer| layer.id);
    let counts = selected.and_then(|layer| state.shares.of(document.id(), layer));
    let [width, height] = document.size_px().map(f64::from);
    let share = |stored: u8| {
        let count = counts?[usize::from(stored)];
        Some(count as f64 / (width * height))
    };
    let nothing = Line {
        stored: 0,
        name: "Nothing".to_owned(),
        class: None,
        share: share(0),
    };
    let known = document.palette().classes.iter().map(|class| {
        let stored = stored_class(class.index);
        Line {
            stored,
            name: class.name.clone(),
            class: Some(class),
            share: share(stored),
        }
    });
    let unknown = (1..=255u8).filter_map(|stored| {
        let index = class_index(stored);
        let share = share(stored).filter(|share| *share > 0.0)?;
        document.palette().class(index).is_none().then(|| Line {
            stored,
            name: format!("{index}, not in the palette"),
            class: None,
            share: Some(share),
        })
    });
    let wanted = list.search.trim().to_lowercase();
    let is_listed = |line: &Line<'_>| {
        let is_found = wanted.is_empty() || line.name.to_lowercase().contains(&wanted);
        let is_there = line.share.is_some_and(|share| share > 0.0);
        is_found && (!list.is_in_map_only || is_there)
    };
    std::iter::once(nothing)
        .chain(unknown)
        .chain(known)
        .filter(is_listed)
        .collect()
}

fn line_ui(ui: &mut Ui, state: &AppState, line: &Line<'_>, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let in_hand = state.document().selected_class();
    let is_in_hand = line.class.is_some()
        && in_hand.map(|class| class.index) == line.class.map(|class| class.index);
    let is_apart = state.isolated_class() == Some(line.stored);
    let size = vec2(ui.available_width(), height::CONTROL);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| {
        let name = format!("Class {}", line.name);
        egui::WidgetInfo::selected(egui::Role::Button, true, is_in_hand, name)
    });
    let is_hovered = response.hovered() || ui.rect_contains_pointer(rect);
    let fill = match (is_in_hand, is_hovered) {
        (true, _) => tokens.accent_soft,
        (false, true) => tokens.control_pressed,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, CornerRadius::ZERO, fill);
    swatch_ui(ui, rect, line);

    // The button lies where the share is not, so that neither covers the other.
    let side = height::CONTROL;
    let button_place = Rect::from_min_size(
        pos2(rect.right() - side - space::XS, rect.top()),
        vec2(side, side),
    );
    if is_hovered || is_apart {
        let name = match is_apart {
            true => "Show all classes".to_owned(),
            false => format!("Show only {}", line.name),
        };
        let builder = egui::UiBuilder::new().max_rect(button_place);
        let icon = IconButton::new(icons::CROSSHAIR_SIMPLE, &name).selected(is_apart);
        let button = ui.scope_builder(builder, |ui| icon.show(ui)).inner;
        if button.clicked() {
            let isolated = (!is_apart).then_some(line.stored);
            commands.push(ClassCommand::Isolate(isolated).into());
        }
    }
    let share = line.share.map(share_text).unwrap_or_default();
    let right = button_place.left() - space::XS;
    let font = FontId::proportional(type_size::SMALL);
    let shown = ui.painter().text(
        pos2(right, rect.center().y),
        Align2::RIGHT_CENTER,
        share,
        font,
        tokens.text_muted,
    );
    if !shown.is_negative() && shown.width() > 0.0 {
        let place = Rect::from_x_y_ranges(shown.x_range(), rect.y_range());
        let id = ui.scope_id().with(("share", line.stored));
        let name = "Show this class apart";
        if ui
            .interact(place, id, Sense::click())
            .on_hover_text(name)
            .clicked()
        {
            let isolated = (!is_apart).then_some(line.stored);
            commands.push(ClassCommand::Isolate(isolated).into());
        }
    }
    let left = rect.left() + 36.0;
    let place = Rect::from_min_max(
        pos2(left, rect.top()),
        pos2(shown.left() - space::XS, rect.bottom()),
    );
    let color = if line.class.is_some() {
        tokens.text
    } else {
        tokens.text_muted
    };
    let builder = egui::UiBuilder::new()
        .max_rect(place)
        .layout(Layout::left_to_right(Align::Center));
    let text = RichText::new(&line.name).color(color);
    ui.new_child(builder).add(
        egui::Label::new(text)
            .truncate()
            .selectable(false)
            .sense(Sense::hover()),
    );

    if let Some(class) = line.class
        && response.clicked()
    {
        commands.push(ClassCommand::Select(class.index).into());
    }
    menu_ui(&response, line, in_hand, commands);
}

fn swatch_ui(ui: &Ui, line_rect: Rect, line: &Line<'_>) {
    let tokens = tokens(ui);
    let place = pos2(line_rect.left() + 20.0, line_rect.center().y);
    let swatch = Rect::from_center_size(place, vec2(16.0, 16.0));
    let corner = CornerRadius::same(radius::CONTROL);
    let [r, g, b] = line.class.map_or([0; 3], |class| class.color);
    let color = match line.class {
        Some(_) => Color32::from_rgb(r, g, b),
        None => tokens.sunken,
    };
    ui.painter().rect_filled(swatch, corner, color);
    let stroke = Stroke::new(1.0, tokens.border_strong);
    ui.painter()
        .rect_stroke(swatch, corner, stroke, egui::StrokeKind::Inside);
    if line.class.is_none() {
        let mark = if line.stored == 0 {
            icons::ERASER
        } else {
            icons::QUESTION
        };
        let font = FontId::proportional(11.0);
        ui.painter()
            .text(place, Align2::CENTER_CENTER, mark, font, tokens.text_muted);
    }
}

/// What can be done to the class of a line together with the one in hand.
fn menu_ui(
    response: &egui::Response,
    line: &Line<'_>,
    in_hand: Option<&PaletteClass>,
    commands: &mut CommandSink,
) {
    let index = class_index(line.stored);
    response.context_menu(|ui| {
        menu_style(ui.style_mut());
        let Some(other) = in_hand.filter(|other| other.index != index) else {
            let text = "Choose another class, then right-click this one to swap the two in the map";
            ui.set_max_width(220.0);
            ui.label(RichText::new(text).color(tokens(ui).text_muted));
            return;
        };
        let mut entry = |icon, text: &str, label: &'static str, recoding: Recoding| {
            if entry_ui(ui, icon, text).clicked() {
                commands.push(ClassCommand::Recode { label, recoding }.into());
                ui.close();
            }
        };
        let name = &other.name;
        if line.class.is_some() {
            let swap = Recoding::swap(index, other.index);
            let text = format!("Swap with {name} in this map");
            entry(icons::SWAP, &text, "Swap classes", swap);
        }
        let replace = Recoding::default().with(index, other.index);
        let text = format!("Replace by {name} in this map");
        entry(icons::PAINT_BUCKET, &text, "Replace class", replace);
    });
}

/// A part of a map as people read it.
fn share_text(share: f64) -> String {
    match share * 100.0 {
        0.0 => String::new(),
        percent if percent < 0.1 => "<0.1 %".to_owned(),
        percent if percent < 99.95 => format!("{percent:.1} %"),
        percent => format!("{percent:.0} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_written_as_people_read_them() {
        let texts = [0.0, 0.000_01, 0.123_4, 0.999_9, 1.0].map(share_text);
        assert_eq!(texts, ["", "<0.1 %", "12.3 %", "100 %", "100 %"]);
    }
}
