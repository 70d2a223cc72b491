"""Cuts the small photographs of the tests out of those that come with scikit-image.

    pip install scikit-image==0.25.2 pillow && python make_photographs.py
"""

from pathlib import Path

import skimage
from PIL import Image

DATA = Path(skimage.__file__).parent / "data"
SIDE_PX = 128
# Name, file, and left and top of the crop.
CROPS = [
    ("fur", "chelsea.png", 110, 80),
    ("cup", "coffee.png", 180, 120),
    ("face", "astronaut.png", 165, 40),
    ("grass", "grass.png", 60, 60),
]

for name, file, left, top in CROPS:
    picture = Image.open(DATA / file).convert("RGB")
    crop = picture.crop((left, top, left + SIDE_PX, top + SIDE_PX))
    crop.save(Path(__file__).with_name(f"{name}.png"), optimize=True)
