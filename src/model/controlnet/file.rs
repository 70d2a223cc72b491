//! ControlNets on disk: folders of diffusers, and files by either's names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;

use super::super::inspect::{CONTROLNET_RELATIVES, check_bytes};
use super::super::weights::{
    self, Piece, ReadWatch, Renamed, Watched, WeightDtype, WeightSource, names,
};
use super::super::{LatentInfo, ModelError, PerLevel, UNet2dConfig};
use super::config::CLASS;
use super::{ControlNet, ControlNetConfig, original};

/// The stem of diffusers' files.
const STEM: &str = "diffusion_pytorch_model";
/// A network by diffusers' names has this.
const FIRST: &str = "controlnet_cond_embedding.conv_in.weight";

/// A ControlNet that is opened but not read.
#[derive(Debug)]
pub struct ControlNetFile {
    path: PathBuf,
    source: Arc<dyn WeightSource>,
    /// What its folder says; a lone file says nothing.
    config: Option<ControlNetConfig>,
}

impl ControlNetFile {
    /// Opens a folder of diffusers, or a file by its names or those of the paper's code.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is no ControlNet.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let (source, config) = if path.is_dir() {
            let config = ControlNetConfig::read(&path.join("config.json"))?;
            let source = match weights::find(path, STEM) {
                Err(ModelError::MissingWeights { .. }) if config.is_none() => {
                    return Err(ModelError::NotAControlNet {
                        path: path.to_path_buf(),
                        first: "no config.json of one".to_owned(),
                    });
                }
                // A file may have been fetched without its configuration.
                found => found?,
            };
            (source, config)
        } else {
            check_bytes(path)?;
            let beside = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(STEM));
            // Others have a file of that name for another network.
            let config = match beside {
                true => ControlNetConfig::read(&path.with_file_name("config.json"))?,
                false => None,
            };
            (weights::open(path)?, config)
        };
        let source: Arc<dyn WeightSource> = Arc::from(source);
        // Other names would hide them.
        refuse_relatives(path, source.as_ref())?;
        let source = match original::renamed(&source) {
            Some(renamed) => Arc::new(renamed),
            None => source,
        };
        let file = Self {
            path: path.to_path_buf(),
            source,
            config,
        };
        file.check_kind()?;
        Ok(file)
    }

    /// All its files.
    pub fn files(&self) -> Vec<PathBuf> {
        self.source.files()
    }

    /// The same, whose reading is watched.
    #[must_use]
    pub fn watched(self, watch: ReadWatch) -> Self {
        let names = self.source.names();
        let all = names.map(|name| (name.to_owned(), Piece::whole(name)));
        let renamed = Renamed::new(Arc::clone(&self.source), all.collect());
        Self {
            source: Arc::new(Watched {
                source: Box::new(renamed),
                watch,
            }),
            ..self
        }
    }

    /// Number of weights.
    pub fn parameter_count(&self) -> usize {
        let shapes = self
            .source
            .names()
            .filter_map(|name| self.source.shape(name));
        shapes.fold(0, |sum: usize, shape| {
            let product = shape
                .iter()
                .fold(1, |all: usize, axis| all.saturating_mul(*axis));
            sum.saturating_add(product)
        })
    }

    /// Refuses files that hold nothing of the kind.
    fn check_kind(&self) -> Result<(), ModelError> {
        let names = || self.source.names();
        if self.source.shape(FIRST).is_some() {
            return Ok(());
        }
        Err(ModelError::NotAControlNet {
            path: self.path.clone(),
            first: names().next().unwrap_or("nothing").to_owned(),
        })
    }

    /// Its sizes, where they suit a denoiser and its latents.
    ///
    /// # Errors
    /// If they do not: why.
    pub fn config_for(
        &self,
        unet: &UNet2dConfig,
        latents: LatentInfo,
    ) -> Result<ControlNetConfig, ModelError> {
        let config = match &self.config {
            Some(config) => config.clone(),
            None => self.guessed(unet, latents.channels),
        };
        match config.misfit(unet, latents.channels, latents.factor) {
            Some(reason) => Err(ModelError::ControlNetMisfit {
                path: self.path.clone(),
                reason,
            }),
            None => Ok(config),
        }
    }

    /// Reads it, for a denoiser and its latents.
    ///
    /// # Errors
    /// If it does not suit them, or is damaged.
    pub fn load(
        &self,
        unet: &UNet2dConfig,
        latents: LatentInfo,
        device: &Device,
        dtype: WeightDtype,
    ) -> Result<ControlNet, ModelError> {
        let config = self.config_for(unet, latents)?;
        let network = config.init(device)?;
        let source = self.source.as_ref();
        weights::load(network, source, &names::DIFFUSERS, CLASS, dtype)
    }

    /// The sizes that its weights tell. Heads, which they do not, are those of the
    /// denoiser, as all else that it shares with it.
    fn guessed(&self, unet: &UNet2dConfig, channels: usize) -> ControlNetConfig {
        let axis = |name: &str, axis: usize| self.source.shape(name)?.get(axis).copied();
        let has = |prefix: &str| self.source.names().any(|name| name.starts_with(prefix));
        let count =
            |prefix: &dyn Fn(usize) -> String| (0..64).take_while(|it| has(&prefix(*it))).count();
        let mut config = ControlNetConfig::beside(unet, channels);
        let way_down = &mut config.way_down;
        way_down.in_channels = axis("conv_in.weight", 1).unwrap_or(channels);
        way_down.out_channels = way_down.in_channels;
        let levels = count(&|level| format!("down_blocks.{level}."));
        let widths = (0..levels)
            .filter_map(|level| axis(&format!("down_blocks.{level}.resnets.0.conv1.weight"), 0));
        way_down.block_out_channels = widths.collect();
        let layers = count(&|layer| format!("down_blocks.0.resnets.{layer}."));
        way_down.layers_per_block = PerLevel::All(layers);
        let context = self
            .source
            .names()
            .find(|name| name.ends_with("attn2.to_k.weight"))
            .and_then(|name| axis(name, 1));
        way_down.cross_attention_dim = context.unwrap_or(unet.cross_attention_dim);
        if way_down.block_out_channels.len() == unet.block_out_channels.len() {
            let attends = |level: usize| has(&format!("down_blocks.{level}.attentions."));
            let kinds = (0..levels).map(|level| match attends(level) {
                true => "CrossAttnDownBlock2D".to_owned(),
                false if unet.down_block_types[level].starts_with("Resnet") => {
                    unet.down_block_types[level].clone()
                }
                false => "DownBlock2D".to_owned(),
            });
            way_down.down_block_types = kinds.collect();
            let depth = |place: String| {
                count(&|block| format!("{place}.attentions.0.transformer_blocks.{block}."))
            };
            let depths = (0..levels).map(|level| {
                let place = if level + 1 == levels {
                    // The middle is as deep as the last level.
                    "mid_block".to_owned()
                } else {
                    format!("down_blocks.{level}")
                };
                depth(place).max(1)
            });
            way_down.transformer_layers_per_block = PerLevel::Each(depths.collect());
            // What the denoiser says of its way up and its middle is not this network's.
            for key in ["reverse_transformer_layers_per_block", "mid_block_type"] {
                way_down.other.remove(key);
            }
            if !has("mid_block.attentions.") {
                let middle = "UNetMidBlock2D".into();
                way_down.other.insert("mid_block_type".into(), middle);
            }
        }
        let first = axis(FIRST, 0);
        let blocks = (0..64).map_while(|block| {
            axis(
                &format!("controlnet_cond_embedding.blocks.{}.weight", 2 * block + 1),
                0,
            )
        });
        config.embedding_channels = first.into_iter().chain(blocks).collect();
        config
    }
}

/// Refuses relatives by their names.
fn refuse_relatives(path: &Path, source: &dyn WeightSource) -> Result<(), ModelError> {
    let relative = CONTROLNET_RELATIVES
        .iter()
        .find(|(part, _)| source.names().any(|name| name.contains(part)));
    match relative {
        Some((_, (kind, _))) => Err(ModelError::ControlNetKind {
            path: path.to_path_buf(),
            kind,
        }),
        None => Ok(()),
    }
}
