//! The numbers and colours of the look, named by their job.

use egui::Color32;

/// Distances: one grid of 4 points.
pub mod space {
    /// Between an icon and its text.
    pub const XS: f32 = 4.0;
    /// Between controls that belong together.
    pub const S: f32 = 8.0;
    /// Between a control and the edge of its panel.
    pub const M: f32 = 12.0;
    /// Between sections.
    pub const L: f32 = 16.0;
    /// Around the content of a dialog.
    pub const XL: f32 = 24.0;
}

/// Heights of rows and controls.
pub mod height {
    /// A bar: menu, status.
    pub const BAR: f32 = 28.0;
    /// A button, a field, a slider.
    pub const CONTROL: f32 = 28.0;
    /// The one button that matters most.
    pub const PRIMARY: f32 = 40.0;
    /// A row of the layer list.
    pub const LAYER: f32 = 48.0;
    /// The trajectory strip.
    pub const STRIP: f32 = 112.0;
}

/// Corner radii.
pub mod radius {
    /// Fields, buttons, thumbnails.
    pub const CONTROL: u8 = 4;
    /// Menus, windows, notices.
    pub const SURFACE: u8 = 8;
}

/// Type sizes in points.
pub mod type_size {
    /// Captions, figures beside a control.
    pub const SMALL: f32 = 11.0;
    /// Everything else.
    pub const BODY: f32 = 13.0;
    /// Titles of panels and dialogs.
    pub const HEADING: f32 = 15.0;
    /// The one sentence of an empty canvas.
    pub const DISPLAY: f32 = 20.0;
    /// Icons in buttons.
    pub const ICON: f32 = 16.0;
    /// Icons in the tool strip.
    pub const TOOL_ICON: f32 = 20.0;
}

/// The colours of one theme. Greys are neutral, so that they do not tint what
/// the eye sees in a picture.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Behind the picture.
    pub canvas: Color32,
    /// Panels and bars.
    pub panel: Color32,
    /// Menus, dialogs, notices: what floats.
    pub raised: Color32,
    /// Fields, wells: what one writes or looks into.
    pub sunken: Color32,
    /// A control at rest.
    pub control: Color32,
    /// A control under the pointer.
    pub control_hovered: Color32,
    /// A control held down.
    pub control_pressed: Color32,
    /// Hairlines between panels.
    pub border: Color32,
    /// Outlines of fields and controls.
    pub border_strong: Color32,
    /// Text.
    pub text: Color32,
    /// Labels and captions.
    pub text_muted: Color32,
    /// Hints and what is switched off.
    pub text_faint: Color32,
    /// The main action, progress, what is chosen.
    pub accent: Color32,
    /// The main action under the pointer.
    pub accent_hovered: Color32,
    /// The main action held down.
    pub accent_pressed: Color32,
    /// Behind a chosen row or tool.
    pub accent_soft: Color32,
    /// Text in the accent colour on a panel.
    pub accent_text: Color32,
    /// Text on the accent colour.
    pub on_accent: Color32,
    /// Failure and deletion.
    pub danger: Color32,
    /// Things done differently from what was asked.
    pub warning: Color32,
    /// Things that went well.
    pub success: Color32,
    /// Lines over a picture that say what is in line with what.
    pub guide: Color32,
    /// The outline of the part of a picture that is painted next.
    pub frame: Color32,
    /// Text on that colour.
    pub on_frame: Color32,
    /// Under windows and menus.
    pub shadow: Color32,
}

/// The dark theme.
pub const DARK: Tokens = Tokens {
    canvas: Color32::from_rgb(0x17, 0x17, 0x17),
    panel: Color32::from_rgb(0x24, 0x24, 0x24),
    raised: Color32::from_rgb(0x2C, 0x2C, 0x2C),
    sunken: Color32::from_rgb(0x1A, 0x1A, 0x1A),
    control: Color32::from_rgb(0x36, 0x36, 0x36),
    control_hovered: Color32::from_rgb(0x41, 0x41, 0x41),
    control_pressed: Color32::from_rgb(0x2E, 0x2E, 0x2E),
    border: Color32::from_rgb(0x15, 0x15, 0x15),
    border_strong: Color32::from_rgb(0x41, 0x41, 0x41),
    text: Color32::from_rgb(0xE8, 0xE8, 0xE8),
    text_muted: Color32::from_rgb(0xAE, 0xAE, 0xAE),
    text_faint: Color32::from_rgb(0x85, 0x85, 0x85),
    accent: Color32::from_rgb(0x1F, 0x8A, 0x7C),
    accent_hovered: Color32::from_rgb(0x27, 0x9C, 0x8D),
    accent_pressed: Color32::from_rgb(0x19, 0x75, 0x69),
    accent_soft: Color32::from_rgb(0x21, 0x44, 0x40),
    accent_text: Color32::from_rgb(0x5C, 0xCB, 0xBB),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    danger: Color32::from_rgb(0xF0, 0x7C, 0x72),
    warning: Color32::from_rgb(0xE5, 0xB4, 0x5C),
    success: Color32::from_rgb(0x6C, 0xC4, 0x8A),
    guide: Color32::from_rgb(0xFF, 0x5A, 0xB4),
    frame: Color32::from_rgb(0xF2, 0xC9, 0x4C),
    on_frame: Color32::from_rgb(0x1A, 0x1A, 0x1A),
    shadow: Color32::from_black_alpha(120),
};

/// The light theme.
pub const LIGHT: Tokens = Tokens {
    canvas: Color32::from_rgb(0xC9, 0xC9, 0xC9),
    panel: Color32::from_rgb(0xF1, 0xF1, 0xF1),
    raised: Color32::from_rgb(0xFC, 0xFC, 0xFC),
    sunken: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    control: Color32::from_rgb(0xE0, 0xE0, 0xE0),
    control_hovered: Color32::from_rgb(0xD5, 0xD5, 0xD5),
    control_pressed: Color32::from_rgb(0xC8, 0xC8, 0xC8),
    border: Color32::from_rgb(0xCF, 0xCF, 0xCF),
    border_strong: Color32::from_rgb(0xBB, 0xBB, 0xBB),
    text: Color32::from_rgb(0x1E, 0x1E, 0x1E),
    text_muted: Color32::from_rgb(0x50, 0x50, 0x50),
    text_faint: Color32::from_rgb(0x70, 0x70, 0x70),
    accent: Color32::from_rgb(0x16, 0x7A, 0x6D),
    accent_hovered: Color32::from_rgb(0x1B, 0x8B, 0x7D),
    accent_pressed: Color32::from_rgb(0x11, 0x66, 0x5B),
    accent_soft: Color32::from_rgb(0xC9, 0xE7, 0xE2),
    accent_text: Color32::from_rgb(0x0F, 0x6B, 0x5F),
    on_accent: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    danger: Color32::from_rgb(0xB3, 0x2D, 0x22),
    warning: Color32::from_rgb(0x8F, 0x5F, 0x00),
    success: Color32::from_rgb(0x1F, 0x74, 0x42),
    guide: Color32::from_rgb(0xD6, 0x1F, 0x8A),
    frame: Color32::from_rgb(0xF0, 0xB8, 0x2C),
    on_frame: Color32::from_rgb(0x1A, 0x1A, 0x1A),
    shadow: Color32::from_black_alpha(40),
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast of two opaque colours (WCAG 2.2, relative luminance).
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |color: Color32| {
            let linear = egui::Rgba::from(color);
            0.2126 * linear.r() + 0.7152 * linear.g() + 0.0722 * linear.b()
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_in_both_themes() {
        for tokens in [DARK, LIGHT] {
            for ground in [tokens.panel, tokens.raised, tokens.sunken] {
                assert!(contrast(tokens.text, ground) >= 7.0);
                assert!(contrast(tokens.text_muted, ground) >= 4.5);
                assert!(contrast(tokens.text_faint, ground) >= 3.0);
                assert!(contrast(tokens.danger, ground) >= 4.5);
                assert!(contrast(tokens.warning, ground) >= 4.5);
                assert!(contrast(tokens.accent_text, ground) >= 4.5);
            }
            assert!(contrast(tokens.on_accent, tokens.accent) >= 4.0);
            assert!(contrast(tokens.text, tokens.accent_soft) >= 4.5);
        }
    }
}
