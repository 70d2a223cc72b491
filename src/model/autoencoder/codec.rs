//! What encoder and decoder are made of, whichever way the latents between them
//! are kept in bounds.

use crate::model::{ModelError, limits};

/// Kinds of levels in diffusers' words: without and with attention.
const DOWN: [&str; 2] = ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"];
const UP: [&str; 2] = ["UpDecoderBlock2D", "AttnUpDecoderBlock2D"];

/// Sizes of an encoder and its decoder (Rombach et al. 2022,
/// <https://arxiv.org/abs/2112.10752>, §G).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::model) struct Codec {
    /// Channels of the pictures to encode.
    pub in_channels: usize,
    /// Channels of the decoded pictures.
    pub out_channels: usize,
    /// The resolutions, from that of the picture down; each but the last is halved.
    pub levels: Vec<CodecLevel>,
    /// Residual blocks of each level of the encoder; the decoder has one more.
    pub layers: usize,
    /// Channels that the encoder answers in.
    pub encoded: usize,
    /// Channels that the decoder takes.
    pub decoded: usize,
    /// Groups of all group normalisations.
    pub groups: usize,
    /// Whether the lowest resolution has attention between its two blocks.
    pub attends_in_middle: bool,
}

/// One resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) struct CodecLevel {
    /// Channels of its blocks.
    pub channels: usize,
    /// Whether attention follows each block of the encoder.
    pub attends_down: bool,
    /// The same of the decoder.
    pub attends_up: bool,
}

/// The keys of diffusers that every autoencoder has.
pub(super) struct CodecKeys<'a> {
    /// Names the network in errors.
    pub class: &'static str,
    pub down_block_types: &'a [String],
    /// As in the file: from the lowest resolution up.
    pub up_block_types: &'a [String],
    pub block_out_channels: &'a [usize],
}

impl CodecKeys<'_> {
    /// The levels that the keys describe.
    ///
    /// # Errors
    /// If a kind is not known, or there is not one for each level.
    pub fn levels(&self) -> Result<Vec<CodecLevel>, ModelError> {
        let down = self.attends("down_block_types", self.down_block_types, DOWN)?;
        let mut up = self.attends("up_block_types", self.up_block_types, UP)?;
        up.reverse();
        let levels = self.block_out_channels.iter().zip(down.into_iter().zip(up));
        Ok(levels
            .map(|(channels, (attends_down, attends_up))| CodecLevel {
                channels: *channels,
                attends_down,
                attends_up,
            })
            .collect())
    }

    fn attends(
        &self,
        key: &'static str,
        types: &[String],
        [plain, attending]: [&str; 2],
    ) -> Result<Vec<bool>, ModelError> {
        let levels = self.block_out_channels.len();
        let is_known = |found: &String| found == plain || found == attending;
        if types.len() != levels || !types.iter().all(is_known) {
            return Err(ModelError::unsupported(
                self.class,
                key,
                format!("{types:?}"),
                format!("each of the {levels} levels must be {plain} or {attending}"),
            ));
        }
        Ok(types.iter().map(|found| found == attending).collect())
    }
}

impl Codec {
    /// Checks that the networks can be built; `class` names them in errors.
    ///
    /// # Errors
    /// The first size that is out of its range or contradicts another.
    pub fn validate(&self, class: &'static str) -> Result<(), ModelError> {
        let within = |key, value, range| limits::within(class, key, value, range);
        for (key, value, range) in [
            ("in_channels", self.in_channels, &limits::WIDTH),
            ("out_channels", self.out_channels, &limits::WIDTH),
            ("layers_per_block", self.layers, &limits::LAYERS),
        ] {
            within(key, value, range)?;
        }
        for level in &self.levels {
            let channels = level.channels;
            within("block_out_channels", channels, &limits::WIDTH)?;
            if self.groups == 0 || !channels.is_multiple_of(self.groups) {
                return Err(ModelError::unsupported(
                    class,
                    "norm_num_groups",
                    self.groups,
                    format!("it must divide {channels}"),
                ));
            }
        }
        Ok(())
    }
}
