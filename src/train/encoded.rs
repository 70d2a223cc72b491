//! The pictures of a run as latents: those to learn from, in a ring that is renewed, and
//! those to judge by. What denoisers and classifiers share.

use super::TrainError;
use super::config::TrainingConfig;
use super::encoder::{Cached, Encoder, Preparation, remark_on_loudness, scaling_factor};
use super::latent_cache::{CachePlan, LatentCache};
use super::pictures::Pictures;
use super::session::Reporter;
use crate::recipe::TrainSpec;

/// Groups of pictures that are encoded before the first step without a break.
const GROUPS_AT_A_TIME: u64 = 4;
/// Number of the group of pictures to judge by, which the ring does not reach.
const JUDGED: u64 = u32::MAX as u64;

/// Numbers of latents by which their loudness is judged.
const JUDGED_NUMBERS: usize = 1 << 20;

/// The pictures of a run as latents.
pub(super) struct Encoded {
    pub encoder: Encoder,
    /// Digest of the first stage; `None` for one without weights.
    pub digest: Option<String>,
    /// The pictures themselves.
    pub pictures: Pictures,
    /// Those to judge by.
    pub judged: Vec<Cached>,
    training: TrainingConfig,
    pictures_per_step: u64,
    ring: Option<LatentCache>,
}

impl Encoded {
    /// Nothing is encoded yet.
    pub fn new(
        encoder: Encoder,
        digest: Option<String>,
        pictures: Pictures,
        spec: &TrainSpec,
        training: &TrainingConfig,
    ) -> Self {
        Self {
            encoder,
            digest,
            pictures,
            judged: Vec::new(),
            training: training.clone(),
            pictures_per_step: u64::from(spec.batch) * u64::from(spec.accumulate),
            ring: None,
        }
    }

    /// Encodes what the step after `step` steps wants to see, a part of it at each call,
    /// and measures the factor of latents where it is not known; whether that was the last
    /// part. `varies` is whether a picture is another one each time that it is looked at.
    pub fn begin(
        &mut self,
        step: u64,
        preparation: &Preparation,
        varies: bool,
        reporter: &mut Reporter<'_>,
    ) -> Result<bool, TrainError> {
        let mut ring = match self.ring.take() {
            Some(ring) => ring,
            None => {
                let source = &self.pictures.source;
                let plan = CachePlan::new(
                    &self.training,
                    source.len(),
                    self.pictures_per_step,
                    varies,
                    preparation.footprint(&self.encoder),
                );
                LatentCache::start(plan, source, preparation.clone(), step)?
            }
        };
        if !ring.advance(step, GROUPS_AT_A_TIME, &mut self.encoder, reporter)? {
            self.ring = Some(ring);
            return Ok(false);
        }
        let most = match self.encoder.is_measured() {
            true => JUDGED_NUMBERS,
            false => usize::MAX,
        };
        let latents: Vec<f32> = ring.latents().flatten().copied().take(most).collect();
        if self.encoder.is_measured() {
            remark_on_loudness(&latents)
                .into_iter()
                .for_each(|remark| reporter.warn(remark));
        } else {
            let factor = scaling_factor(&latents).ok_or_else(|| {
                TrainError::setting(
                    "the autoencoder gives all pictures the same latent; train it further first",
                )
            })?;
            self.encoder.set_factor(factor);
            ring.scale(factor);
        }
        self.ring = Some(ring);
        let prepared = preparation.prepare(JUDGED, &self.pictures.judged);
        self.judged = self.encoder.encode_group(JUDGED, prepared)?;
        Ok(true)
    }

    /// Encodes what the step after `step` steps wants to see.
    pub fn advance(&mut self, step: u64, reporter: &mut Reporter<'_>) -> Result<(), TrainError> {
        if let Some(ring) = &mut self.ring {
            ring.advance(step, u64::MAX, &mut self.encoder, reporter)?;
        }
        Ok(())
    }

    /// The pictures to learn from.
    ///
    /// # Errors
    /// Before the run is begun.
    pub fn ring(&self) -> Result<&LatentCache, TrainError> {
        let ring = self.ring.as_ref();
        ring.ok_or_else(|| TrainError::device("the run was not begun"))
    }
}
