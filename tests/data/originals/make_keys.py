"""Writes what the weights of original checkpoints are called, told by the paper's own code.

    git clone https://github.com/CompVis/latent-diffusion /tmp/ld
    ~/.cache/venv/bin/python tests/data/originals/make_keys.py /tmp/ld

`released.json` has, for every released configuration, the number of names, of
parameters and a digest of all names and shapes; `tiny.json` the names and shapes of a
tiny model of each kind.
"""
import hashlib
import json
import shutil
import sys
import types
from pathlib import Path

import torch
import yaml

HERE = Path(__file__).parent
CODE = Path(sys.argv[1])


def stub(name, **contents):
    module = types.ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module
    return module


class Quantizer(torch.nn.Module):
    def __init__(self, n_e, e_dim, **_):
        super().__init__()
        self.embedding = torch.nn.Embedding(n_e, e_dim)


def prepare():
    nothing = lambda *_, **__: None
    stub("einops", rearrange=nothing, repeat=nothing, reduce=nothing)
    stub("omegaconf")
    stub("omegaconf.listconfig", ListConfig=type("ListConfig", (), {}))
    stub("pytorch_lightning", LightningModule=torch.nn.Module)
    for name in ["taming", "taming.modules", "taming.modules.vqvae"]:
        stub(name)
    stub("taming.modules.vqvae.quantize", VectorQuantizer2=Quantizer)
    stub("clip")
    stub("kornia")
    sys.path.insert(0, str(CODE))


def shapes(module, prefix):
    return {prefix + name: list(value.shape) for name, value in module.state_dict().items()}


def first_stage(config, prefix):
    from ldm.models.autoencoder import AutoencoderKL, VQModel

    params = {key: value for key, value in config["params"].items() if key in ["ddconfig", "embed_dim", "n_embed"]}
    kind = AutoencoderKL if config["target"].endswith("AutoencoderKL") else VQModel
    model = kind(lossconfig={"target": "torch.nn.Identity"}, **params)
    return shapes(model, prefix)


def conditioner(config, prefix="cond_stage_model."):
    from ldm.modules.encoders.modules import ClassEmbedder, SpatialRescaler
    from ldm.modules.x_transformer import Encoder, TransformerWrapper

    if not isinstance(config, dict):
        return {}
    kind, params = config["target"].split(".")[-1], config.get("params") or {}
    if kind == "ClassEmbedder":
        return shapes(ClassEmbedder(**params), prefix)
    if kind == "SpatialRescaler":
        return shapes(SpatialRescaler(**params), prefix)
    if kind == "BERTEmbedder":
        model = TransformerWrapper(
            num_tokens=params.get("vocab_size", 30522),
            max_seq_len=params.get("max_seq_len", 77),
            attn_layers=Encoder(dim=params["n_embed"], depth=params["n_layer"]),
        )
        found = shapes(model, prefix + "transformer.")
        # Logits are not needed and may be left out.
        return {name: shape for name, shape in found.items() if "to_logits" not in name}
    return {}


def keys(config):
    from ldm.modules.diffusionmodules.openaimodel import UNetModel

    model = config["model"]
    with torch.device("meta"):
        if "unet_config" not in model["params"]:
            return first_stage(model, "")
        params = model["params"]
        found = shapes(UNetModel(**params["unet_config"]["params"]), "model.diffusion_model.")
        found.update(first_stage(params["first_stage_config"], "first_stage_model."))
        found.update(conditioner(params.get("cond_stage_config")))
    return found


def told(found):
    lines = "".join(f"{name} {'x'.join(map(str, shape))}\n" for name, shape in sorted(found.items()))
    count = sum(torch.Size(shape).numel() for shape in found.values())
    return {
        "names": len(found),
        "parameters": count,
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def ddconfig(mult, **more):
    return {"double_z": True, "z_channels": 4, "resolution": 32, "in_channels": 3, "out_ch": 3, "ch": 32,
            "ch_mult": mult, "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0, **more}


KL = {"target": "ldm.models.autoencoder.AutoencoderKL",
      "params": {"embed_dim": 4, "ddconfig": ddconfig([1, 2]), "lossconfig": {"target": "torch.nn.Identity"}}}
VQ = {"target": "ldm.models.autoencoder.VQModelInterface",
      "params": {"embed_dim": 3, "n_embed": 16, "ddconfig": ddconfig([1, 2], double_z=False, z_channels=3, attn_resolutions=[16]),
                 "lossconfig": {"target": "torch.nn.Identity"}}}


def ldm(unet, cond, stage=VQ, **params):
    unet = {"image_size": 16, "in_channels": 3, "out_channels": 3, "model_channels": 32, "attention_resolutions": [2, 1],
            "num_res_blocks": 1, "channel_mult": [1, 2], **unet}
    return {"model": {"target": "ldm.models.diffusion.ddpm.LatentDiffusion", "params": {
        "linear_start": 0.0015, "linear_end": 0.0195, "timesteps": 1000, **params,
        "unet_config": {"target": "ldm.modules.diffusionmodules.openaimodel.UNetModel", "params": unet},
        "first_stage_config": stage, "cond_stage_config": cond}}}


def module(name, **params):
    return {"target": f"ldm.modules.encoders.modules.{name}", "params": params}


CROSS = {"use_spatial_transformer": True, "transformer_depth": 1, "context_dim": 24}
TINY = {
    "unconditional": ldm({"num_head_channels": 32}, "__is_unconditional__", concat_mode=False),
    "unconditional-updown": ldm({"num_heads": 8, "resblock_updown": True, "use_scale_shift_norm": True, "in_channels": 4,
                                 "out_channels": 4}, "__is_unconditional__", KL, scale_by_std=True),
    "class-to-image": ldm({"num_heads": 1, **CROSS}, module("ClassEmbedder", embed_dim=24, n_classes=11, key="class_label"),
                          conditioning_key="crossattn"),
    "text-to-image": ldm({"num_heads": 8, **CROSS}, module("BERTEmbedder", n_embed=24, n_layer=2, vocab_size=50),
                         conditioning_key="crossattn"),
    "layout-to-image": ldm({"num_heads": 8, **CROSS, "transformer_depth": 3},
                           module("BERTEmbedder", n_embed=24, n_layer=2, vocab_size=8192, max_seq_len=92, use_tokenizer=False),
                           conditioning_key="crossattn"),
    "semantic-to-image": ldm({"num_heads": 8, "in_channels": 6, "attention_resolutions": [32]},
                             module("SpatialRescaler", n_stages=1, in_channels=18, out_channels=3), concat_mode=True),
    "super-resolution": ldm({"num_head_channels": 32, "in_channels": 6}, {"target": "torch.nn.Identity"}, concat_mode=True),
    "inpainting": ldm({"num_heads": 8, "in_channels": 7, "resblock_updown": True}, "__is_first_stage__", concat_mode=True),
    "autoencoder": {"model": {**VQ, "target": "ldm.models.autoencoder.VQModel"}},
    "autoencoder-kl": {"model": KL},
}


def open_clip(prefix, width, layers):
    found = {prefix + "positional_embedding": [77, width], prefix + "token_embedding.weight": [50, width],
             prefix + "text_projection": [width, width], prefix + "logit_scale": []}
    for layer in range(layers):
        at = f"{prefix}transformer.resblocks.{layer}."
        for norm in ["ln_1", "ln_2"]:
            found.update({at + norm + ".weight": [width], at + norm + ".bias": [width]})
        found.update({at + "attn.in_proj_weight": [3 * width, width], at + "attn.in_proj_bias": [3 * width]})
        for name, out, inner in [("attn.out_proj", width, width), ("mlp.c_fc", 4 * width, width), ("mlp.c_proj", width, 4 * width)]:
            found.update({f"{at}{name}.weight": [out, inner], f"{at}{name}.bias": [out]})
    found.update({prefix + "ln_final.weight": [width], prefix + "ln_final.bias": [width]})
    return found


def clip(prefix, width, layers):
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(vocab_size=50, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
                            num_attention_heads=2)
    with torch.device("meta"):
        found = shapes(CLIPTextModel(config), prefix)
    found = {name if "text_model." in name else name.replace(prefix, prefix + "text_model."): shape
             for name, shape in found.items()}
    found[prefix + "text_model.embeddings.position_ids"] = [1, 77]
    return found


def stable_diffusion():
    """Stable Diffusion's own code differs from the paper's by transformers entered by matrices and a vector for XL."""
    buffers = {"betas": [1000], "alphas_cumprod": [1000], "sqrt_alphas_cumprod": [1000], "model_ema.decay": [],
               "model_ema.num_updates": []}
    text = module("Nothing")
    base = ldm({"num_heads": 8, **CROSS, "in_channels": 4, "out_channels": 4}, text, KL)
    inpaint = ldm({"num_heads": 8, **CROSS, "in_channels": 9, "out_channels": 4}, text, KL)
    found = {
        "sd1": {**keys(base), **clip("cond_stage_model.transformer.", 24, 2), **buffers},
        "sd1-inpainting": {**keys(inpaint), **clip("cond_stage_model.transformer.", 24, 2)},
        "sd2": {**keys(base), **open_clip("cond_stage_model.model.", 24, 3)},
    }
    for name in list(found["sd2"]):
        if name.endswith("proj_in.weight") or (name.endswith("proj_out.weight") and "diffusion_model" in name):
            found["sd2"][name] = found["sd2"][name][:2]
    xl = ldm({"num_heads": 8, **CROSS, "in_channels": 4, "out_channels": 4, "channel_mult": [1, 2, 4],
              "attention_resolutions": [4, 2], "transformer_depth": 2}, text, KL)
    xl = keys(xl)
    xl = {name: shape[:2] if name.endswith(("proj_in.weight", "proj_out.weight")) and "diffusion_model" in name else shape
          for name, shape in xl.items()}
    for name, shape in [("0.0.weight", [128, 40]), ("0.0.bias", [128]), ("0.2.weight", [128, 128]), ("0.2.bias", [128])]:
        xl["model.diffusion_model.label_emb." + name] = shape
    xl.update(clip("conditioner.embedders.0.transformer.", 8, 2))
    xl.update(open_clip("conditioner.embedders.1.model.", 16, 3))
    found["sdxl"] = xl
    return found


def main():
    prepare()
    released = {}
    (HERE / "yaml").mkdir(exist_ok=True)
    for path in sorted(CODE.glob("models/*/*/config.yaml")) + [
        CODE / "configs/latent-diffusion/txt2img-1p4B-eval.yaml", CODE / "configs/latent-diffusion/cin256-v2.yaml"
    ]:
        name = path.parent.name if path.name == "config.yaml" else path.stem.removesuffix("-eval")
        config = yaml.safe_load(path.read_text())
        shutil.copy(path, HERE / "yaml" / f"{name}.yaml")
        released[name] = told(keys(config))
    (HERE / "released.json").write_text(json.dumps(released, indent=1) + "\n")
    tiny = {kind: {"yaml": yaml.safe_dump(config), "keys": keys(config)} for kind, config in TINY.items()}
    tiny.update({kind: {"yaml": None, "keys": found} for kind, found in stable_diffusion().items()})
    (HERE / "tiny.json").write_text(json.dumps(tiny, separators=(",", ":")) + "\n")
    for name, values in released.items():
        print(name, values["names"], f"{values['parameters']:,}")
    for name, values in tiny.items():
        print(name, len(values["keys"]))


main()
