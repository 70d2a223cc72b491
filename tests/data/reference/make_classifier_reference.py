#!/usr/bin/env python3
"""Classifiers of noisy latents by OpenAI's guided-diffusion, and runs of diffusers that they guide.

    git clone https://github.com/openai/guided-diffusion CODE
    python3 make_classifier_reference.py CODE

Run in this folder, after make_model_reference.py, with Python's torch, diffusers, transformers and safetensors (made with
torch 2.15, diffusers 0.42.1 and guided-diffusion 22e0df8). Weights are functions of their place, so that no file holds them:
the test makes the same. `cases` in the metadata of `classifier/networks.safetensors` says the sizes, and `shapes` what the
weights are called; of `classifier/runs.safetensors` what was run. A run is led as algorithm 2 of Dhariwal and Nichol 2021
says, which for models that predict noise is

    eps <- eps - scale sqrt(1 - abar) grad log p(class | x, t)

and for those that predict v the same in their words: v <- v - scale sqrt((1 - abar) / abar) grad log p(class | x, t).
"""
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, sys.argv[1])
import numpy as np
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, StableDiffusionPipeline
from guided_diffusion.unet import EncoderUNetModel
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
CLASSES, PROMPT, NEGATIVE = 5, "a small red house", "dark"

COMMON = {"model_channels": 32, "out_channels": CLASSES, "num_res_blocks": 1, "channel_mult": [1, 2]}
NETWORKS = [
    ("adaptive", [8, 6], {"image_size": 8, "in_channels": 4, "attention_resolutions": [2], "num_heads": 2, "pool": "adaptive"}),
    ("attention", [8, 8], {"image_size": 8, "in_channels": 3, "attention_resolutions": [1, 2], "num_head_channels": 16,
                           "use_scale_shift_norm": True, "resblock_updown": True, "pool": "attention"}),
    ("new-order", [16, 16], {"image_size": 16, "in_channels": 4, "attention_resolutions": [2], "num_head_channels": 32,
                             "use_new_attention_order": True, "pool": "attention"}),
    ("spatial", [8, 8], {"image_size": 8, "in_channels": 4, "attention_resolutions": [], "num_head_channels": 32,
                         "pool": "spatial"}),
    ("spatial-v2", [8, 8], {"image_size": 8, "in_channels": 4, "attention_resolutions": [2], "num_head_channels": 32,
                            "use_scale_shift_norm": True, "resblock_updown": True, "pool": "spatial_v2"}),
]


def numbers(count, seed):
    """In [0, 1), as the test makes them too."""
    x = np.arange(count, dtype=np.uint32) + np.uint32((seed * 0x9E3779B9) & 0xFFFFFFFF)
    for shift, factor in [(16, 0x7FEB352D), (15, 0x846CA68B)]:
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x = x ^ (x >> np.uint32(16))
    return x.astype(np.float64) / 2.0**32


def weight(name, shape, seed):
    x = numbers(int(np.prod(shape)), seed)
    if len(shape) == 1 and name.endswith("weight"):
        x = 1 + 0.4 * (x - 0.5)
    elif len(shape) == 1:
        x = 0.4 * (x - 0.5)
    else:
        x = (x - 0.5) * 2 * (3.0 / np.prod(shape[1:])) ** 0.5
    return torch.from_numpy(x.astype(np.float32)).reshape(shape)


def network(config):
    net = EncoderUNetModel(**{**COMMON, **config}).eval()
    shapes = {name: list(it.shape) for name, it in sorted(net.state_dict().items())}
    net.load_state_dict({name: weight(name, shape, seed) for seed, (name, shape) in enumerate(shapes.items())})
    return net, shapes


def led(net, seen, t, classes):
    """The gradient of log p, as guided-diffusion's classifier_sample.py takes it."""
    with torch.enable_grad():
        x = seen.detach().requires_grad_(True)
        logits = net(x, t)
        chosen = torch.log_softmax(logits, dim=-1)[range(len(logits)), classes]
        return logits.detach(), torch.autograd.grad(chosen.sum(), x)[0]


def networks():
    cases, tensors = [], {}
    for seed, (name, size, config) in enumerate(NETWORKS):
        net, shapes = network(config)
        x = torch.randn((2, config["in_channels"], *size), generator=torch.Generator().manual_seed(seed))
        t, classes = torch.tensor([37.0, 801.0]), [1, 4]
        logits, gradient = led(net, x, t, classes)
        for key, value in [("x", x), ("logits", logits), ("gradient", gradient)]:
            tensors[f"{name}.{key}"] = value.contiguous()
        cases.append({"name": name, "config": {**COMMON, **config}, "shapes": shapes, "steps": t.tolist(), "classes": classes})
        print(name, "logits", logits[0].tolist(), "gradient", gradient.std().item())
    save_file(tensors, HERE / "classifier" / "networks.safetensors", {"cases": json.dumps(cases)})


@torch.no_grad()
def run(pipe, kind, steps, guidance, net, scale, chosen, noise):
    scheduler = kind.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(steps)
    latents = noise * scheduler.init_noise_sigma
    told, free = pipe.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)
    for index, t in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(latents, t)
        said = pipe.unet(seen, t, told).sample
        if guidance > 1:
            away = pipe.unet(seen, t, free).sample
            said = away + guidance * (said - away)
        if kind is EulerDiscreteScheduler:
            abar = 1 / (scheduler.sigmas[index].double() ** 2 + 1)
        else:
            abar = scheduler.alphas_cumprod[t].double()
        _, gradient = led(net, seen, t.float().reshape(1), [chosen])
        is_v = scheduler.config.prediction_type == "v_prediction"
        said = said - gradient * (scale * ((1 - abar) / (abar if is_v else 1)).sqrt().item())
        latents = scheduler.step(said, t, latents).prev_sample
    return latents


def runs():
    cases, tensors = [], {}
    net, shapes = network(NETWORKS[0][2])
    for model, sampler, steps, guidance in [
        ("sd1-tiny", "ddim", 6, 1.0),
        ("sd1-tiny", "ddim", 6, 4.0),
        ("sd1-tiny", "euler", 6, 1.0),
        ("sd2-tiny", "ddim", 6, 1.0),
    ]:
        pipe = StableDiffusionPipeline.from_pretrained(HERE / model, safety_checker=None, feature_extractor=None,
                                                       requires_safety_checker=False)
        kind = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler}[sampler]
        factor = pipe.vae_scale_factor
        name = f"{model} {sampler} {guidance:g}"
        seed, scale, chosen = 20 + len(cases), 10.0, 2
        noise = torch.randn((1, 4, 24 // factor, 32 // factor), generator=torch.Generator().manual_seed(seed))
        free = run(pipe, kind, steps, guidance, net, 0.0, chosen, noise)
        latents = run(pipe, kind, steps, guidance, net, scale, chosen, noise)
        tensors[name] = latents.contiguous()
        print(name, "deviation", latents.std().item(), "moved", (latents - free).std().item())
        cases.append({"name": name, "model": model, "sampler": sampler, "steps": steps, "guidance": guidance, "seed": seed,
                      "scale": scale, "class": chosen, "network": NETWORKS[0][0]})
    save_file(tensors, HERE / "classifier" / "runs.safetensors", {"cases": json.dumps(cases)})


def published():
    """Weights of 64x64_classifier.pt, by the arguments that its README gives."""
    net = EncoderUNetModel(image_size=64, in_channels=3, model_channels=128, out_channels=1000, num_res_blocks=4,
                           attention_resolutions=[2, 4, 8], channel_mult=[1, 2, 3, 4], num_head_channels=64,
                           use_scale_shift_norm=True, resblock_updown=True, pool="attention")
    print("64x64_classifier", sum(it.numel() for it in net.parameters()))


if __name__ == "__main__":
    networks()
    runs()
    published()
