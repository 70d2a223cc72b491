#!/usr/bin/env python3
"""Makes whole curves of losses, of 50 steps each, by PyTorch and diffusers, on the weights of `inpaint-tiny`.

Run in this folder, after make_tiny_reference.py and make_training_reference.py and with the same packages:

    python3 make_training_curves.py

Everything goes into training_curves.safetensors; `src/train/diffusion/curve_tests.rs` and
`src/train/autoencoder/curve_tests.rs` read it. The noise is not in the file: it is that of our own training, whose
generator (ChaCha8, `src/random.rs`) is written down here once more. Networks are computed in f64, and what comes of
them is stored as f32; F32=1 in the environment computes them in f32, to see by how much PyTorch itself is then off. What
is compared:

- `epsilon`: a denoiser that says noise; AdamW with warm-up and clipping, and the errors of the averaged weights;
- `velocity`: the same that says velocity, with min-SNR weights and offset noise;
- `first-stage`: an autoencoder (KL) with a perceptual loss, and from step 10 on with a discriminator whose opinion has
  LDM's adaptive weight.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.training_utils import compute_snr
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModel

HERE = Path(__file__).resolve().parent
MODEL = HERE / "inpaint-tiny"
SEED, STEPS = 7, 50
WARMUP, CLIP = 5, 1.0
# Which stream of random numbers is for what (`src/train/random.rs`).
POSTERIOR, DIFFUSION, OFFSET = 3, 4, 15
PRECISION = torch.float32 if os.environ.get("F32") else torch.float64
torch.set_num_threads(1)
out = {}


def keep(name, tensor, dtype=torch.float32):
    out[name] = torch.as_tensor(tensor).detach().to(dtype).contiguous().clone()


def words(seed, stream, count):
    """The first numbers of ChaCha8 with rand_core's seed_from_u64."""
    state, key = seed, []
    for _ in range(8):
        state = (state * 6364136223846793005 + 11634580027462260723) % 2**64
        x, turn = (((state >> 18) ^ state) >> 27) % 2**32, state >> 59
        key.append(((x >> turn) | (x << (-turn % 32))) % 2**32)
    blocks = -(-count // 16)
    first = np.zeros((16, blocks), np.uint32)
    constants = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    first[:12] = np.array(constants + key, np.uint32)[:, None]
    first[12] = np.arange(blocks)
    first[14], first[15] = stream % 2**32, stream >> 32
    now = first.copy()

    def turned(x, by):
        return (x << np.uint32(by)) | (x >> np.uint32(32 - by))

    def quarter(a, b, c, d):
        for to, add, mix, by in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)]:
            now[to] += now[add]
            now[mix] = turned(now[mix] ^ now[to], by)

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return (now + first).T.reshape(-1)[:count]


def normals(purpose, counter, shape):
    """`Random::normals` of the stream of a purpose."""
    count = int(np.prod(shape))
    units = (words(SEED, purpose << 56 | counter, count + count % 2) >> 8).astype(np.float32) / np.float32(2**24)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - units[::2]))
    angle = np.float32(2 * np.pi) * units[1::2]
    values = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)[:count]
    return torch.from_numpy(values.astype(np.float32)).to(PRECISION).reshape(shape)


def half(tensor):
    return tensor.half().to(PRECISION)


def adamw(parameters, betas, decay):
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=betas, eps=1e-8, foreach=False)


def moved(optimizer, parameters, rate):
    for group in optimizer.param_groups:
        group["lr"] = rate
    norm = nn.utils.clip_grad_norm_(parameters, CLIP)
    optimizer.step()
    optimizer.zero_grad()
    return norm


def rate_at(step, peak):
    return peak * min(1.0, (step + 1) / WARMUP)


def denoiser(name, prediction, gamma, offset, count=8, batch=4, peak=2e-3, ema_max=0.9):
    random = torch.Generator().manual_seed(21)
    normal = lambda *shape: half(torch.randn(*shape, generator=random))
    latents, masked = normal(count, 4, 8, 8), normal(count, 4, 8, 8)
    mask = (normal(count, 1, 8, 8) > 0).to(PRECISION)
    tokens = torch.randint(0, 500, (count, 77), generator=random)
    for key, value in [("latents", latents), ("masked", masked), ("mask", mask)]:
        keep(f"denoiser.{key}", value, torch.float16)
    text = CLIPTextModel.from_pretrained(MODEL / "text_encoder", torch_dtype=PRECISION).eval()
    tokens = tokens[:, : text.config.max_position_embeddings] % text.config.vocab_size
    keep("denoiser.tokens", tokens)
    with torch.no_grad():
        states = text(tokens).last_hidden_state
    unet = UNet2DConditionModel.from_pretrained(MODEL / "unet", torch_dtype=PRECISION).train()
    schedule = DDPMScheduler(
        num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type=prediction,
    )
    parameters = list(unet.parameters())
    optimizer = adamw(parameters, (0.9, 0.999), 0.01)
    average = [p.detach().clone() for p in parameters]

    def errors(step):
        chosen = torch.tensor([(step * batch + i) % count for i in range(batch)])
        times = torch.tensor([(step * 137 + i * 251) % 1000 for i in range(batch)])
        noise = normals(DIFFUSION, step, (batch, 4, 8, 8))
        if offset > 0:
            noise = noise + offset * normals(OFFSET, step, (batch, 4, 1, 1))
        noisy = schedule.add_noise(latents[chosen], noise, times)
        wanted = noise
        if prediction == "v_prediction":
            wanted = schedule.get_velocity(latents[chosen], noise, times)
        seen = torch.cat([noisy, mask[chosen], masked[chosen]], 1)
        said = unet(seen, times, states[chosen]).sample
        return (said - wanted).square().mean((1, 2, 3)), times

    losses, norms = [], []
    for step in range(STEPS):
        each, times = errors(step)
        if gamma is not None:
            snr = compute_snr(schedule, times)
            weight = torch.minimum(snr, torch.tensor(gamma))
            each = each * weight / (snr + 1 if prediction == "v_prediction" else snr)
        loss = each.mean()
        loss.backward()
        norms.append(moved(optimizer, parameters, rate_at(step, peak)))
        losses.append(loss.detach())
        updates = step + 1
        left = 1.0 - min(ema_max, (1 + updates) / (10 + updates))
        for mean, weights in zip(average, parameters):
            mean.sub_(left * (mean - weights.detach()))
    keep(f"{name}.losses", torch.stack(losses))
    keep(f"{name}.norms", torch.stack(norms))
    with torch.no_grad():
        for weights, mean in zip(parameters, average):
            weights.copy_(mean)
        keep(f"{name}.averaged", errors(STEPS)[0])
    print(name, [round(float(loss), 4) for loss in losses[::7]])


def relative(x):
    return x / ((x * x).mean(1, keepdim=True) + 0.01).sqrt()


def perceptual(filters, made, wanted):
    difference = made - wanted
    slopes = []
    for scale in range(3):
        if scale > 0:
            difference = F.avg_pool2d(difference, 2)
        slopes.append(difference.diff(dim=2).abs().mean())
        slopes.append(difference.diff(dim=3).abs().mean())
    responses = []
    for weights in filters:
        made = F.leaky_relu(F.conv2d(made, weights, stride=2, padding=1), 0.2)
        wanted = F.leaky_relu(F.conv2d(wanted, weights, stride=2, padding=1), 0.2)
        responses.append((relative(made) - relative(wanted)).abs().mean())
    return torch.stack(slopes).mean() + 0.5 * torch.stack(responses).mean()


class Discriminator(nn.Module):
    """PatchGAN for small pictures, with group normalisation."""

    def __init__(self):
        super().__init__()
        shapes = [(3, 32, 2), (32, 64, 2), (64, 128, 1), (128, 1, 1)]
        self.convs = nn.ModuleList([nn.Conv2d(into, to, 4, stride, 1) for into, to, stride in shapes])
        self.norms = nn.ModuleList([nn.GroupNorm(8, 64, eps=1e-5), nn.GroupNorm(8, 128, eps=1e-5)])

    def forward(self, x):
        x = F.leaky_relu(self.convs[0](x), 0.2)
        for conv, norm in zip(self.convs[1:3], self.norms):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return self.convs[3](x)


def first_stage(name="first-stage", side=32, count=4, batch=2, peak=2e-5, start=10):
    random = torch.Generator().manual_seed(31)
    small = torch.rand(count, 3, 8, 8, generator=random) * 2 - 1
    pictures = half(F.interpolate(small, size=(side, side), mode="bicubic").clamp(-1, 1))
    keep(f"{name}.pictures", pictures, torch.float16)
    stored = load_file(HERE / "training.safetensors")
    filters = [stored[f"loss.filter.{i}"].to(PRECISION) for i in range(3)]
    critic = Discriminator().to(PRECISION)
    layers = [*critic.convs, *critic.norms]
    judging = [p for layer in layers for p in (layer.weight, layer.bias)]
    with torch.no_grad():
        for i, p in enumerate(judging):
            p.copy_(stored[f"loss.critic.{i}"])
    vae = AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=PRECISION).train()
    parameters = list(vae.parameters())
    optimizer = adamw(parameters, (0.9, 0.999), 0.01)
    judge = adamw(judging, (0.5, 0.9), 0.0)
    values = 3 * side * side
    terms = []
    for step in range(STEPS):
        x = pictures[[(step * batch + i) % count for i in range(batch)]]
        posterior = vae.encode(x).latent_dist
        noise = normals(POSTERIOR, step, tuple(posterior.mean.shape))
        made = vae.decode(posterior.mean + posterior.std * noise).sample
        absolute = (made - x).abs().mean()
        seen = perceptual(filters, made, x)
        pull = posterior.kl().mean() * 1e-2 / values
        reconstruction = absolute + 0.7 * seen
        d, opinion, hinge = torch.zeros(3, dtype=PRECISION)
        if step >= start:
            opinion = -critic(made).mean()
            # LDM's contperceptual.py, as in make_training_reference.py.
            by_loss = torch.autograd.grad(reconstruction, made, retain_graph=True)[0].norm()
            by_wish = torch.autograd.grad(opinion, made, retain_graph=True)[0].norm()
            d = (torch.clamp(by_loss / (by_wish + 1e-4 / values), 0.0, 1e4) * 0.5).detach()
            real, fake = critic(x), critic(made.detach())
            hinge = 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())
        loss = reconstruction + pull + d * opinion
        by_vae = torch.autograd.grad(loss, parameters, retain_graph=True)
        if step >= start:
            for p, gradient in zip(judging, torch.autograd.grad(hinge, judging)):
                p.grad = gradient
            moved(judge, judging, rate_at(step, peak))
        for p, gradient in zip(parameters, by_vae):
            p.grad = gradient
        moved(optimizer, parameters, rate_at(step, peak))
        told = [loss, absolute, seen, pull, opinion, d, hinge]
        terms.append(torch.stack([term.detach() for term in told]))
    keep(f"{name}.terms", torch.stack(terms))
    print(name, [[round(float(term), 4) for term in terms[step]] for step in (0, 9, 10, 30, 49)])


# As `src/random.rs` has it.
assert words(7, 2 << 56 | 5, 1)[0] >> 8 == np.float32(np.uint32(1_050_896_296).view(np.float32)) * 2**24
denoiser("epsilon", "epsilon", None, 0.0)
denoiser("velocity", "v_prediction", 5.0, 0.1)
first_stage()
path = HERE / "training_curves.safetensors"
save_file(out, path)
path.chmod(0o644)
print(path.stat().st_size, "bytes;", len(out), "tensors")
