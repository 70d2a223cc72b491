#!/usr/bin/env python3
"""The work of benches/networks.rs in diffusers: same shapes, random weights, f32.

    python3 benches/peer.py [--threads N] [--only SUBSTRING] [--test]

Prints one line a piece of work: name, median seconds. Needs torch, diffusers
and transformers. With --test, each is done once and the peak memory so far is
printed (of the process, and of its children). The backward passes leave the optimiser out, as ours do.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measure(name, work, only, repeats=5):
    if only and only not in name:
        return
    work()
    if "--test" in sys.argv:
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            print(f"{name:45} peak {resource.getrusage(who).ru_maxrss} kB", flush=True)
        return
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(f"{name:45} {statistics.median(seconds):.4f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="")
    parser.add_argument("--test", action="store_true", help="once each, and the peak memory")
    parser.add_argument("--paint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.paint:
        return paint(options.paint)
    only = options.only
    recipe = json.loads((ROOT / "assets/recipes/storybook.json").read_text())

    with torch.no_grad():
        unet = UNet2DConditionModel.from_config(recipe["unet"]).eval()
        channels = unet.config.in_channels
        width = unet.config.cross_attention_dim
        x, context = torch.randn(2, channels, 16, 16), torch.randn(2, 40, width)
        measure("unet_step/storybook_128px_batch_2", lambda: unet(x, 500, context), only, 20)
        if not only or "sd15" in only and "decode" not in only:
            unet = UNet2DConditionModel(
                cross_attention_dim=768,
                block_out_channels=(320, 640, 1280, 1280),
                down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
                up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            ).eval()
            context = torch.randn(2, 77, 768)
            for side in (32, 64):
                x = torch.randn(2, 4, side, side)
                measure(f"unet_step/sd15_{side * 8}px_batch_2", lambda: unet(x, 500, context), only)
        unet = None
        if not only or "decode" in only:
            vae = AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
                latent_channels=4,
            ).eval()
            z = torch.randn(1, 4, 64, 64)
            measure("decode/sd15_512px", lambda: vae.decode(z), only)
            del vae
        if not only or "clip" in only:
            text = CLIPTextModel(
                CLIPTextConfig(
                    hidden_size=768,
                    intermediate_size=3072,
                    num_attention_heads=12,
                    num_hidden_layers=12,
                    hidden_act="quick_gelu",
                )
            ).eval()
            tokens = torch.full((2, 77), 320)
            measure("text/clip_l_batch_2", lambda: text(tokens), only)

        if not only or "upscale" in only:
            sys.path.insert(0, str(ROOT / "tests/data/reference"))
            from make_upscaler_reference import enlarge

            picture = torch.rand(1, 3, 128, 128)
            measure("upscale/128_to_512px", lambda: enlarge(picture), only)

    unet = UNet2DConditionModel.from_config(recipe["unet"])
    x = torch.randn(32, unet.config.in_channels, 16, 16)
    context = torch.randn(32, 40, unet.config.cross_attention_dim)

    def unet_step():
        unet.zero_grad(set_to_none=True)
        unet(x, 500, context).sample.square().mean().backward()

    measure("training_step/storybook_unet_batch_32", unet_step, only)

    vae = AutoencoderKL.from_config(recipe["autoencoder"])
    images = torch.randn(8, 3, 64, 64)

    def autoencoder_step():
        vae.zero_grad(set_to_none=True)
        latents = vae.encode(images).latent_dist.mode()
        (vae.decode(latents).sample - images).abs().mean().backward()

    measure("training_step/storybook_autoencoder_batch_8", autoencoder_step, only)

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--threads", str(options.threads)]
        picture = pathlib.Path(folder) / "picture.png"
        run = lambda: subprocess.run(command + ["--paint", str(picture)], check=True)
        measure("process/storybook_25_steps", run, only)


def paint(path):
    """What `velatura generate` does, in a process of its own.

    Part by part: StableDiffusionInpaintPipeline takes 9 input channels only, and
    Storybook's denoiser has 17, since its latents have 8.
    """
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(
        ROOT / "assets/models/storybook", torch_dtype=torch.float32
    )
    with torch.no_grad():
        prompts = ["", "a red car in a meadow by day, 3d style"]
        tokens = pipe.tokenizer(prompts, padding="max_length", return_tensors="pt").input_ids
        context = pipe.text_encoder(tokens)[0]
        grey = pipe.vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mode()
        masked = torch.cat([torch.ones(1, 1, 16, 16), grey * pipe.vae.config.scaling_factor], 1)
        pipe.scheduler.set_timesteps(25)
        latents = torch.randn(grey.shape) * pipe.scheduler.init_noise_sigma
        for t in pipe.scheduler.timesteps:
            x = torch.cat([pipe.scheduler.scale_model_input(latents, t), masked], 1)
            without, guided = pipe.unet(x.repeat(2, 1, 1, 1), t, context).sample.chunk(2)
            said = without + 4.0 * (guided - without)
            latents = pipe.scheduler.step(said, t, latents).prev_sample
        made = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
        pipe.image_processor.postprocess(made)[0].save(path)


if __name__ == "__main__":
    main()
