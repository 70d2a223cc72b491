//! Relatives of LoRA, and LoRAs for models of other families, by what their names tell.

use std::path::Path;

use super::super::ModelError;
use super::keys;

/// What changes a model in a way that is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct Relative {
    /// What it is, with its article.
    pub kind: &'static str,
    /// What to do instead.
    pub remedy: &'static str,
}

impl Relative {
    /// Why a file is of no use of which a name tells that.
    pub fn refusal(self, path: &Path, key: &str) -> ModelError {
        ModelError::LoraKind {
            path: path.to_path_buf(),
            kind: self.kind,
            key: key.to_owned(),
            remedy: self.remedy,
        }
    }
}

const INSTEAD: &str = "take a LoRA instead";
const OTHER_MODEL: &str = "take one that was made for Stable Diffusion 1, 2 or XL";

const DORA: Relative = of("a DoRA", INSTEAD);
const LOHA: Relative = of("a LoHa", INSTEAD);
const LOKR: Relative = of("a LoKr", INSTEAD);
const WHOLE: Relative = of("a set of whole differences", INSTEAD);
const GLORA: Relative = of("a GLoRA", INSTEAD);
const FLUX: Relative = of("a LoRA for Flux", OTHER_MODEL);
const TRANSFORMER: Relative = of("a LoRA for a diffusion transformer", OTHER_MODEL);

const fn of(kind: &'static str, remedy: &'static str) -> Relative {
    Relative { kind, remedy }
}

/// Parts of names, the more telling first (LyCORIS, peft).
const PARTS: [(&str, Relative); 14] = [
    (".dora_scale", DORA),
    (".lora_magnitude_vector", DORA),
    (".hada_w1", LOHA),
    (".hada_w2", LOHA),
    (".hada_t", LOHA),
    (".lokr_w1", LOKR),
    (".lokr_w2", LOKR),
    (".lokr_t", LOKR),
    (".oft_", of("an OFT", INSTEAD)),
    (".boft_", of("a BOFT", INSTEAD)),
    (".on_input", of("an (IA)³", INSTEAD)),
    (".ia3_l", of("an (IA)³", INSTEAD)),
    (".hra_u", of("an HRA", INSTEAD)),
    ("lora_embedding_A", of("a LoRA of words", INSTEAD)),
];

/// How places of LyCORIS begin.
const PLACES: [&str; 3] = ["lora_", "lycoris_", "diffusion_model."];

/// Ends of names at such places: differences of LyCORIS and ComfyUI, and GLoRA.
const ENDS: [(&str, Relative); 9] = [
    (".diff", WHOLE),
    (".diff_b", WHOLE),
    (".set_weight", WHOLE),
    (".w_norm", WHOLE),
    (".b_norm", WHOLE),
    (".a1.weight", GLORA),
    (".a2.weight", GLORA),
    (".b1.weight", GLORA),
    (".b2.weight", GLORA),
];

/// Parts of places of LoRAs that belong to other models, the more telling first.
const OTHERS: [(&str, Relative); 12] = [
    (
        "motion_modules",
        of(
            "a LoRA for the motion of AnimateDiff",
            "take one for pictures that stand still",
        ),
    ),
    ("double_blocks", FLUX),
    ("single_blocks", FLUX),
    ("single_transformer_blocks", FLUX),
    (
        "joint_blocks",
        of("a LoRA for Stable Diffusion 3", OTHER_MODEL),
    ),
    (
        "add_q_proj",
        of("a LoRA for Stable Diffusion 3", OTHER_MODEL),
    ),
    (
        "lora_prior_unet",
        of("a LoRA for Stable Cascade", OTHER_MODEL),
    ),
    (
        "lora_te3_",
        of("a LoRA for Stable Diffusion 3", OTHER_MODEL),
    ),
    ("diffusion_model.blocks.", of("a LoRA for Wan", OTHER_MODEL)),
    ("diffusion_model.layers.", TRANSFORMER),
    ("lora_transformer_", TRANSFORMER),
    // diffusers' place of denoisers that are no UNet.
    ("transformer.transformer_blocks.", TRANSFORMER),
];

/// The relative that a name belongs to.
pub(in crate::model) fn relative(key: &str) -> Option<Relative> {
    let by_part = PARTS.iter().find(|(part, _)| key.contains(part));
    let by_end = || {
        let is_place = PLACES.iter().any(|start| key.starts_with(start));
        let mut ends = ENDS.iter().filter(|_| is_place);
        ends.find(|(end, _)| key.ends_with(end))
    };
    let by_place = || {
        let (place, _) = keys::read(key)?;
        OTHERS.iter().find(|(part, _)| place.contains(part))
    };
    let found = by_part.or_else(by_end).or_else(by_place);
    found.map(|(_, relative)| *relative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_and_those_of_other_models_are_told_by_their_names() {
        for (key, kind) in [
            ("lora_unet_a.dora_scale", "a DoRA"),
            ("oft_unet_a.oft_blocks", "an OFT"),
            ("unet.a.to_q.boft_R", "a BOFT"),
            ("lora_unet_a.on_input", "an (IA)³"),
            ("lora_unet_a.a1.weight", "a GLoRA"),
            ("lora_unet_a.diff_b", "a set of whole differences"),
            ("lora_unet_a_norm1.w_norm", "a set of whole differences"),
            (
                "down_blocks.0.motion_modules.0.a.to_q_lora.down.weight",
                "a LoRA for the motion of AnimateDiff",
            ),
            (
                "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
                "a LoRA for Flux",
            ),
            (
                "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",
                "a LoRA for Flux",
            ),
            (
                "transformer.transformer_blocks.0.attn.add_q_proj.lora_A.weight",
                "a LoRA for Stable Diffusion 3",
            ),
            (
                "diffusion_model.blocks.0.cross_attn.k.lora_A.weight",
                "a LoRA for Wan",
            ),
        ] {
            assert_eq!(relative(key).map(|it| it.kind), Some(kind), "{key}");
        }
        for key in [
            "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight",
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight",
            "model.diffusion_model.input_blocks.0.0.weight",
            "double_blocks.0.img_attn.proj.weight",
            "decoder.a1.weight",
        ] {
            assert_eq!(relative(key), None, "{key}");
        }
    }
}
