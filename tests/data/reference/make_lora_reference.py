#!/usr/bin/env python3
"""LoRA files of every form for `sd1-tiny` and `sd2-tiny`, and what diffusers, or the formula itself, makes of them.

    ~/.cache/venv/bin/python tests/data/reference/make_lora_reference.py

Needs torch, diffusers, transformers, safetensors and peft. Forms that diffusers reads are applied by its
`load_lora_weights`, unmerged as peft does it; those of kohya, LyCORIS' convolutions and peft's own files by the
formula W + m · (alpha / rank) · up · down, written down here anew (`merge`). What both can do is compared here too.
"""
import json
import logging
import os
import re
import shutil
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "lora"
PROMPT, NEGATIVE = "a red house on a hill", "dark"
torch.set_num_threads(1)
torch.set_grad_enabled(False)
warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

RANK = 2
ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
LINEAR = ATTENTION + ["ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"]
TEXT = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def pipeline(name):
    pipe = StableDiffusionPipeline.from_pretrained(HERE / name, safety_checker=None, feature_extractor=None,
                                                   requires_safety_checker=False)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def numbers(*shape):
    # Few different numbers, so that the files pack well; half precision holds them.
    return ((torch.randn(shape) * 4).round() / 16).half()


def modules(network, ends, kinds=(torch.nn.Linear, torch.nn.Conv2d)):
    return {name: module for name, module in network.named_modules()
            if isinstance(module, kinds) and any(name == end or name.endswith("." + end) for end in ends)}


def pair(module, rank=RANK):
    """down and up, as kohya makes them."""
    if isinstance(module, torch.nn.Linear):
        return numbers(rank, module.in_features), numbers(module.out_features, rank)
    return (numbers(rank, module.in_channels, *module.kernel_size), numbers(module.out_channels, rank, 1, 1))


def text_name(name):
    return name if name.startswith("text_model.") else f"text_model.{name}"


def kohya(pipe, unet=LINEAR, text=TEXT, alpha=1.0, mid=False):
    state, applied = {}, []
    for prefix, network, ends in [("lora_unet_", pipe.unet, unet), ("lora_te_", pipe.text_encoder, text)]:
        for name, module in modules(network, ends).items():
            key = prefix + (text_name(name) if prefix == "lora_te_" else name).replace(".", "_")
            down, up = pair(module)
            middle = None
            if mid and isinstance(module, torch.nn.Conv2d) and module.kernel_size == (3, 3):
                middle = numbers(RANK, RANK, 3, 3)
                down = numbers(RANK, module.in_channels, 1, 1)
                state[f"{key}.lora_mid.weight"] = middle
            state[f"{key}.lora_down.weight"], state[f"{key}.lora_up.weight"] = down, up
            if alpha is not None:
                state[f"{key}.alpha"] = torch.tensor(alpha)
            applied.append((module, down, up, middle, (1.0 if alpha is None else alpha / RANK)))
    return state, applied


def merge(applied, weight):
    for module, down, up, middle, scale in applied:
        down, up = down.float(), up.float()
        if middle is not None:
            # LyCORIS: a convolution to the rank, one among the rank, one from it.
            delta = torch.einsum("on,nmhw,mi->oihw", up[:, :, 0, 0], middle.float(), down[:, :, 0, 0])
        elif down.dim() == 4:
            delta = torch.einsum("or,rihw->oihw", up[:, :, 0, 0], down)
        else:
            delta = up @ down
        module.weight += weight * scale * delta.reshape(module.weight.shape)


def run(pipe):
    """One answer of the denoiser, and whole latents with guidance."""
    states, _ = pipe.encode_prompt(PROMPT, "cpu", 1, False)
    size = pipe.unet.config.sample_size
    noise = torch.randn(1, 4, size, size, generator=torch.Generator("cpu").manual_seed(11))
    one = pipe.unet(noise, 500, states).sample
    latents = pipe(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=4, guidance_scale=5.0, output_type="latent",
                   height=size * pipe.vae_scale_factor, width=size * pipe.vae_scale_factor,
                   generator=torch.Generator("cpu").manual_seed(7)).images
    return {"one": one, "latents": latents}


results, cases = {}, []


def case(name, model, files, found):
    """`files`: name in the folder and weights."""
    results.update({f"{name}.{key}": value for key, value in found.items()})
    cases.append({"name": name, "model": model, "files": files})
    print(name, {key: float(value.std()) for key, value in found.items()})


def write(name, state, metadata=None):
    save_file({key: value.contiguous() for key, value in state.items()}, FOLDER / name, metadata)


def by_diffusers(model, files):
    pipe = pipeline(model)
    for index, (name, _) in enumerate(files):
        pipe.load_lora_weights(FOLDER, weight_name=name, adapter_name=f"a{index}")
    pipe.set_adapters([f"a{index}" for index in range(len(files))], [weight for _, weight in files])
    return run(pipe)


def same(one, other):
    for key in one:
        difference = (one[key] - other[key]).abs().max()
        assert difference < 5e-5, f"{key} {difference}"


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    torch.manual_seed(3)
    for model in ["sd1-tiny", "sd2-tiny"]:
        results[f"{model}.noise"] = torch.randn(
            1, 4, *[pipeline(model).unet.config.sample_size] * 2, generator=torch.Generator("cpu").manual_seed(11))
        case(f"{model}-plain", model, [], run(pipeline(model)))

        # kohya: all of transformers, and the text encoder.
        pipe = pipeline(model)
        file = f"{model}-kohya.safetensors"
        state, applied = kohya(pipe)
        write(file, state, {"ss_network_dim": "2", "ss_network_alpha": "1.0", "ss_base_model_version": "sd_v1"})
        merge(applied, 0.8)
        found = run(pipe)
        same(found, by_diffusers(model, [(file, 0.8)]))
        case(f"{model}-kohya", model, [[file, 0.8]], found)

        # diffusers of today, by peft, whose alphas stand in the header only.
        pipe = pipeline(model)
        file = f"{model}-peft.safetensors"
        states = []
        for network, ends in [(pipe.unet, LINEAR), (pipe.text_encoder, TEXT)]:
            states.append({})
            for name, module in modules(network, ends).items():
                name = name if network is pipe.unet else text_name(name)
                for end, value in zip("AB", pair(module)):
                    states[-1][f"{name}.lora_{end}.weight"] = value
        StableDiffusionPipeline.save_lora_weights(
            FOLDER, unet_lora_layers=states[0], text_encoder_lora_layers=states[1], weight_name=file,
            unet_lora_adapter_metadata={"r": RANK, "lora_alpha": 3, "target_modules": LINEAR, "use_rslora": False},
            text_encoder_lora_adapter_metadata={"r": RANK, "lora_alpha": 5, "target_modules": TEXT, "use_rslora": True})
        found = by_diffusers(model, [(file, 1.0)])
        case(f"{model}-peft", model, [[file, 1.0]], found)

    model = "sd1-tiny"
    # Both at once, one of them negative.
    files = [[f"{model}-kohya.safetensors", -0.7], [f"{model}-peft.safetensors", 0.5]]
    case("two", model, files, by_diffusers(model, files))

    # Without alpha, but for the header.
    pipe = pipeline(model)
    state, applied = kohya(pipe, alpha=None)
    applied = [(module, down, up, middle, 4.0 / RANK) for module, down, up, middle, _ in applied]
    write("kohya-header.safetensors", state, {"ss_network_dim": "2", "ss_network_alpha": "4.0"})
    merge(applied, 0.5)
    case("kohya-header", model, [["kohya-header.safetensors", 0.5]], run(pipe))

    # Convolutions too, one way and the other.
    convolutions = ["conv1", "conv2", "conv_shortcut", "conv", "time_emb_proj", "conv_in", "conv_out", "linear_1"]
    for name, mid in [("locon", False), ("locon-mid", True)]:
        pipe = pipeline(model)
        state, applied = kohya(pipe, unet=LINEAR + convolutions, mid=mid)
        write(f"{name}.safetensors", state)
        merge(applied, 0.4)
        case(name, model, [[f"{name}.safetensors", 0.4]], run(pipe))

    # The names of the original denoiser, as some trainers keep them.
    pipe = pipeline(model)
    state, applied = kohya(pipe, unet=LINEAR + convolutions)
    state = {original(key, pipe.unet): value for key, value in state.items()}
    write("original.safetensors", state)
    merge(applied, 0.4)
    case("original", model, [["original.safetensors", 0.4]], run(pipe))

    # diffusers before peft: attention processors, and the text encoder's layers.
    pipe = pipeline(model)
    state, applied = {}, []
    for name, module in modules(pipe.unet, ATTENTION).items():
        down, up = pair(module)
        place, matrix = re.fullmatch(r"(.*)\.(to_[a-z]+)(?:\.0)?", name).groups()
        for end, value in [("down", down), ("up", up)]:
            state[f"unet.{place}.processor.{matrix}_lora.{end}.weight"] = value
        applied.append((module, down, up, None, 1.0))
    for name, module in modules(pipe.text_encoder, TEXT[:4]).items():
        down, up = pair(module)
        for end, value in [("down", down), ("up", up)]:
            state[f"text_encoder.{text_name(name)}.lora_linear_layer.{end}.weight"] = value
        applied.append((module, down, up, None, 1.0))
    write("old.safetensors", state)
    merge(applied, 0.9)
    found = run(pipe)
    same(found, by_diffusers(model, [("old.safetensors", 0.9)]))
    case("old", model, [["old.safetensors", 0.9]], found)
    # The oldest have no prefix, and are pickles.
    state = {key.removeprefix("unet."): value for key, value in state.items() if key.startswith("unet.")}
    torch.save(state, FOLDER / "oldest.bin")
    pipe = pipeline(model)
    fresh = modules(pipe.unet, ATTENTION)
    merge([(module, down, up, None, 1.0) for module, (_, down, up, *_) in zip(fresh.values(), applied)], 0.9)
    case("oldest", model, [["oldest.bin", 0.9]], run(pipe))

    # peft's own folder.
    pipe = pipeline(model)
    wrapped = get_peft_model(pipe.unet, LoraConfig(r=RANK, lora_alpha=6, target_modules=ATTENTION,
                                                   alpha_pattern={"to_k": 1}))
    for name, value in wrapped.named_parameters():
        if "lora_" in name:
            value.copy_(numbers(*value.shape).float())
    wrapped.save_pretrained(FOLDER / "adapter")
    (FOLDER / "adapter" / "README.md").unlink(missing_ok=True)
    case("adapter", model, [["adapter/adapter_model.safetensors", 1.0]], run(pipe))

    # Another first stage.
    pipe = pipeline(model)
    torch.manual_seed(9)
    pipe.vae = AutoencoderKL.from_config(pipe.vae.config).eval()
    for value in pipe.vae.parameters():
        value.copy_(value.half().float())
    save_file({key: value.half().contiguous() for key, value in pipe.vae.state_dict().items()}, FOLDER / "vae.safetensors")
    latents = results[f"{model}.noise"]
    results["vae.decoded"] = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample

    # Words by textual inversion: one of three vectors, one of one.
    pipe = pipeline(model)
    width = pipe.text_encoder.config.hidden_size
    three, one = numbers(3, width) / 4, numbers(width) / 4
    save_file({"emb_params": three.contiguous()}, FOLDER / "glow.safetensors")
    save_file({"<blob>": one.contiguous()}, FOLDER / "blob.safetensors")
    torch.save({"string_to_token": {"*": 265}, "string_to_param": {"*": three.float()}, "name": "glow", "step": 7,
                "sd_checkpoint": None, "sd_checkpoint_name": None}, FOLDER / "gleam.pt")
    pipe.load_textual_inversion(three.float(), token="glow")
    pipe.load_textual_inversion({"<blob>": one.float()}, token="<blob>")
    prompt = "a glow house, <blob> on a hill"
    results["words.states"], _ = pipe.encode_prompt(prompt, "cpu", 1, False)
    cases.append({"name": "words", "model": model, "files": [], "prompt": prompt})

    save_file({key: value.float().contiguous() for key, value in results.items()}, FOLDER / "reference.safetensors",
              {"cases": json.dumps(cases, separators=(",", ":"))})
    total = 0
    for path in sorted(FOLDER.rglob("*")):
        if path.is_file():
            path.chmod(0o644)
            total += path.stat().st_size
            print(path.relative_to(FOLDER), path.stat().st_size)
    print(total)


def original(key, unet):
    """kohya's key with the name of the paper's denoiser."""
    if not key.startswith("lora_unet_"):
        return key
    layers = unet.config.layers_per_block
    name = key.removeprefix("lora_unet_")
    parts = [("norm1", "in_layers_0"), ("conv1", "in_layers_2"), ("time_emb_proj", "emb_layers_1"),
             ("conv2", "out_layers_3"), ("conv_shortcut", "skip_connection")]

    def inner(rest):
        for theirs, ours in parts:
            if rest.startswith(theirs):
                return ours + rest[len(theirs):]
        return rest
    for theirs, ours in [("conv_in", "input_blocks_0_0"), ("conv_out", "out_2"),
                         ("time_embedding_linear_1", "time_embed_0"), ("time_embedding_linear_2", "time_embed_2")]:
        if name.startswith(theirs + "."):
            return "lora_unet_" + ours + name[len(theirs):]
    found = re.match(r"mid_block_(resnets|attentions)_(\d)_(.*)", name)
    if found:
        kind, number, rest = found.groups()
        place = 1 if kind == "attentions" else 2 * int(number)
        return f"lora_unet_middle_block_{place}_{inner(rest)}"
    way, block, kind, number, rest = re.match(
        r"(down|up)_blocks_(\d)_(resnets|attentions|downsamplers|upsamplers)_(\d)_(.*)", name).groups()
    block, number = int(block), int(number)
    count = layers + 1
    if way == "down":
        if kind == "downsamplers":
            return f"lora_unet_input_blocks_{count * (block + 1)}_0_op{rest.removeprefix('conv')}"
        return f"lora_unet_input_blocks_{1 + count * block + number}_{int(kind == 'attentions')}_{inner(rest)}"
    if kind == "upsamplers":
        attends = hasattr(unet.up_blocks[block], "attentions")
        return f"lora_unet_output_blocks_{count * block + layers}_{2 if attends else 1}_{rest}"
    return f"lora_unet_output_blocks_{count * block + number}_{int(kind == 'attentions')}_{inner(rest)}"


main()
