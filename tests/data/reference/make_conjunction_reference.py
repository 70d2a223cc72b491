#!/usr/bin/env python3
"""Prompts that join several texts by AND, on sd1-tiny and the tiny Stable Diffusion XL.

Run in this folder with Python's torch, diffusers, transformers and safetensors. The texts are
written beside their weights and steps, so that nothing here has to parse them. Each is one
call of the denoiser, alone; what they say together is the formula of Liu et al. 2022 (equation
11), as the description of AUTOMATIC1111's web UI has it: of texts of different lengths the
shorter end with their last state again and again. The negative prompt, which is shorter, ends
with chunks without words.
"""

import json
import os

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from make_prompt_reference import HERE, HILL, embed
from make_region_reference import RegionalProcessor, box_mask
from make_sdxl_reference import SIDE, parts, pipeline
from safetensors.torch import save_file

torch.set_num_threads(1)
torch.set_grad_enabled(False)

STEPS = 4
NEGATIVE = "fog"
LONG = HILL * 8 + "a yellow sun"
BOX = [8, 8, 40, 40]
HOUSE, BLUE = [("a red house", 1.0)], [("a blue house", 1.0)]
MOON = [("a ", 1.0), ("full moon", 1.4)]
# The prompt; each text as parts with emphasis, from the first step and from the third; weights.
CASES = [
    ("a red house AND a (full moon:1.4) :0.7", [(HOUSE, HOUSE), (MOON, MOON)], [1.0, 0.7], 4.5, False),
    ("a red house :1.25 AND a (full moon:1.4) : -.5", [(HOUSE, HOUSE), (MOON, MOON)], [1.25, -0.5], 1.0, False),
    (f"a red house AND {LONG} :0.5", [(HOUSE, HOUSE), ([(LONG, 1.0)], [(LONG, 1.0)])], [1.0, 0.5], 4.5, False),
    ("a [red:blue:0.5] house AND a (full moon:1.4) AND ", [(HOUSE, BLUE), (MOON, MOON), ([("", 1.0)],) * 2], [1.0] * 3, 3.0, False),
    ("a red house AND a (full moon:1.4)", [(HOUSE, HOUSE), (MOON, MOON)], [1.0, 1.0], 3.0, True),
]
# The same for both encoders of Stable Diffusion XL, without emphasis.
XL_CASES = [
    ("a red house AND two boats :0.5", "grey", [("a red house",) * 2, ("two boats",) * 2], [1.0, 0.5]),
    ("a [red:blue:0.5] house", "", [("a red house", "a blue house")], [1.0]),
]


def padded(states, length):
    return torch.cat([states, states[-1:].repeat(length - len(states), 1)])


def run(scheduler, noise, guidance, weights, free, told):
    """`free` and `told` call the denoiser with a sample, a time and the number of the step."""
    scheduler.set_timesteps(STEPS)
    x = noise * scheduler.init_noise_sigma
    for step, t in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(x, t)
        away = free(seen, t, step)
        said = away + guidance * sum(w * (it(seen, t, step) - away) for w, it in zip(weights, told))
        x = scheduler.step(said, t, x).prev_sample
    return x


def stable_diffusion(tensors):
    folder = "sd1-tiny"
    pipe = StableDiffusionPipeline.from_pretrained(HERE / folder, safety_checker=None, torch_dtype=torch.float32)
    scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    nothing = embed(folder, [("", 1.0)], 1)
    box = RegionalProcessor([embed(folder, [("two sheep", 1.0)], 1)], box_mask(BOX, SIDE, SIDE)[None])
    for index, (prompt, texts, weights, guidance, has_box) in enumerate(CASES):
        states = [[embed(folder, part, 1) for part in text] for text in texts]
        length = max(len(it) for text in states for it in text)
        states = [[padded(it, length) for it in text] for text in states]
        away = embed(folder, [(NEGATIVE, 1.0)], 1)
        away = torch.cat([away, *[nothing] * ((length - len(away)) // 77)])

        def asked(x, t, context, inside):
            pipe.unet.set_attn_processor({
                name: box if inside and ".attn2." in name else AttnProcessor2_0() for name in pipe.unet.attn_processors
            })
            return pipe.unet(x, t, context[None]).sample

        free = lambda x, t, step: asked(x, t, away, False)
        told = [lambda x, t, step, it=it: asked(x, t, it[step >= 2], has_box) for it in states]
        noise = torch.randn((1, 4, SIDE // 4, SIDE // 4), generator=torch.Generator().manual_seed(60 + index))
        tensors[f"{index}.noise"] = noise
        tensors[f"{index}.run"] = run(scheduler, noise, guidance, weights, free, told)
        print(prompt[:40], length, tensors[f"{index}.run"].std().item())


def stable_diffusion_xl(tensors):
    pipe = pipeline("base", parts("base"))
    sizes = torch.tensor([[SIDE, SIDE, 0, 0, SIDE, SIDE]], dtype=torch.float32)

    def asked(x, t, context, pooled):
        return pipe.unet(x, t, context, added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes}).sample

    for index, (prompt, negative, texts, weights) in enumerate(XL_CASES):
        both = [[pipe.encode_prompt(it, negative_prompt=negative or None) for it in text] for text in texts]
        _, away, _, away_pooled = both[0][0]
        free = lambda x, t, step: asked(x, t, away, away_pooled)
        told = [lambda x, t, step, it=it: asked(x, t, it[step >= 2][0], it[step >= 2][2]) for it in both]
        noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(90 + index))
        tensors[f"xl.{index}.noise"] = noise
        tensors[f"xl.{index}.run"] = run(pipe.scheduler, noise, 5.0, weights, free, told)
        print(prompt, tensors[f"xl.{index}.run"].std().item())


if __name__ == "__main__":
    tensors = {}
    stable_diffusion(tensors)
    stable_diffusion_xl(tensors)
    told = dict(
        side=SIDE, steps=STEPS, negative_prompt=NEGATIVE, box=BOX,
        cases=[dict(prompt=prompt, guidance=guidance, has_box=box) for prompt, _, _, guidance, box in CASES],
        xl=[dict(prompt=prompt, negative_prompt=negative) for prompt, negative, _, _ in XL_CASES],
    )
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, HERE / "conjunctions.safetensors", {"cases": json.dumps(told)})
