#!/usr/bin/env python3
"""The work of benches/networks.rs in diffusers and OpenVINO: same shapes, random weights, f32.

    python3 benches/peer.py [--threads N] [--only SUBSTRING] [--keep FILE] [--test]

Prints one line a piece of work: name, median seconds. Needs torch, diffusers and
transformers; rows that end in "(openvino)" need openvino, and are left out where it is
not there. Everything takes less than 10 minutes on two cores. With --keep, rows that
were done are kept in a JSON file and not done again by the next call with as many
threads, so that it can be broken off. With --test, each is done once and the peak memory
so far is printed (of the process, and of its children), those of OpenVINO only where
--only names it. With --tiny, sizes are so small that it takes seconds: this tries the
script, and says nothing of speed. The backward passes leave the optimiser out, as ours do.
"""

import argparse
import gc
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
OPENVINO = " (openvino)"
# Seconds after which a row is not repeated any more.
PATIENCE = 25


class Rows:
    """What is to be measured, and what was."""

    def __init__(self, options):
        self.options = options
        self.keep = pathlib.Path(options.keep) if options.keep else None
        self.kept = {}
        if self.keep and self.keep.exists():
            self.kept = json.loads(self.keep.read_text())
        for key, seconds in self.kept.items():
            print(f"{key:45} {seconds:.4f} s (kept)", flush=True)

    def key(self, name):
        tiny = " tiny" if self.options.tiny else ""
        return f"{name}, {self.options.threads} threads{tiny}"

    def wants(self, *names):
        """Whether one of them is still to be done."""
        return any(self.options.only in name and self.key(name) not in self.kept for name in names)

    def measure(self, name, work, repeats=5):
        if not self.wants(name):
            return
        work()
        if self.options.test:
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
                print(f"{name:45} peak {resource.getrusage(who).ru_maxrss} kB", flush=True)
            return
        seconds = []
        while len(seconds) < repeats and (not seconds or sum(seconds) < PATIENCE):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        median = statistics.median(seconds)
        print(f"{name:45} {median:.4f} s", flush=True)
        if self.keep:
            self.kept[self.key(name)] = median
            self.keep.write_text(json.dumps(self.kept, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--only", default="")
    parser.add_argument("--keep", help="a JSON file that keeps the rows that are done")
    parser.add_argument("--test", action="store_true", help="once each, and the peak memory")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to try the script")
    parser.add_argument("--paint", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.paint:
        return paint(options.paint)
    rows = Rows(options)
    recipe = json.loads((ROOT / "assets/recipes/storybook.json").read_text())

    with torch.no_grad():
        name = "unet_step/storybook_128px_batch_2"
        if rows.wants(name):
            unet = UNet2DConditionModel.from_config(recipe["unet"]).eval()
            channels, width = unet.config.in_channels, unet.config.cross_attention_dim
            x, context = torch.randn(2, channels, 16, 16), torch.randn(2, 40, width)
            rows.measure(name, lambda: unet(x, 500, context), 20)
            del unet
        stable_diffusion_unet(rows)
        stable_diffusion_decoder(rows)
        # 10.3 GB of weights, twice that with OpenVINO: only where they are asked for.
        if "sdxl" in options.only:
            stable_diffusion_xl_unet(rows)
        name = "text/clip_l_batch_2"
        if rows.wants(name):
            config = CLIPTextConfig(
                hidden_size=768,
                intermediate_size=3072,
                num_attention_heads=12,
                num_hidden_layers=1 if options.tiny else 12,
                hidden_act="quick_gelu",
            )
            text = CLIPTextModel(config).eval()
            tokens = torch.full((2, 77), 320)
            rows.measure(name, lambda: text(tokens))
        name = "upscale/128_to_512px"
        if rows.wants(name):
            sys.path.insert(0, str(ROOT / "tests/data/reference"))
            from make_upscaler_reference import enlarge

            side = 32 if options.tiny else 128
            picture = torch.rand(1, 3, side, side)
            rows.measure(name, lambda: enlarge(picture))

    training_steps(rows, recipe)
    name = "process/storybook_25_steps"
    if rows.wants(name):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--threads", str(options.threads)]
            picture = pathlib.Path(folder) / "picture.png"
            run = lambda: subprocess.run(command + ["--paint", str(picture)], check=True)
            rows.measure(name, run)


def stable_diffusion_unet(rows):
    sides = (32, 64)
    names = [f"unet_step/sd15_{side * 8}px_batch_2" for side in sides]
    fast = openvino(rows, names)
    if not rows.wants(*names) and not fast:
        return
    tiny = rows.options.tiny
    widths = (32, 64, 64, 64) if tiny else (320, 640, 1280, 1280)
    unet = UNet2DConditionModel(
        cross_attention_dim=768,
        block_out_channels=widths,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    ).eval()
    context = torch.randn(2, 77, 768)
    inputs = {}
    for side, name in zip(sides, names):
        x = torch.randn(2, 4, side // 2, side // 2) if tiny else torch.randn(2, 4, side, side)
        inputs[name] = (x, torch.tensor([500.0, 500.0]), context)
        rows.measure(name, lambda: unet(x, 500, context))
    if fast:
        compiled(rows, fast, lambda x, t, context: unet(x, t, context).sample, unet, inputs)


def stable_diffusion_xl_unet(rows):
    name = "unet_step/sdxl_512px_batch_2"
    fast = openvino(rows, [name])
    if not rows.wants(name) and not fast:
        return
    tiny = rows.options.tiny
    unet = UNet2DConditionModel(
        cross_attention_dim=2048,
        block_out_channels=(32, 64, 64) if tiny else (320, 640, 1280),
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",),
        transformer_layers_per_block=(1, 2, 2 if tiny else 10),
        attention_head_dim=(4, 4, 4) if tiny else (5, 10, 20),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=2816,
    ).eval()
    side = 16 if tiny else 64
    inputs = (
        torch.randn(2, 4, side, side),
        torch.tensor([500.0, 500.0]),
        torch.randn(2, 77, 2048),
        torch.randn(2, 1280),
        torch.ones(2, 6),
    )

    def forward(x, t, context, text, sizes):
        added = {"text_embeds": text, "time_ids": sizes}
        return unet(x, t, context, added_cond_kwargs=added).sample

    rows.measure(name, lambda: forward(*inputs))
    if fast:
        compiled(rows, fast, forward, unet, {name: inputs})


def stable_diffusion_decoder(rows):
    name = "decode/sd15_512px"
    fast = openvino(rows, [name])
    if not rows.wants(name) and not fast:
        return
    tiny = rows.options.tiny
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 64, 64) if tiny else (128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
    ).eval()
    z = torch.randn(1, 4, 8, 8) if tiny else torch.randn(1, 4, 64, 64)
    rows.measure(name, lambda: vae.decode(z))
    if fast:
        compiled(rows, fast, lambda z: vae.decode(z).sample, vae, {name: (z,)})


def openvino(rows, names):
    """OpenVINO, if one of these rows is to be done with it."""
    names = [name + OPENVINO for name in names]
    if not rows.wants(*names) or (rows.options.test and "openvino" not in rows.options.only):
        return None
    try:
        import openvino
    except ImportError:
        print("openvino is not there: its rows are left out", file=sys.stderr)
        return None
    return openvino


def compiled(rows, openvino, forward, network, inputs):
    """The same network in OpenVINO, compiled for each of the inputs."""

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, *arguments):
            return forward(*arguments)

    example = next(iter(inputs.values()))
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "network.xml"
        model = openvino.convert_model(Wrapped().eval(), example_input=example)
        # From a file, so that the weights are in memory once.
        openvino.save_model(model, path, compress_to_fp16=False)
        del model
        # The largest networks fit in memory once as they are and once packed, not twice.
        network.to("meta")
        gc.collect()
        core = openvino.Core()
        for name, arguments in inputs.items():
            if not rows.wants(name + OPENVINO):
                continue
            model = core.read_model(path)
            shapes = zip(model.inputs, arguments)
            model.reshape({port: list(value.shape) for port, value in shapes})
            hints = {
                "INFERENCE_NUM_THREADS": rows.options.threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "NUM_STREAMS": 1,
                "PERFORMANCE_HINT": "LATENCY",
            }
            network_there = core.compile_model(model, "CPU", hints)
            values = [value.numpy() for value in arguments]
            rows.measure(name + OPENVINO, lambda: network_there(values))
            del model, network_there
            gc.collect()


def training_steps(rows, recipe):
    name = "training_step/storybook_unet_batch_32"
    if rows.wants(name):
        unet = UNet2DConditionModel.from_config(recipe["unet"])
        batch = 2 if rows.options.tiny else 32
        x = torch.randn(batch, unet.config.in_channels, 16, 16)
        context = torch.randn(batch, 40, unet.config.cross_attention_dim)

        def unet_step():
            unet.zero_grad(set_to_none=True)
            unet(x, 500, context).sample.square().mean().backward()

        rows.measure(name, unet_step)

    name = "training_step/storybook_autoencoder_batch_8"
    if rows.wants(name):
        vae = AutoencoderKL.from_config(recipe["autoencoder"])
        images = torch.randn(1 if rows.options.tiny else 8, 3, 64, 64)

        def autoencoder_step():
            vae.zero_grad(set_to_none=True)
            latents = vae.encode(images).latent_dist.mode()
            (vae.decode(latents).sample - images).abs().mean().backward()

        rows.measure(name, autoencoder_step)


def paint(path):
    """What `velatura generate` does with words alone, in a process of its own.

    Part by part, because diffusers has no pipeline of this kind. The channels that tell
    the denoiser of a mask say that all is painted; those of boxes and of a label map, of
    which nothing is said, are zeros.
    """
    from diffusers.image_processor import VaeImageProcessor

    model = ROOT / "assets/models/storybook"
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(model / "text_encoder").float()
    unet = UNet2DConditionModel.from_pretrained(model / "unet").float()
    vae = AutoencoderKL.from_pretrained(model / "vae").float()
    scheduler = EulerDiscreteScheduler.from_pretrained(model / "scheduler")
    manifest = json.loads((model / "studio.json").read_text())
    side = manifest["resolution_px"]
    words = next(it for it in manifest["inputs"] if it["kind"] == "text")
    with torch.no_grad():
        prompts = ["", "a red car in a meadow by day, 3d style"]
        tokens = tokenizer(
            prompts,
            padding="max_length",
            max_length=words["max_tokens"],
            truncation=True,
            return_tensors="pt",
        ).input_ids
        context = text_encoder(tokens)[0]
        grey = vae.encode(torch.zeros(1, 3, side, side)).latent_dist.mode()
        factor = vae.config.scaling_factor
        mask = torch.ones(1, 1, *grey.shape[2:])
        told = [mask, grey * factor]
        rest = unet.config.in_channels - 2 * grey.shape[1] - 1
        told.append(torch.zeros(1, rest, *grey.shape[2:]))
        scheduler.set_timesteps(25)
        latents = torch.randn(grey.shape) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            x = torch.cat([scheduler.scale_model_input(latents, t), *told], 1)
            without, guided = unet(x.repeat(2, 1, 1, 1), t, context).sample.chunk(2)
            said = without + 4.0 * (guided - without)
            latents = scheduler.step(said, t, latents).prev_sample
        made = vae.decode(latents / factor).sample
        VaeImageProcessor().postprocess(made)[0].save(path)


if __name__ == "__main__":
    main()
