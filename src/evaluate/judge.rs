//! The judge: a trained network with its files, and what it reads in a picture.

use std::fs;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor, TensorData, activation};
use image::{RgbImage, imageops};
use serde::{Deserialize, Serialize};

use super::EvaluateError;
use super::around::LastAround;
use super::middles::{self, Middles};
use super::network::{self, CELLS, JudgeNetwork, SIZE_PX};
use super::questions::{BACKGROUNDS, label_count, label_names};
use super::reading::{Reading, largest, read_answers};
use super::training;
use crate::files::write_atomically;
use crate::model::weights::{
    self, SafetensorsFile, WeightDigest, WeightDtype, WeightSource as _, names,
};
use crate::pixels::push_planes;

const WEIGHTS: &str = "judge.safetensors";
const MIDDLES: &str = "middles.safetensors";
const ABOUT: &str = "judge.json";
/// Digits of a hash by which judges are told apart.
const DIGITS: usize = 8;
/// Pictures that are read at a time.
const AT_ONCE: usize = 16;

/// How a judge is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeTraining {
    /// Optimiser steps.
    pub steps: u32,
    /// Scenes of each step.
    pub batch: u32,
    /// Peak learning rate of AdamW.
    pub learning_rate: f64,
    /// Seed of weights and scenes.
    pub seed: u64,
}

impl Default for JudgeTraining {
    fn default() -> Self {
        Self {
            steps: 1800,
            batch: 24,
            learning_rate: 2e-3,
            // Of its own: a model should not be judged by scenes that it was trained on.
            seed: 0x006a_7564,
        }
    }
}

/// `judge.json`.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    size_px: usize,
    training: JudgeTraining,
    labels: Vec<String>,
}

/// A network that reads pictures.
#[derive(Debug)]
pub struct Judge {
    network: JudgeNetwork,
    /// What counts; `None` of a judge that was trained without.
    middles: Option<Middles>,
    training: JudgeTraining,
    device: Device,
    /// First digits of the hash of its weights, where they are in a file.
    digest: Option<String>,
    pub(super) around: LastAround,
}

impl Judge {
    /// Trains a judge on scenes; it takes some minutes on a processor.
    /// `observe` is told the steps done and the loss.
    ///
    /// # Errors
    /// If scenes cannot be drawn, the device fails, or `observe` has enough.
    pub fn train(
        training: JudgeTraining,
        observe: &mut dyn FnMut(u32, f32) -> ControlFlow<()>,
    ) -> Result<Self, EvaluateError> {
        // So small a network gains nothing from a graphics card.
        let device = Device::flex();
        Ok(Self {
            network: training::train(training, &device, observe)?,
            middles: None,
            training,
            device,
            digest: None,
            around: LastAround::default(),
        })
    }

    /// Whether a folder holds a judge.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(ABOUT).is_file()
    }

    /// Reads a judge.
    ///
    /// # Errors
    /// If there is none, its files are damaged, or it was trained on other scenes
    /// than this program draws.
    pub fn open(folder: &Path) -> Result<Self, EvaluateError> {
        let path = folder.join(ABOUT);
        let text = fs::read(&path).map_err(|source| EvaluateError::Io {
            action: "read",
            path: path.clone(),
            source,
        })?;
        let about: About = serde_json::from_slice(&text)
            .map_err(|_| EvaluateError::ForeignJudge(folder.to_path_buf()))?;
        if about.size_px != SIZE_PX || about.labels != label_names() {
            return Err(EvaluateError::ForeignJudge(folder.to_path_buf()));
        }
        let device = Device::flex();
        let source = SafetensorsFile::open(&folder.join(WEIGHTS))?;
        let network = JudgeNetwork::new(&device);
        let path = folder.join(MIDDLES);
        let middles = path.is_file().then(|| {
            let source = SafetensorsFile::open(&path)?;
            let fresh = Middles::new(&device);
            weights::load(
                fresh,
                &source,
                &names::DIFFUSERS,
                "middles",
                WeightDtype::F32,
            )
        });
        let digest = WeightDigest::new(source.files()).digits().ok();
        Ok(Self {
            network: weights::load(
                network,
                &source,
                &names::DIFFUSERS,
                "judge",
                WeightDtype::F32,
            )?,
            middles: middles.transpose()?,
            training: about.training,
            device,
            digest: digest.map(|mut digits| {
                digits.truncate(DIGITS);
                digits
            }),
            around: LastAround::default(),
        })
    }

    /// Makes the folder for a judge that is still to be trained.
    ///
    /// # Errors
    /// If it cannot be made, or holds weights of something else.
    pub fn make_room(folder: &Path) -> Result<(), EvaluateError> {
        let failed = |source| EvaluateError::Io {
            action: "write into",
            path: folder.to_path_buf(),
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        if folder.join(WEIGHTS).exists() && !Self::is_in(folder) {
            return Err(failed(io::Error::other(format!(
                "its {WEIGHTS} is of something else and would be replaced"
            ))));
        }
        Ok(())
    }

    /// Writes the judge into a folder, with half-precision weights (under 2 MB).
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), EvaluateError> {
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| EvaluateError::Io {
                action: "write",
                path,
                source,
            }
        };
        fs::create_dir_all(folder).map_err(failed(folder))?;
        let file = folder.join(WEIGHTS);
        weights::save(&self.network, &file, &names::DIFFUSERS, WeightDtype::F16)?;
        if let Some(middles) = &self.middles {
            let file = folder.join(MIDDLES);
            weights::save(middles, &file, &names::DIFFUSERS, WeightDtype::F16)?;
        }
        let about = About {
            size_px: SIZE_PX,
            training: self.training,
            labels: label_names(),
        };
        let mut text = serde_json::to_vec_pretty(&about).map_err(EvaluateError::device)?;
        text.push(b'\n');
        let path = folder.join(ABOUT);
        write_atomically(&path, |file| file.write_all(&text)).map_err(failed(&path))
    }

    /// How it was trained.
    pub fn training(&self) -> JudgeTraining {
        self.training
    }

    /// First digits of the hash of its weights; `None` where they are in no file.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Numbers that [`Self::features`] tells of a picture.
    pub const FEATURES: usize = network::FEATURES;

    /// What it sees of pictures of any size, one picture after the other: numbers by
    /// which sets of them are compared.
    ///
    /// # Errors
    /// If the device fails.
    pub fn features(&self, pictures: &[RgbImage]) -> Result<Vec<f32>, EvaluateError> {
        let mut features = Vec::with_capacity(pictures.len() * Self::FEATURES);
        for group in pictures.chunks(AT_ONCE) {
            let seen = self.network.valid().features(tensor(group, &self.device));
            features.extend(host(seen)?);
        }
        Ok(features)
    }

    /// Reads pictures of any size; they are scaled to its own.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(&self, pictures: &[RgbImage]) -> Result<Vec<Reading>, EvaluateError> {
        let mut readings = Vec::with_capacity(pictures.len());
        for group in pictures.chunks(AT_ONCE) {
            let answers = self.network.valid().forward(tensor(group, &self.device));
            readings.extend(read_answers(answers, group.len())?);
        }
        Ok(readings)
    }

    /// How many objects of a kind each picture shows, of the kind that is named for it;
    /// `None` if the judge cannot count.
    pub(super) fn count(
        &self,
        pictures: &[RgbImage],
        kinds: &[usize],
    ) -> Result<Option<Vec<u32>>, EvaluateError> {
        let Some(middles) = &self.middles else {
            return Ok(None);
        };
        let middles = middles.valid();
        let mut counts = Vec::with_capacity(pictures.len());
        for (pictures, kinds) in pictures.chunks(AT_ONCE).zip(kinds.chunks(AT_ONCE)) {
            let (labels, seen) = self.network.valid().cells(tensor(pictures, &self.device));
            let shares = host(activation::softmax(labels, 1))?;
            let said = host(activation::sigmoid(middles.forward(seen)))?;
            let pairs = shares.chunks(label_count() * CELLS * CELLS);
            let pairs = pairs.zip(said.chunks(CELLS * CELLS)).zip(kinds);
            counts.extend(pairs.map(|((shares, said), kind)| middles::count(said, shares, *kind)));
        }
        Ok(Some(counts))
    }

    /// What pictures of its own size show.
    pub(super) fn look(&self, pictures: &[RgbImage]) -> Result<Vec<Sight>, EvaluateError> {
        let mut sights = Vec::with_capacity(pictures.len());
        for group in pictures.chunks(AT_ONCE) {
            let answers = self.network.valid().forward(tensor(group, &self.device));
            let labels = host(activation::softmax(answers.labels, 1))?;
            let grounds = host(answers.background)?;
            let labels = labels.chunks(label_count() * CELLS * CELLS);
            let seen = labels.zip(grounds.chunks(BACKGROUNDS));
            sights.extend(seen.map(|(shares, grounds)| Sight {
                shares: shares.to_vec(),
                is_sticker: largest(grounds) + 1 < BACKGROUNDS,
            }));
        }
        Ok(sights)
    }
}

/// What a picture shows, as likely as it is.
pub(super) struct Sight {
    /// How likely each label is in each cell: `[label][cell]`.
    pub shares: Vec<f32>,
    /// Whether its objects lie on a plain ground.
    pub is_sticker: bool,
}

/// Pictures as the network wants them.
pub(super) fn tensor(pictures: &[RgbImage], device: &Device) -> Tensor<4> {
    let side = SIZE_PX as u32;
    let mut values = Vec::with_capacity(pictures.len() * 3 * SIZE_PX * SIZE_PX);
    for picture in pictures {
        let scaled;
        let picture = if picture.dimensions() == (side, side) {
            picture
        } else {
            scaled = imageops::resize(picture, side, side, imageops::FilterType::Triangle);
            &scaled
        };
        push_planes(picture, &mut values);
    }
    let shape = [pictures.len(), 3, SIZE_PX, SIZE_PX];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The numbers of a tensor.
pub(super) fn host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EvaluateError> {
    tensor
        .try_into_data()
        .map_err(EvaluateError::device)?
        .try_into_vec_as::<f32>()
        .map_err(EvaluateError::device)
}

#[cfg(test)]
mod tests {
    use super::super::questions::Question;
    use super::super::reading::SURE;
    use super::*;
    use crate::scenes::{SceneSource, classes};

    /// The judge that comes with the program.
    fn bundled() -> Judge {
        Judge::open(Path::new("assets/judge")).expect("a judge")
    }

    #[test]
    fn training_tells_every_step_and_can_be_stopped() {
        let training = JudgeTraining {
            steps: 3,
            batch: 2,
            ..Default::default()
        };
        let mut told = Vec::new();
        let stopped = Judge::train(training, &mut |step, loss| {
            told.push((step, loss.is_finite()));
            match step {
                2 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        });
        assert!(matches!(stopped, Err(EvaluateError::Stopped)));
        assert_eq!(told, [(1, true), (2, true)]);
    }

    #[test]
    fn the_bundled_judge_reads_scenes_that_it_never_saw() {
        let judge = bundled();
        let source = SceneSource::new(SIZE_PX as u32).expect("a size");
        let scenes: Vec<_> = source.endless(99, 0).take(60).collect();
        let pictures: Vec<_> = scenes.iter().map(|scene| scene.image.clone()).collect();
        let readings = judge.read(&pictures).expect("readings");
        let mut right = [0.0_f32; 5];
        let mut asked = [0.0_f32; 5];
        let mut count = |question: usize, is_right: bool| {
            asked[question] += 1.0;
            right[question] += f32::from(u8::from(is_right));
        };
        for (scene, reading) in scenes.iter().zip(&readings) {
            let truth = super::super::Truth::of(scene);
            for (i, question) in Question::ALL.into_iter().enumerate() {
                if let Some(answer) = truth.answer(question) {
                    count(i, reading.answer(question) == Some(answer));
                }
            }
            for class in 0..classes().len() {
                let is_there = truth.objects.contains(&class);
                if is_there || reading.shows(class, None) {
                    count(4, is_there && reading.shows(class, None));
                }
            }
        }
        let part: Vec<f32> = right.iter().zip(asked).map(|(r, a)| r / a).collect();
        // Time, place and background are plain to see; of three styles and dozens of
        // objects some are alike.
        assert!(part[..3].iter().all(|part| *part > 0.9), "{part:?}");
        assert!(part[3] > 0.6 && part[4] > 0.55, "{part:?}");
    }

    #[test]
    fn a_judge_is_the_same_after_saving() {
        let folder = tempfile::tempdir().expect("a folder");
        let judge = bundled();
        judge.save(folder.path()).expect("saved");
        assert!(Judge::is_in(folder.path()));
        let size = fs::metadata(folder.path().join(WEIGHTS))
            .expect("a file")
            .len();
        assert!(size < 2_000_000, "{size}");
        let again = Judge::open(folder.path()).expect("opened");
        assert_eq!(again.training(), judge.training());
        let source = SceneSource::new(96).expect("a size");
        let pictures: Vec<_> = (0..8).map(|i| source.scene(0, i).image).collect();
        let read = |judge: &Judge| {
            let readings = judge.read(&pictures).expect("readings").into_iter();
            readings
                .flat_map(|reading| reading.objects.concat())
                .collect::<Vec<f32>>()
        };
        // Weights that were read in half precision are written in it without loss.
        assert_eq!(read(&judge), read(&again));
        assert!(read(&judge).iter().any(|probability| *probability > SURE));
        // Somebody else's weights are not replaced.
        fs::rename(folder.path().join(ABOUT), folder.path().join("x")).expect("renamed");
        assert!(Judge::make_room(folder.path()).is_err());
        assert!(Judge::make_room(&folder.path().join("new")).is_ok());
        fs::write(folder.path().join(ABOUT), "{}").expect("written");
        let error = Judge::open(folder.path()).expect_err("not ours");
        assert!(matches!(error, EvaluateError::ForeignJudge(_)), "{error}");
    }
}
