#!/usr/bin/env python3
"""Makes the references of the training's arithmetic, by torch and diffusers.

Run in this folder with Python's torch, diffusers and safetensors (made with torch 2.15 on a processor and
diffusers 0.42.1):

    python3 make_training_reference.py

Everything goes into training.safetensors; `src/train/reference.rs` reads it for the tests beside the code:

- adamw.*: 50 steps of torch.optim.AdamW on a matrix and a vector with given gradients, two passes a step,
  torch.nn.utils.clip_grad_norm_, a weight decay for the matrix alone, and the running average of LDM's
  ema.py (with its warm-up); two pairs of decays
- noise.*: diffusers' DDPMScheduler.add_noise and get_velocity, and min-SNR weights from
  diffusers.training_utils.compute_snr, for three schedules
- loss.*: what the first stage is told of its pictures: weighted absolute differences, the perceptual
  loss, PatchGAN's opinion with LDM's adaptive weight, and the gradient of it all by the pictures; the
  discriminator's hinge loss and its gradient by every weight

Matrices of linear layers are as torch has them, `[output, input]`.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_snr
from safetensors.torch import save_file
from torch import nn

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
out = {}


def keep(name, tensor):
    out[name] = torch.as_tensor(tensor).detach().to(torch.float32).contiguous().clone()


def adamw(name, betas, steps=50, passes=2, clip=1.0, decay=0.1, ema_max=0.97):
    random = torch.Generator().manual_seed(hash_of(name))
    matrix = nn.Parameter(torch.randn(5, 6, generator=random))
    vector = nn.Parameter(torch.randn(5, generator=random))
    keep(f"{name}.matrix", matrix)
    keep(f"{name}.vector", vector)
    # Of all sizes, so that some steps are clipped and others not; one direction never moves.
    scale = 10 ** (3 * torch.rand(steps, 1, 1, 1, generator=random) - 2)
    by_matrix = torch.randn(steps, passes, 5, 6, generator=random) * scale
    by_vector = torch.randn(steps, passes, 5, generator=random) * scale[..., 0]
    by_matrix[:, :, 0, 0] = 0
    rates = 10 ** (2 * torch.rand(steps, dtype=torch.float64, generator=random) - 3.5)
    keep(f"{name}.by_matrix", by_matrix)
    keep(f"{name}.by_vector", by_vector)
    keep(f"{name}.rates", rates)
    optimizer = torch.optim.AdamW(
        [
            {"params": [matrix], "weight_decay": decay},
            {"params": [vector], "weight_decay": 0.0},
        ],
        betas=betas,
        eps=1e-8,
        foreach=False,
    )
    averages = [matrix.detach().clone(), vector.detach().clone()]
    norms = []
    for step in range(steps):
        for group in optimizer.param_groups:
            # What the file holds, to the last bit.
            group["lr"] = float(rates[step].to(torch.float32))
        optimizer.zero_grad()
        for i in range(passes):
            loss = (matrix * by_matrix[step, i]).sum() + (vector * by_vector[step, i]).sum()
            (loss / passes).backward()
        norms.append(nn.utils.clip_grad_norm_([matrix, vector], clip))
        optimizer.step()
        # LDM's LitEma.
        updates = step + 1
        one_minus_decay = 1.0 - min(ema_max, (1 + updates) / (10 + updates))
        for average, weights in zip(averages, [matrix, vector]):
            average.sub_(one_minus_decay * (average - weights.detach()))
        if step + 1 in (1, 10, steps):
            keep(f"{name}.matrix.{step + 1}", matrix)
            keep(f"{name}.vector.{step + 1}", vector)
    keep(f"{name}.norms", torch.stack(norms))
    for part, weights, average in zip(["matrix", "vector"], [matrix, vector], averages):
        keep(f"{name}.{part}.first", optimizer.state[weights]["exp_avg"])
        keep(f"{name}.{part}.second", optimizer.state[weights]["exp_avg_sq"])
        keep(f"{name}.{part}.average", average)
    assert 5 < sum(norm > clip for norm in norms) < steps - 5


def hash_of(name):
    return sum((i + 1) * ord(c) for i, c in enumerate(name))


def noise():
    random = torch.Generator().manual_seed(7)
    steps = torch.tensor([0, 1, 10, 137, 500, 731, 998, 999])
    latents = torch.randn(len(steps), 12, generator=random)
    given = torch.randn(len(steps), 12, generator=random)
    keep("noise.steps", steps)
    keep("noise.latents", latents)
    keep("noise.given", given)
    schedules = {
        "scaled_linear": dict(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        "linear": dict(beta_start=0.0001, beta_end=0.02, beta_schedule="linear"),
        "squaredcos_cap_v2": dict(beta_start=0.0001, beta_end=0.02, beta_schedule="squaredcos_cap_v2"),
    }
    for name, config in schedules.items():
        scheduler = DDPMScheduler(num_train_timesteps=1000, **config)
        keep(f"noise.{name}.noisy", scheduler.add_noise(latents, given, steps))
        keep(f"noise.{name}.velocity", scheduler.get_velocity(latents, given, steps))
        snr = compute_snr(scheduler, steps)
        for gamma in (1.0, 5.0):
            least = torch.minimum(snr, torch.tensor(gamma))
            # As diffusers' training scripts have it.
            keep(f"noise.{name}.{gamma:.0f}.epsilon", least / snr)
            keep(f"noise.{name}.{gamma:.0f}.v_prediction", least / (snr + 1))
            keep(f"noise.{name}.{gamma:.0f}.sample", least)


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
        self.convs = nn.ModuleList(
            [
                nn.Conv2d(3, 32, 4, 2, 1),
                nn.Conv2d(32, 64, 4, 2, 1),
                nn.Conv2d(64, 128, 4, 1, 1),
                nn.Conv2d(128, 1, 4, 1, 1),
            ]
        )
        self.norms = nn.ModuleList([nn.GroupNorm(8, 64, eps=1e-5), nn.GroupNorm(8, 128, eps=1e-5)])

    def forward(self, x):
        x = F.leaky_relu(self.convs[0](x), 0.2)
        for conv, norm in zip(self.convs[1:3], self.norms):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return self.convs[3](x)


def loss(perceptual_weight=0.7, discriminator_weight=0.5):
    torch.manual_seed(11)
    random = torch.Generator().manual_seed(12)
    wanted = torch.rand(2, 3, 32, 32, generator=random) * 2 - 1
    made = (wanted + 0.3 * torch.randn(2, 3, 32, 32, generator=random)).requires_grad_()
    places = 0.2 + 2 * torch.rand(2, 1, 32, 32, generator=random)
    filters = [
        torch.randn(out, into, 3, 3, generator=random) / (3 * into**0.5)
        for into, out in [(3, 16), (16, 32), (32, 64)]
    ]
    critic = Discriminator()
    with torch.no_grad():
        for norm in critic.norms:
            norm.weight.uniform_(0.5, 1.5, generator=random)
            norm.bias.uniform_(-0.3, 0.3, generator=random)
    keep("loss.made", made)
    keep("loss.wanted", wanted)
    keep("loss.places", places)
    for i, weights in enumerate(filters):
        keep(f"loss.filter.{i}", weights)
    layers = [*critic.convs, *critic.norms]
    parameters = [p for layer in layers for p in (layer.weight, layer.bias)]
    # The weights of 128 channels take the most room and are as good in half precision.
    with torch.no_grad():
        for p in parameters:
            p.copy_(p.half().float())
    for i, p in enumerate(parameters):
        out[f"loss.critic.{i}"] = p.detach().half().contiguous().clone()

    absolute = ((made - wanted).abs() * places).mean()
    seen = perceptual(filters, made, wanted)
    opinion = -critic(made).mean()
    reconstruction = absolute + perceptual_weight * seen
    # LDM's contperceptual.py, but by the picture instead of by the last convolution, and for a
    # reconstruction that is a mean where LDM's is a sum over the values of a picture.
    values = made[0].numel()
    pull = torch.autograd.grad(reconstruction, made, retain_graph=True)[0]
    wish = torch.autograd.grad(opinion, made, retain_graph=True)[0]
    d = torch.clamp(pull.norm() / (wish.norm() + 1e-4 / values), 0.0, 1e4) * discriminator_weight
    total = reconstruction + d * opinion
    keep("loss.terms", torch.stack([absolute, seen, opinion, d]))
    keep("loss.plain", pull)
    keep("loss.direction", torch.autograd.grad(total, made, retain_graph=True)[0])

    # LDM's hinge_d_loss.
    real, fake = critic(wanted), critic(made.detach())
    hinge = 0.5 * (F.relu(1.0 - real).mean() + F.relu(1.0 + fake).mean())
    keep("loss.hinge", hinge.reshape(1))
    for i, (p, gradient) in enumerate(zip(parameters, torch.autograd.grad(hinge, parameters))):
        if p.dim() == 4 and p.numel() > 40_000:
            # Every seventh kernel: the others are summed alike.
            gradient = gradient[::7]
        keep(f"loss.hinge.{i}", gradient)


adamw("adamw.model", (0.9, 0.999))
adamw("adamw.critic", (0.5, 0.9), decay=0.0, ema_max=0.9999)
noise()
loss()
save_file(out, HERE / "training.safetensors")
print(f"{sum(t.numel() * t.element_size() for t in out.values()) / 1e6:.2f} MB, {len(out)} tensors")
