//! How much arithmetic the networks do, told from the shapes of their weights.
//!
//! What a clock says depends on what else the computer does, and on a graphics
//! card on when it was read; this does not.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::UNet2d;

/// Multiply-adds of a pass through a denoiser for each place of its input,
/// without those between the places that attention makes.
pub(super) fn denoiser_work(unet: &UNet2d) -> f64 {
    let lowest = unet.config().block_out_channels.len() - 1;
    work(unet, |path| match *path {
        ["way_down", "down_blocks", level, ..] => halvings(level),
        ["way_down", "mid_block", ..] => shrunk(lowest),
        ["up_blocks", block, ..] => shrunk(lowest) / halvings(block),
        // One row for all places.
        ["position_net", ..] => 0.0,
        [
            "way_down",
            "time_embedding" | "class_embedding" | "add_embedding",
            ..,
        ] => 0.0,
        _ => 1.0,
    })
}

/// Multiply-adds of a pass through the decoder of an autoencoder of so many levels
/// for each place of its latents.
pub(super) fn decoder_work<M: Module>(autoencoder: &M, levels: usize) -> f64 {
    let highest = levels - 1;
    work(autoencoder, |path| match *path {
        ["decoder", "up_blocks", block, .., "upsampler", "conv", _] => 4.0 / halvings(block),
        ["decoder", "up_blocks", block, ..] => 1.0 / halvings(block),
        ["decoder", "conv_out" | "conv_norm_out", ..] => 1.0 / shrunk(highest),
        // A place is compared with every vector of a codebook.
        ["decoder" | "quantize", ..] => 1.0,
        _ => 0.0,
    })
}

/// How many places are left of one after so many halvings of both sides.
fn shrunk(halvings: usize) -> f64 {
    0.25_f64.powi(halvings as i32)
}

fn halvings(level: &str) -> f64 {
    shrunk(level.parse().unwrap_or(0))
}

/// The sum of all weights, each as often as it is used for a place; `uses` is
/// asked with the path of a parameter in the module tree.
fn work<M: Module>(network: &M, uses: impl Fn(&[&str]) -> f64) -> f64 {
    struct Sum<F> {
        uses: F,
        path: Vec<String>,
        work: f64,
    }
    impl<F: Fn(&[&str]) -> f64> ModuleVisitor for Sum<F> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
            self.work += (self.uses)(&path) * param.lazy_shape().num_elements() as f64;
        }
    }
    let mut sum = Sum {
        uses,
        path: Vec::new(),
        work: 0.0,
    };
    network.visit(&mut sum);
    sum.work
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AutoencoderKlConfig, UNet2dConfig};
    use burn::tensor::Device;

    /// Published as 339 and 1240 thousand million multiply-adds for 512 pixels
    /// (fvcore on diffusers' modules), attention included.
    #[test]
    fn stable_diffusion_does_about_as_much_as_is_published() {
        let device = Device::flex();
        let unet = UNet2dConfig {
            cross_attention_dim: 768,
            ..Default::default()
        };
        let unet = denoiser_work(&unet.init(&device).unwrap()) * 4096.0;
        assert!((3.0e11..3.7e11).contains(&unet), "{unet:e}");
        let decoder = AutoencoderKlConfig {
            block_out_channels: vec![128, 256, 512, 512],
            down_block_types: vec!["DownEncoderBlock2D".into(); 4],
            up_block_types: vec!["UpDecoderBlock2D".into(); 4],
            layers_per_block: 2,
            ..Default::default()
        };
        let decoder = decoder_work(&decoder.init(&device).unwrap(), 4) * 4096.0;
        assert!((1.1e12..1.3e12).contains(&decoder), "{decoder:e}");
    }
}
