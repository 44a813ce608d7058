"""Short endurance tests: seconds under load, minutes of audio faster than real time; and proof that they can fail."""

import sys

import numpy as np
import pytest
import soundfile

from rtfx.engine.engine import Engine

from . import long, play
from .rig import RATE, tone

HOURS, SECONDS_AN_HOUR = 4, 72  # "hours" of a minute and a bit, each with all kinds of sound


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from Linux's /proc")
def test_a_stream_under_load_has_no_audible_fault(tmp_path):
    found = play.soak(8.0, tmp_path, settings=16, rest=2.0)
    print(found)
    assert found["wrong"] == []
    assert found["presets_selected"] >= 5 and found["swaps"] >= 5
    assert found["parameters_turned"] > 200 and found["training_steps"] > 5 and found["collections"] >= 1
    assert found["overruns"] <= found["overruns_of_the_control"] + 0.01 * found["blocks"]
    assert found["losses"][-1] < found["losses"][0], "the training trains"


@pytest.mark.slow
def test_minutes_without_drift_or_denormals():
    found = long.soak("klon.json", HOURS, SECONDS_AN_HOUR)
    print(found)
    assert found["wrong"] == []
    assert found["frames"] == HOURS * SECONDS_AN_HOUR * RATE
    assert found["peak"] > 0.1


@pytest.mark.slow
def test_a_click_is_found(tmp_path):
    """A jump of a fiftieth of full scale in one frame of a minute."""
    y = tone(60 * RATE)
    y[1_000_000:] += 0.02
    soundfile.write(tmp_path / "click.wav", y, RATE, subtype="FLOAT")
    kink, finite = play.largest_kink(tmp_path / "click.wav")
    assert finite and 0.019 < kink < 0.021
    y[2_000_000] = np.nan
    soundfile.write(tmp_path / "nan.wav", y, RATE, subtype="FLOAT")
    assert not play.largest_kink(tmp_path / "nan.wav")[1]


@pytest.mark.slow
def test_a_drift_is_found(monkeypatch):
    """An engine that gets louder by a hundredth of a decibel every "hour"."""
    drive, factor = Engine.drive, [1.0]

    def louder(self, x, block):
        factor[0] *= 10.0 ** (0.01 / 20.0 / SECONDS_AN_HOUR)
        return drive(self, x, block) * np.float32(factor[0])

    monkeypatch.setattr(Engine, "drive", louder)
    assert any("drift" in line for line in long.soak("klon.json", 3, SECONDS_AN_HOUR)["wrong"])
