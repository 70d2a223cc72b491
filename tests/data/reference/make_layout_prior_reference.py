"""A layout prior with random weights for the model in `joint-tiny`, and how much
transformers' CLIPTextModel expects each token after a caption and after boxes begun.

    OMP_NUM_THREADS=1 python tests/data/reference/make_layout_prior_reference.py
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

HERE = Path(__file__).parent
OUT = HERE / "layout-prior"
CLASSES, COLOURS, BINS, BOXES, WORDS = 4, 2, 8, 5, 24
CAPTION = "a red bus on a green hill"


def main() -> None:
    torch.manual_seed(20261127)
    tokenizer = CLIPTokenizer.from_pretrained(HERE / "joint-tiny" / "tokenizer")
    words = len(tokenizer)
    config = CLIPTextConfig(
        vocab_size=words + CLASSES + COLOURS + 1 + 4 * BINS, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=WORDS + 6 * BOXES + 1, hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )
    model = CLIPTextModel(config).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            spread = 1.0 if "embedding" in name else value[0].numel() ** -0.5
            value.copy_((torch.randn_like(value) * spread + (1.0 if "norm" in name and "weight" in name else 0.0)).half().float())
    weights = {name: value.half().contiguous() for name, value in model.named_parameters()}
    prefix = "" if any(name.startswith("text_model.") for name in weights) else "text_model."
    OUT.mkdir(exist_ok=True)
    save_file({prefix + name: value for name, value in weights.items()}, OUT / "model.safetensors")
    about = {
        "_class_name": "LayoutPrior", "classes": CLASSES, "colours": COLOURS, "bins": BINS, "max_boxes": BOXES, "max_tokens": WORDS,
        **{key: getattr(config, key) for key in (
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "max_position_embeddings", "hidden_act")},
    }
    (OUT / "config.json").write_text(json.dumps(about, indent=2) + "\n")
    said = tokenizer(CAPTION)["input_ids"]
    # A bus without a colour, and the middle of it across.
    begun = said + [words, words + CLASSES, words + CLASSES + COLOURS + 1 + 3]
    expected = {}
    for name, tokens in (("words", said), ("box", begun)):
        with torch.no_grad():
            states = model(torch.tensor([tokens])).last_hidden_state[0, -1]
            expected[f"{name}.tokens"] = torch.tensor(tokens, dtype=torch.int32)
            expected[f"{name}.expected"] = states @ model.get_input_embeddings().weight.T
    save_file(expected, HERE / "layout_prior.safetensors")


main()
