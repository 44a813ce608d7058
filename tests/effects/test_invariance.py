"""Every effect gives equal bits for any block sizes, also while parameters glide."""

import numpy as np
import pytest

from rtfx.effects.comp import COMP
from rtfx.effects.dcblock import DCBLOCK
from rtfx.effects.eq import EQ
from rtfx.effects.gain import GAIN
from rtfx.effects.gate import GATE
from rtfx.effects.graphic_eq import GRAPHIC_EQ
from rtfx.effects.klon import KLON
from rtfx.effects.mono import MONO
from rtfx.effects.octaver import OCTAVER
from rtfx.effects.parametric_eq import PARAMETRIC_EQ
from rtfx.effects.peak_limiter import LIMITER
from rtfx.effects.tilt import TILT
from rtfx.effects.tonestack import TONESTACK
from rtfx.effects.transpose import TRANSPOSE
from rtfx.effects.width import WIDTH

from .harness import CUTS, Run, constant, cut, glide, guitar
from .test_klon import STAGE

FRAMES = 20000
SETTINGS = {
    "gain": (GAIN, {"gain_db": -20.0}, {"gain_db": 6.0}),
    "gate": (GATE, {"threshold_db": -30.0, "hold_ms": 5.0}, {"threshold_db": -50.0, "range_db": 20.0}),
    "comp": (COMP, {"detector": "rms", "key_low_cut_hz": 90.0}, {"threshold_db": -40.0, "ratio": 10.0, "mix": 0.7}),
    "limiter": (LIMITER, {"gain_db": 12.0}, {"ceiling_db": -6.0, "release_ms": 20.0}),
    "eq": (EQ, {"low_cut_hz": 80.0, "bell1_db": -6.0}, {"bell1_hz": 900.0, "bell1_db": 12.0, "high_cut_hz": 5000.0}),
    "parametric_eq": (PARAMETRIC_EQ, {"db1": 6.0, "type4": "high_cut"}, {"db2": -12.0, "hz2": 3000.0, "db3": 9.0}),
    "graphic_eq": (GRAPHIC_EQ, {"db250": 6.0, "db16k": -6.0}, {"db500": -12.0, "db4k": 12.0}),
    "tilt": (TILT, {"tilt_db": 6.0}, {"tilt_db": -9.0, "pivot_hz": 1500.0}),
    "tonestack": (TONESTACK, {"amp": "vox", "bass": 0.9}, {"treble": 1.0, "mid": 0.0, "level_db": 6.0}),
    "transpose": (TRANSPOSE, {"semitones": 4.0}, {"semitones": -7.0, "mix": 0.5}),
    "octaver": (OCTAVER, {"up": 0.5}, {"down": 0.2, "up": 1.0}),
    "mono": (MONO, {}, {}),
    "width": (WIDTH, {"width": 0.3}, {"width": 1.8, "balance": -0.4}),
    "dcblock": (DCBLOCK, {}, {}),
    "klon": (KLON, {"tone": 0.1, "level": 0.3}, {"tone": 1.0, "level": 1.0}),
    "klon gain stage": (STAGE, {"gain": 0.1}, {"gain": 1.0}),
}


def played(effect, frames: int, seed: int = 0) -> np.ndarray:
    """Return a guitar, on two different channels if the effect takes them together."""
    one = guitar(frames, seed)
    return one if effect.channels == "each" else np.stack([one, 0.6 * guitar(frames, seed + 1)[::-1]])


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("block", CUTS)
def test_any_cut_gives_the_same_bits(name, block):
    effect, before, after = SETTINGS[name]
    x = played(effect, FRAMES)
    rows = glide(effect, before, after, FRAMES, start=7001)
    whole = Run(effect)(x, rows, cut(FRAMES, 512))
    assert np.abs(whole).max() > 0.01
    np.testing.assert_array_equal(Run(effect)(x, rows, cut(FRAMES, block)), whole)


@pytest.mark.parametrize("name", SETTINGS)
def test_cells_always_have_the_same_number(name):
    effect, *settings = SETTINGS[name]
    rates = (8000, 44100, 192000)
    assert len({len(effect.cells(effect.complete(values), rate)) for values in settings for rate in rates}) == 1


@pytest.mark.parametrize("name", SETTINGS)
def test_every_corner_of_the_ranges_gives_finite_bounded_sound(name):
    effect = SETTINGS[name][0]
    x = played(effect, 4000)
    for end in ("minimum", "maximum"):
        for parameter in effect.parameters:
            if parameter.choices:
                continue
            rows = glide(effect, {}, {parameter.name: getattr(parameter, end)}, x.size, start=500)
            assert np.abs(Run(effect)(x, rows)).max() < 20.0, (parameter.name, end)  # +24 dB is 15.8


IDLE = {
    "gate": (GATE, {"threshold_db": -90.0}, {"threshold_db": -89.9}),
    "eq": (
        EQ,
        {"bell1_q": 9.0, "low_shelf_hz": 900.0},
        {"bell1_db": 0.1},
        {"low_cut_hz": 1.0},
        {"high_cut_hz": 19999.0},
    ),
}


@pytest.mark.parametrize("name", IDLE)
@pytest.mark.parametrize("sample_rate", [8000, 48000])
def test_a_block_that_calls_itself_idle_changes_no_bit_from_the_first_sample_on(name, sample_rate):
    """Offline plans leave it out, and live and offline must be equal bit by bit."""
    effect, idle, *turned = IDLE[name]
    x = guitar(4000) * np.float32(1e-6)  # far below any threshold
    assert effect.idle(effect.complete(idle))
    np.testing.assert_array_equal(Run(effect)(x, constant(effect, idle, x.size, sample_rate=sample_rate)), x)
    for values in turned:
        assert not effect.idle(effect.complete(values))


def test_a_gate_that_is_switched_on_while_it_plays_does_not_jump():
    x = np.full(FRAMES, 0.01, np.float32)
    y = Run(GATE)(x, glide(GATE, {"threshold_db": -90.0}, {"threshold_db": -20.0}, FRAMES, start=500))
    assert np.array_equal(y[:500], x[:500]) and y[-1] < 1e-5
    assert np.abs(np.diff(y)).max() < 0.01 * 0.02
