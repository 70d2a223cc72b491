#!/usr/bin/env python3
"""Noise of EDM on the tiny Stable Diffusion XL of `make_sdxl_reference.py`, by diffusers.

Run in this folder. Schedulers as those of Playground 2.5 and CosXL and in other forms, the
former with the mean and the deviation of each channel of latents.
"""

import json

import torch
from diffusers import (
    AutoencoderKL,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    StableDiffusionXLImg2ImgPipeline,
)
from make_sdxl_reference import HERE, NEGATIVE, SIDE, parts, pipeline
from PIL import Image
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.set_grad_enabled(False)

PROMPT = "a red house on a hill, two boats"
CHANNELS = {"scaling_factor": 0.5, "latents_mean": [-1.5, 0.25, 0.75, -0.5], "latents_std": [2.5, 1.25, 3.0, 0.75]}
COSXL = dict(sigma_max=120.0, sigma_data=1.0, sigma_schedule="exponential", prediction_type="v_prediction")
SOLVER, EULER = "EDMDPMSolverMultistepScheduler", "EDMEulerScheduler"
CASES = [
    dict(scheduler={"_class_name": SOLVER}, vae=CHANNELS, steps=6, strength=None),
    dict(scheduler={"_class_name": SOLVER}, vae=CHANNELS, steps=6, strength=0.5),
    dict(scheduler={"_class_name": EULER} | COSXL, vae={}, steps=6, strength=None),
    dict(scheduler={"_class_name": EULER} | COSXL, vae={}, steps=6, strength=0.5),
    dict(scheduler={"_class_name": EULER, "final_sigmas_type": "sigma_min"}, vae={}, steps=5, strength=None),
    dict(scheduler={"_class_name": SOLVER, "algorithm_type": "sde-dpmsolver++"}, vae={}, steps=5, strength=None),
    dict(scheduler={"_class_name": SOLVER, "solver_order": 3} | COSXL, vae={}, steps=16, strength=None),
]


def picture():
    image = Image.new("RGB", (SIDE, SIDE))
    image.putdata([tuple((x * 3 + y * c) % 256 for c in range(3)) for y in range(SIDE) for x in range(SIDE)])
    return image


def main():
    made = parts("base")
    tensors = {}
    for index, case in enumerate(CASES):
        pipe = pipeline("base", made)
        told = dict(case["scheduler"])
        kind = {SOLVER: EDMDPMSolverMultistepScheduler, EULER: EDMEulerScheduler}[told.pop("_class_name")]
        scheduler = kind(**told)
        # Without what diffusers notes of its own, by which it would take defaults again.
        sizes = {key: value for key, value in made["vae"].config.items() if not key.startswith("_")}
        vae = AutoencoderKL(**{**sizes, **case["vae"]})
        vae.load_state_dict(made["vae"].state_dict())
        pipe.scheduler, pipe.vae = scheduler, vae.eval()
        pipe.set_progress_bar_config(disable=True)
        both = dict(
            prompt=PROMPT, negative_prompt=NEGATIVE, num_inference_steps=case["steps"], guidance_scale=5.0,
            generator=torch.Generator().manual_seed(7), output_type="latent",
        )
        if case["strength"]:
            pipe = StableDiffusionXLImg2ImgPipeline(**pipe.components)
            pipe.set_progress_bar_config(disable=True)
            run = pipe(image=picture(), strength=case["strength"], **both).images
        else:
            run = pipe(height=SIDE, width=SIDE, **both).images
        tensors[f"{index}.run"] = run
        print(case, run.std().item(), run.abs().max().item())
        if case["vae"]:
            mean, std = (torch.tensor(CHANNELS[key]).view(1, 4, 1, 1) for key in ("latents_mean", "latents_std"))
            tensors[f"{index}.picture"] = vae.decode(run * std / vae.config.scaling_factor + mean).sample
    told = dict(cases=CASES, channels=CHANNELS)
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, HERE / "sdxl" / "edm.safetensors", {"cases": json.dumps(told)})


main()
