//! From what a job asks for to what is done.

use crate::diffusion::{DiffusionError, LatentDiffusion, sampler_info};
use crate::recipe::GenerateSpec;

/// Letters of a text that a sentence quotes.
const MOST_QUOTED: usize = 200;

/// The job as it is done, for its recipe too: the model's defaults filled in, and
/// without what the sampler does not have. With a sentence for each difference.
///
/// # Errors
/// If there is no sampler of the name asked for.
pub(super) fn settled(
    spec: &GenerateSpec,
    model: &LatentDiffusion,
) -> Result<(GenerateSpec, Vec<String>), DiffusionError> {
    let sampler = match &spec.sampler {
        Some(id) => sampler_info(id)?,
        None => model.default_sampler(),
    };
    let mut sentences = Vec::new();
    if spec.karras == Some(true) && !sampler.takes_karras {
        sentences.push(format!(
            "{} has no noise levels of Karras et al.; it takes its own",
            sampler.label
        ));
    }
    if spec.eta > 0.0 && !sampler.takes_eta {
        sentences.push(format!("eta changes nothing with {}", sampler.label));
    }
    let is_guided = spec.guidance_scale > 1.0;
    let prompts = [
        ("prompt", Some(&spec.prompt)),
        (
            "negative prompt",
            is_guided.then_some(&spec.negative_prompt),
        ),
    ];
    for (name, text) in prompts {
        let unread = text.map_or("", |text| model.unread(text));
        if !unread.is_empty() {
            let mut quoted: String = unread.trim_end().chars().take(MOST_QUOTED).collect();
            if quoted.len() < unread.trim_end().len() {
                quoted.push('\u{2026}');
            }
            sentences.push(format!(
                "the {name} is longer than the model reads; left out is \u{201c}{quoted}\u{201d}"
            ));
        }
    }
    let wants_karras = spec.karras.unwrap_or_else(|| model.default_karras());
    let done = GenerateSpec {
        sampler: Some(sampler.sampler_id()),
        karras: Some(wants_karras && sampler.takes_karras),
        eta: if sampler.takes_eta { spec.eta } else { 0.0 },
        ..spec.clone()
    };
    Ok((done, sentences))
}
