"""Folders with `tokenizer.json`, and what transformers' CLIPTokenizer makes of texts with them.

    pip install transformers==5.24.0
    python make_tokenizer_reference.py           # writes the folders and reference.json
    python make_tokenizer_reference.py open DIR  # opens what Velatura wrote, against its four older files

The vocabulary is that of `../reference/sd1-tiny`. The folders differ in what people have:

| folder | what it is |
|---|---|
| `saved` | what `save_pretrained` of transformers 5 writes, and nothing else |
| `strings` | merges as strings (tokenizers before 0.20), pad token `!`, added tokens of each kind |
| `alone` | `tokenizer.json` without any other file, special tokens under other numbers |
"""

import json
import shutil
import sys
from pathlib import Path

from transformers import CLIPTokenizer

HERE = Path(__file__).parent
TINY = HERE.parent / "reference" / "sd1-tiny" / "tokenizer"
OWN = [
    "a photo of <cat-toy>",
    "a<cat-toy>b <cat-toy> <cat-toy>",
    "A <Loud-Dog> and a <loud-dog>",
    "cat wordtoken cat-wordtoken wordtokens xwordtoken wordtoken",
    "<|endoftext|> in a <|STARTOFTEXT|> text <|startoftext|>",
    "fine! night!",
]


def kept(value):
    return json.dumps(value, indent=1, ensure_ascii=True) + "\n"


def write_folders():
    strings = json.loads((HERE.parent / "reference" / "tokenizer_reference.json").read_text())["strings"]
    plain = CLIPTokenizer.from_pretrained(TINY)

    saved = HERE / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    plain.save_pretrained(saved)
    assert not (saved / "vocab.json").exists() and not (saved / "merges.txt").exists()

    older = HERE / "strings"
    shutil.rmtree(older, ignore_errors=True)
    older.mkdir()
    file = json.loads((saved / "tokenizer.json").read_text())
    file["model"]["merges"] = [m if isinstance(m, str) else " ".join(m) for m in file["model"]["merges"]]
    count = len(file["model"]["vocab"])
    kind = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    file["added_tokens"] += [
        {"id": count, "content": "<cat-toy>", **kind},
        {"id": count + 1, "content": "<Loud-Dog>", **kind, "normalized": True},
        {"id": count + 2, "content": "wordtoken", **kind, "single_word": True},
    ]
    (older / "tokenizer.json").write_text(json.dumps(file, ensure_ascii=True))
    names = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "!"}
    (older / "special_tokens_map.json").write_text(kept(names))
    (older / "tokenizer_config.json").write_text(kept({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))

    alone = HERE / "alone"
    shutil.rmtree(alone, ignore_errors=True)
    alone.mkdir()
    file = json.loads((saved / "tokenizer.json").read_text())
    vocabulary = file["model"]["vocab"]
    # Start and end before everything else, as some programs number them.
    moved = {"<|startoftext|>": 0, "<|endoftext|>": 1}
    vocabulary = {t: moved.get(t, n + 2) for t, n in vocabulary.items()}
    file["model"]["vocab"] = vocabulary
    for token in file["added_tokens"]:
        token["id"] = vocabulary[token["content"]]
    text = json.dumps(file["post_processor"])
    for token in moved:
        text = text.replace(f'"{token}", {plain.get_vocab()[token]}', f'"{token}", {moved[token]}')
    file["post_processor"] = json.loads(text)
    (alone / "tokenizer.json").write_text(json.dumps(file, ensure_ascii=True))

    reference = {"texts": strings + OWN}
    for folder in (saved, older, alone):
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        reference[folder.name] = {
            "vocab_size": len(tokenizer),
            "special": [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id],
            "ids": [tokenizer(s).input_ids for s in reference["texts"]],
            "ids_77": [
                tokenizer(s, padding="max_length", max_length=77, truncation=True).input_ids
                for s in reference["texts"][-4:]
            ],
        }
        print(folder.name, len(tokenizer), tokenizer("<cat-toy> a!").input_ids)
    (HERE / "reference.json").write_text(json.dumps(reference, ensure_ascii=True))


def open_written(folder):
    """Both forms that Velatura writes must give the same tokens in transformers."""
    strings = json.loads((HERE / "reference.json").read_text())["texts"]
    scratch = Path("/tmp/velatura-tokenizer-forms")
    for form, left_out in (("json", ("vocab.json", "merges.txt")), ("lists", ("tokenizer.json",))):
        shutil.rmtree(scratch / form, ignore_errors=True)
        shutil.copytree(folder, scratch / form)
        for name in left_out:
            (scratch / form / name).unlink()
    new, old = (CLIPTokenizer.from_pretrained(scratch / form) for form in ("json", "lists"))
    for text in strings:
        assert new(text).input_ids == old(text).input_ids, (text, new(text).input_ids, old(text).input_ids)
    print(f"{folder}: {len(new)} tokens, {len(strings)} texts alike")


if __name__ == "__main__":
    open_written(Path(sys.argv[2])) if sys.argv[1:2] == ["open"] else write_folders()
