"""Teaches the decoder to keep what things are known by, on a processor; latents stay as they are.

    python decoder.py --velatura PROGRAM --tokenizer FOLDER --classes classes.json --work FOLDER \\
        --start assets/models/storybook --judge-folder assets/judge --device cpu

An autoencoder that learnt by distances of pixels and a critic is sharp and not always right: of what
can be told in a scene, some cannot in what it gives back. So a network first learns to tell from pixels
what a scene shows: of the judge's form, but with other weights and of other scenes; the judge takes no part. Then the
decoder learns on, so that what that network sees within a picture is what it saw within the scene. (A perceptual loss as
arXiv 1603.08155's, by a network of these pictures.) Half of its latents are those of scenes; the
others were given noise and painted anew by the denoiser, in scenes' own places: of these only what
they show is asked, not their pixels.

Scenes lie in FOLDER/scenes as refine.py's; `eye.pt`, `repainted.npz` and `decoder.pt` hold what was made, and
`vae.safetensors` what assemble.py takes. Every command begins where the last one has written these.
"""

import argparse
import multiprocessing
import os
import sys
import time

parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("--eye-minutes", type=float, default=28)
parser.add_argument("--repainted", type=int, default=4000, help="scenes of which the denoiser paints latents anew")
parser.add_argument("--minutes", type=float, default=46)
parser.add_argument("--seed", type=int, default=0)
args, rest = parser.parse_known_args()
sys.argv = [sys.argv[0], *rest]

import numpy as np
import torch
import torch.nn.functional as F

import data
import refine
import run

EYE_BATCH, BATCH = 64, 16
# Rewards of what is seen and distances of pixels pull as strongly at a picture.
SHARE = 1.0


def half():
    return torch.autocast("cpu", torch.bfloat16)


def channels_last(pictures):
    return pictures.contiguous(memory_format=torch.channels_last)


# ------------------------------------------------------------------------- eye
def veiled(pictures, others=()):
    """Pictures, and others in the same way: moved by up to a pixel, under noise; so that no single pixel tells anything."""
    count = len(pictures)
    theta = torch.eye(2, 3).repeat(count, 1, 1)
    theta[:, :, 2] = (torch.rand(count, 2) * 2 - 1) * 2 / run.side
    grid = F.affine_grid(theta, pictures.shape, align_corners=False)
    noise = torch.randn_like(pictures) * torch.rand(count, 1, 1, 1) * 0.08
    moved = lambda p: channels_last(F.grid_sample(p, grid, padding_mode="border", align_corners=False) + noise)
    return [moved(p) for p in (pictures, *others)]


def train_eye(scenes, minutes):
    eye = run.new_judge().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(eye.parameters(), 2e-3, weight_decay=0.01)
    average = run.Average([eye], 0.998)
    begun, steps = time.time(), 0
    while (part := (time.time() - begun) / 60 / minutes) < 1:
        rows = torch.randint(refine.KEPT_BACK, scenes.count, (EYE_BATCH,))
        (pictures,) = veiled(scenes.pictures(rows))
        with half():
            said = eye(pictures)
        loss = run.judge_loss(said, scenes.cells[rows].long(), scenes.setting[rows].long())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(eye.parameters(), 1.0)
        run.rate_of(optimiser, run.learning_rate(part, 2e-3))
        optimiser.step()
        average.update()
        steps += 1
        if steps % 100 == 0:
            run.say("eye", steps, f"loss {loss.item():.3f}", f"{steps * EYE_BATCH / (time.time() - begun):.0f} pictures/s")
    average.swap()
    return eye


def inner(eye, pictures):
    """What the eye sees within, layer after layer, and what it says."""
    kept = []
    names = ("fine", "middle", "coarse_2", "deep_2", "joined")
    hooks = [getattr(eye, name).register_forward_hook(lambda _, __, out: kept.append(out)) for name in names]
    with half():
        said = eye(pictures)
    for hook in hooks:
        hook.remove()
    return [layer.float() / (layer.float().square().mean((1, 2, 3), keepdim=True).sqrt() + 1e-3) for layer in kept], said


def seen_loss(eye, painted, pictures, things, cells, setting, is_aligned):
    """How far what is seen in painted pictures is from what is seen in scenes; things weigh more."""
    (painted, pictures) = veiled(painted, [pictures])
    layers, said = inner(eye, painted)
    with torch.no_grad():
        wanted, _ = inner(eye, pictures)
    far = 0.0
    for layer, want in zip(layers, wanted):
        weight = 1 + 5 * F.adaptive_avg_pool2d(things, layer.shape[-1])
        far = far + ((layer - want).square() * weight * is_aligned / weight.mean()).mean()
    labels, styles, *_ = said
    thing = (cells >= run.STUFF).float()
    weight = refine.evenly(thing, cells)
    kind = (F.cross_entropy(labels.float(), cells, reduction="none").clamp(max=6) * weight).sum() / weight.sum().clamp(min=1)
    style = F.cross_entropy(styles.float(), refine.as_cells(setting[:, 3], cells), reduction="none").clamp(max=6)
    return far + 0.3 * kind + 0.2 * (style * thing).sum() / thing.sum().clamp(min=1)


# ------------------------------------------------------------------- repainted
@torch.no_grad()
def repaint(scenes, vae, scale, words, empty, count):
    """Latents of scenes that the denoiser painted anew from under noise, told words and boxes."""
    joint = run.Joint(vae.latent, len(words.ids)).eval()
    for part, module in (("unet", joint.unet), ("text_encoder", joint.text), ("layout_encoder", joint.layout), ("semantic_encoder", joint.semantic)):
        module.load_state_dict(run.kept(part))
    rows = torch.arange(refine.KEPT_BACK, refine.KEPT_BACK + count)
    out, begun = [], time.time()
    for some in rows.split(40):
        latents = scenes.latents[some].float()
        times = run.times_from(int(torch.randint(300, 600, ())), 5)
        noisy = refine.noised(latents, times[:1].expand(len(some)))
        told = run.asked(scenes, some, vae, scale, empty, ("text", "layout"))
        out.append(run.sample(joint, noisy, told, empty, times))
    run.say("repainted", count, f"{count / (time.time() - begun):.1f} a second")
    return torch.cat(out).half()


# --------------------------------------------------------------------- decoder
def pixel_loss(painted, pictures, things):
    """L1, squares, and L1 of the differences of neighbours; eight times as heavy in boxes. For each picture."""
    weight = 1 + 7 * things
    weight = weight / weight.mean()
    error = painted - pictures
    edges = ((error.diff(dim=2).abs() * weight[..., 1:, :]).mean((1, 2, 3)), (error.diff(dim=3).abs() * weight[..., 1:]).mean((1, 2, 3)))
    return ((error.abs() + 2 * error.square()) * weight).mean((1, 2, 3)) + 0.5 * sum(edges)


def teach(vae, eye, scenes, repainted, scale, minutes, peak=4e-4):
    vae.encoder.requires_grad_(False)
    vae.quant_conv.requires_grad_(False)
    live = [*vae.decoder.parameters(), *vae.post_quant_conv.parameters()]
    for value in live:
        value.requires_grad_(True)
    optimiser = torch.optim.AdamW(live, peak, betas=(0.9, 0.99), weight_decay=0)
    average = run.Average([vae.decoder, vae.post_quant_conv], 0.995)
    decode = torch.compile(vae.decode)
    begun, steps, lengths, told = time.time(), 0, [], []
    is_aligned = (torch.arange(BATCH) < BATCH // 2).float()
    while (part := (time.time() - begun) / 60 / minutes) < 1:
        rows = torch.randint(refine.KEPT_BACK, scenes.count, (BATCH,))
        again = torch.randint(len(repainted), (BATCH // 2,))
        rows[BATCH // 2 :] = refine.KEPT_BACK + again
        latents = torch.cat([scenes.latents[rows[: BATCH // 2]], repainted[again]]).float() / scale
        pictures, things = channels_last(scenes.pictures(rows)), run.box_planes(scenes, rows, run.side)
        with half():
            painted = decode(channels_last(latents)).float()
        pixels = (pixel_loss(painted, pictures, things) * (0.1 + 0.9 * is_aligned)).mean()
        seen = seen_loss(eye, painted, pictures, things, scenes.cells[rows].long(), scenes.setting[rows].long(), (0.2 + 0.8 * is_aligned)[:, None, None, None])
        if len(lengths) < 8:
            lengths.append([torch.autograd.grad(loss, painted, retain_graph=True)[0].norm().item() for loss in (pixels, seen)])
            balance = SHARE * np.divide(*np.mean(lengths, 0))
        optimiser.zero_grad()
        (pixels + balance * seen).backward()
        torch.nn.utils.clip_grad_norm_(live, 1.0)
        run.rate_of(optimiser, peak * min(1, (steps + 1) / 30) * (1 - 0.95 * part))
        optimiser.step()
        average.update()
        steps += 1
        told.append((pixels.item(), seen.item()))
        if steps % 100 == 0:
            run.say("decoder", steps, "pixels {:.4f} seen {:.3f}".format(*np.mean(told[-100:], 0)), f"{steps * BATCH / (time.time() - begun):.1f} pictures/s")
        if steps % 500 == 0:
            average.swap()
            keep(vae)
            average.swap()
    average.swap()
    vae.steps = steps


def keep(vae):
    beside = run.work / "decoder.part"
    torch.save(vae.state_dict(), beside)
    os.replace(beside, run.work / "decoder.pt")


def tried(vae, scenes, eye, name):
    """Of scenes that nothing here learnt from."""
    rows = torch.arange(refine.KEPT_BACK)
    run.say(name, run.reconstruction(vae, scenes, rows, eye))


def main():
    words = data.Words(run.args.tokenizer)
    empty = torch.tensor(words.encode(""))[None]
    if not (run.work / "vae.json").exists():
        run.begin_with(run.args.start, run.args.judge_folder)
    about = run.json.loads((run.work / "vae.json").read_text())
    vae, scale = run.AutoencoderKL(tuple(about["widths"]), about["latent"]), about["scale"]
    vae.load_state_dict(run.kept("vae"))
    vae.requires_grad_(False).to(memory_format=torch.channels_last)
    folder = run.work / "scenes"
    folder.mkdir(exist_ok=True)
    seeds = range(refine.args.first_seed, refine.args.first_seed + -(-refine.args.scenes // refine.CHUNK))
    with multiprocessing.get_context("fork").Pool(run.plan["threads"]) as pool:
        pool.starmap(refine.draw, [(seed, words, vae, scale, folder) for seed in seeds], chunksize=1)
    scenes = refine.Drawn(folder)
    run.say(scenes.count, "scenes")
    torch.manual_seed(200 + args.seed)
    seen = run.work / "eye.pt"
    if seen.exists():
        eye = run.new_judge().to(memory_format=torch.channels_last)
        eye.load_state_dict(torch.load(seen, weights_only=True))
    else:
        eye = train_eye(scenes, args.eye_minutes)
        torch.save(eye.state_dict(), seen)
    eye.eval().requires_grad_(False)
    rows = torch.arange(refine.KEPT_BACK)
    run.say("scenes as they are", run.figures(eye, scenes.pictures(rows), scenes, rows))
    again = run.work / "repainted.npz"
    if not again.exists():
        np.savez(again, latents=repaint(scenes, vae, scale, words, empty, args.repainted).numpy())
    repainted = torch.from_numpy(np.load(again)["latents"])
    taught = run.work / "decoder.pt"
    if taught.exists():
        vae.load_state_dict(torch.load(taught, weights_only=True))
    tried(vae, scenes, eye, "before")
    torch.manual_seed(args.seed)
    teach(vae, eye, scenes, repainted, scale, args.minutes)
    keep(vae)
    tried(vae, scenes, eye, "after")
    run.write(vae=vae, scale=scale)


if __name__ == "__main__":
    main()
