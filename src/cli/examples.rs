//! What the help of commands shows at its end: each task with an example.
//!
//! The lines of one command run as they stand, one after the other, in an empty folder:
//! with Storybook, or with tiny models that are written for it (`tests/examples.rs`).

/// Of `velatura` alone.
pub(super) const ALL: &str = "\
Each task with an example: `velatura generate --help`, and the same of upscale, train,
evaluate, autoencoder, export and models";

/// Of `velatura generate`.
pub(super) const GENERATE: &str = "\
Examples, which run as they stand, one after the other:

  Words
    velatura generate --prompt \"a yellow bus in the hills at sunset, 3d style\" --seed 7 --output bus.png
  Another picture from one; the same once more
    velatura generate --prompt \"a red bus in winter\" --init bus.png --strength 0.6 --output red.png
    velatura generate --recipe bus.png --steps 50 --output again.png
  Boxes and a label map, here of a scene that is made for training
    velatura scenes --count 1 --out scenes
    velatura generate --layout scenes/0000.json --semantic scenes/0000.label.png --prompt \"at sunset\" --output scene.png
  Inside of a mask; beyond the edge
    velatura models make-tiny latent-diffusion-inpainting --out tiny/inpainting
    velatura generate --prompt \"a red balloon\" --init bus.png --mask tiny/inpainting/example.mask.png --output balloon.png
    velatura generate --prompt \"hills\" --init bus.png --frame 64,0,128,128 --output wider.png
  A panorama; a tile without seams; towards a picture
    velatura generate --prompt \"hills in summer\" --width 512 --height 128 --output panorama.png
    velatura generate --prompt \"a meadow in summer\" --tile xy --output tile.png
    velatura generate --prompt \"a tree in the hills\" --guide scenes/0000.png --output like.png
  Models of the latent diffusion paper, here tiny ones that paint noise: nothing, a class,
  words, boxes, a label map, a mask, a small picture
    velatura models make-tiny latent-diffusion-unconditional --out tiny/free
    velatura generate --model tiny/free --output free.png
    velatura models make-tiny latent-diffusion-class-to-image --out tiny/class
    velatura generate --model tiny/class --class hill --output class.png
    velatura models make-tiny latent-diffusion-text-to-image --out tiny/text
    velatura generate --model tiny/text --prompt \"a red house on a hill\" --output text.png
    velatura models make-tiny latent-diffusion-layout-to-image --out tiny/layout
    velatura generate --model tiny/layout --layout tiny/layout/example.json --output layout.png
    velatura models make-tiny latent-diffusion-semantic-to-image --out tiny/semantic
    velatura generate --model tiny/semantic --semantic tiny/semantic/example.png --output semantic.png
    velatura generate --model tiny/inpainting --init bus.png --mask tiny/inpainting/example.mask.png --output repainted.png
    velatura models make-tiny latent-diffusion-super-resolution --out tiny/large
    velatura generate --model tiny/large --lowres bus.png --output larger.png
  Stable Diffusion with regional prompts, a LoRA, a ControlNet, here tiny ones
    velatura models make-tiny stable-diffusion-1 --out tiny/sd
    velatura generate --model tiny/sd --layout scenes/0000.json --prompt \"a meadow\" --width 128 --height 128 --output regions.png
    velatura models make-tiny lora --out tiny/lora
    velatura generate --model tiny/sd --lora tiny/lora/lora.safetensors:0.8 --prompt \"a fox\" --width 128 --height 128 --output fox.png
    velatura models make-tiny controlnet --out tiny/control
    velatura generate --model tiny/sd --control tiny/control/controlnet.safetensors=bus.png --control-kind canny --prompt \"a bus\" --width 128 --height 128 --output edges.png";

/// Of `velatura upscale`.
pub(super) const UPSCALE: &str = "\
Examples, which run as they stand, one after the other:

    velatura generate --prompt \"a red house\" --seed 7 --output house.png
    velatura upscale house.png --output large.png
  With a model of super-resolution, here a tiny one that paints noise
    velatura models make-tiny latent-diffusion-super-resolution --out tiny/large
    velatura upscale house.png --model tiny/large --output painted.png";

/// Of `velatura train`.
pub(super) const TRAIN: &str = "\
Examples, which run as they stand, one after the other (minutes each, for what can be seen
to have learnt something; Storybook's autoencoder is the first stage where none is named):

    velatura scenes --count 200 --size 32 --out scenes
    velatura train diffusion scenes --task unconditional --size 32 --steps 400 --output runs/free
    velatura train diffusion scenes --task text --size 32 --steps 700 --output runs/words
    velatura train diffusion scenes --task layout --size 32 --steps 400 --output runs/boxes
    velatura train diffusion scenes --task semantic --size 32 --steps 250 --output runs/maps
    velatura train diffusion scenes --task inpaint --size 32 --steps 250 --output runs/holes
    velatura train diffusion scenes --task super-resolution --size 32 --steps 250 --output runs/large
    velatura generate --model runs/maps/model --semantic scenes/0000.label.png --output map.png
  Classes are folders
    velatura scenes --count 100 --size 32 --out places/one
    velatura scenes --count 100 --size 32 --seed 9 --out places/other
    velatura train diffusion places --task class --size 32 --steps 250 --output runs/classes
    velatura generate --model runs/classes/model --class other --output other.png
  A classifier of the same folders, which leads a model that knows none
    velatura train classifier places --first-stage runs/free/model --size 32 --steps 250 --output runs/told
    velatura generate --model runs/free/model --classifier runs/told/model --class other --output led.png
  A first stage of one's own, and a denoiser on it
    velatura train autoencoder scenes --size 32 --steps 400 --output runs/eyes
    velatura train diffusion scenes --task unconditional --first-stage runs/eyes/model --size 32 --steps 400 --output runs/own
  A run as its file describes it, and one that goes on
    velatura train --config runs/free/run.json --steps 800 --output runs/longer
    velatura train --config runs/free/run.json --steps 900 --output runs/longer --resume";

/// Of `velatura evaluate`.
pub(super) const EVALUATE: &str = "\
Examples, which run as they stand, one after the other:

    velatura evaluate --count 20
    velatura evaluate --tasks layout,semantic --count 20
    velatura scenes --count 50 --out real
    velatura scenes --count 50 --seed 1 --out made
    velatura evaluate folders made real
    velatura evaluate folders real --save-statistics real.npz
    velatura evaluate model --fid-against real.npz --count 20";

/// Of `velatura autoencoder`.
pub(super) const AUTOENCODER: &str = "\
Examples, which run as they stand, one after the other:

    velatura generate --prompt \"a red house\" --seed 7 --output house.png
    velatura autoencoder encode house.png --model storybook --out house.safetensors
    velatura autoencoder decode house.safetensors --model storybook --out again.png";

/// Of `velatura export`.
pub(super) const EXPORT: &str = "\
Example:

    velatura export storybook --out smaller --precision f16";

/// Of `velatura models`.
pub(super) const MODELS: &str = "\
Examples, which run as they stand, one after the other:

    velatura models
    velatura models make-tiny stable-diffusion-1 --out tiny/sd
    velatura models inspect tiny/sd
    velatura models convert tiny/sd --out sd-folder
    velatura models convert sd-folder --out sd.safetensors --precision f16";
