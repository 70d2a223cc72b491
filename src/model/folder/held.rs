//! How the weights of a model on disk are held in memory.

use std::path::Path;

use super::{ModelFolder, SECOND_TEXT, TEXT, UNET};
use crate::model::first_stage::FirstStagePlace;
use crate::model::weights::{self, WeightSource};
use crate::model::{ClipTextConfig, WeightDtype};

/// Numbers of a denoiser from which on half the memory is worth the widening.
const WORTH_HALVES: usize = 64_000_000;

impl ModelFolder {
    /// The same folder, whose weights will be held as `dtype` in memory.
    ///
    /// Half precision halves the memory; it is for painting, not for training.
    #[must_use]
    pub fn held_as(self, dtype: WeightDtype) -> Self {
        Self {
            held: dtype,
            keeps_halves: false,
            ..self
        }
    }

    /// The same folder, of which parts that are stored in half precision will be held so,
    /// and all others in f32: nothing is rounded, and what is computed is the same. What a
    /// LoRA changes becomes f32.
    ///
    /// For painting on the processor, not for training.
    #[must_use]
    pub fn held_as_stored(self) -> Self {
        Self {
            held: WeightDtype::F32,
            keeps_halves: true,
            ..self
        }
    }

    /// The same folder, held as the processor paints best with it: as it is stored, or in f32
    /// where the model is so small that nobody misses the memory. Widening costs a small
    /// network some per cent of its steps.
    ///
    /// For painting on the processor, not for training.
    #[must_use]
    pub fn held_to_paint(self) -> Self {
        let numbers = self
            .unet_config()
            .and_then(|config| config.parameter_count());
        match numbers.is_ok_and(|numbers| numbers < WORTH_HALVES) {
            true => self.held_as(WeightDtype::F32),
            false => self.held_as_stored(),
        }
    }

    /// How weights will be held in memory; for some parts in half the bytes after
    /// [`Self::held_as_stored`].
    pub fn held(&self) -> WeightDtype {
        self.held
    }

    /// How a part will be held.
    pub(super) fn held_for(&self, source: &dyn WeightSource) -> WeightDtype {
        let stored = self.keeps_halves.then(|| weights::stored_halves(source));
        stored.flatten().unwrap_or(self.held)
    }

    /// Bytes that a number of a part will take, which is told by the file of its weights.
    fn bytes_each(&self, component: &str, stem: &str) -> usize {
        let source = self
            .keeps_halves
            .then(|| self.weights(component, stem).ok());
        let held = source
            .flatten()
            .map(|source| self.held_for(source.as_ref()));
        held.unwrap_or(self.held).bytes()
    }

    /// How the first stage will be held.
    pub(super) fn first_stage_held(&self, place: &FirstStagePlace) -> WeightDtype {
        let source = self.keeps_halves.then(|| place.weights().ok()).flatten();
        source.map_or(self.held, |source| self.held_for(source.as_ref()))
    }

    /// Bytes that so many numbers of the first stage will take, or of one in its place.
    pub fn first_stage_bytes(&self, numbers: usize, instead: Option<&Path>) -> usize {
        let held = match instead {
            None => self
                .first_stage_place()
                .map(|place| self.first_stage_held(place)),
            Some(path) => self
                .first_stage_config()
                .and_then(|own| FirstStagePlace::instead_of(own, path))
                .map(|place| self.first_stage_held(&place)),
        };
        numbers * held.unwrap_or(self.held).bytes()
    }

    /// Bytes that so many numbers of the denoiser will take.
    pub(in crate::model) fn denoiser_bytes(&self, numbers: usize) -> usize {
        numbers * self.bytes_each("unet", UNET)
    }

    /// Bytes that the text encoders will take; a configuration that is not supported counts
    /// nothing.
    pub(in crate::model) fn text_bytes(&self) -> usize {
        let bytes = |config: &ClipTextConfig, component: &str| {
            config.parameter_count().unwrap_or(0) * self.bytes_each(component, TEXT)
        };
        let first = self.text_encoder_config().ok();
        let first = first.map_or(0, |config| bytes(config, "text_encoder"));
        let second = self.second_text_encoder_config();
        first + second.map_or(0, |config| bytes(config, SECOND_TEXT))
    }
}
