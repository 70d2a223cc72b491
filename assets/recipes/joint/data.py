"""Scenes drawn by `velatura scenes`, as arrays: pictures, label maps, boxes, captions."""

import json
import os
import pathlib
import shutil
import subprocess
import time

import numpy as np
from PIL import Image

SLOTS = 12
LENGTH = 40
# The caption, and those that leave something out; of sides last, where there are any.
VARIANTS = 5
TIMES = ["dawn", "day", "sunset", "night"]
PLACES = ["meadow", "hills", "mountains", "beach", "desert", "snow", "lake"]
STYLES = ["3d", "flat", "cartoon"]
GROUNDS = ["white", "blue", "green", "yellow", "pink", "purple", "orange", "gray"]


class Words:
    """CLIP's byte-pair tokenizer for lower-case words of known letters."""

    def __init__(self, folder):
        self.ids = json.loads((pathlib.Path(folder) / "vocab.json").read_text())
        lines = (pathlib.Path(folder) / "merges.txt").read_text().split("\n")
        pairs = [tuple(line.split()) for line in lines if line and not line.startswith("#version")]
        self.ranks = {pair: rank for rank, pair in enumerate(pairs) if len(pair) == 2}
        self.known = {}
        self.start, self.end = self.ids["<|startoftext|>"], self.ids["<|endoftext|>"]

    def word(self, word):
        if word not in self.known:
            parts = [*word[:-1], word[-1] + "</w>"]
            while len(parts) > 1:
                ranked = [(self.ranks.get(pair, 1 << 30), k) for k, pair in enumerate(zip(parts, parts[1:]))]
                rank, at = min(ranked)
                if rank == 1 << 30:
                    break
                first, second = parts[at], parts[at + 1]
                merged, k = [], 0
                while k < len(parts):
                    if k + 1 < len(parts) and (parts[k], parts[k + 1]) == (first, second):
                        merged.append(first + second)
                        k += 2
                    else:
                        merged.append(parts[k])
                        k += 1
                parts = merged
            self.known[word] = [self.ids[part] for part in parts]
        return self.known[word]

    def encode(self, text):
        out = [self.start]
        for word in text.lower().replace(",", " , ").replace("-", " - ").split():
            # CLIP takes digits one by one and apart from letters.
            piece = ""
            for letter in word:
                if piece and (letter.isdigit() or piece[-1].isdigit()):
                    out += self.word(piece)
                    piece = ""
                piece += letter
            out += self.word(piece)
        out = out[: LENGTH - 1] + [self.end]
        return out + [self.end] * (LENGTH - len(out))


def draw(velatura, seed, count, size, folder):
    environment = dict(os.environ, RAYON_NUM_THREADS="1")
    subprocess.run(
        [velatura, "scenes", "--count", str(count), "--size", str(size), "--seed", str(seed), "--out", str(folder)],
        check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )


def read(folder, count, size, words, first_label, tints):
    out = {
        "images": np.zeros((count, 3, size, size), np.uint8),
        "labels": np.zeros((count, size, size), np.uint8),
        "kinds": np.full((count, SLOTS), -1, np.int16),
        "tints": np.zeros((count, SLOTS), np.int8),
        "rects": np.zeros((count, SLOTS, 4), np.float32),
        "tokens": np.zeros((count, VARIANTS, LENGTH), np.int16),
        "setting": np.zeros((count, 4), np.int8),
    }
    for k in range(count):
        name = folder / f"{k:04}"
        out["images"][k] = np.asarray(Image.open(f"{name}.png")).transpose(2, 0, 1)
        out["labels"][k] = np.asarray(Image.open(f"{name}.label.png"))
        about = json.loads(pathlib.Path(f"{name}.json").read_text())
        for slot, item in enumerate(about["annotations"][:SLOTS]):
            x, y, w, h = item["bbox"]
            out["kinds"][k, slot] = item["category_id"] - first_label
            out["tints"][k, slot] = tints.index(item["colour"]) + 1 if item["colour"] else 0
            out["rects"][k, slot] = [x / size, y / size, (x + w) / size, (y + h) / size]
        captions = [about["caption"], *about["partial_captions"]]
        # Where nothing is beside something else, the caption is told once more.
        captions += captions[:1] * (VARIANTS - len(captions))
        for variant, caption in enumerate(captions):
            out["tokens"][k, variant] = words.encode(caption)
        scene = about["scene"]
        sticker = scene["sticker_ground"]
        out["setting"][k] = [
            len(TIMES) if sticker is not None else TIMES.index(scene["time"]),
            len(PLACES) if sticker is not None else PLACES.index(scene["place"]),
            len(GROUNDS) if sticker is None else sticker,
            STYLES.index(scene["style"]),
        ]
    return out


def produce(number, workers, first_seed, velatura, size, count, out, tokenizer, first_label, tints, limit):
    """Draws chunks without end; waits while many are unread."""
    os.nice(5)
    out = pathlib.Path(out)
    words = Words(tokenizer)
    seed = first_seed + number
    while True:
        if len(list(out.glob("*.npz"))) > limit:
            time.sleep(0.2)
            continue
        folder = out / f"drawing-{seed}"
        draw(velatura, seed, count, size, folder)
        arrays = read(folder, count, size, words, first_label, tints)
        shutil.rmtree(folder)
        beside = out / f"{seed}.part"
        with open(beside, "wb") as file:
            np.savez(file, **arrays)
        beside.rename(out / f"{seed}.npz")
        seed += workers
