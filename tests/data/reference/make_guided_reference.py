#!/usr/bin/env python3
"""Makes the reference of runs that are guided by a picture, by torch and diffusers.

Run in this folder, after make_model_reference.py, with Python's torch, diffusers, transformers and
safetensors (made with torch 2.15 and diffusers 0.42.1):

    python3 make_guided_reference.py

`guided.safetensors` has the last latents of every case; `cases` in its metadata is a
JSON list that says what was run. A step is Euler's with what the denoiser said moved by the guide:

    z0 = the clean latents as they look from here          g = d/dz0  1/2 |phi(D(z0)) - y|^2
    z0 <- z0 - scale (1 - abar) |g|^2 / |d phi g|^2 g       (d phi g by a difference of 0.05 in rms)
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
WIDTH, HEIGHT, PROMPT = 32, 24, "a small red house"


def picture(width, height):
    """Bytes: colours and how opaque they are, as the test makes them too."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    alpha = torch.where(x * 4 < width * 3, 255, torch.where(y * 2 < height, 128, 0))
    planes = [(x * 37 + y * 11) % 256, (y * 29 + 40) % 256, (x * 5 + y * 53 + 90) % 256, alpha]
    return torch.stack(planes).float()


def planes(kind):
    width, height = (5, 3) if kind == "low-resolution" else (WIDTH, HEIGHT)
    rgba = picture(width, height)
    return rgba[None, :3] / 127.5 - 1, rgba[None, 3:] / 255


def shares(small, large):
    each = large / small
    rows = torch.zeros(small, large, dtype=torch.float64)
    for at in range(small):
        for place in range(large):
            rows[at, place] = max(0.0, min((at + 1) * each, place + 1) - max(at * each, place)) / each
    return rows.float()


def edges(x):
    luma = 0.299 * x[:, :1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:]
    across, along = torch.tensor([-1.0, 0, 1]) / 2, torch.tensor([0.25, 0.5, 0.25])
    kernel = torch.stack([torch.outer(along, across), torch.outer(across, along)])[:, None]
    return torch.nn.functional.conv2d(luma, kernel, padding=1)


def target(kind):
    shown, alpha = planes(kind)
    if kind == "low-resolution":
        rows, columns = shares(3, HEIGHT), shares(5, WIDTH)
        return lambda x: rows @ x @ columns.T * alpha, shown * alpha
    if kind == "strokes":
        return lambda x: x * alpha, shown * alpha
    least = -torch.nn.functional.max_pool2d(
        -torch.nn.functional.pad(alpha, (1, 1, 1, 1)), 3, stride=1)
    return lambda x: edges(x) * least, edges(shown) * least


def run(pipe, kind, scale, steps, seed):
    scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    scheduler.set_timesteps(steps)
    vae = pipe.vae
    factor = pipe.vae_scale_factor
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn((1, 4, HEIGHT // factor, WIDTH // factor), generator=generator)
    begun = latents.clone()
    latents = latents * scheduler.init_noise_sigma
    text = pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]
    phi, y = target(kind)
    decode = lambda z: vae.decode(z / vae.config.scaling_factor).sample
    for index, t in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(latents, t)
        with torch.no_grad():
            said = pipe.unet(seen, t, text).sample
        abar = 1 / (scheduler.sigmas[index].double() ** 2 + 1)
        signal, sigma = abar.sqrt().item(), (1 - abar).sqrt().item()
        is_v = scheduler.config.prediction_type == "v_prediction"
        clean = seen * signal - said * sigma if is_v else (seen - said * sigma) / signal
        clean = clean.requires_grad_(True)
        (0.5 * (phi(decode(clean)) - y).square().sum()).backward()
        with torch.no_grad():
            g = clean.grad
            square = g.square().sum().item()
            probe = 0.05 * (g.numel() / square) ** 0.5
            change = (phi(decode(clean + g * probe)) - phi(decode(clean))).square().sum().item() / probe**2
            moved = g * -(scale * sigma**2 * square / change)
            said = said - moved / sigma if is_v else said - moved * (signal / sigma)
            latents = scheduler.step(said, t, latents.detach()).prev_sample
    return begun, latents.detach()


def main():
    cases, tensors = [], {}
    for model in ["sd1-tiny", "sd2-tiny"]:
        pipe = StableDiffusionPipeline.from_pretrained(HERE / model, safety_checker=None,
                                                       feature_extractor=None, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        for kind in ["low-resolution", "strokes", "edges"]:
            for steps in [1, 3]:
                name = f"{model} {kind} {steps}"
                seed, scale = 10 + len(cases), 0.8
                _, tensors[name] = run(pipe, kind, scale, steps, seed)
                cases.append({"name": name, "model": model, "kind": kind, "steps": steps,
                              "seed": seed, "scale": scale})
    save_file(tensors, HERE / "guided.safetensors", {"cases": json.dumps(cases)})


if __name__ == "__main__":
    main()
