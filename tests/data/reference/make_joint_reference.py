#!/usr/bin/env python3
"""Makes a tiny random model that takes words, a mask, boxes, a label map and a small picture
(`joint-tiny`), and what plain PyTorch computes with it.

Run in this folder, beside make_model_reference.py, with Python's torch, diffusers, transformers and
safetensors (made with torch 2.15, diffusers 0.42.1 and transformers 5.24):

    python3 make_joint_reference.py

The denoiser, the autoencoder, the text encoder and the scheduler are those of diffusers and transformers. The two
encoders of conditions are written here, plainly, pixel by pixel and box by box, from what is agreed on them; only
GLIGEN's Fourier features of boxes are diffusers' own.

Random numbers are drawn from one generator in the order of our runs: the noise to begin with, then the posterior of
the masked picture. Everything is sampled with DDIM (eta 0), which draws no more.
"""

import json
import shutil

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.embeddings import get_fourier_embeds_from_boundingbox
from make_model_reference import HERE, MERGES, randn, shake, write_tokenizer
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

torch.set_num_threads(1)
torch.set_grad_enabled(False)

FOLDER = HERE / "joint-tiny"
WIDTH, HEIGHT, FACTOR = 72, 48, 8
COLUMNS, ROWS = WIDTH // FACTOR, HEIGHT // FACTOR
STEPS, SEED = 6, 1234
PROMPT, NEGATIVE = "a small red house on a green hill", "a cartoon sailboat at night"

BOX_CLASSES = ["bus", "balloon", "dog", "house"]
COLOURS = ["red", "green"]
LAYOUT = dict(classes=len(BOX_CLASSES), colours=len(COLOURS), max_boxes=5, hidden_size=16, frequencies=8,
              intermediate_size=24, plane_channels=6)
# The numbers have gaps and the list an order of its own: weights go by the list.
MAP_CLASSES = [(4, "water", [50, 110, 200]), (0, "sky", [120, 180, 240]), (9, "hill", [90, 140, 80])]
SEMANTIC = dict(classes=len(MAP_CLASSES), width=3, cells=2)
LOW_FACTOR = 4

BOXES = [
    dict(**{"class": "bus"}, rect=[10.5, 20.25, 30.0, 16.5], colour="red"),
    # Over the upper left corner.
    dict(**{"class": "balloon"}, rect=[-6.0, -9.0, 20.0, 25.0]),
    # Wider than the picture, and smaller than a latent.
    dict(**{"class": "house"}, rect=[-100.0, 30.0, 400.0, 11.0], colour="green"),
    dict(**{"class": "dog"}, rect=[50.3, 5.1, 3.2, 2.7]),
]


def label_map():
    """Sky over a wavy hill, a pond, and a corner of nothing."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    labels = np.where(y < 20 + 7 * np.sin(x / 9), 0, 9).astype(np.uint8)
    labels[(x - 50) ** 2 / 300 + (y - 38) ** 2 / 60 < 1] = 4
    labels[-9:, :13] = 255
    return labels


def picture():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 32
    planes = [np.sin(3 * x + y), np.cos(2 * y - x), np.sin(5 * x * y)]
    return (127.5 + 110 * np.stack(planes, -1)).round().clip(0, 255).astype(np.uint8)


def mask():
    """Blocks of whole latents."""
    small = np.zeros((ROWS, COLUMNS), np.uint8)
    small[2:5, 1:6] = 255
    return small.repeat(FACTOR, 0).repeat(FACTOR, 1)


def small_picture():
    y, x = np.mgrid[0 : HEIGHT // LOW_FACTOR, 0 : WIDTH // LOW_FACTOR]
    return np.stack([13 * x % 256, 21 * y % 256, (x * y * 7) % 256], -1).astype(np.uint8)


def signed(image):
    """A picture as [1, 3, height, width] in [-1, 1]."""
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1


class LayoutEncoder(torch.nn.Module):
    def __init__(self, classes, colours, max_boxes, hidden_size, frequencies, intermediate_size, plane_channels):
        super().__init__()
        self.max_boxes, self.frequencies = max_boxes, frequencies
        self.class_embedding = torch.nn.Embedding(classes, hidden_size)
        self.colour_embedding = torch.nn.Embedding(colours + 1, hidden_size)
        self.null_token = torch.nn.Parameter(torch.randn(hidden_size))
        self.linear_1 = torch.nn.Linear(hidden_size + 8 * frequencies, intermediate_size)
        self.linear_2 = torch.nn.Linear(intermediate_size, hidden_size)
        self.plane_embedding = torch.nn.Embedding(classes, plane_channels)

    def forward(self, boxes, weight):
        tokens = [self.null_token] * self.max_boxes
        planes = torch.zeros(self.plane_embedding.embedding_dim, ROWS, COLUMNS)
        for place, box in enumerate(boxes):
            left, top, width, height = box["rect"]
            right, bottom = left + width, top + height
            kind = torch.tensor(BOX_CLASSES.index(box["class"]))
            colour = torch.tensor(COLOURS.index(box["colour"]) + 1 if "colour" in box else 0)
            corners = torch.tensor([left / WIDTH, top / HEIGHT, right / WIDTH, bottom / HEIGHT])
            fourier = get_fourier_embeds_from_boundingbox(self.frequencies, corners[None, None])[0, 0]
            what = torch.cat([self.class_embedding(kind) + self.colour_embedding(colour), fourier])
            token = self.linear_2(torch.nn.functional.silu(self.linear_1(what)))
            tokens[place] = self.null_token + weight * (token - self.null_token)
            for row in range(ROWS):
                for column in range(COLUMNS):
                    across = min(right, FACTOR * (column + 1)) - max(left, FACTOR * column)
                    down = min(bottom, FACTOR * (row + 1)) - max(top, FACTOR * row)
                    share = max(across, 0) * max(down, 0) / FACTOR**2
                    planes[:, row, column] += share * self.plane_embedding(kind) * weight
        return torch.stack(tokens)[None], planes[None]


class SemanticEncoder(torch.nn.Module):
    def __init__(self, classes, width, cells):
        super().__init__()
        self.cells = cells
        self.class_embedding = torch.nn.Embedding(classes, width)

    def forward(self, labels, weight):
        side = FACTOR // self.cells
        place = {index: k for k, (index, _, _) in enumerate(MAP_CLASSES)}
        cells = torch.zeros(self.class_embedding.embedding_dim, ROWS * self.cells, COLUMNS * self.cells)
        for y in range(HEIGHT):
            for x in range(WIDTH):
                if labels[y, x] != 255:
                    known = torch.tensor(place[int(labels[y, x])])
                    cells[:, y // side, x // side] += self.class_embedding(known) / side**2
        return torch.nn.functional.pixel_unshuffle(cells, self.cells)[None] * weight


def build():
    vocab = write_tokenizer(FOLDER / "tokenizer", MERGES)
    torch.manual_seed(0)
    planes = LAYOUT["plane_channels"]
    label_channels = SEMANTIC["width"] * SEMANTIC["cells"] ** 2
    low_channels = 3 * (FACTOR // LOW_FACTOR) ** 2 + 1
    unet = UNet2DConditionModel(
        sample_size=16, in_channels=4 + 1 + 4 + planes + label_channels + low_channels, out_channels=4,
        norm_num_groups=8, cross_attention_dim=16, attention_head_dim=4, layers_per_block=1,
        block_out_channels=[16, 16, 24], use_linear_projection=True,
        down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    )
    vae = AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=4, sample_size=64, layers_per_block=1,
        block_out_channels=[8, 8, 8, 16], down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, scaling_factor=0.7,
    )
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(vocab), hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=24, bos_token_id=vocab["<|startoftext|>"], eos_token_id=vocab["<|endoftext|>"],
        pad_token_id=vocab["<|endoftext|>"], projection_dim=16, hidden_act="quick_gelu",
    ))
    layout, semantic = LayoutEncoder(**LAYOUT), SemanticEncoder(**SEMANTIC)
    parts = dict(unet=unet, vae=vae, text_encoder=text, layout_encoder=layout, semantic_encoder=semantic)
    for seed, part in enumerate(parts.values(), 1):
        shake(part, seed)
    for part in (text, layout, semantic):
        for embedding in (m for m in part.modules() if isinstance(m, torch.nn.Embedding)):
            scale = 20 if part is text else 1
            embedding.weight.copy_((scale * embedding.weight).half().float())
    layout.null_token.copy_(randn(9, 16).half().float())

    for name, part in parts.items():
        (FOLDER / name).mkdir(parents=True, exist_ok=True)
        if name in ("layout_encoder", "semantic_encoder"):
            config = dict(_class_name=type(part).__name__, **(LAYOUT if name == "layout_encoder" else SEMANTIC))
            (FOLDER / name / "config.json").write_text(json.dumps(config, indent=2))
            save_file(part.state_dict(), FOLDER / name / "diffusion_pytorch_model.safetensors")
        else:
            part.save_pretrained(FOLDER / name)
        for file in (FOLDER / name).glob("*.safetensors"):
            save_file({k: v.half() for k, v in load_file(file).items()}, file, {"format": "pt"})
            file.chmod(0o644)
    scheduler().save_pretrained(FOLDER / "scheduler")
    studio = dict(
        name="Joint, tiny", resolution_px=64, default_steps=STEPS, default_guidance_scale=3.5, model_card="",
        unet_input=["latent", "mask", "masked_image", "boxes", "label_map", "low_resolution"],
        inputs=[
            dict(kind="text", max_tokens=24),
            dict(kind="mask", convention="one_is_repainted"),
            dict(kind="layout", classes=BOX_CLASSES, colours=COLOURS, max_boxes=LAYOUT["max_boxes"]),
            dict(kind="semantic", classes=[dict(index=i, name=n, color=c) for i, n, c in MAP_CLASSES]),
            dict(kind="low_resolution", factor=LOW_FACTOR),
        ],
    )
    (FOLDER / "studio.json").write_text(json.dumps(studio, indent=2))
    index = {
        "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.30.0", "feature_extractor": [None, None],
        "image_encoder": [None, None], "requires_safety_checker": False, "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    (FOLDER / "model_index.json").write_text(json.dumps(index, indent=2))
    return parts


def scheduler():
    return DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False,
                         set_alpha_to_one=False, steps_offset=1, prediction_type="v_prediction")


CASES = [
    dict(),
    dict(prompt="", layout=4),
    dict(layout=4),
    dict(layout=2, layout_weight=0.4),
    dict(semantic=True),
    dict(prompt="", semantic=True, semantic_weight=0.7),
    dict(low=True),
    dict(inpaint=True, layout=3, semantic=True),
    dict(inpaint=True, layout=4, layout_weight=0.8, semantic=True, semantic_weight=0.5, low=True, decode=True),
    # Without guidance there is one branch.
    dict(layout=4, semantic=True, low=True, guidance=1.0),
    # Acts as no boxes and no map.
    dict(layout=4, layout_weight=0.0, semantic=True, semantic_weight=0.0),
    # Boxes are heard more at their own places.
    dict(layout=4, layout_bias=2.0),
    dict(layout=3, layout_weight=0.5, layout_bias=3.0, guidance=1.0),
]


class BiasedAttention:
    """Attention to words and boxes that adds a number for each place and token before the softmax, while there are
    such numbers."""

    def __init__(self, own):
        self.own, self.by_places = own, {}

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **others):
        if encoder_hidden_states is not None and self.by_places:
            attention_mask = self.by_places[hidden_states.shape[1]]
        return self.own(attn, hidden_states, encoder_hidden_states, attention_mask, **others)


def bias_by_places(boxes, weight, bias, guided, words):
    """What is added to the logits for each token: `bias` where its box lies, -`bias` elsewhere, by the share of a
    place that it covers."""
    added = torch.zeros(words + LAYOUT["max_boxes"], ROWS, COLUMNS)
    for place, box in enumerate(boxes):
        left, top, width, height = box["rect"]
        for row in range(ROWS):
            for column in range(COLUMNS):
                across = min(left + width, FACTOR * (column + 1)) - max(left, FACTOR * column)
                down = min(top + height, FACTOR * (row + 1)) - max(top, FACTOR * row)
                share = max(across, 0) * max(down, 0) / FACTOR**2
                added[words + place, row, column] = weight * (bias * share - bias * (1 - share))
    by_places = {}
    while added.shape[-1] > 1:
        told = added.flatten(1).T[None]
        by_places[told.shape[1]] = torch.cat([torch.zeros_like(told), told]) if guided else told
        added = torch.nn.functional.avg_pool2d(added[None], 2, ceil_mode=True, count_include_pad=False)[0]
    return by_places


def run(parts, case, out, key):
    unet, vae, text = parts["unet"], parts["vae"], parts["text_encoder"]
    tokenizer = CLIPTokenizer.from_pretrained(FOLDER / "tokenizer")
    guided = case["guidance"] > 1
    generator = torch.Generator().manual_seed(SEED)
    draw = lambda: torch.randn(1, 4, ROWS, COLUMNS, generator=generator)
    noise = draw()

    words = [NEGATIVE, case["prompt"]] if guided else [case["prompt"]]
    ids = tokenizer(words, padding="max_length", max_length=24, truncation=True, return_tensors="pt").input_ids
    context = text(ids).last_hidden_state
    tokens, planes = parts["layout_encoder"](BOXES[: case["layout"]], case["layout_weight"])
    free, nothing = parts["layout_encoder"]([], 1.0)
    labels = torch.zeros_like(parts["semantic_encoder"](label_map(), 1.0))
    empty = labels
    if case["semantic"]:
        labels = parts["semantic_encoder"](label_map(), case["semantic_weight"])
    if guided:
        tokens, planes, labels = torch.cat([free, tokens]), torch.cat([nothing, planes]), torch.cat([empty, labels])
    context = torch.cat([context, tokens], 1)

    if case["inpaint"]:
        repainted = torch.from_numpy(mask() > 127).float()[None, None]
        masked = signed(picture()) * (1 - repainted)
        small_mask = repainted[:, :, ::FACTOR, ::FACTOR]
    else:
        masked, small_mask = torch.zeros(1, 3, HEIGHT, WIDTH), torch.ones(1, 1, ROWS, COLUMNS)
    posterior = vae.encode(masked).latent_dist
    masked = (posterior.mean + posterior.std * draw()) * vae.config.scaling_factor

    block = FACTOR // LOW_FACTOR
    low = torch.zeros(1, 3 * block**2 + 1, ROWS, COLUMNS)
    if case["low"]:
        low = torch.nn.functional.pixel_unshuffle(signed(small_picture()), block)
        low = torch.cat([low, torch.ones(1, 1, ROWS, COLUMNS)], 1)

    rows = 2 if guided else 1
    shared = lambda x: x.expand(rows, -1, -1, -1)
    beside = [shared(small_mask), shared(masked), planes, labels, shared(low)]
    sampler = scheduler()
    sampler.set_timesteps(STEPS)
    latents = noise * sampler.init_noise_sigma
    processors = {name: BiasedAttention(own) for name, own in unet.attn_processors.items()}
    unet.set_attn_processor(dict(processors))
    by_places = bias_by_places(BOXES[: case["layout"]], case["layout_weight"], case["layout_bias"], guided, 24)
    for step, time in enumerate(sampler.timesteps):
        for processor in processors.values():
            # In the first half of the noise.
            processor.by_places = by_places if case["layout_bias"] and time >= 500 else {}
        said = unet(torch.cat([shared(latents), *beside], 1), time, context).sample
        if guided:
            steered, told = said.chunk(2)
            said = steered + case["guidance"] * (told - steered)
        if step == 0:
            out[f"said.{key}"] = said
        latents = sampler.step(said, time, latents, eta=0.0).prev_sample
        if step == 0:
            out[f"first.{key}"] = latents
    unet.set_attn_processor({name: processor.own for name, processor in processors.items()})
    assert torch.isfinite(latents).all(), case
    out[f"latents.{key}"] = latents
    out[f"context.{key}"] = context
    out[f"beside.{key}"] = torch.cat(beside, 1)
    if case["decode"]:
        image = vae.decode(latents / vae.config.scaling_factor).sample[0].permute(1, 2, 0)
        out[f"decoded.{key}"] = ((image * 0.5 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    print(f"  {case}: deviation {latents.std():.4f}")


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    parts = build()
    out = {"label_map": torch.from_numpy(label_map()), "image": torch.from_numpy(picture()),
           "mask": torch.from_numpy(mask()), "small": torch.from_numpy(small_picture())}
    cases = []
    for case in CASES:
        case = dict(prompt=PROMPT, layout=0, layout_weight=1.0, layout_bias=0.0, semantic=False, semantic_weight=1.0, inpaint=False,
                    low=False, guidance=3.5, decode=False) | case
        run(parts, case, out, len(cases))
        cases.append(case)
    told = dict(negative_prompt=NEGATIVE, steps=STEPS, seed=SEED, width=WIDTH, height=HEIGHT, boxes=BOXES,
                palette=[dict(index=i, name=n, color=c) for i, n, c in MAP_CLASSES], cases=cases)
    path = FOLDER / "joint.safetensors"
    save_file({k: v.contiguous() for k, v in out.items()}, path, {"cases": json.dumps(told, separators=(",", ":"))})
    path.chmod(0o644)
    size = sum(f.stat().st_size for f in FOLDER.rglob("*") if f.is_file())
    print(f"{FOLDER.name}: {size} bytes")


if __name__ == "__main__":
    main()
