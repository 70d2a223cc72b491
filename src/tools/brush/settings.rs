//! What is set on a brush.

use serde::{Deserialize, Serialize};

use crate::recipe::param::{Number, Param, Range, Shown, Value};
use crate::tools::options::Described;

/// Names the diameter.
pub(super) const SIZE_ID: &str = "size";

/// The part of the shorter side of the canvas that a brush begins with.
const SHARE: f32 = 1.0 / 24.0;
/// What it begins with at least, and at most.
const LEAST_PX: f32 = 16.0;
const MOST_PX: f32 = 1000.0;

/// The diameter.
static SIZE: Number = Number {
    id: SIZE_ID,
    label: "Size",
    hint: "Diameter of the brush",
    unit: Some("px"),
    allowed: Range::real(1.0, MOST_PX),
    offered: Range::real(1.0, MOST_PX),
    shown: Shown::WholeByMagnitude,
    infotext: None,
};

/// How sharp the edge is.
static HARDNESS: Number = Number {
    id: "hardness",
    label: "Hardness",
    hint: "How much of the brush is fully covered: all of it has a sharp edge",
    unit: None,
    allowed: Range::real(0.0, 1.0),
    offered: Range::real(0.0, 1.0),
    shown: Shown::Percent,
    infotext: None,
};

/// How much one stroke covers.
static OPACITY: Number = Number {
    id: "opacity",
    label: "Opacity",
    hint: "How much one stroke covers at most",
    ..HARDNESS
};

/// How a round brush or eraser paints.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BrushSettings {
    /// The diameter in document pixels.
    pub size_px: f32,
    /// The diameter that suits the canvas and holds as long as nobody chooses one; `None`
    /// from then on.
    suited_px: Option<f32>,
    /// The part of the radius that is fully covered: 1 has a sharp edge.
    pub hardness: f32,
    /// How much one stroke covers at most, from 0 to 1.
    pub opacity: f32,
    /// Distance of the dabs as a part of the diameter; 0 paints without gaps.
    pub spacing: f32,
    /// Whether a pen's pressure changes the size.
    pub pressure_sets_size: bool,
    /// Whether a pen's pressure changes the opacity.
    pub pressure_sets_opacity: bool,
}

impl Default for BrushSettings {
    fn default() -> Self {
        Self {
            size_px: LEAST_PX,
            suited_px: Some(LEAST_PX),
            hardness: 0.8,
            opacity: 1.0,
            spacing: 0.0,
            pressure_sets_size: true,
            pressure_sets_opacity: false,
        }
    }
}

impl Described for BrushSettings {
    const PARAMS: &'static [Param<Self>] = &[
        Param {
            number: &SIZE,
            get: |brush| Value::Real(brush.size_px),
            set: |brush, value| {
                // Read and written as it is, it is no choice.
                if brush.size_px != value.as_f32() {
                    brush.size_px = value.as_f32();
                    brush.suited_px = None;
                }
            },
        },
        Param {
            number: &HARDNESS,
            get: |brush| Value::Real(brush.hardness),
            set: |brush, value| brush.hardness = value.as_f32(),
        },
        Param {
            number: &OPACITY,
            get: |brush| Value::Real(brush.opacity),
            set: |brush, value| brush.opacity = value.as_f32(),
        },
    ];

    fn suit(&mut self, size_px: [u32; 2]) {
        // Settings of before say nothing of it, and may have another size.
        if self.suited_px == Some(self.size_px) {
            let side_px = size_px[0].min(size_px[1]) as f32;
            let suited_px = (side_px * SHARE).round().clamp(LEAST_PX, MOST_PX);
            (self.size_px, self.suited_px) = (suited_px, Some(suited_px));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::options::{ToolOptions, stepped};

    fn steps(number: &Number, from: f32, steps: i32) -> f32 {
        stepped(number, Value::Real(from), steps).as_f32()
    }

    #[test]
    fn size_steps_go_up_and_come_back_down() {
        assert_eq!(steps(&SIZE, 5.0, 3), 8.0);
        assert_eq!(steps(&SIZE, 5.0, -10), 1.0);
        assert_eq!(steps(&SIZE, 500.0, 1), 550.0);
        assert_eq!(steps(&SIZE, 500.0, 100), 1000.0);
    }

    #[test]
    fn hardness_goes_in_tenths() {
        assert!((steps(&HARDNESS, 0.8, 1) - 0.9).abs() < 1e-6);
        assert_eq!(steps(&HARDNESS, 0.8, 9), 1.0);
        assert!((steps(&HARDNESS, 0.84, -1) - 0.7).abs() < 1e-6);
    }

    #[test]
    fn a_brush_suits_the_canvas_until_somebody_chooses_its_size() {
        let mut brush = BrushSettings::default();
        let sizes = [[128, 128], [3000, 2000], [512, 900]].map(|size_px| {
            ToolOptions::suit(&mut brush, size_px);
            brush.size_px
        });
        assert_eq!(sizes, [16.0, 83.0, 21.0]);
        // Also after the next start.
        let mut again = BrushSettings::default();
        again.read_json(&brush.to_json());
        ToolOptions::suit(&mut again, [3000, 2000]);
        assert_eq!(again.size_px, 83.0);
        again.set("size", Value::Real(21.0));
        let told = again.to_json();
        for brush in [&mut again, &mut BrushSettings::default()] {
            brush.read_json(&told);
            ToolOptions::suit(brush, [3000, 2000]);
            assert_eq!(brush.size_px, 21.0);
        }
        // Of versions that did not remember whether it was chosen.
        brush.read_json(&serde_json::json!({ "size_px": 40.0 }));
        ToolOptions::suit(&mut brush, [3000, 2000]);
        assert_eq!(brush.size_px, 40.0);
    }

    #[test]
    fn settings_of_older_versions_are_read_and_nonsense_is_repaired() {
        let mut brush = BrushSettings::default();
        brush.read_json(&serde_json::json!({
            "size_px": 40.0, "opacity": 7.0, "spacing": 0.25, "of_another_version": true
        }));
        assert_eq!((brush.size_px, brush.opacity), (40.0, 1.0));
        assert_eq!((brush.spacing, brush.hardness), (0.25, 0.8));
        let before = brush;
        brush.read_json(&serde_json::json!({ "size_px": "large" }));
        assert_eq!(brush, before);
        let mut again = BrushSettings::default();
        again.read_json(&brush.to_json());
        assert_eq!(again, brush);
        brush.set("size", Value::Real(f32::NAN));
        assert_eq!(brush, before);
    }
}
