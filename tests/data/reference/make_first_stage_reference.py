#!/usr/bin/env python3
"""Makes the references of first stages, by diffusers and by the paper's architecture.

Run in this folder with Python's torch, diffusers and safetensors (made with torch 2.15 on a processor and
diffusers 0.42.1):

    python3 make_first_stage_reference.py

Every folder of `first-stages` holds a tiny autoencoder of random weights (f16, arithmetic f32) and
`reference.safetensors` with what Python computes of it:

- image, latents: a picture and its unscaled latents (the mean of a KL; before the codebook of a VQ); logvar of a KL
- given, decoded: unscaled latents and their picture; of a VQ through the codebook
- codes, legacy, corrected: of a VQ, the numbers of the nearest vectors of `latents` and both forms of its loss

`vq-f8` also has `training.safetensors`: pictures, and the losses (absolute difference and codebook) of 30 steps by
AdamW on them, from the weights of the folder.

The diffusers folders have its `config.json`. Those named `original-…` are written out below after the paper's code
(CompVis/latent-diffusion, ldm/modules/diffusionmodules/model.py and taming's quantize.py), with its names of weights
in `model.safetensors` and its `target` and `params` in `config.json`; only the number of groups of the
normalisations, which that code fixes at 32, is 4, so that the networks can be small.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, VQModel
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent / "first-stages"
GROUPS = 4
torch.set_num_threads(1)


def randomise(model, seed):
    """Weights that leave nothing at its first value, as numbers of f16."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "embedding" in name:
                p.copy_(0.7 * torch.randn(p.shape, generator=random))
            elif p.dim() > 1:
                p.copy_(1.2 * torch.randn(p.shape, generator=random) / p[0].numel() ** 0.5)
            elif name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn(p.shape, generator=random))
            else:
                p.copy_(0.1 * torch.randn(p.shape, generator=random))
            p.copy_(p.half().float())
    return random


def compute(model, folder, random, factor, channels, encode, quantize, decode):
    """`encode` gives latents and perhaps log-variances; `quantize` is None for a KL."""
    # Small, but more than one place wide at the lowest level.
    count, places = (2, 8 // factor) if factor < 16 else (1, 1)
    image = (torch.rand(count, 3, places * factor, 2 * places * factor, generator=random) * 2 - 1).half().float()
    out = {"image": image, "given": torch.randn(count, channels, 2 * places, places, generator=random)}
    with torch.no_grad():
        latents, logvar = encode(image)
        out["latents"] = latents
        if logvar is not None:
            out["logvar"] = logvar
        given = out["given"]
        if quantize is not None:
            nearest, codes = quantize(latents)
            out["codes"] = codes.float()
            commitment = ((nearest - latents) ** 2).mean()
            out["legacy"] = torch.stack([commitment + 0.25 * commitment])
            out["corrected"] = torch.stack([commitment + 0.4 * commitment])
            given, _ = quantize(given)
            # A choice that rounding could turn would say nothing.
            for z in (latents, out["given"]):
                rows = z.permute(0, 2, 3, 1).reshape(-1, channels)
                two = torch.cdist(rows, codebook(model)).topk(2, largest=False).values
                assert (two[:, 1] - two[:, 0]).min() > 1e-4, folder
        out["decoded"] = decode(given)
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.contiguous() for k, v in out.items()}, folder / "reference.safetensors")


def codebook(model):
    return dict(model.named_parameters())["quantize.embedding.weight"].detach()


def nearest(model, z):
    rows = z.permute(0, 2, 3, 1)
    codes = torch.cdist(rows.reshape(-1, z.shape[1]), codebook(model)).argmin(1)
    return codebook(model)[codes].reshape(rows.shape).permute(0, 3, 1, 2), codes


def by_diffusers(name, model, seed):
    folder = HERE / name
    random = randomise(model, seed)
    factor = 2 ** (len(model.config.block_out_channels) - 1)
    if isinstance(model, VQModel):
        channels = model.config.vq_embed_dim or model.config.latent_channels
        # diffusers' own quantiser must agree with the one written out here.
        z = torch.randn(1, channels, 4, 4, generator=random)
        with torch.no_grad():
            ours, loss = nearest(model, z)[0], model.quantize(z)[1]
        assert torch.allclose(ours, model.quantize(z)[0], atol=1e-6)
        assert torch.allclose(loss, 1.25 * ((ours - z) ** 2).mean())
        compute(
            model, folder, random, factor, channels,
            lambda x: (model.encode(x).latents, None),
            lambda z: nearest(model, z),
            lambda z: model.decode(z, force_not_quantize=True).sample,
        )  # fmt: skip
    else:
        compute(
            model, folder, random, factor, model.config.latent_channels,
            lambda x: (lambda p: (p.mean, p.logvar))(model.encode(x).latent_dist),
            None,
            lambda z: model.decode(z).sample,
        )  # fmt: skip
    model.half().save_pretrained(folder)


def train(name, steps=30):
    """Steps of training by AdamW, for both forms of the codebook's loss."""
    folder = HERE / name
    random = torch.Generator().manual_seed(77)
    pictures = (torch.rand(3, 2, 3, 16, 16, generator=random) * 2 - 1).half().float()
    out = {"pictures": pictures}
    for form in ("legacy", "corrected"):
        model = VQModel.from_pretrained(folder).float()
        model.quantize.legacy = form == "legacy"
        optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": 0.01},
                {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
            ],
            lr=2e-3,
            foreach=False,
        )
        losses = []
        for step in range(steps):
            x = pictures[step % len(pictures)]
            quantized, codebook, _ = model.quantize(model.encode(x).latents)
            made = model.decode(quantized, force_not_quantize=True).sample
            loss = (made - x).abs().mean() + codebook
            losses.append(loss.detach())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        out[form] = torch.stack(losses)
        assert losses[-1] < 0.8 * losses[0], [loss.item() for loss in losses]
    save_file(out, folder / "training.safetensors")


def types(kind, attends):
    return tuple(("Attn" if a else "") + kind for a in attends)


def sizes(widths, attends, **more):
    return dict(
        block_out_channels=widths,
        down_block_types=types("DownEncoderBlock2D", attends),
        up_block_types=types("UpDecoderBlock2D", attends[::-1]),
        norm_num_groups=GROUPS,
        **more,
    )


# The paper's architecture, with its names.


def norm(channels):
    return nn.GroupNorm(GROUPS, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    def __init__(self, into, out):
        super().__init__()
        self.norm1 = norm(into)
        self.conv1 = nn.Conv2d(into, out, 3, padding=1)
        self.norm2 = norm(out)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        if into != out:
            self.nin_shortcut = nn.Conv2d(into, out, 1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        return (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x) + h


class AttnBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.norm = norm(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        h = self.norm(x)
        b, c, height, width = x.shape
        q, k, v = (f(h).reshape(b, c, -1) for f in (self.q, self.k, self.v))
        w = torch.softmax(torch.bmm(q.permute(0, 2, 1), k) * c**-0.5, dim=2)
        h = torch.bmm(v, w.permute(0, 2, 1)).reshape(b, c, height, width)
        return x + self.proj_out(h)


class Resample(nn.Module):
    def __init__(self, channels, is_up):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=1 if is_up else 2, padding=1 if is_up else 0)
        self.is_up = is_up

    def forward(self, x):
        if self.is_up:
            return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Level(nn.Module):
    pass


class Half(nn.Module):
    """Encoder or decoder."""

    def __init__(self, dd, is_up, attends):
        super().__init__()
        widths = [dd["ch"] * m for m in dd["ch_mult"]]
        blocks = dd["num_res_blocks"] + is_up
        z = dd["z_channels"] * (2 if dd["double_z"] and not is_up else 1)
        self.is_up = is_up
        order = list(range(len(widths)))
        first = widths[-1] if is_up else dd["ch"]
        self.conv_in = nn.Conv2d(dd["z_channels"] if is_up else 3, first, 3, padding=1)
        levels = [Level() for _ in order]
        into = first
        for i in reversed(order) if is_up else order:
            level = levels[i]
            attn = attends and dd["resolution"] // 2**i in dd["attn_resolutions"]
            level.block, level.attn = nn.ModuleList(), nn.ModuleList()
            for _ in range(blocks):
                level.block.append(ResnetBlock(into, widths[i]))
                into = widths[i]
                if attn:
                    level.attn.append(AttnBlock(into))
            if is_up and i != 0:
                level.upsample = Resample(into, True)
            if not is_up and i != order[-1]:
                level.downsample = Resample(into, False)
        setattr(self, "up" if is_up else "down", nn.ModuleList(levels))
        self.mid = Level()
        self.mid.block_1 = ResnetBlock(widths[-1], widths[-1])
        self.mid.attn_1 = AttnBlock(widths[-1]) if attends else nn.Identity()
        self.mid.block_2 = ResnetBlock(widths[-1], widths[-1])
        last = widths[0] if is_up else widths[-1]
        self.norm_out = norm(last)
        self.conv_out = nn.Conv2d(last, 3 if is_up else z, 3, padding=1)

    def middle(self, x):
        return self.mid.block_2(self.mid.attn_1(self.mid.block_1(x)))

    def forward(self, x):
        x = self.conv_in(x)
        if self.is_up:
            x = self.middle(x)
        for level in reversed(self.up) if self.is_up else self.down:
            for i, block in enumerate(level.block):
                x = block(x)
                if len(level.attn):
                    x = level.attn[i](x)
            for name in ("upsample", "downsample"):
                if hasattr(level, name):
                    x = getattr(level, name)(x)
        if not self.is_up:
            x = self.middle(x)
        return self.conv_out(F.silu(self.norm_out(x)))


class Original(nn.Module):
    def __init__(self, params):
        super().__init__()
        dd, embed = params["ddconfig"], params["embed_dim"]
        attends = dd.get("attn_type", "vanilla") != "none"
        double = 2 if dd["double_z"] else 1
        self.encoder, self.decoder = Half(dd, False, attends), Half(dd, True, attends)
        self.quant_conv = nn.Conv2d(double * dd["z_channels"], double * embed, 1)
        self.post_quant_conv = nn.Conv2d(embed, dd["z_channels"], 1)
        if not dd["double_z"]:
            self.quantize = Level()
            self.quantize.embedding = nn.Embedding(params["n_embed"], embed)

    def encode(self, x):
        h = self.quant_conv(self.encoder(x))
        if hasattr(self, "quantize"):
            return h, None
        mean, logvar = h.chunk(2, dim=1)
        return mean, logvar.clamp(-30, 20)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z))


def by_the_paper(name, target, params, seed):
    folder = HERE / name
    model = Original(params)
    random = randomise(model, seed)
    factor = 2 ** (len(params["ddconfig"]["ch_mult"]) - 1)
    quantize = (lambda z: nearest(model, z)) if hasattr(model, "quantize") else None
    compute(model, folder, random, factor, params["embed_dim"], model.encode, quantize, model.decode)
    weights = {k: v.half().contiguous() for k, v in model.state_dict().items()}
    # What a checkpoint of the training holds besides.
    weights["loss.logvar"] = torch.zeros(1).half()
    weights["loss.discriminator.main.0.weight"] = torch.zeros(2, 3, 4, 4).half()
    save_file(weights, folder / "model.safetensors")
    text = json.dumps({"target": target, "params": params}, indent=2)
    (folder / "config.json").write_text(text + "\n")


def dd(z, mult, attn, double, **more):
    return dict(
        double_z=double, z_channels=z, resolution=64, in_channels=3, out_ch=3, ch=8, ch_mult=mult,
        num_res_blocks=1, attn_resolutions=attn, dropout=0.0, **more,
    )  # fmt: skip


by_diffusers("kl-f2", AutoencoderKL(**sizes((8, 16), (False, True), latent_channels=2)), 1)
by_diffusers(
    "kl-f32",
    AutoencoderKL(**sizes((8, 8, 8, 12, 12, 16), (False,) * 4 + (True,) * 2, latent_channels=5)),
    2,
)
by_diffusers(
    "vq-f4",
    VQModel(
        **sizes((8, 8, 16), (False,) * 3, num_vq_embeddings=37, layers_per_block=2, scaling_factor=1.0),
        mid_block_add_attention=False,
    ),
    3,
)
by_diffusers(
    "vq-f8",
    VQModel(
        **sizes((8, 8, 12, 16), (False, True, False, True), num_vq_embeddings=64, vq_embed_dim=3, latent_channels=4)
    ),
    4,
)
train("vq-f8")
by_diffusers("vq-f16", VQModel(**sizes((8,) * 4 + (16,), (False,) * 5, num_vq_embeddings=16)), 5)
by_the_paper(
    "original-kl",
    "ldm.models.autoencoder.AutoencoderKL",
    dict(embed_dim=3, ddconfig=dd(4, [1, 2, 2], [16], True)),
    6,
)
by_the_paper(
    "original-vq",
    "ldm.models.autoencoder.VQModelInterface",
    dict(embed_dim=3, n_embed=50, ddconfig=dd(3, [1, 2], [32, 64], False)),
    7,
)
by_the_paper(
    "original-vq-noattn",
    "ldm.models.autoencoder.VQModel",
    dict(embed_dim=3, n_embed=20, ddconfig=dd(3, [1, 1, 2], [], False, attn_type="none")),
    8,
)
