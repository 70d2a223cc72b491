"""Makes the small font files beside this script from the full releases.

    python subset.py INTER_UI_PACKAGE PHOSPHOR_PACKAGE

INTER_UI_PACKAGE is the unpacked npm package `inter-ui` (4.1.1), PHOSPHOR_PACKAGE
the unpacked npm package `@phosphor-icons/web` (2.1.2). Needs fontTools and
brotli. Also rewrites `src/icons.rs` from `assets/icons/icons.txt`.
"""

import json
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

HERE = Path(__file__).resolve().parent
ASSETS = HERE.parent
# Latin with its extensions, Greek, Cyrillic, punctuation, currency, arrows,
# mathematical operators and the shapes that menus draw.
TEXT = [
    *range(0x20, 0x7F), *range(0xA0, 0x250), *range(0x2B0, 0x400), *range(0x400, 0x530),
    *range(0x1E00, 0x2000), *range(0x2000, 0x2070), *range(0x2070, 0x20C0), *range(0x2100, 0x2150),
    *range(0x2190, 0x2200), *range(0x2200, 0x2300), *range(0x2318, 0x2328), *range(0x25A0, 0x2600),
]


def shrink(source, target, unicodes, features):
    options = subset.Options()
    options.layout_features = features
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.flavor = None
    font = TTFont(source)
    font.flavor = None
    worker = subset.Subsetter(options)
    worker.populate(unicodes=unicodes)
    worker.subset(font)
    font.save(target)
    print(target, target.stat().st_size)


def main(inter, phosphor):
    for weight in ["Regular", "Medium", "SemiBold"]:
        shrink(inter / "web" / f"Inter-{weight}.woff2", HERE / f"Inter-{weight}.ttf", TEXT, ["kern", "mark", "mkmk", "ccmp"])
    names = (ASSETS / "icons" / "icons.txt").read_text().split()
    selection = json.loads((phosphor / "src/regular/selection.json").read_text())
    code = {}
    for icon in selection["icons"]:
        for name in icon["properties"]["name"].split(","):
            code[name.strip()] = icon["properties"]["code"]
    shrink(phosphor / "src/regular/Phosphor.ttf", ASSETS / "icons" / "Phosphor.ttf", [code[n] for n in names], [])
    lines = [
        "//! The icons of the studio: code points of the Phosphor subset in",
        "//! `assets/icons`. Written by `assets/fonts/subset.py` from `icons.txt`.",
        "",
    ]
    for name in names:
        lines.append(f"/// `{name}`.")
        lines.append(f'pub const {name.upper().replace("-", "_")}: &str = "\\u{{{code[name]:X}}}";')
    (ASSETS.parent / "src/icons.rs").write_text("\n".join(lines) + "\n")


main(Path(sys.argv[1]), Path(sys.argv[2]))
