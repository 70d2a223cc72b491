"""What the paper's own code tells its denoisers, on tiny random networks.

    git clone https://github.com/CompVis/latent-diffusion /tmp/paper
    git clone https://github.com/CompVis/taming-transformers /tmp/paper/taming-transformers
    PYTHONPATH=/tmp/paper:/tmp/paper/taming-transformers \\
        ~/.cache/venv/bin/python tests/data/reference/make_conditioner_reference.py

Needs torch, einops and transformers. Weights have the original names and lie beside the
results in `conditioners.safetensors`; texts and boxes in `conditioners.json`.
"""
import json
import random
import sys
import types
from collections import namedtuple
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertTokenizerFast

HERE = Path(__file__).parent
ROOT = HERE.parents[2]

# What the modules name and do not use here.
for name in ["clip", "kornia", "more_itertools", "more_itertools.recipes", "torchvision", "torchvision.transforms",
             "taming.data.image_transforms"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["more_itertools.recipes"].grouper = None
sys.modules["taming.data.image_transforms"].convert_pil_to_tensor = None

from ldm.modules.encoders.modules import BERTEmbedder, SpatialRescaler  # noqa: E402
from taming.data.conditional_builder.objects_bbox import ObjectsBoundingBoxConditionalBuilder  # noqa: E402
from taming.data.helper_types import Annotation  # noqa: E402

TEXTS = [
    "",
    "a virus monster is playing guitar, oil on canvas",
    "A Fluffy CAT sits on the window-sill; it's 12.5% asleep!",
    "Ångström's café déjà-vu naïve ÅÄÖ ß ŒUVRE Ǆ İstanbul",
    "東京の赤い家 and 火锅 mixed with latin",
    "tabs\tand\nnew lines\r\nand\u00a0spaces\u2003wide",
    "control\u0000signs\u0007and\u200bzero\ufeffwidth\ufffd here \u00ad soft",
    "[CLS] a [MASK] in [SEP] brackets [PAD] [UNK] [mask]",
    "emoji \U0001F600 and \u2603 snowman ☃️ are unknown",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "x" * 100 + " " + "y" * 101,
    "$5 + 3 = 8 ^ `a` ~ <b> | \\ _under_score_ @home #1",
    "« guillemets » “quotes” ‘single’ … — – ¿qué? ¡sí! 、。",
    "Ελληνικά ΣΊΣΥΦΟΣ привет ЙОД עברית العَرَبِيَّة हिन्दी ไทย 한국어",
    "e\u0301 combined a\u030a and \u1e9b\u0323 ligature ﬁ ½ ² Ⅷ",
    " ".join(f"word{i}" for i in range(60)),
    "a red house, a blue car; " * 12,
]

BOXES = [
    # Class, then x0, y0, width and height in shares of the picture.
    [],
    [[3, 0.1, 0.2, 0.5, 0.25]],
    [[0, 0.0, 0.0, 1.0, 1.0], [353, 0.333, 0.75, 0.2, 0.25], [17, 0.5, 0.5, 0.0061797752808988766, 0.3]],
    [[5, -0.25, 0.4, 0.5, 0.9], [6, 0.9, 0.9, 0.5, 0.5], [7, 1.2, 0.1, 0.5, 0.5], [8, 0.5, -0.4, 0.1, 0.3]],
    [[i, 0.025 * i, 0.5 - 0.015 * i, 0.1 + 0.01 * i, 0.5] for i in range(33)],
]

random.shuffle = lambda annotations: None  # Boxes keep their order.


def box_tokens(boxes, tokens, most, encode_crop):
    builder = ObjectsBoundingBoxConditionalBuilder(
        no_object_classes=354, no_max_objects=most, no_tokens=tokens, encode_crop=encode_crop,
        use_group_parameter=True, use_additional_parameters=True)
    annotations = [Annotation(area=None, image_id="", bbox=tuple(box[1:]), category_no=box[0], category_id="")
                   for box in boxes]
    return builder.build(annotations).tolist()


def noised(module):
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 1 else parameter[0].numel() ** -0.5))
        for name, parameter in module.named_parameters():
            if parameter.dim() == 1 and name.endswith("weight"):
                parameter.add_(1.0)
    return module.eval()


def main():
    torch.manual_seed(0)
    tensors, told = {}, {}
    vocabulary = ROOT / "assets" / "bert" / "vocab.txt"
    tokenizer = BertTokenizerFast(vocab=str(vocabulary), do_lower_case=True)
    encode = lambda text: tokenizer(text, truncation=True, max_length=77, padding="max_length")["input_ids"]  # noqa: E731
    told["texts"] = [{"text": text, "tokens": encode(text)} for text in TEXTS]
    told["boxes"] = [
        {"tokens": tokens, "length": 3 * most + (2 if crop else 0), "boxes": boxes,
         "wanted": box_tokens([box for box in boxes if box[0] < tokens - 1], tokens, most, crop)}
        for tokens, most, crop in [(8192, 30, True), (8192, 30, False), (1000, 12, True)] for boxes in BOXES]
    with torch.no_grad():
        for name, width, layers, words, length in [("words", 24, 2, 60, 12), ("boxes", 32, 1, 100, 11)]:
            network = noised(BERTEmbedder(n_embed=width, n_layer=layers, vocab_size=words, max_seq_len=length,
                                          use_tokenizer=False, device="cpu"))
            ids = torch.randint(words, (2, length))
            tensors[f"{name}.ids"] = ids.int()
            tensors[f"{name}.states"] = network(ids)
            for key, value in network.state_dict().items():
                if "to_logits" not in key:
                    tensors[f"{name}.cond_stage_model.{key}"] = value
        labels = torch.randint(9, (1, 16, 24))
        labels[0, :5, :9] = 255
        tensors["labels"] = labels.int()
        one_hot = torch.zeros(1, 7, 16, 24)
        for number in range(7):
            one_hot[0, number] = labels[0] == number
        for name, bias in [("map", False), ("map-bias", True)]:
            rescaler = noised(SpatialRescaler(n_stages=2, in_channels=7, out_channels=3, bias=bias))
            tensors[f"{name}.channels"] = rescaler(one_hot)
            for key, value in rescaler.state_dict().items():
                tensors[f"{name}.cond_stage_model.{key}"] = value
    save_file({key: value.contiguous() for key, value in tensors.items()}, HERE / "conditioners.safetensors")
    (HERE / "conditioners.json").write_text(json.dumps(told, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
