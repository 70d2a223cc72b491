#!/usr/bin/env python3
"""Makes the references of random numbers, samplers and whole trajectories, by torch and diffusers.

Run in this folder, after make_model_reference.py, with Python's torch, diffusers, transformers,
safetensors and Pillow (made with torch 2.15 on a processor with AVX2 and diffusers 0.42.1):

    ATEN_CPU_CAPABILITY=avx2 python3 make_trajectories.py [randn] [schedulers] [pipelines]

Without a word it makes all three. make_solvers.py builds on this script.

Pipelines run in f64 (`precise`), and what comes of them is stored as f32: in f32 diffusers itself is off by up to 9e-4
of the latents' deviation. F32=1 in the environment makes them in f32, to see by how much.

The pipelines of diffusers draw random numbers, always with the caller's generator, in this order:

- text to image: the noise; then what the sampler draws at each step (ddpm, euler-a, ddim with eta)
- image to image: the posterior of the picture (one torch.randn of the latents' size), the noise
- inpainting with 4 channels: the posterior of the picture, the noise, and the posterior of the masked
  picture, although nothing uses the last one
- inpainting with 9 channels: the posterior of the picture only if strength < 1, the noise, and the
  posterior of the masked picture

With a list of generators each picture of a batch has all of these draws from its own; only inpainting
takes the posteriors of all pictures from the first generator, which we do not (picture k is what seed + k
alone gives), so that no batch of it is here.

The pipelines also set steps_offset to 1 and clip_sample to false in the scheduler that they are given, and
that for inpainting sets skip_prk_steps to true; a scheduler made from that one by from_config inherits what
the file names.
"""

import json
import logging
import os
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

os.environ["HF_HUB_OFFLINE"] = "1"
import diffusers
import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from diffusers.utils import torch_utils
from PIL import Image
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_grad_enabled(False)
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

SAMPLERS = {
    "ddim": DDIMScheduler,
    "ddpm": DDPMScheduler,
    "pndm": PNDMScheduler,
    "euler": EulerDiscreteScheduler,
    "euler-a": EulerAncestralDiscreteScheduler,
    "heun": HeunDiscreteScheduler,
    "dpmpp-2m": DPMSolverMultistepScheduler,
}
KARRAS = ["euler", "heun", "dpmpp-2m"]
SPREADS = {"exponential": "use_exponential_sigmas", "beta": "use_beta_sigmas"}
# What make_solvers.py adds: settings of a sampler's class, and who is told of the generator of a run.
SETTINGS, TOLD = {}, []


def seeded(seed):
    return torch.Generator("cpu").manual_seed(seed)


def save(tensors, path, cases):
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"cases": json.dumps(cases, separators=(",", ":"))})
    path.chmod(0o644)
    print(f"{path.relative_to(HERE)}: {path.stat().st_size} bytes")


# Random numbers ------------------------------------------------------------------------------

SEEDS = [0, 1, 1234, 2**32 + 5, 2**63 - 1]
# Consecutive calls with one generator; from 16 numbers on torch makes them in another way.
COUNTS = [1, 5, 15, 16, 17, 24, 31, 100, 4 * 8 * 8, 4 * 24 * 12, 4 * 64 * 64, 3, 7]


def kept(count):
    """Long ones are kept in part: both ends and every 37th number."""
    if count <= 200:
        return list(range(count))
    return sorted({*range(64), *range(count - 64, count), *range(0, count, 37)})


def randn_reference():
    assert torch.backends.cpu.get_cpu_capability() == "AVX2", "other processors round the last bit otherwise"
    out = {}
    for seed in SEEDS:
        g = seeded(seed)
        out[f"seed.{seed}"] = torch.cat([torch.randn(n, generator=g)[kept(n)] for n in COUNTS])
    save(out, HERE / "randn.safetensors", COUNTS)


# Samplers ------------------------------------------------------------------------------------

SHAPE = (1, 4, 3, 2)
SCHEDULES = {
    "sd": dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
               set_alpha_to_one=False, clip_sample=False, skip_prk_steps=True),
    "linear": dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear", skip_prk_steps=True),
    "cosine": dict(beta_schedule="squaredcos_cap_v2", skip_prk_steps=True, clip_sample_range=1.5),
}
SPACINGS = ["leading", "linspace", "trailing"]


def toy_model(x, t):
    """Depends on both, on neither linearly, and stays small."""
    t = np.float32(t)
    return torch.tanh(0.5 * x) * (np.float32(0.3) + t / (t + np.float32(300))) + np.float32(0.1) * torch.sin(3 * x)


def supports(sampler, prediction):
    return prediction != "sample" or sampler in ("ddim", "ddpm", "euler", "dpmpp-2m")


def sampler_cases():
    def case(sampler, schedule, steps, karras=False, eta=0.0, start=0, **config):
        return dict(sampler=sampler, schedule=schedule, steps=steps, karras=karras, eta=eta, start=start, config=config)

    for schedule in SCHEDULES:
        for sampler in SAMPLERS:
            for spacing in SPACINGS:
                for prediction in ("epsilon", "v_prediction", "sample"):
                    if not supports(sampler, prediction):
                        continue
                    for steps in (1, 4, 25):
                        for karras in (False, True) if sampler in KARRAS else (False,):
                            # A single Karras level is the usual one.
                            if karras and (steps == 1 or prediction == "sample"):
                                continue
                            yield case(sampler, schedule, steps, karras, timestep_spacing=spacing,
                                       prediction_type=prediction)
    for schedule in ("sd", "linear"):
        for eta in (0.5, 1.0):
            for spacing in SPACINGS:
                for prediction in ("epsilon", "v_prediction"):
                    yield case("ddim", schedule, 12, eta=eta, timestep_spacing=spacing, prediction_type=prediction)
    # From the middle on, as with a picture to begin with.
    for sampler in SAMPLERS:
        for spacing in SPACINGS:
            for karras in (False, True) if sampler in KARRAS else (False,):
                yield case(sampler, "sd", 10, karras, start=4, timestep_spacing=spacing)
    # Schedules that end in pure noise.
    for sampler in ("ddim", "ddpm", "euler", "euler-a", "dpmpp-2m"):
        yield case(sampler, "sd", 8, rescale_betas_zero_snr=True, prediction_type="v_prediction",
                   timestep_spacing="trailing")
    # Only the class's own defaults.
    for sampler in SAMPLERS:
        yield case(sampler, "linear", 6)
        yield case(sampler, "none", 6)
    # Fewer or more training steps, given βs.
    for sampler in SAMPLERS:
        yield case(sampler, "sd", 7, num_train_timesteps=1100, timestep_spacing="linspace")
        yield case(sampler, "sd", 7, num_train_timesteps=60, timestep_spacing="trailing")
        yield case(sampler, "sd", 5, num_train_timesteps=20, timestep_spacing="leading",
                   trained_betas=[round(0.01 + 0.004 * i, 3) for i in range(20)])
    # Runge-Kutta.
    for spacing in SPACINGS:
        for prediction in ("epsilon", "v_prediction"):
            for steps in (4, 10, 25):
                yield case("pndm", "sd", steps, skip_prk_steps=False, timestep_spacing=spacing, prediction_type=prediction)
    # Keys of one class.
    for key in (dict(set_alpha_to_one=True), dict(set_alpha_to_one=False), dict(clip_sample=True, clip_sample_range=0.4)):
        for sampler in ("ddim", "ddpm", "pndm", "heun"):
            yield case(sampler, "sd", 9, **key)
    for variance in ("fixed_small", "fixed_small_log", "fixed_large"):
        yield case("ddpm", "linear", 9, variance_type=variance)
        yield case("ddpm", "sd", 9, variance_type=variance, timestep_spacing="trailing")
    for karras in (False, True):
        for sampler in ("euler", "dpmpp-2m"):
            yield case(sampler, "sd", 9, karras, final_sigmas_type="sigma_min", timestep_spacing="linspace")
        yield case("euler", "sd", 9, karras, sigma_min=0.1, sigma_max=9.0)
        for key in (dict(solver_type="heun"), dict(solver_order=1), dict(euler_at_final=True), dict(lower_order_final=False)):
            for steps in (9, 20):
                yield case("dpmpp-2m", "sd", steps, karras, **key)
                yield case("dpmpp-2m", "sd", steps, karras, final_sigmas_type="sigma_min", **key)
        yield case("dpmpp-2m", "cosine", 9, karras, lambda_min_clipped=-5.1)
        yield case("dpmpp-2m", "cosine", 9, karras, lambda_min_clipped=-5.1, timestep_spacing="trailing")
        yield case("dpmpp-2m", "cosine", 9, karras, lambda_min_clipped=-5.1, timestep_spacing="leading")


def run_sampler(case, generator, noise, clean):
    cls = SAMPLERS[case["sampler"]]
    config = {**SCHEDULES.get(case["schedule"], {}), **case["config"]}
    if case["karras"]:
        config["use_karras_sigmas"] = True
    scheduler = cls.from_config(config)
    scheduler.set_timesteps(case["steps"])
    start = case["start"] * scheduler.order
    timesteps = scheduler.timesteps[start:]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(start)
    if start:
        x = scheduler.add_noise(clean, noise, timesteps[:1].repeat(len(noise)))
    else:
        x = noise * scheduler.init_noise_sigma
    extra = {}
    if case["sampler"] == "ddim":
        extra = dict(eta=case["eta"], generator=generator)
    elif case["sampler"] in ("ddpm", "euler-a"):
        extra = dict(generator=generator)
    for t in timesteps:
        said = toy_model(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(said, t, x, **extra).prev_sample
    return x, scheduler.timesteps, float(scheduler.init_noise_sigma)


def inputs():
    """What every run of a sampler begins with: noise, and a picture."""
    return torch.randn(SHAPE, generator=seeded(1)), torch.randn(SHAPE, generator=seeded(2))


def run_seeded(case, noise, clean):
    return run_sampler(case, seeded(7), noise, clean)


def results(name, cases_of, run=run_seeded, more={}):
    """Writes what comes of runs of samplers; those without one, or with none that is finite, are left out."""
    noise, clean = inputs()
    cases, results, times, sigmas = [], [], [], []
    for case in cases_of:
        # The configuration is written out, as a scheduler_config.json would be.
        key = json.dumps(case)
        try:
            x, timesteps, sigma = run(case, noise, clean)
        except NotImplementedError as error:
            print("  not there, left out:", key, error)
            continue
        if not torch.isfinite(x).all():
            # Euler-a takes roots of differences that f32 rounds below zero; those of ours are in f64.
            print("  not finite there, left out:", key)
            continue
        cases.append({k: v for k, v in case.items() if v})
        results.append(x.flatten())
        times.append(timesteps.double())
        sigmas.append(sigma)
    save({
        "noise": noise, "clean": clean, "result": torch.stack(results), "timesteps": torch.cat(times),
        "evaluations": torch.tensor([len(t) for t in times], dtype=torch.int32),
        "init_noise_sigma": torch.tensor(sigmas, dtype=torch.float64), **more,
    }, HERE / name, {"schedules": SCHEDULES, "cases": cases})
    print(len(cases), "cases")


def scheduler_reference():
    # Two pictures, each with its own generator.
    pair, _, _ = run_sampler(dict(sampler="euler-a", schedule="sd", steps=6, karras=False, start=0, config={}),
                             [seeded(70), seeded(71)], torch.cat(inputs()), None)
    results("schedulers.safetensors", sampler_cases(), more={"pair": pair})


# Whole pipelines -----------------------------------------------------------------------------

PROMPT, NEGATIVE = "a small red house on a green hill under a blue sky", "a cartoon sailboat at night"


def picture(width, height):
    """A smooth picture with an edge, as a byte array."""
    y, x = np.mgrid[0:height, 0:width] / 32
    planes = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(5 * x * y)]
    image = np.stack([127.5 + 110 * p for p in planes], -1)
    image[height // 3 : height // 2, width // 4 : width // 2] = (230, 40, 90)
    return image.round().clip(0, 255).astype(np.uint8)


def mask_of(width, height, factor):
    """A soft box and a corner; edges lie between latents, since we repaint latents that are touched at all."""
    mask = np.zeros((height // factor, width // factor), np.uint8)
    mask[2:-4, 3:9] = 255
    mask[3:5, 5:8] = 128
    mask[-4:, -5:] = 200
    mask[:2, :2] = 127
    return mask.repeat(factor, 0).repeat(factor, 1)


SD = dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
# Where a file does not say so, DDIM clips. These random networks are so sensitive to it that f32 and f64 differ
# by 1e-3 of the deviation in diffusers itself.
DDIM = dict(sampler="ddim", scheduler=dict(_class_name="PNDMScheduler", skip_prk_steps=True, steps_offset=1,
                                           set_alpha_to_one=False, clip_sample=False, **SD))
ZERO_SNR = dict(_class_name="DDIMScheduler", timestep_spacing="trailing", prediction_type="v_prediction",
                rescale_betas_zero_snr=True, set_alpha_to_one=False, clip_sample=False, steps_offset=1, **SD)
OTHERS = [None, *(s for s in SAMPLERS if s != "ddim")]
PIPELINES = {
    "sd1-tiny": dict(width=104, height=56, factor=4, cases=[
        *[dict(sampler=s) for s in OTHERS],
        DDIM,
        *[dict(sampler=s, karras=True) for s in KARRAS],
        dict(sampler="ddim", eta=0.7),
        dict(guidance=1.0, decode=True),
        dict(sampler="euler-a", pictures=2),
        dict(scheduler=dict(_class_name="EulerDiscreteScheduler", timestep_spacing="trailing", **SD)),
        dict(scheduler=dict(_class_name="EulerDiscreteScheduler", timestep_spacing="linspace", use_karras_sigmas=True, **SD)),
        dict(scheduler=dict(_class_name="DPMSolverMultistepScheduler", timestep_spacing="linspace", **SD)),
        dict(scheduler=dict(_class_name="UniPCMultistepScheduler", solver_type="bh2", timestep_spacing="linspace", **SD),
             sampler="dpmpp-2m"),
        dict(scheduler=dict(_class_name="PNDMScheduler", steps_offset=1, set_alpha_to_one=False, clip_sample=False, **SD)),
        # Files that the pipelines correct.
        dict(scheduler=dict(_class_name="PNDMScheduler", skip_prk_steps=True, steps_offset=0, **SD)),
        dict(scheduler=dict(_class_name="DDIMScheduler", clip_sample=True, steps_offset=0, **SD)),
        dict(scheduler=dict(_class_name="DDIMScheduler", clip_sample=True, steps_offset=0, **SD), sampler="ddpm"),
        dict(scheduler=dict(_class_name="DDIMScheduler", **SD)),
        *[dict(kind="image", sampler=s, strength=0.6) for s in SAMPLERS],
        dict(kind="image", sampler="heun", strength=0.6, karras=True),
        dict(kind="image", strength=1.0),
        dict(kind="image", strength=0.3, pictures=2),
        *[dict(kind="inpaint", sampler=s, strength=0.6) for s in SAMPLERS],
        dict(kind="inpaint", sampler="euler", strength=1.0, decode=True),
        dict(kind="inpaint", sampler="pndm", strength=1.0),
    ]),
    "sd2-tiny": dict(width=48, height=40, factor=2, cases=[
        *[dict(sampler=s) for s in [None, *SAMPLERS]],
        *[dict(sampler=s, karras=True) for s in KARRAS],
        dict(sampler="ddim", eta=1.0),
        dict(scheduler=ZERO_SNR, decode=True),
        dict(scheduler=ZERO_SNR, sampler="euler"),
        dict(kind="image", sampler="dpmpp-2m", strength=0.6),
        dict(kind="inpaint", sampler="euler-a", strength=0.8),
    ]),
    "inpaint-tiny": dict(width=96, height=64, factor=4, cases=[
        *[dict(kind="inpaint", sampler=s) for s in OTHERS],
        dict(kind="inpaint", **DDIM),
        *[dict(kind="inpaint", sampler=s, karras=True) for s in KARRAS],
        *[dict(kind="inpaint", sampler=s, strength=0.6) for s in SAMPLERS],
        # Without a picture everything is repainted.
        dict(kind="all", sampler="euler-a"),
        dict(kind="all", decode=True),
        dict(kind="inpaint", sampler="ddpm", strength=0.75),
        # A file that the inpainting pipeline corrects once more: it wants no Runge-Kutta.
        dict(kind="inpaint", scheduler=dict(_class_name="PNDMScheduler", skip_prk_steps=False, steps_offset=1, **SD)),
    ]),
    "wgpu-tiny": dict(width=48, height=32, factor=2, cases=[dict(sampler=s) for s in [None, "ddim", "euler", "dpmpp-2m"]]),
}


PRECISION = torch.float32 if os.environ.get("F32") else torch.float64


def precise():
    """Within this, pipelines whose weights are f64 stay in f64, with the random numbers of f32. Tables of noise levels
    and of times stay as diffusers rounds them."""
    draw, cast = torch_utils.randn_tensor, torch.Tensor.to

    def drawn(*args, dtype=None, **more):
        return draw(*args, dtype=torch.float32, **more).to(dtype=PRECISION)

    def kept(tensor, *args, **more):
        # Samplers cast samples of less than f32, and with them those of more.
        if tensor.dtype == torch.float64 and args == (torch.float32,):
            return tensor
        return cast(tensor, *args, **more)

    stack = ExitStack()
    stack.enter_context(patch.object(torch.Tensor, "to", kept))
    for module in list(sys.modules.values()):
        if module.__name__.startswith("diffusers") and vars(module).get("randn_tensor") is draw:
            stack.enter_context(patch.object(module, "randn_tensor", drawn))
    return stack


def guided_in(pipe, case):
    """Guidance in some of 12 steps only, by the callback that diffusers has for it; steps count as its guiders'."""
    first, last = (int(share * 12) for share in case["interval"])
    skipped = 12 - int(12 * case["strength"])
    per_step, warm_up = pipe.scheduler.order, int(case["sampler"] == "pndm")
    words, away = pipe.encode_prompt(PROMPT, "cpu", 1, True, negative_prompt=NEGATIVE)

    def scale(evaluation):
        step = skipped + max(evaluation - warm_up, 0) // per_step
        return case["guidance"] if first <= step < last else 1.0

    def on_step_end(pipe, evaluation, timestep, held):
        pipe._guidance_scale = scale(evaluation + 1)
        return {"prompt_embeds": torch.cat([away, words]) if pipe.do_classifier_free_guidance else words}

    return dict(
        guidance_scale=scale(0), callback_on_step_end=on_step_end, callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )


def pipeline_reference(name, spec, to="trajectories"):
    with precise():
        make_pipelines(name, spec, to)


def make_pipelines(name, spec, to):
    width, height = spec["width"], spec["height"]
    image = picture(width, height)
    mask = spec["mask"](width, height) if "mask" in spec else mask_of(width, height, spec["factor"])
    pictures = dict(image=Image.fromarray(image), mask_image=Image.fromarray(mask))
    out, cases = {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}, []
    parts = StableDiffusionPipeline.from_pretrained(HERE / name, torch_dtype=PRECISION, local_files_only=True).components
    for spec in spec["cases"]:
        case = dict(kind="text", sampler=None, karras=None, eta=0.0, guidance=6.5, strength=1.0, pictures=1,
                    scheduler=None, decode=False) | spec
        file = case["scheduler"] or json.loads((HERE / name / "scheduler/scheduler_config.json").read_text())
        scheduler = getattr(diffusers, file["_class_name"]).from_config(file)
        kind = {"text": StableDiffusionPipeline, "image": StableDiffusionImg2ImgPipeline}
        cls = kind.get(case["kind"], StableDiffusionInpaintPipeline)
        pipe = cls(**{**parts, "scheduler": scheduler}, requires_safety_checker=False)
        pipe.set_progress_bar_config(disable=True)
        overrides = {} if case["karras"] is None else dict(use_karras_sigmas=case["karras"])
        overrides |= SETTINGS.get(case["sampler"], {})
        if case.get("schedule"):
            overrides[SPREADS[case["schedule"]]] = True
        if case["sampler"] or overrides:
            cls = SAMPLERS.get(case["sampler"], type(pipe.scheduler))
            pipe.scheduler = cls.from_config(pipe.scheduler.config, **overrides)
        given = {
            "text": dict(width=width, height=height),
            "image": dict(image=pictures["image"], strength=case["strength"]),
            "inpaint": dict(width=width, height=height, strength=case["strength"], **pictures),
            "all": dict(width=width, height=height, strength=1.0, image=Image.new("RGB", (width, height)),
                        mask_image=Image.new("L", (width, height), 255)),
        }[case["kind"]]
        if case.get("rescale"):
            given |= dict(guidance_rescale=case["rescale"])
        if case.get("interval"):
            given |= guided_in(pipe, case)
        if case.get("given"):
            out["given"] = torch.randn(1, 4, height // 4, width // 4, generator=seeded(99))
            handed = out["given"].to(dtype=PRECISION)
            given |= dict(latents=handed) if case["given"] == "noise" else dict(image=handed)
        seed = 1234

        def run(output):
            generators = [seeded(seed + k) for k in range(case["pictures"])]
            for tell in TOLD:
                tell(generators[0])
            return pipe(
                PROMPT, negative_prompt=NEGATIVE, num_inference_steps=12, eta=case["eta"],
                num_images_per_prompt=case["pictures"], output_type=output, generator=generators,
                **dict(guidance_scale=case["guidance"]) | given,
            ).images

        key = str(len(cases))
        out[f"latents.{key}"] = run("latent").float()
        assert torch.isfinite(out[f"latents.{key}"]).all(), case
        if case["decode"]:
            out[f"decoded.{key}"] = torch.from_numpy(np.stack([np.asarray(p) for p in run("pil")]))
        cases.append(case)
        print(f"  {name} {spec}: deviation {out[f'latents.{key}'].std():.4f}")
    request = dict(prompt=PROMPT, negative_prompt=NEGATIVE, steps=12, seed=1234, width=width, height=height, cases=cases)
    save(out, HERE / name / f"{to}.safetensors", request)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["randn", "schedulers", "pipelines"]
    if "randn" in wanted:
        randn_reference()
    if "schedulers" in wanted:
        scheduler_reference()
    if "pipelines" in wanted:
        for name, spec in PIPELINES.items():
            pipeline_reference(name, spec)
