"""Writes ../exports: exports of every module, for PyTorch and as ONNX, and what PyTorch answers.

``python -m tests.model.torch_only.make_exports`` from the project's folder, where PyTorch 2.9 or newer is installed.
Of an archive the program and its tensors are kept, as PyTorch wrote them, but for the places of sources on a disk.
"""

import json
import warnings
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import torch

from rtfx.errors import RtfxError
from rtfx.model.read.pt2 import _archive, _examples, read

from .modules import FRAMES, answer, modules

FOLDER = Path(__file__).parents[1] / "exports"
KNOBS = [0.3, 0.7]
DECOMPOSED = ("linear", "micro-tcn", "film", "strided", "weight-norm")  # stored as run_decompositions() leaves them too
OPEN = ("film", "gated", "strided", "valid")  # with an open length of the audio too


def example_of(module):
    """Return the first guess that the module takes, as short as the stored answers."""
    for (guess,) in _examples(torch, module):
        short = torch.zeros([FRAMES if size == max(guess.shape) else size for size in guess.shape])
        try:
            read(_archive(torch, module, (short,)), "", None)
        except RtfxError:
            continue
        return (short,)
    raise AssertionError("no example fits")


def open_length(module, example):
    """Return a program whose audio is of any length."""
    length = torch.export.Dim("frames", min=16, max=1 << 20)
    shapes = [{each.shape.index(FRAMES): length} if FRAMES in each.shape else None for each in example]
    return torch.export.export(module, example, dynamic_shapes=tuple(shapes))


def stored(program):
    """Return the bytes of an archive."""
    whole, small = BytesIO(), BytesIO()
    torch.export.save(program, whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("models/model.json"):
                data = json.loads(content)
                for node in data["graph_module"]["graph"]["nodes"]:
                    node["metadata"].pop("stack_trace", None)
                content = json.dumps(data).encode()
            if "sample_inputs" not in name:
                new.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return small.getvalue()


def store_onnx(name, module, example, **options):
    """Write an ONNX file without the places of sources on a disk."""
    path = FOLDER / f"{name}.onnx"
    torch.onnx.export(module, example, path, **options)
    model = onnx.load(path, load_external_data=False)
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
    del model.graph.value_info[:]
    path.write_bytes(model.SerializeToString())


def main():
    warnings.simplefilter("ignore")  # about the exporters' own future
    x = np.random.default_rng(1).normal(0, 0.4, (1, FRAMES))
    answers = {}
    for name, (module, example) in modules().items():
        example = example if isinstance(example, tuple) else (example,) if example is not None else example_of(module)
        (FOLDER / f"{name}.pt2").write_bytes(stored(torch.export.export(module, example)))
        if name in DECOMPOSED:
            program = torch.export.export(module, example).run_decompositions()
            (FOLDER / f"{name}-decomposed.pt2").write_bytes(stored(program))
        if name in OPEN:
            (FOLDER / f"{name}-open.pt2").write_bytes(stored(open_length(module, example)))
        if name != "activations":  # softshrink has no operator of its own there
            store_onnx(name, module, example, dynamo=False, opset_version=17)
        answers[name] = answer(name, module, x, KNOBS[: {"lstm-knobs": 2, "film": 2}.get(name, 0)])
    # the newer exporter, which puts weights into a file of their own
    module, example = modules()["lstm"]
    store_onnx("newer-lstm", module, example_of(module), dynamo=True, verbose=False)
    np.savez_compressed(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
