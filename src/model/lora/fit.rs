//! A LoRA for a model: every tensor of the file has its place in it, or the file is refused.

use std::collections::BTreeMap;

use super::super::weights::{LowRank, WeightDtype, is_alike};
use super::super::{ModelError, limits};
use super::LoraFile;
use super::keys::{self, Slot};
use super::scale::factor;
use super::targets::{Network, Target, Targets};

/// Changes of a model's weights by their names in files, from several LoRAs.
#[derive(Debug, Default)]
pub struct Changes {
    /// Of the denoiser.
    pub denoiser: BTreeMap<String, Vec<LowRank>>,
    /// Of the text encoder.
    pub text: BTreeMap<String, Vec<LowRank>>,
    /// Of the second text encoder.
    pub second_text: BTreeMap<String, Vec<LowRank>>,
    /// Numbers in the weights that are changed.
    touched: BTreeMap<(Network, String), usize>,
}

impl Changes {
    /// Numbers in all weights that are changed: so many are held twice.
    pub fn touched(&self) -> usize {
        self.touched.values().sum()
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.touched.is_empty()
    }

    fn add(&mut self, target: &Target, change: LowRank) {
        let of = match target.network {
            Network::Denoiser => &mut self.denoiser,
            Network::TextEncoder => &mut self.text,
            Network::SecondTextEncoder => &mut self.second_text,
        };
        of.entry(target.name.clone()).or_default().push(change);
        let count = target.shape.iter().product();
        let key = (target.network, target.name.clone());
        self.touched.insert(key, count);
    }
}

/// The tensors of one place, by their names in the file.
struct Place<'a> {
    target: &'a Target,
    /// The place as the file calls it.
    name: String,
    slots: BTreeMap<Slot, String>,
}

impl Place<'_> {
    fn slot(&self, slot: Slot) -> Option<&str> {
        self.slots.get(&slot).map(String::as_str)
    }

    /// What is multiplied: from the input, to the output.
    fn halves(&self) -> Option<(&str, &str)> {
        self.slot(Slot::Down).zip(self.slot(Slot::Up))
    }
}

impl LoraFile {
    /// Adds what the file changes in a model, with a weight for the denoiser and one for the
    /// text encoder. All of the file is looked at, also where a weight is 0.
    ///
    /// # Errors
    /// If it does not fit in full: the first name in the file that does not.
    pub fn add_to(
        &self,
        changes: &mut Changes,
        targets: &Targets,
        [weight, text_weight]: [f32; 2],
    ) -> Result<(), ModelError> {
        let places = self.places(targets)?;
        let ready = places.iter().map(|place| {
            let weight = match place.target.network {
                Network::Denoiser => weight,
                Network::TextEncoder | Network::SecondTextEncoder => text_weight,
            };
            Ok((place.target, weight, self.change(place, weight)?))
        });
        let ready: Vec<(&Target, f32, LowRank)> = ready.collect::<Result<_, ModelError>>()?;
        for (target, weight, change) in ready {
            if weight != 0.0 {
                changes.add(target, change);
            }
        }
        Ok(())
    }

    /// Numbers that [`Self::add_to`] holds of the file when it has read it.
    ///
    /// # Errors
    /// As [`Self::add_to`], which reads the numbers; here only their places are looked at.
    pub fn numbers_needed(&self, targets: &Targets) -> Result<u64, ModelError> {
        let count = |shape: &[usize]| {
            let axes = shape.iter().map(|axis| *axis as u64);
            axes.fold(1, u64::saturating_mul)
        };
        let needed = self.places(targets)?.into_iter().map(|place| {
            let stored = place.slots.values().map(|key| count(self.shape(key)));
            let joined = place.slot(Slot::Mid).zip(place.slot(Slot::Down));
            let joined = joined.map_or(0, |(_, down)| {
                let rank = self.shape(down).first().copied().unwrap_or(0);
                let (_, inputs, kernel) = place.target.sides();
                count(&[rank, inputs, kernel[0], kernel[1]])
            });
            stored.fold(joined, u64::saturating_add)
        });
        Ok(needed.fold(0, u64::saturating_add))
    }

    fn misfit(&self, key: &str, reason: impl Into<String>) -> ModelError {
        ModelError::LoraMisfit {
            path: self.path().to_path_buf(),
            key: key.to_owned(),
            reason: reason.into(),
        }
    }

    /// Where everything in the file belongs; nothing is read yet.
    fn places<'t>(&self, targets: &'t Targets) -> Result<Vec<Place<'t>>, ModelError> {
        let mut places: BTreeMap<(Network, &str), Place<'t>> = BTreeMap::new();
        let mut misfits: BTreeMap<String, String> = BTreeMap::new();
        for key in self.source.names() {
            let found = keys::read(key).and_then(|(name, slot)| {
                let target = targets.find(name)?;
                Some((name, slot, target))
            });
            let Some((name, slot, target)) = found else {
                misfits.insert(key.to_owned(), "has no place in it".into());
                continue;
            };
            let place = places
                .entry((target.network, target.name.as_str()))
                .or_insert_with(|| Place {
                    target,
                    name: name.to_owned(),
                    slots: BTreeMap::new(),
                });
            if let Some(other) = place.slots.insert(slot, key.to_owned()) {
                misfits.insert(key.to_owned(), format!("is there twice, as {other} too"));
            }
        }
        misfits.extend(places.values().filter_map(|place| self.unfit(place)));
        match misfits.into_iter().next() {
            Some((key, reason)) => Err(self.misfit(&key, reason)),
            None => Ok(places.into_values().collect()),
        }
    }

    fn shape(&self, key: &str) -> &[usize] {
        self.source.shape(key).unwrap_or_default()
    }

    /// The first name of a place that does not fit, and why.
    fn unfit(&self, place: &Place<'_>) -> Option<(String, String)> {
        let Some((down, up)) = place.halves() else {
            let alone = place.slots.values().min()?.clone();
            return Some((alone, "lacks what it is multiplied with".into()));
        };
        let (outputs, inputs, kernel) = place.target.sides();
        let rank = self.shape(down).first().copied().unwrap_or(0);
        if rank > *limits::WIDTH.end() {
            let most = limits::WIDTH.end();
            let reason =
                format!("has the rank {rank}, and {most} is the largest that there may be");
            return Some((down.to_owned(), reason));
        }
        let mid = place.slot(Slot::Mid);
        // With a convolution in the middle the outer two see single places.
        let outer = if mid.is_some() { [1, 1] } else { kernel };
        let mut wanted = vec![
            (down, vec![rank.max(1), inputs, outer[0], outer[1]]),
            (up, vec![outputs, rank.max(1), 1, 1]),
        ];
        wanted.extend(mid.map(|mid| (mid, vec![rank, rank, kernel[0], kernel[1]])));
        wanted.extend(place.slot(Slot::Alpha).map(|alpha| (alpha, Vec::new())));
        wanted.sort();
        let is_wrong = |(key, wanted): &&(&str, Vec<usize>)| match wanted.as_slice() {
            [] => self.shape(key).iter().product::<usize>() != 1,
            wanted => !is_alike(self.shape(key), wanted),
        };
        let (key, mut wanted) = wanted.iter().find(is_wrong)?.clone();
        if place.target.shape.len() == 2 {
            wanted.truncate(2);
        }
        let found = self.shape(key);
        Some((
            key.to_owned(),
            format!("is {found:?} and would have to be {wanted:?}"),
        ))
    }

    /// The numbers of a tensor, all of which are numbers.
    fn numbers(&self, key: &str) -> Result<Vec<f32>, ModelError> {
        let data = self
            .source
            .read(key, self.shape(key), false, WeightDtype::F32)?;
        let values: Vec<f32> = data
            .try_into_vec()
            .map_err(|error| self.misfit(key, format!("cannot be read: {error:?}")))?;
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(self.misfit(key, "holds numbers that are infinite or none"))
    }

    /// Reads the numbers of a place that fits.
    fn change(&self, place: &Place<'_>, weight: f32) -> Result<LowRank, ModelError> {
        let Some((down, up)) = place.halves() else {
            return Ok(LowRank::default());
        };
        let (_, inputs, kernel) = place.target.sides();
        let rank = self.shape(down).first().copied().unwrap_or(0);
        let mut down_numbers = self.numbers(down)?;
        if let Some(mid) = place.slot(Slot::Mid) {
            let sides = [rank, rank, kernel[0], kernel[1]];
            down_numbers = through(&self.numbers(mid)?, &down_numbers, sides, inputs);
        }
        let factor = match place.slot(Slot::Alpha) {
            Some(alpha) => {
                let alpha = self.numbers(alpha)?;
                factor(alpha.first().map(|alpha| f64::from(*alpha)), rank, false)
            }
            None => {
                let is_kernel = kernel != [1, 1];
                self.scales
                    .told(place.target.network, &place.name, rank, is_kernel)
            }
        };
        let factor = (factor * f64::from(weight)) as f32;
        if !factor.is_finite() {
            return Err(self.misfit(up, "would be scaled beyond all numbers by its alpha"));
        }
        let mut up_numbers = self.numbers(up)?;
        up_numbers.iter_mut().for_each(|value| *value *= factor);
        Ok(LowRank {
            rank,
            up: up_numbers,
            down: down_numbers,
        })
    }
}

/// A convolution among the few numbers after a matrix: `[rank, inputs · places]`
/// (LyCORIS, <https://arxiv.org/abs/2309.14859>).
fn through(
    mid: &[f32],
    down: &[f32],
    [rank, _, rows, columns]: [usize; 4],
    inputs: usize,
) -> Vec<f32> {
    let places = rows * columns;
    let mut joined = vec![0.0; rank * inputs * places];
    for (out, row) in joined
        .chunks_exact_mut((inputs * places).max(1))
        .enumerate()
    {
        for between in 0..rank {
            let kernel = &mid[(out * rank + between) * places..][..places];
            let matrix = &down[between * inputs..][..inputs];
            for (input, factor) in matrix.iter().enumerate() {
                let row = &mut row[input * places..][..places];
                row.iter_mut()
                    .zip(kernel)
                    .for_each(|(sum, value)| *sum += factor * value);
            }
        }
    }
    joined
}
