#!/usr/bin/env python3
"""What weighted and long prompts are to the text encoders of sd1-tiny and sd2-tiny.

Run in this folder with Python's torch, transformers and safetensors. The prompts are
written beside their parts, so that nothing here has to parse them (a BREAK in brackets
that change its weight is a word to the web UI, which knows breaks by their weight of -1); the rest follows the
description of AUTOMATIC1111's web UI: chunks of 75 tokens, of which what follows the last
comma of the last 20 moves on; states times weights, brought back to their former mean; the
state of an earlier layer through the final normalisation.
"""

import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).resolve().parent
torch.set_num_threads(1)
torch.set_grad_enabled(False)

BREAK = None
HILL = "a small red house on a green hill under a blue sky, "
# The prompt, its parts with their weights, the clip skip.
CASES = [
    ("a small red house", [("a small red house", 1.0)], 1),
    ("a (red:1.3) house", [("a ", 1.0), ("red", 1.3), (" house", 1.0)], 1),
    ("a ((red)) [house] on the hill", [("a ", 1.0), ("red", 1.1 * 1.1), (" ", 1.0), ("house", 1 / 1.1), (" on the hill", 1.0)], 1),
    (r"a \(small\) (red:0) house", [("a (small) ", 1.0), ("red", 0.0), (" house", 1.0)], 1),
    ("(a red house, (a moon:1.5)", [("a red house, ", 1.1), ("a moon", 1.1 * 1.5)], 1),
    ("a red house BREAK (a full moon:1.4)", [("a red house", 1.0), BREAK, ("a full moon", 1.4)], 1),
    (HILL * 8 + "(a yellow sun:1.2)", [(HILL * 8, 1.0), ("a yellow sun", 1.2)], 1),
    ("zebra " * 70, [("zebra " * 70, 1.0)], 1),
    ("a small (red:1.3) house", [("a small ", 1.0), ("red", 1.3), (" house", 1.0)], 2),
    ("", [], 2),
    ("(a red house BREAK a full moon:1.2)", [("a red house", 1.2), ("BREAK", -1.2), ("a full moon", 1.2)], 1),
    ("two (white:-0.5) sheep", [("two ", 1.0), ("white", -0.5), (" sheep", 1.0)], 3),
]


def chunks(tokenizer, parts):
    comma = tokenizer.convert_tokens_to_ids(",</w>")
    done, now, last_comma = [], [], None
    for part in parts:
        if part is BREAK:
            done.append(now)
            now, last_comma = [], None
            continue
        text, weight = part
        for token in tokenizer(text, add_special_tokens=False).input_ids:
            if token == comma:
                last_comma = len(now)
            elif len(now) == 75 and last_comma is not None and 75 - last_comma <= 20:
                done.append(now[: last_comma + 1])
                now, last_comma = now[last_comma + 1 :], None
            if len(now) == 75:
                done.append(now)
                now, last_comma = [], None
            now.append((token, weight))
    return done + [now] if now or not done else done


def embed(folder, parts, skip):
    tokenizer = CLIPTokenizer.from_pretrained(HERE / folder / "tokenizer")
    model = CLIPTextModel.from_pretrained(HERE / folder / "text_encoder").float().eval()
    final = model.text_model.final_layer_norm if hasattr(model, "text_model") else model.final_layer_norm
    pieces = []
    for words in chunks(tokenizer, parts):
        filler = [tokenizer.pad_token_id] * (75 - len(words))
        tokens = [tokenizer.bos_token_id, *(t for t, _ in words), tokenizer.eos_token_id, *filler]
        weights = [1.0, *(w for _, w in words), 1.0, *[1.0] * len(filler)]
        hidden = model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
        z = final(hidden[-skip])
        mean = z.mean()
        z = z * torch.tensor(weights)[None, :, None]
        print(folder, skip, len(words), "mean", mean.item(), "share", (mean / z.mean()).item())
        pieces.append(z * (mean / z.mean()))
    return torch.cat(pieces, 1)[0].contiguous()


if __name__ == "__main__":
    tensors = {
        f"{folder}.{index}": embed(folder, parts, skip)
        for folder in ("sd1-tiny", "sd2-tiny")
        for index, (_, parts, skip) in enumerate(CASES)
    }
    cases = [{"prompt": prompt, "clip_skip": skip} for prompt, _, skip in CASES]
    save_file(tensors, HERE / "prompts.safetensors", {"cases": json.dumps(cases)})
