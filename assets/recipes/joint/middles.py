"""Teaches a judge where the middle of each object is, so that objects that touch can be counted.

    python middles.py --scenes FOLDER --judge assets/judge [--epochs 3]

FOLDER is what `velatura scenes --size 128` drew (seeds below 900,000,000); 9,000 scenes are enough.
The judge stays as it is: a few convolutions on what it sees in cells of 4 pixels say how near each
cell is to a middle, as CenterNet's heatmaps do (Zhou et al. 2019, arXiv 1904.07850).
"""

import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file

from networks import Judge, Middles

parser = argparse.ArgumentParser()
parser.add_argument("--scenes", required=True)
parser.add_argument("--judge", required=True)
parser.add_argument("--epochs", type=float, default=3)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
args = parser.parse_args()
torch.manual_seed(1)
judge_folder = pathlib.Path(args.judge)
labels = json.loads((judge_folder / "judge.json").read_text())["labels"]
judge = Judge(len(labels), 3, 5, 8, 9)
judge.load_state_dict({name: value.float() for name, value in load_file(judge_folder / "judge.safetensors").items()})
judge = judge.to(args.device).eval().requires_grad_(False)
files = sorted(pathlib.Path(args.scenes).glob("[0-9]*.json"))

CELLS = 32


def wanted(about):
    """A bell around the middle of each object, 1 at the cell of the middle; wider for larger ones."""
    cells = np.zeros((CELLS, CELLS), np.float32)
    y, x = np.mgrid[:CELLS, :CELLS]
    side = about["image"]["width"]
    for item in about["annotations"]:
        left, top, width, height = (CELLS * edge / side for edge in item["bbox"])
        across, down = int(min(left + width / 2, CELLS - 1)), int(min(top + height / 2, CELLS - 1))
        spread = 0.08 * (width + height) / 2 + 0.4
        bell = np.exp(-((x - across) ** 2 + (y - down) ** 2) / (2 * spread**2))
        cells = np.maximum(cells, bell)
    return cells


pictures = np.stack([np.asarray(Image.open(file.with_suffix(".png"))).transpose(2, 0, 1) for file in files])
targets = np.stack([wanted(json.loads(file.read_text())) for file in files])
head = Middles().to(args.device)
optimiser = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=0.01)
steps = int(args.epochs * len(files) / args.batch)
rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1, pct_start=0.1)
order, losses = [], []
for step in range(steps):
    if len(order) < args.batch:
        order = torch.randperm(len(files)).tolist()
    rows, order = order[: args.batch], order[args.batch :]
    picture = torch.from_numpy(pictures[rows]).to(args.device).float() / 127.5 - 1
    target = torch.from_numpy(targets[rows]).to(args.device)
    # Both directions are as good: scenes are mirrored at random themselves.
    if step % 2:
        picture, target = picture.flip(3), target.flip(2)
    with torch.no_grad():
        seen = judge.cells_seen(picture)
    said = head(seen)[:, 0]
    # CenterNet's focal loss: cells near a middle count little as wrong ones.
    sure = said.sigmoid().clamp(1e-4, 1 - 1e-4)
    is_middle = target >= 0.999
    loss = torch.where(is_middle, -((1 - sure) ** 2) * sure.log(), -((1 - target) ** 4) * sure**2 * (1 - sure).log()).sum()
    loss = loss / is_middle.sum().clamp(min=1)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    rates.step()
    losses.append(loss.item())
    if (step + 1) % 50 == 0:
        print(step + 1, "of", steps, f"loss {np.mean(losses[-50:]):.4f}", flush=True)
save_file({name: value.half().contiguous().cpu() for name, value in head.state_dict().items()}, judge_folder / "middles.safetensors")
