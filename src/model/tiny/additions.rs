//! What goes with the tiny model of Stable Diffusion 1: a LoRA and a ControlNet.

use super::stable_diffusion::{CHANNELS, TEXT_WIDTH, unet};
use crate::model::paper::Layout;

/// Numbers between the two matrices of a change.
const RANK: usize = 8;
/// Channels of the layers in which a ControlNet sees its picture, as in all of them.
const HINTS: [usize; 8] = [3, 16, 16, 32, 32, 96, 96, 256];

/// Changes of the matrices of attention, by the names of kohya's scripts.
pub(super) fn lora() -> Layout {
    let mut layout = Layout::new();
    for (level, channels) in CHANNELS.into_iter().enumerate() {
        for (attention, context) in [("attn1", channels), ("attn2", TEXT_WIDTH)] {
            let matrices = [
                ("to_q", channels),
                ("to_k", context),
                ("to_v", context),
                ("to_out_0", channels),
            ];
            for (matrix, inputs) in matrices {
                let place = format!(
                    "lora_unet_down_blocks_{level}_attentions_0_transformer_blocks_0_{attention}_{matrix}"
                );
                layout.insert(format!("{place}.lora_down.weight"), vec![RANK, inputs]);
                layout.insert(format!("{place}.lora_up.weight"), vec![channels, RANK]);
            }
        }
    }
    layout
}

/// The way down of the denoiser with what joins it to the denoiser's, by the names of the
/// ControlNet's own code.
pub(super) fn controlnet() -> Layout {
    const PREFIX: &str = "control_model.";
    let whole = unet(false, false).layout(PREFIX);
    let is_above = |name: &str| {
        let inner = name.strip_prefix(PREFIX).unwrap_or(name);
        inner.starts_with("output_blocks.") || inner.starts_with("out.")
    };
    let mut layout: Layout = whole
        .into_iter()
        .filter(|(name, _)| !is_above(name))
        .collect();
    let mut put = |name: String, sides: [usize; 2], kernel: usize| {
        let [inputs, outputs] = sides;
        let weight = vec![outputs, inputs, kernel, kernel];
        layout.insert(format!("{PREFIX}{name}.weight"), weight);
        layout.insert(format!("{PREFIX}{name}.bias"), vec![outputs]);
    };
    let [first, last] = CHANNELS;
    // One for the first convolution, then each block and each step down.
    for (index, channels) in [first, first, first, last].into_iter().enumerate() {
        put(format!("zero_convs.{index}.0"), [channels; 2], 1);
    }
    put("middle_block_out.0".to_owned(), [last; 2], 1);
    let outputs = HINTS.into_iter().skip(1).chain([first]);
    for (index, sides) in HINTS.into_iter().zip(outputs).enumerate() {
        let (inputs, outputs) = sides;
        put(
            format!("input_hint_block.{}", 2 * index),
            [inputs, outputs],
            3,
        );
    }
    layout
}
