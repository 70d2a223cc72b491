"""What diffusers computes with tiny `LDMPipeline`s: a `UNet2DModel` and a `VQModel`.

    ~/.cache/venv/bin/python tests/data/reference/make_plain_denoiser_reference.py

Weights are drawn from their names, here and in `tests/latent_diffusion/main.rs` alike; the
metadata of the results hold configurations, names and shapes.
"""
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, LDMPipeline, UNet2DModel, VQModel
from safetensors.torch import save_file

OUT = Path(__file__).parent / "latent-diffusion"


def numbers(name, shape):
    """As in make_latent_diffusion_reference.py."""
    count = int(np.prod(shape, dtype=np.int64))
    seed = 0x811C9DC5
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x01000193) & 0xFFFFFFFF
    h = (np.arange(count, dtype=np.uint32) + np.uint32(seed)) * np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x85EBCA77)
    h ^= h >> np.uint32(13)
    h *= np.uint32(0xC2B2AE3D)
    h ^= h >> np.uint32(16)
    u = h.astype(np.float64) / 2147483648.0 - 1.0
    place = name.split(".")[-2]
    if len(shape) == 1 and name.endswith("weight"):
        u = 1.0 + 0.1 * u
    elif len(shape) == 1:
        u = 0.05 * u
    elif not (place.endswith("embedding") or place == "label_emb"):
        u = u * np.sqrt(2.0 / np.prod(shape[1:]))
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def config_of(module):
    return {key: value for key, value in module.config.items() if key != "_use_default_values"} | {
        "_class_name": type(module).__name__}


@torch.no_grad()
def make(kind, classes=None, **params):
    unet = UNet2DModel(sample_size=16, in_channels=3, out_channels=3, block_out_channels=(32, 64), layers_per_block=1,
                       num_class_embeds=classes, **params).eval()
    stage = VQModel(block_out_channels=(32, 64), down_block_types=("DownEncoderBlock2D",) * 2,
                    up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=3, num_vq_embeddings=16, sample_size=32,
                    scaling_factor=1.0).eval()
    scheduler = DDIMScheduler(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False)
    keys = {}
    for part, module in [("unet", unet), ("vqvae", stage)]:
        shapes = {name: list(value.shape) for name, value in module.state_dict().items()}
        module.load_state_dict({name: numbers(name, shape) for name, shape in shapes.items()})
        keys[part] = shapes
    generator = torch.Generator().manual_seed(sum(kind.encode()))
    latents = torch.randn((1, 3, 8, 12), generator=generator)
    told = [] if classes is None else [torch.tensor([3])]
    one = unet(latents, torch.tensor([501]), *told).sample
    scheduler.set_timesteps(4)
    run = latents
    for step in scheduler.timesteps:
        said = unet(run, step, *told).sample
        if told:
            free = unet(run, step, torch.tensor([classes - 1])).sample
            said = free + 3.0 * (said - free)
        run = scheduler.step(said, step, run).prev_sample
    if not told:
        # The pipeline itself, whose latents are square.
        pipeline = LDMPipeline(vqvae=stage, unet=unet, scheduler=scheduler)
        generator = torch.Generator().manual_seed(7)
        picture = pipeline(generator=generator, num_inference_steps=4, output_type="np").images[0]
        print(kind, "pipeline", picture.shape)
        more = {"picture": torch.from_numpy(picture.transpose(2, 0, 1))[None].float()}
    else:
        more = {}
    pixels = torch.randn((1, 3, 16, 24), generator=torch.Generator().manual_seed(5)).clamp(-1, 1)
    results = {"latents": latents, "pixels": pixels, "one": one, "run": run, "decoded": stage.decode(latents).sample,
               "encoded": stage.encode(pixels).latents, **more}
    metadata = {"unet": json.dumps(config_of(unet)), "vqvae": json.dumps(config_of(stage)),
                "scheduler": json.dumps(config_of(scheduler)), "keys": json.dumps(keys)}
    save_file({name: value.contiguous() for name, value in results.items()}, OUT / f"{kind}.safetensors", metadata)
    (OUT / f"{kind}.safetensors").chmod(0o644)
    print(kind, {name: (round(value.std().item(), 3), round(value.abs().max().item(), 2)) for name, value in results.items()})


make("folder", down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
     attention_head_dim=16)
make("folder-classes", classes=7, down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
     up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"), attention_head_dim=None, downsample_type="resnet",
     upsample_type="resnet", resnet_time_scale_shift="scale_shift", attn_norm_num_groups=32)
# As google/ddpm has them: maps are halved with zeros only below and to the right.
make("folder-ddpm", down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"),
     attention_head_dim=None, downsample_padding=0, freq_shift=1, flip_sin_to_cos=False, norm_eps=1e-6, act_fn="silu",
     mid_block_scale_factor=1, center_input_sample=False, time_embedding_type="positional")
