#!/usr/bin/env python3
"""Turns Real-ESRGAN's compact network from ncnn's form into safetensors, once.

    python3 assets/upscaler/convert.py REALESRGAN_ANIMAVIDEOV3_UP4X.bin

Writes realesrgan-x4.safetensors beside itself. Needs numpy and safetensors.

The file is 18 convolutions, each the flag word of ncnn's half precision, the
kernel as f16 and the bias as f32; after each of the first 17 come the f32
slopes of a PReLU. Kernels stay f16, so nothing is lost. In the checkpoints of
Real-ESRGAN `convolutions.N` is `body.2N` and `activations.N` is `body.(2N+1)`.
"""

import pathlib
import sys

import numpy as np
from safetensors.numpy import save_file

HALF_PRECISION = 0x01306B47
WIDTH = 64
CHANNELS = [3] + [WIDTH] * 17 + [3 * 4 * 4]


def main():
    data = pathlib.Path(sys.argv[1]).read_bytes()
    at = 0

    def take(kind, count):
        nonlocal at
        values = np.frombuffer(data, kind, count, at)
        at += values.nbytes
        return values

    tensors = {}
    for index, (inputs, outputs) in enumerate(zip(CHANNELS, CHANNELS[1:])):
        (flag,) = take("<u4", 1)
        assert flag == HALF_PRECISION, f"convolution {index} begins with {flag:#x}"
        kernel = take("<f2", outputs * inputs * 9).reshape(outputs, inputs, 3, 3)
        tensors[f"convolutions.{index}.weight"] = kernel
        tensors[f"convolutions.{index}.bias"] = take("<f4", outputs)
        if outputs == WIDTH:
            tensors[f"activations.{index}.weight"] = take("<f4", outputs)
    assert at == len(data), f"{len(data) - at} bytes are left over"
    tensors = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    about = {"source": "Real-ESRGAN, realesr-animevideov3 x4", "licence": "BSD-3-Clause"}
    save_file(tensors, pathlib.Path(__file__).with_name("realesrgan-x4.safetensors"), about)


if __name__ == "__main__":
    main()
