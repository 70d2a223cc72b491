#!/bin/sh
# Installs the built program for one user or for all:
#   packaging/linux/install.sh [PREFIX]      (default: ~/.local)
set -eu
prefix="${1:-$HOME/.local}"
source="$(cd "$(dirname "$0")/../.." && pwd)"
program="${CARGO_TARGET_DIR:-$source/target}/release/velatura"
[ -x "$program" ] || { echo "Build it first: cargo rustc --release --bin velatura -- -C strip=symbols" >&2; exit 1; }

install -D -m 755 "$program" "$prefix/bin/velatura"
install -D -m 644 "$source/packaging/linux/velatura.desktop" \
    "$prefix/share/applications/velatura.desktop"
install -D -m 644 "$source/packaging/linux/velatura.metainfo.xml" \
    "$prefix/share/metainfo/velatura.metainfo.xml"
install -D -m 644 "$source/packaging/linux/velatura-mime.xml" \
    "$prefix/share/mime/packages/velatura.xml"
if command -v update-mime-database >/dev/null; then
    update-mime-database "$prefix/share/mime"
fi
install -D -m 644 "$source/packaging/linux/velatura.svg" \
    "$prefix/share/icons/hicolor/scalable/apps/velatura.svg"
mkdir -p "$prefix/share/velatura"
for folder in models upscaler judge; do
    rm -rf "$prefix/share/velatura/$folder"
    if [ -d "$source/assets/$folder" ]; then
        cp -R "$source/assets/$folder" "$prefix/share/velatura/"
    fi
done
for file in NOTICE LICENSE-MIT LICENSE-APACHE; do
    install -D -m 644 "$source/$file" "$prefix/share/doc/velatura/$file"
done
# Those of the data that is inside the program, where NOTICE says that they are.
for file in clip/LICENSE fonts/OFL.txt icons/LICENSE imagenet/LICENSE sprites/LICENSES.md; do
    install -D -m 644 "$source/assets/$file" "$prefix/share/doc/velatura/assets/$file"
done
echo "Installed in $prefix. Start it from the menu, or with $prefix/bin/velatura."
