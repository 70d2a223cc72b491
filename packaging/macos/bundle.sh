#!/bin/sh
# Makes Velatura.app in the folder `target` from the built program.
set -eu
source="$(cd "$(dirname "$0")/../.." && pwd)"
target="${CARGO_TARGET_DIR:-$source/target}"
program="$target/release/velatura"
[ -x "$program" ] || { echo "Build it first: cargo rustc --release --bin velatura -- -C strip=symbols" >&2; exit 1; }

app="$target/Velatura.app"
rm -rf "$app"
mkdir -p "$app/Contents/MacOS" "$app/Contents/Resources/assets"
cp "$source/packaging/macos/Info.plist" "$app/Contents/Info.plist"
cp "$program" "$app/Contents/MacOS/velatura"
for folder in models upscaler judge; do
    if [ -d "$source/assets/$folder" ]; then
        cp -R "$source/assets/$folder" "$app/Contents/Resources/assets/"
    fi
done
# Licences of the data that is inside the program, where NOTICE says that they are.
for file in clip/LICENSE fonts/OFL.txt icons/LICENSE imagenet/LICENSE sprites/LICENSES.md; do
    mkdir -p "$app/Contents/Resources/assets/${file%/*}"
    cp "$source/assets/$file" "$app/Contents/Resources/assets/$file"
done
cp "$source/NOTICE" "$source/LICENSE-MIT" "$source/LICENSE-APACHE" "$app/Contents/Resources/"

# The icon, where the tools for it are (qlmanage and iconutil come with macOS).
if command -v iconutil >/dev/null && command -v qlmanage >/dev/null; then
    set="$(mktemp -d)/velatura.iconset"
    mkdir -p "$set"
    for size in 16 32 128 256 512; do
        for scale in 1 2; do
            pixels=$((size * scale))
            qlmanage -t -s "$pixels" -o "$set" "$source/packaging/linux/velatura.svg" >/dev/null 2>&1
            name="icon_${size}x${size}"
            [ "$scale" = 2 ] && name="$name@2x"
            mv "$set/velatura.svg.png" "$set/$name.png"
        done
    done
    iconutil -c icns -o "$app/Contents/Resources/velatura.icns" "$set"
fi
echo "$app"
