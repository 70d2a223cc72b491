//! Names and shapes of every released model against the paper's own code
//! (`tests/data/originals/make_keys.py`).

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::*;

#[derive(serde::Deserialize)]
struct Released {
    names: usize,
    parameters: usize,
    sha256: String,
}

fn sized(config: &OriginalConfig) -> &OriginalConditioner {
    match &config.conditioner {
        ToldConditioner::Sized(conditioner) => conditioner,
        ToldConditioner::Clip(kind) => panic!("{kind:?} is none of the paper's"),
    }
}

fn zoo() -> BTreeMap<String, (OriginalConfig, Released)> {
    let folder = Path::new("tests/data/originals");
    let text = std::fs::read_to_string(folder.join("released.json")).unwrap();
    let told: BTreeMap<String, Released> = serde_json::from_str(&text).unwrap();
    told.into_iter()
        .map(|(name, told)| {
            let path = folder.join(format!("yaml/{name}.yaml"));
            let config = OriginalConfig::open(&path).unwrap().expect("a model");
            (name, (config, told))
        })
        .collect()
}

#[test]
fn every_released_configuration_gives_the_names_of_the_papers_code() {
    let released = zoo();
    assert_eq!(released.len(), 22);
    for (name, (config, told)) in released {
        let mut layout = Layout::new();
        let stage = config.first_stage.as_ref().expect("each has one");
        match &config.unet {
            Some(unet) => {
                layout.extend(unet.layout(UNET));
                layout.extend(stage.layout(FIRST_STAGE));
                layout.extend(sized(&config).layout());
            }
            None => layout.extend(stage.layout("")),
        }
        let sizes = layout.values().map(|shape| shape.iter().product::<usize>());
        assert_eq!(layout.len(), told.names, "{name}");
        assert_eq!(sizes.sum::<usize>(), told.parameters, "{name}");
        let mut digest = Sha256::new();
        for (key, shape) in &layout {
            let shape: Vec<String> = shape.iter().map(usize::to_string).collect();
            digest.update(format!("{key} {}\n", shape.join("x")));
        }
        let digits: String = digest
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(digits, told.sha256, "{name}");
    }
}

#[test]
fn sizes_follow_from_names_and_shapes_even_where_some_are_lost() {
    for (name, (config, _)) in zoo() {
        let stage = config.first_stage.as_ref().expect("each has one");
        let mut layout = stage.layout("");
        let seen = |layout: &Layout| {
            Seen::new(
                layout
                    .iter()
                    .map(|(name, shape)| (name.as_str(), shape.as_slice())),
            )
            .first_stage()
        };
        assert_eq!(seen(&layout).as_ref(), Some(stage), "{name}");
        layout.remove("encoder.conv_out.weight");
        layout.remove("decoder.up.0.block.0.conv1.weight");
        assert_eq!(seen(&layout).as_ref(), Some(stage), "{name}");
        let Some(unet) = &config.unet else {
            continue;
        };
        // Heads are told by no shape.
        let wanted = OriginalUnet {
            heads: None,
            ..unet.clone()
        };
        let mut layout = unet.layout("");
        let seen = |layout: &Layout| {
            Seen::new(
                layout
                    .iter()
                    .map(|(name, shape)| (name.as_str(), shape.as_slice())),
            )
            .unet()
        };
        assert_eq!(seen(&layout), Some(wanted.clone()), "{name}");
        for lost in [
            "time_embed.0.weight",
            "input_blocks.1.0.out_layers.3.weight",
            "middle_block.1.norm.weight",
        ] {
            layout.remove(lost);
        }
        layout.retain(|name, _| !name.starts_with("output_blocks.0."));
        assert_eq!(seen(&layout), Some(wanted), "{name}");
        let mut whole = unet.layout(UNET);
        whole.extend(sized(&config).layout());
        let seen = Seen::new(
            whole
                .iter()
                .map(|(name, shape)| (name.as_str(), shape.as_slice())),
        )
        .conditioner();
        let known = match sized(&config) {
            OriginalConditioner::FirstStage | OriginalConditioner::Picture => {
                &OriginalConditioner::Nothing
            }
            conditioner => conditioner,
        };
        assert_eq!(seen.as_ref(), Some(known), "{name}");
    }
}

/// Counted from the released configurations; the denoisers are ours, made of them.
#[test]
fn denoisers_of_released_models_have_their_numbers_of_weights() {
    let counts = [
        ("celeba256", 274_056_163),
        ("ffhq256", 274_056_163),
        ("lsun_beds256", 274_056_163),
        ("lsun_churches256", 294_966_916),
        ("cin256", 394_984_196),
        ("cin256-v2", 400_920_579),
        ("txt2img-1p4B", 872_300_484),
        ("text2img256", 403_623_939),
        ("layout2img-openimages256", 246_277_379),
        ("semantic_synthesis256", 215_229_315),
        ("semantic_synthesis512", 215_229_315),
        ("bsr_sr", 113_622_563),
        ("inpainting_big", 387_245_827),
    ];
    assert_eq!(released().len(), counts.len());
    let device = burn::tensor::Device::flex();
    for ((name, count), released) in counts.into_iter().zip(released()) {
        assert_eq!(released.name, name);
        let unet = released.config.unet.as_ref().expect("a denoiser");
        let config = unet.config(64).unwrap();
        assert_eq!(config.parameter_count().unwrap(), count, "{name}");
        // Each of our weights lies somewhere in the file, and none of those is left.
        let ours = crate::model::weights::layout(
            &config.init(&device).unwrap(),
            &crate::model::weights::names::DENOISER,
        );
        let ours: std::collections::BTreeSet<String> =
            ours.into_iter().map(|(name, _)| name).collect();
        let pieces = unet.pieces(str::to_owned);
        let stored: std::collections::BTreeSet<&String> =
            pieces.values().map(|piece| &piece.name).collect();
        assert_eq!(ours, pieces.keys().cloned().collect(), "{name}");
        assert_eq!(stored.len(), unet.layout("").len(), "{name}");
    }
}

#[test]
fn released_models_are_known_without_their_yaml() {
    for (name, (config, _)) in zoo() {
        let (Some(unet), Some(stage)) = (&config.unet, &config.first_stage) else {
            continue;
        };
        let kept = released().iter().find(|released| released.name == name);
        assert_eq!(kept.expect("each of them").config, config, "{name}");
        let bare = OriginalUnet {
            heads: None,
            ..unet.clone()
        };
        let shown = match sized(&config) {
            OriginalConditioner::FirstStage | OriginalConditioner::Picture => {
                &OriginalConditioner::Nothing
            }
            conditioner => conditioner,
        };
        let found = matching(&bare, stage, shown).expect("a released model");
        assert_eq!(found.config.unet, config.unet, "{name}");
        let wider = OriginalUnet {
            width: unet.width + 32,
            ..bare
        };
        assert!(matching(&wider, stage, shown).is_none(), "{name}");
    }
}

#[test]
fn what_configurations_say_of_use_is_read() {
    let released = zoo();
    let of = |name: &str| &released[name].0;
    let inpainting = of("inpainting_big");
    assert_eq!(inpainting.joined, Joined::Concatenated);
    assert_eq!(
        inpainting.unet.as_ref().unwrap().heads,
        Some(OriginalHeads::Count(8))
    );
    assert!(inpainting.has_averages);
    let schedule = &inpainting.schedule;
    assert_eq!(
        (schedule.start, schedule.end, schedule.steps),
        (0.0015, 0.0205, 1000)
    );
    assert_eq!(of("celeba256").joined, Joined::Nowhere);
    assert_eq!(of("cin256").joined, Joined::Attended);
    assert_eq!(
        of("cin256").unet.as_ref().unwrap().heads,
        Some(OriginalHeads::Width(32))
    );
    assert!(of("lsun_churches256").is_scaled_by_deviation);
    assert!(!of("cin256-v2").has_averages);
    assert_eq!(of("txt2img-1p4B").scale_factor, 0.18215);
    assert_eq!(of("kl-f8").unet, None);
}

/// The same networks by diffusers' names: those of our own modules.
#[test]
fn stable_diffusion_has_diffusers_names() {
    use crate::model::weights::{layout, names};
    use crate::model::{AutoencoderKlConfig, UNet2dConfig};
    use burn::tensor::Device;

    let device = Device::flex();
    let config = UNet2dConfig {
        cross_attention_dim: 768,
        ..Default::default()
    };
    let level = |channels, depth| OriginalLevel::even(channels, 2, depth);
    let unet = OriginalUnet {
        input_channels: 4,
        output_channels: 4,
        width: 320,
        levels: vec![level(320, 1), level(640, 1), level(1280, 1), level(1280, 0)],
        layers: 2,
        middle: crate::model::Middle::Attending(1),
        attention: OriginalAttention::Transformer {
            context: 768,
            is_linear: false,
        },
        heads: None,
        is_newly_ordered: false,
        is_scale_shift: false,
        resamples_in_blocks: false,
        is_grounded: false,
        classes: None,
        added_width: None,
    };
    let wanted: Layout = layout(&config.init(&device).unwrap(), &names::DIFFUSERS)
        .into_iter()
        .collect();
    assert_eq!(unet.diffusers_layout(), wanted);
    let config = AutoencoderKlConfig {
        block_out_channels: vec![128, 256, 512, 512],
        down_block_types: vec!["DownEncoderBlock2D".into(); 4],
        up_block_types: vec!["UpDecoderBlock2D".into(); 4],
        layers_per_block: 2,
        ..Default::default()
    };
    let released = zoo();
    let stage = released["kl-f8"].0.first_stage.as_ref().unwrap();
    let wanted: Layout = layout(&config.init(&device).unwrap(), &names::AUTOENCODER)
        .into_iter()
        .collect();
    assert_eq!(stage.diffusers_layout(), wanted);
}
