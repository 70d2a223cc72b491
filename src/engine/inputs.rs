//! What a model is given of a job's pictures, and where in them goes what it painted.

use std::borrow::Cow;
use std::rc::Rc;

use image::{GrayImage, RgbaImage};

use super::controls::{ReadControl, inputs_of};
use crate::diffusion::{
    Canvas, Conditions, GenerationRequest, GivenLatents, Guide, Inpainting, Variation,
};
use crate::frame::{FrameView, paste_back, scaled_to, stitched};
use crate::pixels::{WHITE, flattened};
use crate::recipe::{FrameSpec, GenerateSpec, GuideKind, ImageInput, WindowChoice, scale_picture};

/// How the networks see a job's picture, once it is settled.
pub(super) fn canvas_of(spec: &GenerateSpec) -> Canvas {
    Canvas {
        window_px: match spec.windows {
            WindowChoice::Side(side_px) => Some(side_px),
            WindowChoice::Auto | WindowChoice::Off => None,
        },
        wraps: spec.tile.wraps(),
        // What there is of memory says so.
        in_parts: false,
    }
}

/// The guide of a job, at the size at which it counts.
fn guide_of(spec: &GenerateSpec) -> Option<Guide> {
    let ImageInput(picture) = spec.guide.as_ref()?;
    let (width_px, height_px) = picture.dimensions();
    let is_small = spec.guide_kind == GuideKind::LowResolution
        && width_px <= spec.width_px
        && height_px <= spec.height_px;
    let fits = is_small || (width_px, height_px) == (spec.width_px, spec.height_px);
    Some(Guide {
        picture: match fits {
            true => picture.as_ref().clone(),
            false => scale_picture(picture, spec.width_px, spec.height_px),
        },
        kind: spec.guide_kind,
        scale: spec.guide_scale,
    })
}

/// What is asked of the model, and of the networks that control it. Of a frame they are
/// shown all at the size at which it paints.
pub(super) fn request_of(spec: &GenerateSpec, controls: &[Rc<ReadControl>]) -> GenerationRequest {
    let init = spec.init.as_ref().map(|init| init.0.as_ref());
    let mask = spec.mask.as_ref().map(|mask| mask.0.as_ref());
    let strengths = spec.strengths.as_ref();
    let strengths = strengths.map(|strengths| strengths.0.as_ref());
    let seen = match (&spec.frame, init) {
        (Some(FrameSpec { framing, .. }), Some(part)) => {
            let painted_px = [spec.width_px, spec.height_px];
            let view = FrameView::new(part, mask, strengths, framing, painted_px, spec.seed);
            (Some(view.picture), view.mask, view.strengths)
        }
        _ => (
            init.map(|init| flattened(init, WHITE)),
            mask.cloned(),
            strengths.cloned(),
        ),
    };
    let (init, mask, strengths) = seen;
    let controls = inputs_of(spec, controls, init.as_ref(), mask.as_ref());
    let framing = spec.frame.map(|frame| frame.framing).unwrap_or_default();
    GenerationRequest {
        prompt: spec.prompt_syntax.without_loras(&spec.prompt).into_owned(),
        negative_prompt: spec.negative_prompt.clone(),
        reading: spec.reading(),
        sampler: spec.sampler.clone(),
        schedule: spec.schedule,
        prediction: spec.prediction,
        steps: spec.steps,
        guidance_scale: spec.guidance_scale,
        guidance_rescale: spec.guidance_rescale,
        guidance_interval: [spec.guidance_start, spec.guidance_end],
        eta: spec.eta,
        seed: spec.seed,
        variation: (spec.variation_strength > 0.0).then_some(Variation {
            seed: spec.variation_seed,
            strength: spec.variation_strength,
        }),
        width_px: spec.width_px,
        height_px: spec.height_px,
        strength: spec.strength,
        init,
        mask,
        inpainting: Inpainting {
            strengths,
            content: framing.masked_content,
        },
        conditions: Conditions {
            layout: spec.layout.clone(),
            layout_weight: spec.layout_weight,
            layout_bias: spec.layout_bias,
            semantic: spec.semantic.clone(),
            semantic_weight: spec.semantic_weight,
            low_resolution: spec
                .low_resolution
                .as_ref()
                .map(|small| flattened(&small.0, WHITE)),
            class: spec.class,
            grounding_share: spec.grounding_share,
            controls,
            places_boxes: spec.is_composed(),
            ..Conditions::default()
        },
        canvas: canvas_of(spec),
        guide: guide_of(spec),
        // Whoever holds the classifier adds it.
        class_guide: None,
        given: GivenLatents {
            noise: spec.initial_noise.clone(),
            clean: spec.initial_latents.clone(),
        },
    }
}

/// What was painted, laid over the picture that the job began with where it has a mask.
/// That of a frame goes back once it is finished: [`in_frame`].
pub(super) fn pasted(spec: &GenerateSpec, painted: RgbaImage) -> RgbaImage {
    match (&spec.init, repainted(spec)) {
        (Some(original), Some(mask)) if spec.frame.is_none() => {
            paste_back(&original.0, &painted, &mask, spec.feather_px)
        }
        _ => painted,
    }
}

/// What was painted of a frame, at the frame's size and in its place.
pub(super) fn in_frame(spec: &GenerateSpec, frame: FrameSpec, painted: &RgbaImage) -> RgbaImage {
    match (&spec.init, repainted(spec)) {
        (Some(original), Some(mask)) => stitched(&original.0, painted, &mask, spec.feather_px),
        _ => scaled_to(painted, frame.size_px()),
    }
}

/// The mask without what is not repainted at all.
fn repainted(spec: &GenerateSpec) -> Option<Cow<'_, GrayImage>> {
    let mask = spec.mask.as_ref()?;
    let Some(strengths) = &spec.strengths else {
        return Some(Cow::Borrowed(&mask.0));
    };
    let mut mask = mask.0.as_ref().clone();
    for (covered, strength) in mask.iter_mut().zip(strengths.0.as_raw()) {
        if *strength == 0 {
            *covered = 0;
        }
    }
    Some(Cow::Owned(mask))
}
