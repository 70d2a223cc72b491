"""Tiny Stable Diffusion XL models and what diffusers makes of them.

    ~/.cache/venv/bin/python tests/data/reference/make_sdxl_reference.py

Weights follow from their names by a formula, which the test knows too, so that only names,
shapes, configurations and results are kept. The names of single files are made here from
those of diffusers, and checked with diffusers' own converters.
"""
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).parent
OUT = HERE / "sdxl"
MERGES = HERE.parents[2] / "assets" / "clip" / "merges.txt"
PROMPT = "a red house on a hill, (two boats:1)"
NEGATIVE = "blurry, grey"
SIDE = 64
WAVES = 16


def numbers(name, shape):
    """Eighths bits of a hash of the name and the place, as large as the fan-in asks for."""
    seed = 2166136261
    for byte in name.encode():
        seed = (seed ^ byte) * 16777619 % 2**32
    count = int(np.prod(shape, dtype=np.int64))
    with np.errstate(over="ignore"):
        hashed = np.arange(count, dtype=np.uint32) * np.uint32(2654435761) + np.uint32(seed)
        for _ in range(2):
            hashed = (hashed ^ (hashed >> np.uint32(16))) * np.uint32(0x45D9F3B)
        hashed ^= hashed >> np.uint32(16)
    values = ((hashed >> np.uint32(24)).astype(np.float32) - 128) / 128
    if len(shape) == 1:
        values = values / 4 + (1 if name.endswith("weight") else 0)
    elif "embedding" not in name or "time_embedding" in name or "add_embedding" in name:
        fan = int(np.prod(shape[1:], dtype=np.int64))
        values = values * np.float32(2.0 ** -((fan.bit_length() - 1) // 2))
    return torch.from_numpy(values.reshape(shape).astype(np.float32))


def canonical(part, name):
    if part.startswith("text_encoder") and not name.startswith("text_"):
        name = f"text_model.{name}"
    return name


def fill(part, module):
    own = module.state_dict()
    state = {}
    for name, value in own.items():
        if name.endswith("position_ids"):
            state[name] = value
        else:
            state[name] = numbers(f"{part}/{canonical(part, name)}", tuple(value.shape))
    module.load_state_dict(state)
    return module.eval()


def tokenizer(pad):
    text = MERGES.read_text().strip().split("\n")
    merges = [tuple(line.split()) for line in text if not line.startswith("#version")]
    kept = list(range(ord("!"), ord("~") + 1)) + list(range(ord("¡"), ord("¬") + 1)) + list(range(ord("®"), ord("ÿ") + 1))
    letters = [chr(byte) for byte in kept]
    letters += [chr(256 + index) for index in range(256 - len(kept))]
    pieces = letters + [letter + "</w>" for letter in letters] + ["".join(merge) for merge in merges]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocab = {piece: index for index, piece in enumerate(pieces)}
    assert len(vocab) == 49408, len(vocab)
    return CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=77)


def parts(kind, **more):
    is_refiner = kind == "refiner"
    context = 64 if is_refiner else 96
    sizes = 5 if is_refiner else 6
    cross = ("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D" if is_refiner else "CrossAttnDownBlock2D")
    unet = UNet2DConditionModel(
        sample_size=128, in_channels=9 if kind == "inpaint" else 4, block_out_channels=(32, 64, 128),
        down_block_types=cross, up_block_types=tuple(name.replace("Down", "Up") for name in reversed(cross)),
        transformer_layers_per_block=2 if is_refiner else (1, 1, 2), attention_head_dim=(1, 1, 2),
        cross_attention_dim=context, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=WAVES, projection_class_embeddings_input_dim=64 + sizes * WAVES,
        **({"layers_per_block": 1} | more))
    vae = AutoencoderKL(
        block_out_channels=(32,) * 4, layers_per_block=1, latent_channels=4, scaling_factor=0.13025, force_upcast=True,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, sample_size=1024)
    usual = dict(vocab_size=49408, num_hidden_layers=3, num_attention_heads=1, bos_token_id=0, eos_token_id=2, pad_token_id=1)
    first = CLIPTextModel(CLIPTextConfig(
        hidden_size=32, intermediate_size=128, projection_dim=32, hidden_act="quick_gelu", **usual))
    second = CLIPTextModelWithProjection(CLIPTextConfig(
        hidden_size=64, intermediate_size=256, projection_dim=64, hidden_act="gelu", **usual))
    made = {"unet": unet, "vae": vae, "text_encoder": first, "text_encoder_2": second}
    if is_refiner:
        del made["text_encoder"]
    return {part: fill(part, module) for part, module in made.items()}


def scheduler():
    return EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading")


def pipeline(kind, made):
    words = {"tokenizer": tokenizer("<|endoftext|>"), "tokenizer_2": tokenizer("!")}
    if kind == "base":
        return StableDiffusionXLPipeline(**made, **words, scheduler=scheduler())
    if kind == "inpaint":
        return StableDiffusionXLInpaintPipeline(**made, **words, scheduler=scheduler())
    return StableDiffusionXLImg2ImgPipeline(
        **made, text_encoder=None, tokenizer=None, tokenizer_2=words["tokenizer_2"], scheduler=scheduler(),
        requires_aesthetics_score=True, force_zeros_for_empty_prompt=False)


RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
          "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
HEAD = {"conv_in": "input_blocks.0.0", "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0",
        "conv_out": "out.2"}


def unet_name(name):
    place, end = name.rsplit(".", 1)
    if place in HEAD:
        return f"{HEAD[place]}.{end}"
    bits = name.split(".")
    resnet = lambda rest: f"{RESNET[rest[0]]}.{end}"
    if bits[0] == "mid_block":
        at = int(bits[2])
        return f"middle_block.1.{'.'.join(bits[3:])}" if bits[1] == "attentions" else f"middle_block.{2 * at}.{resnet(bits[3:])}"
    side, level, kind, number = bits[0], int(bits[1]), bits[2], int(bits[3])
    if kind == "downsamplers":
        return f"input_blocks.{2 * (level + 1)}.0.op.{end}"
    if kind == "upsamplers":
        return f"output_blocks.{2 * level + 1}.UP.conv.{end}"
    at = f"input_blocks.{1 + 2 * level + number}" if side == "down_blocks" else f"output_blocks.{2 * level + number}"
    return f"{at}.1.{'.'.join(bits[4:])}" if kind == "attentions" else f"{at}.0.{resnet(bits[4:])}"


def vae_name(name, lowest=3):
    for old, new in [("encoder.down_blocks.", "encoder.down."), (".mid_block.resnets.0.", ".mid.block_1."),
                     (".mid_block.resnets.1.", ".mid.block_2."), (".mid_block.attentions.0.", ".mid.attn_1."),
                     (".resnets.", ".block."), (".downsamplers.0.", ".downsample."), (".upsamplers.0.", ".upsample."),
                     (".conv_shortcut.", ".nin_shortcut."), (".conv_norm_out.", ".norm_out."), (".group_norm.", ".norm."),
                     (".to_q.", ".q."), (".to_k.", ".k."), (".to_v.", ".v."), (".to_out.0.", ".proj_out.")]:
        name = name.replace(old, new)
    if name.startswith("decoder.up_blocks."):
        level, rest = name.removeprefix("decoder.up_blocks.").split(".", 1)
        name = f"decoder.up.{lowest - int(level)}.{rest}"
    return name


OPEN = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}


def single(made):
    """Original names, each with the weights of diffusers that it is put together of."""
    whole = {}
    attends = {name.split(".")[1] for name in made["unet"].state_dict() if name.startswith("up_blocks") and ".attentions." in name}
    for name in made["unet"].state_dict():
        stored = unet_name(name)
        level = name.split(".")[1]
        stored = stored.replace(".UP.", ".2." if level in attends else ".1.")
        whole[f"model.diffusion_model.{stored}"] = [[f"unet/{name}"], "as it is"]
    for name, value in made["vae"].state_dict().items():
        stored = vae_name(name)
        is_map = ".attn_1." in stored and stored.endswith("weight") and value.ndim == 2
        whole[f"first_stage_model.{stored}"] = [[f"vae/{name}"], "map" if is_map else "as it is"]
    place = "conditioner.embedders.0.model"
    if "text_encoder" in made:
        place = "conditioner.embedders.1.model"
        for name in made["text_encoder"].state_dict():
            if not name.endswith("position_ids"):
                name = canonical("text_encoder", name)
                whole[f"conditioner.embedders.0.transformer.{name}"] = [[f"text_encoder/{name}"], "as it is"]
    for name in made["text_encoder_2"].state_dict():
        name = canonical("text_encoder_2", name)
        source = f"text_encoder_2/{name}"
        name = name.removeprefix("text_model.")
        if name.endswith("position_ids"):
            continue
        if name == "text_projection.weight":
            whole[f"{place}.text_projection"] = [[source], "turned"]
        elif name.startswith("embeddings.position"):
            whole[f"{place}.positional_embedding"] = [[source], "as it is"]
        elif name.startswith("embeddings.token"):
            whole[f"{place}.token_embedding.weight"] = [[source], "as it is"]
        elif name.startswith("final_layer_norm"):
            whole[f"{place}.ln_final.{name.split('.')[-1]}"] = [[source], "as it is"]
        else:
            _, _, layer, rest = name.split(".", 3)
            rest, end = rest.rsplit(".", 1)
            if rest in ["self_attn.k_proj", "self_attn.v_proj"]:
                continue
            at = f"{place}.transformer.resblocks.{layer}"
            if rest == "self_attn.q_proj":
                all_of = [source.replace("q_proj", matrix) for matrix in ["q_proj", "k_proj", "v_proj"]]
                whole[f"{at}.attn.in_proj_{end}"] = [all_of, "as it is"]
            else:
                whole[f"{at}.{OPEN[rest]}.{end}"] = [[source], "as it is"]
    return whole


def stored(recipe, shapes):
    names, how = recipe
    value = torch.cat([numbers(name, tuple(shapes[name])) for name in names])
    return value.T.contiguous() if how == "turned" else value[..., None, None] if how == "map" else value


def checked(made, whole, shapes):
    """diffusers' converters lead back to the same weights."""
    state = {name: stored(recipe, shapes) for name, recipe in whole.items()}
    for part, convert in [("unet", convert_ldm_unet_checkpoint), ("vae", convert_ldm_vae_checkpoint)]:
        back = convert(dict(state), dict(made[part].config))
        own = made[part].state_dict()
        assert set(back) == set(own), set(back) ^ set(own)
        for name, value in own.items():
            assert torch.equal(back[name].reshape(value.shape), value), name


def make(kind):
    made = parts(kind)
    pipe = pipeline(kind, made)
    pipe.set_progress_bar_config(disable=True)
    shapes = {f"{part}/{canonical(part, name)}": list(value.shape) for part, module in made.items()
              for name, value in module.state_dict().items() if not name.endswith("position_ids")}
    whole = single(made)
    checked(made, whole, shapes)
    with tempfile.TemporaryDirectory() as folder:
        pipe.save_pretrained(folder)
        files = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in Path(folder).rglob("*.json")
                 if "tokenizer" not in str(path.relative_to(folder)) and not path.name.endswith("index.json") or path.name == "model_index.json"}
    # Which the published file has beside what Euler's method takes.
    files["scheduler/scheduler_config.json"] |= {"clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
    out = {}
    torch.manual_seed({"base": 3, "inpaint": 4, "refiner": 5}[kind])
    is_refiner = kind == "refiner"
    words = dict(prompt="a red house on a hill, two boats", negative_prompt=NEGATIVE)
    with torch.no_grad():
        embeds, away, pooled, pooled_away = pipe.encode_prompt(**words, do_classifier_free_guidance=True)
        out |= {"embeds": embeds, "away": away, "pooled": pooled, "pooled_away": pooled_away}
        latents = torch.randn(1, 4, SIDE // 8, SIDE // 8)
        out["latents"] = latents
        sizes = [SIDE, SIDE, 0, 0] + ([6.0] if is_refiner else [SIDE, SIDE])
        channels = torch.randn(1, made["unet"].config.in_channels, SIDE // 8, SIDE // 8)
        out["channels"] = channels
        out["one"] = made["unet"](channels, 500, embeds, added_cond_kwargs={
            "text_embeds": pooled, "time_ids": torch.tensor([sizes], dtype=torch.float32)}).sample
        usual = dict(num_inference_steps=4, guidance_scale=5.0, output_type="latent")
        picture = Image.fromarray(np.fromfunction(lambda y, x, c: (x * 3 + y * c) % 256, (SIDE, SIDE, 3)).astype(np.uint8))
        if kind == "base":
            for name, extra in [("run", {}), ("zeros", {"negative_prompt": None})]:
                out[name] = pipe(**{**words, **extra}, **usual, latents=latents.clone(), height=SIDE, width=SIDE).images
            out["decoded"] = made["vae"].decode(latents).sample
            pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False, set_alpha_to_one=False)
            out["ddim"] = pipe(**words, **usual, latents=latents.clone(), height=SIDE, width=SIDE).images
            # Emphasis by AUTOMATIC1111's formula, on hidden states of the layer before the last.
            text = "a red house on a hill, two boats"
            rows = []
            for words_of, encoder in [(pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2)]:
                ids = words_of(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
                states = encoder(ids, output_hidden_states=True).hidden_states[-2]
                weights = torch.ones(77)
                weights[2] = 1.3
                heavy = states * weights[None, :, None]
                rows.append(heavy * (states.mean() / heavy.mean()))
            out["emphasis"] = torch.cat(rows, -1)
            skipped = pipe.encode_prompt(text, clip_skip=1, do_classifier_free_guidance=False)
            out["skipped"] = skipped[0]
        elif kind == "inpaint":
            mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
            mask[16:48, 16:] = 255
            out["run"] = pipe(**words, **usual, image=picture, mask_image=Image.fromarray(mask), strength=1.0,
                              height=SIDE, width=SIDE, generator=torch.Generator().manual_seed(7)).images
        else:
            out["run"] = pipe(**words, **usual, image=picture, strength=0.5, generator=torch.Generator().manual_seed(7)).images
    (OUT / f"{kind}.json").write_text(json.dumps({"files": files, "weights": shapes, "single": whole}, indent=0, sort_keys=True) + "\n")
    save_file({name: value.float().contiguous() for name, value in out.items()}, OUT / f"{kind}.safetensors")
    for path in OUT.glob(f"{kind}.*"):
        path.chmod(0o644)
        print(path.name, path.stat().st_size)
    print({name: float(value.std()) for name, value in out.items()})


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    for kind in ["base", "inpaint", "refiner"]:
        make(kind)
