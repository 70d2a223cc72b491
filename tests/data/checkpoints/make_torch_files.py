"""Writes PyTorch checkpoints of every form, and hostile ones, for tests/checkpoints.

    ~/.cache/venv/bin/python tests/data/checkpoints/make_torch_files.py
"""
import collections
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent
torch.manual_seed(0)


def tensors():
    base = torch.randn(6, 8)
    cube = torch.randn(3, 4, 5, 2)
    shared = torch.arange(40, dtype=torch.float32)
    return collections.OrderedDict(
        plain=torch.randn(3, 5),
        half=torch.randn(7).half(),
        brain=torch.randn(2, 3).bfloat16(),
        double=torch.randn(4, dtype=torch.float64),
        integers=torch.tensor([1, -2, 2**40]),
        small=torch.tensor([1, -2, 3], dtype=torch.int32),
        bytes=torch.tensor([0, 255], dtype=torch.uint8),
        truth=torch.tensor([True, False, True]),
        scalar=torch.tensor(0.25),
        nothing=torch.zeros(0, 4),
        turned=base.t(),
        columns=base[:, 1:4],
        strided=base[::2, ::3],
        permuted=cube.permute(3, 1, 0, 2),
        head=shared[:10].view(2, 5),
        tail=shared[10:],
        tail_again=shared[10:],
        parameter=torch.nn.Parameter(torch.randn(2, 2)),
        half_turned=torch.randn(4, 3).half().t(),
        spread=torch.randn(1).expand(4),
        unsigned=torch.tensor([1, 60000], dtype=torch.uint16),
    )


def fake_lightning():
    """Classes with the names that pytorch-lightning's checkpoints refer to."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __init__(self):
            self.best = 1.5

    ModelCheckpoint.__module__ = module.__name__
    ModelCheckpoint.__qualname__ = "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint
    for name in ["pytorch_lightning", "pytorch_lightning.callbacks"]:
        sys.modules[name] = types.ModuleType(name)
    sys.modules[module.__name__] = module
    return ModelCheckpoint


def lightning():
    checkpoint_class = fake_lightning()
    weight = torch.nn.Parameter(torch.randn(2, 3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    return {
        "epoch": 3,
        "global_step": 2**40,
        "pytorch-lightning_version": "1.4.2",
        "callbacks": {checkpoint_class: {"best": numpy.float32(0.5), "list": [1, (2, 3)]}},
        "hyper_parameters": {"object": checkpoint_class(), "set": {1, 2}, "array": numpy.eye(2)},
        "optimizer_states": [optimizer.state_dict()],
        "lr_schedulers": [{"last": 1e-5}],
        "state_dict": collections.OrderedDict([("a.weight", weight), ("b", torch.ones(3).half())]),
    }


def networks():
    """Dictionaries in a dictionary: GLIGEN's networks with an `ema` that holds none, and an IP-Adapter."""
    def parts(*names):
        return {name: torch.arange(4, dtype=torch.float32) for name in names}

    own = {"model": parts("a", "b"), "autoencoder": parts("c"), "text_encoder": parts("d")}
    averaged = {name: value + 1 for name, value in own["model"].items()}
    for name, ema in [
        ("none", {}),
        ("bookkeeping", {"decay": torch.tensor(0.999)}),
        ("whole", averaged | {"decay": torch.tensor(0.999)}),
    ]:
        torch.save(own | {"ema": ema}, HERE / f"gligen-ema-{name}.pt")
    adapter = {"image_proj": parts("proj.weight", "norm.weight"), "ip_adapter": parts("1.to_k_ip.weight")}
    torch.save(adapter, HERE / "ip-adapter.bin")


def both(name, value, **options):
    torch.save(value, HERE / f"{name}.ckpt", **options)
    torch.save(value, HERE / f"{name}-old.ckpt", _use_new_zipfile_serialization=False, **options)


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def rewritten(name, edit, method=zipfile.ZIP_STORED):
    """A zip checkpoint whose parts went through a function."""
    with zipfile.ZipFile(HERE / "good.ckpt") as source, zipfile.ZipFile(
        HERE / f"{name}.ckpt", "w", method
    ) as target:
        for entry in source.namelist():
            target.writestr(entry, edit(entry, source.read(entry)))


def pickled(name, program):
    """A checkpoint with this program as its pickle and four floats as its storage."""
    with zipfile.ZipFile(HERE / f"hostile-{name}.ckpt", "w", zipfile.ZIP_DEFLATED) as target:
        target.writestr("archive/data.pkl", program)
        target.writestr("archive/data/0", struct.pack("<4f", 1, 2, 3, 4))


def tensor_program(count, shape, stride, storage=b"cytorch\n", first=0, kind=b"FloatStorage"):
    """A state dict with one tensor, by hand."""

    def integer(value):
        return b"I%d\n" % value

    def integers(values):
        return b"(" + b"".join(integer(value) for value in values) + b"t"

    return (
        b"\x80\x02}X\x01\x00\x00\x00w"
        + b"ctorch._utils\n_rebuild_tensor_v2\n(("
        + b"X\x07\x00\x00\x00storagectorch\n" + kind + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu"
        + integer(count) + b"tQ" + integer(first) + integers(shape) + integers(stride)
        + b"\x89ccollections\nOrderedDict\n)RtRs."
    )


def main():
    values = tensors()
    both("good", values)
    # What both readers must give, one number after the other.
    plain = {key: value.detach().clone().contiguous() for key, value in values.items()}
    save_file(plain, HERE / "good.safetensors")
    both("lightning", lightning())
    torch.save(values, HERE / "protocol4.ckpt", pickle_protocol=4)
    rewritten("packed", lambda name, data: data, zipfile.ZIP_DEFLATED)

    evil = Call(os.system, "touch /tmp/velatura-was-here")
    torch.save({"state_dict": values, "x": evil}, HERE / "hostile-system.ckpt")
    torch.save(evil, HERE / "hostile-system-old.ckpt", _use_new_zipfile_serialization=False)
    (HERE / "hostile-plain.ckpt").write_bytes(pickle.dumps(evil))
    (HERE / "hostile-text.ckpt").write_bytes(b"cos\nsystem\n(S'touch /tmp/velatura-was-here'\ntR.")
    pickled("eval", b"\x80\x02cbuiltins\neval\n(X\x01\x00\x00\x001tR.")
    pickled("inst", b"\x80\x02(X\x01\x00\x00\x001isubprocess\nPopen\n.")
    pickled("extension", b"\x80\x02\x82\x01.")
    pickled("self", b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.")
    pickled("self-state", b"\x80\x02}q\x00X\x0a\x00\x00\x00state_dicth\x00s.")
    pickled("deep", b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".")
    pickled("deep-tuple", b"\x80\x02N" + b"\x85" * 500_000 + b".")
    pickled("marks", b"\x80\x02" + b"(" * 2_000_000)
    pickled("lengths", b"\x80\x02X\xff\xff\xff\x7fa.")
    pickled("long-lengths", b"\x80\x04\x8d" + b"\xff" * 8 + b"a.")
    pickled("number", b"\x80\x02\x8b\xff\xff\xff\x7f1.")
    pickled("empty", b"")
    pickled("nothing", b"\x80\x02N.")
    pickled("no-stack", b"\x80\x02.")
    pickled("memo", b"\x80\x02h\x07.")
    pickled("doubling", b"\x80\x02]q\x00" + b"ccollections\nOrderedDict\nh\x00\x85R" * 1000 + b".")
    pickled("stride0", tensor_program(4, [1 << 20, 1 << 20], [0, 0]))
    pickled("stride0-small", tensor_program(4, [1 << 13, 1 << 12], [0, 0]))
    pickled("overflow", tensor_program(4, [1 << 62, 1 << 62], [1, 1]))
    pickled("beyond", tensor_program(4, [2, 3], [3, 1]))
    pickled("offset", tensor_program(4, [4], [1], first=1))
    pickled("negative", tensor_program(4, [-4], [1]))
    pickled("negative-stride", tensor_program(4, [4], [-1]))
    pickled("count", tensor_program(1 << 61, [4], [1]))
    pickled("kind", tensor_program(4, [4], [1], kind=b"QInt8Storage"))
    pickled("axes", tensor_program(4, [1] * 1000, [1] * 1000))
    with zipfile.ZipFile(HERE / "hostile-bomb.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        count = 1 << 24
        bomb.writestr("archive/data.pkl", tensor_program(count, [count], [1]))
        with bomb.open("archive/data/0", "w") as part:
            for _ in range(count * 4 >> 20):
                part.write(bytes(1 << 20))
    with zipfile.ZipFile(HERE / "hostile-unread-bomb.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        # No tensor is in what is packed so.
        bomb.writestr("archive/data.pkl", tensor_program(4, [4], [1]))
        bomb.writestr("archive/data/0", bytes(16))
        with bomb.open("archive/data/1", "w") as part:
            for _ in range(18):
                part.write(bytes(1 << 20))
    with zipfile.ZipFile(HERE / "hostile-pickle-bomb.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as bomb:
        with bomb.open("archive/data.pkl", "w") as part:
            part.write(b"\x80\x02")
            for _ in range(40):
                part.write(b"N" * (1 << 20))
    with zipfile.ZipFile(HERE / "hostile-overlap.ckpt", "w", zipfile.ZIP_DEFLATED) as overlap:
        # 600 tensors that are all the same large part of one storage.
        count = 1 << 16
        one = tensor_program(count, [count], [1])
        body = one[len(b"\x80\x02}X\x01\x00\x00\x00w"):-2]
        program = b"\x80\x02}" + b"".join(b"X\x03\x00\x00\x00%03d" % i + body + b"s" for i in range(600)) + b"."
        overlap.writestr("archive/data.pkl", program)
        overlap.writestr("archive/data/0", bytes(4 * count))
    with zipfile.ZipFile(HERE / "hostile-passed.ckpt", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as passed:
        # 600 small tensors at the end of a packed storage: all before is unpacked for each of them.
        count = 1 << 22
        one = tensor_program(count, [4], [1], first=count - 4)
        body = one[len(b"\x80\x02}X\x01\x00\x00\x00w"):-2]
        program = b"\x80\x02}" + b"".join(b"X\x03\x00\x00\x00%03d" % i + body + b"s" for i in range(600)) + b"."
        passed.writestr("archive/data.pkl", program)
        passed.writestr("archive/data/0", bytes(4 * count))
    good = (HERE / "good.ckpt").read_bytes()
    (HERE / "hostile-cut.ckpt").write_bytes(good[: len(good) // 2])
    old = (HERE / "good-old.ckpt").read_bytes()
    (HERE / "hostile-cut-old.ckpt").write_bytes(old[:-100])
    with zipfile.ZipFile(HERE / "hostile-no-pickle.ckpt", "w") as empty:
        empty.writestr("readme.txt", b"hello")
    script = torch.jit.script(torch.nn.Linear(1, 1))
    script.save(str(HERE / "hostile-script.ckpt"))
    rewritten("hostile-big-endian", lambda name, data: b"big" if name.endswith("byteorder") else data)
    networks()


if __name__ == "__main__":
    main()
