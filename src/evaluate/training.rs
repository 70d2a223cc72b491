//! How the judge learns: from scenes that know what each of their pixels shows.

use std::ops::ControlFlow;

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use rayon::prelude::*;

use super::EvaluateError;
use super::judge::{JudgeTraining, host, tensor};
use super::network::{Answers, CELLS, JudgeNetwork, SIZE_PX};
use super::questions::{BACKGROUNDS, PLACES, TIMES, Truth};
use super::reading::cell_labels;
use crate::nn;
use crate::scenes::{Scene, SceneSource, Style, label_of_class};
use crate::train::{Learner, LearnerOptions};

const WARM_UP: u32 = 50;

/// What a network should have said.
struct Targets {
    /// Of each cell.
    labels: Vec<i32>,
    /// Of each cell; 0 where none is.
    styles: Vec<i32>,
    /// Whether a cell has a style.
    has_style: Vec<f32>,
    time: Vec<i32>,
    place: Vec<i32>,
    background: Vec<i32>,
}

pub(super) fn train(
    training: JudgeTraining,
    device: &Device,
    observe: &mut dyn FnMut(u32, f32) -> ControlFlow<()>,
) -> Result<JudgeNetwork, EvaluateError> {
    let source = SceneSource::new(SIZE_PX as u32)?;
    let device = device.clone().autodiff();
    let seeded = nn::seeded(&device, training.seed);
    let network = JudgeNetwork::new(&device);
    nn::draw_weights(&network);
    drop(seeded);
    let options = LearnerOptions {
        betas: (0.9, 0.999),
        weight_decay: 0.01,
        clip_norm: 0.0,
        ema_decay: None,
    };
    let mut learner = Learner::new(network, options, &device);
    let batch = u64::from(training.batch.max(1));
    for step in 0..training.steps {
        let first = u64::from(step) * batch;
        let scenes: Vec<Scene> = (first..first + batch)
            .into_par_iter()
            .map(|index| source.scene(training.seed, index))
            .collect();
        let targets = Targets::of(&scenes);
        let pictures: Vec<_> = scenes.into_iter().map(|scene| scene.image).collect();
        let answers = learner.module().forward(tensor(&pictures, &device));
        let loss = targets.loss(answers, &device);
        let value = host(loss.clone())?.first().copied().unwrap_or(f32::NAN);
        learner.accumulate(loss.backward());
        learner.apply(rate(training, step), 1)?;
        if observe(step + 1, value).is_break() {
            return Err(EvaluateError::Stopped);
        }
    }
    use burn::module::Module as _;
    Ok(learner.module().valid())
}

/// A short warm-up, then half a cosine down to nothing.
fn rate(training: JudgeTraining, step: u32) -> f64 {
    let warm_up = WARM_UP.min(training.steps / 2).max(1);
    if step < warm_up {
        return training.learning_rate * f64::from(step + 1) / f64::from(warm_up);
    }
    let span = f64::from((training.steps - warm_up).max(1));
    let part = f64::from(step - warm_up) / span;
    training.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * part).cos())
}

impl Targets {
    fn of(scenes: &[Scene]) -> Self {
        let mut targets = Self {
            labels: Vec::with_capacity(scenes.len() * CELLS * CELLS),
            styles: Vec::new(),
            has_style: Vec::new(),
            time: Vec::new(),
            place: Vec::new(),
            background: Vec::new(),
        };
        let first_thing = usize::from(label_of_class(0));
        for scene in scenes {
            let truth = Truth::of(scene);
            let style = Style::ALL.iter().position(|s| *s == scene.attributes.style);
            for label in cell_labels(&scene.labels) {
                let is_thing = label >= first_thing;
                targets.labels.push(label as i32);
                targets.has_style.push(f32::from(u8::from(is_thing)));
                targets.styles.push(match style {
                    Some(style) if is_thing => style as i32,
                    _ => 0,
                });
            }
            let or_none = |answer: Option<usize>, count: usize| answer.unwrap_or(count - 1) as i32;
            targets.time.push(or_none(truth.time, TIMES));
            targets.place.push(or_none(truth.place, PLACES));
            targets
                .background
                .push(or_none(truth.background, BACKGROUNDS));
        }
        targets
    }

    fn loss(&self, answers: Answers, device: &Device) -> Tensor<1> {
        let count = self.time.len();
        let ints = |values: &[i32], shape: [usize; 4]| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<4, Int>::from_data(data, device)
        };
        let cells = [count, 1, CELLS, CELLS];
        let of_cells = |said: Tensor<4>, wanted: &[i32]| {
            activation::log_softmax(said, 1)
                .gather(1, ints(wanted, cells))
                .neg()
        };
        let of_rows = |said: Tensor<2>, wanted: &[i32]| {
            let data = TensorData::new(wanted.to_vec(), [count, 1]);
            let wanted = Tensor::<2, Int>::from_data(data, device);
            activation::log_softmax(said, 1)
                .gather(1, wanted)
                .neg()
                .mean()
        };
        let has_style =
            Tensor::<4>::from_data(TensorData::new(self.has_style.clone(), cells), device);
        let things = self.has_style.iter().sum::<f32>().max(1.0);
        // Objects fill a small part of a picture and are most of what is asked:
        // their cells count for as much as all others together.
        let surfaces = (self.has_style.len() as f32 - things).max(1.0);
        let rest: Tensor<4> = has_style.clone().neg() + 1.0;
        let weight: Tensor<4> = has_style.clone() / things + rest / surfaces;
        let labels: Tensor<1> = (of_cells(answers.labels, &self.labels) * weight).sum();
        let styles: Tensor<1> = (of_cells(answers.styles, &self.styles) * has_style).sum() / things;
        let setting = of_rows(answers.time, &self.time)
            + of_rows(answers.place, &self.place)
            + of_rows(answers.background, &self.background);
        labels + styles * 0.5 + setting * 0.3
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::questions::{STYLES, label_count};

    #[test]
    fn the_rate_rises_and_falls() {
        let training = JudgeTraining {
            steps: 1000,
            learning_rate: 1.0,
            ..Default::default()
        };
        assert!(rate(training, 0) < 0.05);
        assert_eq!(rate(training, 50), 1.0);
        assert!(rate(training, 999) < 1e-4);
    }

    /// Answers that say of everything how likely it is, as logarithms.
    fn answers(said: impl Fn(usize, usize) -> f32, pictures: usize) -> Answers {
        let cells = |kinds: usize| {
            let area = CELLS * CELLS;
            let values = (0..pictures * kinds * area)
                .map(|i| said(i / area % kinds, i / (kinds * area) * area + i % area));
            let values: Vec<f32> = values.collect();
            let data = TensorData::new(values, [pictures, kinds, CELLS, CELLS]);
            Tensor::<4>::from_data(data, &Device::flex())
        };
        let rows = |kinds: usize| Tensor::<2>::zeros([pictures, kinds], &Device::flex());
        Answers {
            labels: cells(label_count()),
            styles: cells(STYLES),
            time: rows(TIMES),
            place: rows(PLACES),
            background: rows(BACKGROUNDS),
        }
    }

    fn scenes() -> Vec<Scene> {
        let source = SceneSource::new(SIZE_PX as u32).expect("a size");
        let with_things = source
            .endless(5, 0)
            .filter(|scene| !scene.objects.is_empty());
        with_things.take(3).collect()
    }

    #[test]
    fn who_knows_nothing_loses_the_logarithm_of_the_choices() {
        let targets = Targets::of(&scenes());
        let loss = targets.loss(answers(|_, _| 0.0, 3), &Device::flex());
        let of = |kinds: usize| (kinds as f32).ln();
        // Cells of objects count as much as all others: each of the two for one.
        let expected = 2.0 * of(label_count())
            + 0.5 * of(STYLES)
            + 0.3 * (of(TIMES) + of(PLACES) + of(BACKGROUNDS));
        let loss = loss.into_scalar::<f32>();
        assert!(
            (loss - expected).abs() < 1e-4 * expected,
            "{loss} {expected}"
        );
    }

    #[test]
    fn only_the_right_answer_costs_nothing() {
        let targets = Targets::of(&scenes());
        let setting = 0.3
            * [TIMES, PLACES, BACKGROUNDS]
                .map(|n| (n as f32).ln())
                .iter()
                .sum::<f32>();
        let sure = |wanted: &[i32], shift: usize, kinds: usize| {
            let wanted: Vec<usize> = wanted.iter().map(|kind| *kind as usize).collect();
            move |kind: usize, cell: usize| {
                if kind == (wanted[cell] + shift) % kinds {
                    30.0
                } else {
                    0.0
                }
            }
        };
        let loss = |labels_shift: usize, styles_shift: usize| {
            let labels = sure(&targets.labels, labels_shift, label_count());
            let styles = sure(&targets.styles, styles_shift, STYLES);
            let right = Answers {
                labels: answers(labels, 3).labels,
                ..answers(styles, 3)
            };
            targets.loss(right, &Device::flex()).into_scalar::<f32>() - setting
        };
        assert!(loss(0, 0).abs() < 1e-3, "{}", loss(0, 0));
        // Sure of something else: 30 in the logarithm, twice for the labels.
        assert!((loss(1, 0) - 60.0).abs() < 0.01, "{}", loss(1, 0));
        assert!((loss(0, 1) - 15.0).abs() < 0.01, "{}", loss(0, 1));
    }

    #[test]
    fn a_few_steps_lower_the_loss() {
        let training = JudgeTraining {
            steps: 40,
            batch: 4,
            ..Default::default()
        };
        let mut losses = Vec::new();
        train(training, &Device::flex(), &mut |_, loss| {
            losses.push(loss);
            ControlFlow::Continue(())
        })
        .expect("a network");
        let mean = |range: std::ops::Range<usize>| losses[range].iter().sum::<f32>() / 5.0;
        assert!(mean(35..40) < 0.85 * mean(0..5), "{losses:?}");
    }
}
