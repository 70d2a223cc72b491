"""What pytorch-fid, torch-fidelity, scikit-image and scipy make of small
sets of features, of pictures, and of Inception with weights that a formula gives.

    pip install torch torchvision torch-fidelity pytorch-fid scikit-image scipy safetensors
    python make_evaluation_reference.py

The weights (95 MB) are not kept: `weight` below and its twin in
`tests/picture_sets/inception_weights.rs` make the same numbers from the names.
"""

import json
import os
import sys
import tempfile

import numpy as np
import scipy.linalg
import torch
from pytorch_fid import fid_score, inception as pytorch_fid
from safetensors.torch import save_file
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch_fidelity import feature_extractor_inceptionv3, metric_fid, metric_isc, metric_kid, metric_prc

HERE = os.path.dirname(os.path.abspath(__file__))


def uniform(tensor, count):
    """Numbers in [-1, 1): 24 bits of a hash of the tensor's number and the place in it."""
    with np.errstate(over="ignore"):
        x = np.arange(count, dtype=np.uint32) + np.uint32(tensor) * np.uint32(0x9E3779B1)
        for shift, factor in [(16, 0x85EBCA6B), (13, 0xC2B2AE35)]:
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
        x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)).astype(np.float32) / np.float32(1 << 23) - np.float32(1)


def weight(number, name, shape):
    """Of what size numbers are in a trained network, so that nothing dies or explodes."""
    u = uniform(number, int(np.prod(shape)))
    if name.endswith("conv.weight"):
        u *= np.float32((6 / np.prod(shape[1:])) ** 0.5)
    elif name.endswith(("bn.weight", "bn.running_var")):
        u = np.float32(1) + np.float32(0.25) * u
    else:
        u *= np.float32(0.125)
    return torch.from_numpy(u.reshape(shape))


def picture(width, height, seed):
    """Waves of colour; bytes, `[height, width, 3]`."""
    y, x = np.mgrid[0:height, 0:width]
    c = np.arange(3)
    return ((x[..., None] * (3 + seed) + y[..., None] * (5 - seed) * (c + 1) + 40 * c) % 256).astype(np.uint8)


def inception():
    with torch.no_grad():
        bare = object.__new__(feature_extractor_inceptionv3.FeatureExtractorInceptionV3)
        # Its constructor reads weights from a file.
        load = torch.load
        layout = {}
        torch.load = lambda *a, **k: layout
        old = torch.nn.Module.load_state_dict
        torch.nn.Module.load_state_dict = lambda self, state: layout.update(self.state_dict())
        network = feature_extractor_inceptionv3.FeatureExtractorInceptionV3(
            "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path="none"
        )
        torch.nn.Module.load_state_dict, torch.load = old, load
        state = {}
        for number, name in enumerate(sorted(layout)):
            shape = tuple(layout[name].shape)
            state[name] = (
                torch.tensor(0) if name.endswith("num_batches_tracked") else weight(number, name, shape)
            )
        network.load_state_dict(state)
        network.eval()
        if len(sys.argv) > 1:
            torch.save(state, sys.argv[1])
        pictures = [picture(40, 33, 0), picture(128, 128, 1), picture(320, 301, 2)]
        out = {"shapes": torch.tensor([[40, 33], [128, 128], [320, 301]], dtype=torch.int32)}
        features, logits = [], []
        for p in pictures:
            f, l = network(torch.from_numpy(p).permute(2, 0, 1)[None])
            features.append(f), logits.append(l)
        out["torch_fidelity"], out["logits"] = torch.cat(features), torch.cat(logits)
        pytorch_fid.load_state_dict_from_url = lambda *a, **k: state
        other = pytorch_fid.InceptionV3([3]).eval()
        rows = [other(torch.from_numpy(p).permute(2, 0, 1)[None].float().div(255))[0].flatten(1) for p in pictures]
        out["pytorch_fid"] = torch.cat(rows)
        save_file({k: v.contiguous() for k, v in out.items()}, f"{HERE}/inception.safetensors")
        print({k: (v.float().mean().item(), v.float().std().item()) for k, v in out.items()})


def figures():
    r = np.random.RandomState(5)
    mix = r.standard_normal((24, 24))
    a = (r.standard_normal((60, 24)) @ mix * 0.3 + 0.5).astype(np.float32)
    b = (r.standard_normal((50, 24)) @ mix * 0.35 + 0.4).astype(np.float32)
    few = a[:9] * np.float32(1.1)
    logits = (r.standard_normal((37, 12)) * 2).astype(np.float32)
    t = torch.from_numpy
    moments = lambda x: (x.astype(np.float64).mean(0), np.cov(x.astype(np.float64), rowvar=False))
    (ma, sa), (mb, sb), (mf, sf) = map(moments, [a, b, few])
    singular = metric_fid.fid_statistics_to_metric(
        {"mu": mf, "sigma": sf}, {"mu": mb, "sigma": sb}, False
    )
    kid = metric_kid.kid_features_to_metric(t(a), t(b), kid_subset_size=50, verbose=False)
    whole = metric_kid.kid_features_to_metric(t(a[:50]), t(b), kid_subset_size=50, kid_subsets=3, verbose=False)
    prc = metric_prc.prc_features_to_metric(t(a), t(b), verbose=False)
    isc = metric_isc.isc_features_to_metric(t(logits))
    symmetric = r.standard_normal((40, 40))
    symmetric = symmetric + symmetric.T
    one = picture(33, 29, 0)
    two = np.clip(one.astype(int) + r.randint(-40, 41, one.shape), 0, 255).astype(np.uint8)
    results = {
        "frechet": float(fid_score.calculate_frechet_distance(ma, sa, mb, sb)),
        "singular": singular["frechet_inception_distance"],
        "kid": [kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"]],
        "whole_kid": whole["kernel_inception_distance_mean"],
        "precision": prc["precision"],
        "recall": prc["recall"],
        "inception_score": [isc["inception_score_mean"], isc["inception_score_std"]],
        "psnr": float(peak_signal_noise_ratio(one, two, data_range=255)),
        "ssim": float(
            structural_similarity(
                one, two, data_range=255, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
            )
        ),
        "permutation": np.random.RandomState(2020).permutation(17).tolist(),
    }
    tensors = {
        "a": t(a),
        "b": t(b),
        "few": t(few),
        "logits": t(logits),
        "symmetric": t(symmetric),
        "eigenvalues": t(scipy.linalg.eigvalsh(symmetric)),
        "one": t(one),
        "two": t(two),
    }
    save_file(tensors, f"{HERE}/figures.safetensors", metadata={"cases": json.dumps(results)})
    np.savez_compressed(f"{HERE}/pytorch-fid.npz", mu=mb, sigma=sb)
    print(json.dumps(results, indent=1))


figures()
inception()
