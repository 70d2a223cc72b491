"""Tiny Stable Diffusion 1 and 2 in one file with the original names, and what diffusers makes of them.

    ~/.cache/venv/bin/python tests/data/reference/make_single_reference.py

diffusers' own converters turn the original names into its networks; the files keep the
weights in half precision, so that both sides read the same numbers.
"""
import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.loaders.single_file_utils import (
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel

HERE = Path(__file__).parent
CONTEXT = 24


def random_weights(kind):
    """Weights with the names of the tiny model of `tests/data/originals`."""
    keys = json.loads((HERE.parent / "originals" / "tiny.json").read_text())[kind]["keys"]
    state = {}
    for name, shape in keys.items():
        if name.split(".")[0] in ["betas", "alphas_cumprod", "sqrt_alphas_cumprod", "model_ema"]:
            continue
        if name.endswith("position_ids"):
            state[name] = torch.arange(77)[None]
            continue
        # Few different numbers, so that the file packs well.
        value = (torch.randn(shape) * 2).round() / 2 * (0.5 / max(1, torch.Size(shape[1:]).numel()) ** 0.5)
        is_norm = any(part in name for part in ["norm", "in_layers.0.", "out_layers.0.", ".out.0.", ".ln_"])
        if is_norm and name.endswith("weight"):
            value = 1 + 0.1 * value
        state[name] = value.half()
    return state


def text_encoder(kind, wide):
    is_first = kind == "sd1"
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=50, hidden_size=CONTEXT, intermediate_size=4 * CONTEXT, num_hidden_layers=2, num_attention_heads=1,
        hidden_act="quick_gelu" if is_first else "gelu", bos_token_id=1, eos_token_id=2)).eval()
    own = text.state_dict()
    if is_first:
        prefix = "cond_stage_model.transformer."
        words = {name[len(prefix):]: value for name, value in wide.items() if name.startswith(prefix)}
    else:
        words = convert_open_clip_checkpoint(text, wide, "cond_stage_model.model.")
    words = {name if name in own else name.removeprefix("text_model."): value for name, value in words.items()}
    # The last layer of OpenCLIP is not used.
    words = {name: value for name, value in words.items() if name in own}
    print(text.load_state_dict(words))
    return text


def make(kind, seed):
    torch.manual_seed(seed)
    state = random_weights(kind)
    folder = HERE / f"{kind}-single"
    folder.mkdir(exist_ok=True)
    save_file({name: value.contiguous() for name, value in state.items()}, folder / "model.safetensors")
    wide = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}

    unet = UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, cross_attention_dim=CONTEXT,
        attention_head_dim=8 if kind == "sd1" else (1, 1), use_linear_projection=kind == "sd2",
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"), sample_size=64,
    ).eval()
    unet.load_state_dict(convert_ldm_unet_checkpoint(dict(wide), dict(unet.config)))
    vae = AutoencoderKL(
        block_out_channels=(32, 64), layers_per_block=1, latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
    ).eval()
    vae.load_state_dict(convert_ldm_vae_checkpoint(dict(wide), dict(vae.config)))
    text = text_encoder(kind, dict(wide))

    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
                              set_alpha_to_one=False, clip_sample=False,
                              prediction_type="epsilon" if kind == "sd1" else "v_prediction")
    scheduler.set_timesteps(4)
    latents = torch.randn(1, 4, 8, 8)
    pixels = torch.rand(1, 3, 16, 16) * 2 - 1
    ids = torch.randint(3, 50, (1, 77))
    with torch.no_grad():
        states = text(ids).last_hidden_state
        one = unet(latents, 500, states).sample
        run = latents
        for step in scheduler.timesteps:
            run = scheduler.step(unet(run, step, states).sample, step, run).prev_sample
        decoded = vae.decode(latents).sample
        mean = vae.encode(pixels).latent_dist.mean
    save_file({"latents": latents, "ids": ids.float(), "states": states, "one": one, "run": run, "pixels": pixels,
               "decoded": decoded, "mean": mean}, folder / "reference.safetensors")
    for path in folder.iterdir():
        path.chmod(0o644)
        print(path.name, path.stat().st_size)


make("sd1", 3)
make("sd2", 5)
