"""Tiny autoencoders (TAESD) with random weights, as diffusers and as their author keep
them, and what diffusers makes of pictures and latents.

    OMP_NUM_THREADS=1 python tests/data/reference/make_tiny_autoencoder_reference.py
"""

from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from safetensors.torch import save_file

OUT = Path(__file__).parent / "taesd"
WIDTH = 8


def main() -> None:
    torch.manual_seed(20261126)
    model = AutoencoderTiny(
        encoder_block_out_channels=(WIDTH,) * 4,
        decoder_block_out_channels=(WIDTH,) * 4,
        num_encoder_blocks=(1, 2, 3, 1),
        num_decoder_blocks=(2, 1, 3, 1),
    ).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            # What goes around a block is to count as much as what goes through it.
            spread = 0.8 if ".conv." in name else 1.0
            spread = spread if name.endswith("weight") else 0.3
            value.copy_(torch.randn_like(value) * spread / max(value[0].numel(), 9) ** 0.5)
    model.save_pretrained(OUT / "folder")

    # Their author's files: a decoder begins with what bounds latents.
    encoder = {k: v.clone() for k, v in model.encoder.layers.state_dict().items()}
    decoder = {}
    for name, value in model.decoder.layers.state_dict().items():
        number, rest = name.split(".", 1)
        decoder[f"{int(number) + 1}.{rest}"] = value.clone()
    save_file(encoder, OUT / "taesd_encoder.safetensors")
    save_file(decoder, OUT / "taesd_decoder.safetensors")
    (OUT / "pth").mkdir(exist_ok=True)
    torch.save(decoder, OUT / "pth" / "taesd_decoder.pth")

    pictures = torch.rand(2, 3, 32, 48) * 2 - 1
    latents = torch.randn(2, 4, 5, 7) * 2
    with torch.no_grad():
        reference = {
            "pictures": pictures,
            "encoded": model.encode(pictures).latents,
            "latents": latents,
            "decoded": model.decode(latents).sample,
        }
    print({k: (v.std().item(), tuple(v.shape)) for k, v in reference.items()})
    save_file(reference, OUT / "reference.safetensors")


if __name__ == "__main__":
    main()
