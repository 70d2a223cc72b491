"""Latent consistency models to which guidance was taught, and what diffusers paints with them.

    ~/.cache/venv/bin/python tests/data/reference/make_lcm_reference.py

Stable Diffusion 1: the networks of `sd1-tiny` with one weight more, which is kept here. Stable
Diffusion XL: weights follow from their names as in `make_sdxl_reference.py`.
"""
import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from make_sdxl_reference import NEGATIVE, SIDE, parts, tokenizer
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
OUT = HERE / "lcm"
PROMPT = "a green hill under a blue sky"
CASES = [dict(guidance=8.5, steps=4, width=64, height=48), dict(guidance=2.0, steps=3, width=64, height=64)]


def scheduler():
    return LCMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", original_inference_steps=50,
                        steps_offset=1, set_alpha_to_one=True)


def first():
    source = HERE / "sd1-tiny"
    config = json.loads((source / "unet" / "config.json").read_text()) | {"time_cond_proj_dim": 20}
    unet = UNet2DConditionModel.from_config(config).eval()
    weights = load_file(source / "unet" / "diffusion_pytorch_model.safetensors")
    weights = {name: value.float() for name, value in weights.items()}
    torch.manual_seed(3)
    weights["time_embedding.cond_proj.weight"] = torch.randn(config["block_out_channels"][0], 20).half().float() * 0.5
    unet.load_state_dict(weights)
    load = lambda kind, part: kind.from_pretrained(source, subfolder=part, torch_dtype=torch.float32).eval()
    pipe = LatentConsistencyModelPipeline(
        vae=load(AutoencoderKL, "vae"), text_encoder=load(CLIPTextModel, "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(source, subfolder="tokenizer"), unet=unet, scheduler=scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    tensors = {"cond_proj": weights["time_embedding.cond_proj.weight"]}
    for number, case in enumerate(CASES):
        noise = torch.randn(1, 4, case["height"] // 4, case["width"] // 4)
        run = pipe(PROMPT, num_inference_steps=case["steps"], guidance_scale=case["guidance"], latents=noise.clone(),
                   width=case["width"], height=case["height"], output_type="latent",
                   generator=torch.Generator().manual_seed(9 + number)).images
        other = pipe(PROMPT, num_inference_steps=case["steps"], guidance_scale=1.0, latents=noise.clone(),
                     width=case["width"], height=case["height"], output_type="latent",
                     generator=torch.Generator().manual_seed(9 + number)).images
        print(case, "std", run.std().item(), "guidance changes", (run - other).abs().max().item())
        tensors |= {f"{number}.noise": noise, f"{number}.run": run}
    told = dict(scheduler=json.loads(pipe.scheduler.to_json_string()), prompt=PROMPT, cases=CASES)
    save_file({name: value.contiguous() for name, value in tensors.items()}, OUT / "first.safetensors", {"cases": json.dumps(told)})


def xl():
    made = parts("base", time_cond_proj_dim=24)
    pipe = StableDiffusionXLPipeline(**made, tokenizer=tokenizer("<|endoftext|>"), tokenizer_2=tokenizer("!"), scheduler=scheduler())
    pipe.set_progress_bar_config(disable=True)
    torch.manual_seed(4)
    noise = torch.randn(1, 4, SIDE // 8, SIDE // 8)
    run = pipe("a red house on a hill, two boats", negative_prompt=NEGATIVE, num_inference_steps=4, guidance_scale=8.0,
               latents=noise.clone(), width=SIDE, height=SIDE, output_type="latent", generator=torch.Generator().manual_seed(7)).images
    print("xl std", run.std().item())
    save_file({"noise": noise, "run": run}, OUT / "xl.safetensors", {"cases": pipe.scheduler.to_json_string()})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    with torch.no_grad():
        first()
        xl()
    for path in OUT.iterdir():
        path.chmod(0o644)
        print(path.name, path.stat().st_size)
