"""Teaches a judge where the middle of each object is, so that objects that touch can be counted.

    python middles.py --scenes FOLDER [FOLDER ...] --judge assets/judge [--epochs 15]

FOLDERs are what `velatura scenes --size 128` drew (seeds below 900,000,000); 16,000 scenes are enough.
The judge stays as it is, so that what it sees in cells of 4 pixels is worked out once; a few
convolutions on it say how near each cell is to a middle, as CenterNet's heatmaps do (Zhou et al. 2019,
arXiv 1904.07850).
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
parser.add_argument("--scenes", nargs="+", required=True)
parser.add_argument("--judge", required=True)
parser.add_argument("--epochs", type=float, default=15)
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--out", help="the file to write [default: middles.safetensors of the judge]")
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
args = parser.parse_args()
torch.manual_seed(1)
torch.set_num_threads(args.threads)
judge_folder = pathlib.Path(args.judge)
labels = json.loads((judge_folder / "judge.json").read_text())["labels"]
judge = Judge(len(labels), 3, 5, 8, 9)
judge.load_state_dict({name: value.float() for name, value in load_file(judge_folder / "judge.safetensors").items()})
judge = judge.to(args.device).eval().requires_grad_(False)
files = [file for folder in args.scenes for file in sorted(pathlib.Path(folder).glob("[0-9]*.json"))]
if not files:
    raise SystemExit(f"There are no scenes in {', '.join(args.scenes)}: draw some with `velatura scenes`.")

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


targets = torch.from_numpy(np.stack([wanted(json.loads(file.read_text())) for file in files]))


@torch.no_grad()
def seen(flip):
    """What the judge sees in each scene, or in its mirror image: both are as good."""
    out = []
    for k in range(0, len(files), 64):
        pictures = np.stack([np.asarray(Image.open(file.with_suffix(".png"))).transpose(2, 0, 1) for file in files[k : k + 64]])
        pictures = torch.from_numpy(pictures).to(args.device).float() / 127.5 - 1
        out.append(judge.cells_seen(pictures.flip(3) if flip else pictures).half().cpu())
    return torch.cat(out)


sides = [(seen(False), targets), (seen(True), targets.flip(2))]
print(len(files), "scenes are seen", flush=True)
head = Middles().to(args.device)
optimiser = torch.optim.AdamW(head.parameters(), 3e-3, weight_decay=0.01)
steps = int(args.epochs * len(files) / args.batch)
rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps + 1, pct_start=0.1)
order, losses = [], []
for step in range(steps):
    if len(order) < args.batch:
        order = torch.randperm(len(files)).tolist()
    rows, order = order[: args.batch], order[args.batch :]
    features, target = (it[rows].to(args.device).float() for it in sides[step % 2])
    said = head(features)[:, 0]
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
    if (step + 1) % 200 == 0:
        print(step + 1, "of", steps, f"loss {np.mean(losses[-200:]):.4f}", flush=True)
save_file({name: value.half().contiguous().cpu() for name, value in head.state_dict().items()}, args.out or judge_folder / "middles.safetensors")
