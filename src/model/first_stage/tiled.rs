//! A first stage that sees pictures part by part, so that memory does not grow with
//! them, or as pictures that go on over their edges.

use std::path::Path;

use burn::tensor::{Device, Tensor};

use super::{Draw, FirstStage, FirstStageConfig, LatentInfo, Scaling};
use crate::model::windows::{Window, WindowSides, Windows};
use crate::model::{ModelError, WeightDtype};

/// Bytes that a decoder may work in where it sees pictures part by part.
pub(in crate::model) const MOST_BYTES: u64 = 640 << 20;
/// The same of a gradient by latents, which holds all that the decoder made.
pub(in crate::model) const MOST_GRADIENT_BYTES: u64 = 768 << 20;
/// Latents that neighbouring parts share, where there are as many: what lies further
/// away is hardly seen in a pixel.
const OVERLAP: usize = 8;
/// Latents of the smallest part along a side.
const LEAST: usize = 24;

/// A first stage in parts.
#[derive(Debug)]
pub struct TiledStage {
    stage: Box<dyn FirstStage>,
    wraps: [bool; 2],
    /// Latents of a part, about: its columns times its rows.
    most_places: usize,
}

impl TiledStage {
    /// The same stage for pictures that go on over their edges along the axes
    /// (columns, rows) that `wraps` names, in parts that take a bounded memory.
    pub fn new(stage: &dyn FirstStage, wraps: [bool; 2]) -> Self {
        let each = stage.configuration().decoding_bytes_each();
        Self {
            stage: stage.boxed(),
            wraps,
            most_places: (MOST_BYTES as f64 / each.max(1.0)) as usize,
        }
    }

    /// The same with parts of about so many latents.
    #[must_use]
    pub fn with_parts_of(self, most_places: usize) -> Self {
        Self {
            most_places,
            ..self
        }
    }

    /// The parts of so many columns and rows of latents.
    fn parts(&self, size: [usize; 2]) -> Windows {
        Windows::new(size, part_sides(size, self.most_places), self.wraps)
    }

    /// Does some work in every part and puts it together; `seen` has as many numbers a
    /// place as `seen_scale` says, the result as many as `made_scale`.
    fn in_parts(
        &self,
        seen: &Tensor<4>,
        [seen_scale, made_scale]: [usize; 2],
        mut work: impl FnMut(Tensor<4>, Window) -> Tensor<4>,
    ) -> Tensor<4> {
        let [_, _, height, width] = seen.dims();
        let parts = self.parts([width / seen_scale, height / seen_scale]);
        if parts.is_whole() {
            let [columns, rows] = [width, height].map(|side| crate::model::windows::Span {
                start: 0,
                length: side / seen_scale,
            });
            return work(seen.clone(), Window { columns, rows });
        }
        let device: Device = seen.device();
        parts.blended(made_scale, &device, |_, window| {
            work(window.cut(seen, seen_scale), window)
        })
    }
}

/// The parts, for columns and rows of latents, in which a gradient by them is taken of
/// their picture, so that it takes a bounded memory.
pub fn gradient_parts(stage: &dyn FirstStage, size: [usize; 2], wraps: [bool; 2]) -> Windows {
    let each = stage.configuration().gradient_bytes_each();
    let most_places = (MOST_GRADIENT_BYTES as f64 / each.max(1.0)) as usize;
    Windows::new(size, part_sides(size, most_places), wraps)
}

/// Sides of parts of about so many places: the whole where it is no larger, else as
/// square as the whole allows.
fn part_sides(size: [usize; 2], most_places: usize) -> WindowSides {
    let square = (most_places as f64).sqrt() as usize;
    let along = |own: usize, other: usize| {
        // What the other side does not need is left to this one.
        let room = most_places / other.clamp(1, square.max(1));
        (room.max(LEAST) / 4 * 4).min(own + OVERLAP)
    };
    let places = match size[0] * size[1] <= most_places {
        // With room to go on over the edges.
        true => size.map(|side| side + OVERLAP),
        false => [along(size[0], size[1]), along(size[1], size[0])],
    };
    WindowSides {
        places,
        overlap: places.map(|side| OVERLAP.min(side / 3)),
    }
}

impl FirstStage for TiledStage {
    fn configuration(&self) -> FirstStageConfig {
        self.stage.configuration()
    }

    fn scaling(&self) -> Scaling {
        self.stage.scaling()
    }

    fn set_scaling_factor(&mut self, factor: f64) {
        self.stage.set_scaling_factor(factor);
    }

    /// The noise is that of the whole, drawn once, of which every part takes its own.
    fn draw_unscaled(&self, pictures: Tensor<4>, noise: Draw<'_>) -> Tensor<4> {
        let LatentInfo { factor, .. } = self.info();
        let [batch, _, height, width] = pictures.dims();
        let size = [height / factor, width / factor];
        let mut whole: Option<Tensor<4>> = None;
        self.in_parts(&pictures, [factor, 1], |part, window| {
            let mut own = |[_, channels, _, _]: [usize; 4]| {
                let shape = [batch, channels, size[0], size[1]];
                let whole = whole.get_or_insert_with(|| noise(shape));
                window.cut(whole, 1)
            };
            self.stage.draw_unscaled(part, &mut own)
        })
    }

    fn likeliest_unscaled(&self, pictures: Tensor<4>) -> Tensor<4> {
        let LatentInfo { factor, .. } = self.info();
        self.in_parts(&pictures, [factor, 1], |part, _| {
            self.stage.likeliest_unscaled(part)
        })
    }

    fn distribution_unscaled(&self, pictures: Tensor<4>) -> (Tensor<4>, Option<Tensor<4>>) {
        let LatentInfo { factor, channels } = self.info();
        let both = self.in_parts(&pictures, [factor, 1], |part, _| {
            let (mean, deviation) = self.stage.distribution_unscaled(part);
            match deviation {
                Some(deviation) => Tensor::cat(vec![mean, deviation], 1),
                None => mean,
            }
        });
        let has_deviation = both.dims()[1] > channels;
        let mean = both.clone().narrow(1, 0, channels);
        (
            mean,
            has_deviation.then(|| both.narrow(1, channels, channels)),
        )
    }

    fn decode_unscaled(&self, latents: Tensor<4>) -> Tensor<4> {
        let LatentInfo { factor, .. } = self.info();
        self.in_parts(&latents, [1, factor], |part, _| {
            self.stage.decode_unscaled(part)
        })
    }

    fn parameter_count(&self) -> usize {
        self.stage.parameter_count()
    }

    fn decoder_work(&self) -> f64 {
        self.stage.decoder_work()
    }

    fn save_weights(&self, path: &Path, dtype: WeightDtype) -> Result<(), ModelError> {
        self.stage.save_weights(path, dtype)
    }

    fn differentiable(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            stage: self.stage.differentiable(),
            ..*self
        })
    }

    fn boxed(&self) -> Box<dyn FirstStage> {
        Box::new(Self {
            stage: self.stage.boxed(),
            ..*self
        })
    }

    /// By the stage itself, which may have its own way to latents.
    fn to_pictures(&self, latents: Tensor<4>) -> Tensor<4> {
        let LatentInfo { factor, .. } = self.info();
        self.in_parts(&latents, [1, factor], |part, _| {
            self.stage.to_pictures(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelFolder;

    fn storybook() -> Box<dyn FirstStage> {
        let folder = ModelFolder::open("assets/models/storybook").expect("a model");
        folder
            .load_first_stage(&Device::flex())
            .expect("a first stage")
    }

    fn numbers(tensor: Tensor<4>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("numbers")
    }

    /// Something like a picture: slopes and a few edges.
    fn picture(side: usize) -> Tensor<4> {
        let value = |at: usize| {
            let (y, x) = (at / side % side, at % side);
            let edge = if (x / 24 + y / 40) % 2 == 0 {
                0.3
            } else {
                -0.3
            };
            edge + 0.5 * (x as f32 / side as f32) - 0.4 * (y as f32 / side as f32)
        };
        let values: Vec<f32> = (0..3 * side * side).map(value).collect();
        let data = burn::tensor::TensorData::new(values, [1, 3, side, side]);
        Tensor::from_data(data, &Device::flex())
    }

    #[test]
    fn what_fits_is_not_cut() {
        let stage = storybook();
        let tiled = TiledStage::new(stage.as_ref(), [false; 2]);
        assert!(tiled.parts([64, 64]).is_whole());
        assert!(!tiled.parts([512, 512]).is_whole());
        let latents = stage.likeliest_latents(picture(64));
        let whole = numbers(stage.to_pictures(latents.clone()));
        assert_eq!(numbers(tiled.to_pictures(latents)), whole);
    }

    /// A pixel hardly sees what lies beyond its part; what is normalised over all of it
    /// differs a little, even in the smallest parts.
    #[test]
    fn parts_make_the_picture_of_the_whole() {
        let stage = storybook();
        let tiled = TiledStage::new(stage.as_ref(), [false; 2]).with_parts_of(24 * 24);
        let picture = picture(320);
        let (whole, parts) = (
            stage.likeliest_latents(picture.clone()),
            tiled.likeliest_latents(picture),
        );
        let difference = |a: &[f32], b: &[f32]| {
            let squares = a.iter().zip(b).map(|(a, b)| f64::from((a - b).powi(2)));
            (squares.sum::<f64>() / a.len() as f64).sqrt()
        };
        let found = difference(&numbers(whole.clone()), &numbers(parts));
        assert!(found < 0.1, "latents: {found}");
        let decoded = numbers(stage.to_pictures(whole.clone()));
        let found = difference(&decoded, &numbers(tiled.to_pictures(whole)));
        assert!(found < 0.05, "pictures: {found}");
    }

    #[test]
    fn the_noise_of_parts_is_that_of_the_whole() {
        let stage = storybook();
        let tiled = TiledStage::new(stage.as_ref(), [false; 2]).with_parts_of(24 * 24);
        let mut asked = Vec::new();
        let latents = tiled.to_latents(picture(320), &mut |shape| {
            asked.push(shape);
            Tensor::zeros(shape, &Device::flex())
        });
        assert_eq!(asked, [[1, 16, 40, 40]]);
        assert_eq!(latents.dims(), [1, 16, 40, 40]);
    }

    /// The edge of a picture that goes on is as smooth as its inside.
    #[test]
    fn a_picture_that_goes_on_has_no_edge() {
        let stage = storybook();
        let tiled = TiledStage::new(stage.as_ref(), [true, false]);
        let side = 16;
        let wave = |at: usize| {
            let x = at % side;
            (x as f32 / side as f32 * std::f32::consts::TAU).sin() * 0.8
        };
        let values: Vec<f32> = (0..16 * side * side).map(wave).collect();
        let data = burn::tensor::TensorData::new(values, [1, 16, side, side]);
        let latents = Tensor::from_data(data, &Device::flex());
        // Begun in another column it is the same picture.
        let half = side / 2;
        let turned = Tensor::cat(
            vec![
                latents.clone().narrow(3, half, half),
                latents.clone().narrow(3, 0, half),
            ],
            3,
        );
        let step = |from: Tensor<4>| {
            let picture = numbers(tiled.to_pictures(from));
            let width = side * 8;
            let rows = picture.chunks_exact(width);
            let steps = rows.map(|row| f64::from((row[0] - row[width - 1]).abs()));
            steps.sum::<f64>() / (picture.len() / width) as f64
        };
        let inside = {
            let picture = numbers(tiled.to_pictures(latents.clone()));
            let pairs = picture.windows(2);
            pairs
                .map(|pair| f64::from((pair[0] - pair[1]).abs()))
                .sum::<f64>()
                / picture.len() as f64
        };
        for (name, from) in [("as it is", latents), ("turned", turned)] {
            let seam = step(from);
            assert!(seam < 3.0 * inside + 0.02, "{name}: {seam} beside {inside}");
        }
    }
}
