"""Makes layered.psd with psd-tools (pip install psd-tools pillow numpy), and reads a file of ours with it.

    python make_psd.py                 writes layered.psd, grey.psd and blended.psd beside itself
    python make_psd.py --check FILE    that psd-tools finds in FILE, written.psd by our program, what was put there

Pixels are formulas, which tests/project_files/psd.rs has too.
"""

import pathlib
import sys

import numpy as np
from PIL import Image
from psd_tools import PSDImage
from psd_tools.constants import BlendMode, Compression

HERE = pathlib.Path(__file__).parent


def pixels(width, height, seed, transparent=True):
    y, x = np.mgrid[0:height, 0:width]
    colours = [x // 16 * 9 + seed, y // 8 * 5 + seed, (x // 30 + y // 5) * 11 + seed]
    alpha = np.where((x // 12 + y + seed) % 9 < 3, 0, 255 - (x // 20 * seed) % 128) if transparent else np.full_like(x, 255)
    return Image.fromarray(np.stack([*[c % 256 for c in colours], alpha], -1).astype(np.uint8), "RGBA")


def layered():
    psd = PSDImage.new("RGBA", (300, 60))
    psd.create_pixel_layer(pixels(300, 60, 1, transparent=False), name="Hintergrund")
    psd.create_pixel_layer(pixels(31, 9, 7), name="not packed", top=45, left=250, compression=Compression.RAW)
    psd.create_pixel_layer(pixels(120, 40, 2), name="Ciel étoilé", top=10, left=150, opacity=128)
    # Beyond all four edges, hidden.
    psd.create_pixel_layer(pixels(340, 90, 3), name="beyond", top=-10, left=-20).visible = False
    inside = psd.create_pixel_layer(pixels(50, 30, 4), name="in a group", top=20, left=10, opacity=200)
    psd.create_group([inside], name="group", opacity=100)
    unseen = psd.create_pixel_layer(pixels(20, 20, 5), name="in a hidden group", top=5, left=5)
    psd.create_group([unseen], name="hidden group").visible = False
    masked = psd.create_pixel_layer(pixels(30, 20, 8), name="masked", top=8, left=60, opacity=180)
    x = np.broadcast_to(np.arange(20), (10, 20))
    masked.create_mask(Image.fromarray((x * 12 % 256).astype(np.uint8)), top=10, left=65)
    assert masked.mask.background_color == 0
    masked.fill_opacity = 90
    psd.save(HERE / "layered.psd")


def blended():
    psd = PSDImage.new("RGB", (40, 30))
    psd.create_pixel_layer(pixels(40, 30, 1, transparent=False), name="below")
    psd.create_pixel_layer(pixels(20, 20, 2), name="shade", top=5, left=5).blend_mode = BlendMode.MULTIPLY
    psd.save(HERE / "blended.psd")


def grey():
    """One of no layers."""
    psd = PSDImage.frompil(pixels(33, 21, 6, transparent=False).convert("L"))
    psd.save(HERE / "grey.psd")


def check(path):
    psd = PSDImage.open(path)
    assert psd.size == (290, 270)
    x = np.arange(1, 290)
    mask = np.zeros((30, 289, 4), np.uint8)
    mask[..., :3], mask[..., 3] = 255, x % 256
    classes = np.zeros((40, 80, 4), np.uint8)
    classes[:, :40], classes[:, 40:] = [9, 200, 30, 255], [250, 0, 77, 255]
    wanted = [
        ("Ground", (0, 0), 255, True, pixels(290, 270, 1, transparent=False)),
        ("Étoile ☾ 🦉", (230, 240), 128, True, pixels(60, 30, 2)),
        ("unseen", (3, 5), 255, False, pixels(44, 33, 3)),
        ("empty", (0, 0), 255, True, None),
        ("Map", (80, 80), 255, False, classes),
        ("Mask", (1, 0), 255, False, mask),
    ]
    assert len(psd) == len(wanted)
    for layer, (name, place, opacity, visible, picture) in zip(psd, wanted):
        assert (layer.name, layer.bbox[:2], layer.opacity, layer.visible) == (name, place, opacity, visible)
        if picture is None:
            assert layer.width == 0
            continue
        seen, picture = np.round(layer.numpy() * 255).astype(int), np.asarray(picture).astype(int)
        there = picture[..., 3] > 0
        assert (seen[..., 3] == picture[..., 3]).all() and (seen[there] == picture[there]).all(), name
    whole = np.asarray(psd.topil()).astype(int)
    assert (whole[:200, :200] == np.asarray(pixels(290, 270, 1, transparent=False))[:200, :200, :3]).all()
    # As psd-tools lays the layers over each other, to a rounding.
    assert np.abs(whole - np.asarray(psd.composite(force=True))[..., :3]).max() <= 1
    print("all as it should be")


if len(sys.argv) > 1:
    check(sys.argv[2])
else:
    layered()
    blended()
    grey()
