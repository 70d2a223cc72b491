#!/usr/bin/env python3
"""What Real-ESRGAN's compact network says of a small picture in PyTorch.

Run in this folder with Python's torch and safetensors (made with torch 2.15):

    python3 make_upscaler_reference.py

The network is written out as `SRVGGNetCompact` of Real-ESRGAN has it, with the
weights in assets/upscaler. benches/peer.py measures the same function.
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

HERE = pathlib.Path(__file__).resolve().parent
WEIGHTS = load_file(HERE.parents[2] / "assets/upscaler/realesrgan-x4.safetensors")
WEIGHTS = {name: weight.float() for name, weight in WEIGHTS.items()}
CONVOLUTIONS = 18
HEIGHT, WIDTH = 28, 37


@torch.no_grad()
def enlarge(picture):
    x = picture
    for index in range(CONVOLUTIONS):
        weight, bias = (WEIGHTS[f"convolutions.{index}.{part}"] for part in ("weight", "bias"))
        x = F.conv2d(x, weight, bias, padding=1)
        if index + 1 < CONVOLUTIONS:
            x = F.prelu(x, WEIGHTS[f"activations.{index}.weight"])
    return F.pixel_shuffle(x, 4) + F.interpolate(picture, scale_factor=4, mode="nearest")


def drawn():
    """A sky with a hill, a disc, a thin line and some noise, as bytes."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    sky = torch.stack([90 + 3 * y, 150 + 2 * y, 235 - y]).float()
    hill = y > 18 + 4 * torch.sin(x / 5)
    disc = (x - 24) ** 2 + (y - 9) ** 2 < 30
    line = (x - y - 3).abs() < 1
    for where, colour in ((hill, (60, 140, 50)), (disc, (250, 210, 40)), (line, (30, 20, 25))):
        sky = torch.where(where, torch.tensor(colour).float()[:, None, None], sky)
    noise = torch.randn(sky.shape, generator=torch.Generator().manual_seed(7))
    return (sky + 4 * noise).clamp(0, 255).round().to(torch.uint8)


def main():
    torch.set_num_threads(1)
    picture = drawn()
    enlarged = enlarge(picture[None].float() / 255)
    save_file({"picture": picture, "enlarged": enlarged.contiguous()}, HERE / "upscaler.safetensors")


if __name__ == "__main__":
    main()
