"""Makes a model folder of the weights that run.py wrote.

    python assemble.py WORK TOKENIZER CLASSES PALETTE OUT

PALETTE is the `palette.json` of `velatura scenes`.
"""

import json
import pathlib
import shutil
import sys

from safetensors.torch import load_file, save_file

work, tokenizer, classes, palette, out = map(pathlib.Path, sys.argv[1:])
about = json.loads((work / "vae.json").read_text())
recipes = pathlib.Path(__file__).parent.parent
recipe = json.loads((recipes / "storybook.json").read_text())
card = (recipes / "storybook-card.md").read_text()
entries = json.loads(classes.read_text())
nouns = [entry.get("noun", entry["slug"].replace("-", " ")) for entry in entries]
labels = json.loads(palette.read_text())
vocabulary = len(json.loads((tokenizer / "vocab.json").read_text()))
latent, levels = about["latent"], len(about["widths"])
tints = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]


def write(name, value):
    path = out / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def weights(part, name="diffusion_pytorch_model.safetensors"):
    shutil.copyfile(work / f"{part}.safetensors", out / part / name)


write("vae/config.json", {
    **recipe["autoencoder"], "block_out_channels": about["widths"], "latent_channels": latent, "sample_size": 128,
    "down_block_types": ["DownEncoderBlock2D"] * levels, "up_block_types": ["UpDecoderBlock2D"] * levels,
    "scaling_factor": about["scale"],
})
weights("vae")
write("unet/config.json", {
    **recipe["unet"], "block_out_channels": [96, 128, 160], "attention_head_dim": [3, 4, 5], "cross_attention_dim": 192,
    "in_channels": latent * 2 + 1 + 16 + 48 + 13, "out_channels": latent, "sample_size": 16,
})
weights("unet")
write("text_encoder/config.json", {
    **recipe["text_encoder"], "vocab_size": vocabulary, "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 4, "projection_dim": 192, "bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1,
    "pad_token_id": vocabulary - 1, "torch_dtype": "float16",
})
weights("text_encoder", "model.safetensors")
write("layout_encoder/config.json", {
    "_class_name": "LayoutEncoder", "classes": len(nouns), "colours": len(tints), "max_boxes": 12, "hidden_size": 192,
    "frequencies": 8, "intermediate_size": 384, "plane_channels": 16,
})
weights("layout_encoder")
write("semantic_encoder/config.json", {"_class_name": "SemanticEncoder", "classes": len(labels), "width": 12, "cells": 2})
# Scenes label their sky as "plain", so that "sky" is never learnt: it takes the other's place.
table = load_file(work / "semantic_encoder.safetensors")
for values in table.values():
    values[1] = values[0]
save_file(table, out / "semantic_encoder" / "diffusion_pytorch_model.safetensors")
if (work / "layout_prior").is_dir():
    (out / "layout_prior").mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(work / "layout_prior" / name, out / "layout_prior" / name)
write("scheduler/scheduler_config.json", recipe["scheduler"])
shutil.copytree(tokenizer, out / "tokenizer", dirs_exist_ok=True)
write("model_index.json", {
    "_class_name": "LatentDiffusionPipeline", "_diffusers_version": "0.30.0", "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
})
write("studio.json", {
    "name": "Storybook", "resolution_px": 128,
    "inputs": [
        {"kind": "text", "max_tokens": 40},
        {"kind": "mask", "convention": "one_is_repainted"},
        {"kind": "layout", "classes": nouns, "colours": tints, "max_boxes": 12},
        {"kind": "semantic", "classes": [{"index": e["id"], "name": e["name"], "color": e["colour"]} for e in labels]},
        {"kind": "low_resolution", "factor": 4, "degradation": "bicubic"},
    ],
    "unet_input": ["latent", "mask", "masked_image", "boxes", "label_map", "low_resolution"],
    "mask_convention": "one_is_repainted", "default_steps": 20, "default_guidance_scale": 4.0, "default_guidance_start": 0.15,
    "model_card": card,
})
(out / "README.md").write_text(card)
