"""Files that are no model rtfx reads, told by their first bytes or keys: each named for what it is, with a way on."""

from __future__ import annotations

from typing import Any

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

STARTS = (  # place of the bytes in the file, the bytes, what such a file is and what to do
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

# keys that tell a training configuration, whose it is, and what training writes
CONFIGURATIONS = (
    ({"net", "optimizer"}, "Neural Amp Modeler", "the .nam file"),
    ({"train", "validation"}, "Neural Amp Modeler", "the .nam file"),
    ({"train_dataloader"}, "Neural Amp Modeler", "the .nam file"),
    ({"unit_type", "hidden_size"}, "Automated-GuitarAmpModelling", "the model_best.json"),
    ({"epochs"}, "a trainer", "the model"),
    ({"batch_size"}, "a trainer", "the model"),
    ({"learning_rate"}, "a trainer", "the model"),
)


def what_is(content: bytes) -> str | None:
    """Return what a file is by its first bytes, with what to do; None if they tell nothing."""
    start = content.lstrip()
    for place, marker, what in STARTS:
        if (start if place == 0 else content)[place : place + len(marker)] == marker:
            return what
    return None


def configuration(data: dict[str, Any]) -> str | None:
    """Return what a training configuration is, with what to do; None if the keys are not those of one."""
    for keys, whose, result in CONFIGURATIONS:
        if keys <= data.keys():
            return f"a training configuration of {whose}, without weights: name {result} that training writes"
    return None
