"""Whole runs of the paper's own code on the models that `velatura models make-tiny` writes.

    for kind in text-to-image layout-to-image semantic-to-image super-resolution inpainting hybrid; do
        velatura models make-tiny latent-diffusion-$kind --out /tmp/tiny/latent-diffusion-$kind; done
    git clone https://github.com/CompVis/latent-diffusion /tmp/paper
    git clone https://github.com/CompVis/taming-transformers /tmp/paper/taming-transformers
    PYTHONPATH=/tmp/paper:/tmp/paper/taming-transformers \\
        ~/.cache/venv/bin/python tests/data/reference/make_tiny_reference.py /tmp/tiny

Needs torch, einops, PyYAML and transformers. For each kind: the noise to begin with, and
the latents and the picture after four steps of DDIM.
"""
import sys
import types
from pathlib import Path

import torch
import transformers
import yaml
from safetensors.torch import save_file

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
STEPS = 4


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


# What the modules name and do not use here.
stub("clip")
stub("omegaconf.listconfig", ListConfig=())
stub("omegaconf", listconfig=sys.modules["omegaconf.listconfig"])
stub("kornia")
stub("more_itertools")
stub("more_itertools.recipes", grouper=None)
stub("torchvision.transforms")
stub("torchvision", transforms=sys.modules["torchvision.transforms"])
stub("torchvision.utils", make_grid=None)
stub("taming.data.image_transforms", convert_pil_to_tensor=None)
stub("pytorch_lightning.utilities.distributed", rank_zero_only=lambda function: function)
stub("pytorch_lightning.utilities", distributed=sys.modules["pytorch_lightning.utilities.distributed"])


class Lightning(torch.nn.Module):
    @property
    def device(self):
        return torch.device("cpu")


stub("pytorch_lightning", LightningModule=Lightning, utilities=sys.modules["pytorch_lightning.utilities"])

from ldm.models.diffusion.ddim import DDIMSampler  # noqa: E402
from ldm.models.diffusion.plms import PLMSSampler  # noqa: E402
from ldm.util import instantiate_from_config  # noqa: E402
from make_conditioner_reference import box_tokens  # noqa: E402

for sampler in [DDIMSampler, PLMSSampler]:
    sampler.register_buffer = lambda self, name, value: setattr(self, name, value)
VOCABULARY = str(ROOT / "assets" / "bert" / "vocab.txt")
transformers.BertTokenizerFast.from_pretrained = lambda _: transformers.BertTokenizerFast(
    vocab=VOCABULARY, do_lower_case=True)


def model_of(folder):
    told = yaml.safe_load(next(folder.glob("*.yaml")).read_text())["model"]
    told["params"]["monitor"] = None
    conditioner = told["params"].get("cond_stage_config")
    if isinstance(conditioner, dict) and conditioner["target"].endswith("BERTEmbedder"):
        conditioner["params"]["device"] = "cpu"
    model = instantiate_from_config(told)
    if getattr(model.cond_stage_model, "use_tknz_fn", False):
        model.cond_stage_model.tknz_fn.device = "cpu"
    weights = torch.load(next(folder.glob("*.ckpt")), map_location="cpu", weights_only=True)["state_dict"]
    missing, surplus = model.load_state_dict({name: value.float() for name, value in weights.items()}, strict=False)
    leftover = ["betas", "alphas", "sqrt_", "log_one", "posterior", "lvlb", "logvar", "to_logits", "cond_stage_model.encoder",
                "cond_stage_model.decoder", "cond_stage_model.quan", "cond_stage_model.post_quan"]
    missing = [name for name in missing if not any(part in name for part in leftover)]
    assert not missing and not surplus, (missing, surplus)
    return model.eval()


def shaded(side):
    """A picture of bytes, [1, 3, side, side] in -1 ... 1."""
    steps = torch.arange(side) * 255 // side
    planes = [steps[None].expand(side, side), steps[:, None].expand(side, side), torch.full((side, side), 90)]
    return torch.stack(planes)[None].float()


def condition(kind, model):
    """What the denoiser is told, and what it is told of nothing where there is guidance."""
    if kind == "text-to-image":
        return model.get_learned_conditioning(["a red house on a hill"]), model.get_learned_conditioning([""])
    if kind == "layout-to-image":
        boxes = [[3, 0.125, 0.25, 0.5, 0.375], [5, 0.5, 0.0625, 0.75, 0.25]]
        return model.get_learned_conditioning(torch.tensor([box_tokens(boxes, 1024, 12, True)])), None
    if kind == "semantic-to-image":
        labels = torch.arange(64)[None] // 16 + torch.arange(64)[:, None] // 24
        one_hot = torch.stack([(labels == number).float() for number in range(8)])[None]
        return model.get_learned_conditioning(one_hot), None
    if kind == "super-resolution":
        return shaded(16) / 127.5 - 1.0, None
    image = shaded(64) / 255.0
    mask = torch.zeros(1, 1, 64, 64)
    mask[:, :, 8:40, 20:52] = 1.0
    masked = ((1.0 - mask) * image) * 2.0 - 1.0
    if kind == "hybrid":
        # Stable Diffusion's convention: a grey hole, and 1 where it is painted anew.
        masked = (image * 2.0 - 1.0) * (mask < 0.5)
        planes = [torch.nn.functional.interpolate(mask, size=(16, 16)), model.encode_first_stage(masked)]
        words = [model.get_learned_conditioning([text]) for text in ["a red house on a hill", ""]]
        return tuple({"c_concat": planes, "c_crossattn": [states]} for states in words)
    latents = model.cond_stage_model.encode(masked)
    mask = torch.nn.functional.interpolate(mask * 2.0 - 1.0, size=latents.shape[-2:])
    return torch.cat((latents, mask), dim=1), None


def main(folder):
    tensors = {}
    for seed, kind in enumerate(["text-to-image", "layout-to-image", "semantic-to-image", "super-resolution", "inpainting", "hybrid"]):
        model = model_of(folder / f"latent-diffusion-{kind}")
        shape = [model.channels, 16, 16]
        noise = torch.randn([1, *shape], generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            told, nothing = condition(kind, model)
            if kind == "hybrid":
                # The samplers of the paper's code know guidance of one tensor only.
                whole = model.apply_model
                parts, told, free, nothing = told, None, nothing, None
                model.apply_model = lambda x, t, _: (
                    whole(x, t, free) + 3.0 * (whole(x, t, parts) - whole(x, t, free)))
            guidance = {} if nothing is None else {
                "unconditional_guidance_scale": 3.0, "unconditional_conditioning": nothing}
            tensors[f"{kind}.noise"] = noise
            for name, sampler in [("ddim", DDIMSampler), ("plms", PLMSSampler)]:
                latents, _ = sampler(model).sample(
                    S=STEPS, conditioning=told, batch_size=1, shape=shape, x_T=noise, verbose=False, eta=0.0, **guidance)
                tensors[f"{kind}.{name}"] = latents
                print(kind, name, latents.std())
            tensors[f"{kind}.picture"] = model.decode_first_stage(tensors[f"{kind}.ddim"])
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, HERE / "tiny.safetensors")


main(Path(sys.argv[1]))
