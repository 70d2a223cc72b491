//! The text of our shaders, complete with what they share.

/// Draws layers, masks, live frames and the ground of the canvas.
pub const CANVAS_COMPOSITE: &str = concat!(
    include_str!("../../shaders/shared/color.wgsl"),
    include_str!("../../shaders/canvas_composite.wgsl"),
);

/// Turns three decoded planes into a picture.
pub const PLANES_TO_RGBA: &str = concat!(
    include_str!("../../shaders/shared/color.wgsl"),
    include_str!("../../shaders/planes_to_rgba.wgsl"),
);

/// Every shader with its name, for tests.
pub const ALL: [(&str, &str); 2] = [
    ("canvas_composite", CANVAS_COMPOSITE),
    ("planes_to_rgba", PLANES_TO_RGBA),
];
