"""What diffusers' own script makes of a tiny Stable Diffusion XL in a folder.

    ~/.cache/venv/bin/python tests/data/reference/make_sdxl_single_reference.py convert_diffusers_to_original_sdxl.py

The script is `scripts/convert_diffusers_to_original_sdxl.py` of diffusers' repository; it knows
denoisers with two residual blocks a level and no others. Weights follow from their names as in
`make_sdxl_reference.py`; of the file names, shapes and sums of the bytes are kept.
"""
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from make_sdxl_reference import OUT, canonical, numbers, parts, pipeline


def main():
    spec = importlib.util.spec_from_file_location("script", sys.argv[1])
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = parts("base", layers_per_block=2)
    shapes = {f"{part}/{canonical(part, name)}": list(value.shape) for part, module in made.items()
              for name, value in module.state_dict().items() if not name.endswith("position_ids")}
    with tempfile.TemporaryDirectory() as folder:
        pipeline("base", made).save_pretrained(folder)
        files = {str(path.relative_to(folder)): json.loads(path.read_text()) for path in Path(folder).rglob("*.json")
                 if "tokenizer" not in str(path.relative_to(folder)) and not path.name.endswith("index.json") or path.name == "model_index.json"}
    weights = {name: numbers(name, tuple(shape)).half() for name, shape in shapes.items()}
    of = lambda part: {name.removeprefix(f"{part}/"): value for name, value in weights.items() if name.startswith(f"{part}/")}
    # The same steps as at the end of the script, where the projection of texts is not turned.
    whole = {f"model.diffusion_model.{name}": value for name, value in script.convert_unet_state_dict(of("unet")).items()}
    whole |= {f"first_stage_model.{name}": value for name, value in script.convert_vae_state_dict(of("vae")).items()}
    whole |= {f"conditioner.embedders.0.transformer.{name}": value
              for name, value in script.convert_openai_text_enc_state_dict(of("text_encoder")).items()}
    second = script.convert_openclip_text_enc_state_dict(of("text_encoder_2"))
    turned = second.pop("text_projection.weight")
    # OpenCLIP's own name and side, as the released file has them; the script leaves both as transformers has them.
    second["text_projection"] = turned.T.contiguous()
    whole |= {f"conditioner.embedders.1.model.{name}": value for name, value in second.items()}
    places = lambda count: np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) % np.uint64(2**32)
    with np.errstate(over="ignore"):
        sums = {name: [list(value.shape), int((value.contiguous().numpy().view(np.uint16).reshape(-1).astype(np.uint64)
                                               * places(value.numel())).sum(dtype=np.uint64))]
                for name, value in whole.items()}
    told = {"kind": {"files": files, "weights": shapes, "single": {}}, "file": sums}
    path = OUT / "script.json"
    path.write_text(json.dumps(told, sort_keys=True) + "\n")
    path.chmod(0o644)
    print(path.stat().st_size, len(sums))


with torch.no_grad():
    main()
