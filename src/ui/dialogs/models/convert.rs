//! A model of the list as one file, or as a folder.

use std::path::{Path, PathBuf};

use egui::{RichText, TextEdit, Ui, vec2};

use crate::app::library::{LibraryCommand, RunningConversion};
use crate::app::{AppState, Command, CommandSink};
use crate::engine::library::{
    ConversionWish, Listed, WeightDtype, is_named_as_weights, plain_name,
};
use crate::ui::UiState;
use crate::ui::dialogs::{buttons, main_button};
use crate::ui::theme::{height, tokens, type_size};
use crate::ui::widgets::{bytes_text, caption, combo, row};

/// Width of the dialog.
pub(in crate::ui::dialogs) const WIDTH: f32 = 480.0;
/// Width of the lists and buttons for its choices.
const CHOICE: f32 = 196.0;

/// The forms of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    File,
    Folder,
}

impl Form {
    const ALL: [Self; 2] = [Self::File, Self::Folder];

    fn label(self) -> &'static str {
        match self {
            Self::File => "One file",
            Self::Folder => "Folder",
        }
    }

    fn tip(self) -> &'static str {
        match self {
            Self::File => ".safetensors in the original naming, which every program opens",
            Self::Folder => "A folder of diffusers, as Python opens it",
        }
    }
}

/// How weights are stored.
const PRECISIONS: [(Option<WeightDtype>, &str); 4] = [
    (None, "As it is"),
    (Some(WeightDtype::F16), "16 bits (f16)"),
    (Some(WeightDtype::Bf16), "16 bits (bf16)"),
    (Some(WeightDtype::F32), "32 bits (f32)"),
];

/// What is chosen while the dialog is open.
#[derive(Debug)]
pub struct ConvertForm {
    source: PathBuf,
    form: Form,
    precision: usize,
    name: String,
}

impl ConvertForm {
    fn of(listed: &Listed) -> Self {
        let path = &listed.found.path;
        // What is a file becomes a folder, and the other way round.
        let is_file = is_named_as_weights(path);
        Self {
            source: path.clone(),
            form: if is_file { Form::Folder } else { Form::File },
            precision: 0,
            name: listed.name(),
        }
    }

    /// Where it would lie in a folder; `None` where that is no name.
    fn target(&self, folder: &Path) -> Option<PathBuf> {
        plain_name(&self.name).map(|name| {
            folder.join(match self.form {
                Form::File => format!("{name}.safetensors"),
                Form::Folder => name.to_owned(),
            })
        })
    }
}

/// Shows what can be chosen, or how far it is.
pub(in crate::ui::dialogs) fn convert_ui(
    ui: &mut Ui,
    listed: &Listed,
    folder: Option<&Path>,
    state: &AppState,
    own: &mut UiState,
    commands: &mut CommandSink,
) {
    if let Some(running) = state.library.conversion() {
        running_ui(ui, running, commands);
        return;
    }
    let form = own
        .conversion
        .get_or_insert_with(|| ConvertForm::of(listed));
    if form.source != listed.found.path {
        *form = ConvertForm::of(listed);
    }
    let muted = tokens(ui).text_muted;
    let note = format!(
        "Writes \u{201c}{}\u{201d} once more; the model itself stays as it is.",
        listed.name()
    );
    ui.add(egui::Label::new(RichText::new(note).color(muted)).wrap());
    row(ui, "Form", |ui, _| {
        for kind in Form::ALL {
            let button = egui::Button::selectable(form.form == kind, kind.label())
                .min_size(vec2(CHOICE * 0.5 - 4.0, height::CONTROL));
            if ui.add(button).on_hover_text(kind.tip()).clicked() {
                form.form = kind;
            }
        }
    });
    row(ui, "Precision", |ui, label| {
        let chosen = PRECISIONS[form.precision].1;
        let list = combo("precision", chosen, CHOICE).show_ui(ui, |ui| {
            for (index, (_, name)) in PRECISIONS.iter().enumerate() {
                ui.selectable_value(&mut form.precision, index, *name);
            }
        });
        list.response
            .labelled_by(label)
            .accessible_name("Precision");
    });
    row(ui, "Name", |ui, label| {
        let field = TextEdit::singleline(&mut form.name)
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        ui.add(field).labelled_by(label).accessible_name("Name");
    });
    let target = folder.and_then(|folder| form.target(folder));
    match (&target, folder) {
        (Some(target), _) => {
            let text = target.display().to_string();
            caption(ui, text.clone()).on_hover_text(text);
        }
        (None, Some(_)) => {
            caption(ui, "The name cannot be empty, hidden or a path.");
        }
        (None, None) => {
            caption(ui, "This system has no folder for models.");
        }
    }
    let wish = target.map(|target| ConversionWish {
        source: form.source.clone(),
        target,
        dtype: PRECISIONS[form.precision].0,
    });
    buttons(ui, |ui| {
        if main_button(ui, "Convert", wish.is_some()).clicked()
            && let Some(wish) = wish
        {
            commands.push(LibraryCommand::Convert(wish).into());
        }
        if ui.button("Back").clicked() {
            commands.push(LibraryCommand::Open.into());
        }
    });
}

fn running_ui(ui: &mut Ui, running: &RunningConversion, commands: &mut CommandSink) {
    let tokens = tokens(ui);
    let name = running.target.file_name().unwrap_or_default();
    let text = format!("Writing {}", name.to_string_lossy());
    ui.add(egui::Label::new(text).truncate());
    let (done, total) = running.written;
    let bar = egui::ProgressBar::new(running.share())
        .desired_height(6.0)
        .fill(tokens.accent);
    ui.add(bar).accessible_name("Written");
    let text = match total {
        0 => "Reading its headers".to_owned(),
        total => format!("{} of {}", bytes_text(done), bytes_text(total)),
    };
    let text = RichText::new(text).size(type_size::SMALL);
    ui.label(text.color(tokens.text_muted));
    buttons(ui, |ui| {
        let word = match running.is_ending() {
            true => "Stopping…",
            false => "Stop",
        };
        let stop = ui.add_enabled(!running.is_ending(), egui::Button::new(word));
        if stop.clicked() {
            commands.push(LibraryCommand::EndConversion.into());
        }
        let go_on = ui.button("Keep painting");
        if go_on
            .on_hover_text("It is written in the background")
            .clicked()
        {
            commands.push(Command::CloseDialog);
        }
    });
}
