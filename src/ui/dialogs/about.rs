//! Name, version and licences.

use egui::{RichText, Ui};

use crate::icons;
use crate::ui::theme::{semibold, space, tokens, type_size};

/// Shows what the program is.
pub fn about_ui(ui: &mut Ui) {
    let tokens = tokens(ui);
    ui.horizontal(|ui| {
        ui.label(
            RichText::new(icons::APERTURE)
                .size(44.0)
                .color(tokens.accent_text),
        );
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 2.0;
            ui.add_space(4.0);
            ui.label(
                RichText::new("Velatura")
                    .family(semibold())
                    .size(type_size::DISPLAY),
            );
            let version = concat!("Version ", env!("CARGO_PKG_VERSION"));
            ui.label(RichText::new(version).color(tokens.text_muted));
        });
    });
    ui.add_space(space::XS);
    ui.label(
        "A studio for latent diffusion models: paint a mask, watch every step of the picture \
         appear, train a model of your own. Everything runs on this computer.",
    );
    ui.label(
        RichText::new(
            "Licensed under MIT or Apache-2.0. Typeface: Inter, SIL Open Font License 1.1. \
             Icons: Phosphor, MIT.",
        )
        .color(tokens.text_muted),
    );
}
