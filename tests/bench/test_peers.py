"""Other libraries take their turns only if their output is the reference's."""

import importlib.util

import numpy as np
import pytest

import rtfx
from rtfx.bench import models
from rtfx.bench.models import bench
from rtfx.errors import UsageError
from rtfx.model.reference import evaluate
from tests.engine.rigs import tcn


def reference_stream(factor: float):
    """A library for tests: the whole past evaluated again at every block."""

    def stream(name, spec, block, sample_rate):
        past = np.zeros((spec.inputs, 0), np.float32)

        def process(x):
            nonlocal past
            past = np.concatenate([past, x], axis=1)
            return factor * evaluate(spec, past, sample_rate=sample_rate, cold=True)[:, -block:]

        return process

    return stream


@pytest.mark.parametrize(("factor", "timed"), [(1.0, True), (0.999, False)])
def test_outputs_are_compared_before_times(monkeypatch, factor, timed):
    monkeypatch.setattr(models, "check_installed", lambda name: None)
    monkeypatch.setattr(models, "stream", reference_stream(factor))
    (row,) = bench([("tcn", rtfx.Model(tcn(3)))], [1024], seconds=0.01, against=["fake"])
    other = row.against["fake"]
    assert (other.ns_per_sample is not None) == timed == (other.error_db < -80.0) == (not other.why)


def test_a_model_stretched_to_another_rate_is_not_compared(monkeypatch):
    monkeypatch.setattr(models, "check_installed", lambda name: None)
    (row,) = bench([("tcn", rtfx.load("klon"))], [64], 96000.0, seconds=0.01, against=["fake"])
    assert "Hz only" in row.against["fake"].why


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"torch is not installed: pip install 'rtfx\[bench\]'"):
        bench([("tcn", rtfx.Model(tcn(3)))], [64], against=["torch"])
    with pytest.raises(UsageError, match="expected torch or onnxruntime"):
        bench([], [64], against=["tensorflow"])
