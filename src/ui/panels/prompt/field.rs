//! A field for a prompt: its keys, and marks under words that the model does not know.

use std::ops::Range;
use std::sync::Arc;

use egui::text::{CCursor, CCursorRange, LayoutJob, TextFormat};
use egui::{Galley, Id, Key, Modifiers, Rect, Response, Stroke, TextBuffer, TextEdit, Ui};

use super::history::Recall;
use crate::app::prompt::stepped;
use crate::engine::PromptReader;
use crate::ui::theme::tokens;

/// What a field is like.
pub struct Field<'a> {
    /// Tells it from others.
    pub name: &'static str,
    /// Shown while it is empty.
    pub hint: &'static str,
    /// Least number of lines.
    pub rows: usize,
    /// Knows the words of the model.
    pub reader: Option<&'a PromptReader>,
    /// Texts that can be gone back to, the newest first.
    pub history: &'a [String],
}

/// What a field keeps from frame to frame.
#[derive(Default)]
pub struct FieldUi {
    recall: Recall,
    marked: MarkedWords,
}

/// Where a text has words that the model does not know, looked for when it changes.
#[derive(Default)]
struct MarkedWords {
    of: Option<(PromptReader, String)>,
    places: Vec<Range<usize>>,
}

impl MarkedWords {
    /// The places in a text, in bytes.
    fn find(&mut self, reader: &PromptReader, text: &str) -> &[Range<usize>] {
        let is_same = |of: &(PromptReader, String)| of.0 == *reader && of.1 == text;
        if !self.of.as_ref().is_some_and(is_same) {
            self.places = reader.unknown(text);
            self.of = Some((reader.clone(), text.to_owned()));
        }
        &self.places
    }
}

impl FieldUi {
    /// Shows the field, and whether its text was changed.
    pub fn show(&mut self, ui: &mut Ui, field: &Field<'_>, text: &mut String) -> (Response, bool) {
        let id = ui.scope_id().with(("prompt field", field.name));
        let is_focused = ui.memory(|memory| memory.has_focus(id));
        let by_keys = is_focused && self.take_keys(ui, id, field, text);
        let marks = field.reader.filter(|reader| reader.marks_words());
        let words = &mut self.marked;
        let mut layouter = |ui: &Ui, text: &dyn TextBuffer, width: f32| {
            let text = text.as_str();
            let unknown = match marks {
                Some(reader) => words.find(reader, text),
                None => &[],
            };
            marked(ui, text, unknown, width)
        };
        let edit = TextEdit::multiline(text)
            .id(id)
            .hint_text(field.hint)
            .desired_rows(field.rows)
            .desired_width(f32::INFINITY)
            .layouter(&mut layouter)
            .margin(egui::Margin::symmetric(8, 6));
        let shown = edit.show(ui);
        let mut response = shown.response.response.clone();
        let pointer = response.hover_pos();
        if let Some((reader, pointer)) = marks.zip(pointer) {
            let at = pointer - shown.galley_pos;
            let mut unknown = self.marked.find(reader, text).iter();
            let word =
                unknown.find(|word| place_of(&shown.galley, text, word).contains(at.to_pos2()));
            if let Some(word) = word {
                let hint = unknown_hint(reader, &text[word.clone()]);
                response = response.on_hover_text_at_pointer(hint);
            }
        }
        let is_changed = by_keys || response.changed();
        (response, is_changed)
    }

    /// Does what keys ask for; returns whether they changed the text.
    fn take_keys(&mut self, ui: &Ui, id: Id, field: &Field<'_>, text: &mut String) -> bool {
        let pressed = |modifiers: Modifiers, key: Key| {
            ui.input_mut(|input| input.count_and_consume_key(modifiers, key))
        };
        let emphasis = [(true, Key::ArrowUp), (false, Key::ArrowDown)];
        let emphasis = emphasis.map(|(more, key)| (more, pressed(Modifiers::COMMAND, key)));
        let recall = match field.history {
            [] => [(true, 0); 2],
            _ => [(true, Key::ArrowUp), (false, Key::ArrowDown)]
                .map(|(older, key)| (older, pressed(Modifiers::ALT, key))),
        };
        let mut is_changed = false;
        for (more, count) in emphasis {
            for _ in 0..count {
                let selected = selection(ui, id).unwrap_or_default();
                if let Some((changed, selected)) = stepped(text, selected, more) {
                    *text = changed;
                    select(ui, id, selected);
                    is_changed = true;
                }
            }
        }
        for (older, count) in recall {
            for _ in 0..count {
                if let Some(recalled) = self.recall.step(text, field.history, older) {
                    *text = recalled;
                    let end = text.chars().count();
                    select(ui, id, end..end);
                    is_changed = true;
                }
            }
        }
        is_changed
    }
}

/// What is selected in a field, in letters.
fn selection(ui: &Ui, id: Id) -> Option<Range<usize>> {
    let state = TextEdit::load_state(ui.ctx(), id)?;
    let range = state.cursor.char_range()?.as_sorted_char_range();
    Some(range.start.0..range.end.0)
}

fn select(ui: &Ui, id: Id, letters: Range<usize>) {
    let mut state = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
    let ends = [letters.start, letters.end].map(CCursor::new);
    let range = CCursorRange::two(ends[0], ends[1]);
    state.cursor.set_char_range(Some(range));
    TextEdit::store_state(ui.ctx(), id, state);
}

/// The text with a line under every word that the model does not know.
fn marked(ui: &Ui, text: &str, unknown: &[Range<usize>], width: f32) -> Arc<Galley> {
    let font = egui::TextStyle::Body.resolve(ui.style());
    let visuals = ui.visuals();
    let color = visuals.override_text_color;
    let color = color.unwrap_or_else(|| visuals.widgets.inactive.text_color());
    let row_height = ui.fonts_mut(|fonts| fonts.row_height(&font));
    let plain = TextFormat {
        font_id: font,
        color,
        line_height: Some(row_height + ui.spacing().extra_text_line_spacing),
        ..TextFormat::default()
    };
    let underlined = TextFormat {
        underline: Stroke::new(1.5, tokens(ui).warning),
        ..plain.clone()
    };
    let mut job = LayoutJob {
        keep_trailing_whitespace: true,
        ..LayoutJob::default()
    };
    job.wrap.max_width = width;
    let mut end = 0;
    for word in unknown {
        job.append(&text[end..word.start], 0.0, plain.clone());
        job.append(&text[word.clone()], 0.0, underlined.clone());
        end = word.end;
    }
    job.append(&text[end..], 0.0, plain);
    ui.fonts_mut(|fonts| fonts.layout_job(job))
}

/// Where a word stands in a laid out text.
fn place_of(galley: &Galley, text: &str, word: &Range<usize>) -> Rect {
    let at = |byte: usize| {
        let letters = text[..byte].chars().count();
        galley.pos_from_cursor(CCursor::new(letters))
    };
    at(word.start).union(at(word.end))
}

fn unknown_hint(reader: &PromptReader, word: &str) -> String {
    let hint = format!("This model never learned the word \u{201c}{word}\u{201d}.");
    let near: Vec<String> = reader
        .nearest(word)
        .into_iter()
        .map(|known| format!("\u{201c}{known}\u{201d}"))
        .collect();
    match near.is_empty() {
        true => hint,
        false => format!("{hint} It knows {}.", near.join(", ")),
    }
}
