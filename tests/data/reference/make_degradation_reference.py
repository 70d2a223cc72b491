"""Whole runs of `bsrgan_light`, and its single operations, by the paper's own code.

    git clone https://github.com/CompVis/latent-diffusion /tmp/paper
    PYTHONPATH=/tmp/paper ~/.cache/venv/bin/python tests/data/reference/make_degradation_reference.py

Needs numpy, scipy, torch and opencv-python-headless. Every call that the paper's code makes
is written down with what it drew, and goes on as it would: kernels, sizes, noise, qualities.
"""
import json
import random
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import scipy
import scipy.interpolate
import torch
from safetensors.torch import save_file
from scipy import ndimage

HERE = Path(__file__).parent
RUNS = 24


def stub(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module


class Bilinear:
    """What SciPy had under the name of `interp2d`."""

    def __init__(self, x, y, z):
        self.inner = scipy.interpolate.RegularGridInterpolator((y, x), z)

    def __call__(self, x, y):
        return self.inner(np.stack(np.meshgrid(y, x, indexing="ij"), -1))


stub("albumentations")
stub("torchvision")
stub("torchvision.utils", make_grid=None)
scipy.interpolate.interp2d = Bilinear
scipy.finfo = np.finfo
ndimage.filters = types.SimpleNamespace(convolve=ndimage.convolve)

import ldm.modules.image_degradation.bsrgan_light as paper  # noqa: E402

steps = []
factor_of_kernel = None
real = {
    "resize": cv2.resize, "convolve": ndimage.convolve, "imencode": cv2.imencode, "halve": paper.util.imresize_np,
    "shift": paper.shift_pixel, "normal": np.random.normal, "multivariate": np.random.multivariate_normal,
}


def resize(image, size, interpolation):
    steps.append({"resize": [*size, interpolation]})
    return real["resize"](image, size, interpolation=interpolation)


def halve(image, scale, antialiasing=True):
    assert scale == 0.5 and antialiasing
    steps.append({"halve": True})
    return real["halve"](image, scale, antialiasing)


def shift(kernel, factor):
    global factor_of_kernel
    factor_of_kernel = factor
    return real["shift"](kernel, factor)


def convolve(image, kernel, mode):
    global factor_of_kernel
    assert mode == "mirror"
    steps.append({"blur": kernel[:, :, 0].tolist()})
    if factor_of_kernel is not None:
        steps.append({"skip": factor_of_kernel})
        factor_of_kernel = None
    return real["convolve"](image, kernel, mode=mode)


def normal(mean, level, shape):
    numbers = real["normal"](0.0, 1.0, shape).astype(np.float32)
    kind = "grey" if shape[-1] == 1 else "colour"
    steps.append({"noise": [kind, level], "numbers": numbers.ravel().tolist()})
    return level * numbers


def multivariate(mean, covariance, shape):
    numbers = real["normal"](0.0, 1.0, (*shape, 3)).astype(np.float32)
    values, vectors = np.linalg.eigh(covariance)
    mix = vectors * np.sqrt(np.abs(values))
    steps.append({"mix": mix.tolist(), "numbers": numbers.ravel().tolist()})
    return numbers @ mix.T


def imencode(ending, image, options):
    steps.append({"jpeg": options[1]})
    return real["imencode"](ending, image, options)


def orth_of(directions):
    return scipy.linalg.orth(np.array(directions))


def texture(width, height):
    y, x = np.mgrid[0:height, 0:width]
    red = 127 + 90 * np.sin(x / 3.0) + 30 * np.cos(y / 5.0)
    green = (x * 7 + y * 3) % 256
    blue = np.where((x // 6 + y // 4) % 2 == 0, 210, 40)
    # Without noise, many waves would lie at the very middle between two steps of JPEG.
    noise = np.random.RandomState(7).normal(0.0, 3.0, (height, width, 3))
    return np.clip(np.stack([red, green, blue], -1) + noise, 0, 255).astype(np.uint8)


def main():
    tensors = {}
    cases = {"isotropic": [], "anisotropic": [], "resized": [], "mixed": [], "jpeg": [], "runs": []}
    picture = texture(44, 32)
    tensors["picture"] = picture
    numbers = paper.util.uint2single(picture)
    kernels = []
    for side, deviation in [(5, 0.3), (6, 0.9), (7, 0.7), (25, 2.4)]:
        kernels.append(paper.fspecial("gaussian", side, deviation))
        cases["isotropic"].append([side, deviation])
        tensors[f"isotropic.{len(cases['isotropic']) - 1}"] = kernels[-1]
    for side, angle, along, across in [(5, 0.4, 1.9, 0.2), (8, 2.0, 0.6, 1.5), (13, 1.1, 0.05, 1.0), (14, 3.0, 1.8, 1.7)]:
        kernels.append(paper.anisotropic_Gaussian(side, angle, along, across))
        cases["anisotropic"].append([side, angle, along, across])
        tensors[f"anisotropic.{len(cases['anisotropic']) - 1}"] = kernels[-1]
    for factor in [2, 4]:
        moved = paper.shift_pixel(kernels[3], factor)
        tensors[f"shifted.{factor}"] = moved / moved.sum()
    for i in [1, 5, 6]:
        blurred = ndimage.convolve(numbers, np.expand_dims(kernels[i], 2), mode="mirror")
        tensors[f"blurred.{i}"] = blurred
    tensors["halved"] = paper.util.imresize_np(numbers, 0.5, True)
    for size in [(22, 16), (11, 8), (17, 9), (31, 30), (60, 40), (50, 20)]:
        for how in [1, 2, 3]:
            cases["resized"].append([*size, how])
            tensors[f"resized.{len(cases['resized']) - 1}"] = cv2.resize(numbers, size, interpolation=how)
    draws = np.random.RandomState(5)
    for _ in range(4):
        shares, directions = draws.rand(3), draws.rand(3, 3)
        left = orth_of(directions)
        covariance = np.abs((2 / 255) ** 2 * np.dot(np.dot(left.T, np.diag(shares)), left))
        values, vectors = np.linalg.eigh(covariance)
        cases["mixed"].append([shares.tolist(), directions.tolist()])
        # What NumPy draws from where a covariance is none.
        tensors[f"mixed.{len(cases['mixed']) - 1}"] = (vectors * np.abs(values)) @ vectors.T
    for quality in [30, 80, 90, 95]:
        for name, image in [("even", picture), ("odd", picture[:29, :37])]:
            _, packed = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
            cases["jpeg"].append([quality, name])
            tensors[f"jpeg.{len(cases['jpeg']) - 1}"] = np.ascontiguousarray(cv2.imdecode(packed, 1)[:, :, ::-1])
    cv2.resize, cv2.imencode = resize, imencode
    paper.util.imresize_np, paper.shift_pixel = halve, shift
    paper.ndimage.filters.convolve = convolve
    np.random.normal, np.random.multivariate_normal = normal, multivariate
    source = texture(40, 40)  # of others the paper's code mixes up the sides
    tensors["source"] = source
    kinds = set()
    seed = 0
    while len(cases["runs"]) < RUNS:
        seed += 1
        random.seed(seed)
        np.random.seed(seed)
        steps.clear()
        try:
            small = paper.degradation_bsrgan_variant(source, sf=4)["image"]
        except (np.linalg.LinAlgError, ValueError):
            continue  # Too narrow a blur.
        # Runs of a kind that was seen already are left out.
        kind = tuple(name for step in steps for name in step if name != "numbers")
        if kind in kinds or max(len(step.get("numbers", [])) for step in steps) > 1500:
            continue
        kinds.add(kind)
        number = len(cases["runs"])
        told = []
        for place, step in enumerate(steps):
            step = dict(step)
            if "numbers" in step:
                tensors[f"run.{number}.{place}"] = np.array(step.pop("numbers"), np.float32)
            told.append(step)
        cases["runs"].append(told)
        tensors[f"run.{number}"] = small
        print(seed, small.shape, kind)
    save_file({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in tensors.items()},
              HERE / "degradation.safetensors", {"cases": json.dumps(cases)})


main()
