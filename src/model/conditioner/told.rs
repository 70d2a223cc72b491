//! What a denoiser is told of everything, part by part.

use std::borrow::Cow;

use burn::tensor::{Int, Tensor};

use super::{LATENT, Regional};
use crate::model::{Control, Grounding, Residuals, Told, UNet2d};
use crate::nn::AttentionBias;

/// The time of the noise down to which tokens are heard by place.
const BIASED_UNTIL: f64 = 0.5;

/// What a denoiser is told. Rows are the branches of guidance: the one to steer
/// away from first. What has one row says the same in all of them.
#[derive(Clone, Debug, Default)]
pub struct Conditioning {
    /// What its attention looks at, by the names of the parts.
    ///
    /// # Shapes
    /// Each `[1 or rows, tokens, width]`.
    pub context: Vec<(&'static str, Tensor<3>)>,
    /// What the last row adds to the logits of its attention for each token of parts of
    /// that, at every place of the latents; parts that are not named are heard as they
    /// were trained.
    ///
    /// # Shapes
    /// Each `[1, tokens, h, w]`.
    pub bias: Vec<(&'static str, Tensor<4>)>,
    /// Channels beside the latents, by the names of their groups.
    ///
    /// # Shapes
    /// Each `[1 or rows, channels, h, w]`.
    pub concat: Vec<(&'static str, Tensor<4>)>,
    /// Numbers of classes whose embeddings the denoiser adds to that of time.
    ///
    /// # Shapes
    /// `[1 or rows]`.
    pub classes: Option<Tensor<1, Int>>,
    /// The networks that control it besides, which see the latents and are told the same.
    pub controls: Vec<Control>,
    /// Words that act in parts of the picture, in the last row.
    pub regions: Option<Regional>,
    /// Boxes with phrases.
    ///
    /// # Shapes
    /// As many rows as there are.
    pub grounding: Option<Grounding>,
    /// A vector whose embedding the denoiser adds to that of time.
    ///
    /// # Shapes
    /// `[1 or rows, width]`.
    pub added: Option<Tensor<2>>,
    /// The waves of a guidance that was taught to the denoiser, in place of branches.
    ///
    /// # Shapes
    /// `[1, width]`.
    pub guidance: Option<Tensor<2>>,
    /// Further texts of a prompt that joins several: what is told differently of each, in
    /// one row. It is asked by itself, since it may be told of places as the last row is
    /// (see [`Self::further`]).
    pub others: Vec<Self>,
}

impl Conditioning {
    /// The two branches of guidance, of the same parts with one row each: the one
    /// to steer away from, and the other.
    #[must_use]
    pub fn branches(free: Self, told: Self) -> Self {
        Self {
            context: both(free.context, told.context),
            concat: both(free.concat, told.concat),
            classes: free
                .classes
                .zip(told.classes)
                .map(|(free, told)| Tensor::cat(vec![free, told], 0)),
            controls: told.controls,
            // The branch to steer away from knows of none of these.
            bias: told.bias,
            regions: told.regions,
            grounding: told.grounding,
            added: free
                .added
                .zip(told.added)
                .map(|(free, told)| Tensor::cat(vec![free, told], 0)),
            guidance: told.guidance,
            others: told.others,
        }
    }

    /// One of the branches, as if there was no other.
    #[must_use]
    pub fn branch(&self, row: usize) -> Self {
        let of = |rows: usize| if rows > row { row } else { 0 };
        Self {
            context: each(&self.context, |part| row_of(part, of(part.dims()[0]))),
            concat: each(&self.concat, |part| row_of(part, of(part.dims()[0]))),
            classes: self.classes.as_ref().map(|it| {
                let own = of(it.dims()[0]);
                it.clone().narrow(0, own, 1)
            }),
            grounding: self.grounding.as_ref().map(|it| {
                let own = of(it.phrases.dims()[0]);
                Grounding {
                    phrases: row_of(&it.phrases, own),
                    places: row_of(&it.places, own),
                    is_there: row_of(&it.is_there, own),
                }
            }),
            added: self.added.as_ref().map(|it| row_of(it, of(it.dims()[0]))),
            others: Vec::new(),
            ..self.clone()
        }
    }

    /// What is told of each of the further texts: the same as the last row but for them.
    pub fn further(&self) -> impl Iterator<Item = Self> {
        let told = self.branch(self.rows() - 1);
        let others = self.others.iter();
        others.map(move |other| told.clone().but(other.clone()))
    }

    /// The same, and where there is guidance, beside it the branch to steer away from.
    #[must_use]
    pub fn beside(self, is_guided: bool, free: impl FnOnce() -> Self) -> Self {
        match is_guided {
            true => Self::branches(free(), self),
            false => self,
        }
    }

    /// Both: the tokens of one after those of the other.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.context.extend(other.context);
        self.bias.extend(other.bias);
        self.concat.extend(other.concat);
        self.classes = self.classes.or(other.classes);
        self.controls.extend(other.controls);
        self.regions = self.regions.or(other.regions);
        self.grounding = self.grounding.or(other.grounding);
        self.added = self.added.or(other.added);
        self.guidance = self.guidance.or(other.guidance);
        self.others.extend(other.others);
        self
    }

    /// The same, but for the parts that the other one tells of.
    #[must_use]
    pub fn but(mut self, other: Self) -> Self {
        // It belongs to the tokens that are told.
        self.bias.retain(|(name, _)| !has(&other.context, name));
        self.bias.extend(other.bias);
        self.others.retain(|further| {
            let mut told = further.context.iter();
            !told.any(|(name, _)| has(&other.context, name))
        });
        self.others.extend(other.others);
        replace(&mut self.context, other.context);
        replace(&mut self.concat, other.concat);
        self.classes = other.classes.or(self.classes);
        if !other.controls.is_empty() {
            self.controls = other.controls;
        }
        self.regions = other.regions.or(self.regions);
        self.grounding = other.grounding.or(self.grounding);
        self.added = other.added.or(self.added);
        self.guidance = other.guidance.or(self.guidance);
        self
    }

    /// Passes through the denoiser that it takes to ask for all of it.
    pub fn passes(&self) -> usize {
        self.rows() + self.others.len()
    }

    /// Number of branches of guidance.
    pub fn rows(&self) -> usize {
        let tokens = self.context.iter().map(|(_, tokens)| tokens.dims()[0]);
        let channels = self.concat.iter().map(|(_, channels)| channels.dims()[0]);
        let classes = self.classes.iter().map(|classes| classes.dims()[0]);
        let added = self.added.iter().map(|added| added.dims()[0]);
        let rows = tokens.chain(channels).chain(classes).chain(added);
        rows.max().unwrap_or(1)
    }

    /// All tokens, one part after the other; `None` where there are none.
    ///
    /// # Shapes
    /// `[rows, tokens, width]`.
    pub fn tokens(&self) -> Option<Tensor<3>> {
        let rows = self.rows();
        let parts = self.context.iter();
        let parts: Vec<_> = parts.map(|(_, tokens)| in_rows(tokens, rows)).collect();
        (!parts.is_empty()).then(|| Tensor::cat(parts, 1))
    }

    /// What a denoiser that is told so says of noisy latents; `order` is that of its
    /// channels.
    ///
    /// # Shapes
    /// `latents`: `[1 or rows, channels, h, w]`; `timestep`: `[1 or rows]`; result:
    /// `[rows, channels, h, w]`.
    pub fn ask(
        &self,
        denoiser: &UNet2d,
        latents: &Tensor<4>,
        timestep: Tensor<1>,
        order: &[String],
    ) -> Tensor<4> {
        let input = self.around(latents, order);
        let told = self.to(denoiser.config().cross_attention_dim, &input);
        let residuals = Control::residuals(&self.controls, latents, &timestep, &told);
        let boxes = self.grounding.as_ref();
        let boxes = boxes.and_then(|grounding| denoiser.grounded(grounding));
        let told = Told {
            boxes,
            residuals,
            ..told
        };
        denoiser.forward_told(input, timestep, &told)
    }

    /// The same at a time of the noise, from 1, which is all noise, to 0: once places are
    /// decided, in the second half, all tokens are heard as they were trained.
    pub fn heard_at(&self, time: f64) -> Cow<'_, Self> {
        if self.bias.is_empty() || time >= BIASED_UNTIL {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            bias: Vec::new(),
            ..self.clone()
        })
    }

    /// What the controls alone add to what a denoiser says of noisy latents; `None`
    /// where there are none.
    ///
    /// # Shapes
    /// As [`Self::ask`].
    pub fn residuals(&self, latents: &Tensor<4>, timestep: &Tensor<1>) -> Option<Residuals> {
        let told = self.to(1, latents);
        Control::residuals(&self.controls, latents, timestep, &told)
    }

    /// The same in a network's words; one that is told no tokens is told zeros.
    fn to(&self, width: usize, input: &Tensor<4>) -> Told {
        let context = self
            .tokens()
            .unwrap_or_else(|| Tensor::zeros([input.dims()[0], 1, width], &input.device()));
        Told {
            bias: self.attention_bias(&context, input.dims()),
            context,
            classes: self.classes.clone(),
            regions: self.regions.as_ref().map(|it| it.regions(&self.context)),
            boxes: None,
            added: self.added.clone(),
            guidance: self.guidance.clone(),
            residuals: None,
        }
    }

    /// What attention adds to the logits of all tokens; `None` where that is nothing.
    fn attention_bias(&self, tokens: &Tensor<3>, input: [usize; 4]) -> Option<AttentionBias> {
        if self.bias.is_empty() {
            return None;
        }
        let [_, _, height, width] = input;
        let parts = self.context.iter().map(|(name, part)| {
            let own = self.bias.iter().find(|(known, _)| known == name);
            own.map_or_else(
                || Tensor::zeros([1, part.dims()[1], height, width], &tokens.device()),
                |(_, added)| added.clone(),
            )
        });
        let added = Tensor::cat(parts.collect(), 1);
        Some(AttentionBias::new(added, tokens.dims()[0]))
    }

    /// The latents among the other channels, in the order of the manifest.
    ///
    /// # Shapes
    /// `[1 or rows, channels, h, w]` to `[rows, in_channels, h, w]`.
    pub fn around(&self, latents: &Tensor<4>, order: &[String]) -> Tensor<4> {
        let groups = order.iter().filter_map(|name| {
            if name == LATENT {
                return Some(latents);
            }
            let mut concat = self.concat.iter();
            let group = concat.find(|(known, _)| known == name);
            group.map(|(_, channels)| channels)
        });
        let groups: Vec<&Tensor<4>> = groups.collect();
        // What is the same in all branches is put together once.
        let own = groups.iter().map(|group| group.dims()[0]).max();
        let own = own.unwrap_or(1);
        let groups = groups.into_iter().map(|group| in_rows(group, own));
        in_rows(&Tensor::cat(groups.collect(), 1), self.rows())
    }
}

/// So many equal rows of one; what has rows of its own keeps them.
fn in_rows<const D: usize>(tensor: &Tensor<D>, rows: usize) -> Tensor<D> {
    if rows == 1 || tensor.dims()[0] != 1 {
        tensor.clone()
    } else {
        Tensor::cat(vec![tensor.clone(); rows], 0)
    }
}

fn row_of<const D: usize>(tensor: &Tensor<D>, row: usize) -> Tensor<D> {
    tensor.clone().narrow(0, row, 1)
}

fn each<const D: usize>(
    parts: &[(&'static str, Tensor<D>)],
    make: impl Fn(&Tensor<D>) -> Tensor<D>,
) -> Vec<(&'static str, Tensor<D>)> {
    let parts = parts.iter();
    parts.map(|(name, part)| (*name, make(part))).collect()
}

fn both<const D: usize>(
    free: Vec<(&'static str, Tensor<D>)>,
    told: Vec<(&'static str, Tensor<D>)>,
) -> Vec<(&'static str, Tensor<D>)> {
    let pairs = free.into_iter().zip(told);
    pairs
        .map(|((name, free), (_, told))| (name, Tensor::cat(vec![free, told], 0)))
        .collect()
}

fn has<const D: usize>(parts: &[(&'static str, Tensor<D>)], name: &str) -> bool {
    parts.iter().any(|(known, _)| *known == name)
}

fn replace<const D: usize>(
    parts: &mut Vec<(&'static str, Tensor<D>)>,
    others: Vec<(&'static str, Tensor<D>)>,
) {
    for (name, other) in others {
        match parts.iter_mut().find(|(known, _)| *known == name) {
            Some((_, part)) => *part = other,
            None => parts.push((name, other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    fn plane(value: f32, rows: usize, channels: usize) -> Tensor<4> {
        Tensor::ones([rows, channels, 1, 2], &Device::flex()) * value
    }

    fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("numbers")
    }

    #[test]
    fn branches_share_what_is_the_same_in_both() {
        let part = |value: f32| Conditioning {
            context: vec![("boxes", Tensor::ones([1, 2, 1], &Device::flex()) * value)],
            concat: vec![("boxes", plane(value, 1, 1))],
            ..Default::default()
        };
        let mask = Conditioning {
            context: vec![("text", Tensor::ones([1, 1, 1], &Device::flex()) * 9.0)],
            concat: vec![("mask", plane(7.0, 1, 1))],
            ..Default::default()
        };
        let told = mask.and(Conditioning::branches(part(0.0), part(1.0)));
        assert_eq!(told.rows(), 2);
        let tokens = told.tokens().expect("tokens");
        assert_eq!(numbers(tokens), [9.0, 0.0, 0.0, 9.0, 1.0, 1.0]);
        let order = ["boxes", "latent", "mask"].map(str::to_owned);
        let seen = told.around(&plane(5.0, 1, 1), &order);
        assert_eq!(seen.dims(), [2, 3, 1, 2]);
        let wanted = [0.0, 0.0, 5.0, 5.0, 7.0, 7.0, 1.0, 1.0, 5.0, 5.0, 7.0, 7.0];
        assert_eq!(numbers(seen), wanted);
    }

    #[test]
    fn what_is_heard_by_place_goes_with_its_tokens_and_with_time() {
        let part = |heard: Vec<f32>| Conditioning {
            context: vec![("boxes", Tensor::ones([1, 1, 1], &Device::flex()))],
            bias: heard
                .into_iter()
                .map(|value| ("boxes", plane(value, 1, 1)))
                .collect(),
            ..Default::default()
        };
        let text = Conditioning {
            context: vec![("text", Tensor::ones([2, 3, 1], &Device::flex()))],
            ..Default::default()
        };
        let told = text.clone().and(part(vec![2.0]));
        assert_eq!(told.heard_at(0.6).bias.len(), 1);
        assert!(told.heard_at(0.4).bias.is_empty());
        assert_eq!(told.clone().but(text).bias.len(), 1);
        assert!(told.clone().but(part(Vec::new())).bias.is_empty());
        let anew = told.but(part(vec![3.0]));
        assert_eq!(numbers(anew.bias[0].1.clone()), [3.0, 3.0]);
    }

    #[test]
    fn further_texts_are_told_what_the_last_row_is() {
        let part = |name, values: &[f32]| {
            let rows = values
                .iter()
                .map(|value| Tensor::<3>::ones([1, 1, 1], &Device::flex()) * *value);
            Conditioning {
                context: vec![(name, Tensor::cat(rows.collect(), 0))],
                ..Default::default()
            }
        };
        let told = Conditioning {
            concat: vec![("mask", plane(7.0, 1, 1))],
            others: vec![part("text", &[3.0]), part("text", &[4.0])],
            ..part("text", &[1.0, 2.0]).and(part("boxes", &[8.0, 9.0]))
        };
        assert_eq!((told.rows(), told.passes()), (2, 4));
        let further: Vec<_> = told.further().collect();
        let tokens = further
            .iter()
            .map(|it| numbers(it.tokens().expect("tokens")));
        assert_eq!(tokens.collect::<Vec<_>>(), [[3.0, 9.0], [4.0, 9.0]]);
        assert!(
            further
                .iter()
                .all(|it| it.rows() == 1 && it.concat.len() == 1)
        );
        // They go with the words, and stay with anything else.
        assert_eq!(told.clone().but(part("boxes", &[0.0])).others.len(), 2);
        assert!(told.but(part("text", &[5.0])).others.is_empty());
    }

    #[test]
    fn parts_are_told_anew_one_by_one() {
        let part = |value: f32| Conditioning {
            context: Vec::new(),
            concat: vec![("boxes", plane(value, 1, 1))],
            ..Default::default()
        };
        let both = part(1.0).and(Conditioning {
            context: Vec::new(),
            concat: vec![("mask", plane(2.0, 1, 1))],
            ..Default::default()
        });
        let told = both.but(part(3.0));
        let values: Vec<f32> = told
            .concat
            .into_iter()
            .map(|(_, it)| numbers(it)[0])
            .collect();
        assert_eq!(values, [3.0, 2.0]);
    }
}
