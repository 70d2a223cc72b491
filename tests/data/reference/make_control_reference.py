#!/usr/bin/env python3
"""ControlNets of random weights for `sd1-tiny`, `sd2-tiny` and `inpaint-tiny`, in every form in which their files come,
and what diffusers makes of them.

    ~/.cache/venv/bin/python tests/data/reference/make_control_reference.py

Needs torch, diffusers, transformers, safetensors, Pillow and, for edges, opencv-python-headless. The original names are written down here
anew, from `cldm/cldm.py` of the paper's code. Weights have few different values, so that the files pack well.
"""
import inspect
import json
import logging
import os
import re
import shutil
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import cv2
import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    DDIMScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    MultiControlNetModel,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
)
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "control"
PROMPT, NEGATIVE = "a red house on a hill", "dark"
torch.set_num_threads(1)
torch.set_grad_enabled(False)
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

results, cases = {}, []


def network(model, seed, embedding=(4, 8, 8), **changes):
    """A ControlNet for a denoiser, of which nothing is 0; half precision holds it."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(HERE / model, subfolder="unet")
    config = {key: value for key, value in unet.config.items() if not key.startswith("_")}
    config["in_channels"] = 4
    known = inspect.signature(ControlNetModel.__init__.__wrapped__).parameters
    config = {key: value for key, value in config.items() if key in known}
    config.update(conditioning_embedding_out_channels=embedding, **changes)
    return drawn(ControlNetModel(**config))


def drawn(net):
    for name, weight in net.named_parameters():
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        scale = 0.5 if weight.dim() == 1 else 1.5 / weight[0].numel() ** 0.5
        weight.copy_(around + (torch.randn_like(weight) * scale * 16).round() / 16)
    return net.eval()


def xl():
    """One that is told of whole texts and of sizes, as those of Stable Diffusion XL."""
    torch.manual_seed(5)
    return drawn(ControlNetModel(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), block_out_channels=(8, 16), layers_per_block=1,
        cross_attention_dim=16, attention_head_dim=(2, 4), transformer_layers_per_block=(1, 2), norm_num_groups=4,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=64, conditioning_embedding_out_channels=(4, 8)))


def original(net):
    """The same by the names of the paper's code."""
    layers, levels = net.config.layers_per_block, len(net.config.block_out_channels)
    parts = [("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
             ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection")]
    embedding = len(net.config.conditioning_embedding_out_channels) - 1

    def renamed(name):
        for ours, theirs in parts:
            name = re.sub(rf"(resnets\.\d+)\.{ours}\.", rf"\1.{theirs}.", name)
        name = re.sub(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.", lambda found:
                      f"input_blocks.{1 + int(found[1]) * (layers + 1) + int(found[3])}."
                      f"{int(found[2] == 'attentions')}.", name) if not name.startswith("controlnet") else name
        name = re.sub(r"^down_blocks\.(\d+)\.downsamplers\.0\.conv\.",
                      lambda found: f"input_blocks.{(int(found[1]) + 1) * (layers + 1)}.0.op.", name)
        name = re.sub(r"^mid_block\.resnets\.(\d)\.", lambda found: f"middle_block.{2 * int(found[1])}.", name)
        for ours, theirs in [("mid_block.attentions.0.", "middle_block.1."), ("conv_in.", "input_blocks.0.0."),
                             ("time_embedding.linear_1.", "time_embed.0."), ("time_embedding.linear_2.", "time_embed.2."),
                             ("controlnet_mid_block.", "middle_block_out.0."),
                             ("controlnet_cond_embedding.conv_in.", "input_hint_block.0."),
                             ("controlnet_cond_embedding.conv_out.", f"input_hint_block.{4 * embedding + 2}.")]:
            if name.startswith(ours):
                name = theirs + name[len(ours):]
        name = re.sub(r"^controlnet_down_blocks\.(\d+)\.", r"zero_convs.\1.0.", name)
        return re.sub(r"^controlnet_cond_embedding\.blocks\.(\d+)\.",
                      lambda found: f"input_hint_block.{2 * int(found[1]) + 2}.", name)

    return {renamed(name): weight.contiguous() for name, weight in net.state_dict().items()}


def picture(size, seed):
    """Stripes and blots, of few colours."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 4, (size // 4, size // 4, 3), dtype=np.uint8) * 85
    return Image.fromarray(np.kron(small, np.ones((4, 4, 1), dtype=np.uint8)))


def keep(name, image):
    results[name] = torch.from_numpy(np.array(image).copy())


SCHEDULERS = {"ddim": DDIMScheduler, "euler": EulerDiscreteScheduler, "heun": HeunDiscreteScheduler}


def case(name, model, files, nets, images, weights, starts, ends, sampler="ddim", kind="text", steps=5, strength=0.7):
    kinds = {"text": StableDiffusionControlNetPipeline, "image": StableDiffusionControlNetImg2ImgPipeline,
             "inpaint": StableDiffusionControlNetInpaintPipeline}
    one = len(nets) == 1
    control = nets[0] if one else MultiControlNetModel(nets)
    pipe = kinds[kind].from_pretrained(HERE / model, controlnet=control, safety_checker=None, feature_extractor=None,
                                       requires_safety_checker=False)
    pipe.scheduler = SCHEDULERS[sampler].from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    size = pipe.unet.config.sample_size * pipe.vae_scale_factor
    pick = (lambda values: values[0]) if one else list
    told = dict(controlnet_conditioning_scale=pick(weights), control_guidance_start=pick(starts),
                control_guidance_end=pick(ends))
    shown = pick(images)
    if kind == "text":
        told.update(image=shown, height=size, width=size)
    else:
        told.update(image=picture(size, 90), control_image=shown, strength=strength, height=size, width=size)
    if kind == "inpaint":
        mask = np.zeros((size, size), dtype=np.uint8)
        mask[size // 4: size // 2, size // 4:] = 255
        told.update(mask_image=Image.fromarray(mask))
        keep("mask", mask)
    found = pipe(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=steps, guidance_scale=4.0, output_type="latent",
                 generator=torch.Generator("cpu").manual_seed(7), **told).images
    results[f"{name}.latents"] = found
    controls = [dict(file=file, weight=weight, start=start, end=end, picture=index % 2)
                for index, (file, weight, start, end) in enumerate(zip(files, weights, starts, ends))]
    cases.append(dict(name=name, model=model, controls=controls, sampler=sampler, kind=kind, steps=steps,
                      strength=strength))
    print(name, float(found.std()))


def xl_residuals(net, image):
    noise = torch.randn(1, 4, 16, 16, generator=torch.Generator("cpu").manual_seed(11))
    states = torch.randn(1, 7, 16, generator=torch.Generator("cpu").manual_seed(12))
    text = torch.randn(1, 16, generator=torch.Generator("cpu").manual_seed(13))
    sizes = torch.tensor([[64.0, 64, 0, 0, 64, 48]])
    shown = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    down, mid = net(noise, 500, states, shown, return_dict=False,
                    added_cond_kwargs={"text_embeds": text, "time_ids": sizes})
    added = torch.cat([text, net.add_time_proj(sizes.flatten()).reshape(1, -1)], 1)
    results.update({"xl.noise": noise, "xl.context": states, "xl.added": added, "xl.mid": mid})
    for index, residual in enumerate(down):
        results[f"xl.down.{index}"] = residual


def residuals(name, model, net, image):
    """What a network adds, at one time."""
    size = 16
    noise = torch.randn(1, 4, size, size, generator=torch.Generator("cpu").manual_seed(11))
    width = net.config.cross_attention_dim
    states = torch.randn(1, 7, width, generator=torch.Generator("cpu").manual_seed(12))
    shown = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    down, mid = net(noise, 500, states, shown, return_dict=False)
    results.update({f"{name}.noise": noise, f"{name}.context": states, f"{name}.mid": mid})
    for index, residual in enumerate(down):
        results[f"{name}.down.{index}"] = residual


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    first = network("sd1-tiny", 1)
    second = network("sd1-tiny", 2, controlnet_conditioning_channel_order="bgr", global_pool_conditions=True)
    later = network("sd2-tiny", 3, embedding=(4, 8))
    inpaint = network("inpaint-tiny", 4)
    first.half().save_pretrained(FOLDER / "control_canny")
    first.float()
    names = original(first)
    save_file({f"control_model.{name}": weight.half() for name, weight in names.items()},
              FOLDER / "control_canny_original.safetensors")
    torch.save({name: weight.half() for name, weight in names.items()}, FOLDER / "control_canny_half.pth")
    second.half().save_pretrained(FOLDER / "control_shuffle", safe_serialization=False)
    second.float()
    save_file(later.half().state_dict(), FOLDER / "control_sd2_depth.safetensors")
    later.float()
    save_file(inpaint.half().state_dict(), FOLDER / "control_inpaint.safetensors")
    inpaint.float()
    size = 64
    images = [picture(size, 21), picture(size, 22)]
    for index, image in enumerate(images):
        keep(f"picture.{index}", image)
    small = picture(32, 21)
    keep("picture.small", small)
    keep("init", picture(size, 90))
    residuals("canny", "sd1-tiny", first, images[0])
    residuals("shuffle", "sd1-tiny", second, images[0])
    large = xl()
    large.half().save_pretrained(FOLDER / "control_xl")
    xl_residuals(large.float(), small)
    case("one", "sd1-tiny", ["control_canny"], [first], images[:1], [1.0], [0.0], [1.0])
    case("weak", "sd1-tiny", ["control_canny"], [first], images[:1], [0.35], [0.2], [0.8])
    case("euler", "sd1-tiny", ["control_canny"], [first], images[:1], [0.7], [0.0], [0.5], sampler="euler")
    case("heun", "sd1-tiny", ["control_canny"], [first], images[:1], [0.7], [0.25], [0.75], sampler="heun")
    case("two", "sd1-tiny", ["control_canny", "control_canny_half.pth"], [first, first], images, [0.5, 0.8],
         [0.0, 0.4], [0.6, 1.0])
    case("image", "sd1-tiny", ["control_canny"], [first], images[:1], [0.6], [0.0], [0.7], kind="image")
    case("masked", "sd1-tiny", ["control_canny"], [first], images[:1], [0.6], [0.0], [1.0], kind="inpaint")
    case("later", "sd2-tiny", ["control_sd2_depth.safetensors"], [later], [small], [0.9], [0.0], [1.0])
    case("inpainting", "inpaint-tiny", ["control_inpaint.safetensors"], [inpaint], images[:1], [0.8], [0.0], [1.0],
         kind="inpaint", strength=1.0)
    case("pooled", "sd1-tiny", ["control_shuffle"], [second], images[:1], [1.0], [0.0], [1.0])

    # Edges, with the thresholds that ControlNets were trained with.
    for index, image in enumerate([*images, Image.fromarray(cv2.GaussianBlur(np.array(picture(size, 33)), (0, 0), 1.5))]):
        keep(f"edges.{index}.picture", image)
        keep(f"edges.{index}", cv2.Canny(np.array(image), 100, 200))

    path = HERE / "control" / "reference.safetensors"
    save_file({key: value.contiguous() for key, value in results.items()}, path,
              {"cases": json.dumps(cases, separators=(",", ":"))})
    for file in FOLDER.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    print(sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()), "bytes")


main()
