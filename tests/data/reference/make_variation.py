"""Noise beside that of a seed, by A1111's web UI itself.

    python make_variation.py FOLDER_OF_STABLE_DIFFUSION_WEBUI

Of the web UI only `modules/rng.py` is run, told to draw on the processor. Written with its commit
0d5dc9a6e7f6362e423a06bf0e75dd5854025394 and torch 2.
"""

import importlib.util
import pathlib
import sys
import types

import torch
from safetensors.torch import save_file

CASES = {  # seed, seed that it goes towards, strength, shape
    "little": (7, 8, 0.15, (4, 24, 16)),
    "half": (1234567890, 42, 0.5, (16, 16, 16)),
    "much": (3, 2**40 + 5, 0.9, (4, 8, 40)),
    "all": (5, 6, 1.0, (4, 16, 8)),
}


def web_ui(folder):
    modules = types.ModuleType("modules")
    modules.devices = types.SimpleNamespace(cpu=torch.device("cpu"), device=torch.device("cpu"))
    modules.rng_philox = types.SimpleNamespace()
    modules.shared = types.ModuleType("modules.shared")
    modules.shared.opts = types.SimpleNamespace(randn_source="CPU", eta_noise_seed_delta=0)
    modules.shared.device = torch.device("cpu")
    sys.modules |= {"modules": modules, "modules.shared": modules.shared}
    spec = importlib.util.spec_from_file_location("rng", pathlib.Path(folder) / "modules/rng.py")
    rng = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rng)
    return rng


if __name__ == "__main__":
    rng = web_ui(sys.argv[1])
    noise = {}
    for name, (seed, towards, strength, shape) in CASES.items():
        drawn = rng.ImageRNG(shape, [seed], subseeds=[towards], subseed_strength=strength)
        noise[name] = drawn.next().contiguous()
        # The next numbers are those of the seed, as an ancestral sampler takes them.
        noise[f"{name}.next"] = drawn.next().contiguous()
    save_file(noise, pathlib.Path(__file__).parent / "variation.safetensors")
