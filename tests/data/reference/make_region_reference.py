#!/usr/bin/env python3
"""Regional prompts on sd1-tiny and sd2-tiny, by attention processors of diffusers.

Run in this folder with Python's torch, diffusers, transformers and safetensors. The formula
is that of the attention mode of the Regional Prompter with its base ratio, as
`src/nn/regions.rs` states it; here it stands in an attention processor that knows each
region by its mask in pixels, brought to the size of each level by area. One call of the
denoiser with guidance, and whole runs of a pipeline.
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_grad_enabled(False)

WIDTH, HEIGHT, STEPS, GUIDANCE = 96, 64, 4, 4.5
PROMPT, NEGATIVE = "a green hill under a blue sky", "fog"
BASE_RATIO = 0.2
# Words of a colour and a class; left, top, width, height.
BOXES = [
    (("red", "house"), [8, 8, 40, 40]),
    ((None, "a full moon"), [33.5, -6, 30, 45]),
    (("white", "sheep"), [60, 40, 80, 80]),
]
# The pixels of a label map and the name of its class.
CLASSES = [(3, "sea"), (9, "sand")]


def label_map():
    map = torch.full((HEIGHT, WIDTH), 255, dtype=torch.uint8)
    map[50:, :] = 9
    map[30:50, 5:71] = 3
    return map


def box_mask(rect, width_px=WIDTH, height_px=HEIGHT):
    # Ten samples for each pixel, so that edges between pixels are met.
    left, top, width, height = rect
    across = (torch.arange(width_px * 10) + 0.5) / 10
    down = (torch.arange(height_px * 10) + 0.5) / 10
    columns = ((across > left) & (across < left + width)).double()
    rows = ((down > top) & (down < top + height)).double()
    return (rows[:, None] * columns[None]).reshape(height_px, 10, width_px, 10).mean((1, 3)).float()


class RegionalProcessor(AttnProcessor2_0):
    def __init__(self, contexts, masks):
        super().__init__()
        self.contexts, self.masks = contexts, masks

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **rest):
        everywhere = super().__call__(attn, hidden_states, encoder_hidden_states, **rest)
        places = hidden_states.shape[1]
        height, width = self.masks.shape[1:]
        factor = round((width * height / places) ** 0.5)
        size = (height // factor, width // factor)
        assert size[0] * size[1] == places
        shares = F.interpolate(self.masks[None], size, mode="area")[0].reshape(len(self.masks), -1)
        total = shares.sum(0)
        out = everywhere.clone()
        # The last of the batch is told the prompt; the other one, the negative prompt everywhere.
        told = (1 - (1 - BASE_RATIO) * total.clamp(max=1))[:, None] * everywhere[-1]
        for share, context in zip(shares, self.contexts):
            inside = super().__call__(attn, hidden_states[-1:], context[None], **rest)[0]
            part = torch.where(total > 0, share / total, 0) * total.clamp(max=1)
            told = told + (1 - BASE_RATIO) * part[:, None] * inside
        out[-1] = told
        return out


def words(colour, name):
    return name if colour is None else f"{colour} {name}"


CASES = [
    dict(model="sd1-tiny", boxes=2, box_weight=1.0, map=False, map_weight=1.0, guidance=GUIDANCE),
    dict(model="sd1-tiny", boxes=3, box_weight=0.6, map=True, map_weight=0.8, guidance=GUIDANCE),
    dict(model="sd1-tiny", boxes=1, box_weight=1.0, map=False, map_weight=1.0, guidance=1.0),
    dict(model="sd2-tiny", boxes=3, box_weight=1.0, map=False, map_weight=1.0, guidance=GUIDANCE),
]


def main():
    tensors = {"label_map": label_map()}
    for number, case in enumerate(CASES):
        folder = HERE / case["model"]
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, torch_dtype=torch.float32)
        pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
        pipe.set_progress_bar_config(disable=True)
        regions = [(words(*name), case["box_weight"] * box_mask(rect)) for name, rect in BOXES[: case["boxes"]]]
        if case["map"]:
            regions += [(name, case["map_weight"] * (label_map() == index).float()) for index, name in CLASSES]
        is_guided = case["guidance"] > 1
        embed = lambda text: pipe.encode_prompt(text, "cpu", 1, False)[0][0]
        masks = torch.stack([mask for _, mask in regions])
        processor = RegionalProcessor([embed(text) for text, _ in regions], masks)
        processors = {
            name: processor if ".attn2." in name else AttnProcessor2_0() for name in pipe.unet.attn_processors
        }
        factor = 2 ** (len(pipe.vae.config.block_out_channels) - 1)
        shape = (1, 4, HEIGHT // factor, WIDTH // factor)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(40 + number))
        texts = [NEGATIVE, PROMPT] if is_guided else [PROMPT]
        context = torch.stack([embed(text) for text in texts])
        batch = noise.repeat(len(texts), 1, 1, 1)
        plain = pipe.unet(batch, 701, context).sample
        pipe.unet.set_attn_processor(processors)
        said = pipe.unet(batch, 701, context).sample
        run = pipe(
            PROMPT, HEIGHT, WIDTH, STEPS, guidance_scale=case["guidance"], negative_prompt=NEGATIVE,
            latents=noise.clone(), output_type="latent",
        ).images
        changed = (said - plain).abs().amax((1, 2, 3))
        print(case, "rows changed by", changed.tolist(), "std", said.std().item(), run.std().item())
        tensors |= {f"{number}.noise": noise, f"{number}.said": said, f"{number}.run": run}
    told = dict(
        width=WIDTH, height=HEIGHT, steps=STEPS, prompt=PROMPT, negative_prompt=NEGATIVE,
        boxes=[
            {"class": name, "rect": rect} | ({"colour": colour} if colour else {})
            for (colour, name), rect in BOXES
        ],
        palette=[{"index": index, "name": name, "color": [index, 0, 0]} for index, name in CLASSES],
        cases=CASES,
    )
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, HERE / "regions.safetensors", {"cases": json.dumps(told)})


if __name__ == "__main__":
    main()
