"""What holds for every effect of time and movement, whatever its knobs say and whatever is played into it."""

from functools import cache

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from rtfx.effects.table import BLOCKS

from .harness import CUTS, RATE, Run, constant, cut, glide, guitar, run

NAMES = (
    "delay",
    "reverb",
    "chorus",
    "flanger",
    "phaser",
    "tremolo",
    "vibrato",
    "rotary",
    "doubler",
    "wah",
    "autowah",
)
EFFECTS = {name: BLOCKS[name] for name in NAMES}
STEREO = [name for name in NAMES if EFFECTS[name].channels == "stereo"]
# Knobs at which an effect is most alive, and soon silent
LIVELY = {
    "delay": {"mode": "tape", "time": 20.0, "wow": 1.0, "saturation": 1.0, "mix": 0.5},
    "wah": {"mix": 0.5},
    "autowah": {"mix": 0.5},
    "reverb": {"kind": "plate", "decay_s": 0.2, "modulation": 1.0, "mix": 0.5},
}
LOUDEST = 40.0  # times the loudest input, or full scale: a resonance of 26 dB and some room


def ends(parameter) -> tuple:
    """Return the lowest and the highest value of a parameter, or all its choices."""
    return parameter.choices or (parameter.minimum, parameter.maximum)


def lively(name: str) -> dict:
    return LIVELY.get(name, {})


def played(effect, x: np.ndarray) -> np.ndarray:
    """Return (channels, frames) as the effect takes them: the first channel if it takes one."""
    return x[0] if effect.channels == "each" and x.ndim > 1 else x


def pair(frames: int) -> np.ndarray:
    return np.stack([guitar(frames, 1), guitar(frames, 2)[::-1]])


def test_each_has_help_for_every_knob():
    assert all(parameter.summary for effect in EFFECTS.values() for parameter in effect.parameters)


@pytest.mark.parametrize("name", EFFECTS)
def test_silence_stays_silence(name):
    assert not run(EFFECTS[name], np.zeros(RATE), lively(name)).any()


@pytest.mark.parametrize("name", EFFECTS)
def test_it_ends_without_denormals(name):
    effect = EFFECTS[name]
    play = Run(effect)
    play(guitar(RATE // 2), constant(effect, lively(name), RATE // 2))
    silence = np.zeros(4 * RATE)
    y = play(silence, constant(effect, lively(name), silence.size))
    assert not y[..., -RATE // 10 :].any()
    numbers = [play.state[0][field] for field in effect.state.names if effect.state[field].base.kind == "f"]
    numbers.append(play.memory)
    for found in map(np.atleast_1d, numbers):
        assert not np.any((found != 0) & (np.abs(found) < np.finfo(found.dtype).tiny))


@pytest.mark.parametrize("name", EFFECTS)
def test_a_state_that_is_no_number_recovers(name):
    effect = EFFECTS[name]
    play = Run(effect)
    x = guitar(RATE)
    rows = constant(effect, lively(name), x.size)
    play(x, rows)
    for field in effect.state.names:
        if effect.state[field].base.kind == "f" and field not in effect.constants(RATE):
            play.state[0][field] = np.nan
    play.memory[:] = np.nan
    for _ in range(4):
        y = play(x, rows)
    assert np.isfinite(y).all()
    assert np.sqrt(np.mean(y**2)) > 0.2 * np.sqrt(np.mean(x**2))


@pytest.mark.parametrize("name", STEREO)
def test_one_channel_is_two_equal_ones(name):
    effect = EFFECTS[name]
    x = guitar(RATE // 2)
    mono, stereo = (run(effect, each, lively(name)) for each in (x, np.stack([x, x])))
    assert mono.shape == stereo.shape == (2, x.size)
    np.testing.assert_array_equal(mono, stereo)


@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("block", CUTS)
def test_two_channels_in_any_blocks_give_the_same_bits(name, block):
    effect = EFFECTS[name]
    x = played(effect, pair(12000))
    last = {parameter.name: ends(parameter)[-1] for parameter in effect.parameters if parameter.choices}
    rows = glide(effect, lively(name), last, x.shape[-1], start=3001)
    whole = Run(effect)(x, rows)
    np.testing.assert_array_equal(Run(effect)(x, rows, cut(x.shape[-1], block)), whole)


@pytest.mark.parametrize("name", [name for name, effect in EFFECTS.items() if effect.rings])
def test_what_is_off_changes_no_bit_and_rings_on(name):
    effect = EFFECTS[name]
    x = pair(RATE)
    off = constant(effect, lively(name) | {"on": 0.0}, x.shape[1])
    np.testing.assert_array_equal(Run(effect)(x, off), x)
    play = Run(effect)
    play(x, constant(effect, lively(name), x.shape[1]))
    silence = np.zeros((2, 4 * RATE))
    y = play(silence, glide(effect, lively(name), lively(name) | {"on": 0.0}, silence.shape[1], start=0))
    assert np.abs(y[:, 1000:3000]).max() > 1e-3 and not y[:, -100:].any()


@cache
def values_of(name: str):
    return st.fixed_dictionaries(
        {
            parameter.name: st.sampled_from(ends(parameter))
            if parameter.choices
            else st.one_of(st.sampled_from(ends(parameter)), st.floats(parameter.minimum, parameter.maximum))
            for parameter in EFFECTS[name].parameters
        }
    )


def inputs() -> dict:
    generator = np.random.default_rng(3)
    t = np.arange(16384)
    click = np.zeros(t.size)
    click[::5000] = 1.0
    return {
        "noise": generator.uniform(-1, 1, (2, t.size)),
        "constant": np.ones(t.size),
        "square": np.sign(np.sin(2 * np.pi * 100.5 * t / RATE)),
        "highest": np.cos(np.pi * t),
        "click": click,
        "much too loud": 200.0 * np.sin(2 * np.pi * 440 * t / RATE),
    }


@pytest.mark.parametrize("name", EFFECTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_setting_and_any_input_gives_finite_bounded_sound(name, data):
    before, after = (data.draw(values_of(name)) for _ in range(2))
    kind = data.draw(st.sampled_from(sorted(inputs())))
    rate = data.draw(st.sampled_from([8000, 48000, 192000]))
    effect = EFFECTS[name]
    x = played(effect, inputs()[kind])
    play = Run(effect, rate)
    loudest = LOUDEST * 10 ** (max(values.get("level_db", 0.0) for values in (before, after)) / 20)
    for values in (before, after, before):
        y = play(x, constant(effect, values, x.shape[-1], rate))
        assert np.isfinite(y).all()
        assert np.abs(y).max() <= loudest * max(1.0, np.abs(x).max())


def above_7_khz(y: np.ndarray) -> float:
    sos = scipy.signal.butter(8, 7000, "high", fs=RATE, output="sos")
    return float(np.abs(scipy.signal.sosfilt(sos, y)[..., RATE // 4 :]).max())


@pytest.mark.parametrize("name", EFFECTS)
def test_a_knob_that_turns_makes_no_click(name):
    """A sine of 220 Hz has nothing above 7 kHz; what a turn from end to end adds there stays 60 dB below it."""
    effect = EFFECTS[name]
    t = np.arange(RATE)
    x = 0.25 * np.sin(2 * np.pi * 220 * t / RATE) * np.minimum(1.0, t / 9600)
    for parameter in effect.parameters:
        first, last = ends(parameter)[0], ends(parameter)[-1]
        for before, after in ((first, last), (last, first)):
            at_rest = {"saturation": 0.0} if any(p.name == "saturation" for p in effect.parameters) else {}
            rows = [at_rest | lively(name) | at_rest | {parameter.name: value} for value in (before, after)]
            y = Run(effect)(x, glide(effect, *rows, t.size, start=RATE // 2)).astype(float)
            assert above_7_khz(y) < 1.2e-3 * max(0.25, np.abs(y).max()), (parameter.name, before, after)
