"""The facts of `rtfx info`: every key that is promised, plain values, and a start without heavy imports."""

import json
import subprocess
import sys

import pytest

from rtfx.model.describe import describe
from rtfx.model.load import load

from .nets import small_nets, write

PROMISED = (
    "file, family, sample_rate, rate_source, inputs, outputs, knobs, parameters, macs_per_sample, receptive_field, "
    "latency_frames, warnings"
).split(", ")


@pytest.mark.parametrize("name", ["gru", "conv1d", "klon", "aidax-knobs", "two-outputs"])
def test_every_promised_key(tmp_path, name):
    path = write(tmp_path, small_nets()[name])
    facts = describe(load(path), path)
    assert set(PROMISED) <= set(facts)
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["file"] == str(path)


def test_values(tmp_path):
    path = write(tmp_path, small_nets()["klon"])
    facts = describe(load(path), path)
    assert facts["knobs"] == [{"name": "gain", "min": 0.0, "max": 1.0, "default": 0.5, "unit": ""}]
    assert facts["macs_per_sample"] == 3 * 4 + 4 * 18 + 6 * 18 + 6
    assert facts["parameters"] == facts["macs_per_sample"] + 4 + 2 * 18 + 1
    assert (facts["receptive_field"], facts["latency_frames"], facts["inputs"]) == (None, 0, 1)
    facts = describe(load("random:tcn?layers=3&kernel=3&dilation=2"), "random:tcn")
    assert facts["receptive_field"] == 15


def test_reading_a_model_imports_nothing_heavy(tmp_path):
    path = write(tmp_path, small_nets()["gru"])
    program = f"import sys; from rtfx.model.load import load; load({str(path)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"numba", "llvmlite", "scipy", "soxr", "sounddevice", "yaml", "platformdirs"} & set(done.stdout.split())
    assert heavy <= {"platformdirs"}
