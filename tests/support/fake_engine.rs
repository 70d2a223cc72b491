//! An engine without a model: paints coloured hills by arithmetic, step by
//! step, in a time that the test sets.
#![allow(dead_code, reason = "each test uses its own part")]

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use image::{GrayImage, Luma, Rgba, RgbaImage, imageops};

use velatura::engine::protocol::{
    AdapterSummary, Ending, EngineError, EnlargedImage, JobOutcome, JobSpec, MemorySummary,
    ModelSummary, PaintedBy, PaintedImage, Segmentation, StepReport, StopReason, TrainEvent,
    TrainOutcome, TrajectoryFrame,
};
use velatura::engine::{Engine, EngineFactory, Flow, JobContext, PromptReader, Work};
use velatura::model::ClipTokenizer;
use velatura::model::conditioner::TextReader;
use velatura::recipe::{
    Enlarger, GenerateSpec, InputSpec, LayoutBox, LayoutInput, MaskConvention, ModelSource,
    PaletteClass, SamplerId, Schedule, TrainSpec, UpscaleSpec, knows_things,
};

/// What passes between two steps of a [`FakeEngine`].
#[derive(Clone, Debug)]
pub enum FakePace {
    /// Nothing.
    Immediate,
    /// A fixed time.
    Every(Duration),
    /// As long as it takes the test to send one permit per step.
    Gate(Receiver<()>),
}

/// A scripted engine. A prompt that says `panic` panics at the second step and
/// one that says `fail` fails there, so that both roads can be tested.
#[derive(Clone, Debug)]
pub struct FakeEngine {
    pace: FakePace,
    /// What was painted last: a picture that goes on from a step is that one.
    last: GenerateSpec,
}

impl FakeEngine {
    /// An engine with the given pace.
    pub fn new(pace: FakePace) -> Self {
        Self {
            pace,
            last: GenerateSpec::default(),
        }
    }

    /// A factory that makes such engines.
    pub fn factory(pace: FakePace) -> EngineFactory {
        Box::new(move || Ok(Box::new(Self::new(pace.clone()))))
    }
}

impl Engine for FakeEngine {
    fn adapter(&self) -> AdapterSummary {
        AdapterSummary {
            name: "CPU, 2 threads".to_owned(),
            is_gpu: false,
        }
    }

    fn begin(&mut self, spec: JobSpec) -> Box<dyn Work> {
        let pace = self.pace.clone();
        if let JobSpec::Generate(spec) = &spec {
            self.last = spec.as_ref().clone();
        }
        let (spec, done) = match spec {
            JobSpec::GoOn(step, ending) => {
                let (seed, done) = match ending {
                    Ending::Same => (self.last.seed, step.step),
                    Ending::Other { seed } => (seed, step.step),
                    Ending::Here => (self.last.seed, self.last.steps - 1),
                };
                let spec = GenerateSpec {
                    seed,
                    ..self.last.clone()
                };
                (JobSpec::Generate(Box::new(spec)), u64::from(done))
            }
            spec => (spec, 0),
        };
        Box::new(FakeWork {
            pace,
            spec,
            done,
            loss: None,
        })
    }
}

/// A job of a [`FakeEngine`], one step a slice.
struct FakeWork {
    pace: FakePace,
    spec: JobSpec,
    /// Steps done, over all pictures of a batch.
    done: u64,
    loss: Option<f32>,
}

impl Work for FakeWork {
    fn slice(&mut self, context: &JobContext) -> Result<Flow, StopReason> {
        if let (JobSpec::Generate(spec), Some(told)) = (&mut self.spec, context.take_told()) {
            **spec = spec.as_ref().clone().told_as(&told);
        }
        match self.spec.clone() {
            JobSpec::LoadModel(source, vae) => {
                let summary = summary(source);
                if summary.name == BARE && vae.is_none() {
                    let message = "There is no autoencoder in bare; choose one that goes with it.";
                    let error = EngineError::NoFirstStage(message.to_owned());
                    return Err(StopReason::Failed(error));
                }
                if summary.name == SLOW {
                    context.reading(100)(42);
                    self.wait(context)?;
                }
                Ok(Flow::Done(JobOutcome::ModelLoaded(summary)))
            }
            JobSpec::Generate(spec) => self.paint(&spec, context),
            JobSpec::GoOn(..) => unreachable!("it began as a generation"),
            JobSpec::Train(spec) => self.train(&spec, context),
            JobSpec::Upscale(spec) => self.upscale(&spec, context),
            JobSpec::Segment(picture) => self.segment(&picture.0, context),
            JobSpec::Compose(spec) => Ok(Flow::Done(JobOutcome::Composed(composed(&spec)))),
        }
    }
}

impl FakeWork {
    fn wait(&self, context: &JobContext) -> Result<(), StopReason> {
        match &self.pace {
            FakePace::Immediate => {}
            FakePace::Every(time) => std::thread::sleep(*time),
            FakePace::Gate(permits) => loop {
                match permits.recv_timeout(Duration::from_millis(5)) {
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => context.checkpoint()?,
                }
            },
        }
        context.checkpoint()
    }

    fn paint(&mut self, spec: &GenerateSpec, context: &JobContext) -> Result<Flow, StopReason> {
        if self.done == 0 {
            spec.validate()
                .map_err(|error| StopReason::Failed(EngineError::Spec(error)))?;
            context.memory(MemorySummary {
                used_bytes: if context.saves_memory() { 96 } else { 312 } << 20,
                total_bytes: Some(8 << 30),
            });
        }
        self.wait(context)?;
        let index = (self.done / u64::from(spec.steps)) as u32;
        let step = (self.done % u64::from(spec.steps)) as u32 + 1;
        if step == 2 && spec.prompt.contains("panic") {
            panic!("the prompt asked for it");
        }
        if step == 2 && spec.prompt.contains("fail") {
            let message = "The fake engine failed as its prompt asked it to; change the prompt.";
            return Err(StopReason::Failed(EngineError::Paint(message.to_owned())));
        }
        let seed = spec.seed.wrapping_add(u64::from(index));
        let painted_px = [spec.width_px, spec.height_px];
        let [width_px, height_px] = spec.frame.map_or(painted_px, |frame| frame.size_px());
        let target = scene(width_px, height_px, seed);
        let noise = 1.0 - step as f32 / spec.steps as f32;
        if context.is_watched() {
            context.frame(TrajectoryFrame {
                job: context.job(),
                index,
                step,
                total: spec.steps,
                image: Arc::new(paste_back(noisy(&target, noise, seed), spec)),
                planes: None,
            });
        }
        context.progress(index * spec.steps + step, spec.steps * spec.batch);
        self.done += 1;
        if step < spec.steps {
            return Ok(Flow::More);
        }
        let painted = paste_back(target, spec);
        context.painted(PaintedImage {
            image: Arc::new(match spec.finish {
                Some(finish) if spec.frame.is_none() => {
                    repeated(&painted, finish.finished_px(painted_px))
                }
                _ => painted,
            }),
            spec: Box::new(GenerateSpec {
                seed,
                // Around every frame it sees a house.
                prompt: match spec.around {
                    Some(_) => spec.prompt.replace("a house, ", ""),
                    None => spec.prompt.clone(),
                },
                sampler: spec.sampler.clone().or(Some(SamplerId::new("euler"))),
                schedule: spec.schedule.or(Some(Schedule::Uniform)),
                batch: 1,
                ..spec.clone()
            }),
            model_hash: "0123456789".to_owned(),
            model_name: "Fake".to_owned(),
            latents: None,
        });
        Ok(if index + 1 < spec.batch {
            Flow::More
        } else {
            Flow::Done(JobOutcome::Painted)
        })
    }

    /// By repetition, a picture a step. A model shows its steps.
    fn upscale(&mut self, spec: &UpscaleSpec, context: &JobContext) -> Result<Flow, StopReason> {
        self.wait(context)?;
        if let (Enlarger::Model(_), 0) = (&spec.by, self.done) {
            let first = spec.pictures.first().map(|picture| &picture.0);
            if let Some(picture) = first.filter(|_| context.is_watched()) {
                context.frame(TrajectoryFrame {
                    job: context.job(),
                    index: 0,
                    step: 1,
                    total: 2,
                    image: Arc::new(noisy(picture, 0.5, 3)),
                    planes: None,
                });
            }
            context.progress(0, spec.pictures.len() as u32);
            // It is looked at until the next permit.
            self.wait(context)?;
        }
        self.done += 1;
        let total = spec.pictures.len() as u64;
        context.progress(self.done as u32, total as u32);
        if self.done < total {
            return Ok(Flow::More);
        }
        let enlarged = spec.pictures.iter();
        let factor = spec.by.factor();
        let enlarged = enlarged.map(|picture| EnlargedImage {
            image: Arc::new(repeated(
                &picture.0,
                [picture.0.width(), picture.0.height()].map(|side| side * factor),
            )),
            by: match &spec.by {
                Enlarger::Network => None,
                Enlarger::Model(by) => Some(PaintedBy {
                    spec: Box::new(GenerateSpec {
                        model: by.model.clone(),
                        seed: by.seed,
                        low_resolution: Some(picture.clone()),
                        ..GenerateSpec::default()
                    }),
                    model_hash: "0123456789".to_owned(),
                    model_name: "Larger".to_owned(),
                }),
            },
        });
        Ok(Flow::Done(JobOutcome::Enlarged(enlarged.collect())))
    }

    /// Sky above, grass below, and a red bus in the lower right quarter.
    fn segment(&self, picture: &RgbaImage, context: &JobContext) -> Result<Flow, StopReason> {
        const SKY: u8 = 1;
        const GRASS: u8 = 7;
        const BUS: u8 = 57;
        self.wait(context)?;
        let (width, height) = picture.dimensions();
        let half = [width / 2, height / 2].map(|side| side as f32);
        let labels = GrayImage::from_fn(8, 8, |x, y| {
            Luma([match (x >= 4, y >= 4) {
                (_, false) => SKY,
                (false, true) => GRASS,
                (true, true) => BUS,
            }])
        });
        let boxes = vec![LayoutBox {
            class: "bus".to_owned(),
            rect: [half[0], half[1], half[0], half[1]],
            colour: Some("red".to_owned()),
        }];
        let read = Segmentation { labels, boxes };
        Ok(Flow::Done(JobOutcome::Segmented(read)))
    }

    /// Takes as long as nobody permits it to end, where the folder says so.
    fn write_checkpoint(&self, spec: &TrainSpec) {
        if let (true, FakePace::Gate(permits)) = (spec.output.ends_with(SLOW), &self.pace) {
            permits.recv().ok();
        }
    }

    fn train(&mut self, spec: &TrainSpec, context: &JobContext) -> Result<Flow, StopReason> {
        if self.done == spec.steps {
            return Ok(Flow::Done(JobOutcome::Trained(TrainOutcome {
                model: spec.output.clone(),
                step: spec.steps,
                is_complete: true,
                loss: self.loss,
                skipped: Vec::new(),
            })));
        }
        if let Err(reason) = self.wait(context) {
            self.write_checkpoint(spec);
            return Err(reason);
        }
        self.done += 1;
        let step = self.done;
        let done = step as f32 / spec.steps as f32;
        let wobble = (step as f32 * 12.9898).sin() * 0.03;
        let loss = 0.18 + 0.8 * (-5.0 * done).exp() + wobble;
        self.loss = Some(loss);
        context.training(TrainEvent::Step(StepReport {
            step,
            total: spec.steps,
            loss,
            learning_rate: spec.learning_rate,
            images_per_sec: 24.0,
            grad_norm: 1.0,
        }));
        let clamp = |step: u64| u32::try_from(step).unwrap_or(u32::MAX);
        context.progress(clamp(step), clamp(spec.steps));
        if step.is_multiple_of(spec.sample_every.max(1)) || step == spec.steps {
            let sheet = noisy(&scene(256, 128, 5), 1.0 - done, step);
            context.training(TrainEvent::SampleSheet {
                step,
                image: Arc::new(sheet),
                path: spec.output.join("samples.png"),
            });
        }
        Ok(Flow::More)
    }
}

/// The name of a folder whose model takes label maps too.
const JOINT: &str = "joint";
/// The name of one whose model takes no boxes.
const PLAIN: &str = "plain";
/// The name of one that takes boxes of any words.
const PHRASES: &str = "gligen";
/// The one that paints classes, and nothing else.
const CLASSES: &str = "classes";
/// A model that was trained on larger pictures.
const LARGE: &str = "large";
/// The name of one that is read, and written by a training that ends early, for as long as
/// there is no permit.
const SLOW: &str = "slow";
/// The name of one that opens with an autoencoder that is chosen, and not without.
const BARE: &str = "bare";

/// At another size.
fn repeated(picture: &RgbaImage, [width, height]: [u32; 2]) -> RgbaImage {
    imageops::resize(picture, width, height, imageops::FilterType::Nearest)
}

/// Knows the words of the first prompt and some more.
fn reader() -> PromptReader {
    let words = [
        "a yellow bus in the hills at sunset, 3d style",
        "a red house on the green hill",
    ];
    let tokenizer = ClipTokenizer::train(words, 700, 40).expect("room for words");
    PromptReader::new(TextReader::new(tokenizer), 4)
}

fn summary(source: ModelSource) -> ModelSummary {
    let name = match &source {
        ModelSource::Storybook => "Storybook".to_owned(),
        ModelSource::Folder(folder) | ModelSource::Described { file: folder, .. } => {
            folder.file_name().map_or_else(
                || folder.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            )
        }
    };
    let mut inputs = vec![
        InputSpec::Text { max_tokens: 77 },
        InputSpec::Mask {
            convention: MaskConvention::OneIsRepainted,
        },
    ];
    if name == PHRASES {
        inputs.push(InputSpec::Phrases { max_boxes: 30 });
    } else if name != PLAIN {
        inputs.push(InputSpec::Layout {
            classes: ["cat", "bus", "balloon"].map(str::to_owned).to_vec(),
            colours: ["red", "blue"].map(str::to_owned).to_vec(),
            max_boxes: 3,
            in_sequence: false,
        });
    }
    if name == JOINT {
        inputs.push(InputSpec::LowResolution {
            factor: 4,
            is_needed: false,
            degradation: None,
        });
        inputs.push(InputSpec::Semantic {
            classes: [(7, "sky", [120, 180, 240]), (8, "bus", [200, 40, 40])]
                .map(|(index, name, color)| PaletteClass {
                    index,
                    name: name.to_owned(),
                    color,
                })
                .to_vec(),
        });
    }
    if name == CLASSES {
        inputs = vec![InputSpec::Class {
            classes: ["tench", "goldfish", "hen"].map(str::to_owned).to_vec(),
            empty: Some(3),
        }];
    }
    ModelSummary {
        native_size_px: if name == LARGE { 96 } else { 64 },
        source,
        places_boxes: name == JOINT,
        knows_things: knows_things(&inputs),
        name,
        size_multiple_px: 16,
        default_sampler: SamplerId::new("euler"),
        default_schedule: Schedule::Uniform,
        default_steps: 20,
        default_guidance: 4.0,
        default_guidance_start: 0.0,
        inputs,
        prompts: Some(reader()),
        parameters: 8_400_000,
    }
}

/// A box for each bus that the words name.
fn composed(spec: &GenerateSpec) -> Option<LayoutInput> {
    let buses = spec.prompt.matches("bus").count();
    let box_of = |number: usize| LayoutBox {
        class: "bus".to_owned(),
        rect: [8.0 * number as f32, 8.0, 16.0, 16.0],
        colour: None,
    };
    (buses > 0).then(|| LayoutInput((0..buses).map(box_of).collect()))
}

/// Hills under a sky, different for every seed.
fn scene(width_px: u32, height_px: u32, seed: u64) -> RgbaImage {
    let phase = (seed % 997) as f32;
    RgbaImage::from_fn(width_px, height_px, |x, y| {
        let u = x as f32 / width_px as f32;
        let v = y as f32 / height_px as f32;
        let far = 0.55 + 0.08 * (u * 7.0 + phase).sin();
        let near = 0.75 + 0.07 * (u * 4.0 + phase * 1.7).sin();
        let sun = (u - 0.7).hypot((v - 0.25) * height_px as f32 / width_px as f32);
        let rgb = if v > near {
            [64.0, 112.0 + 40.0 * (v - near), 58.0]
        } else if v > far {
            [92.0, 128.0, 140.0 - 60.0 * (v - far)]
        } else if sun < 0.1 {
            [255.0, 226.0, 150.0]
        } else {
            [110.0 + 130.0 * v, 160.0 + 60.0 * v, 215.0]
        };
        Rgba([rgb[0] as u8, rgb[1] as u8, rgb[2] as u8, 255])
    })
}

fn noisy(image: &RgbaImage, amount: f32, seed: u64) -> RgbaImage {
    let mut noisy = image.clone();
    // xorshift64: any cheap, repeatable noise will do here.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for pixel in noisy.pixels_mut() {
        for channel in &mut pixel.0[..3] {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let noise = (state >> 56) as f32;
            *channel = (f32::from(*channel) * (1.0 - amount) + noise * amount) as u8;
        }
    }
    noisy
}

/// Keeps the input outside of the mask.
fn paste_back(mut image: RgbaImage, spec: &GenerateSpec) -> RgbaImage {
    if let (Some(init), Some(mask)) = (&spec.init, &spec.mask) {
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            let inside = x < init.0.width() && y < init.0.height();
            if inside && mask.0.get_pixel(x, y).0[0] == 0 {
                *pixel = *init.0.get_pixel(x, y);
            }
        }
    }
    image
}
