//! The language of prompts: what a model is told of it, and when.
//!
//! `data/reference/make_prompt_reference.py` computes the same states in Python, and
//! `make_conjunction_reference.py` whole runs of prompts that join several texts.
#![allow(
    clippy::unwrap_used,
    reason = "in tests an unwrap is an assertion; helpers are not seen as such"
)]

mod reference_support;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use reference_support::{Reference, difference, folder};
use serde::Deserialize;
use velatura::diffusion::{
    Conditions, GenerationRequest, GivenLatents, LatentDiffusion, Retelling, Session,
};
use velatura::engine::PromptReader;
use velatura::folders;
use velatura::model::conditioner::{Asked, Bench, TextReader};
use velatura::model::{ClipTokenizer, ModelFolder};
use velatura::recipe::prompt::{PromptSyntax, TextReading};
use velatura::recipe::{Latents, LayoutBox, LayoutInput, SamplerId};
use velatura::scenes::sample_prompt;

/// Largest difference allowed between Python and us.
const TOLERANCE: f64 = 1e-4;

#[derive(Deserialize)]
struct Case {
    prompt: String,
    clip_skip: u32,
}

fn load(name: &str) -> LatentDiffusion {
    let folder = ModelFolder::open(folder().join(name)).unwrap();
    LatentDiffusion::load(&folder, &Device::flex()).unwrap()
}

fn states(model: &LatentDiffusion, texts: [&str; 2], reading: TextReading) -> Tensor<3> {
    let asked = Asked::Text {
        prompt: texts[1],
        negative: Some(texts[0]),
        reading,
    };
    let mut bench = Bench {
        first_stage: model.model().first_stage(),
        size_px: [0, 0],
        noise: &mut |shape| Tensor::zeros(shape, &Device::flex()),
        device: &Device::flex(),
    };
    model.model().told_of(&asked, &mut bench).tokens().unwrap()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

#[test]
fn prompts_are_to_text_encoders_what_the_formula_of_the_web_ui_says() {
    let reference = Reference::open("prompts.safetensors");
    let cases: Vec<Case> = reference.cases();
    for name in ["sd1-tiny", "sd2-tiny"] {
        let model = load(name);
        for (index, case) in cases.iter().enumerate() {
            let reading = TextReading {
                clip_skip: case.clip_skip,
                ..TextReading::default()
            };
            let told = states(&model, ["fog", &case.prompt], reading);
            let [_, length, _] = told.dims();
            assert_eq!(length % 77, 0);
            let got = values(told.narrow(0, 1, 1));
            let wanted = reference.numbers(&format!("{name}.{index}"));
            let (largest, _) = difference(&got, &wanted);
            assert!(largest < TOLERANCE, "{name}, {}: {largest}", case.prompt);
        }
    }
}

/// A short text beside a long one ends with chunks without words.
#[test]
fn both_branches_are_as_long_as_the_longer_one() {
    let model = load("sd1-tiny");
    let long = "a red house, ".repeat(40);
    let reading = TextReading::default();
    let told = states(&model, ["fog", &long], reading);
    let [_, length, _] = told.dims();
    assert!(length > 77);
    let alone = states(&model, ["fog", ""], reading);
    let (fog, nothing) = (alone.clone().narrow(0, 0, 1), alone.narrow(0, 1, 1));
    let beside = told.narrow(0, 0, 1);
    let (largest, _) = difference(
        &values(beside.clone().narrow(1, 0, 77)),
        &values(fog).into_iter().map(f64::from).collect::<Vec<_>>(),
    );
    assert!(largest < 1e-5, "{largest}");
    let (largest, _) = difference(
        &values(beside.narrow(1, 77, 77)),
        &values(nothing)
            .into_iter()
            .map(f64::from)
            .collect::<Vec<_>>(),
    );
    assert!(largest < 1e-5, "{largest}");
}

fn request(prompt: &str, guidance_scale: f32) -> GenerationRequest {
    GenerationRequest {
        prompt: prompt.to_owned(),
        negative_prompt: "fog".to_owned(),
        sampler: Some(SamplerId::new("heun")),
        steps: 4,
        guidance_scale,
        seed: 7,
        width_px: 16,
        height_px: 16,
        given: velatura::diffusion::GivenLatents::default(),
        canvas: velatura::diffusion::Canvas::default(),
        ..GenerationRequest::default()
    }
}

fn painted(model: &LatentDiffusion, request: &GenerationRequest) -> Vec<f32> {
    told_on_the_way(model, request, &[])
}

/// The latents of a run that is told other prompts once so many steps are done.
fn told_on_the_way(
    model: &LatentDiffusion,
    request: &GenerationRequest,
    prompts: &[(usize, &str)],
) -> Vec<f32> {
    let mut session = Session::new(model, request).unwrap();
    loop {
        if let Some((_, prompt)) = prompts.iter().find(|(done, _)| *done == session.done()) {
            let negative = &request.negative_prompt;
            session.tell(model.told_of(prompt, negative, request.guidance_scale));
        }
        if session.step().unwrap().is_none() {
            return values(session.state().latents);
        }
    }
}

fn is_near(got: &[f32], wanted: &[f32]) -> bool {
    let wanted: Vec<f64> = wanted.iter().copied().map(f64::from).collect();
    let (largest, deviation) = difference(got, &wanted);
    largest < 1e-4 * deviation
}

#[test]
fn a_schedule_paints_what_is_painted_when_words_are_changed_by_hand() {
    let model = load("sd1-tiny");
    for guidance in [1.0, 3.0] {
        for (prompt, first, later) in [
            (
                "a [red:blue:0.5] house",
                "a red house",
                &[(2, "a blue house")][..],
            ),
            (
                "a house[ (at night:1.3):2]",
                "a house",
                &[(2, "a house (at night:1.3)")],
            ),
            (
                "[red|blue|green] house",
                "red house",
                &[(1, "blue house"), (2, "green house"), (3, "red house")],
            ),
        ] {
            let scheduled = painted(&model, &request(prompt, guidance));
            let by_hand = told_on_the_way(&model, &request(first, guidance), later);
            assert!(is_near(&scheduled, &by_hand), "{prompt}");
            let unchanged = painted(&model, &request(first, guidance));
            assert!(!is_near(&scheduled, &unchanged), "{prompt}");
        }
    }
}

/// With a picture to begin with, shares are of the steps that are done.
#[test]
fn a_schedule_can_be_told_on_the_way() {
    let model = load("sd1-tiny");
    let request = request("a [red:blue:0.5] house", 3.0);
    let scheduled = painted(&model, &request);
    let anew = |prompt: &str| {
        let mut session = Session::new(
            &model,
            &GenerationRequest {
                prompt: "a red house".to_owned(),
                ..request.clone()
            },
        )
        .unwrap();
        session.step().unwrap();
        let told = model.told_anew(&Retelling {
            prompt,
            negative_prompt: &request.negative_prompt,
            reading: request.reading,
            steps: session.total(),
            seed: 0,
            guidance_scale: request.guidance_scale,
            conditions: &request.conditions,
            size_px: [16, 16],
            canvas: request.canvas,
        });
        session.tell(told.unwrap());
        while session.step().unwrap().is_some() {}
        values(session.state().latents)
    };
    assert!(is_near(&anew("a [red:blue:0.5] house"), &scheduled));
    assert!(!is_near(&anew("a red house"), &scheduled));
}

#[derive(Deserialize)]
struct Conjunctions {
    side: u32,
    steps: u32,
    negative_prompt: String,
    r#box: [f32; 4],
    cases: Vec<ConjunctionCase>,
}

#[derive(Deserialize)]
struct ConjunctionCase {
    prompt: String,
    guidance: f32,
    has_box: bool,
}

impl Conjunctions {
    fn request(&self, case: &ConjunctionCase, noise: Vec<f64>) -> GenerationRequest {
        let side = (noise.len() / 4).isqrt();
        let noise = Latents {
            shape: [1, 4, side, side],
            values: noise.into_iter().map(|value| value as f32).collect(),
        };
        let sheep = LayoutBox {
            class: "two sheep".to_owned(),
            rect: self.r#box,
            colour: None,
        };
        GenerationRequest {
            prompt: case.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            sampler: Some(SamplerId::new("ddim")),
            steps: self.steps,
            guidance_scale: case.guidance,
            width_px: self.side,
            height_px: self.side,
            conditions: Conditions {
                layout: case.has_box.then(|| LayoutInput([sheep].into())),
                layout_weight: 1.0,
                ..Conditions::default()
            },
            given: GivenLatents {
                noise: Some(Arc::new(noise)),
                clean: None,
            },
            ..GenerationRequest::default()
        }
    }
}

/// Weights, a guidance of 1, texts of different lengths, schedules, empty texts and boxes.
#[test]
fn texts_that_are_joined_lead_together_by_the_formula_of_the_paper() {
    let reference = Reference::open("conjunctions.safetensors");
    let all: Conjunctions = reference.cases();
    let model = load("sd1-tiny");
    for (index, case) in all.cases.iter().enumerate() {
        let request = all.request(case, reference.numbers(&format!("{index}.noise")));
        let wanted = reference.numbers(&format!("{index}.run"));
        let (largest, deviation) = difference(&painted(&model, &request), &wanted);
        let prompt: String = case.prompt.chars().take(60).collect();
        println!("{prompt}: largest difference {largest:.1e} of {deviation:.2}");
        assert!(largest < TOLERANCE, "{prompt}: {largest}");
    }
}

/// What was joined is no more once the run is told one text, and the other way round.
#[test]
fn joined_texts_can_be_told_on_the_way() {
    let model = load("sd1-tiny");
    let anew = |first: &str, later: &str, guidance: f32| {
        let begun = request(first, guidance);
        let mut session = Session::new(&model, &begun).unwrap();
        let told = model.told_anew(&Retelling {
            prompt: later,
            negative_prompt: &begun.negative_prompt,
            reading: begun.reading,
            steps: session.total(),
            seed: 0,
            guidance_scale: guidance,
            conditions: &begun.conditions,
            size_px: [16, 16],
            canvas: begun.canvas,
        });
        session.tell(told.unwrap());
        while session.step().unwrap().is_some() {}
        values(session.state().latents)
    };
    let (one, several) = (
        "a red house",
        "a red house AND a moon :0.5 AND [fog:hill:0.5]",
    );
    for guidance in [1.0, 3.0] {
        let [alone, joined] = [one, several].map(|it| painted(&model, &request(it, guidance)));
        assert_ne!(alone, joined);
        assert_eq!(anew(several, one, guidance), alone);
        assert_eq!(anew(one, several, guidance), joined);
        assert_eq!(anew(several, several, guidance), joined);
    }
}

/// Without the word, and where it means nothing, the numbers are the same to the bit.
#[test]
fn one_text_is_painted_as_it_always_was() {
    let model = load("sd1-tiny");
    for guidance in [1.0, 3.0] {
        let weighted = request("sand and a house :1.2", guidance);
        let plain = GenerationRequest {
            reading: TextReading::PLAIN,
            ..weighted.clone()
        };
        assert_eq!(painted(&model, &weighted), painted(&model, &plain));
    }
    let negative = |text: &str| GenerationRequest {
        negative_prompt: text.to_owned(),
        ..request("a house", 3.0)
    };
    // A word like any other; this vocabulary knows no capitals.
    let word = painted(&model, &negative("fog AND rain"));
    assert_eq!(word, painted(&model, &negative("fog and rain")));
}

#[test]
fn words_without_signs_paint_the_same_bits_in_any_syntax() {
    for name in ["sd1-tiny", "sd2-tiny", "inpaint-tiny"] {
        let model = load(name);
        let usual = request("a small red house, at sunset", 3.0);
        let plain = GenerationRequest {
            reading: TextReading::PLAIN,
            ..usual.clone()
        };
        assert_eq!(painted(&model, &usual), painted(&model, &plain), "{name}");
    }
    let model = load("sd1-tiny");
    let usual = request("a (small:1.4) red house", 3.0);
    let plain = GenerationRequest {
        reading: TextReading::PLAIN,
        ..usual.clone()
    };
    assert_ne!(painted(&model, &usual), painted(&model, &plain));
    let skipped = GenerationRequest {
        reading: TextReading {
            syntax: PromptSyntax::Weighted,
            clip_skip: 2,
        },
        ..usual.clone()
    };
    assert_ne!(painted(&model, &usual), painted(&model, &skipped));
}

/// How Storybook reads prompts.
fn storybook() -> PromptReader {
    let folder = ModelFolder::open(folders::storybook_model().unwrap()).unwrap();
    PromptReader::new(TextReader::new(folder.tokenizer().unwrap()), 4)
}

#[test]
fn storybook_knows_the_words_of_its_scenes_and_no_others() {
    let reader = storybook();
    for index in 0..200 {
        let caption = sample_prompt(7, index);
        assert!(reader.unknown(&caption).is_empty(), "{caption}");
    }
    let text = "a (crocodlie:1.2) AND a Yellow bus BREAK <lora:wizard:1> it's ack";
    let unknown: Vec<&str> = reader
        .unknown(text)
        .into_iter()
        .map(|place| &text[place])
        .collect();
    assert_eq!(unknown, ["crocodlie", "it", "ack"]);
    assert_eq!(reader.nearest("crocodlie")[0], "crocodile");
    assert_eq!(reader.nearest("hous")[0], "house");
    assert!(reader.nearest("wizard").is_empty());
}

#[test]
fn words_by_which_boxes_are_placed_are_known_too() {
    let folder = ModelFolder::open(folders::storybook_model().unwrap()).unwrap();
    let prior = folder.load_layout_prior().unwrap().unwrap();
    let text = "a red car to the left of a big cow in front of a house";
    let marked = |reader: &PromptReader| reader.unknown(text).len();
    assert_eq!(marked(&storybook()), 4);
    let reader = storybook().knowing(&prior.config().words);
    assert_eq!(marked(&reader), 0);
    assert_eq!(reader.nearest("lfet"), ["left"]);
    assert_eq!(reader.unknown("a wizard").len(), 1);
}

#[test]
fn tokens_are_counted_as_they_are_read() {
    let reader = storybook();
    let count = |text: &str| {
        let count = reader.count(text, PromptSyntax::Weighted, 3);
        (count.tokens, count.room)
    };
    assert_eq!(count(""), (0, 38));
    assert_eq!(count("a (red:1.3) house"), (3, 38));
    assert_eq!(count("a [red|{two|three} green] house"), (4, 38));
    assert_eq!(count("a red house :1.5 AND a house"), (3, 38));
    assert!(count(&"a red house, ".repeat(2000)).0 > 38);
}

#[test]
fn who_learned_a_language_knows_every_word() {
    let clip = ClipTokenizer::from_merges(include_str!("../assets/clip/merges.txt"));
    let reader = PromptReader::new(TextReader::new(clip.unwrap()), 12);
    assert!(reader.unknown("qwertzuiop").is_empty());
    assert!(reader.nearest("hous").is_empty());
    let count = reader.count(&"house ".repeat(80), PromptSyntax::Weighted, 0);
    assert_eq!((count.tokens, count.room), (80, 150));
}
