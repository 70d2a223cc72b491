"""Weights of `sd1-tiny` as PyTorch's own files, named as diffusers names them.

    python tests/data/reference/make_bin_reference.py

Needs diffusers and torch. Writes `sd1-bin`: the denoiser in shards of half precision
(`.bin.index.fp16.json`), the autoencoder in bfloat16 in one file (`.bf16.bin`), the text
encoder as transformers named it of old (`pytorch_model.bin`), in half precision. The
configurations are those of `sd1-tiny`.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file

HERE = Path(__file__).resolve().parent
SOURCE, TARGET = HERE / "sd1-tiny", HERE / "sd1-bin"

half = {"torch_dtype": torch.float16}
unet = UNet2DConditionModel.from_pretrained(SOURCE, subfolder="unet", **half)
unet.save_pretrained(TARGET / "unet", safe_serialization=False, variant="fp16", max_shard_size="80KB")
vae = AutoencoderKL.from_pretrained(SOURCE, subfolder="vae", torch_dtype=torch.bfloat16)
vae.save_pretrained(TARGET / "vae", safe_serialization=False, variant="bf16")
text = load_file(SOURCE / "text_encoder" / "model.safetensors")
(TARGET / "text_encoder").mkdir(exist_ok=True)
torch.save({name: value.half() for name, value in text.items()}, TARGET / "text_encoder" / "pytorch_model.bin")
for part in TARGET.iterdir():
    (part / "config.json").unlink(missing_ok=True)
