//! What is set on a brush.

use serde::{Deserialize, Serialize};

use crate::recipe::param::{Number, Param, Range, Shown, Value};
use crate::tools::options::Described;

/// Names the diameter.
pub(super) const SIZE_ID: &str = "size";

/// The diameter.
static SIZE: Number = Number {
    id: SIZE_ID,
    label: "Size",
    hint: "Diameter of the brush",
    unit: Some("px"),
    allowed: Range::real(1.0, 1000.0),
    offered: Range::real(1.0, 1000.0),
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
            size_px: 16.0,
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
            set: |brush, value| brush.size_px = value.as_f32(),
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
