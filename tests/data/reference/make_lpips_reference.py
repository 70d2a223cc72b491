"""LPIPS of two pairs of pictures and its gradient, by the authors' package.

    pip install torch torchvision lpips
    python tests/data/reference/make_lpips_reference.py

The weights are not in the file: they would be 59 MB. Both sides make them by one formula
of whole numbers, see `weights` here and in `src/model/lpips.rs`.
"""

import os

import lpips
import numpy as np
import torch
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(count, seed):
    """Numbers in [0, 1), by a hash of their place (lowbias32 of C. Wellons)."""
    x = np.arange(count, dtype=np.uint64) + seed * 0x9E3779B9
    x = (x & 0xFFFFFFFF).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x.astype(np.float64) / 2**32


def weights(name, shape, seed):
    values = numbers(int(np.prod(shape)), seed)
    if name.startswith("lin"):
        return values
    inputs = shape[1] * 9 if len(shape) == 4 else 100
    return (values - 0.5) * 2 * (6 / inputs) ** 0.5


network = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False).eval()
state = network.state_dict()
kept = [name for name in state if name.startswith("net.") or (name.startswith("lin") and not name.startswith("lins"))]
for seed, name in enumerate(sorted(kept)):
    shape = tuple(state[name].shape)
    values = weights(name, shape, seed).astype(np.float32).reshape(shape)
    state[name].copy_(torch.from_numpy(values))
network.load_state_dict(state)
print(sorted(kept))

torch.manual_seed(0)
a = torch.rand(2, 3, 24, 36) * 2 - 1
b = (a * 0.8 + 0.3 * torch.randn(2, 3, 24, 36)).clamp(-1, 1)
leaf = a.clone().requires_grad_(True)
told = network(leaf, b).reshape(2)
told.mean().backward()
save_file(
    {"a": a, "b": b, "told": told.detach(), "gradient": leaf.grad},
    os.path.join(HERE, "lpips.safetensors"),
)
print(told, leaf.grad.abs().max(), torch.isnan(leaf.grad).sum())
