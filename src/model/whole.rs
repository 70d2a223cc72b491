//! A whole model: a first stage, a denoiser, and what the denoiser can be told.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};

use super::conditioner::grounding::grounding;
use super::conditioner::{
    Asked, Bench, Conditioner, Conditioning, Encoders, LearnedWord, Regional, TextReader,
};
use super::lora::{Changes, Targets};
use super::turns::{LateStage, Reading, StageReader, TurnWatch, Turns};
use super::unet::guidance_waves;
use super::weights::{self, names};
use super::{
    ClipTextModel, ControlNet, ControlNetFile, FirstStage, LatentInfo, Manifest, ModelError,
    ModelFolder, UNet2d, WeightDtype, work,
};
use crate::nn;
use crate::recipe::InputSpec;

/// The networks of a model on one device, and its manifest (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>).
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    first_stage: Box<dyn FirstStage>,
    /// Without weights where it is read in its turn.
    denoiser: UNet2d,
    conditioners: Vec<Arc<dyn Conditioner>>,
    /// How weights that a LoRA changes are held.
    changed_as: WeightDtype,
    /// What reads the networks when their turn comes; `None` where all are in memory.
    turns: Option<Arc<Turns>>,
    /// What reads the first stage when it is first asked, where that may wait.
    late_stage: Option<Arc<LateStage>>,
}

/// What is added to a model that is in memory.
#[derive(Debug, Default)]
pub struct Additions {
    /// Of its weights, by LoRA.
    pub changes: Changes,
    /// Words for its text encoder.
    pub words: Vec<LearnedWord>,
    /// Another first stage.
    pub first_stage: Option<Box<dyn FirstStage>>,
    /// Where another one lies that is read when its turn comes, for a model that is read so.
    pub first_stage_path: Option<PathBuf>,
    /// One that shows steps quickly; whoever paints keeps it.
    pub preview: Option<Box<dyn FirstStage>>,
}

impl Model {
    /// Reads all parts of a model, or those that need not wait for their turn.
    ///
    /// # Errors
    /// If a part is missing or damaged, or they do not fit together.
    pub fn load(folder: &ModelFolder, device: &Device) -> Result<Self, ModelError> {
        let manifest = folder.manifest();
        let is_told = manifest.inputs.iter().any(InputSpec::is_attended);
        if !is_told && !folder.unet_config()?.is_plain() {
            // Denoisers with cross-attention must be told something.
            folder.text_encoder_config()?;
        }
        if folder.is_in_turn() {
            let turns = Arc::new(Turns::new(folder, device)?);
            let first_stage = Turns::first_stage(&turns);
            // Their sizes are those of the networks that will be read.
            let denoiser = folder.unet_config()?.init(device)?;
            let encoders = Encoders::unread(folder, device)?;
            return Ok(Self {
                conditioners: Turns::conditioners(&turns),
                turns: Some(turns),
                changed_as: folder.held(),
                ..Self::new(manifest, first_stage, denoiser, encoders)?
            });
        }
        let late_stage = LateStage::of(folder, device)?;
        let first_stage = match &late_stage {
            Some(late) => LateStage::first_stage(late),
            None => folder.load_first_stage(device)?,
        };
        let (encoders, denoiser) =
            Encoders::load_beside(folder, device, || folder.load_unet(device))?;
        Ok(Self {
            changed_as: folder.held(),
            late_stage,
            ..Self::new(manifest, first_stage, denoiser, encoders)?
        })
    }

    /// Whether its networks are read when their turn comes.
    pub fn is_in_turn(&self) -> bool {
        self.turns.is_some()
    }

    /// Lets go of networks that are read when their turn comes.
    pub fn let_go(&self) {
        if let Some(turns) = &self.turns {
            turns.let_go();
        }
    }

    /// Has the reading of networks that wait until they are asked watched from now on, or no
    /// longer.
    pub fn watch_turns(&self, watch: Option<TurnWatch>) {
        if let Some(reading) = self.reading() {
            reading.set_watch(watch);
        }
    }

    /// The first stage, which is in memory then.
    ///
    /// # Errors
    /// If it is read when it is asked, and cannot be.
    pub fn present_first_stage(&self) -> Result<Box<dyn FirstStage>, ModelError> {
        match (&self.turns, &self.late_stage) {
            (Some(turns), _) => turns.present_stage(),
            (None, Some(late)) => late.present_stage(),
            (None, None) => Ok(self.first_stage.boxed()),
        }
    }

    /// What went wrong when a network was read since it was asked: what was said since then is
    /// worth nothing.
    ///
    /// # Errors
    /// That.
    pub fn check_turns(&self) -> Result<(), ModelError> {
        self.reading().map_or(Ok(()), Reading::check)
    }

    /// Of networks that wait until they are asked.
    fn reading(&self) -> Option<&Reading> {
        let turns = self.turns.as_ref().map(|turns| turns.reading());
        turns.or_else(|| Some(self.late_stage.as_ref()?.reading()))
    }

    /// A model of parts that are there already, such as those in training.
    ///
    /// # Errors
    /// If they do not fit together.
    pub fn new(
        manifest: Manifest,
        first_stage: Box<dyn FirstStage>,
        denoiser: UNet2d,
        encoders: Encoders,
    ) -> Result<Self, ModelError> {
        let latents = first_stage.info();
        let conditioners = encoders.conditioners(&manifest.inputs);
        let (told, made) = (denoiser.config().out_channels, latents.channels);
        if told != made {
            return Err(ModelError::unsupported(
                "UNet2DConditionModel",
                "out_channels",
                told,
                format!("the denoiser must answer in {made} channels, as latents have"),
            ));
        }
        let groups = conditioners.iter().flat_map(|it| it.groups(latents));
        manifest.fits(denoiser.config(), made, &groups.collect::<Vec<_>>())?;
        Ok(Self {
            manifest,
            first_stage,
            denoiser,
            conditioners: conditioners.into_iter().map(Arc::from).collect(),
            changed_as: WeightDtype::F32,
            turns: None,
            late_stage: None,
        })
    }

    /// What a LoRA may change.
    pub fn lora_targets(&self) -> Targets {
        let texts = self.text_encoders().map(|text| {
            text.map_or_else(Vec::new, |text| weights::layout(text, &names::CLIP_TEXT))
        });
        let [first, second] = texts;
        Targets::new(weights::layout(&self.denoiser, &names::DIFFUSERS), first)
            .with_second_text(second)
    }

    /// Whether a ControlNet was made for such models.
    ///
    /// # Errors
    /// If not: why.
    pub fn fits_control(&self, file: &ControlNetFile) -> Result<(), ModelError> {
        let config = file.config_for(self.denoiser.config(), self.latents())?;
        config.validate()
    }

    /// Reads a ControlNet for this model.
    ///
    /// # Errors
    /// If it does not fit, or is damaged.
    pub fn load_control(
        &self,
        file: &ControlNetFile,
        device: &Device,
        dtype: WeightDtype,
    ) -> Result<ControlNet, ModelError> {
        file.load(self.denoiser.config(), self.latents(), device, dtype)
    }

    /// Widths of the vectors of words in both text encoders; `None` for one that the model
    /// does not have.
    pub fn word_widths(&self) -> [Option<usize>; 2] {
        let texts = self.text_encoders();
        texts.map(|text| text.map(|text| text.config().hidden_size))
    }

    fn text_encoders(&self) -> [Option<&ClipTextModel>; 2] {
        let mut all = self.conditioners.iter().map(|it| it.text_encoders());
        let found = all.find(|texts| texts.iter().any(Option::is_some));
        found.unwrap_or_default()
    }

    /// The model with some additions. It stays what it is itself: what is not changed is
    /// shared, and only what is changed is in memory twice.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn with(&self, additions: Additions) -> Result<Self, ModelError> {
        let Additions {
            changes,
            words,
            first_stage,
            first_stage_path,
            preview: _,
        } = additions;
        if let Some(turns) = &self.turns {
            let turns = Arc::new(turns.with(changes, words, first_stage_path)?);
            let first_stage = first_stage.unwrap_or_else(|| Turns::first_stage(&turns));
            self.latents().check(first_stage.as_ref())?;
            return Ok(Self {
                manifest: self.manifest.clone(),
                first_stage,
                denoiser: self.denoiser.clone(),
                conditioners: Turns::conditioners(&turns),
                changed_as: self.changed_as,
                turns: Some(turns),
                late_stage: None,
            });
        }
        let late_stage = match first_stage {
            Some(_) => None,
            None => self.late_stage.clone(),
        };
        let first_stage = first_stage.unwrap_or_else(|| self.first_stage.boxed());
        self.latents().check(first_stage.as_ref())?;
        let conditioners = self.conditioners.iter();
        let conditioners = conditioners.map(|it| retold(it, &changes, &words, self.changed_as));
        let changed = &changes.denoiser;
        Ok(Self {
            manifest: self.manifest.clone(),
            first_stage,
            denoiser: weights::patched(
                self.denoiser.clone(),
                &names::DIFFUSERS,
                changed,
                self.changed_as,
            ),
            conditioners: conditioners.collect::<Result<_, ModelError>>()?,
            changed_as: self.changed_as,
            turns: None,
            late_stage,
        })
    }

    /// What can be asked of the model, and how it is used.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Between pictures and latents.
    pub fn first_stage(&self) -> &dyn FirstStage {
        self.first_stage.as_ref()
    }

    /// What latents are like.
    pub fn latents(&self) -> LatentInfo {
        self.first_stage.info()
    }

    /// What the denoiser is told of everything that is asked for, and of what is not.
    pub fn told(&self, asked: &[Asked<'_>], bench: &mut Bench<'_>) -> Conditioning {
        self.told_but(asked, &[], bench)
    }

    /// The same without what gives some groups of channels.
    pub fn told_but(
        &self,
        asked: &[Asked<'_>],
        left_out: &[&str],
        bench: &mut Bench<'_>,
    ) -> Conditioning {
        let gives = |it: &dyn Conditioner| {
            let groups = it.groups(self.latents());
            groups.iter().any(|(name, _)| left_out.contains(name))
        };
        let others = self.conditioners.iter().filter(|it| !gives(it.as_ref()));
        let told = others.fold(Conditioning::default(), |told, conditioner| {
            told.and(answer(conditioner.as_ref(), asked, bench))
        });
        let worded = asked.iter().map(|asked| self.worded(asked, bench));
        worded.fold(told, Conditioning::and)
    }

    /// What the denoiser is told of words that are those of a region or of a box.
    fn worded(&self, asked: &Asked<'_>, bench: &Bench<'_>) -> Conditioning {
        let conditioners = || self.conditioners.iter().map(AsRef::as_ref);
        match *asked {
            Asked::Regions { regions, reading } => Conditioning {
                regions: conditioners().find_map(|it| Regional::new(regions, reading, it, bench)),
                ..Conditioning::default()
            },
            Asked::Phrases {
                boxes,
                weight,
                is_guided,
            } => Conditioning {
                grounding: conditioners()
                    .find_map(|it| grounding(boxes, weight, is_guided, it, bench)),
                ..Conditioning::default()
            },
            _ => Conditioning::default(),
        }
    }

    /// What the denoiser is told of one thing alone.
    pub fn told_of(&self, asked: &Asked<'_>, bench: &mut Bench<'_>) -> Conditioning {
        let conditioners = self.conditioners.iter();
        let answers = conditioners.filter_map(|conditioner| conditioner.encode(asked, bench));
        let told = answers.fold(Conditioning::default(), Conditioning::and);
        told.and(self.worded(asked, bench))
    }

    /// Whether guidance was taught to the denoiser: it is told of its scale, and asked once.
    pub fn embeds_guidance(&self) -> bool {
        self.denoiser.config().guidance_width().is_some()
    }

    /// What the denoiser is told of a scale of guidance that was taught to it; nothing of
    /// one that is asked twice instead.
    pub fn guidance(&self, scale: f32, device: &Device) -> Conditioning {
        let width = self.denoiser.config().guidance_width();
        let waves = width.map(|width| {
            let waves = TensorData::new(guidance_waves(scale, width), [1, width]);
            Tensor::from_data(waves, device)
        });
        Conditioning {
            guidance: waves,
            ..Conditioning::default()
        }
    }

    /// What reads words, if the model is told of them.
    pub fn reader(&self) -> Option<&TextReader> {
        self.conditioners.iter().find_map(|it| it.reader())
    }

    /// Layers of the network that reads words, if there is one.
    pub fn text_layers(&self) -> Option<usize> {
        self.conditioners.iter().find_map(|it| it.text_layers())
    }

    /// What the denoiser says of noisy latents, once for each row that it is told
    /// (see [`Conditioning`]).
    ///
    /// # Shapes
    /// `latents`: `[1, channels, h, w]`; `timestep`: `[1]`; result: `[rows, channels, h, w]`.
    pub fn said(&self, latents: &Tensor<4>, timestep: Tensor<1>, told: &Conditioning) -> Tensor<4> {
        let order = &self.manifest.channels;
        let Some(turns) = &self.turns else {
            return told.ask(&self.denoiser, latents, timestep, order);
        };
        match turns.denoiser() {
            Some(denoiser) => told.ask(&denoiser, latents, timestep, order),
            // [`Self::check_turns`] tells why.
            None => Tensor::cat(vec![latents.zeros_like(); told.rows()], 0),
        }
    }

    /// Number of weights of all networks.
    pub fn parameter_count(&self) -> usize {
        let told = self.conditioners.iter().map(|it| it.parameter_count());
        nn::parameter_count(&self.denoiser)
            + self.first_stage.parameter_count()
            + told.sum::<usize>()
    }

    /// Multiply-adds of a pass through the denoiser for each place of the latents.
    pub fn denoiser_work(&self) -> f64 {
        work::denoiser_work(&self.denoiser)
    }
}

/// A conditioner whose text encoders are changed and were taught words; the same where it
/// has none, or nothing is changed.
pub(super) fn retold(
    conditioner: &Arc<dyn Conditioner>,
    changes: &Changes,
    words: &[LearnedWord],
    changed_as: WeightDtype,
) -> Result<Arc<dyn Conditioner>, ModelError> {
    let [first, second] = conditioner.text_encoders();
    let of_texts = [&changes.text, &changes.second_text];
    let is_changed = !words.is_empty() || of_texts.iter().any(|it| !it.is_empty());
    if first.or(second).is_none() || !is_changed {
        return Ok(Arc::clone(conditioner));
    }
    let patched = |network: Option<&ClipTextModel>, changes| {
        network.map(|network| {
            weights::patched(network.clone(), &names::CLIP_TEXT, changes, changed_as)
        })
    };
    let networks = [
        patched(first, &changes.text),
        patched(second, &changes.second_text),
    ];
    let anew = conditioner.with_texts(networks, words);
    anew.unwrap_or_else(|| Ok(Arc::clone(conditioner)))
}

/// What a conditioner says of what is asked for, or of nothing.
fn answer(
    conditioner: &dyn Conditioner,
    asked: &[Asked<'_>],
    bench: &mut Bench<'_>,
) -> Conditioning {
    let answer = asked
        .iter()
        .find_map(|asked| conditioner.encode(asked, bench));
    answer.unwrap_or_else(|| conditioner.nothing(bench))
}
