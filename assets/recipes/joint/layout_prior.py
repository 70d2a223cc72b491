"""Teaches a layout prior where the things of a caption lie, so that words alone can be told as boxes.

    python layout_prior.py --scenes FOLDER [FOLDER ...] --tokenizer FOLDER --classes classes.json --out FOLDER

FOLDERs are what `velatura scenes --size 128` drew (seeds below 900,000,000); only their JSON is read.
The prior is one causal transformer of CLIP's form that goes on from the words of a caption with the
objects that they name, in their order, six tokens each: class, colour, middle across and down, width,
height (as LayoutTransformer does, Gupta et al. 2021, arXiv 2006.14615). The table of tokens is the last
layer too.

A state lies in FOLDER while it learns: the same command goes on where one was broken off.
"""

import argparse
import json
import math
import os
import pathlib
import random
import re
import time

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

import data
from networks import ClipText

parser = argparse.ArgumentParser()
parser.add_argument("--scenes", nargs="+", required=True)
parser.add_argument("--tokenizer", required=True)
parser.add_argument("--classes", required=True)
parser.add_argument("--out", required=True)
parser.add_argument("--minutes", type=float, default=40)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--threads", type=int, default=1)
args = parser.parse_args()
torch.set_num_threads(args.threads)
torch.manual_seed(1)
dice = random.Random(1)
out = pathlib.Path(args.out)
out.mkdir(parents=True, exist_ok=True)

TINTS = ["red", "orange", "yellow", "green", "blue", "purple", "pink"]
STUFF = 12
BINS = 64
MOST_OBJECTS = 12
WIDTH, LAYERS, HEADS = 128, 5, 4
LENGTH = data.LENGTH + 6 * MOST_OBJECTS + 1
NUMBERS = ["no", "one", "two", "three", "four", "five", "six"]
# Scenes that are kept for the figures at the end.
HELD_OUT = 1000
# Parts of an object that are seen at least: boxes of hidden ones are no example.
LEAST_VISIBLE = 0.6
# Parts of a box that another one covers; more is hard to paint, and is rarely shown.
MOST_OVERLAP = 0.15
# Pixels below which an object is hard to paint, and is rarely shown.
SMALL_PX = 24

words = data.Words(args.tokenizer)
classes = json.loads(pathlib.Path(args.classes).read_text())
nouns = [entry.get("noun", entry["slug"].replace("-", " ")) for entry in classes]
plurals = [entry.get("plural", noun + "s") for entry, noun in zip(classes, nouns)]
CLASS = len(words.ids)
COLOUR = CLASS + len(nouns)
PLACE = COLOUR + len(TINTS) + 1
VOCABULARY = PLACE + 4 * BINS
END = words.end
# Nouns that no class has: nothing is placed for them.
UNKNOWN = [noun for noun in (
    "wizard dragon robot king queen princess knight mermaid unicorn lion wolf bear monkey crocodile kangaroo panda child "
    "boy girl man woman people person baby river road street city forest garden field window door wall table lamp phone "
    "computer camera piano drum sword ring bottle glass plate fork spoon knife bed bench ladder rope chain wheel engine "
    "statue bridge fountain fence gate roof stone rock shell flag letter stamp coin bag shoe glove coat shirt scarf button "
    "pencil brush paint paper pizza bread soup tea coffee milk rice salad sausage lemon grape peach onion potato tomato"
).split() if noun not in nouns]
# What places are told by, and sizes: those who write may use these words.
PLACING = (
    "to the left right of next beside above over below under in front behind on side middle center foreground background far away "
    "distance big large huge small little tiny"
).split()
# What is said of things and moves none of them.
ADJECTIVES = (
    "cute sunny lovely happy sad old new young funny pretty beautiful fluffy shiny wooden golden dark bright round sleepy friendly "
    "tall wild magic cosy fresh sweet strange famous plain"
).split()


def most_overlap(objects):
    """The most that any box shares with another one, as a part of the smaller of both."""
    most = 0.0
    for k, (_, _, x, y, w, h, _) in enumerate(objects):
        for _, _, u, v, a, b, _ in objects[:k]:
            across = min(x + w / 2, u + a / 2) - max(x - w / 2, u - a / 2)
            down = min(y + h / 2, v + b / 2) - max(y - h / 2, v - b / 2)
            most = max(most, max(across, 0) * max(down, 0) / min(w * h, a * b))
    return most


def article(word):
    return "an" if word[0] in "aeiou" else "a"


def group(kind, tint, count, size=""):
    noun = nouns[kind] if count == 1 else plurals[kind]
    said = " ".join(part for part in (size, tint, noun) if part)
    return f"{article(said)} {said}" if count == 1 else f"{NUMBERS[count]} {said}"


def listed(parts):
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + dice.choice([" and ", " and ", ", "]) + parts[-1]


def load(folder):
    scenes = []
    for path in sorted(pathlib.Path(folder).glob("[0-9]*.json")):
        about = json.loads(path.read_text())
        side = about["image"]["width"]
        objects = []
        for item in about["annotations"]:
            x, y, w, h = (edge / side for edge in item["bbox"])
            objects.append((item["category_id"] - STUFF, item["colour"] or "", x + w / 2, y + h / 2, w, h, item["visible"]))
        if 0 < len(objects) <= MOST_OBJECTS:
            scenes.append((about["caption"], about["partial_captions"][2], about["scene"], objects))
    return scenes


def setting(scene):
    """Where, when and in which style, each said or not."""
    parts = []
    if scene["sticker_ground"] is not None:
        colour = data.GROUNDS[scene["sticker_ground"]]
        if dice.random() < 0.6:
            parts.append(f"on {article(colour)} {colour} background")
    else:
        place = {"meadow": "in a meadow", "hills": "in the hills", "mountains": "in the mountains", "beach": "on a beach",
                 "desert": "in a desert", "snow": "in the snow", "lake": "by a lake"}[scene["place"]]
        time_of_day = {"dawn": "at dawn", "day": "by day", "sunset": "at sunset", "night": "at night"}[scene["time"]]
        parts += [part for part in (place, time_of_day) if dice.random() < 0.6]
    style = f"{scene['style']} style" if dice.random() < 0.5 else ""
    return " ".join(parts), style


def relation(one, other):
    """How one object lies beside another, in words; empty where it does not lie clearly."""
    across, down = one[2] - other[2], one[3] - other[3]
    said = []
    if abs(across) > 0.22:
        side = "left" if across < 0 else "right"
        said += [f"to the {side} of"] * 4 + [f"{side} of", "next to", "beside"]
    if abs(down) > 0.3 and abs(across) < 0.3:
        said += ["above", "over"] if down < 0 else ["below", "under"]
    feet = (one[3] + one[5] / 2) - (other[3] + other[5] / 2)
    if abs(feet) > 0.12 and abs(across) < 0.25:
        said += ["in front of"] if feet > 0 else ["behind"]
    return dice.choice(said) if said else ""


def placed(it):
    """Where an object lies in the picture, in words."""
    x, feet = it[2], it[3] + it[5] / 2
    said = []
    if x < 0.36:
        said += ["on the left", "on the left side", "to the left"]
    elif x > 0.64:
        said += ["on the right", "on the right side", "to the right"]
    elif 0.43 < x < 0.57:
        said += ["in the middle", "in the center"]
    if feet > 0.9:
        said += ["in the foreground", "in front"]
    elif feet < 0.62:
        said += ["in the background", "far away", "in the distance"]
    return dice.choice(said) if said else ""


def sized(it, usual):
    """How large an object is beside others of its kind."""
    share = math.sqrt(it[4] * it[5]) / usual[it[0]]
    if share > 1.2:
        return dice.choice(["big", "large", "huge"])
    return dice.choice(["small", "little", "tiny"]) if share < 0.8 else ""


def adorned(text):
    """With words here and there that say nothing of places."""
    if dice.random() < 0.8:
        return text
    return re.sub(r"\ban? (?=\w)", lambda found: found[0] if dice.random() < 0.5 else f"{article(word := dice.choice(ADJECTIVES))} {word} ", text)


def example(scene, usual):
    """A caption and the objects that it names, in its order."""
    caption, mood, about, objects = scene
    if mood and dice.random() < 0.05:
        return adorned(mood), []
    seen = lambda chosen: all(it[6] >= LEAST_VISIBLE for it in chosen)
    groups = {}
    for it in objects:
        groups.setdefault(it[:2], []).append(it)
    if dice.random() < 0.2 and seen(objects):
        named = lambda members: re.search(rf"\b{group(*members[0][:2], min(len(members), 6))}\b", caption)
        places = [(found.start(), members) for members in groups.values() if (found := named(members))]
        if len(places) == len(groups):
            return caption, [it for _, members in sorted(places, key=lambda it: it[0]) for it in members]
    groups = [members for members in groups.values() if seen(members) and len(members) < len(NUMBERS)]
    if not groups:
        return None
    dice.shuffle(groups)
    # A colour is taken from the words, also where no scene has that thing in it.
    groups = [
        [(it[0], tint, *it[2:]) for it in members]
        for members in groups
        for tint in [dice.choice(TINTS) if dice.random() < 0.2 else members[0][1]]
    ]
    place, style = setting(about)
    name = lambda members: group(*members[0][:2], len(members))
    lone = lambda it: group(*it[:2], 1, sized(it, usual) if dice.random() < 0.25 else "")
    pair = [members for members in groups if len(members) == 1][:2]
    beside = relation(pair[0][0], pair[1][0]) if len(pair) == 2 and dice.random() < 0.75 else ""
    if not beside:
        groups = groups[: max(1, round(len(groups) * dice.choice([0.5, 1, 1])))]
    alone = [members[0] for members in groups if len(members) == 1]
    if beside:
        rest = [members for members in groups if members not in pair][: dice.choice([0, 0, 1])]
        things = listed([f"{lone(pair[0][0])} {beside} {lone(pair[1][0])}", *map(name, rest)])
        groups = [*pair, *rest]
    elif alone and dice.random() < 0.5:
        things = listed([
            " ".join(filter(None, (lone(members[0]), placed(members[0]) if dice.random() < 0.6 else "")))
            if len(members) == 1 else name(members) for members in groups
        ])
    else:
        things = listed([name(members) for members in groups])
    if dice.random() < 0.06:
        # Something that no class is: nothing is placed for it.
        word = dice.choice(UNKNOWN)
        things = dice.choice([f"{article(word)} {word} and {things}", f"{things} and {article(word)} {word}", f"{article(word)} {word}"])
        if things == f"{article(word)} {word}":
            groups = []
    chosen = [it for members in groups for it in members]
    forms = [f"{things} {place}, {style}", f"{place}, {things}, {style}", f"{style}, {things} {place}", f"{things}, {place}, {style}"]
    text = dice.choice(forms if style or place else [things])
    text = ", ".join(part.strip() for part in text.split(",") if part.strip())
    return adorned(text), chosen


def tokens(text, objects):
    said = words.encode(text)
    said = said[: said.index(END) + 1]
    place = lambda k, value: PLACE + k * BINS + min(BINS - 1, max(0, int(value * BINS)))
    layout = []
    for kind, tint, *rect, _ in objects:
        colour = TINTS.index(tint) + 1 if tint else 0
        layout += [CLASS + kind, COLOUR + colour, *(place(k, value) for k, value in enumerate(rect))]
    return said, layout + [END]


def batch_of(scenes, weights, usual, count):
    rows = []
    while len(rows) < count:
        made = example(dice.choices(scenes, cum_weights=weights)[0], usual)
        if made:
            rows.append(tokens(*made))
    longest = max(len(said) + len(layout) for said, layout in rows)
    given = torch.full((count, longest - 1), END)
    wanted = torch.full((count, longest - 1), -100)
    for row, (said, layout) in enumerate(rows):
        line = torch.tensor(said + layout)
        given[row, : len(line) - 1] = line[:-1]
        wanted[row, len(said) - 1 : len(line) - 1] = line[len(said) :]
    return given, wanted


def predicted(network, given, wanted):
    """What is said of the tokens that are wanted, and these."""
    asked = wanted >= 0
    return network(given)[asked] @ network.embeddings["token_embedding"].weight.T, wanted[asked]


def main():
    scenes = [scene for folder in args.scenes for scene in load(folder)]
    if len(scenes) < 2 * HELD_OUT:
        raise SystemExit(f"There are {len(scenes)} scenes with objects in {', '.join(args.scenes)}, and {2 * HELD_OUT} are the least: draw more with `velatura scenes`.")
    held, scenes = scenes[-HELD_OUT:], scenes[:-HELD_OUT]
    sizes = {}
    for *_, objects in scenes:
        for it in objects:
            sizes.setdefault(it[0], []).append(math.sqrt(it[4] * it[5]))
    usual = {kind: sum(values) / len(values) for kind, values in sizes.items()}

    def weight(objects):
        """Several of a kind are rare, as are things beside each other; small and crowded ones are hard to paint."""
        counts = [sum(other[:2] == it[:2] for other in objects) for it in objects]
        most, lone = max(counts), counts.count(1)
        smallest = min(math.sqrt(it[4] * it[5]) for it in objects) * 128
        crowding = 0.15 if most_overlap(objects) > MOST_OVERLAP else 1.0
        return {1: 1.0, 2: 2.0, 3: 4.0, 4: 8.0}.get(most, 4.0) * (8.0 if lone > 1 else 1.0) * (0.3 if smallest < SMALL_PX else 1.0) * crowding

    def summed(scenes):
        total, sums = 0.0, []
        for *_, objects in scenes:
            total += weight(objects)
            sums.append(total)
        return sums

    weights = summed(scenes)
    network = ClipText(VOCABULARY, WIDTH, LAYERS, HEADS, LENGTH)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, betas=(0.9, 0.98), weight_decay=0.05)
    mean = [value.detach().clone() for value in network.parameters()]
    state, step, spent = out / "state.pt", 0, 0.0
    if state.exists():
        kept = torch.load(state, weights_only=True)
        network.load_state_dict(kept["network"])
        optimiser.load_state_dict(kept["optimiser"])
        mean, step, spent = kept["mean"], kept["step"], kept["spent"]
    print(len(scenes), "scenes,", sum(value.numel() for value in mean), "weights, step", step, flush=True)
    begun = saved = time.time()
    losses = []

    def write():
        """The averaged weights, as transformers' CLIPTextModel has them."""
        names = [name for name, _ in network.named_parameters()]
        save_file({f"text_model.{name}": value.half().contiguous() for name, value in zip(names, mean)}, out / "model.safetensors")
        about = {
            "_class_name": "LayoutPrior", "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": WIDTH * 4,
            "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "max_position_embeddings": LENGTH,
            "hidden_act": "quick_gelu", "classes": len(nouns), "colours": len(TINTS), "bins": BINS, "max_boxes": MOST_OBJECTS,
            "max_tokens": data.LENGTH, "words": sorted(PLACING), "plurals": plurals,
        }
        (out / "config.json").write_text(json.dumps(about, indent=2) + "\n")
        kept = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "mean": mean, "step": step, "spent": spent + time.time() - begun}
        torch.save(kept, out / "state.part")
        os.replace(out / "state.part", state)

    while (part := (spent + time.time() - begun) / (args.minutes * 60)) < 1:
        given, wanted = batch_of(scenes, weights, usual, args.batch)
        loss = F.cross_entropy(*predicted(network, given, wanted))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        rate = 2e-3 * min(1, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * part)))
        for parameters in optimiser.param_groups:
            parameters["lr"] = rate
        optimiser.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(mean, list(network.parameters()), 1 - min(0.998, (1 + step) / (10 + step)))
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"{spent + time.time() - begun:6.0f} s, step {step}, loss {sum(losses[-100:]) / 100:.4f}", flush=True)
        if time.time() - saved > 120:
            write()
            saved = time.time()
    write()
    with torch.no_grad():
        for live, value in zip(network.parameters(), mean):
            live.copy_(value)
        given, wanted = batch_of(held, summed(held), usual, 500)
        said, wanted = predicted(network, given, wanted)
        loss = F.cross_entropy(said, wanted)
        is_class = (wanted >= CLASS) & (wanted < COLOUR)
        right = (said.argmax(1) == wanted)[is_class].float().mean()
        print(f"END step {step}: held-out loss {loss.item():.4f}, classes {100 * right.item():.1f} %", flush=True)


main()
