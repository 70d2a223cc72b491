"""Tiny denoisers shaped like distilled models, and what diffusers' own say.

    ~/.cache/venv/bin/python tests/data/reference/make_distilled_reference.py

`ssd` is made like SSD-1B: depths of its own for each block, and one residual block in the
middle; `tiny` like tiny-sd: nothing in the middle. Weights follow from their names, as those
of `make_sdxl_reference.py`.
"""
import json

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from make_sdxl_reference import HEAD, OUT, RESNET, WAVES, fill

KINDS = {
    "ssd": dict(
        sample_size=128, block_out_channels=(32, 64, 128), attention_head_dim=(1, 1, 2), cross_attention_dim=96,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), mid_block_type="UNetMidBlock2D",
        layers_per_block=2, transformer_layers_per_block=[1, [1, 2], [2, 2]],
        reverse_transformer_layers_per_block=[[2, 2, 3], [2, 1, 1], 1], use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=WAVES, projection_class_embeddings_input_dim=64 + 6 * WAVES),
    "tiny": dict(
        sample_size=64, block_out_channels=(32, 64, 64), attention_head_dim=4, cross_attention_dim=48, mid_block_type=None,
        down_block_types=("CrossAttnDownBlock2D",) * 3, up_block_types=("CrossAttnUpBlock2D",) * 3, layers_per_block=1),
}


def original(name, layers):
    """The name of a weight in one file."""
    place, end = name.rsplit(".", 1)
    if place in HEAD:
        return f"{HEAD[place]}.{end}"
    bits = name.split(".")
    if bits[0] == "mid_block":
        return f"middle_block.0.{RESNET[bits[3]]}.{end}"
    side, level, kind, number = bits[0], int(bits[1]), bits[2], int(bits[3])
    first = level * (layers + 1)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{end}"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers}.2.conv.{end}"
    at = f"input_blocks.{first + number + 1}" if side == "down_blocks" else f"output_blocks.{first + number}"
    return f"{at}.0.{RESNET[bits[4]]}.{end}" if kind == "resnets" else f"{at}.1.{'.'.join(bits[4:])}"


if __name__ == "__main__":
    torch.manual_seed(9)
    told, out = {}, {}
    for kind, sizes in KINDS.items():
        unet = fill(f"{kind}/unet", UNet2DConditionModel(**sizes))
        names = {name: list(value.shape) for name, value in unet.state_dict().items()}
        config = {key: value for key, value in unet.config.items() if key != "_name_or_path"}
        told[kind] = {"config": {"_class_name": "UNet2DConditionModel", **config}, "weights": names,
                      "original": {name: original(name, sizes["layers_per_block"]) for name in names}}
        sample, words = torch.randn(1, 4, 12, 8), torch.randn(1, 7, sizes["cross_attention_dim"])
        added = torch.randn(1, 64)
        # With what tells of sizes behind it.
        seen = [added]
        if kind == "ssd":
            unet.add_embedding.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        more = dict(added_cond_kwargs={"text_embeds": added, "time_ids": torch.tensor([[64.0, 96, 0, 0, 64, 96]])})
        with torch.no_grad():
            said = unet(sample, 321, words, **(more if kind == "ssd" else {})).sample
        out |= {f"{kind}.sample": sample, f"{kind}.words": words, f"{kind}.added": seen[-1], f"{kind}.said": said}
    (OUT / "distilled.json").write_text(json.dumps(told, indent=0, sort_keys=True) + "\n")
    save_file({name: value.float().contiguous() for name, value in out.items()}, OUT / "distilled.safetensors")
