//! The typefaces: Inter for words, Phosphor for icons.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, FontTweak};

/// The family of titles and of the main button.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// The family of labels that carry weight.
pub fn medium() -> FontFamily {
    FontFamily::Name("medium".into())
}

/// The definitions: every family falls back to the icons, so that icons and
/// words may stand in one string, and then to egui's own fonts.
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8], tweak: FontTweak| {
        let data = FontData::from_static(bytes).tweak(tweak);
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
    };
    let inter = FontTweak::default();
    add(
        "inter",
        include_bytes!("../../../assets/fonts/Inter-Regular.ttf"),
        inter.clone(),
    );
    add(
        "inter-medium",
        include_bytes!("../../../assets/fonts/Inter-Medium.ttf"),
        inter.clone(),
    );
    add(
        "inter-semibold",
        include_bytes!("../../../assets/fonts/Inter-SemiBold.ttf"),
        inter,
    );
    // Phosphor's glyphs fill their em and stand on the baseline of it; shifted
    // to sit centred on Inter's x-height.
    let phosphor = FontTweak {
        y_offset_factor: 0.0,
        ..FontTweak::default()
    };
    add(
        "phosphor",
        include_bytes!("../../../assets/icons/Phosphor.ttf"),
        phosphor,
    );

    let fallback = fonts
        .families
        .get(&FontFamily::Proportional)
        .cloned()
        .unwrap_or_default();
    let chain = |first: &[&str]| -> Vec<String> {
        first
            .iter()
            .map(ToString::to_string)
            .chain(fallback.iter().cloned())
            .collect()
    };
    fonts
        .families
        .insert(FontFamily::Proportional, chain(&["inter", "phosphor"]));
    fonts
        .families
        .insert(medium(), chain(&["inter-medium", "phosphor"]));
    fonts
        .families
        .insert(semibold(), chain(&["inter-semibold", "phosphor"]));
    fonts
}
