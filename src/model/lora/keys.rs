//! The names of changes in files of all kinds of trainers.

/// What a tensor of a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    /// From the input to few numbers.
    Down,
    /// From few numbers to the output.
    Up,
    /// A convolution among the few numbers.
    Mid,
    /// The rank that the trainer's learning rate was meant for.
    Alpha,
}

/// Ends of names, the longer first where one ends another.
const ENDS: [(&str, Slot); 13] = [
    // kohya's.
    (".lora_down.weight", Slot::Down),
    (".lora_up.weight", Slot::Up),
    (".lora_mid.weight", Slot::Mid),
    // peft's.
    (".lora_A.weight", Slot::Down),
    (".lora_B.weight", Slot::Up),
    // diffusers' before peft.
    (".lora_linear_layer.down.weight", Slot::Down),
    (".lora_linear_layer.up.weight", Slot::Up),
    (".lora.down.weight", Slot::Down),
    (".lora.up.weight", Slot::Up),
    // Its oldest, of attention processors.
    ("_lora.down.weight", Slot::Down),
    ("_lora.up.weight", Slot::Up),
    ("_lora.alpha", Slot::Alpha),
    (".alpha", Slot::Alpha),
];

/// Ends of peft's names before that of an adapter.
const ADAPTER_ENDS: [(&str, Slot); 2] = [(".lora_A", Slot::Down), (".lora_B", Slot::Up)];

/// The place that a name tells, and what lies there; `None` for other names.
pub(super) fn read(key: &str) -> Option<(&str, Slot)> {
    let found = ENDS
        .iter()
        .find_map(|(end, slot)| Some((key.strip_suffix(end)?, *slot)));
    found.or_else(|| {
        let (named, _) = key.strip_suffix(".weight")?.rsplit_once('.')?;
        ADAPTER_ENDS
            .iter()
            .find_map(|(end, slot)| Some((named.strip_suffix(end)?, *slot)))
    })
}

/// What a place may be called in the model: without what trainers put before and
/// within it, best first.
pub(super) fn spellings(place: &str) -> Vec<String> {
    let mut all = vec![place.to_owned()];
    // Wrappers of peft, before the network or within its name, and of torch.compile.
    for wrapper in ["base_model.model.", "_orig_mod.", "_orig_mod_"] {
        if place.contains(wrapper) {
            all.push(place.replace(wrapper, ""));
        }
    }
    // Processors of attention: the matrix is told at the end.
    let matrices = [
        ("to_q", "q_proj", "to_q"),
        ("to_k", "k_proj", "to_k"),
        ("to_v", "v_proj", "to_v"),
        ("to_out", "out_proj", "to_out.0"),
    ];
    for (end, in_text, in_denoiser) in matrices {
        let Some(inner) = place.strip_suffix(end) else {
            continue;
        };
        if let Some(inner) = inner.strip_suffix("processor.") {
            all.push(format!("{inner}{in_denoiser}"));
        }
        all.push(format!("{inner}{in_text}"));
        all.push(format!("{inner}{in_denoiser}"));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_trainers_are_read() {
        for (key, place, slot) in [
            (
                "lora_unet_a_b.lora_down.weight",
                "lora_unet_a_b",
                Slot::Down,
            ),
            ("lora_unet_a_b.alpha", "lora_unet_a_b", Slot::Alpha),
            ("unet.a.to_q.lora_A.ink.weight", "unet.a.to_q", Slot::Down),
            ("unet.a.to_q.lora_B.weight", "unet.a.to_q", Slot::Up),
            (
                "unet.a.processor.to_out_lora.up.weight",
                "unet.a.processor.to_out",
                Slot::Up,
            ),
            (
                "text_encoder.a.q_proj.lora_linear_layer.down.weight",
                "text_encoder.a.q_proj",
                Slot::Down,
            ),
        ] {
            assert_eq!(read(key), Some((place, slot)), "{key}");
        }
        assert_eq!(read("model.diffusion_model.out.2.bias"), None);
        assert_eq!(read("unet.a.to_q.lora_B.bias"), None);
        let old = spellings("unet.a.processor.to_out");
        assert!(old.contains(&"unet.a.to_out.0".to_owned()), "{old:?}");
    }
}
