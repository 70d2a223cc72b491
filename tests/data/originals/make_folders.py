"""Writes what the weights in folders of diffusers are called, told by diffusers.

    ~/.cache/venv/bin/python tests/data/originals/make_folders.py

`folders.json` has, for each kind, the configurations by their paths and the names and
shapes of weights by the folder in which they lie.
"""
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

HERE = Path(__file__).parent


def unconditional(inputs=3, **more):
    return UNet2DModel(in_channels=inputs, out_channels=3, block_out_channels=(32, 64), layers_per_block=1,
                       down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"), **more)


def conditional(context, linear=False, **more):
    options = dict(block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=context,
                   down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"))
    return UNet2DConditionModel(use_linear_projection=linear, **{**options, **more})


def quantised(**more):
    return VQModel(block_out_channels=(32, 64), layers_per_block=1, latent_channels=3, num_vq_embeddings=16,
                   down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, **more)


def gaussian():
    return AutoencoderKL(block_out_channels=(32, 64), layers_per_block=1, latent_channels=4,
                         down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2)


def clip(kind=CLIPTextModel, width=16, act="quick_gelu"):
    return kind(CLIPTextConfig(vocab_size=50, hidden_size=width, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
                               projection_dim=12, hidden_act=act, bos_token_id=1, eos_token_id=2, architectures=[kind.__name__]))


def bert():
    return LDMBertModel(LDMBertConfig(vocab_size=50, encoder_layers=2, encoder_ffn_dim=64, encoder_attention_heads=2, d_model=32,
                                      head_dim=16))


def main():
    eps, velocity = DDIMScheduler(), DDIMScheduler(prediction_type="v_prediction")
    kinds = {
        "ldm-unconditional": ("LDMPipeline", {"unet": unconditional(), "vqvae": quantised(), "scheduler": eps}),
        "ldm-super-resolution": ("LDMSuperResolutionPipeline", {"unet": unconditional(6), "vqvae": quantised(), "scheduler": eps}),
        "ldm-text": ("LDMTextToImagePipeline", {"unet": conditional(32), "vqvae": gaussian(), "bert": bert(), "scheduler": eps}),
        "sdxl": ("StableDiffusionXLPipeline", {
            "unet": conditional(28, True, transformer_layers_per_block=(1, 2), addition_embed_type="text_time",
                                addition_time_embed_dim=8, projection_class_embeddings_input_dim=60, attention_head_dim=(2, 4)),
            "vae": gaussian(), "text_encoder": clip(), "text_encoder_2": clip(CLIPTextModelWithProjection, 12, "gelu"),
            "scheduler": eps}),
        "sd2": ("StableDiffusionPipeline", {"unet": conditional(16, True, attention_head_dim=(2, 4)), "vae": gaussian(),
                                            "text_encoder": clip(act="gelu"), "scheduler": velocity}),
        "first-stage": (None, {"": quantised(vq_embed_dim=5)}),
    }
    told = {}
    for kind, (pipeline, parts) in kinds.items():
        files, keys = {}, {}
        if pipeline:
            files["model_index.json"] = {"_class_name": pipeline}
        for folder, part in parts.items():
            config = part.config
            config = config.to_dict() if hasattr(config, "to_dict") else dict(config)
            config = json.loads(json.dumps(config, default=str))
            if folder == "scheduler":
                files["scheduler/scheduler_config.json"] = {"_class_name": type(part).__name__, **config}
                continue
            if not hasattr(part.config, "to_dict"):
                config["_class_name"] = type(part).__name__
            files[f"{folder}/config.json".lstrip("/")] = config
            keys[folder] = {name: list(value.shape) for name, value in part.state_dict().items()}
        told[kind] = {"files": files, "keys": keys}
        print(kind, {folder: len(names) for folder, names in keys.items()})
    (HERE / "folders.json").write_text(json.dumps(told, separators=(",", ":")) + "\n")


main()
