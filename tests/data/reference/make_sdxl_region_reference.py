#!/usr/bin/env python3
"""Regional prompts on the tiny Stable Diffusion XL of `make_sdxl_reference.py`.

Run in this folder. The attention processor is that of `make_region_reference.py`; each
region's words are read by both text encoders.
"""

import json

import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from make_region_reference import HERE, RegionalProcessor, box_mask
from make_sdxl_reference import NEGATIVE, SIDE, parts, pipeline
from safetensors.torch import save_file

torch.set_grad_enabled(False)
PROMPT = "a red house on a hill, two boats"
BOXES = [(("red", "house"), [4, 8, 36, 40]), ((None, "a full moon"), [30, -6, 30, 45])]


def main():
    pipe = pipeline("base", parts("base"))
    pipe.set_progress_bar_config(disable=True)
    words = [name if colour is None else f"{colour} {name}" for (colour, name), _ in BOXES]
    contexts = [pipe.encode_prompt(text, do_classifier_free_guidance=False)[0][0] for text in words]
    masks = torch.stack([box_mask(rect, SIDE, SIDE) for _, rect in BOXES])
    processor = RegionalProcessor(contexts, masks)
    noise = torch.randn((1, 4, SIDE // 8, SIDE // 8), generator=torch.Generator().manual_seed(80))
    both = dict(
        prompt=PROMPT, negative_prompt=NEGATIVE, height=SIDE, width=SIDE, num_inference_steps=4, guidance_scale=5.0,
        output_type="latent",
    )
    plain = pipe(**both, latents=noise.clone()).images
    pipe.unet.set_attn_processor({
        name: processor if ".attn2." in name else AttnProcessor2_0() for name in pipe.unet.attn_processors
    })
    run = pipe(**both, latents=noise.clone()).images
    print("changed by", (run - plain).abs().max().item(), "std", run.std().item())
    boxes = [
        {"class": name, "rect": rect} | ({"colour": colour} if colour else {}) for (colour, name), rect in BOXES
    ]
    save_file({"noise": noise, "run": run}, HERE / "sdxl" / "regions.safetensors", {"cases": json.dumps(boxes)})


main()
