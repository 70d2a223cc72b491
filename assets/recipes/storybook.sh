#!/usr/bin/env bash
# Makes the Storybook model from nothing: scenes, autoencoder, denoiser, figures,
# model card. Can be broken off at any time and started again; it goes on where it
# was.
#
#   assets/recipes/storybook.sh [WORK_FOLDER]      (default: out/storybook)
#
# Environment: VELATURA (the program; default target/release/velatura),
# AUTOENCODER_STEPS, DIFFUSION_STEPS, DECODER_STEPS, PROMPTS, DEVICE, OUT (the finished model;
# default assets/models/storybook).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
work=${1:-out/storybook}
velatura=${VELATURA:-target/release/velatura}
device=${DEVICE:-auto}
out=${OUT:-assets/models/storybook}
recipes=assets/recipes
autoencoder_steps=${AUTOENCODER_STEPS:-4000}
diffusion_steps=${DIFFUSION_STEPS:-40000}
decoder_steps=${DECODER_STEPS:-500}
prompts=${PROMPTS:-200}

mkdir -p "$work"

# Trains up to a number of steps: from the newest checkpoint, else from the start.
# usage: train autoencoder|diffusion OUTPUT STEPS CONFIG OPTIONS...
train() {
    local target=$1 output=$2 steps=$3 config=$4 resume=() newest=0
    shift 4
    if compgen -G "$output/checkpoints/step-*" > /dev/null; then
        newest=$((10#$(basename "$(printf '%s\n' "$output"/checkpoints/step-* | sort | tail -n 1)" | sed 's/^step-//')))
        resume=(--resume)
    fi
    if ((newest >= steps)); then
        echo "The $target has its $steps steps."
        return
    fi
    "$velatura" train "$target" --scenes --config "$recipes/$config" \
        --output "$output" --size 128 --device "$device" \
        --steps "$steps" "${resume[@]}" "$@"
}

# 1. The autoencoder; the last eighth of the steps at a quarter of the rate.
common=(storybook.json --seed 1 --batch 8 --warmup-steps 100 --weight-decay 0 --ema-decay 0.999
    --perceptual-weight 0.2 --checkpoint-every 250 --sample-every 250)
train autoencoder "$work/autoencoder" $((autoencoder_steps * 7 / 8)) \
    "${common[@]}" --learning-rate 1e-3
train autoencoder "$work/autoencoder" "$autoencoder_steps" \
    "${common[@]}" --learning-rate 2.5e-4

# 2. The denoiser and its text encoder; the last tenth at a quarter of the rate.
common=(storybook.json --seed 1 --first-stage "$work/autoencoder/model" --batch 32 --warmup-steps 200
    --ema-decay 0.999 --caption-dropout 0.22 --checkpoint-every 250 --sample-every 500)
train diffusion "$work/diffusion" $((diffusion_steps * 9 / 10)) \
    "${common[@]}" --learning-rate 6e-4
train diffusion "$work/diffusion" "$diffusion_steps" \
    "${common[@]}" --learning-rate 1.5e-4

# 3. The decoder once more, alone: the latents and what was learnt of them stay.
train autoencoder "$work/decoder" "$decoder_steps" decoder.json --seed 3 \
    --from "$work/autoencoder/model" --batch 8 --learning-rate 8e-4 --warmup-steps 30 \
    --weight-decay 0 --ema-decay 0.999 --perceptual-weight 0.2 \
    --checkpoint-every 250 --sample-every 250
rm -rf "$work/whole"
cp -r "$work/diffusion/model" "$work/whole"
cp "$work"/decoder/model/vae/*.safetensors "$work/whole/vae/"

# 4. The figures, of the weights as they are shipped, and the model card.
"$velatura" export "$work/whole" --out "$work/model" --precision f16
"$velatura" evaluate --model "$work/model" --count "$prompts" --judge assets/judge \
    --pictures "$work/pictures" --device "$device" > "$work/figures.md"
sed -e "s/@AUTOENCODER_STEPS@/$autoencoder_steps/" -e "s/@DIFFUSION_STEPS@/$diffusion_steps/" \
    -e "s/@DECODER_STEPS@/$decoder_steps/" \
    -e "/@FIGURES@/{r $work/figures.md
d}" $recipes/storybook-card.md > "$work/card.md"
"$velatura" export "$work/whole" --out "$out" --precision f16 --card "$work/card.md"
cat "$work/figures.md"
