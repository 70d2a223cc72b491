#!/usr/bin/env python3
"""Makes the tiny random pipelines of this folder and what diffusers computes with them.

Run in this folder with Python's torch, diffusers, transformers and safetensors:

    python3 make_model_reference.py            write everything
    python3 make_model_reference.py open DIR   prove that diffusers opens DIR (a folder
                                               written by velatura) and paint with it

The weights are rounded to f16 and stored so (small files); all arithmetic is f32.
"""

import json
import os
import re
import shutil
import sys
from collections import Counter
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_grad_enabled(False)

CAPTIONS = """a small red house on a green hill under a blue sky
a yellow sun above the snowy mountains at noon
two white sheep and a brown dog on the grass
a cartoon sailboat on calm water at sunset
a flat sticker of a purple balloon on a plain ground
a photo of an old tree beside a sandy path at night with the moon
a full moon over the mountains
three green apples on the grass in the evening
""".split("\n")


def byte_units():
    """OpenAI's printable stand-ins for the 256 bytes, in CLIP's order."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in keep]
    return {**{b: chr(b) for b in keep}, **{b: chr(256 + i) for i, b in enumerate(rest)}}


def train_merges(captions, count):
    units = byte_units()
    words = Counter(w for line in captions for w in re.findall(r"\w+", line.lower()))
    split = {w: [units[b] for b in w.encode()] for w in words}
    for pieces in split.values():
        pieces[-1] += "</w>"
    merges = []
    while len(merges) < count:
        pairs = Counter()
        for w, pieces in split.items():
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += words[w]
        if not pairs:
            break
        best = min(pairs, key=lambda p: (-pairs[p], p))
        merges.append(best)
        for pieces in split.values():
            i = 0
            while i < len(pieces) - 1:
                if (pieces[i], pieces[i + 1]) == best:
                    pieces[i : i + 2] = ["".join(best)]
                i += 1
    return merges


def write_tokenizer(folder, merges, pad="<|endoftext|>"):
    """The four files of a CLIP tokenizer folder, as diffusers folders have them."""
    folder.mkdir(parents=True, exist_ok=True)
    units = list(byte_units().values())
    tokens = units + [u + "</w>" for u in units] + ["".join(m) for m in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {t: i for i, t in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False))
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    )
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": pad,
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    config = {"model_max_length": 77, "do_lower_case": True, "tokenizer_class": "CLIPTokenizer", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return vocab


def shake(model, seed):
    """Random norms and biases too, so that none can be swapped unseen; f16 values."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if p.ndim == 1:
            noise = torch.randn(p.shape, generator=g)
            p.copy_(1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.1 * noise)
        p.copy_(p.half().float())
    return model.eval()


def randn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


MERGES = train_merges(CAPTIONS, 120)
CROSS = ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"]
PIPELINES = {
    # Stable Diffusion 1 in small: 1×1 convolutions around the transformers, PNDM, noise prediction.
    "sd1-tiny": dict(
        pipeline=StableDiffusionPipeline,
        unet=dict(attention_head_dim=[2, 4, 3], layers_per_block=1, block_out_channels=[8, 16, 24]),
        text=dict(hidden_act="quick_gelu"),
        vae=dict(block_out_channels=[8, 16, 16], layers_per_block=1),
        scheduler=lambda: PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
            skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1,
        ),
    ),
    # Stable Diffusion 2 in small: linear projections, deeper transformers, exact GELU, velocity prediction.
    "sd2-tiny": dict(
        pipeline=StableDiffusionPipeline,
        unet=dict(attention_head_dim=[1, 2, 4], layers_per_block=1, use_linear_projection=True,
                  transformer_layers_per_block=2, upcast_attention=True, block_out_channels=[8, 16, 24]),
        text=dict(hidden_act="gelu"),
        vae=dict(block_out_channels=[8, 16], layers_per_block=2, use_quant_conv=False,
                 use_post_quant_conv=False, mid_block_add_attention=False),
        scheduler=lambda: DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
            clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        ),
    ),
    # Stable Diffusion inpainting in small: 9 channels in, two resnets per level, one head count.
    "inpaint-tiny": dict(
        pipeline=StableDiffusionInpaintPipeline,
        unet=dict(in_channels=9, attention_head_dim=4, layers_per_block=2, block_out_channels=[8, 16, 16],
                  down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
                  up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"]),
        text=dict(hidden_act="quick_gelu"),
        vae=dict(block_out_channels=[8, 8, 16], layers_per_block=1),
        scheduler=lambda: EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
            timestep_spacing="leading",
        ),
    ),
    # As few different shapes as possible: on a software adapter each takes half a minute to tune.
    "wgpu-tiny": dict(
        pipeline=StableDiffusionPipeline,
        unet=dict(attention_head_dim=2, layers_per_block=1, block_out_channels=[16, 16],
                  down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
                  up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"]),
        text=dict(hidden_act="quick_gelu"),
        vae=dict(block_out_channels=[16, 16], layers_per_block=1),
        scheduler=lambda: DDIMScheduler(),
    ),
}


def build(name, spec, folder):
    vocab = write_tokenizer(folder / "tokenizer", MERGES, "!" if name == "sd2-tiny" else "<|endoftext|>")
    torch.manual_seed(0)
    unet = dict(
        sample_size=16, in_channels=4, out_channels=4, norm_num_groups=8,
        cross_attention_dim=16, down_block_types=CROSS,
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    ) | spec["unet"]
    unet = shake(UNet2DConditionModel(**unet), 1)
    levels = len(spec["vae"]["block_out_channels"])
    vae = dict(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4, sample_size=64,
        down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels,
    ) | spec["vae"]
    vae = shake(AutoencoderKL(**vae), 2)
    text = CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        max_position_embeddings=77, bos_token_id=vocab["<|startoftext|>"], eos_token_id=vocab["<|endoftext|>"],
        pad_token_id=vocab["<|endoftext|>"], projection_dim=16, **spec["text"],
    )
    text = shake(CLIPTextModel(text), 3)
    # The defaults (0.02) make every token nearly the same to the network.
    for embedding in (m for m in text.modules() if isinstance(m, torch.nn.Embedding)):
        embedding.weight.copy_((20 * embedding.weight).half().float())

    from safetensors.torch import load_file

    for part, model in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        model.save_pretrained(folder / part)
        for file in (folder / part).glob("*.safetensors"):
            # transformers wrote this prefix before its version 5, and most folders still have it.
            prefix = "text_model." if (part, name) == ("text_encoder", "sd1-tiny") else ""
            weights = {prefix + k: v.half() for k, v in load_file(file).items()}
            save_file(weights, file, {"format": "pt"})
    spec["scheduler"]().save_pretrained(folder / "scheduler")
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    index = {
        "_class_name": spec["pipeline"].__name__,
        "_diffusers_version": "0.30.0",
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", spec["scheduler"]().__class__.__name__],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))

    out = {}
    prompts = ["a small red house on a green hill", ""]
    ids = tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
    out["tokens"] = ids.to(torch.int32)
    states = text(ids).last_hidden_state
    out["text_states"] = states
    channels = unet.config.in_channels
    for tag, (h, w) in {"square": (8, 8), "wide": (8, 16), "odd": (7, 13)}.items():
        out[f"unet.{tag}.sample"] = randn(10 + w, 2, channels, h, w)
        for t in (1, 500, 999) if tag == "square" else (731,):
            out[f"unet.{tag}.out.{t}"] = unet(out[f"unet.{tag}.sample"], t, states).sample
    # Another timestep for each picture of the batch, as in training.
    out["unet.mixed.out"] = unet(out["unet.square.sample"], torch.tensor([37, 802]), states).sample
    image = randn(20, 1, 3, 32, 48).clamp(-2, 2) / 2
    posterior = vae.encode(image).latent_dist
    out |= {"vae.image": image, "vae.mean": posterior.mean, "vae.logvar": posterior.logvar}
    out["vae.kl"] = posterior.kl()
    out["vae.latent"] = randn(21, 2, 4, 6, 5)
    out["vae.decoded"] = vae.decode(out["vae.latent"]).sample
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "model_reference.safetensors")


STRINGS = [
    "a small red house on a green hill", "", "   ", "A  PHOTO\tof\nan Astronaut riding a horse!!!",
    "it's the dog's; they're, we've, I'll, he'd, I'm, don't, CAN'T", "1234 cats, 3.14 and 2²", "naïve café déjà vu",
    "ÀÉÎÕÜ straße ŒUVRE", "日本の山と富士山", "Ελληνικά και русский текст", "🦊🦔 a fox 👩‍🚀 and flags 🇩🇪", "#hashtag @user http://x.y/z?q=1&r=2",
    "(masterpiece:1.2), ((best quality)), <lora:x:0.8>", "under_score __init__ a-b--c", "tab\u00a0nbsp\u3000wide\u200bzero",
    "<|startoftext|> inside <|endoftext|> specials", "x" * 300, "word " * 120, "e\u0301 combining and \ufb01 ligature", "İstanbul ıI ΣΑΣ",
    "'s's 'll 'LL ’s", "½ ① Ⅳ ٣ ५", "a\u0000b\u0007c", "&amp; &lt;b&gt; html",
]


def tokenizer_reference(folder):
    """Token ids of many strings, unpadded and not truncated, and cut to 77 with padding."""
    result = {"strings": STRINGS}
    full = HERE.parent.parent.parent / "assets" / "clip" / "merges.txt"
    full_merges = [tuple(line.split()) for line in full.read_text().splitlines()[1:] if line]
    # Stable Diffusion 2 pads with "!", which thereby becomes a token of its own in texts too.
    for name, merges, pad in (("tiny", MERGES, "<|endoftext|>"), ("tiny_pad", MERGES, "!"), ("full", full_merges, "<|endoftext|>")):
        scratch = Path("/tmp") / f"velatura-tokenizer-{name}"
        write_tokenizer(scratch, merges, pad)
        tokenizer = CLIPTokenizer.from_pretrained(scratch)
        result[name] = {
            "vocab_size": len(tokenizer),
            "ids": [tokenizer(s).input_ids for s in STRINGS],
            "ids_77": [tokenizer(s, padding="max_length", max_length=77, truncation=True).input_ids for s in STRINGS[-8:]],
        }
    (folder / "tokenizer_reference.json").write_text(json.dumps(result, ensure_ascii=True))


def open_folder(folder):
    """Proves that diffusers opens a folder written by velatura, and paints with it."""
    import inspect

    pipe = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    channels = pipe.unet.config.in_channels
    if isinstance(pipe, StableDiffusionInpaintPipeline) and channels not in (4, 9):
        # The pipeline knows 4-channel latents only; the parts know others too.
        width = pipe.text_encoder.config.hidden_size
        with torch.no_grad():
            said = pipe.unet(torch.zeros(1, channels, 8, 8), 500, torch.zeros(1, 4, width)).sample
            image = pipe.vae.decode(said).sample
        assert torch.isfinite(image).all()
        print(f"{folder}: the parts opened; a picture of {tuple(image.shape)} was decoded")
        return
    kwargs = dict(num_inference_steps=3, height=32, width=48, output_type="np",
                  generator=torch.Generator().manual_seed(1))
    if isinstance(pipe, StableDiffusionInpaintPipeline):
        kwargs |= dict(image=torch.zeros(1, 3, 32, 48), mask_image=torch.ones(1, 1, 32, 48))
    image = pipe("a small red house", **kwargs).images
    assert np.isfinite(image).all()
    print(f"{type(pipe).__name__} opened {folder}: picture {image.shape}, mean {image.mean():.5f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["open"]:
        open_folder(sys.argv[2])
        sys.exit()
    for name, spec in PIPELINES.items():
        folder = HERE / name
        # Other scripts keep their own references beside these parts.
        for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler"):
            shutil.rmtree(folder / part, ignore_errors=True)
        build(name, spec, folder)
        size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        print(f"{name}: {size} bytes")
        open_folder(folder)
    tokenizer_reference(HERE)
