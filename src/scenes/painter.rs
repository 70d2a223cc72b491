//! The picture while it is painted: colours, labels and a few soft-edged shapes.

use super::colour::{Rgb, byte, mix};

/// Colours and labels of a square picture.
pub struct Painter {
    side: usize,
    pixels: Vec<Rgb>,
    labels: Vec<u8>,
}

impl Painter {
    /// A picture of one colour and label.
    pub fn new(side: usize, colour: Rgb, label: u8) -> Self {
        Self {
            side,
            pixels: vec![colour; side * side],
            labels: vec![label; side * side],
        }
    }

    /// Side in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Lays a colour over a pixel; from half coverage on, the label too.
    pub fn lay(&mut self, x: usize, y: usize, colour: Rgb, coverage: f32, label: Option<u8>) {
        let index = y * self.side + x;
        self.pixels[index] = mix(self.pixels[index], colour, coverage.min(1.0));
        if let Some(label) = label
            && coverage >= 0.5
        {
            self.labels[index] = label;
        }
    }

    /// Darkens or lightens a pixel towards a colour, leaving its label.
    pub fn shade(&mut self, x: usize, y: usize, colour: Rgb, coverage: f32) {
        self.lay(x, y, colour, coverage, None);
    }

    /// Fills every row with `colour(y)`, `y` from 0 at the top to 1.
    pub fn rows(&mut self, colour: impl Fn(f32) -> Rgb) {
        for y in 0..self.side {
            let row = colour((y as f32 + 0.5) / self.side as f32);
            self.pixels[y * self.side..][..self.side].fill(row);
        }
    }

    /// Fills what lies below a curve. `edge(x)` is its height and
    /// `colour(x, y)` the colour, both with coordinates from 0 to 1.
    pub fn below(
        &mut self,
        edge: impl Fn(f32) -> f32,
        colour: impl Fn(f32, f32) -> Rgb,
        label: u8,
    ) {
        let side = self.side as f32;
        for x in 0..self.side {
            let u = (x as f32 + 0.5) / side;
            let top = edge(u) * side;
            let first = top.max(0.0) as usize;
            for y in first..self.side {
                let coverage = (y as f32 + 1.0 - top).clamp(0.0, 1.0);
                self.lay(
                    x,
                    y,
                    colour(u, (y as f32 + 0.5) / side),
                    coverage,
                    Some(label),
                );
            }
        }
    }

    /// Visits the pixels near an ellipse with their distance from its centre in
    /// radii and the width of a pixel in radii.
    pub fn ellipse(
        &mut self,
        centre: [f32; 2],
        radii: [f32; 2],
        reach: f32,
        mut visit: impl FnMut(&mut Self, usize, usize, f32, f32),
    ) {
        let side = self.side as f32;
        let range = |axis: usize| {
            let low = ((centre[axis] - radii[axis] * reach) * side - 1.0).clamp(0.0, side) as usize;
            let high =
                ((centre[axis] + radii[axis] * reach) * side + 2.0).clamp(0.0, side) as usize;
            low..high
        };
        let pixel = 1.0 / (side * radii[0].min(radii[1]));
        for y in range(1) {
            for x in range(0) {
                let dx = ((x as f32 + 0.5) / side - centre[0]) / radii[0];
                let dy = ((y as f32 + 0.5) / side - centre[1]) / radii[1];
                let distance = (dx * dx + dy * dy).sqrt();
                if distance <= reach + pixel {
                    visit(self, x, y, distance, pixel);
                }
            }
        }
    }

    /// A filled disc with a one-pixel soft edge.
    pub fn disc(
        &mut self,
        centre: [f32; 2],
        radii: [f32; 2],
        colour: Rgb,
        opacity: f32,
        label: Option<u8>,
    ) {
        self.ellipse(centre, radii, 1.0, |painter, x, y, distance, pixel| {
            let coverage = ((1.0 - distance) / pixel + 0.5).clamp(0.0, 1.0) * opacity;
            painter.lay(x, y, colour, coverage, label);
        });
    }

    /// A glow that fades to nothing at the edge.
    pub fn glow(&mut self, centre: [f32; 2], radius: f32, colour: Rgb, strength: f32) {
        self.ellipse(centre, [radius; 2], 1.0, |painter, x, y, distance, _| {
            let fade = (1.0 - distance).max(0.0);
            painter.shade(x, y, colour, fade * fade * strength);
        });
    }

    /// The label of a pixel.
    pub fn label(&self, x: usize, y: usize) -> u8 {
        self.labels[y * self.side + x]
    }

    /// The finished picture and its label map.
    pub fn finish(self) -> (image::RgbImage, image::GrayImage) {
        let side = self.side as u32;
        let bytes = self
            .pixels
            .iter()
            .flat_map(|pixel| pixel.map(byte))
            .collect();
        (
            image::RgbImage::from_raw(side, side, bytes).expect("three bytes a pixel"),
            image::GrayImage::from_raw(side, side, self.labels).expect("a byte a pixel"),
        )
    }
}
