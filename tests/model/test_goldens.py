"""Golden files of every family: small models whose answers come from evaluations that read the files by themselves."""

import re
from pathlib import Path

import numpy as np
import pytest

from rtfx.model.load import FAMILIES, load
from rtfx.model.reference import evaluate

from .goldens.make_goldens import FOLDER, KNOB, KNOBS, RATE, audio

ANSWERS = dict(np.load(FOLDER / "answers.npz"))
EXPORTS = {path.suffix for path in (Path(__file__).parent / "exports").iterdir()}
COLD = ("state-dict.json", "tensors.safetensors")  # answered from a state of zeros
BOUND = 1e-12  # of the peak: sums of float64 in another order
BYTES = 300_000


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_a_golden_file_is_read_as_the_second_evaluation_reads_it(name):
    spec, expected = load(FOLDER / name), ANSWERS[name]
    knobs = dict.fromkeys(KNOBS.get(name, ()), KNOB)
    assert set(knobs) == {knob.name for knob in spec.knobs} - {"size"}
    found = evaluate(spec, audio(spec.inputs), knobs, RATE, cold=name in COLD)
    assert found.shape == expected.shape and np.abs(expected).max() > 1e-3
    assert np.abs(found - expected).max() <= BOUND * np.abs(expected).max()


def test_every_family_has_a_golden_file_and_every_file_an_answer():
    files = {path.name for path in FOLDER.iterdir() if path.suffix not in (".py", ".npz") and "arch" not in path.name}
    assert files - {"__pycache__"} == set(ANSWERS)
    told = {re.sub(r" \(.*", "", family.name) for family in FAMILIES}
    read = {"rtfx JSON", "NAM", "NAM 0.4", "Automated-GuitarAmpModelling", "AIDA-X", "RTNeural", "WaveNetVA"}
    assert told == read | {"SmartAmpPro", "legacy CoreAudioML", "PyTorch state_dict"}, (
        "a new family needs a golden file"
    )
    assert {".pt2", ".onnx", ".json"} <= EXPORTS  # keras.json holds a Keras model and its tensors
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) < BYTES
