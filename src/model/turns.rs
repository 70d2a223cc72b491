//! Networks that are read when their turn comes: no more than one is in memory at a time.

mod late;
mod reading;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor};

use super::conditioner::{
    Asked, Bench, Conditioner, Conditioning, Encoders, LearnedWord, TextReader,
};
use super::lora::Changes;
use super::weights::{self, names};
use super::whole::retold;
use super::{ClipTextModel, FirstStage, LatentInfo, ModelError, ModelFolder, UNet2d, UNet2dConfig};
use crate::recipe::InputSpec;
use crate::recipe::prompt::TextReading;

pub use reading::TurnWatch;

pub(super) use late::LateStage;
pub(super) use reading::Reading;
use stage::StageInTurn;
pub(super) use stage::StageReader;

/// Reads networks in their turn.
#[derive(Debug)]
pub(super) struct Turns {
    folder: ModelFolder,
    device: Device,
    /// The conditioners, whose networks have their sizes and no weights.
    unread: Vec<Arc<dyn Conditioner>>,
    changes: Changes,
    words: Vec<LearnedWord>,
    /// A first stage in place of the model's own.
    other_stage: Option<PathBuf>,
    /// The first stage that is read, without its weights.
    unread_stage: Box<dyn FirstStage>,
    held: Mutex<Held>,
    reading: Reading,
}

/// What is in memory.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    Denoiser(Box<UNet2d>),
    Text(Arc<dyn Conditioner>),
    Stage(Box<dyn FirstStage>),
}

impl Turns {
    /// Of a model of which nothing is read yet.
    ///
    /// # Errors
    /// If there is no first stage, a network cannot be built, or its words cannot be read.
    pub fn new(folder: &ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let encoders = Encoders::unread(folder, device)?;
        let unread = encoders.conditioners(&folder.manifest().inputs);
        Ok(Self {
            // Who waited for the model to be loaded does not wait for it while it paints.
            folder: folder.clone().unwatched(),
            device: device.clone(),
            unread: unread.into_iter().map(Arc::from).collect(),
            changes: Changes::default(),
            words: Vec::new(),
            other_stage: None,
            unread_stage: folder.unread_first_stage(None, device)?,
            held: Mutex::default(),
            reading: Reading::default(),
        })
    }

    /// The same with changes, words and first stage instead of those that it had; nothing is
    /// in memory of either then.
    ///
    /// # Errors
    /// If the words or the first stage do not fit.
    pub fn with(
        &self,
        changes: Changes,
        words: Vec<LearnedWord>,
        other_stage: Option<PathBuf>,
    ) -> Result<Self, ModelError> {
        self.let_go();
        // Weights that are not there are not changed.
        let none = Changes::default();
        let unread = self.unread.iter();
        let unread = unread.map(|it| retold(it, &none, &words, self.folder.held()));
        Ok(Self {
            folder: self.folder.clone(),
            device: self.device.clone(),
            unread: unread.collect::<Result<_, ModelError>>()?,
            changes,
            words,
            unread_stage: self
                .folder
                .unread_first_stage(other_stage.as_deref(), &self.device)?,
            other_stage,
            held: Mutex::default(),
            reading: self.reading.anew(),
        })
    }

    /// The folder, to read a network that takes so many bytes.
    fn folder_for(&self, bytes: usize) -> ModelFolder {
        let folder = self.folder.clone();
        match self.reading.watch(bytes) {
            Some(watch) => folder.watched(watch),
            None => folder,
        }
    }

    /// The conditioners; those for words are read when they are asked.
    pub fn conditioners(turns: &Arc<Self>) -> Vec<Arc<dyn Conditioner>> {
        let in_turn = |like: &Arc<dyn Conditioner>| -> Arc<dyn Conditioner> {
            let like = Arc::clone(like);
            if !reads_words(&like) {
                return like;
            }
            let turns = Arc::clone(turns);
            Arc::new(InTurn { like, turns })
        };
        turns.unread.iter().map(in_turn).collect()
    }

    /// Lets go of what is in memory.
    pub fn let_go(&self) {
        *self.held() = Held::Nothing;
    }

    /// The first stage, which is read when it is asked.
    pub fn first_stage(turns: &Arc<Self>) -> Box<dyn FirstStage> {
        let reader = Arc::clone(turns);
        Box::new(StageInTurn::new(turns.unread_stage.boxed(), reader))
    }

    /// The denoiser; `None` where it cannot be read, which [`Reading::check`] tells.
    pub fn denoiser(&self) -> Option<UNet2d> {
        let mut held = self.held();
        if let Held::Denoiser(network) = &*held {
            return Some(UNet2d::clone(network));
        }
        // The other one goes first.
        *held = Held::Nothing;
        let numbers = self
            .folder
            .unet_config()
            .and_then(UNet2dConfig::parameter_count);
        let bytes = self.folder.denoiser_bytes(numbers.unwrap_or_default());
        let folder = self.folder_for(bytes);
        let network = self.reading.told(folder.load_unet(&self.device))?;
        let changes = &self.changes.denoiser;
        let network = weights::patched(network, &names::DIFFUSERS, changes, self.folder.held());
        *held = Held::Denoiser(Box::new(network.clone()));
        Some(network)
    }

    /// What tells of words; `None` where it cannot be read, which [`Reading::check`] tells.
    fn text(&self) -> Option<Arc<dyn Conditioner>> {
        let mut held = self.held();
        if let Held::Text(text) = &*held {
            return Some(Arc::clone(text));
        }
        *held = Held::Nothing;
        let folder = self.folder_for(self.folder.text_bytes());
        let read = || {
            let encoders = Encoders::load(&folder, &self.device)?;
            let conditioners = encoders.conditioners(&self.folder.manifest().inputs);
            let mut conditioners = conditioners.into_iter().map(Arc::from);
            let found = conditioners.find(reads_words);
            let text = found.ok_or_else(|| ModelError::MissingPart {
                folder: self.folder.path().to_path_buf(),
                part: "text encoder (text_encoder)",
            })?;
            retold(&text, &self.changes, &self.words, self.folder.held())
        };
        let text = self.reading.told(read())?;
        *held = Held::Text(Arc::clone(&text));
        Some(text)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StageReader for Turns {
    fn stage(&self) -> Option<Box<dyn FirstStage>> {
        let mut held = self.held();
        if let Held::Stage(stage) = &*held {
            return Some(stage.boxed());
        }
        *held = Held::Nothing;
        let numbers = self.unread_stage.parameter_count();
        let other = self.other_stage.as_deref();
        let folder = self.folder_for(self.folder.first_stage_bytes(numbers, other));
        let read = match &self.other_stage {
            Some(path) => folder.load_first_stage_instead(path, &self.device),
            None => folder.load_first_stage(&self.device),
        };
        let stage = self.reading.told(read)?;
        *held = Held::Stage(stage.boxed());
        Some(stage)
    }

    fn reading(&self) -> &Reading {
        &self.reading
    }

    fn model(&self) -> &Path {
        self.folder.path()
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// Whether networks of a model can be read in turn: others than those of words are small, and
/// so are the models that have them.
pub(super) fn are_possible(inputs: &[InputSpec]) -> bool {
    inputs.iter().all(|input| {
        matches!(
            input,
            InputSpec::Text { .. } | InputSpec::Mask { .. } | InputSpec::Phrases { .. }
        )
    })
}

fn reads_words(conditioner: &Arc<dyn Conditioner>) -> bool {
    conditioner.text_encoders().iter().any(Option::is_some)
}

/// Tells of words by networks that are read when it is asked.
#[derive(Debug)]
struct InTurn {
    /// The same, whose networks have their sizes and no weights.
    like: Arc<dyn Conditioner>,
    turns: Arc<Turns>,
}

impl Conditioner for InTurn {
    fn encode(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Option<Conditioning> {
        match asked {
            Asked::Text { .. } => self.turns.text()?.encode(asked, bench),
            _ => None,
        }
    }

    fn nothing(&self, bench: &mut Bench<'_>) -> Conditioning {
        let text = self.turns.text();
        text.map_or_else(Conditioning::default, |text| text.nothing(bench))
    }

    fn words(
        &self,
        texts: &[&str],
        reading: TextReading,
        bench: &Bench<'_>,
    ) -> Option<Conditioning> {
        self.turns.text()?.words(texts, reading, bench)
    }

    fn phrases(&self, phrases: &[&str], device: &Device) -> Option<Tensor<2>> {
        self.turns.text()?.phrases(phrases, device)
    }

    fn groups(&self, latents: LatentInfo) -> Vec<(&'static str, usize)> {
        self.like.groups(latents)
    }

    fn reader(&self) -> Option<&TextReader> {
        self.like.reader()
    }

    fn text_layers(&self) -> Option<usize> {
        self.like.text_layers()
    }

    fn text_encoders(&self) -> [Option<&ClipTextModel>; 2] {
        self.like.text_encoders()
    }

    fn parameter_count(&self) -> usize {
        self.like.parameter_count()
    }
}
