"""Tiny random models of the paper in diffusers' folders, what diffusers' loops make of them,
and files of PyTorch as trainers write them. Needs torch, diffusers, transformers, safetensors:

    python tests/data/reference/make_unseen_reference.py
"""

import json
import shutil
from pathlib import Path

import numpy
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel, UNet2DModel, VQModel
from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import LDMBertConfig, LDMBertModel
from safetensors.torch import save_file
from transformers import BertTokenizerFast

OUT = Path(__file__).parent / "unseen"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "fox", "##es", "in", "the", "snow", ",", "!"]
NOISE = dict(beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False)
BLOCKS = dict(block_out_channels=[16, 32], layers_per_block=1, norm_num_groups=8)
STAGE = dict(block_out_channels=[8, 16], layers_per_block=1, norm_num_groups=8)


def stirred(network, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, weights in network.named_parameters():
        drawn = torch.randn(weights.shape, generator=generator)
        if weights.ndim > 1:
            weights.copy_(drawn / weights[0].numel() ** 0.5)
        else:
            weights.copy_(drawn * 0.1 + (0 if name.endswith("bias") else 1))
    return network.half().float().eval()


def save(network, folder, **options):
    network.half().save_pretrained(folder, **options)
    network.float()


def begun(name, pipeline, **parts):
    folder = OUT / name
    folder.mkdir(parents=True)
    index = {"_class_name": pipeline, "_diffusers_version": "0.3.0", **parts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    return folder


def noise(seed, *shape):
    return torch.from_numpy(numpy.random.RandomState(seed).standard_normal(shape).astype("float32"))


def run(scheduler, latents, said, steps=4):
    scheduler.set_timesteps(steps)
    for step in scheduler.timesteps:
        latents = scheduler.step(said(latents, step), step, latents).prev_sample
    return latents.contiguous()


def text():
    folder = begun(
        "ldm-text",
        "LDMTextToImagePipeline",
        bert=["latent_diffusion", "LDMBertModel"],
        scheduler=["diffusers", "DDIMScheduler"],
        tokenizer=["transformers", "BertTokenizer"],
        unet=["diffusers", "UNet2DConditionModel"],
        vqvae=["diffusers", "AutoencoderKL"],
    )
    unet = stirred(
        UNet2DConditionModel(
            sample_size=8,
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
            cross_attention_dim=32,
            attention_head_dim=2,
            **BLOCKS,
        ),
        1,
    )
    stage = stirred(
        AutoencoderKL(
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
            sample_size=16,
            **STAGE,
        ),
        2,
    )
    config = LDMBertConfig(vocab_size=len(WORDS), max_position_embeddings=12, encoder_layers=1, encoder_ffn_dim=128, d_model=32)
    bert = stirred(LDMBertModel(config), 3)
    scheduler = DDIMScheduler(**NOISE)
    (folder / "tokenizer").mkdir()
    list_of_words = folder / "tokenizer" / "vocab.txt"
    list_of_words.write_text("\n".join(WORDS) + "\n")
    tokenizer = BertTokenizerFast.from_pretrained(folder / "tokenizer")
    # As new versions of transformers keep it.
    tokenizer.save_pretrained(folder / "tokenizer")
    list_of_words.unlink()
    for part, network in (("unet", unet), ("vqvae", stage), ("bert", bert)):
        save(network, folder / part)
    scheduler.save_pretrained(folder / "scheduler")

    def states(words):
        ids = tokenizer(words, padding="max_length", max_length=12, truncation=True, return_tensors="pt").input_ids
        return bert(ids)[0]

    both = torch.cat([states([""]), states(["A red fox in the snow, foxes!"])])

    def said(latents, step):
        free, told = unet(torch.cat([latents] * 2), step, encoder_hidden_states=both).sample.chunk(2)
        return free + 3 * (told - free)

    drawn = noise(4, 1, 4, 8, 8)
    save_file({"noise": drawn, "latents": run(scheduler, drawn, said)}, folder / "reference.safetensors")


def super_resolution():
    folder = begun(
        "ldm-sr",
        "LDMSuperResolutionPipeline",
        scheduler=["diffusers", "DDIMScheduler"],
        unet=["diffusers", "UNet2DModel"],
        vqvae=["diffusers", "VQModel"],
    )
    unet = stirred(
        UNet2DModel(
            sample_size=8,
            in_channels=6,
            out_channels=3,
            down_block_types=["DownBlock2D", "AttnDownBlock2D"],
            up_block_types=["AttnUpBlock2D", "UpBlock2D"],
            attention_head_dim=8,
            **BLOCKS,
        ),
        5,
    )
    stage = stirred(
        VQModel(
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=3,
            vq_embed_dim=3,
            num_vq_embeddings=16,
            sample_size=16,
            **STAGE,
        ),
        6,
    )
    scheduler = DDIMScheduler(**NOISE)
    for part, network in (("unet", unet), ("vqvae", stage)):
        save(network, folder / part)
    scheduler.save_pretrained(folder / "scheduler")
    small = numpy.random.RandomState(7).randint(0, 256, (8, 8, 3)).astype("uint8")
    told = (torch.from_numpy(small.astype("float32")) / 127.5 - 1).permute(2, 0, 1)[None]
    drawn = noise(8, 1, 3, 8, 8)
    latents = run(scheduler, drawn, lambda latents, step: unet(torch.cat([latents, told], 1), step).sample)
    pixels = torch.from_numpy(small.astype("float32")).contiguous()
    save_file({"noise": drawn, "latents": latents, "small": pixels}, folder / "reference.safetensors")


def files():
    words = torch.nn.Parameter(noise(9, 2, 32) * 0.5)
    learned = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": torch.nn.ParameterDict({"*": words})}
    torch.save(learned, OUT / "parameters.pt")
    torch.save(learned, OUT / "parameters-old.pt", _use_new_zipfile_serialization=False)
    weights = {"first.weight": noise(10, 2, 3), "second.bias": noise(11, 2)}
    torch.save({"module": weights, "global_steps": 3}, OUT / "module.pt")
    torch.save({"epoch": 1, "state_dict": {"state_dict": weights}}, OUT / "nested.pt")


with torch.no_grad():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    text()
    super_resolution()
    files()
