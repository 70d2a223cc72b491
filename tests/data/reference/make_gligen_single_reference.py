#!/usr/bin/env python3
"""Tiny GLIGEN models in one file with the original names, and what diffusers makes of them.

Run in this folder with Python's torch, diffusers, transformers and safetensors. Writes
`gligen-single`: `text.bin` and `inpaint.bin`, laid out as GLIGEN's releases are (a dictionary for
each network, and a configuration that is a Python object), and whole runs of diffusers' own
pipeline. All weights are views of a few small storages, so that the files are small.
"""
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionGLIGENPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from make_sdxl_reference import tokenizer, vae_name
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = Path(__file__).resolve().parent
OUT = HERE / "gligen-single"
torch.set_num_threads(1)
torch.set_grad_enabled(False)

SIDE, STEPS, SEED, CONTEXT = 32, 4, 5, 24
PROMPT, NEGATIVE = "a green hill under a blue sky", "fog"
BOXES = [
    (("red", "house"), [0.25, 0.25, 0.75, 0.5]),
    ((None, "a full moon"), [0.5, 0.0, 0.875, 0.25]),
    (("white", "sheep"), [0.125, 0.625, 0.875, 1.0]),
]
CASES = [
    dict(kind="text", boxes=2, share=0.5, guidance=4.5),
    dict(kind="inpaint", boxes=1, share=1.0, guidance=1.0),
    dict(kind="inpaint", boxes=3, share=0.5, guidance=4.5),
]
STORAGES = {}


def view(shape, deviation):
    """Numbers of about this deviation: a view of the storage of its power of two."""
    power = round(float(np.log2(max(deviation, 1e-6))))
    strides = [1] * len(shape)
    for axis in range(len(shape) - 2, -1, -1):
        strides[axis] = strides[axis + 1] * min(shape[axis + 1], 3) + 1
    if len(shape) == 2 and shape[0] > 1000:
        strides = [1, 2]
    needed = sum((side - 1) * stride for side, stride in zip(shape, strides)) + 1
    if power not in STORAGES or len(STORAGES[power]) < needed:
        old = STORAGES.get(power, torch.zeros(0).half())
        more = torch.randn(max(4096, needed) - len(old)) * 2.0**power
        STORAGES[power] = torch.cat([old, more.half()])
    free = len(STORAGES[power]) - needed
    first = int(torch.randint(0, free + 1, ()))
    return ("view", power, shape, strides, first)


def made(value):
    if isinstance(value, tuple):
        _, power, shape, strides, first = value
        return torch.as_strided(STORAGES[power], shape, strides, first)
    return value


def weight(name, own):
    shape = list(own.shape)
    if name.endswith(("alpha_attn", "alpha_dense")):
        return torch.tensor(0.6 + 0.3 * torch.randn(()).item()).half()
    if "null_" in name:
        return (torch.randn(shape) * 0.5).half()
    is_norm = any(part in name for part in ["norm", "in_layers.0.", "out_layers.0.", "out.0.", "ln_"])
    if is_norm and name.endswith("weight"):
        return (1 + 0.1 * torch.randn(shape)).half()
    if len(shape) < 2:
        return (0.1 * torch.randn(shape)).half()
    fan = int(np.prod(shape[1:]))
    return view(shape, 0.5 if "embedding" in name else fan**-0.5)


def unet_name(name):
    """The original name of a weight of a denoiser with two levels of one block."""
    from make_sdxl_reference import unet_name as of_blocks

    if name.startswith("position_net."):
        return name
    return of_blocks(name).replace(".UP.", ".2.")


def parts(channels):
    unet = UNet2DConditionModel(
        sample_size=64, in_channels=channels, attention_type="gated", cross_attention_dim=CONTEXT, layers_per_block=1,
        attention_head_dim=8, block_out_channels=[32, 64], down_block_types=["CrossAttnDownBlock2D"] * 2,
        up_block_types=["CrossAttnUpBlock2D"] * 2,
    ).eval()
    vae = AutoencoderKL(
        block_out_channels=(32, 64), layers_per_block=1, latent_channels=4, sample_size=SIDE,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=49408, hidden_size=CONTEXT, intermediate_size=2 * CONTEXT, num_hidden_layers=2,
        num_attention_heads=1, hidden_act="quick_gelu", bos_token_id=49406, eos_token_id=49407)).eval()
    return unet, vae, text


class Content(dict):
    """Stands for OmegaConf's configuration, a class that no reader knows."""


Content.__module__ = "omegaconf.dictconfig"
Content.__qualname__ = Content.__name__ = "DictConfig"
sys.modules["omegaconf"] = sys.modules["omegaconf.dictconfig"] = type(sys)("omegaconf.dictconfig")
sys.modules["omegaconf.dictconfig"].DictConfig = Content


def single(kind, shared):
    unet, vae, text = parts(9 if kind == "inpaint" else 4)
    networks = {"model": {}, "autoencoder": {}, "text_encoder": {}}
    names = [("model", unet, unet_name), ("autoencoder", vae, lambda name: vae_name(name, 1)),
             ("text_encoder", text, lambda name: f"transformer.text_model.{name.removeprefix('text_model.')}")]
    for network, module, spelled in names:
        for name, own in module.state_dict().items():
            stored = spelled(name)
            if name.endswith("position_ids"):
                networks[network][stored] = own
                continue
            if network == "autoencoder" and ".attn_1." in stored and own.ndim == 2:
                own = own[..., None, None]
            key = f"{network}/{stored}/{list(own.shape)}"
            shared.setdefault(key, weight(stored, own))
            networks[network][stored] = shared[key]
    return (unet, vae, text), networks


def save(kind, networks):
    whole = {part: {name: made(value) for name, value in weights.items()} for part, weights in networks.items()}
    whole["diffusion"] = {"betas": torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64)[:10] ** 2}
    whole["config_dict"] = Content({"_content": Content({"model": {"target": "ldm.modules.diffusionmodules.openaimodel.UNetModel"}})})
    whole["iters"] = 7
    torch.save(whole, OUT / f"{kind}.bin")


def filled(modules, networks):
    """diffusers' converters lead from the original names to its networks."""
    unet, vae, text = modules
    wide = lambda part, prefix: {prefix + name: made(value).float().contiguous() for name, value in networks[part].items()}
    boxes = {name: value for name, value in wide("model", "").items() if name.startswith("position_net.")}
    others = {f"model.diffusion_model.{name}": value for name, value in wide("model", "").items() if name not in boxes}
    unet.load_state_dict(convert_ldm_unet_checkpoint(others, dict(unet.config)) | boxes)
    vae.load_state_dict(convert_ldm_vae_checkpoint(wide("autoencoder", "first_stage_model."), dict(vae.config)))
    words = {name.removeprefix("transformer."): value for name, value in wide("text_encoder", "").items()}
    own = text.state_dict()
    text.load_state_dict({name if name in own else name.removeprefix("text_model."): value for name, value in words.items()})
    return modules


def main():
    OUT.mkdir(exist_ok=True)
    torch.manual_seed(11)
    shared = {}
    models = {kind: single(kind, shared) for kind in ["text", "inpaint"]}
    pipes = {}
    for kind, (modules, networks) in models.items():
        save(kind, networks)
        unet, vae, text = filled(modules, networks)
        scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
                                  set_alpha_to_one=False, clip_sample=False)
        pipes[kind] = StableDiffusionGLIGENPipeline(
            vae=vae, text_encoder=text, tokenizer=tokenizer("<|endoftext|>"), unet=unet, scheduler=scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False)
        pipes[kind].set_progress_bar_config(disable=True)
    pixels = np.fromfunction(lambda y, x, c: (x * 7 + y * (c + 2) * 3) % 256, (SIDE, SIDE, 3)).astype(np.uint8)
    picture = Image.fromarray(pixels)
    tensors = {"picture": torch.from_numpy(pixels.astype(np.int32))}
    usual_noise = torch.randn_like
    for number, case in enumerate(CASES):
        pipe = pipes[case["kind"]]
        names = [name if colour is None else f"{colour} {name}" for (colour, name), _ in BOXES[: case["boxes"]]]
        places = [place for _, place in BOXES[: case["boxes"]]]
        noise = torch.randn((1, 4, SIDE // 2, SIDE // 2), generator=torch.Generator().manual_seed(60 + number))
        both = dict(
            prompt=PROMPT, height=SIDE, width=SIDE, num_inference_steps=STEPS, guidance_scale=case["guidance"],
            negative_prompt=NEGATIVE, latents=noise.clone(), output_type="latent", gligen_phrases=names,
            gligen_boxes=places, gligen_scheduled_sampling_beta=case["share"])
        first = []
        hook = pipe.unet.register_forward_hook(lambda module, args, out: first.append(out.sample.clone()))
        if case["kind"] == "inpaint":
            torch.manual_seed(SEED)
            clean = pipe.vae.encode(pipe.image_processor.preprocess(picture)).latent_dist.sample() * 0.18215
            mask = pipe.draw_inpaint_mask_from_boxes(places, clean.shape[2:])[None, None]
            # The same noise lies over what is kept at each step, where diffusers draws it anew.
            torch.randn_like = lambda like: noise
            torch.manual_seed(SEED)
            run = pipe(**both, gligen_inpaint_image=picture).images
            torch.randn_like = usual_noise
            # diffusers leaves what is kept under the noise of the last step.
            run = run * (1 - mask) + clean * mask
            tensors |= {f"{number}.clean": clean, f"{number}.mask": mask}
        else:
            run = pipe(**both).images
        hook.remove()
        print(case, "said", first[0].std().item(), "run", run.std().item())
        tensors |= {f"{number}.noise": noise, f"{number}.said": first[0], f"{number}.run": run}
    told = dict(
        side=SIDE, steps=STEPS, seed=SEED, prompt=PROMPT, negative_prompt=NEGATIVE,
        boxes=[
            {"class": name, "rect": [x0 * SIDE, y0 * SIDE, (x1 - x0) * SIDE, (y1 - y0) * SIDE]}
            | ({"colour": colour} if colour else {})
            for (colour, name), (x0, y0, x1, y1) in BOXES
        ],
        cases=CASES,
    )
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, OUT / "reference.safetensors", {"cases": json.dumps(told)})
    for path in sorted(OUT.iterdir()):
        path.chmod(0o644)
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
