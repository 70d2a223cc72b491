//! Boxes with phrases, as models of GLIGEN are told of them (Li et al. 2023,
//! <https://arxiv.org/abs/2301.07093>): a token for each box, of what CLIP makes of its
//! words and of where it lies.

use burn::tensor::{Tensor, TensorData};

use super::layout::fourier_features;
use super::{Bench, Conditioner};
use crate::model::Grounding;
use crate::recipe::LayoutBox;

/// Boxes that such a model sees at most.
pub const MOST_PHRASES: usize = 30;

/// Frequencies of the features of a corner.
const FREQUENCIES: usize = 8;

/// What a denoiser is told of boxes that act with `weight`, by the conditioner that reads
/// words; `None` where there are no boxes, or this one reads none. Boxes beyond those
/// that are seen are passed over.
///
/// With guidance the first row sees no box.
pub(in crate::model) fn grounding(
    boxes: &[LayoutBox],
    weight: f32,
    is_guided: bool,
    text: &dyn Conditioner,
    bench: &Bench<'_>,
) -> Option<Grounding> {
    let boxes = &boxes[..boxes.len().min(MOST_PHRASES)];
    // The network hears boxes that are nowhere too: without weight it is not asked.
    if boxes.is_empty() || weight == 0.0 {
        return None;
    }
    let device = bench.device;
    let words: Vec<String> = boxes.iter().map(LayoutBox::words).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = text.phrases(&words, device)?;
    let [count, width] = said.dims();
    let free = MOST_PHRASES - count;
    let nobody = |width: usize| Tensor::<3>::zeros([1, free, width], device);
    let filled = |own: Tensor<3>| match free {
        0 => own,
        _ => {
            let width = own.dims()[2];
            Tensor::cat(vec![own, nobody(width)], 1)
        }
    };
    let [across, down] = bench.size_px.map(|side| side as f32);
    let features = boxes.iter().flat_map(|it| {
        let [x, y, width, height] = it.rect;
        let corners = [
            x / across,
            y / down,
            (x + width) / across,
            (y + height) / down,
        ];
        fourier_features(corners.map(|at| at.clamp(0.0, 1.0)), FREQUENCIES)
    });
    let features: Vec<f32> = features.collect();
    let features = TensorData::new(features, [1, count, 8 * FREQUENCIES]);
    let phrases = filled(said.reshape([1, count, width]));
    let places = filled(Tensor::from_data(features, device));
    let is_there = filled(Tensor::ones([1, count, 1], device) * weight);
    let rows = 1 + usize::from(is_guided);
    Some(Grounding {
        phrases: phrases.repeat_dim(0, rows),
        places: places.repeat_dim(0, rows),
        is_there: match is_guided {
            true => Tensor::cat(vec![is_there.zeros_like(), is_there], 0),
            false => is_there,
        },
    })
}
