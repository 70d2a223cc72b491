//! What the user sets on the tools.

use serde::{Deserialize, Serialize};

/// The smallest brush: one pixel.
pub const MIN_BRUSH_SIZE_PX: f32 = 1.0;

/// The largest brush.
pub const MAX_BRUSH_SIZE_PX: f32 = 1000.0;

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

impl BrushSettings {
    /// The settings with every number brought into its range.
    #[must_use]
    pub fn clamped(self) -> Self {
        let within = |v: f32, low: f32, high: f32, otherwise: f32| {
            if v.is_finite() {
                v.clamp(low, high)
            } else {
                otherwise
            }
        };
        let default = Self::default();
        Self {
            size_px: within(
                self.size_px,
                MIN_BRUSH_SIZE_PX,
                MAX_BRUSH_SIZE_PX,
                default.size_px,
            ),
            hardness: within(self.hardness, 0.0, 1.0, default.hardness),
            opacity: within(self.opacity, 0.0, 1.0, default.opacity),
            spacing: within(self.spacing, 0.0, 10.0, default.spacing),
            ..self
        }
    }

    /// The next larger (positive) or smaller (negative) size: single pixels for
    /// small brushes, about a tenth for large ones.
    #[must_use]
    pub fn with_size_steps(self, steps: i32) -> Self {
        let mut size_px = self.size_px;
        for _ in 0..steps.unsigned_abs() {
            let step = (size_px / 10.0).floor().max(1.0);
            size_px = if steps > 0 {
                size_px + step
            } else {
                size_px - step
            };
        }
        Self {
            size_px: size_px.round(),
            ..self
        }
        .clamped()
    }

    /// Harder (positive) or softer (negative) by tenths.
    #[must_use]
    pub fn with_hardness_steps(self, steps: i32) -> Self {
        let hardness = ((self.hardness * 10.0).round() + steps as f32) / 10.0;
        Self { hardness, ..self }.clamped()
    }
}

/// The settings of all tools.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ToolSettings {
    /// The brush.
    pub brush: BrushSettings,
    /// The eraser.
    pub eraser: BrushSettings,
    /// The colour that the brush paints with on picture layers, sRGB.
    pub foreground: [u8; 3],
    /// The colour that waits to be swapped in, sRGB.
    pub background: [u8; 3],
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self {
            brush: BrushSettings::default(),
            eraser: BrushSettings::default(),
            foreground: [0, 0, 0],
            background: [255, 255, 255],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_steps_go_up_and_come_back_down() {
        let brush = BrushSettings {
            size_px: 5.0,
            ..BrushSettings::default()
        };
        assert_eq!(brush.with_size_steps(3).size_px, 8.0);
        assert_eq!(brush.with_size_steps(-10).size_px, MIN_BRUSH_SIZE_PX);
        let large = BrushSettings {
            size_px: 500.0,
            ..brush
        };
        assert_eq!(large.with_size_steps(1).size_px, 550.0);
        assert_eq!(large.with_size_steps(100).size_px, MAX_BRUSH_SIZE_PX);
    }

    #[test]
    fn hardness_goes_in_tenths_and_nonsense_is_repaired() {
        let brush = BrushSettings {
            hardness: 0.8,
            ..BrushSettings::default()
        };
        assert!((brush.with_hardness_steps(1).hardness - 0.9).abs() < 1e-6);
        assert_eq!(brush.with_hardness_steps(9).hardness, 1.0);
        let broken = BrushSettings {
            size_px: f32::NAN,
            opacity: 7.0,
            ..brush
        }
        .clamped();
        assert_eq!(broken.size_px, BrushSettings::default().size_px);
        assert_eq!(broken.opacity, 1.0);
    }
}
