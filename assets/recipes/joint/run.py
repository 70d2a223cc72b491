"""Trains the joint Storybook on one graphics card: judge, autoencoder, denoiser with all its conditioners.

    python run.py --velatura PROGRAM --tokenizer FOLDER --classes classes.json --work FOLDER

Everything is paid for in seconds: the rates fall with the time that is left. Where a command may
last ten minutes only, it ends itself with status 3 before that ("stop_s"), and the same command goes
on: what was finished lies in FOLDER, and what was begun in `state-*.pt` there. README.md says what a
card of thirty minutes is spent on.

With "--start MODEL --judge-folder assets/judge" the autoencoder and the judge stay as they are and the
denoiser goes on from the weights of a model folder, on a processor too:

    python run.py … --start assets/models/storybook --judge-folder assets/judge --device cpu --plan \
        '{"workers": 1, "compile": false, "capacity": 12000, "first": 4000, "unet_batch": 32, "unet_peak": 1e-4, "unet_s": 14400, "stop_s": 6000}'
"""

import argparse
import json
import math
import multiprocessing
import os
import pathlib
import shutil
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

import data
from data import GROUNDS, PLACES, STYLES, TIMES
from networks import AutoencoderKL, ClipText, Discriminator, Judge, LayoutEncoder, SemanticEncoder, UNet

STUFF = 12
TINTS = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]

parser = argparse.ArgumentParser()
parser.add_argument("--velatura", required=True)
parser.add_argument("--tokenizer", required=True)
parser.add_argument("--classes", required=True)
parser.add_argument("--work", required=True)
parser.add_argument("--plan", default="{}")
parser.add_argument("--device", default="cuda")
parser.add_argument("--start", help="a model folder whose autoencoder stays and whose denoiser learns further")
parser.add_argument("--judge-folder", help="the judge to begin with")
args = parser.parse_args()
if args.start and not args.judge_folder:
    parser.error("--start needs --judge-folder too, such as assets/judge")
plan = {
    "size": 128, "workers": 14, "chunk": 1000, "capacity": 400_000, "first": 24_000, "pending": 60, "stop_s": 560, "save_s": 60,
    "judge_s": 50, "judge_batch": 128, "trial_ae_s": 45, "trials": ["f8c16", "f8c16w", "f8c24"],
    "ae_s": 330, "ae_batch": 64, "unet_s": 900, "unet_batch": 512, "unet_peak": 1e-3, "threads": 2, "compile": True, "evaluate": 512, "choice": None,
    **json.loads(args.plan),
}
work = pathlib.Path(args.work)
work.mkdir(parents=True, exist_ok=True)
device = torch.device(args.device)
cuda = device.type == "cuda"
if cuda:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
else:
    torch.set_num_threads(plan["threads"])
torch.manual_seed(1)
torch._dynamo.config.suppress_errors = True
start = time.time()
side = plan["size"]


def say(*words):
    print(f"[{time.time() - start:7.1f}]", *words, flush=True)


def end(status):
    """Ends at once, with those who draw."""
    for child in multiprocessing.active_children():
        child.kill()
    sys.stdout.flush()
    os._exit(status)


class Unfinished:
    """Networks that are being trained, on the disk: they go on where a command was broken off."""

    def __init__(self, name, seconds, modules, optimisers, average=None):
        self.path, self.seconds, self.average = work / f"state-{name}.pt", seconds, average
        self.parts = [*modules, *optimisers]
        self.steps, self.begun = 0, time.time()
        if self.path.exists():
            state = torch.load(self.path, map_location=device, weights_only=True)
            for part, kept in zip(self.parts, state["parts"]):
                part.load_state_dict(kept)
            if average:
                average.steps = state["average_steps"]
                with torch.no_grad():
                    torch._foreach_copy_(average.mean, state["average"])
            self.steps = state["steps"]
            self.begun -= state["spent"]
            say(name, "goes on after", self.steps, "steps and", round(state["spent"]), "seconds")
        self.saved = time.time()

    def part(self):
        """The part of the time that is over; ends the command in time."""
        if time.time() - self.saved > plan["save_s"]:
            self.save()
        if time.time() - start > plan["stop_s"]:
            self.save()
            say("the time of this command is over; the same one goes on")
            end(3)
        return (time.time() - self.begun) / self.seconds

    def save(self):
        state = {"parts": [part.state_dict() for part in self.parts], "steps": self.steps, "spent": time.time() - self.begun}
        if self.average:
            state |= {"average": self.average.mean, "average_steps": self.average.steps}
        beside = self.path.with_suffix(".part")
        torch.save(state, beside)
        beside.rename(self.path)
        self.saved = time.time()

    def finish(self):
        self.path.unlink(missing_ok=True)


def half():
    return torch.autocast(device.type, torch.bfloat16, enabled=cuda)


# ---------------------------------------------------------------------- scenes
classes = json.loads(pathlib.Path(args.classes).read_text())
nouns = [entry.get("noun", entry["slug"].replace("-", " ")) for entry in classes]
LABELS = STUFF + len(nouns)


class Scenes:
    """What was drawn so far, on the card; grows while the networks learn."""

    SHAPES = {
        "images": ((3, side, side), torch.uint8), "labels": ((side, side), torch.uint8),
        "kinds": ((data.SLOTS,), torch.int16), "tints": ((data.SLOTS,), torch.int8),
        "rects": ((data.SLOTS, 4), torch.float32), "tokens": ((data.VARIANTS, data.LENGTH), torch.int16),
        "setting": ((4,), torch.int8),
    }

    def __init__(self, folder, capacity):
        self.folder, self.capacity, self.count, self.seen = folder, capacity, 0, 0
        for name, (shape, kind) in self.SHAPES.items():
            setattr(self, name, torch.zeros((capacity, *shape), dtype=kind, device=device))
        self.latents = None
        self.encode = None
        self.stickers = torch.zeros(0, dtype=torch.long, device=device)
        self.lands = torch.zeros(0, dtype=torch.long, device=device)
        self.crowds = torch.zeros(0, dtype=torch.long, device=device)

    def poll(self, most=4):
        for path in sorted(self.folder.glob("*.npz"))[:most]:
            arrays = np.load(path)
            count = len(arrays["images"])
            at = self.seen % self.capacity
            if at + count > self.capacity:
                at, self.seen = 0, 0
            for name in self.SHAPES:
                getattr(self, name)[at : at + count] = torch.from_numpy(arrays[name]).to(device)
            self.seen += count
            self.count = max(self.count, at + count)
            path.unlink()
            if self.encode:
                self.make_latents(at, at + count)
            ground = self.setting[: self.count, 2] < len(GROUNDS)
            self.stickers, self.lands = ground.nonzero()[:, 0], (~ground).nonzero()[:, 0]
            kinds = self.kinds[: self.count]
            # Three or more of the first kind: few scenes by nature, and numbers are learnt of them.
            same = ((kinds == kinds[:, :1]) & (kinds >= 0)).sum(1) >= 3
            self.crowds = same.nonzero()[:, 0]

    def make_latents(self, first, end):
        for k in range(first, end, 500):
            picture = self.images[k : min(k + 500, end)].float() / 127.5 - 1
            self.latents[k : min(k + 500, end)] = self.encode(picture).to(self.latents.dtype)

    def set_encoder(self, encode, channels, places):
        self.encode = encode
        self.latents = torch.zeros((self.capacity, channels, places, places), dtype=torch.bfloat16 if cuda else torch.float32, device=device)
        self.make_latents(0, self.count)

    def pick(self, count, stickers=0.35, crowds=0.0):
        some, many = int(count * stickers), int(count * crowds) if len(self.crowds) else 0
        a = self.stickers[torch.randint(len(self.stickers), (some,), device=device)]
        b = self.lands[torch.randint(len(self.lands), (count - some - many,), device=device)]
        c = self.crowds[torch.randint(max(len(self.crowds), 1), (many,), device=device)]
        return torch.cat([a, b, c])

    def pictures(self, rows):
        return self.images[rows].float() / 127.5 - 1


def learning_rate(part, peak, warm=0.02, least=0.01):
    if part < warm:
        return peak * max(part / warm, 0.01)
    return peak * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * (part - warm) / (1 - warm))))


class Average:
    def __init__(self, modules, decay=0.999):
        self.live = [p for m in modules for p in m.parameters()]
        self.mean = [p.detach().clone() for p in self.live]
        self.decay, self.steps = decay, 0

    @torch.no_grad()
    def update(self):
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.mean, [p.detach() for p in self.live], 1 - decay)

    @torch.no_grad()
    def swap(self):
        for live, mean in zip(self.live, self.mean):
            kept = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)


def rate_of(optimiser, value):
    for group in optimiser.param_groups:
        group["lr"] = value


# ----------------------------------------------------------------------- judge
def cell_labels(labels):
    """What each cell of 4 pixels shows: an object that fills a quarter of it before the surface behind."""
    cells = labels.long().unfold(1, 4, 4).unfold(2, 4, 4).flatten(3)
    counts = torch.zeros((*cells.shape[:3], LABELS), device=labels.device, dtype=torch.int16)
    counts.scatter_add_(3, cells, torch.ones_like(cells, dtype=torch.int16))
    part, thing = counts[..., STUFF:].max(-1)
    return torch.where(part >= 4, thing + STUFF, counts[..., :STUFF].argmax(-1))


def new_judge():
    return Judge(LABELS, len(STYLES), len(TIMES) + 1, len(PLACES) + 1, len(GROUNDS) + 1).to(device)


def judge_loss(said, wanted, setting):
    """How badly classes of cells [B, H, W], the style of things, time, place and ground were told."""
    labels, styles, *whole = (part.float() for part in said)
    thing = (wanted >= STUFF).float()
    weight = thing / thing.sum().clamp(min=1) + (1 - thing) / (1 - thing).sum().clamp(min=1)
    style = setting[:, 3, None, None].expand_as(wanted)
    loss = (F.cross_entropy(labels, wanted, reduction="none") * weight).sum()
    loss = loss + 0.5 * (F.cross_entropy(styles, style, reduction="none") * thing).sum() / thing.sum().clamp(min=1)
    return loss + sum(0.3 * F.cross_entropy(part, setting[:, k]) for k, part in enumerate(whole))


def train_judge(scenes, seconds):
    judge = new_judge()
    optimiser = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.01, fused=cuda)
    run = Unfinished("judge", seconds, [judge], [optimiser])
    steps = run.steps
    while (part := run.part()) < 1:
        if steps % 20 == 0:
            scenes.poll()
        rows = scenes.pick(plan["judge_batch"])
        picture = scenes.pictures(rows)
        picture = picture + torch.randn_like(picture) * torch.rand(len(rows), 1, 1, 1, device=device) * 0.05
        with half():
            said = judge(picture)
        loss = judge_loss(said, cell_labels(scenes.labels[rows]), scenes.setting[rows].long())
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        rate_of(optimiser, learning_rate(part, 2e-3))
        optimiser.step()
        run.steps = steps = steps + 1
        if steps % 200 == 0:
            say("judge", steps, f"loss {loss.item():.4f}", scenes.count, "scenes")
    run.finish()
    judge.steps = steps
    return judge


@torch.no_grad()
def read(judge, pictures):
    labels, times, places, grounds = [], [], [], []
    for k in range(0, len(pictures), 256):
        answer = judge(pictures[k : k + 256])
        labels.append(answer[0].softmax(1))
        times.append(answer[2].argmax(1))
        places.append(answer[3].argmax(1))
        grounds.append(answer[4].argmax(1))
    return torch.cat(labels), torch.cat(times), torch.cat(places), torch.cat(grounds)


@torch.no_grad()
def figures(judge, pictures, scenes, rows):
    """Share of what is asked that the judge finds."""
    labels, times, places, grounds = read(judge, pictures)
    kinds, setting = scenes.kinds[rows].long(), scenes.setting[rows].long()
    peak = labels[:, STUFF:].amax((2, 3))
    there = kinds >= 0
    found = peak.gather(1, kinds.clamp(min=0)) >= 0.5
    land = setting[:, 2] == len(GROUNDS)
    guess = labels.argmax(1)
    truth = cell_labels(scenes.labels[rows])
    union = [(guess == k) | (truth == k) for k in range(LABELS)]
    # Mean over classes present in each picture.
    score, count = 0.0, 0
    for k in range(LABELS):
        present = (truth == k).flatten(1).any(1)
        if present.any():
            both = ((guess == k) & (truth == k)).flatten(1).sum(1)[present].float()
            score += (both / union[k].flatten(1).sum(1)[present].float()).sum().item()
            count += int(present.sum())
    # Boxes: the cells of the class about the box against the box.
    hit, boxes = 0, 0
    size = guess.shape[1]
    centres = (torch.arange(size, device=guess.device) + 0.5) / size
    for slot in range(data.SLOTS):
        chosen = there[:, slot].nonzero()[:, 0]
        if len(chosen) == 0:
            continue
        rect = scenes.rects[rows][chosen, slot]
        shown = guess[chosen] == (kinds[chosen, slot] + STUFF)[:, None, None]
        wide, high = rect[:, 2] - rect[:, 0], rect[:, 3] - rect[:, 1]
        near = ((centres[None] > (rect[:, 0] - wide * 0.5)[:, None]) & (centres[None] < (rect[:, 2] + wide * 0.5)[:, None]))[:, None, :] & (
            (centres[None] > (rect[:, 1] - high * 0.5)[:, None]) & (centres[None] < (rect[:, 3] + high * 0.5)[:, None])
        )[:, :, None]
        shown = shown & near
        any_x, any_y = shown.any(1), shown.any(2)
        first = lambda a: a.float().argmax(1) / size
        last = lambda a: 1 - a.flip(1).float().argmax(1) / size
        got = torch.stack([first(any_x), first(any_y), last(any_x), last(any_y)], 1)
        area = lambda r: (r[:, 2] - r[:, 0]).clamp(min=0) * (r[:, 3] - r[:, 1]).clamp(min=0)
        common = torch.stack([torch.maximum(got[:, 0], rect[:, 0]), torch.maximum(got[:, 1], rect[:, 1]), torch.minimum(got[:, 2], rect[:, 2]), torch.minimum(got[:, 3], rect[:, 3])], 1)
        share = area(common) / (area(got) + area(rect) - area(common)).clamp(min=1e-6)
        hit += int(((share >= 0.5) & any_x.any(1)).sum())
        boxes += len(chosen)
    percent = lambda part, whole: f"{100 * part / max(whole, 1):.1f}"
    return {
        "objects": percent(int((found & there).sum()), int(there.sum())),
        "boxes": percent(hit, boxes),
        "miou": f"{score / max(count, 1):.3f}",
        "time": percent(int(((times == setting[:, 0]) & land).sum()), int(land.sum())),
        "place": percent(int(((places == setting[:, 1]) & land).sum()), int(land.sum())),
        "ground": percent(int(((grounds == setting[:, 2]) & ~land).sum()), int((~land).sum())),
    }


# ----------------------------------------------------------------- autoencoder
# The first two are what trials should show to be worth their time: a wider decoder, and more numbers a place.
WIDTHS = {"f8c16w": ((32, 64, 128, 128), 16), "f8c24": ((24, 48, 96, 96), 24), "f8c8": ((24, 48, 96, 96), 8), "f8c12": ((24, 48, 96, 96), 12), "f8c16": ((24, 48, 96, 96), 16), "f4c4": ((24, 48, 96), 4)}


def planes(rects, there, size):
    """1 where one of the boxes is that are there, at a size."""
    centres = (torch.arange(size, device=device) + 0.5) / size
    across = (centres > rects[..., :1]) & (centres < rects[..., 2:3]) & there[..., None]
    down = (centres > rects[..., 1:2]) & (centres < rects[..., 3:])
    return torch.einsum("bny,bnx->byx", down.float(), across.float()).clamp(max=1)[:, None]


def box_planes(scenes, rows, size, kinds=None):
    """1 where a box is, at a size: of all, or of those of which the kind is told."""
    return planes(scenes.rects[rows], (scenes.kinds[rows] if kinds is None else kinds) >= 0, size)


class RandomFeatures(nn.Module):
    """A perceptual distance on fixed random filters at three scales."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 32, 5, 2, 2), nn.Conv2d(32, 64, 3, 2, 1), nn.Conv2d(64, 96, 3, 2, 1)])
        for layer in self.layers:
            nn.init.orthogonal_(layer.weight.view(layer.weight.shape[0], -1))
        self.requires_grad_(False)

    def forward(self, x):
        out = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.2)
            out.append(x / (x.square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-3))
        return out


class Reproduce(nn.Module):
    def __init__(self, vae):
        super().__init__()
        self.vae = vae

    def forward(self, picture, noise):
        mean, logvar = self.vae.moments(picture)
        return self.vae.decode(mean + noise * (0.5 * logvar).exp()), mean, logvar


def train_autoencoder(scenes, vae, seconds, peak, adversarial_from, name, compile_it=False):
    if cuda:
        vae.to(memory_format=torch.channels_last)
    average = Average([vae], 0.999 if seconds > 60 else 0.99)
    optimiser = torch.optim.AdamW(vae.parameters(), peak, betas=(0.9, 0.99), weight_decay=0, fused=cuda)
    perceptual = RandomFeatures().to(device)
    critic = Discriminator().to(device)
    critics = torch.optim.AdamW(critic.parameters(), 4e-4, betas=(0.5, 0.9), weight_decay=0, fused=cuda)
    live = torch.compile(Reproduce(vae)) if compile_it else Reproduce(vae)
    places = side // vae.factor
    run = Unfinished(name, seconds, [vae, critic], [optimiser, critics], average)
    begun, steps = run.begun, run.steps
    while (part := run.part()) < 1:
        if steps % 20 == 0:
            scenes.poll(2)
        if steps == 3:
            say(name, "first steps done")
        rows = scenes.pick(plan["ae_batch"], 0.3)
        picture = scenes.pictures(rows)
        if cuda:
            picture = picture.contiguous(memory_format=torch.channels_last)
        weight = 1 + 7 * box_planes(scenes, rows, side)
        weight = weight / weight.mean()
        adversarial = part > adversarial_from
        with half():
            noise = torch.randn(len(rows), vae.latent, places, places, device=device)
            painted, mean, logvar = live(picture, noise)
            fake = critic(painted) if adversarial else None
            seen = [(a - b).abs().mean() for a, b in zip(perceptual(painted), perceptual(picture))]
        painted = painted.float()
        error = (painted - picture).abs()
        loss = (error * weight).mean() + 0.1 * sum(seen)
        # Edges: the differences of neighbours, which an L1 on colours forgives too easily.
        edge = lambda p: (p[..., 1:, :] - p[..., :-1, :], p[..., :, 1:] - p[..., :, :-1])
        loss = loss + 0.5 * sum(((a - b).abs() * w).mean() for a, b, w in zip(edge(painted), edge(picture), (weight[..., 1:, :], weight[..., 1:])))
        kl = 0.5 * (mean.float().square() + logvar.float().exp() - 1 - logvar.float()).mean()
        loss = loss + 1e-5 * kl
        if adversarial:
            loss = loss - 0.02 * fake.float().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        rate_of(optimiser, learning_rate(part, peak))
        optimiser.step()
        average.update()
        # The critic learns a little ahead of the time when it is listened to.
        if part > adversarial_from - 0.05 and adversarial_from < 1:
            with half():
                real, false = critic(picture), critic(painted.detach())
            loss_critic = F.relu(1 - real.float()).mean() + F.relu(1 + false.float()).mean()
            critics.zero_grad(set_to_none=True)
            loss_critic.backward()
            critics.step()
        run.steps = steps = steps + 1
        if steps % 250 == 0:
            say(name, steps, f"L1 {error.mean().item():.4f}", f"{steps * len(rows) / (time.time() - begun):.0f} pictures/s", scenes.count, "scenes")
    average.swap()
    run.finish()
    vae.steps = getattr(vae, "steps", 0) + steps
    return vae


@torch.no_grad()
def reconstruct(vae, pictures):
    out = []
    for k in range(0, len(pictures), 128):
        with half():
            mean, _ = vae.moments(pictures[k : k + 128])
            out.append(vae.decode(mean).float().clamp(-1, 1))
    return torch.cat(out)


@torch.no_grad()
def reconstruction(vae, scenes, rows, judge):
    pictures = scenes.pictures(rows)
    painted = reconstruct(vae, pictures)
    error = ((painted - pictures) * 0.5).square()
    inside = box_planes(scenes, rows, side).bool().expand_as(error)
    decibel = lambda e: f"{-10 * math.log10(e.mean().item()):.2f}"
    return {"psnr": decibel(error), "in_boxes": decibel(error[inside]), **figures(judge, painted, scenes, rows)}


class HalfEncoder:
    """Scaled latents of pictures, in bfloat16 throughout: autocast would widen every normalisation."""

    def __init__(self, vae, scale):
        import copy

        self.vae = copy.deepcopy(vae).requires_grad_(False)
        if cuda:
            self.vae = self.vae.bfloat16().to(memory_format=torch.channels_last)
        self.scale, self.factor = scale, vae.factor
        self.grey = self(torch.zeros(1, 3, side, side, device=device))

    @torch.no_grad()
    def __call__(self, pictures):
        if cuda:
            pictures = pictures.bfloat16().contiguous(memory_format=torch.channels_last)
        return self.vae.moments(pictures)[0].float().contiguous() * self.scale


def scale_of(vae, scenes, rows):
    with torch.no_grad(), half():
        mean, _ = vae.moments(scenes.pictures(rows))
    return 1.0 / mean.float().std().item()


# -------------------------------------------------------------------- denoiser
STEPS = 1000
betas = torch.linspace(0.00085**0.5, 0.02**0.5, STEPS, device=device, dtype=torch.float64).square()
alphas = torch.cumprod(1 - betas, 0).float()


class Joint(nn.Module):
    """The denoiser and what tells it what to paint."""

    def __init__(self, latent, vocabulary, widths=(96, 128, 160), heads=(0, 4, 5), width=192):
        super().__init__()
        self.latent = latent
        self.text = ClipText(vocabulary, width, 4, 4, data.LENGTH)
        self.layout = LayoutEncoder(len(nouns), len(TINTS), width, width * 2, 16)
        self.semantic = SemanticEncoder(LABELS)
        self.unet = UNet(latent * 2 + 1 + 16 + 48 + 13, latent, widths, heads, width)

    def forward(self, noisy, steps, told):
        """told: tokens, kinds, tints, rects, labels, mask, masked, small, has_small."""
        places = noisy.shape[-1]
        tokens, boxes = self.layout(told["kinds"], told["tints"], told["rects"], places)
        context = torch.cat([self.text(told["tokens"]), tokens], 1)
        semantic = self.semantic(told["shares"])
        if semantic.shape[-1] != places:
            semantic = F.interpolate(semantic, size=(places, places), mode="nearest")
        small = self.small(told["small"], told["has_small"], places)
        x = torch.cat([noisy, told["mask"], told["masked"], boxes, semantic, small], 1)
        return self.unet(x, steps, context)

    def small(self, small, has, places):
        planes = F.pixel_unshuffle(small, 2)
        planes = torch.cat([planes, torch.ones_like(planes[:, :1])], 1) * has[:, None, None, None]
        return planes if planes.shape[-1] == places else F.interpolate(planes, size=(places, places), mode="nearest")


def with_shares(joint, told):
    """Counting classes is done outside of what is compiled and differentiated."""
    with torch.no_grad():
        shares = joint.semantic.shares(told["labels"], told["labels"].shape[1] // 8)
    return {**{name: value for name, value in told.items() if name != "labels"}, "shares": shares}


def picture_masks(scenes, rows):
    """Where the picture is painted anew, 1 or 0, at the size of the picture."""
    count = len(rows)
    grid = (torch.arange(side, device=device) + 0.5) / side
    y, x = grid[None, :, None], grid[None, None, :]
    u = lambda *shape: torch.rand(*shape, device=device)
    shape = lambda: u(count, 1, 1)
    # One to three ellipses or rectangles, a half plane, or about an object.
    blob = torch.zeros(count, side, side, dtype=torch.bool, device=device)
    for k in range(3):
        cx, cy, rx, ry, turn = shape(), shape(), 0.05 + 0.3 * shape(), 0.05 + 0.3 * shape(), shape() * math.pi
        dx, dy = x - cx, y - cy
        a, b = (dx * turn.cos() + dy * turn.sin()) / rx, (dy * turn.cos() - dx * turn.sin()) / ry
        one = torch.where(shape() < 0.5, a * a + b * b < 1, (a.abs() < 0.8) & (b.abs() < 0.8))
        blob |= one & ((shape() < 0.5) if k else True)
    turn, at = shape() * 2 * math.pi, 0.2 + 0.6 * shape()
    plane = (x - 0.5) * turn.cos() + (y - 0.5) * turn.sin() > at - 0.5
    rects, there = scenes.rects[rows], scenes.kinds[rows] >= 0
    # The first object: as good as any, since objects are sorted by their feet.
    slot = (u(count) * there.sum(1).clamp(min=1)).long()
    rect = rects[torch.arange(count, device=device), slot]
    grow = 0.02 + 0.1 * u(count)
    about = (
        (x > (rect[:, 0] - grow)[:, None, None]) & (x < (rect[:, 2] + grow)[:, None, None])
        & (y > (rect[:, 1] - grow)[:, None, None]) & (y < (rect[:, 3] + grow)[:, None, None])
    )
    choice = shape()
    about_ok = there.any(1)[:, None, None]
    mask = torch.where((choice < 0.5) & about_ok, about, torch.where(choice < 0.9, blob, plane))
    return mask.float()[:, None]


def latent_mask(mask, factor):
    first = mask[:, :, ::factor, ::factor]
    touched = F.max_pool2d(mask, factor)
    lost = F.max_pool2d(first, 3, 1, 1) == 0
    return torch.maximum(first, touched * lost)


def coarse_labels(labels):
    """Label maps as people paint them: some classes only, coarse, objects left out or painted over."""
    count = len(labels)
    u = torch.rand(count, 1, 1, device=device)
    thing = labels >= STUFF
    # Objects painted over by what is left and right of them.
    place = torch.arange(side, device=device).expand_as(labels)
    def swept(flip):
        at = torch.where(thing, -1, place) if not flip else torch.where(thing.flip(2), -1, place)
        return at.cummax(2).values
    left, right = swept(False), swept(True)
    values = torch.where(left >= 0, labels.gather(2, left.clamp(min=0)), labels.flip(2).gather(2, right.clamp(min=0)).flip(2))
    covered = torch.where((left >= 0) | (right.flip(2) >= 0), values, 255)
    labels = torch.where(thing & (u < 0.3), covered, torch.where(thing & (u < 0.6), 255, labels))
    # Coarser, by steps of another grid.
    step = 2 + torch.randint(0, 10, (count, 1, 1), device=device)
    shift_x, shift_y = torch.randint(0, 12, (2, count, 1, 1), device=device)
    axis = torch.arange(side, device=device)
    snap = lambda a, shift: ((a + shift) // step * step + step // 2 - shift).clamp(0, side - 1)
    x, y = snap(axis[None, None, :], shift_x), snap(axis[None, :, None], shift_y)
    rough = labels[torch.arange(count, device=device)[:, None, None], y.expand(count, side, 1), x.expand(count, 1, side)]
    labels = torch.where(torch.rand(count, 1, 1, device=device) < 0.4, rough, labels)
    # Some classes only.
    kept = torch.rand(count, 256, device=device) < 0.55
    kept = kept.gather(1, labels.flatten(1).long()).view_as(labels)
    labels = torch.where(kept | (torch.rand(count, 1, 1, device=device) < 0.65), labels, 255)
    # And a part only.
    box = torch.rand(count, 4, 1, 1, device=device)
    grid = (torch.arange(side, device=device) + 0.5) / side
    inside = ((grid[None, None, :] - box[:, 0]).abs() < 0.1 + 0.4 * box[:, 2]) & ((grid[None, :, None] - box[:, 1]).abs() < 0.1 + 0.4 * box[:, 3])
    some = torch.rand(count, 1, 1, device=device) < 0.15
    return torch.where(some & ~inside, 255, labels)


SHARES = {
    "nothing": 0.1, "text": 0.78, "captions": (0.5, 0.18, 0.08, 0.12, 0.12), "boxes": 0.5, "all_boxes": 0.65, "map": 0.42, "small": 0.12,
    "repaint": 0.4,
}


def tell(scenes, rows, encode, empty, **shares):
    """What is told of scenes, each condition dropped at random, by SHARES or others."""
    share, count = {**SHARES, **shares}, len(rows)
    chance = lambda p: torch.rand(count, device=device) < p
    nothing = chance(share["nothing"])
    variant = torch.multinomial(torch.tensor(share["captions"], device=device), count, True)
    tokens = scenes.tokens[rows].long()[torch.arange(count, device=device), variant]
    has_text = chance(share["text"]) & ~nothing
    tokens = torch.where(has_text[:, None], tokens, empty)
    has_boxes = chance(share["boxes"]) & ~nothing
    kinds = scenes.kinds[rows].long()
    kept = (torch.rand(count, data.SLOTS, device=device) < 0.6) | chance(share["all_boxes"])[:, None]
    kinds = torch.where(has_boxes[:, None] & kept, kinds, -1)
    # Hands draw boxes a little off.
    rects = scenes.rects[rows] + torch.randn(count, data.SLOTS, 4, device=device) * 0.012
    tints = torch.where(chance(0.7)[:, None], scenes.tints[rows].long(), 0)
    has_map = chance(share["map"]) & ~nothing
    labels = torch.where(has_map[:, None, None], coarse_labels(scenes.labels[rows]), 255)
    has_small = chance(share["small"]) & ~nothing
    pictures = scenes.pictures(rows)
    small = F.interpolate(pictures, size=(32, 32), mode="bicubic", antialias=True).clamp(-1, 1)
    repaint = torch.randperm(count, device=device)[: int(count * share["repaint"])]
    mask = torch.ones(count, 1, side, side, device=device)
    mask[repaint] = picture_masks(scenes, rows[repaint])
    masked = encode.grey.repeat(count, 1, 1, 1)
    masked[repaint] = encode(pictures[repaint] * (1 - mask[repaint]))
    return {
        "tokens": tokens, "kinds": kinds, "tints": tints, "rects": rects, "labels": labels, "small": small,
        "has_small": has_small.float(), "mask": latent_mask(mask, encode.factor), "masked": masked,
    }


def asked(scenes, rows, vae, scale, empty, tasks):
    """What is told of scenes to paint them: all of the named conditions, nothing else."""
    count = len(rows)
    grey = torch.zeros(count, 3, side, side, device=device)
    mask = torch.ones(count, 1, side, side, device=device)
    pictures = scenes.pictures(rows)
    if "inpaint" in tasks:
        rect = scenes.rects[rows][:, 0]
        grid = (torch.arange(side, device=device) + 0.5) / side
        mask = (
            (grid[None, None, :] > rect[:, 0, None, None] - 0.04) & (grid[None, None, :] < rect[:, 2, None, None] + 0.04)
            & (grid[None, :, None] > rect[:, 1, None, None] - 0.04) & (grid[None, :, None] < rect[:, 3, None, None] + 0.04)
        ).float()[:, None]
        grey = pictures * (1 - mask)
    with torch.no_grad(), half():
        masked = vae.moments(grey)[0].float() * scale
    return {
        "tokens": scenes.tokens[rows].long()[:, 0] if "text" in tasks else empty.expand(count, -1),
        "kinds": scenes.kinds[rows].long() if "layout" in tasks else torch.full((count, data.SLOTS), -1, device=device),
        "tints": scenes.tints[rows].long(), "rects": scenes.rects[rows],
        "labels": scenes.labels[rows] if "semantic" in tasks else torch.full((count, side, side), 255, dtype=torch.uint8, device=device),
        "small": F.interpolate(pictures, size=(32, 32), mode="bicubic", antialias=True).clamp(-1, 1),
        "has_small": torch.full((count,), float("small" in tasks), device=device),
        "mask": latent_mask(mask, vae.factor), "masked": masked,
    }


@torch.no_grad()
def sample(joint, x, told, empty, times, guidance=4.0):
    """DDIM from latents with the noise of the first of the times to those of the last."""
    count = len(told["tokens"])
    bare = {**told, "tokens": empty.expand(count, -1), "kinds": torch.full_like(told["kinds"], -1), "labels": torch.full_like(told["labels"], 255)}
    both = with_shares(joint, {name: torch.cat([bare[name], told[name]]) for name in told})
    for now, then in zip(times[:-1], times[1:]):
        a, b = alphas[now], alphas[then] if then > 0 else torch.tensor(1.0, device=device)
        with half():
            v = joint(torch.cat([x, x]), now.expand(count * 2), both).float()
        bare_v, told_v = v.chunk(2)
        v = bare_v + guidance * (told_v - bare_v)
        clean = a.sqrt() * x - (1 - a).sqrt() * v
        noise = a.sqrt() * v + (1 - a).sqrt() * x
        x = b.sqrt() * clean + (1 - b).sqrt() * noise
    return x


def times_from(first, steps):
    return torch.linspace(first, 0, steps + 1, device=device).round().long()


@torch.no_grad()
def paint(joint, vae, scale, told, empty, steps=20, guidance=4.0):
    places = side // vae.factor
    x = torch.randn(len(told["tokens"]), vae.latent, places, places, device=device)
    x = sample(joint, x, told, empty, times_from(STEPS - 1, steps), guidance)
    with half():
        return vae.decode(x / scale).float().clamp(-1, 1)


def train_joint(scenes, vae, scale, encode, joint, empty, seconds, peak, name, compile_it):
    average = Average([joint], 0.9995 if seconds > 200 else 0.995)
    optimiser = torch.optim.AdamW(joint.parameters(), peak, betas=(0.9, 0.99), weight_decay=0.01, fused=cuda)
    if cuda:
        joint.unet.to(memory_format=torch.channels_last)
    live = torch.compile(joint) if compile_it else joint
    batch = plan["unet_batch"]
    run = Unfinished(name, seconds, [joint], [optimiser], average)
    begun, steps = run.begun, run.steps
    losses = []
    while (part := run.part()) < 1:
        if steps % 10 == 0:
            scenes.poll(1)
        if steps == 3:
            say(name, "first steps done")
        rows = scenes.pick(batch, 0.3, 0.1)
        told = tell(scenes, rows, encode, empty)
        latents = scenes.latents[rows].float()
        # Most of what decides about objects is decided at middling noise.
        when = (torch.sigmoid(torch.randn(batch, device=device) * 1.3 - 0.3) * STEPS).long().clamp(0, STEPS - 1)
        when = torch.where(torch.rand(batch, device=device) < 0.1, torch.randint(0, STEPS, (batch,), device=device), when)
        a = alphas[when][:, None, None, None]
        noise = torch.randn_like(latents)
        noisy = a.sqrt() * latents + (1 - a).sqrt() * noise
        wanted = a.sqrt() * noise - (1 - a).sqrt() * latents
        weight = 1 + 5 * box_planes(scenes, rows, latents.shape[-1])
        # What is kept needs no learning: it is pasted back.
        weight = weight * (0.2 + 0.8 * told["mask"])
        weight = weight / weight.mean()
        with half():
            said = live(noisy, when, with_shares(joint, told))
        loss = ((said.float() - wanted).square() * weight).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(joint.parameters(), 1.0)
        rate_of(optimiser, learning_rate(part, peak))
        optimiser.step()
        average.update()
        run.steps = steps = steps + 1
        if steps % 100 == 0:
            losses.append(loss.item())
            if steps % 200 == 0:
                say(name, steps, f"loss {np.mean(losses[-5:]):.4f}", f"{steps * batch / (time.time() - begun):.0f} pictures/s", scenes.count, "scenes")
    average.swap()
    run.finish()
    joint.steps = steps
    return joint


def half_weights(module, prefix=""):
    return {prefix + name: value.detach().half().contiguous().cpu() for name, value in module.state_dict().items()}


def write(vae=None, scale=None, joint=None, judge=None):
    if vae is not None:
        save_file(half_weights(vae), work / "vae.safetensors")
        (work / "vae.json").write_text(json.dumps({"scale": scale, "widths": vae.widths, "latent": vae.latent, "steps": getattr(vae, "steps", 0)}))
    if joint is not None:
        save_file(half_weights(joint.unet), work / "unet.safetensors")
        save_file(half_weights(joint.text, "text_model."), work / "text_encoder.safetensors")
        save_file(half_weights(joint.layout), work / "layout_encoder.safetensors")
        save_file(half_weights(joint.semantic), work / "semantic_encoder.safetensors")
    if judge is not None:
        save_file(half_weights(judge), work / "judge.safetensors")


def kept(part):
    """Weights that an earlier command has finished."""
    return {name.removeprefix("text_model.") if part == "text_encoder" else name: value.float() for name, value in load_file(work / f"{part}.safetensors", device=str(device)).items()}


def begin_with(model, judge_folder):
    """The weights of a model folder and of a judge, as if commands before had made them."""
    names = {"vae": "vae/diffusion_pytorch_model", "unet": "unet/diffusion_pytorch_model", "text_encoder": "text_encoder/model",
             "layout_encoder": "layout_encoder/diffusion_pytorch_model", "semantic_encoder": "semantic_encoder/diffusion_pytorch_model"}
    for part, name in names.items():
        shutil.copyfile(pathlib.Path(model) / f"{name}.safetensors", work / f"{part}.safetensors")
    config = json.loads((pathlib.Path(model) / "vae/config.json").read_text())
    about = {"scale": config["scaling_factor"], "widths": config["block_out_channels"], "latent": config["latent_channels"], "steps": 0}
    (work / "vae.json").write_text(json.dumps(about))
    shutil.copyfile(pathlib.Path(judge_folder) / "judge.safetensors", work / "judge.safetensors")


def sheet(pictures, path, columns=16):
    from PIL import Image

    columns = min(columns, len(pictures))
    rows = len(pictures) // columns
    grid = ((pictures[: rows * columns] + 1) * 127.5).round().byte().cpu().view(rows, columns, 3, side, side)
    Image.fromarray(grid.permute(0, 3, 1, 4, 2).reshape(rows * side, columns * side, 3).numpy()).save(path, quality=88)


def evaluate(joint, vae, scale, scenes, judge, empty, rows, name, tasks, pictures=0):
    for task in tasks:
        told = asked(scenes, rows, vae, scale, empty, task)
        guidance = 1.0 if task == ("small",) else 4.0
        painted = torch.cat([paint(joint, vae, scale, {k: v[i : i + 256] for k, v in told.items()}, empty, guidance=guidance) for i in range(0, len(rows), 256)])
        say(name, "+".join(task), figures(judge, painted, scenes, rows))
        if pictures:
            sheet(painted[:pictures], work / f"{name}-{'-'.join(task)}.jpg")


# --------------------------------------------------------------------- the run
def main():
    words = data.Words(args.tokenizer)
    vocabulary = len(words.ids)
    empty = torch.tensor(words.encode(""), device=device)[None]
    folder = work / "chunks"
    folder.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    common = (args.velatura, side, plan["chunk"], str(folder), args.tokenizer, STUFF, TINTS, plan["pending"])
    # Every command draws scenes that none before it has drawn.
    commands = work / "commands"
    begun = int(commands.read_text()) if commands.exists() else 0
    commands.write_text(str(begun + 1))
    first_seed = 1000 + begun * 100_000
    for unread in [*folder.glob("*.npz"), *folder.glob("*.part")]:
        unread.unlink()
    for number in range(plan["workers"]):
        context.Process(target=data.produce, args=(number, plan["workers"], first_seed, *common), daemon=True).start()
    scenes = Scenes(folder, plan["capacity"])
    while scenes.count < plan["first"]:
        scenes.poll()
        time.sleep(0.05)
    say(scenes.count, "scenes;", len(nouns), "kinds of objects;", vocabulary, "tokens")
    if args.start and not (work / "vae.json").exists():
        begin_with(args.start, args.judge_folder)
    if (work / "judge.safetensors").exists():
        judge = new_judge()
        judge.load_state_dict(kept("judge"))
        judge.steps = 0
    else:
        judge = train_judge(scenes, plan["judge_s"])
        write(judge=judge)
    judge.eval().requires_grad_(False)
    # The newest scenes, which the judge has hardly seen, stand for unseen ones here.
    scenes.poll(8)
    rows = torch.arange(scenes.count - plan["evaluate"], scenes.count, device=device)
    say("judge", judge.steps, "steps; real scenes", figures(judge, scenes.pictures(rows), scenes, rows))
    about = work / "vae.json"
    has_vae = about.exists()
    tried = work / "trials.json"
    scores = json.loads(tried.read_text()) if tried.exists() else {}
    for name in plan["trials"] if not has_vae else []:
        if name in scores:
            continue
        widths, latent = WIDTHS[name]
        torch.manual_seed(1)
        vae = AutoencoderKL(widths, latent).to(device)
        train_autoencoder(scenes, vae, plan["trial_ae_s"], 1e-3, 2.0, name)
        found = reconstruction(vae, scenes, rows, judge)
        scores[name] = float(found["in_boxes"])
        tried.write_text(json.dumps(scores))
        say("TRIAL", name, vae.steps, "steps", found)
    if has_vae:
        known = json.loads(about.read_text())
        vae, scale = AutoencoderKL(tuple(known["widths"]), known["latent"]).to(device), known["scale"]
        vae.load_state_dict(kept("vae"))
        vae.requires_grad_(False)
    else:
        # By what is seen of objects, at an eighth of the side: the denoiser pays for places.
        eights = {name: score for name, score in scores.items() if name.startswith("f8")}
        choice = plan["choice"] or max(eights, key=eights.get)
        say("CHOICE", choice, scores)
        torch.manual_seed(1)
        vae = AutoencoderKL(*WIDTHS[choice]).to(device)
        train_autoencoder(scenes, vae, plan["ae_s"], 8e-4, 0.4, f"autoencoder-{choice}", plan["compile"])
        vae.requires_grad_(False)
        scale = scale_of(vae, scenes, rows)
        say("AUTOENCODER", vae.steps, "steps", reconstruction(vae, scenes, rows, judge), "scale", scale)
        sheet(torch.cat([scenes.pictures(rows[:32]), reconstruct(vae, scenes.pictures(rows[:32]))]), work / "reconstruction.jpg")
        write(vae=vae, scale=scale)
    encode = HalfEncoder(vae, scale)
    scenes.set_encoder(encode, vae.latent, side // vae.factor)
    torch.manual_seed(2)
    joint = Joint(vae.latent, vocabulary).to(device)
    if args.start or (work / "DONE").exists():
        for part, module in (("unet", joint.unet), ("text_encoder", joint.text), ("layout_encoder", joint.layout), ("semantic_encoder", joint.semantic)):
            module.load_state_dict(kept(part))
        joint.steps = 0
    if not (work / "DONE").exists():
        train_joint(scenes, vae, scale, encode, joint, empty, plan["unet_s"], plan["unet_peak"], "joint", plan["compile"])
        write(vae=vae, scale=scale, joint=joint)
    say("JOINT", joint.steps, "steps of", plan["unet_batch"], "scenes:", scenes.count)
    (work / "DONE").write_text("weights")
    if time.time() - start > plan["stop_s"] - 120:
        say("figures are made by the next command, the same one")
        end(3)
    evaluate(joint, vae, scale, scenes, judge, empty, rows, "final",
             [("text",), ("text", "layout"), ("layout",), ("semantic",), ("text", "semantic"), ("layout", "semantic"), ("text", "inpaint"), ("small",)], 64)
    (work / "DONE").write_text("all")
    say("done")


if __name__ == "__main__":
    main()
    end(0)
