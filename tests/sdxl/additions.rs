//! LoRAs, learned words, and networks that are read when it is their turn.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use image::{GrayImage, Luma};
use velatura::diffusion::{GenerationRequest, LatentDiffusion, Session};
use velatura::model::conditioner::{Conditioning, LearnedWord};
use velatura::model::lora::{Changes, LoraFile};
use velatura::model::{Additions, ModelFolder};
use velatura::recipe::prompt::TextReading;

use super::kind::{Halves, Kind, numbers, write};
use super::{NEGATIVE, SIDE, load, picture, request, run, told};

#[test]
fn changes_and_words_reach_both_text_encoders() {
    let (scratch, [folder, _]) = Kind::written("base");
    let model = load(&folder);
    let half = |name: &str, shape: [usize; 2]| Halves::new(shape.into(), &numbers(name, &shape));
    let place = "text_model_encoder_layers_0_self_attn_q_proj";
    let mut tensors = HashMap::new();
    for (place, outputs, inputs) in [
        (format!("lora_te1_{place}"), 32, 32),
        (format!("lora_te2_{place}"), 64, 64),
        (
            "lora_unet_input_blocks_3_1_transformer_blocks_0_attn2_to_k".into(),
            64,
            96,
        ),
        (
            "lora_unet_up_blocks_0_attentions_0_transformer_blocks_1_attn1_to_q".into(),
            128,
            128,
        ),
        ("lora_unet_label_emb_0_0".into(), 128, 160),
    ] {
        tensors.insert(format!("{place}.lora_down.weight"), half("a", [2, inputs]));
        tensors.insert(format!("{place}.lora_up.weight"), half("b", [outputs, 2]));
    }
    let lora = scratch.path().join("lora.safetensors");
    write(&lora, &tensors);
    let mut changes = Changes::default();
    let file = LoraFile::open(&lora).unwrap();
    let targets = model.model().lora_targets();
    file.add_to(&mut changes, &targets, [1.0; 2]).unwrap();
    assert_eq!((changes.text.len(), changes.second_text.len()), (1, 1));
    assert_eq!(changes.denoiser.len(), 3);
    let words = HashMap::from([
        ("clip_l".to_owned(), half("l", [2, 32])),
        ("clip_g".to_owned(), half("g", [2, 64])),
    ]);
    let path = scratch.path().join("glow.safetensors");
    write(&path, &words);
    let widths = model.model().word_widths();
    assert_eq!(widths, [Some(32), Some(64)]);
    let word = LearnedWord::open(&path, widths).unwrap();
    let before = told(&model, "a glow", NEGATIVE, TextReading::default());
    let tokens = |told: &Conditioning| {
        told.tokens()
            .unwrap()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    let pooled = |told: &Conditioning| {
        told.added
            .clone()
            .unwrap()
            .into_data()
            .try_to_vec::<f32>()
            .unwrap()
    };
    for additions in [
        Additions {
            changes,
            ..Additions::default()
        },
        Additions {
            words: vec![word],
            ..Additions::default()
        },
    ] {
        let other = model.with(additions).unwrap();
        let after = told(&other, "a glow", NEGATIVE, TextReading::default());
        assert_eq!(tokens(&after).len(), tokens(&before).len());
        assert!(pooled(&after) != pooled(&before));
        // The states of the first encoder and those of the second.
        let at = 77 * 96 + 5 * 96;
        let (now, then) = (tokens(&after), tokens(&before));
        assert!(now[at..at + 32] != then[at..at + 32]);
        assert!(now[at + 32..at + 96] != then[at + 32..at + 96]);
    }
    let one = HashMap::from([("emb_params".to_owned(), half("l", [2, 32]))]);
    write(&path, &one);
    let sentence = LearnedWord::open(&path, widths).unwrap_err().to_string();
    assert!(sentence.contains("clip_l and clip_g"), "{sentence}");
}

#[test]
fn networks_that_are_read_in_turn_paint_the_same() {
    for name in ["base", "inpaint"] {
        let (scratch, [folder, _]) = Kind::written(name);
        let device = Device::flex();
        let opened = ModelFolder::open(&folder).unwrap();
        let in_turn = opened.clone().held_as_stored().in_turn();
        assert!(in_turn.is_in_turn());
        let size_px = [SIDE; 2];
        let [whole, least] = [&opened, &in_turn]
            .map(|folder| folder.painting_memory(size_px, 1).unwrap().total_bytes());
        assert!(least < whole * 2 / 3, "{least} of {whole} bytes");
        let is_inside = |x: u32, _| Luma([if x < 32 { 255 } else { 0 }]);
        let request = GenerationRequest {
            init: (name == "inpaint").then(picture),
            mask: (name == "inpaint").then(|| GrayImage::from_fn(SIDE, SIDE, is_inside)),
            ..request(NEGATIVE)
        };
        let kept = opened.held_as_stored();
        let [all, turns] = [kept, in_turn].map(|it| LatentDiffusion::load(&it, &device).unwrap());
        assert!(turns.model().is_in_turn() && !all.model().is_in_turn());
        assert_eq!(all.parameter_count(), turns.parameter_count());
        let numbers = |latents: Tensor<4>| latents.into_data().try_to_vec::<f32>().unwrap();
        let wanted = numbers(run(&all, &request));
        assert!(numbers(run(&turns, &request)) == wanted);
        // With what a LoRA changes too.
        let place = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj";
        let ends = [("lora_down", [2, 64]), ("lora_up", [64, 2])];
        let tensors = ends.map(|(end, shape)| {
            let values = Halves::new(shape.into(), &super::kind::numbers(end, &shape));
            (format!("{place}.{end}.weight"), values)
        });
        let lora = scratch.path().join("lora.safetensors");
        write(&lora, &HashMap::from(tensors));
        let changed = [&all, &turns].map(|model| {
            let mut changes = Changes::default();
            let targets = model.model().lora_targets();
            let file = LoraFile::open(&lora).unwrap();
            file.add_to(&mut changes, &targets, [1.0; 2]).unwrap();
            let changed = model.with(Additions {
                changes,
                ..Additions::default()
            });
            numbers(run(&changed.unwrap(), &request))
        });
        assert!(changed[0] == changed[1] && changed[0] != wanted);
        // A network that is gone is told, and nothing is painted.
        turns.model().let_go();
        let lost = folder.join("text_encoder_2/model.safetensors");
        std::fs::remove_file(&lost).unwrap();
        let error = Session::new(&turns, &request).err().unwrap().to_string();
        assert!(error.contains("text_encoder_2"), "{error}");
    }
}
