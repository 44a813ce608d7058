"""How far apart in loudness all models are once normalised: on the riff, and on another guitar."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from rtfx import api
from rtfx.control import level
from rtfx.control.loudness import loudness
from rtfx.engine.offline import Offline
from rtfx.errors import RtfxError
from rtfx.find import MODEL_SUFFIXES

from ..conftest import SHARED

ROOT = Path(__file__).parents[2]
RATE = 48000.0
# nets of random weights that leave less than -70 LUFS of a guitar
SILENT = ["convnet_relu", "convnet_test", "dense", "hello_test_net", "lstm_1x10", "lstm_dyn_test"]
# LU; measured: 0.5 and 3.2, the greatest parts of both from nets that nobody trained on a guitar
SPREAD_ON_RIFF, DEVIATION_ELSEWHERE = 1.0, 4.0


def held_out():
    """Return five seconds of the generator that tests the shipped models' training, as loud as the riff."""
    place = importlib.util.spec_from_file_location("held_out", ROOT / "models/make/held_out.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    x = module.audio(seconds=5.0)
    return np.float32(x * 10 ** ((level.clip_loudness() - loudness(x, RATE)) / 20))


def levels_of(files, clips):
    """Return the loudness of every model that loads, on every clip, as the host plays it."""
    found = {}
    for file in files:
        try:
            model = api.load(file)
        except RtfxError:
            continue
        if model.spec.inputs == 1:
            player = Offline(api.Rig([model]).plan(RATE))
            found[Path(file).stem] = []
            for x in clips:
                found[Path(file).stem].append(loudness(player.process(x[:, None]), RATE))
                player.reset()
    return found


def test_shipped_models():
    found = levels_of(["klon.json", "amp.json", "ronn-42.json"], [level.clip(RATE)])
    assert len(found) == 3 and all(abs(values[0] - level.TARGET_LUFS) < 0.1 for values in found.values())


@pytest.mark.parametrize("path", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_presets(path):
    x = level.clip(RATE)[:, None]
    rig = api.Rig.from_yaml(path)
    for index in range(len(rig.presets)):
        rig.index = index
        y = Offline(rig.plan(RATE)).process(x)
        assert loudness(y, RATE) == pytest.approx(level.TARGET_LUFS, abs=0.6), rig.preset.name


def test_all_shared_models(shared):
    files = sorted(path for path in (SHARED / "models").rglob("*") if path.suffix in MODEL_SUFFIXES)
    found = levels_of(files, [level.clip(RATE), held_out()])
    assert sorted(name for name, (riff, _) in found.items() if riff == -math.inf) == SILENT
    riff, other = np.array([values for name, values in found.items() if name not in SILENT]).T
    assert len(riff) > 75
    assert riff.max() - riff.min() < SPREAD_ON_RIFF
    assert np.std(other) < DEVIATION_ELSEWHERE
    print(f"{len(riff)} models: {np.ptp(riff):.2f} LU apart on the riff, deviation {np.std(other):.2f} LU elsewhere")
