"""Files of other programs: the error names their kind and a remedy, also if they have a model's suffix."""

import json
import zipfile

import pytest

from rtfx import errors
from rtfx.model.load import load

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456\n"
FILES = {
    "net.tflite": (b"\x1c\0\0\0TFL3" + bytes(60), r"TensorFlow Lite: save the Keras model.*\.keras"),
    "amp.nam": (POINTER, "a Git LFS pointer, not the file itself: git lfs install"),
    "amp.onnx": (POINTER, "a Git LFS pointer"),
    "amp.json": (b"  <!DOCTYPE html><html>", "an HTML or XML page"),
    "amp.ort": (b"\x08\0\0\0ORTM" + bytes(20), "ONNX Runtime"),
    "cab.nam": (b"FORM\0\0\0\0AIFF", "an AIFF file: use it as a cab"),
    "cut.onnx": (b"\x08\x0a\x12\x07pytorch\x3a\xff", "damaged or cut short"),
    "empty.onnx": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_a_file_is_by_its_bytes(tmp_path, name):
    content, words = FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(errors.NotAModelFile, match=words):
        load(tmp_path / name)


CONFIGURATIONS = {
    "Neural Amp Modeler, without weights": {"net": {"name": "WaveNet"}, "optimizer": {"lr": 0.004}},
    "Neural Amp Modeler, without": {"train": {"start": 0}, "validation": {}, "common": {}},
    "Neural Amp Modeler": {"train_dataloader": {"batch_size": 16}, "val_dataloader": {}, "trainer": {}},
    "Automated-GuitarAmpModelling": {"hidden_size": 20, "unit_type": "LSTM", "loss_fcns": {"ESR": 0.75}},
    "a trainer": {"epochs": 100, "lr": 0.01},
}


@pytest.mark.parametrize("whose", CONFIGURATIONS)
def test_a_training_configuration_is_told_from_a_model(tmp_path, whose):
    (tmp_path / "config.json").write_text(json.dumps(CONFIGURATIONS[whose]))
    with pytest.raises(errors.NotAModelFile, match=f"a training configuration of {whose}.*that training writes"):
        load(tmp_path / "config.json")


def test_torchscript_is_told_from_a_pickle(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"\x80")
        archive.writestr("net/code/__torch__.py", "class Net(Module): ...")
    with pytest.raises(
        errors.NotAModelFile, match=r"TorchScript: .*torch\.jit\.load.*TS2EPConverter.*torch\.export\.save"
    ):
        load(tmp_path / "net.pt")
