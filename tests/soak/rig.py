"""The input of the endurance test: a set list of different graphs, a smooth tone, and the largest allowed bend."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import rtfx
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig

RATE = 48000
BLOCK = 64
HERTZ, LEVEL = 110.0, 0.2
LOOP_FRAMES = 4800  # whole periods: a loop of it has no corner
FADE_FRAMES, QUICK_FRAMES, VOICES = 960, 240, 4

SET_LIST = """\
version: 1
presets:
  - name: pedal
    chain: [{type: model, id: klon, file: klon.json, gain: 0.5}]
  - name: amp
    chain:
      - {type: gain, gain_db: -3}
      - {type: model, id: amp, file: amp.json, drive: 0.4}
      - {type: cab, file: open-2x12.wav}
  - name: stack
    chain:
      - {type: gate, threshold_db: -80}
      - {type: model, id: klon, file: klon.json, gain: 0.3}
      - {type: model, id: amp, file: amp.json, drive: 0.2}
      - {type: eq, low_cut_hz: 80}
      - {type: cab, file: closed-4x12.wav}
  - name: random
    chain:
      - {type: model, id: ronn, file: ronn-42.json}
      - {type: eq, high_cut_hz: 8000}
"""
# What the floods turn, and how far: a tone that these leave smooth shows every click.
RANGES = {"gain": (0.0, 1.0), "drive": (0.0, 1.0), "gain_db": (-12.0, 0.0), "input_db": (-12.0, 0.0)}
RANGES |= {"level_db": (-12.0, 0.0), "bell1_db": (-6.0, 6.0), "bell2_db": (-6.0, 3.0), "low_shelf_db": (-6.0, 6.0)}


def soak_rig(folder: Path) -> rtfx.Rig:
    """Return the rig of the set list, written into `folder`."""
    path = folder / "soak.yaml"
    path.write_text(SET_LIST)
    return rtfx.Rig.from_yaml(path)


def tone(frames: int = LOOP_FRAMES) -> np.ndarray:
    """Return (frames,) float32 of a sine."""
    return (LEVEL * np.sin(2.0 * np.pi * HERTZ / RATE * np.arange(frames))).astype(np.float32)


def turnable(parameters) -> list[tuple[str, float, float]]:
    """Return (address, low, high) of the parameters that the floods turn."""
    found = [(address, parameter.name) for address, parameter, _ in parameters]
    return [(address, *RANGES[name]) for address, name in found if name in RANGES]


def kink_bound(presets, settings: int, seed: int = 1) -> float:
    """Return the largest second difference of frames that crossfades and glides of these presets can make.

    A click of height h has one of h at least, a tone hardly any. At most the sharpest bend of a sound held still times
    the sum of gains (2 is ample: equal-power pairs reach 1.42), plus the corners of four fades and a quick one of the
    loudest. Both are found where every knob is at one of its ends: at all such places, or at `settings` of them.
    """
    generator = np.random.default_rng(seed)
    sharpest = loudest = 0.0
    x = tone(RATE // 2)[:, None]
    for preset in presets:
        knobs = turnable((knob.address, knob.parameter, knob.value) for knob in preset.knobs.values())
        corners = list(itertools.product(*((low, high) for _, low, high in knobs)))
        for place in generator.permutation(len(corners))[:settings]:
            given = {address: value for (address, *_), value in zip(knobs, corners[place], strict=True)}
            values = preset.with_values(preset.now(), given)
            rig = EngineRig(preset.plan, template=preset.template)
            rig.start_at(values)
            engine = Engine(RATE, outputs=preset.plan.outputs, device_outputs=1, live=False)
            engine.publish(rig)
            y = engine.drive(x, BLOCK)[RATE // 10 :, 0]
            sharpest = max(sharpest, float(np.abs(np.diff(y, n=2)).max()))
            loudest = max(loudest, float(np.abs(y).max()))
    return 2.0 * sharpest + loudest * (VOICES * np.pi / 2 / FADE_FRAMES + 1.0 / QUICK_FRAMES)
