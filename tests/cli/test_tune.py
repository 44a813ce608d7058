"""``rtfx tune`` and ``--tune``: what is measured, how it is told, and where it cannot be kept."""

import json
import sys

import pytest

import rtfx
from rtfx.cli.tune import tune_once
from rtfx.errors import DeviceError, UsageError
from rtfx.plan.tuned import IGNORE
from rtfx.tune import Searched

from .command import rtfx as command

FOUND = Searched(20.0, 19.0, 16.0, 30.0, 0.1875, 12, {"conv 1": (16, 1, 8)})


@pytest.fixture
def measured(monkeypatch):
    """Models that were measured, in place of measuring: (name, rate, block)."""
    seen, module = [], sys.modules["rtfx.tune"]

    def tune(model, rate, block, told):
        seen.append((model.spec.name, rate, block))
        told("conv 1: 8 choices")
        return FOUND

    monkeypatch.setattr(module, "tune", tune)
    monkeypatch.setattr(module, "is_tuned", lambda model, rate: False)
    monkeypatch.delenv(IGNORE, raising=False)
    return seen


def test_a_line_says_what_was_gained(measured, capsys):
    code, out, err = command(capsys, "tune", "klon.json", "--rate", 44100, "--block", 32)
    assert code == 0 and [each[1:] for each in measured] == [(44100.0, 32)]
    assert out.endswith(
        ": 20.0 ns a sample by rule, 16.0 with the best of 12 tried (18.8 % less than before), 30.0 with the worst for "
        "all\n"
    )
    assert "klon.json: conv 1: 8 choices" in err


def test_json_and_the_models_own_rate(measured, capsys):
    code, out, _ = command(capsys, "tune", "klon.json", "--json")
    row = json.loads(out)
    assert code == 0 and row["block"] == 64 and row["best_ns"] == 16.0 and row["changed"] == {"conv 1": [16, 1, 8]}
    assert [each[1:] for each in measured] == [(48000.0, 64)]


def test_a_cache_that_cannot_be_written_is_one_line(measured, monkeypatch, capsys):
    def tune(*words):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sys.modules["rtfx.tune"], "tune", tune)
    code, _, err = command(capsys, "tune", "klon.json")
    assert code == 1 and "cannot keep the measurements" in err and "set RTFX_CACHE_DIR to a writable folder" in err
    with pytest.raises(DeviceError, match="RTFX_CACHE_DIR"):
        tune_once(rtfx.Rig(["amp.json"]), None, 0)


def test_only_models_that_were_not_measured_yet_are_before_a_stream_opens(measured, monkeypatch, capsys):
    rig = rtfx.Rig(["klon.json", "amp.json"])
    known, new = rig.specs
    monkeypatch.setattr(sys.modules["rtfx.tune"], "is_tuned", lambda model, rate: model.spec.name == known.name)
    tune_once(rig, None, 0)
    tune_once(rig, 96000.0, 16)
    assert measured == [(new.name, new.sample_rate or 48000.0, 64), (new.name, 96000.0, 16)]
    assert capsys.readouterr().err.count("measuring which kernels are fastest here") == 2


def test_measuring_and_ignoring_measurements_exclude_each_other(measured, monkeypatch):
    monkeypatch.setenv(IGNORE, "1")
    with pytest.raises(UsageError, match="--tune and --deterministic were given"):
        tune_once(rtfx.Rig(["klon.json"]), None, 0)
    assert measured == []
