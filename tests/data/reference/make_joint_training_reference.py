#!/usr/bin/env python3
"""Makes the gradients of the second stage's loss by every weight of a model that takes words, a mask, boxes, a label
map and a small picture (`joint-tiny`), by plain PyTorch.

Run in this folder, after make_joint_reference.py and with the same packages:

    python3 make_joint_training_reference.py

Everything goes into joint_training.safetensors; `src/train/diffusion/gradient_tests.rs` reads it. A batch of four
pictures of 64 pixels: one with everything, one with a small picture alone, one with some boxes and a map full of
holes, one with nothing. Noisy latents, targets and weights of places are random numbers, since what they are in
training is compared elsewhere. Of tensors with more than 2000 numbers every seventh row is kept.
"""

import json

import make_joint_reference as joint
import numpy as np
import torch
from diffusers import UNet2DConditionModel
from make_joint_reference import BOXES, FACTOR, FOLDER, HERE, LAYOUT, LOW_FACTOR, SEMANTIC
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

torch.set_grad_enabled(True)
SIDE = 64
joint.WIDTH = joint.HEIGHT = SIDE
joint.COLUMNS = joint.ROWS = PLACES = SIDE // FACTOR
STEPS = [3, 250, 600, 990]
CAPTIONS = ["a small red house on a green hill", "", "a cartoon sailboat at night", ""]
SEEN = [4, 0, 2, 0]
MAPS = [True, False, True, False]
SMALL = [False, True, False, False]


def encoder(kind, sizes, name):
    network = kind(**sizes)
    weights = load_file(FOLDER / name / "diffusion_pytorch_model.safetensors")
    network.load_state_dict({key: value.float() for key, value in weights.items()})
    return network


def label_maps():
    full = joint.label_map()
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return [full, None, np.where((x // 5 + y // 7) % 3 == 0, 255, full).astype(np.uint8), None]


def main():
    unet = UNet2DConditionModel.from_pretrained(FOLDER / "unet", torch_dtype=torch.float32).eval()
    text = CLIPTextModel.from_pretrained(FOLDER / "text_encoder", torch_dtype=torch.float32).eval()
    layout = encoder(joint.LayoutEncoder, LAYOUT, "layout_encoder")
    semantic = encoder(joint.SemanticEncoder, SEMANTIC, "semantic_encoder")
    tokenizer = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")
    random = torch.Generator().manual_seed(77)
    normal = lambda *shape: torch.randn(*shape, generator=random)
    count = len(STEPS)
    noisy, target = normal(count, 4, PLACES, PLACES), normal(count, 4, PLACES, PLACES)
    mask = (normal(count, 1, PLACES, PLACES) > 0).float()
    masked = normal(count, 4, PLACES, PLACES)
    weights = 1 + 5 * (normal(count, 1, PLACES, PLACES) > 0.5).float()
    weights = weights / weights.mean((1, 2, 3), keepdim=True)
    block = FACTOR // LOW_FACTOR
    pictures = normal(count, 3, PLACES * block, PLACES * block).clamp(-1, 1)

    ids = tokenizer(CAPTIONS, padding="max_length", max_length=24, truncation=True, return_tensors="pt").input_ids
    told = [layout(BOXES[:seen], 1.0) for seen in SEEN]
    maps = label_maps()
    nothing = torch.zeros(1, SEMANTIC["width"] * SEMANTIC["cells"] ** 2, PLACES, PLACES)
    labels = [nothing if labels is None else semantic(labels, 1.0) for labels in maps]
    low = torch.cat([torch.nn.functional.pixel_unshuffle(pictures, block), torch.ones(count, 1, PLACES, PLACES)], 1)
    low = low * torch.tensor(SMALL).float()[:, None, None, None]
    context = torch.cat([text(ids).last_hidden_state, torch.cat([tokens for tokens, _ in told])], 1)
    beside = [mask, masked, torch.cat([planes for _, planes in told]), torch.cat(labels), low]
    said = unet(torch.cat([noisy, *beside], 1), torch.tensor(STEPS), context).sample
    errors = ((said - target).square() * weights).mean((1, 2, 3))
    errors.mean().backward()

    out = {"noisy": noisy, "target": target, "mask": mask, "masked": masked, "weights": weights, "pictures": pictures,
           "errors": errors, "tokens": ids.float()}
    out |= {f"labels.{k}": torch.from_numpy(labels).float() for k, labels in enumerate(maps) if labels is not None}
    parts = {"unet": unet, "text": text, "layout": layout, "semantic": semantic}
    for part, network in parts.items():
        for name, parameter in network.named_parameters():
            if part == "text" and not name.startswith("text_model."):
                name = f"text_model.{name}"
            gradient = parameter.grad
            if gradient is None:
                print("no gradient:", part, name)
                continue
            out[f"{part}/{name}"] = gradient[::7] if gradient.numel() > 2000 else gradient
    told = dict(steps=STEPS, boxes=BOXES, seen=SEEN, small=SMALL)
    path = HERE / "joint_training.safetensors"
    save_file({key: value.detach().contiguous().clone() for key, value in out.items()}, path, {"batch": json.dumps(told)})
    path.chmod(0o644)
    print(path.stat().st_size, "bytes;", len(out), "tensors; errors", errors.tolist())


if __name__ == "__main__":
    main()
