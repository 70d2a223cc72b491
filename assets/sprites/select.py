#!/usr/bin/env python3
"""Takes the sprites named in classes.json out of the full collections.

    python3 select.py FOLDER

FOLDER holds `manifest.json`, `fluent-3d/`, `fluent-flat.json` and `noto.json`
(824 objects in three styles). Writes fluent-3d/*.webp and vectors.json here.
"""

import json
import pathlib
import shutil
import sys

here = pathlib.Path(__file__).resolve().parent
source = pathlib.Path(sys.argv[1])
files = {entry["slug"]: entry["file"] for entry in json.loads((source / "manifest.json").read_text())}
flat = json.loads((source / "fluent-flat.json").read_text())["bodies"]
noto = json.loads((source / "noto.json").read_text())["bodies"]
vectors = {}
for entry in json.loads((here / "classes.json").read_text()):
    slug = entry["slug"]
    (here / "fluent-3d").mkdir(exist_ok=True)
    shutil.copyfile(source / "fluent-3d" / files[slug], here / "fluent-3d" / f"{slug}.webp")
    (here / "fluent-3d" / f"{slug}.webp").chmod(0o644)
    vectors[slug] = {"flat": flat[slug], "cartoon": noto[slug]}
(here / "vectors.json").write_text(json.dumps(vectors, indent=0, sort_keys=True) + "\n")
