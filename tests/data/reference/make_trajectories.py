#!/usr/bin/env python3
"""Makes the references of random numbers, samplers and whole trajectories, by torch and diffusers.

Run in this folder, after make_model_reference.py, with Python's torch, diffusers, transformers,
safetensors, scipy, torchsde and Pillow (made with torch 2.15 on a processor with AVX2 and diffusers 0.42.1):

    ATEN_CPU_CAPABILITY=avx2 python3 make_trajectories.py [randn] [schedulers] [solvers] [pipelines]

Without a word it makes all of them. `solvers` needs the code of two others, by paths in the environment:
K_DIFFUSION, a folder with the package k_diffusion (0.1.1.post1), and LATENT_DIFFUSION, the repository
CompVis/latent-diffusion (a506df57).

Every file is a safetensors file; `cases` in its metadata is a JSON list that says what was run.

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

import importlib.util
import json
import logging
import os
import sys
import types
import warnings
from pathlib import Path

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
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from diffusers.schedulers import DPMSolverSDEScheduler, scheduling_dpmsolver_sde
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


def scheduler_reference():
    noise, clean = torch.randn(SHAPE, generator=seeded(1)), torch.randn(SHAPE, generator=seeded(2))
    cases, results, times, sigmas = [], [], [], []
    seen = set()
    for case in sampler_cases():
        # The configuration is written out, as a scheduler_config.json would be.
        key = json.dumps(case)
        if key in seen:
            continue
        seen.add(key)
        x, timesteps, sigma = run_sampler(case, seeded(7), noise, clean)
        if not torch.isfinite(x).all():
            # Euler-a takes roots of differences that f32 rounds below zero; those of ours are in f64.
            print("  not finite in diffusers, left out:", key)
            continue
        cases.append({k: v for k, v in case.items() if v})
        results.append(x.flatten())
        times.append(timesteps.double())
        sigmas.append(sigma)
    # Two pictures, each with its own generator.
    two = torch.cat([noise, clean])
    pair, _, _ = run_sampler(dict(sampler="euler-a", schedule="sd", steps=6, karras=False, start=0, config={}),
                             [seeded(70), seeded(71)], two, None)
    save({
        "noise": noise, "clean": clean, "result": torch.stack(results), "timesteps": torch.cat(times),
        "evaluations": torch.tensor([len(t) for t in times], dtype=torch.int32),
        "init_noise_sigma": torch.tensor(sigmas, dtype=torch.float64), "pair": pair,
    }, HERE / "schedulers.safetensors", {"schedules": SCHEDULES, "cases": cases})


# Solvers that came later ---------------------------------------------------------------------

SOLVERS = {
    "dpmpp-2m-sde": DPMSolverMultistepScheduler,
    "dpmpp-sde": DPMSolverSDEScheduler,
    "dpmpp-3m-sde": None,
    "unipc": UniPCMultistepScheduler,
    "dpm2": KDPM2DiscreteScheduler,
    "dpm2-a": KDPM2AncestralDiscreteScheduler,
    "lms": LMSDiscreteScheduler,
    "plms": None,
    "lcm": LCMScheduler,
}
SPACED = [s for s in SOLVERS if s not in ("plms", "lcm")]


def settings(sampler):
    return dict(algorithm_type="sde-dpmsolver++") if sampler == "dpmpp-2m-sde" else {}


class HandedNoise:
    """In place of a Brownian tree: numbers of the run's generator, as every other sampler takes them."""

    generator = None

    def __init__(self, x, *_):
        self.shape = x.shape

    def __call__(self, *_):
        return torch.randn(self.shape, generator=HandedNoise.generator)


scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = HandedNoise


def module_of(path, **others):
    """A Python file alone, without what it only imports."""
    for name, module in others.items():
        sys.modules[name.replace("__", ".")] = module
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def k_diffusion():
    path = Path(os.environ["K_DIFFUSION"]) / "k_diffusion/sampling.py"
    text = path.read_text().replace("from . import utils", "utils = None")
    module = types.ModuleType("sampling")
    sys.modules["torchdiffeq"] = types.SimpleNamespace(odeint=None)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def x0_of(said, x, sigma, prediction):
    """x₀ of x₀ + σ ε."""
    if prediction == "epsilon":
        return x - sigma * said
    if prediction == "v_prediction":
        return x / (sigma**2 + 1) - said * sigma / (sigma**2 + 1) ** 0.5
    return said


def run_3m(scheduler, case, generator, noise, clean):
    """k-diffusion's function on the steps of diffusers' multistep solver."""
    sigmas = scheduler.sigmas[case["start"]:]
    timesteps = scheduler.timesteps[case["start"]:]
    prediction = scheduler.config.prediction_type
    if case["start"]:
        x = clean + sigmas[0] * noise
    else:
        x = noise * (sigmas[0] ** 2 + 1) ** 0.5
    left = iter(timesteps)

    def model(x, sigma):
        said = toy_model(x / (sigma[0] ** 2 + 1) ** 0.5, float(next(left)))
        return x0_of(said, x, sigma[0], prediction)

    noises = lambda *_: torch.randn(noise.shape, generator=generator)
    x = k_diffusion().sample_dpmpp_3m_sde(model, x, sigmas, noise_sampler=noises, disable=True)
    return x / (sigmas[-1] ** 2 + 1) ** 0.5


def run_plms(config, case, noise):
    """The paper's sampler. Of velocity it makes noise as Stable Diffusion 2's code does."""
    root = Path(os.environ["LATENT_DIFFUSION"]) / "ldm"
    for name in ("ldm", "ldm.modules", "ldm.modules.diffusionmodules"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["ldm.util"] = types.SimpleNamespace(instantiate_from_config=None)
    sys.modules["einops"] = types.SimpleNamespace(repeat=None)
    util = module_of(root / "modules/diffusionmodules/util.py")
    plms = module_of(root / "models/diffusion/plms.py", ldm__modules__diffusionmodules__util=util)
    alphas = DDIMScheduler.from_config(config).alphas_cumprod
    prediction = config.get("prediction_type", "epsilon")

    class Model:
        num_timesteps = len(alphas)
        betas = alphas
        device = torch.device("cpu")
        alphas_cumprod = alphas
        alphas_cumprod_prev = torch.cat([torch.ones(1), alphas[:-1]])

        def apply_model(self, x, t, _):
            said, alpha = toy_model(x, float(t[0])), alphas[t[0]]
            if prediction == "v_prediction":
                return alpha.sqrt() * said + (1 - alpha).sqrt() * x
            return said

    plms.PLMSSampler.register_buffer = lambda self, name, value: setattr(self, name, value)
    sampler = plms.PLMSSampler(Model())
    with open(os.devnull, "w") as nowhere:
        sys.stdout, before = nowhere, sys.stdout
        try:
            x, _ = sampler.sample(case["steps"], 1, noise.shape[1:], x_T=noise, verbose=False)
            steps = [int(t) for t in np.flip(sampler.ddim_timesteps)]
        finally:
            sys.stdout = before
    second = steps[min(1, len(steps) - 1)]
    return x, torch.tensor([steps[0], second, *steps[1:]])


def run_solver(case, noise, clean):
    config = {**SCHEDULES.get(case["schedule"], {}), **case["config"]}
    if case["karras"]:
        config["use_karras_sigmas"] = True
    generator = seeded(7)
    HandedNoise.generator = generator
    if case["sampler"] == "plms":
        return *run_plms(config, case, noise), 1.0
    cls = SOLVERS[case["sampler"]] or DPMSolverMultistepScheduler
    scheduler = cls.from_config(config, **settings(case["sampler"]))
    scheduler.set_timesteps(case["steps"])
    if case["sampler"] == "dpmpp-3m-sde":
        return run_3m(scheduler, case, generator, noise, clean), scheduler.timesteps, 1.0
    start = case["start"] * scheduler.order
    timesteps = scheduler.timesteps[start:]
    scheduler.set_begin_index(start)
    if start:
        x = scheduler.add_noise(clean, noise, timesteps[:1].repeat(len(noise)))
    else:
        x = noise * scheduler.init_noise_sigma
    draws = case["sampler"] in ("dpmpp-2m-sde", "dpm2-a", "lcm")
    for i, t in enumerate(timesteps):
        said = toy_model(scheduler.scale_model_input(x, t), float(t))
        extra = dict(generator=generator) if draws else {}
        if case["sampler"] == "lms":
            # Its own choice of the order counts slopes that a run from the middle has not.
            extra = dict(order=min(4, i + 1))
        x = scheduler.step(said, t, x, **extra).prev_sample
    return x, scheduler.timesteps, float(scheduler.init_noise_sigma)


def solver_cases():
    def case(sampler, schedule, steps, karras=False, start=0, **config):
        return dict(sampler=sampler, schedule=schedule, steps=steps, karras=karras, start=start, config=config)

    for sampler in SPACED:
        predicts = ["epsilon", "v_prediction"] + ["sample"] * (sampler not in ("dpmpp-sde", "dpm2", "dpm2-a"))
        for schedule in SCHEDULES:
            for spacing in SPACINGS:
                # There σ reaches 20,000, and f32 holds no difference between the level of a step and that below.
                if sampler == "dpm2-a" and schedule == "cosine" and spacing != "leading":
                    continue
                for prediction in predicts if schedule == "sd" else predicts[:1]:
                    for steps in (1, 4, 25) if schedule == "sd" else (12,):
                        # k-diffusion's function fails on a single step.
                        if sampler != "dpmpp-3m-sde" or steps > 1:
                            yield case(sampler, schedule, steps, timestep_spacing=spacing, prediction_type=prediction)
                if schedule != "cosine":
                    yield case(sampler, schedule, 12, True, timestep_spacing=spacing)
        for spacing in SPACINGS:
            yield case(sampler, "sd", 10, start=4, timestep_spacing=spacing)
        yield case(sampler, "sd", 10, True, start=4, timestep_spacing="leading")
        yield case(sampler, "sd", 7, num_train_timesteps=1100, timestep_spacing="linspace")
        yield case(sampler, "sd", 5, num_train_timesteps=20, timestep_spacing="leading",
                   trained_betas=[round(0.01 + 0.004 * i, 3) for i in range(20)])
    for sampler in ("plms", "lcm"):
        for schedule in SCHEDULES:
            for prediction in ("epsilon", "v_prediction"):
                for steps in (1, 2, 4, 25, 30):
                    yield case(sampler, schedule, steps, prediction_type=prediction)
        yield case(sampler, "sd", 6, num_train_timesteps=1100)
        yield case(sampler, "sd", 7, num_train_timesteps=60, original_inference_steps=30)
    yield case("plms", "sd", 50)
    yield case("lcm", "sd", 50)
    yield case("lcm", "sd", 6, original_inference_steps=100, timestep_scaling=2.0, prediction_type="sample")
    yield case("lcm", "sd", 6, clip_sample=True, clip_sample_range=0.5)
    yield case("lcm", "sd", 10, start=4)
    for sampler in SOLVERS:
        if sampler != "plms":
            yield case(sampler, "none", 6)
    for sampler in ("dpmpp-2m-sde", "dpmpp-3m-sde", "unipc", "lcm"):
        yield case(sampler, "sd", 8, rescale_betas_zero_snr=True, prediction_type="v_prediction",
                   timestep_spacing="trailing")
    for karras in (False, True):
        for sampler in ("dpmpp-2m-sde", "dpmpp-3m-sde", "unipc"):
            yield case(sampler, "sd", 9, karras, final_sigmas_type="sigma_min", timestep_spacing="linspace")
            for key in (dict(solver_type="heun"), dict(solver_order=1), dict(euler_at_final=True), dict(lower_order_final=False)):
                if sampler != "dpmpp-3m-sde":
                    yield case(sampler, "sd", 9, karras, final_sigmas_type="sigma_min", **key)
                    yield case(sampler, "sd", 20, karras, **key)
        for key in (dict(solver_order=3), dict(solver_order=3, lower_order_final=False, final_sigmas_type="sigma_min"),
                    dict(solver_type="bh1", final_sigmas_type="sigma_min"), dict(solver_order=3, solver_type="bh1", final_sigmas_type="sigma_min"),
                    dict(disable_corrector=[0, 3]), dict(sigma_min=0.1, sigma_max=9.0)):
            yield case("unipc", "sd", 9, karras, **key)


def solver_reference():
    noise, clean = torch.randn(SHAPE, generator=seeded(1)), torch.randn(SHAPE, generator=seeded(2))
    cases, results, times, sigmas = [], [], [], []
    for case in solver_cases():
        x, timesteps, sigma = run_solver(case, noise, clean)
        if not torch.isfinite(x).all():
            print("  not finite in diffusers, left out:", json.dumps(case))
            continue
        cases.append({k: v for k, v in case.items() if v})
        results.append(x.flatten())
        times.append(timesteps.double())
        sigmas.append(sigma)
    save({
        "noise": noise, "clean": clean, "result": torch.stack(results), "timesteps": torch.cat(times),
        "evaluations": torch.tensor([len(t) for t in times], dtype=torch.int32),
        "init_noise_sigma": torch.tensor(sigmas, dtype=torch.float64),
    }, HERE / "solvers.safetensors", {"schedules": SCHEDULES, "cases": cases})
    print(len(cases), "cases")


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


def pipeline_reference(name, spec):
    width, height = spec["width"], spec["height"]
    image, mask = picture(width, height), mask_of(width, height, spec["factor"])
    pictures = dict(image=Image.fromarray(image), mask_image=Image.fromarray(mask))
    out, cases = {"image": torch.from_numpy(image), "mask": torch.from_numpy(mask)}, []
    parts = StableDiffusionPipeline.from_pretrained(HERE / name, torch_dtype=torch.float32, local_files_only=True).components
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
        seed = 1234
        run = lambda output: pipe(
            PROMPT, negative_prompt=NEGATIVE, num_inference_steps=12, guidance_scale=case["guidance"], eta=case["eta"],
            num_images_per_prompt=case["pictures"], output_type=output,
            generator=[seeded(seed + k) for k in range(case["pictures"])], **given,
        ).images
        key = str(len(cases))
        out[f"latents.{key}"] = run("latent")
        assert torch.isfinite(out[f"latents.{key}"]).all(), case
        if case["decode"]:
            out[f"decoded.{key}"] = torch.from_numpy(np.stack([np.asarray(p) for p in run("pil")]))
        cases.append(case)
        print(f"  {name} {spec}: deviation {out[f'latents.{key}'].std():.4f}")
    request = dict(prompt=PROMPT, negative_prompt=NEGATIVE, steps=12, seed=1234, width=width, height=height, cases=cases)
    save(out, HERE / name / "trajectories.safetensors", request)


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["randn", "schedulers", "solvers", "pipelines"]
    if "randn" in wanted:
        randn_reference()
    if "schedulers" in wanted:
        scheduler_reference()
    if "solvers" in wanted:
        solver_reference()
    if "pipelines" in wanted:
        for name, spec in PIPELINES.items():
            pipeline_reference(name, spec)
