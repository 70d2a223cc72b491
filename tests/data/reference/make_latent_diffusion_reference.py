"""What the paper's own code computes with tiny latent diffusion models.

    git clone https://github.com/CompVis/latent-diffusion /tmp/ldmref
    ~/.cache/venv/bin/python tests/data/reference/make_latent_diffusion_reference.py /tmp/ldmref

The models are those of `tests/data/originals/tiny.json`. Their weights are drawn from their
names, here and in `tests/latent_diffusion/main.rs` alike, so that only results are kept.
"""
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import save_file

HERE = Path(__file__).parent
OUT = HERE / "latent-diffusion"


def stub(name, **contents):
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module


class Quantizer(torch.nn.Module):
    """taming's `VectorQuantizer2`, as far as decoding goes: the nearest vector."""

    def __init__(self, n_e, e_dim, **_):
        super().__init__()
        self.embedding = torch.nn.Embedding(n_e, e_dim)

    def forward(self, z):
        rows = z.permute(0, 2, 3, 1)
        distances = (rows[..., None, :] - self.embedding.weight).square().sum(-1)
        return self.embedding(distances.argmin(-1)).permute(0, 3, 1, 2), None, None


stub("omegaconf")
stub("omegaconf.listconfig", ListConfig=type("ListConfig", (), {}))
stub("pytorch_lightning", LightningModule=torch.nn.Module)
for package in ["taming", "taming.modules", "taming.modules.vqvae", "clip", "kornia"]:
    stub(package)
stub("taming.modules.vqvae.quantize", VectorQuantizer2=Quantizer)
sys.path.insert(0, sys.argv[1])

from ldm.models.autoencoder import AutoencoderKL, VQModelInterface
from ldm.models.diffusion.ddim import DDIMSampler
from ldm.models.diffusion.plms import PLMSSampler
from ldm.modules.diffusionmodules.openaimodel import UNetModel
from ldm.modules.diffusionmodules.util import make_beta_schedule


def numbers(name, shape):
    """Weights of a name: uniform numbers, as large as suits their place."""
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
    if len(shape) == 1 and name.endswith("weight"):
        u = 1.0 + 0.1 * u
    elif len(shape) == 1:
        u = 0.05 * u
    elif not (name.split(".")[-2].endswith("embedding") or name.split(".")[-2] == "label_emb"):
        u = u * np.sqrt(2.0 / np.prod(shape[1:]))
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


def variants():
    tiny = json.loads((HERE.parent / "originals" / "tiny.json").read_text())
    found = {kind: tiny[kind] for kind in ["unconditional", "unconditional-updown", "class-to-image"]}
    base = found["unconditional"]
    newly = base["yaml"].replace("num_head_channels: 32", "num_head_channels: 16\n        use_new_attention_order: true")
    found["unconditional-new-order"] = {"yaml": newly, "keys": base["keys"]}
    added = base["yaml"].replace("num_head_channels: 32", "num_head_channels: 16\n        num_classes: 7")
    added = added.replace("concat_mode: false\n    cond_stage_config: __is_unconditional__",
                          "conditioning_key: adm\n    cond_stage_config:\n      target: torch.nn.Identity")
    keys = {**base["keys"], "model.diffusion_model.label_emb.weight": [7, 128]}
    found["class-added"] = {"yaml": added, "keys": keys}
    return found


def load(module, keys, prefix):
    state = {name[len(prefix):]: numbers(name, shape) for name, shape in keys.items() if name.startswith(prefix)}
    module.load_state_dict(state)
    return module.eval()


class Sampler(DDIMSampler):
    def register_buffer(self, name, value):
        setattr(self, name, value)


class Plms(PLMSSampler):
    def register_buffer(self, name, value):
        setattr(self, name, value)


class Model:
    """What the sampler asks of a model."""

    def __init__(self, unet, params, is_added):
        betas = make_beta_schedule("linear", 1000, linear_start=params["linear_start"], linear_end=params["linear_end"])
        kept = np.cumprod(1.0 - betas)
        as_tensor = lambda values: torch.tensor(values, dtype=torch.float32)
        self.betas, self.alphas_cumprod = as_tensor(betas), as_tensor(kept)
        self.alphas_cumprod_prev = as_tensor(np.append(1.0, kept[:-1]))
        self.num_timesteps, self.device, self.unet, self.is_added = 1000, torch.device("cpu"), unet, is_added

    def apply_model(self, x, t, c):
        if self.is_added:
            return self.unet(x, t, y=c)
        return self.unet(x, t) if c is None else self.unet(x, t, context=c)


def draw(name, shape):
    generator = torch.Generator().manual_seed(sum(name.encode()))
    return torch.randn(shape, generator=generator)


@torch.no_grad()
def make(kind, config):
    told, keys = yaml.safe_load(config["yaml"])["model"]["params"], config["keys"]
    unet = load(UNetModel(**told["unet_config"]["params"]), keys, "model.diffusion_model.")
    stage = told["first_stage_config"]
    params = {key: stage["params"][key] for key in ["ddconfig", "embed_dim", "n_embed"] if key in stage["params"]}
    is_kl = stage["target"].endswith("KL")
    if is_kl:
        stage = AutoencoderKL(lossconfig={"target": "torch.nn.Identity"}, **params)
    else:
        params["lossconfig"] = {"target": "torch.nn.Identity"}
        stage = VQModelInterface(params.pop("embed_dim"), **params)
    stage = load(stage, keys, "first_stage_model.")
    channels = told["unet_config"]["params"]["in_channels"]
    latents = draw(kind, (1, channels, 8, 12))
    pixels = draw(kind + " pixels", (1, 3, 16, 24)).clamp(-1, 1)
    is_added, is_attended = kind == "class-added", kind == "class-to-image"
    model = Model(unet, told, is_added)
    context = free = None
    if is_attended:
        table = numbers("cond_stage_model.embedding.weight", [11, 24])
        context, free = table[3][None, None], table[10][None, None]
    elif is_added:
        context, free = torch.tensor([3]), torch.tensor([6])
    one = model.apply_model(latents, torch.tensor([501]), context)
    told_so = {"conditioning": context, "x_T": latents, "verbose": False, "eta": 0.0, "unconditional_conditioning": free,
               "unconditional_guidance_scale": 1.0 if context is None else 3.0}
    run, _ = Sampler(model).sample(4, 1, latents.shape[1:], **told_so)
    plms, _ = Plms(model).sample(5, 1, latents.shape[1:], **told_so)
    scale = 0.75 if told.get("scale_by_std") else 1.0
    results = {
        "latents": latents, "pixels": pixels, "one": one, "run": run, "plms": plms, "decoded": stage.decode(latents / scale),
        "encoded": stage.encode(pixels).mode() if is_kl else stage.encode(pixels),
    }
    save_file({name: value.contiguous() for name, value in results.items()}, OUT / f"{kind}.safetensors")
    print(kind, {name: (round(value.std().item(), 3), round(value.abs().max().item(), 2)) for name, value in results.items()})


OUT.mkdir(exist_ok=True)
for kind, config in variants().items():
    make(kind, config)
