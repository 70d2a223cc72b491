//! Words as outlines, so that a drawing looks the same wherever it is shown and needs no
//! font there.

use std::fmt::Write as _;

use skrifa::instance::{LocationRef, Size};
use skrifa::outline::{DrawSettings, OutlinePen};
use skrifa::{FontRef, MetadataProvider as _};

/// The window's font (OFL; see assets/fonts).
const FONT: &[u8] = include_bytes!("../../../assets/fonts/Inter-Regular.ttf");

/// Where a word stands from its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// Words of one size as an SVG path around the origin of their line, and how wide they
/// are in pixels. Characters that the font lacks are left out.
pub(super) fn outline(words: &str, size_px: f32) -> (String, f32) {
    let mut pen = Pen::default();
    let Ok(font) = FontRef::new(FONT) else {
        return (String::new(), 0.0);
    };
    let (size, location) = (Size::new(size_px), LocationRef::default());
    let (glyphs, characters) = (font.outline_glyphs(), font.charmap());
    let metrics = font.glyph_metrics(size, location);
    for character in words.chars() {
        let Some(glyph) = characters.map(character) else {
            continue;
        };
        if let Some(outline) = glyphs.get(glyph) {
            // A glyph that cannot be drawn leaves its place empty.
            outline
                .draw(DrawSettings::unhinted(size, location), &mut pen)
                .ok();
        }
        pen.at += metrics.advance_width(glyph).unwrap_or(0.0);
    }
    (pen.path, pen.at)
}

/// Collects outlines one after the other; in fonts up is up, in drawings down.
#[derive(Default)]
struct Pen {
    path: String,
    at: f32,
}

impl Pen {
    fn put(&mut self, command: char, points: &[(f32, f32)]) {
        self.path.push(command);
        for (x, y) in points {
            // Writing to a string cannot fail.
            write!(self.path, "{:.2} {:.2} ", self.at + x, -y).ok();
        }
    }
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.put('M', &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.put('L', &[(x, y)]);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.put('Q', &[(cx, cy), (x, y)]);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        self.put('C', &[(ax, ay), (bx, by), (x, y)]);
    }

    fn close(&mut self) {
        self.path.push('Z');
    }
}
