//! Stable Diffusion 1, 2 and XL in tiny. The vocabulary is the whole one: it comes with the
//! program and not with a file.

use crate::model::Middle;
use crate::model::paper::{
    self, ClipSizes, Layout, OriginalAttention, OriginalConditioner, OriginalFirstStage,
    OriginalLevel, OriginalUnet,
};

/// Width of texts.
pub(super) const TEXT_WIDTH: usize = 16;
/// The same of the two text encoders of Stable Diffusion XL.
const TEXT_WIDTHS: [usize; 2] = [8, 16];
/// Width of the waves that tell of one of its sizes.
const WAVES: usize = 16;
/// Channels of the levels of the denoiser.
pub(super) const CHANNELS: [usize; 2] = [32, 64];
/// Channels of latents.
const LATENT: usize = 4;

/// Names and shapes of the weights; a model that repaints with a mask is told mask and
/// picture as further channels.
pub(super) fn layout(is_second: bool, inpaints: bool) -> Layout {
    let text = text(TEXT_WIDTH);
    let unet = unet(is_second, inpaints);
    let conditioner = match is_second {
        true => OriginalConditioner::OpenClip(text),
        false => OriginalConditioner::Clip(text),
    };
    let mut layout = unet.layout(paper::UNET);
    layout.extend(first_stage().layout(paper::FIRST_STAGE));
    layout.extend(conditioner.layout());
    layout
}

/// The same of Stable Diffusion XL; its refiner has the second text encoder alone.
pub(super) fn layout_xl(is_refiner: bool, inpaints: bool) -> Layout {
    let [first, second] = TEXT_WIDTHS;
    let (context, sizes) = match is_refiner {
        true => (second, 5),
        false => (first + second, 6),
    };
    let levels = CHANNELS.into_iter().zip([0, 1]);
    let unet = OriginalUnet {
        input_channels: if inpaints { 2 * LATENT + 1 } else { LATENT },
        output_channels: LATENT,
        width: CHANNELS[0],
        levels: levels
            .map(|(channels, depth)| OriginalLevel::even(channels, 1, depth))
            .collect(),
        layers: 1,
        middle: Middle::Attending(1),
        attention: OriginalAttention::Transformer {
            context,
            is_linear: true,
        },
        heads: None,
        is_scale_shift: false,
        resamples_in_blocks: false,
        is_grounded: false,
        classes: None,
        added_width: Some(second + sizes * WAVES),
        is_newly_ordered: false,
    };
    let conditioner = OriginalConditioner::Both {
        clip: (!is_refiner).then(|| text(first)),
        open_clip: text(second),
    };
    let mut layout = unet.layout(paper::UNET);
    layout.extend(first_stage().layout(paper::FIRST_STAGE));
    layout.extend(conditioner.layout());
    layout
}

/// The denoiser.
pub(super) fn unet(is_second: bool, inpaints: bool) -> OriginalUnet {
    OriginalUnet {
        input_channels: if inpaints { 2 * LATENT + 1 } else { LATENT },
        output_channels: LATENT,
        width: CHANNELS[0],
        levels: CHANNELS
            .map(|channels| OriginalLevel::even(channels, 1, 1))
            .into(),
        layers: 1,
        middle: Middle::Attending(1),
        attention: OriginalAttention::Transformer {
            context: TEXT_WIDTH,
            is_linear: is_second,
        },
        heads: None,
        is_scale_shift: false,
        resamples_in_blocks: false,
        is_grounded: false,
        classes: None,
        added_width: None,
        is_newly_ordered: false,
    }
}

fn text(width: usize) -> ClipSizes {
    ClipSizes {
        width,
        inner_width: 4 * width,
        layers: 2,
        vocabulary: 49_408,
        length: 77,
    }
}

fn first_stage() -> OriginalFirstStage {
    OriginalFirstStage {
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
    }
}
