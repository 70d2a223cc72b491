#!/usr/bin/env python3
"""Makes the references of the samplers that came later, of other ways to spread noise levels, and of whole pipelines
with them, with masks whose edges cross latents, and with noise and latents that are handed in.

Run in this folder, with what make_trajectories.py needs and Python's scipy and torchsde:

    ATEN_CPU_CAPABILITY=avx2 python3 make_solvers.py [solvers] [spreads] [later] [given]     without a word: all four

`solvers` needs the code of two others, by paths in the environment: K_DIFFUSION, a folder with the package k_diffusion
(0.1.1.post1), and LATENT_DIFFUSION, the repository CompVis/latent-diffusion (a506df57).
"""

import importlib.util
import os
import sys
import types
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LCMScheduler,
    LMSDiscreteScheduler,
    UniPCMultistepScheduler,
)
from diffusers.schedulers import AysSchedules, DPMSolverSDEScheduler, scheduling_dpmsolver_sde
from make_trajectories import (
    KARRAS,
    SAMPLERS,
    SCHEDULES,
    SD,
    SETTINGS,
    SPACINGS,
    SPREADS,
    TOLD,
    ZERO_SNR,
    pipeline_reference,
    results,
    seeded,
    toy_model,
)

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


class HandedNoise:
    """In place of a Brownian tree: numbers of the run's generator, as every other sampler takes them."""

    generator = None

    def __init__(self, x, *_):
        self.shape = x.shape

    def __call__(self, *_):
        return torch.randn(self.shape, generator=HandedNoise.generator)


scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = HandedNoise
SETTINGS["dpmpp-2m-sde"] = dict(algorithm_type="sde-dpmsolver++")
SAMPLERS.update({sampler: cls for sampler, cls in SOLVERS.items() if cls})
TOLD.append(lambda generator: setattr(HandedNoise, "generator", generator))


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
    scheduler = cls.from_config(config, **SETTINGS.get(case["sampler"], {}))
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


# Ways to spread noise levels -----------------------------------------------------------------

# Classes that take timesteps of their own.
ALIGNED = ["euler", "heun", "dpmpp-2m", "dpmpp-2m-sde"]


def spread_cases():
    def case(sampler, spread, steps, start=0, schedule="sd", **config):
        return dict(sampler=sampler, schedule=schedule, steps=steps, spread=spread, start=start, config=config)

    samplers = [*KARRAS, *(s for s in SPACED if s != "dpmpp-3m-sde")]
    for sampler in samplers:
        for spread in SPREADS:
            for spacing in SPACINGS:
                yield case(sampler, spread, 12, timestep_spacing=spacing)
            for steps in (2, 30):
                yield case(sampler, spread, steps, schedule="linear")
            yield case(sampler, spread, 10, 4, timestep_spacing="leading", prediction_type="v_prediction")
            yield case(sampler, spread, 7, num_train_timesteps=1100)
    for sampler in ("euler", "unipc"):
        for spread in SPREADS:
            yield case(sampler, spread, 9, sigma_min=0.1, sigma_max=9.0)
            yield case(sampler, spread, 9, final_sigmas_type="sigma_min")
    for sampler in ("dpmpp-2m", "unipc"):
        for spread in SPREADS:
            yield case(sampler, spread, 9, schedule="cosine")
    for sampler in ALIGNED:
        for spacing in SPACINGS:
            yield case(sampler, "ays", 10, timestep_spacing=spacing)
        yield case(sampler, "ays", 10, 3, timestep_spacing="leading", prediction_type="v_prediction")
        yield case(sampler, "ays", 10, schedule="linear")


def run_spread(case, noise, clean):
    config = {**SCHEDULES[case["schedule"]], **case["config"]}
    generator = seeded(7)
    HandedNoise.generator = generator
    if case["spread"] in SPREADS:
        config[SPREADS[case["spread"]]] = True
    cls = SAMPLERS[case["sampler"]]
    scheduler = cls.from_config(config, **SETTINGS.get(case["sampler"], {}))
    if case["spread"] == "ays":
        scheduler.set_timesteps(timesteps=AysSchedules["StableDiffusionTimesteps"])
    else:
        scheduler.set_timesteps(case["steps"])
    start = case["start"] * scheduler.order
    timesteps = scheduler.timesteps[start:]
    scheduler.set_begin_index(start)
    if start:
        x = scheduler.add_noise(clean, noise, timesteps[:1].repeat(len(noise)))
    else:
        x = noise * scheduler.init_noise_sigma
    for i, t in enumerate(timesteps):
        said = toy_model(scheduler.scale_model_input(x, t), float(t))
        extra = dict(generator=generator) if case["sampler"] in ("dpmpp-2m-sde", "dpm2-a") else {}
        if case["sampler"] == "lms":
            extra = dict(order=min(4, i + 1))
        x = scheduler.step(said, t, x, **extra).prev_sample
    return x, scheduler.timesteps, float(scheduler.init_noise_sigma)


# Whole pipelines -----------------------------------------------------------------------------

def crossing_mask(width, height):
    """A soft disc and a box whose edges cross latents, half covered along a way through them."""
    y, x = np.mgrid[0:height, 0:width]
    disc = 255 * (1.5 - np.hypot(x - 0.4 * width, y - 0.45 * height) / (0.3 * height))
    mask = disc.clip(0, 255).round().astype(np.uint8)
    mask[height // 2 + 3 : -5, -23:-6] = 255
    return mask


# The solvers that came later, other spreads of noise levels, rescaled guidance, and masks whose edges cross latents.
# LMS from the middle on counts slopes in diffusers that it has not.
LATER = [s for s, cls in SOLVERS.items() if cls]
LATER_PIPELINES = {
    "sd1-tiny": dict(width=104, height=56, mask=crossing_mask, cases=[
        *[dict(sampler=s) for s in LATER],
        *[dict(kind="image", sampler=s, strength=0.6) for s in LATER if s != "lms"],
        *[dict(kind="inpaint", sampler=s, strength=0.6) for s in [*LATER, "euler", "dpmpp-2m", "ddim"] if s != "lms"],
        dict(kind="inpaint", sampler="euler-a", strength=1.0, decode=True),
        *[dict(sampler=s, schedule=spread) for s in ("euler", "unipc") for spread in SPREADS],
        dict(sampler="euler", rescale=0.7),
        dict(sampler="dpmpp-2m-sde", schedule="beta", rescale=0.35),
        dict(scheduler=dict(_class_name="DPMSolverMultistepScheduler", algorithm_type="sde-dpmsolver++", timestep_spacing="linspace",
                            use_beta_sigmas=True, **SD)),
        dict(scheduler=dict(_class_name="UniPCMultistepScheduler", solver_order=3, timestep_spacing="linspace", **SD)),
    ]),
    "sd2-tiny": dict(width=48, height=40, mask=crossing_mask, cases=[
        *[dict(sampler=s) for s in LATER],
        dict(scheduler=ZERO_SNR, rescale=0.7),
        dict(kind="inpaint", sampler="ddim", strength=0.8),
    ]),
    "inpaint-tiny": dict(width=96, height=64, mask=crossing_mask, cases=[
        *[dict(kind="inpaint", sampler=s) for s in LATER],
        *[dict(kind="inpaint", sampler=s, strength=0.6) for s in ("euler", "dpmpp-2m-sde", "dpm2")],
    ]),
}


# Noise and latents that are handed in.
GIVEN_PIPELINES = {
    "sd1-tiny": dict(width=104, height=56, mask=crossing_mask, cases=[
        *[dict(sampler=s, given="noise") for s in ("euler-a", "dpmpp-2m-sde", "unipc")],
        # At less strength diffusers begins with all of the noise that it is handed, as if nothing was kept.
        *[dict(kind="inpaint", sampler=s, strength=1.0, given="noise") for s in ("euler", "euler-a")],
        *[dict(kind="image", sampler=s, strength=0.6, given="latents") for s in ("euler", "euler-a", "dpm2")],
    ]),
}


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["solvers", "spreads", "later", "given"]
    if "solvers" in wanted:
        results("solvers.safetensors", solver_cases(), run_solver)
    if "spreads" in wanted:
        results("spreads.safetensors", spread_cases(), run_spread)
    for word, pipelines in (("later", LATER_PIPELINES), ("given", GIVEN_PIPELINES)):
        if word in wanted:
            for name, spec in pipelines.items():
                pipeline_reference(name, spec, f"{word}_trajectories")
