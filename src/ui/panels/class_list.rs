//! The list of classes at a box: typing the first letters narrows it down.

use egui::{
    Area, Id, Key, Modifiers, Order, Rect, RichText, ScrollArea, Sense, TextEdit, Ui, vec2,
};

use crate::app::boxes::{
    self, BoxChange, BoxCommand, ClassChoice, Typed, Vocabulary, choices, vocabulary,
};
use crate::app::{AppState, CommandSink};
use crate::ui::class_colour::{class_colour, word_colour};
use crate::ui::theme::{radius, space, tokens, type_size};

const WIDTH: f32 = 232.0;
const ROW_HEIGHT: f32 = 26.0;
const MOST_ROWS: f32 = 8.0;
/// Side of a colour that can be chosen.
const SWATCH: f32 = 18.0;

/// What is being typed, and which line is marked.
#[derive(Clone, Debug, Default)]
pub struct ClassQuery {
    text: String,
    /// The marked line; `None` until it is looked for.
    marked: Option<usize>,
    is_new: bool,
}

impl ClassQuery {
    fn fresh() -> Self {
        Self {
            is_new: true,
            ..Self::default()
        }
    }
}

/// Shows the list beside the chosen boxes, which lie at `at` on the screen, while
/// it is open.
pub fn class_list_ui(
    ui: &Ui,
    canvas: Rect,
    at: Rect,
    state: &AppState,
    query: &mut Option<ClassQuery>,
    commands: &mut CommandSink,
) {
    // Behind a dialog it would take keys that are meant for that.
    if !boxes::are_named(state) || state.dialog.is_some() {
        *query = None;
        return;
    }
    let query = query.get_or_insert_with(ClassQuery::fresh);
    let vocabulary = vocabulary(state);
    let rows = MOST_ROWS * ROW_HEIGHT + 96.0;
    // Beside the box where there is room, and always inside of the canvas.
    let beside = if at.right() + space::S + WIDTH <= canvas.right() {
        at.right() + space::S
    } else {
        at.left() - space::S - WIDTH
    };
    let inside = canvas.shrink(space::S);
    let corner = egui::pos2(
        beside.clamp(inside.left(), (inside.right() - WIDTH).max(inside.left())),
        at.top()
            .clamp(inside.top(), (inside.bottom() - rows).max(inside.top())),
    );
    let area = Area::new(Id::unique("class list"))
        .order(Order::Foreground)
        .fixed_pos(corner)
        .constrain(true);
    let shown = area.show(ui.ctx(), |ui| {
        let frame = egui::Frame::popup(ui.style()).inner_margin(egui::Margin::same(6));
        frame.show(ui, |ui| {
            ui.set_width(WIDTH - 12.0);
            ui.spacing_mut().item_spacing.y = space::XS;
            content_ui(ui, state, vocabulary, query, commands);
        });
    });
    let is_first_frame = std::mem::take(&mut query.is_new);
    if shown.response.clicked_elsewhere() && !is_first_frame {
        commands.push(BoxCommand::EndNaming.into());
    }
}

fn content_ui(
    ui: &mut Ui,
    state: &AppState,
    vocabulary: Option<Vocabulary<'_>>,
    query: &mut ClassQuery,
    commands: &mut CommandSink,
) {
    let step = ui.input_mut(|input| {
        let down = input.count_and_consume_key(Modifiers::NONE, Key::ArrowDown);
        let up = input.count_and_consume_key(Modifiers::NONE, Key::ArrowUp);
        down as isize - up as isize
    });
    let hint = match vocabulary {
        Some(vocabulary) if !vocabulary.colours.is_empty() => "Class, or colour and class",
        _ => "Class",
    };
    let field = TextEdit::singleline(&mut query.text)
        .hint_text(hint)
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 5));
    let field = ui.add(field).accessible_name("Class of the box");
    if query.is_new {
        field.request_focus();
    }
    if field.changed() {
        query.marked = Some(0);
    }

    let typed = Typed::read(&query.text, vocabulary);
    let listed = choices(vocabulary, state.document(), typed.letters);
    // What was given last is what is given next, until something is typed.
    let last = state.last_class.as_deref();
    let usual = || listed.iter().position(|choice| Some(&*choice.name) == last);
    let marked = query.marked.or_else(usual).unwrap_or(0);
    let most = listed.len().saturating_sub(1);
    let marked = marked.saturating_add_signed(step).min(most);
    if step != 0 {
        query.marked = Some(marked);
    }

    let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    let left = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Escape));
    let clicked = list_ui(ui, &listed, marked, step != 0 || query.is_new, vocabulary);
    let chosen = clicked.or(entered.then_some(marked));
    if let Some(choice) = chosen.and_then(|index| listed.get(index)) {
        let change = BoxChange::Class {
            name: choice.name.clone(),
            colour: typed.colour.map(str::to_owned),
        };
        commands.push(BoxCommand::Change { change, done: true }.into());
    } else if entered || left {
        commands.push(BoxCommand::EndNaming.into());
    }
    if let Some(vocabulary) = vocabulary.filter(|vocabulary| !vocabulary.colours.is_empty()) {
        ui.separator();
        colours_ui(ui, state, vocabulary, commands);
    }
}

/// The lines; gives the one that was clicked.
fn list_ui(
    ui: &mut Ui,
    listed: &[ClassChoice],
    marked: usize,
    shows_marked: bool,
    vocabulary: Option<Vocabulary<'_>>,
) -> Option<usize> {
    if listed.is_empty() {
        let text = "Type what the box holds, such as “cat”.";
        ui.label(RichText::new(text).color(tokens(ui).text_muted));
        return None;
    }
    let classes = vocabulary.map_or(&[][..], |vocabulary| vocabulary.classes);
    let mut clicked = None;
    ScrollArea::vertical()
        .max_height(MOST_ROWS * ROW_HEIGHT)
        .auto_shrink([false, true])
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            for (index, choice) in listed.iter().enumerate() {
                let response = choice_ui(ui, choice, index == marked, classes);
                if index == marked && shows_marked {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    clicked = Some(index);
                }
            }
        });
    clicked
}

fn choice_ui(
    ui: &mut Ui,
    choice: &ClassChoice,
    is_marked: bool,
    classes: &[String],
) -> egui::Response {
    let tokens = tokens(ui);
    let size = vec2(ui.available_width(), ROW_HEIGHT);
    let (rect, response) = ui.allocate_exact_size(size, Sense::click());
    response.widget_info(|| {
        egui::WidgetInfo::selected(egui::Role::Button, true, is_marked, &choice.name)
    });
    if is_marked || response.hovered() {
        let fill = if is_marked {
            tokens.accent_soft
        } else {
            tokens.control_hovered
        };
        ui.painter().rect_filled(rect, radius::CONTROL, fill);
    }
    let middle = rect.left_center();
    let painter = ui.painter();
    painter.circle_filled(
        middle + vec2(12.0, 0.0),
        4.5,
        class_colour(&choice.name, classes),
    );
    let note = if choice.is_known {
        ""
    } else {
        "not in the model"
    };
    let note = painter.text(
        rect.right_center() - vec2(space::S, 0.0),
        egui::Align2::RIGHT_CENTER,
        note,
        egui::FontId::proportional(type_size::SMALL),
        tokens.text_faint,
    );
    let room = note.left() - rect.left() - 24.0 - space::S;
    let text = egui::WidgetText::from(&choice.name).into_galley(
        ui,
        Some(egui::TextWrapMode::Truncate),
        room,
        egui::TextStyle::Body,
    );
    let corner = middle + vec2(24.0, -text.size().y * 0.5);
    ui.painter().galley(corner, text, tokens.text);
    response
}

/// The words for colours, and none.
fn colours_ui(
    ui: &mut Ui,
    state: &AppState,
    vocabulary: Vocabulary<'_>,
    commands: &mut CommandSink,
) {
    let chosen = boxes::chosen(state);
    let now = chosen.first().and_then(|found| found.colour.as_deref());
    let words = vocabulary.colours.iter().map(String::as_str);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(space::XS, space::XS);
        for word in std::iter::once(None).chain(words.map(Some)) {
            let is_now = match (word, now) {
                (Some(word), Some(now)) => word.eq_ignore_ascii_case(now),
                (word, now) => word.is_none() && now.is_none(),
            };
            if swatch_ui(ui, word, is_now).clicked() {
                let change = BoxChange::Colour(word.map(str::to_owned));
                commands.push(BoxCommand::Change { change, done: true }.into());
            }
        }
    });
}

fn swatch_ui(ui: &mut Ui, word: Option<&str>, is_now: bool) -> egui::Response {
    let tokens = tokens(ui);
    let name = word.unwrap_or("any colour");
    let color = match word {
        Some(word) => word_colour(word),
        None => Some(tokens.sunken),
    };
    let Some(color) = color else {
        return ui.selectable_label(is_now, name);
    };
    let (rect, response) = ui.allocate_exact_size(vec2(SWATCH, SWATCH), Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_now, name));
    let (width, border) = match (is_now, response.hovered()) {
        (true, _) => (2.0, tokens.accent_text),
        (false, true) => (1.0, tokens.text),
        (false, false) => (1.0, tokens.border_strong),
    };
    let stroke = egui::Stroke::new(width, border);
    let painter = ui.painter();
    painter.rect(
        rect,
        radius::CONTROL,
        color,
        stroke,
        egui::StrokeKind::Inside,
    );
    if word.is_none() {
        let ends = [
            rect.left_bottom() + vec2(4.0, -4.0),
            rect.right_top() + vec2(-4.0, 4.0),
        ];
        painter.line_segment(ends, egui::Stroke::new(1.5, tokens.danger));
    }
    response.on_hover_text(name)
}
