#!/usr/bin/env python3
"""A tiny model of GLIGEN with random weights, and what diffusers makes of boxes with phrases.

Run in this folder with Python's torch, diffusers, transformers and safetensors. Writes
`gligen-tiny`, a folder of diffusers' StableDiffusionGLIGENPipeline with the text encoder,
first stage and tokenizer of sd1-tiny, calls of its denoiser and whole runs.
"""

import json
import os
import shutil
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from diffusers import DDIMScheduler, StableDiffusionGLIGENPipeline, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "gligen-tiny"
torch.set_num_threads(1)
torch.set_grad_enabled(False)

WIDTH, HEIGHT, STEPS = 96, 64, 5
PROMPT, NEGATIVE = "a green hill under a blue sky", "fog"
# Words of a colour and a class; left, top, right, bottom as shares of the picture.
BOXES = [
    (("red", "house"), [0.125, 0.25, 0.5, 0.75]),
    ((None, "a full moon"), [0.5, 0.0, 0.875, 0.5]),
    (("white", "sheep"), [0.25, 0.625, 1.0, 1.0]),
]
CASES = [
    dict(boxes=0, share=0.3, guidance=4.5),
    dict(boxes=1, share=1.0, guidance=1.0),
    dict(boxes=2, share=0.3, guidance=4.5),
    dict(boxes=3, share=0.7, guidance=4.5),
]


def make():
    shutil.rmtree(FOLDER, ignore_errors=True)
    source = HERE / "sd1-tiny"
    for part in ("text_encoder", "vae", "tokenizer", "scheduler"):
        shutil.copytree(source / part, FOLDER / part)
    torch.manual_seed(7)
    unet = UNet2DConditionModel(
        sample_size=16, attention_type="gated", cross_attention_dim=16, norm_num_groups=8, layers_per_block=1,
        attention_head_dim=[2, 4], block_out_channels=[8, 16],
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
    ).eval()
    for name, weight in unet.named_parameters():
        # Gates and null features are 0 before training, and the last convolutions nearly.
        if name.endswith(("alpha_attn", "alpha_dense")):
            weight.copy_(torch.randn(()) * 0.3 + 0.6)
        elif name.startswith("position_net."):
            spread = 0.5 if "null" in name else 1.5 * weight.std().item()
            weight.copy_(torch.randn_like(weight) * spread)
        elif weight.dim() > 1:
            weight.mul_(1.2)
        weight.copy_(weight.half().float())
    unet.save_pretrained(FOLDER / "unet")
    for file in (FOLDER / "unet").glob("*.safetensors"):
        save_file({name: weight.half() for name, weight in load_file(file).items()}, file, {"format": "pt"})
    index = json.loads((source / "model_index.json").read_text())
    index["_class_name"] = "StableDiffusionGLIGENPipeline"
    (FOLDER / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


def main():
    make()
    load = lambda kind: kind.from_pretrained(FOLDER, safety_checker=None, torch_dtype=torch.float32)
    pipe, plain = load(StableDiffusionGLIGENPipeline), load(StableDiffusionPipeline)
    tensors = {}
    for number, case in enumerate(CASES):
        for it in (pipe, plain):
            it.scheduler = DDIMScheduler.from_config(it.scheduler.config)
            it.set_progress_bar_config(disable=True)
        names = [name if colour is None else f"{colour} {name}" for (colour, name), _ in BOXES[: case["boxes"]]]
        places = [place for _, place in BOXES[: case["boxes"]]]
        noise = torch.randn((1, 4, HEIGHT // 4, WIDTH // 4), generator=torch.Generator().manual_seed(60 + number))
        both = dict(
            prompt=PROMPT, height=HEIGHT, width=WIDTH, num_inference_steps=STEPS, guidance_scale=case["guidance"],
            negative_prompt=NEGATIVE, latents=noise.clone(), output_type="latent",
        )
        first = []
        pipe.unet.register_forward_hook(lambda module, args, out: first.append(out.sample.clone()))
        if names:
            run = pipe(
                **both, gligen_phrases=names, gligen_boxes=places, gligen_scheduled_sampling_beta=case["share"]
            ).images
        else:
            run = plain(**both).images
            timestep = plain.scheduler.timesteps[0]
            context = plain.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)
            first.append(pipe.unet(noise.repeat(2, 1, 1, 1), timestep, torch.cat([context[1], context[0]])).sample)
        changed = (run - plain(**both).images).abs().max().item()
        print(case, "changed by", changed, "std", first[0].std().item(), run.std().item())
        tensors |= {f"{number}.noise": noise, f"{number}.said": first[0], f"{number}.run": run}
        pipe.unet._forward_hooks.clear()
    told = dict(
        width=WIDTH, height=HEIGHT, steps=STEPS, prompt=PROMPT, negative_prompt=NEGATIVE,
        timestep=int(pipe.scheduler.timesteps[0]),
        boxes=[
            {"class": name, "rect": [x0 * WIDTH, y0 * HEIGHT, (x1 - x0) * WIDTH, (y1 - y0) * HEIGHT]}
            | ({"colour": colour} if colour else {})
            for (colour, name), (x0, y0, x1, y1) in BOXES
        ],
        cases=CASES,
    )
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, FOLDER / "gligen.safetensors", {"cases": json.dumps(told)})


main()
