"""Refines the denoiser by what a recogniser sees in it, on a processor.

    python refine.py --velatura PROGRAM --tokenizer FOLDER --classes classes.json --work FOLDER \
        --start assets/models/storybook --judge-folder assets/judge --device cpu

The loss of a denoiser hardly asks whether a small thing can be told: a cow and a patch of its colours
are a few numbers apart. So a recogniser first learns from scenes what each cell of noisy latents shows.
It never sees a picture of the denoiser, and is another network than the judge, which takes no part. Then the
denoiser learns on: as before, and that the recogniser finds the things in the clean latents that it
predicts. (Rewards through a single step: ReFL, arXiv 2304.05977, and DRaFT-1, arXiv 2309.17400.)

Scenes lie in FOLDER/scenes and stay there; `recogniser.pt` and `refined.pt` hold what was learnt, and
`unet.safetensors` and the others what assemble.py takes. Every command begins where the last one has
written these.
"""

import argparse
import math
import multiprocessing
import os
import pathlib
import shutil
import sys
import time

parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("--scenes", type=int, default=24_000)
parser.add_argument("--first-seed", type=int, default=21_000)
parser.add_argument("--recogniser-minutes", type=float, default=65)
parser.add_argument("--minutes", type=float, default=72)
parser.add_argument("--share", type=float, default=0.6, help="gradient of the reward, of that of the denoiser's own loss")
parser.add_argument("--seed", type=int, default=0)
args, rest = parser.parse_known_args()
sys.argv = [sys.argv[0], *rest]

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import data
import run
from data import GROUNDS, PLACES, STYLES, TIMES

CHUNK = 1000
# Scenes that the recogniser is tried on.
KEPT_BACK = 500
BATCH = 32
# What the recogniser says of a whole picture: time, place and ground, and of each that there is none.
WHOLE = [len(TIMES) + 1, len(PLACES) + 1, len(GROUNDS) + 1]


# ---------------------------------------------------------------------- scenes
def draw(seed, words, vae, scale, folder):
    path = folder / f"{seed}.npz"
    if path.exists():
        return
    torch.set_num_threads(1)
    drawing = folder / f"drawing-{seed}"
    data.draw(run.args.velatura, seed, CHUNK, run.side, drawing)
    arrays = data.read(drawing, CHUNK, run.side, words, run.STUFF, run.TINTS)
    shutil.rmtree(drawing)
    with torch.no_grad():
        pictures = torch.from_numpy(arrays["images"]).float() / 127.5 - 1
        arrays["latents"] = torch.cat([vae.moments(some)[0] for some in pictures.split(50)]).mul(scale).half().numpy()
        labels = torch.from_numpy(arrays["labels"])
        arrays["cells"] = torch.cat([run.cell_labels(some) for some in labels.split(100)]).byte().numpy()
    beside = path.with_suffix(".part")
    with open(beside, "wb") as file:
        np.savez(file, **arrays)
    beside.rename(path)


class Drawn:
    """Scenes as run.py's, with their latents and what each cell shows."""

    KEYS = ("images", "labels", "kinds", "tints", "rects", "tokens", "setting", "latents", "cells")

    def __init__(self, folder):
        paths = sorted(folder.glob("*.npz"))
        files = [np.load(path) for path in paths]
        for key in self.KEYS:
            setattr(self, key, torch.from_numpy(np.concatenate([file[key] for file in files])))
        self.count = len(self.cells)

    def pictures(self, rows):
        return self.images[rows].float() / 127.5 - 1


# ------------------------------------------------------------------ recogniser
class Residual(nn.Module):
    def __init__(self, width, embedded=64):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(8, width), nn.Conv2d(width, width, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(8, width), nn.Conv2d(width, width, 3, padding=1)
        self.embed = nn.Linear(embedded, 2 * width)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x, embedded):
        scale, shift = self.embed(embedded)[..., None, None].chunk(2, 1)
        inner = self.norm2(self.conv1(F.silu(self.norm1(x)))) * (1 + scale) + shift
        return x + self.conv2(F.silu(inner))


class Recogniser(nn.Module):
    """From noisy latents and their timestep: classes and styles of cells of 4 pixels; time, place and ground."""

    def __init__(self, latent, width=96, fine=40):
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(32, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.inward = nn.Conv2d(latent, width, 3, padding=1)
        self.at_latents = nn.ModuleList(Residual(width) for _ in range(4))
        self.down = nn.Conv2d(width, width, 3, 2, 1)
        self.coarse = nn.ModuleList(Residual(width) for _ in range(2))
        self.up = nn.Conv2d(2 * width, 4 * fine, 1)
        self.at_cells = Residual(fine)
        self.norm, self.outward = nn.GroupNorm(8, fine), nn.Conv2d(fine, run.LABELS + len(STYLES), 1)
        self.whole = nn.Linear(width, sum(WHOLE))

    def forward(self, latents, steps):
        angles = steps[:, None].float() * torch.exp(torch.arange(16) * (-math.log(10_000) / 16))
        embedded = self.embed(torch.cat([angles.sin(), angles.cos()], 1))
        x = self.inward(latents.contiguous(memory_format=torch.channels_last))
        for block in self.at_latents:
            x = block(x, embedded)
        coarse = self.down(x)
        for block in self.coarse:
            coarse = block(coarse, embedded)
        whole = self.whole(F.silu(coarse).mean((2, 3)))
        x = F.pixel_shuffle(self.up(torch.cat([x, F.interpolate(coarse, scale_factor=2.0)], 1)), 2)
        said = self.outward(F.silu(self.norm(self.at_cells(x, embedded))))
        return said[:, : run.LABELS], said[:, run.LABELS :], whole


def noised(latents, steps):
    kept = run.alphas[steps][:, None, None, None]
    return kept.sqrt() * latents + (1 - kept).sqrt() * torch.randn_like(latents)


def as_cells(values, cells):
    return values.long()[:, None, None].expand_as(cells)


def train_recogniser(scenes, latent, minutes):
    recogniser = Recogniser(latent).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(recogniser.parameters(), 1.5e-3, betas=(0.9, 0.99), weight_decay=0.02)
    average = run.Average([recogniser], 0.998)
    begun, steps = time.time(), 0
    while (part := (time.time() - begun) / 60 / minutes) < 1:
        rows = torch.randint(KEPT_BACK, scenes.count, (BATCH,))
        cells, setting = scenes.cells[rows].long(), scenes.setting[rows].long()
        when = (torch.rand(BATCH).pow(1.5) * 500).long() * (torch.rand(BATCH) >= 0.4)
        labels, styles, whole = recogniser(noised(scenes.latents[rows].float(), when), when)
        thing = (cells >= run.STUFF).float()
        weight = thing / thing.sum().clamp(min=1) + (1 - thing) / (1 - thing).sum().clamp(min=1)
        style = F.cross_entropy(styles, as_cells(setting[:, 3], cells), reduction="none")
        loss = (F.cross_entropy(labels, cells, reduction="none") * weight).sum() + 0.5 * (style * thing).sum() / thing.sum().clamp(min=1)
        for said, wanted in zip(whole.split(WHOLE, 1), setting.T):
            loss = loss + 0.2 * F.cross_entropy(said, wanted)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(recogniser.parameters(), 1.0)
        run.rate_of(optimiser, run.learning_rate(part, 1.5e-3))
        optimiser.step()
        average.update()
        steps += 1
        if steps % 250 == 0:
            run.say("recogniser", steps, f"loss {loss.item():.3f}")
    average.swap()
    return recogniser


@torch.no_grad()
def recognised(recogniser, scenes, step):
    """Share of the things of scenes that it did not learn from."""
    rows = torch.arange(KEPT_BACK)
    when = torch.full((KEPT_BACK,), step)
    labels, _, _ = recogniser(noised(scenes.latents[rows].float(), when), when)
    peak = labels.softmax(1)[:, run.STUFF :].amax((2, 3))
    kinds = scenes.kinds[rows].long()
    found = (peak.gather(1, kinds.clamp(min=0)) >= 0.5) & (kinds >= 0)
    return 100 * found.sum().item() / (kinds >= 0).sum().item()


# -------------------------------------------------------------------- denoiser
# Boxes and words more often than when all was learnt, and less often a part of a picture.
SHARES = {
    "nothing": 0.08, "text": 0.7, "captions": (0.6, 0.14, 0.06, 0.1, 0.1), "boxes": 0.75, "all_boxes": 0.8, "map": 0.25, "small": 0.06,
    "repaint": 0.2,
}


def around(rects, part=0.35):
    """Boxes that are wider and higher by a part on each side."""
    beyond = part * (rects[..., 2:] - rects[..., :2])
    return torch.cat([rects[..., :2] - beyond, rects[..., 2:] + beyond], -1)


def evenly(counted, cells):
    """Weights of cells by which things of one class count as those of another, be they small or large."""
    flat = cells.flatten(1)
    sizes = torch.zeros(len(cells), run.LABELS).scatter_add_(1, flat, counted.flatten(1)).gather(1, flat).view_as(counted)
    return counted / sizes.clamp(min=1)


def reward_loss(recogniser, clean, scenes, rows, told, when):
    """How badly the recogniser finds, in predicted latents, the things that were told, or that can be seen;
    what lies around told boxes; and the style, time, place and ground of the words."""
    cells = scenes.cells[rows].long()
    setting = scenes.setting[rows].long()
    seen = (run.box_planes(scenes, rows, cells.shape[-1], told["kinds"])[:, 0] > 0) | (when < 500)[:, None, None]
    painted = F.interpolate(told["mask"], size=cells.shape[1:])[:, 0]
    is_thing = cells >= run.STUFF
    early = (when < 800).float()[:, None, None]
    counted = (is_thing & seen).float() * painted * early
    weight = evenly(counted, cells)
    # Nothing of a thing beyond its box, but what was there before.
    wide = run.planes(around(scenes.rects[rows]), told["kinds"] >= 0, cells.shape[-1])[:, 0]
    ring = ((wide > 0) & ~is_thing).float() * painted * early
    boxes = (told["kinds"] >= 0).sum(1)[:, None, None]
    weight = weight + 0.7 * boxes * ring / ring.sum((1, 2), keepdim=True).clamp(min=1)
    clear = run.alphas[when].sqrt()
    # Less under noise.
    weight = weight * clear[:, None, None]
    mean = lambda values, weight: (values * weight).sum() / weight.sum().clamp(min=1e-3)
    # Under noise half of the time, so that no pattern that only the recogniser sees is worth anything.
    again = (torch.rand(len(rows)) * 300).long() * (torch.rand(len(rows)) < 0.5)
    labels, styles, whole = recogniser(noised(clean, again), again)
    kind = mean(F.cross_entropy(labels, cells, reduction="none").clamp(max=6), weight)
    # The style of a picture is what all its things say together.
    area = counted.sum((1, 2))
    said = (styles.softmax(1) * counted[:, None]).sum((2, 3)) / area.clamp(min=1)[:, None]
    right = said.gather(1, setting[:, 3:])[:, 0].clamp(min=1e-3)
    has_words = told["has_words"]
    style = mean(-right.log(), ((area > 0) & (has_words | (when < 500))).float() * clear)
    told_of = (has_words & (when < 800)).float() * clear * told["mask"].mean((1, 2, 3))
    parts = zip(whole.split(WHOLE, 1), setting.T)
    setting_loss = sum(mean(F.cross_entropy(said, wanted, reduction="none"), told_of) for said, wanted in parts)
    return kind + 0.7 * style + 0.3 * setting_loss


def length(gradients):
    return torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt().item()


def refine(joint, recogniser, scenes, encode, empty, minutes, share, peak=3e-5):
    live = [p for p in joint.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(live, peak, betas=(0.9, 0.98), weight_decay=0.0)
    average = run.Average([joint], 0.995)
    begun, steps, lengths, seen = time.time(), 0, [], []
    while (part := (time.time() - begun) / 60 / minutes) < 1:
        rows = torch.randint(scenes.count, (BATCH,))
        told = run.tell(scenes, rows, encode, empty, **SHARES)
        told["has_words"] = (told["tokens"] != empty).any(1)
        latents = scenes.latents[rows].float()
        when = (torch.sigmoid(torch.randn(BATCH) * 1.2 - 0.1) * run.STEPS).long().clamp(0, run.STEPS - 1)
        kept = run.alphas[when][:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = kept.sqrt() * latents + (1 - kept).sqrt() * noise
        wanted = kept.sqrt() * noise - (1 - kept).sqrt() * latents
        weight = (1 + 5 * run.box_planes(scenes, rows, latents.shape[-1])) * (0.2 + 0.8 * told["mask"])
        said = joint(noisy, when, run.with_shares(joint, told))
        own = ((said - wanted).square() * weight / weight.mean()).mean()
        reward = reward_loss(recogniser, kept.sqrt() * noisy - (1 - kept).sqrt() * said, scenes, rows, told, when)
        if len(lengths) < 8:
            both = [torch.autograd.grad(loss, live, retain_graph=True, allow_unused=True) for loss in (own, reward)]
            lengths.append([length(gradients) for gradients in both])
            scale = share * np.divide(*np.mean(lengths, 0))
        optimiser.zero_grad()
        (own + scale * reward).backward()
        torch.nn.utils.clip_grad_norm_(live, 1.0)
        run.rate_of(optimiser, peak * min(1, (steps + 1) / 20) * (1 - 0.9 * part))
        optimiser.step()
        average.update()
        steps += 1
        seen.append((own.item(), reward.item()))
        if steps % 100 == 0:
            run.say("refined", steps, "loss {:.4f} reward {:.3f}".format(*np.mean(seen[-100:], 0)), f"{steps * BATCH / (time.time() - begun):.0f} pictures/s")
    average.swap()
    joint.steps = steps


def main():
    words = data.Words(run.args.tokenizer)
    empty = torch.tensor(words.encode(""))[None]
    if not (run.work / "vae.json").exists():
        run.begin_with(run.args.start, run.args.judge_folder)
    about = run.json.loads((run.work / "vae.json").read_text())
    vae, scale = run.AutoencoderKL(tuple(about["widths"]), about["latent"]), about["scale"]
    vae.load_state_dict(run.kept("vae"))
    vae.requires_grad_(False)
    folder = run.work / "scenes"
    folder.mkdir(exist_ok=True)
    seeds = range(args.first_seed, args.first_seed + -(-args.scenes // CHUNK))
    with multiprocessing.get_context("fork").Pool(run.plan["threads"]) as pool:
        pool.starmap(draw, [(seed, words, vae, scale, folder) for seed in seeds], chunksize=1)
    scenes = Drawn(folder)
    run.say(scenes.count, "scenes")
    torch.manual_seed(100 + args.seed)
    kept = run.work / "recogniser.pt"
    if kept.exists():
        recogniser = Recogniser(vae.latent).to(memory_format=torch.channels_last)
        recogniser.load_state_dict(torch.load(kept, weights_only=True))
    else:
        recogniser = train_recogniser(scenes, vae.latent, args.recogniser_minutes)
        torch.save(recogniser.state_dict(), kept)
    recogniser.eval().requires_grad_(False)
    run.say("recognised in clean latents and at steps 200 and 400:", *(f"{recognised(recogniser, scenes, step):.1f} %" for step in (0, 200, 400)))
    joint = run.Joint(vae.latent, len(words.ids))
    refined = run.work / "refined.pt"
    if refined.exists():
        joint.load_state_dict(torch.load(refined, weights_only=True))
    else:
        for part, module in (("unet", joint.unet), ("text_encoder", joint.text), ("layout_encoder", joint.layout), ("semantic_encoder", joint.semantic)):
            module.load_state_dict(run.kept(part))
    torch.manual_seed(args.seed)
    refine(joint, recogniser, scenes, run.HalfEncoder(vae, scale), empty, args.minutes, args.share)
    # In full, for the next command to go on from.
    beside = refined.with_suffix(".part")
    torch.save(joint.state_dict(), beside)
    os.replace(beside, refined)
    run.write(joint=joint)
    run.say("refined in", joint.steps, "steps")


if __name__ == "__main__":
    main()
