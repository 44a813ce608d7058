"""Reads JSON files. It also recognises other kinds of file by their first bytes or keys and tells what to do."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

from ...errors import NotAModelFile, ResourceLimit, reason_of
from ...files import oddity, read_file
from ..values import FILE_BYTES, at_most, mapping, shallow, shown

EXPORT = (
    "export the module where it was made: torch.export.save(torch.export.export(module.eval(), (example,)), "
    "'model.pt2'), or its weights as safetensors"
)
PICKLE = f"a Python pickle, which rtfx never opens, since it could run any code: {EXPORT}"
TORCHSCRIPT = (
    "TorchScript: convert it where PyTorch is: module = torch.jit.load(FILE); from torch._export.converter import "
    "TS2EPConverter; torch.export.save(TS2EPConverter(module, (example,)).convert(), 'model.pt2')"
)
TFLITE = "TensorFlow Lite: save the Keras model that it was made from: model.save('model.keras')"

STARTS = (  # offset of the bytes in the file, the bytes, the kind of file and what to do
    (0, b"PK", "a zip archive: name a .pt2 export instead"),
    (0, b"\x80", PICKLE),
    (0, b"\x93NUMPY", "a NumPy array: name the folder's config.json instead"),
    (0, b"RIFF", "a WAV file: use it as a cab"),
    (0, b"RF64", "a WAV file: use it as a cab"),
    (0, b"FORM", "an AIFF file: use it as a cab"),
    (0, b"fLaC", "a FLAC file: use it as a cab"),
    (0, b"OggS", "an Ogg file: convert it to WAV to use it as a cab"),
    (0, b"version:", "a set list: name it without --model, or rtfx check it"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the file itself: git lfs install, then git lfs pull"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it first"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (0, b"Rar!", "a RAR archive: unpack it first"),
    (0, b"<", "an HTML or XML page, perhaps a failed download: fetch the raw file"),
    (0, b"GGUF", "GGUF, a format of language models: rtfx plays audio models"),
    (0, b"%PDF", "a PDF document: name the model file beside it"),
    (4, b"TFL3", TFLITE),
    (4, b"ORTM", "a model of ONNX Runtime (.ort): name the .onnx file that it was made from"),
)

# keys of a training configuration, the trainer's name, and the file that training writes
CONFIGURATIONS = (
    ({"net", "optimizer"}, "Neural Amp Modeler", "the .nam file"),
    ({"train", "validation"}, "Neural Amp Modeler", "the .nam file"),
    ({"train_dataloader"}, "Neural Amp Modeler", "the .nam file"),
    ({"unit_type", "hidden_size"}, "Automated-GuitarAmpModelling", "the model_best.json"),
    ({"epochs"}, "a trainer", "the model"),
    ({"batch_size"}, "a trainer", "the model"),
    ({"learning_rate"}, "a trainer", "the model"),
)


def parse(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file at `path`, at most `values.FILE_BYTES` long; duplicate keys are refused."""
    if found := oddity(path):  # reading a pipe or a device may block for ever
        raise NotAModelFile(f"{found}{' without config.json' if path.is_dir() else ''}, expected a model file")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_BYTES:
                raise ResourceLimit(f"{size} bytes, at most {FILE_BYTES}: is this a model file?")
            content = file.read()
    except OSError as error:
        raise NotAModelFile(f"cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise NotAModelFile("the file is empty, expected JSON: fetch or export it again")
    if (what := what_is(content)) is not None:
        raise NotAModelFile(what)
    try:
        data = json.loads(content, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ResourceLimit("nested too deeply, expected a few levels: is this a model file?") from error
    except ValueError as error:
        raise NotAModelFile(f"not JSON ({str(error)[:100]}): fetch or export it again") from error
    if not isinstance(data, dict):
        raise NotAModelFile(f"the file holds {shown(data)}, expected a JSON object")
    return mapping(shallow(data, "the file"), "the file")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of `pairs`, whose keys must differ."""
    data = dict(pairs)
    if len(data) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise NotAModelFile(f"the key {shown(twice)} appears twice in one object: which is meant?")
    return data


def read_json(path: Path) -> Any:
    """Return what is in a JSON file that lies beside a model's own, of at most `values.FILE_BYTES`.

    Raises
    ------
    ModelError
        The file cannot be read, is not JSON, is too large or nested too deeply; the message names the file.
    """
    try:
        at_most(path.stat().st_size, FILE_BYTES, f"bytes in {path.name}")
        return shallow(json.loads(read_file(path)), path.name)
    except RecursionError as error:
        raise ResourceLimit(f"{path.name} is nested too deeply, expected a few levels") from error
    except (OSError, ValueError) as error:
        raise NotAModelFile(f"{path.name} cannot be read ({reason_of(error)[:100]}): write it again") from error


def what_is(content: bytes) -> str | None:
    """Return the kind of a file by its first bytes, and what to do with it; None if they are unknown."""
    start = content.lstrip()
    for place, marker, what in STARTS:
        if (start if place == 0 else content)[place : place + len(marker)] == marker:
            return what
    return None


def configuration(data: dict[str, Any]) -> str | None:
    """Return the trainer of a training configuration, and what to do; None if the keys are not those of one."""
    for keys, whose, result in CONFIGURATIONS:
        if keys <= data.keys():
            return f"a training configuration of {whose}, without weights: name {result} that training writes"
    return None
