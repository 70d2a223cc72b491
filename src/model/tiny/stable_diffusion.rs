//! Stable Diffusion 1 and 2 in tiny. The vocabulary is the whole one: it comes with the
//! program and not with a file.

use crate::model::paper::{
    self, ClipSizes, Layout, OriginalAttention, OriginalConditioner, OriginalFirstStage,
    OriginalLevel, OriginalUnet,
};

/// Width of texts.
const TEXT_WIDTH: usize = 16;
/// Channels of the levels of the denoiser.
const CHANNELS: [usize; 2] = [32, 64];
/// Channels of latents.
const LATENT: usize = 4;

/// Names and shapes of the weights; a model that repaints with a mask is told mask and
/// picture as further channels.
pub(super) fn layout(is_second: bool, inpaints: bool) -> Layout {
    let text = ClipSizes {
        width: TEXT_WIDTH,
        inner_width: 4 * TEXT_WIDTH,
        layers: 2,
        vocabulary: 49_408,
        length: 77,
    };
    let unet = OriginalUnet {
        input_channels: if inpaints { 2 * LATENT + 1 } else { LATENT },
        output_channels: LATENT,
        width: CHANNELS[0],
        levels: CHANNELS
            .map(|channels| OriginalLevel { channels, depth: 1 })
            .into(),
        layers: 1,
        middle_depth: 1,
        attention: OriginalAttention::Transformer {
            context: TEXT_WIDTH,
            is_linear: is_second,
        },
        heads: None,
        is_scale_shift: false,
        resamples_in_blocks: false,
        classes: None,
        added_width: None,
        is_newly_ordered: false,
    };
    let first_stage = OriginalFirstStage {
        input_channels: 3,
        output_channels: 3,
        levels: vec![32; 4],
        width: 32,
        layers: 1,
        attends: vec![false; 4],
        attends_in_middle: true,
        inner_channels: LATENT,
        latent_channels: LATENT,
        is_gaussian: true,
        codes: None,
    };
    let conditioner = match is_second {
        true => OriginalConditioner::OpenClip(text),
        false => OriginalConditioner::Clip(text),
    };
    let mut layout = unet.layout(paper::UNET);
    layout.extend(first_stage.layout(paper::FIRST_STAGE));
    layout.extend(conditioner.layout());
    layout
}
