//! The object pictures, drawn once at several sizes.

use std::collections::BTreeMap;

use rayon::prelude::*;
use resvg::{tiny_skia, usvg};
use serde::Deserialize;

use super::SceneError;
use super::colour::{hsv_to_rgb, rgb_to_hsv};
use super::sprite_files::WEBP;
use super::tint::Tint;
use super::vocabulary::{ObjectClass, Style, classes};

/// A square picture with premultiplied alpha.
#[derive(Clone)]
pub struct Sprite {
    side: usize,
    pixels: Vec<[f32; 4]>,
}

impl Sprite {
    /// The colour at a place given in `0..1`, between the four nearest pixels.
    pub fn sample(&self, u: f32, v: f32) -> [f32; 4] {
        let last = self.side as f32 - 1.0;
        let x = (u * self.side as f32 - 0.5).clamp(0.0, last);
        let y = (v * self.side as f32 - 0.5).clamp(0.0, last);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(self.side - 1), (y0 + 1).min(self.side - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let at = |x: usize, y: usize| self.pixels[y * self.side + x];
        let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
        [0, 1, 2, 3].map(|i| {
            let top = a[i] + (b[i] - a[i]) * fx;
            let bottom = c[i] + (d[i] - c[i]) * fx;
            top + (bottom - top) * fy
        })
    }

    /// Half the size, by averaging.
    fn halved(&self) -> Self {
        let side = self.side / 2;
        let at = |x: usize, y: usize| self.pixels[y * self.side + x];
        let pixels = (0..side * side)
            .map(|index| {
                let (x, y) = (index % side * 2, index / side * 2);
                let corners = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                [0, 1, 2, 3].map(|i| corners.iter().map(|corner| corner[i]).sum::<f32>() * 0.25)
            })
            .collect();
        Self { side, pixels }
    }

    /// The box around what can be seen, in `0..1`: left, top, right, bottom.
    fn bounds(&self) -> [f32; 4] {
        let mut bounds = [1.0f32, 1.0, 0.0, 0.0];
        for (index, pixel) in self.pixels.iter().enumerate() {
            if pixel[3] > 0.25 {
                let (x, y) = ((index % self.side) as f32, (index / self.side) as f32);
                let side = self.side as f32;
                bounds = [
                    bounds[0].min(x / side),
                    bounds[1].min(y / side),
                    bounds[2].max((x + 1.0) / side),
                    bounds[3].max((y + 1.0) / side),
                ];
            }
        }
        bounds
    }

    /// The same in another colour: the hues near the sprite's main hue are
    /// replaced, so that wheels, leaves and windows keep theirs.
    fn recoloured(&self, tint: Tint) -> Self {
        let mut weights = [0.0f32; 36];
        let straight = |p: &[f32; 4]| [p[0] / p[3], p[1] / p[3], p[2] / p[3]];
        for pixel in self.pixels.iter().filter(|pixel| pixel[3] > 0.5) {
            let [hue, saturation, value] = rgb_to_hsv(straight(pixel));
            weights[(hue * 36.0) as usize % 36] += if saturation > 0.35 {
                saturation * value
            } else {
                0.0
            };
        }
        // The main hue is the heaviest run of three tenths of the circle's tenth.
        let run = |i: usize| (0..3).map(|k| weights[(i + k) % 36]).sum::<f32>();
        let main = (0..36).fold(0, |best, i| if run(i) > run(best) { i } else { best });
        let main = (main as f32 + 1.5) / 36.0;
        let pixels = self
            .pixels
            .iter()
            .map(|pixel| {
                if pixel[3] <= 0.01 {
                    return *pixel;
                }
                let [hue, saturation, value] = rgb_to_hsv(straight(pixel));
                let away = (hue - main + 1.5).fract() - 0.5;
                let amount = super::colour::smooth(0.15, 0.1, away.abs())
                    * super::colour::smooth(0.12, 0.3, saturation);
                if amount <= 0.0 {
                    return *pixel;
                }
                let turned = hsv_to_rgb([
                    (tint.hue() + away * 0.3 + 1.0).fract(),
                    saturation * tint.saturation(),
                    value + (1.0 - value) * tint.lift(),
                ]);
                let old = straight(pixel);
                let a = pixel[3];
                [0, 1, 2, 3].map(|i| {
                    if i == 3 {
                        a
                    } else {
                        (old[i] + (turned[i] - old[i]) * amount) * a
                    }
                })
            })
            .collect();
        Self {
            side: self.side,
            pixels,
        }
    }
}

/// One look of an object at falling sizes.
pub struct Look {
    sizes: Vec<Sprite>,
    /// The box around what can be seen, in `0..1`: left, top, right, bottom.
    pub bounds: [f32; 4],
}

impl Look {
    fn new(largest: Sprite) -> Self {
        let bounds = largest.bounds();
        let mut sizes = vec![largest];
        while let Some(last) = sizes.last().filter(|last| last.side >= 16) {
            let next = last.halved();
            sizes.push(next);
        }
        Self { sizes, bounds }
    }

    /// The smallest picture that still has a pixel for each of `side_px`.
    pub fn for_side(&self, side_px: f32) -> &Sprite {
        self.sizes
            .iter()
            .rev()
            .find(|sprite| sprite.side as f32 >= side_px)
            .unwrap_or(&self.sizes[0])
    }
}

/// All looks of all objects.
pub struct SpriteSet {
    looks: BTreeMap<Key, Look>,
}

#[derive(Deserialize)]
struct Vectors {
    flat: String,
    cartoon: String,
}

/// Side at which sprites are first drawn.
const MASTER_PX: u32 = 256;

impl SpriteSet {
    /// Draws every look at the sizes that scenes of `scene_px` need.
    ///
    /// # Errors
    /// A bundled file that cannot be read.
    pub fn load(scene_px: u32) -> Result<Self, SceneError> {
        // An object fills at most the picture; twice that keeps edges smooth.
        let master = MASTER_PX.min((scene_px * 2).next_power_of_two()).max(64);
        let vectors: BTreeMap<String, Vectors> =
            serde_json::from_str(include_str!("../../assets/sprites/vectors.json"))
                .map_err(|error| broken("vectors.json", &error))?;
        let per_class = classes()
            .par_iter()
            .enumerate()
            .map(|(index, class)| looks_of(index, class, &vectors, master as usize))
            .collect::<Result<Vec<_>, _>>()?;
        let looks = per_class.into_iter().flatten().collect();
        Ok(Self { looks })
    }

    /// The look of a class in a style and, where it takes one, a colour.
    pub fn look(&self, class: usize, style: Style, tint: Option<Tint>) -> &Look {
        &self.looks[&(class, style as usize, tint.map(|tint| tint as usize))]
    }
}

type Key = (usize, usize, Option<usize>);

/// Every look of one class, with its key.
fn looks_of(
    index: usize,
    class: &ObjectClass,
    vectors: &BTreeMap<String, Vectors>,
    largest: usize,
) -> Result<Vec<(Key, Look)>, SceneError> {
    let mut looks = Vec::new();
    for style in Style::ALL {
        let mut sprite = match style {
            Style::ThreeD => decode_webp(class)?,
            Style::Flat => draw_svg(class, vectors, 32)?,
            Style::Cartoon => draw_svg(class, vectors, 128)?,
        };
        while sprite.side > largest {
            sprite = sprite.halved();
        }
        if class.recolours {
            for tint in Tint::ALL {
                looks.push((
                    (index, style as usize, Some(tint as usize)),
                    Look::new(sprite.recoloured(tint)),
                ));
            }
        } else {
            looks.push(((index, style as usize, None), Look::new(sprite)));
        }
    }
    Ok(looks)
}

fn broken(name: &str, reason: &dyn std::fmt::Display) -> SceneError {
    SceneError::Sprite {
        name: name.to_owned(),
        reason: reason.to_string(),
    }
}

fn decode_webp(class: &ObjectClass) -> Result<Sprite, SceneError> {
    let bytes = WEBP
        .iter()
        .find(|(slug, _)| *slug == class.slug)
        .map(|(_, bytes)| *bytes)
        .ok_or_else(|| broken(class.slug, &"it is missing"))?;
    let image = image::load_from_memory_with_format(bytes, image::ImageFormat::WebP)
        .map_err(|error| broken(class.slug, &error))?
        .into_rgba8();
    let pixels = image
        .pixels()
        .map(|pixel| {
            let alpha = f32::from(pixel[3]) / 255.0;
            [0, 1, 2, 3].map(|i| {
                if i == 3 {
                    alpha
                } else {
                    f32::from(pixel[i]) / 255.0 * alpha
                }
            })
        })
        .collect();
    Ok(Sprite {
        side: image.width() as usize,
        pixels,
    })
}

fn draw_svg(
    class: &ObjectClass,
    vectors: &BTreeMap<String, Vectors>,
    view: u32,
) -> Result<Sprite, SceneError> {
    let entry = vectors
        .get(class.slug)
        .ok_or_else(|| broken(class.slug, &"it is missing"))?;
    let body = if view == 32 {
        &entry.flat
    } else {
        &entry.cartoon
    };
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 {view} {view}" width="{MASTER_PX}" height="{MASTER_PX}">{body}</svg>"#
    );
    let tree = usvg::Tree::from_str(&svg, &usvg::Options::default())
        .map_err(|error| broken(class.slug, &error))?;
    let mut pixmap = tiny_skia::Pixmap::new(MASTER_PX, MASTER_PX)
        .ok_or_else(|| broken(class.slug, &"no memory"))?;
    resvg::render(&tree, tiny_skia::Transform::default(), &mut pixmap.as_mut());
    // Coarse steps hide the last bit, in which processors differ in their
    // rounding, so that a seed gives the same scene everywhere.
    let step = |value: u8| f32::from(value & 0xFC) / 252.0;
    let pixels = pixmap
        .pixels()
        .iter()
        .map(|pixel| {
            [
                step(pixel.red()),
                step(pixel.green()),
                step(pixel.blue()),
                step(pixel.alpha()),
            ]
        })
        .collect();
    Ok(Sprite {
        side: MASTER_PX as usize,
        pixels,
    })
}
