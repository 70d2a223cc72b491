//! Colours for the network, also of pixels that have none.

use image::RgbaImage;

use super::part::Part;

/// How far colours spread into what is transparent: further than the network
/// carries anything that could be seen.
const SPREAD_PX: usize = 8;

/// The colours of a part of a picture as planes in [0, 1]. What is transparent is
/// usually stored as black; it takes the colours around it instead, since
/// otherwise every cut-out would get a dark rim.
pub(super) fn colours(picture: &RgbaImage, is_opaque: bool, part: Part) -> Vec<f32> {
    let size = [picture.width() as usize, picture.height() as usize];
    let wide = if is_opaque {
        part
    } else {
        part.grown(SPREAD_PX, size)
    };
    let at = |(x, y)| {
        let [r, g, b, alpha] = picture.get_pixel(x, y).0;
        let colour = [r, g, b].map(|byte| f32::from(byte) / 255.0);
        (colour, alpha > 0)
    };
    let (mut values, known): (Vec<[f32; 3]>, Vec<bool>) = wide.places().map(at).unzip();
    if known.contains(&false) && known.contains(&true) {
        spread(&mut values, known, wide.width());
    }
    let skipped = (part.top - wide.top) * wide.width() + part.left - wide.left;
    let mut planes = Vec::with_capacity(3 * part.width() * part.height());
    for channel in 0..3 {
        for row in 0..part.height() {
            let row = &values[skipped + row * wide.width()..][..part.width()];
            planes.extend(row.iter().map(|colour| colour[channel]));
        }
    }
    planes
}

/// Gives pixels without a colour the mean of those around them that have one, again
/// and again; each time one pixel further.
fn spread(values: &mut [[f32; 3]], mut known: Vec<bool>, width: usize) {
    let height = values.len() / width;
    for _ in 0..SPREAD_PX {
        let mut found = Vec::new();
        for (at, _) in known.iter().enumerate().filter(|(_, known)| !**known) {
            let (x, y) = (at % width, at / width);
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for y in y.saturating_sub(1)..(y + 2).min(height) {
                for x in x.saturating_sub(1)..(x + 2).min(width) {
                    let near = y * width + x;
                    if known[near] {
                        count += 1.0;
                        (0..3).for_each(|channel| sum[channel] += values[near][channel]);
                    }
                }
            }
            if count > 0.0 {
                found.push((at, sum.map(|sum| sum / count)));
            }
        }
        if found.is_empty() {
            return;
        }
        for (at, colour) in found {
            values[at] = colour;
            known[at] = true;
        }
    }
}
