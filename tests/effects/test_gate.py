"""Gate: it opens, holds, closes and ducks when and as far as its parameters say, and never jumps."""

import numpy as np
import pytest

import rtfx
from rtfx.effects.gate import FOLLOWER_MS, GATE

from .harness import RATE, Run, constant, glide, guitar, run

THRESHOLD = 10 ** (-40 / 20)
SETTING = {
    "threshold_db": -40.0,
    "hysteresis_db": 6.0,
    "attack_ms": 2.0,
    "hold_ms": 30.0,
    "release_ms": 80.0,
    "range_db": 60.0,
}
BURST = slice(4800, 9600)


def level_steps(loud: float, quiet: float = 1e-5) -> np.ndarray:
    """Return a positive constant, louder in BURST: its gate gain can be read as y / x."""
    x = np.full(24000, quiet, np.float32)
    x[BURST] = loud
    return x


def test_open_gate_is_bit_transparent():
    x = level_steps(0.1)
    y = run(GATE, x, SETTING)
    opened = slice(BURST.start + int(0.002 * RATE) + 1, BURST.stop)
    np.testing.assert_array_equal(y[opened], x[opened])


def test_closed_gate_is_range_db_quieter():
    x = level_steps(THRESHOLD * 0.99)
    np.testing.assert_allclose(run(GATE, x, SETTING), x * 1e-3, rtol=1e-5)


def test_attack_hold_and_release_times():
    x = level_steps(0.1)
    gain = run(GATE, x, SETTING).astype(float) / x
    assert np.argmax(gain > 0.9999) - BURST.start == pytest.approx(0.002 * RATE, abs=2)
    half = BURST.start + int(0.001 * RATE)
    assert gain[half] == pytest.approx(0.5, abs=0.02)  # the attack is linear in gain
    # The follower falls from 0.1 to the lower threshold, then the hold begins.
    lower = THRESHOLD * 10 ** (-6 / 20)
    closing = BURST.stop + FOLLOWER_MS * np.log(0.1 / lower) * RATE / 1000 + 0.030 * RATE
    falls = BURST.stop + np.argmax(gain[BURST.stop :] < 0.9999)
    assert falls == pytest.approx(closing, abs=3)
    assert gain[falls + int(0.040 * RATE)] == pytest.approx(10 ** (-30 / 20), rel=0.01)  # the release is linear in dB
    assert falls + np.argmax(gain[falls:] < 1.0001e-3) == pytest.approx(falls + 0.080 * RATE, abs=5)


@pytest.mark.parametrize(("below_db", "opened"), [(5.0, True), (7.0, False)])
def test_hysteresis(below_db, opened):
    x = np.full(48000, THRESHOLD * 10 ** (-below_db / 20), np.float32)
    x[4800] = THRESHOLD * 1.01
    assert (run(GATE, x, SETTING)[-1] == x[-1]) == opened


def test_threshold_alone_does_not_open_from_below():
    x = np.full(9600, THRESHOLD * 0.99, np.float32)
    assert run(GATE, x, SETTING)[-1] < 0.01 * x[-1]


def test_low_e_does_not_chatter_at_default_hysteresis_without_hold():
    t = np.arange(24000) / RATE
    x = 1.3 * THRESHOLD * np.sin(2 * np.pi * 82.4 * t)
    x[np.abs(x) < 1e-7] = 1e-7
    y = run(GATE, x, SETTING | {"hold_ms": 0.0})
    np.testing.assert_array_equal(y[4800:], np.float32(x[4800:]))


@pytest.mark.parametrize("attack_ms", [0.1, 1.0, 10.0])
def test_gain_never_jumps(attack_ms):
    x = guitar(48000)
    gate = Run(GATE)
    setting = SETTING | {"attack_ms": attack_ms, "hold_ms": 1.0, "release_ms": 5.0}
    rows = glide(GATE, setting, setting | {"range_db": 0.0}, x.size, start=30000)
    level = np.where(np.abs(x) > 0, x, 1e-9).astype(np.float32)
    gain = gate(level, rows).astype(float) / level
    attack = 1.0 / (attack_ms * RATE / 1000)
    release = 1.0 - 1e-3 ** (1.0 / (0.005 * RATE))
    moves = np.diff(gain)
    assert moves.max() < max(attack, 1.0 / 960) * 1.01 + 1e-6
    assert -moves.min() < release * 1.01 + 1e-6
    assert moves.max() > 0.5 * attack


def test_range_zero_is_a_wire_even_when_closed():
    x = level_steps(1e-4)
    np.testing.assert_array_equal(run(GATE, x, SETTING | {"range_db": 0.0}), x)


def test_a_key_opens_it_and_the_input_does_not():
    """Behind an amp, the gate is to follow the guitar: noise alone keeps it closed, however loud."""
    key, x = level_steps(0.1), np.full(24000, 0.5, np.float32)
    gain = Run(GATE)(x, constant(GATE, SETTING, x.size), key=key) / x
    np.testing.assert_allclose(gain, run(GATE, key, SETTING) / key, rtol=1e-6)
    assert gain[BURST.start - 1] == pytest.approx(1e-3) and gain[BURST.stop - 1] == 1.0


def test_both_channels_have_the_gain_of_the_louder_one():
    loud, quiet = level_steps(0.1), level_steps(1e-3)
    y = run(GATE, np.stack([quiet, loud]), SETTING)
    np.testing.assert_array_equal(y[1], run(GATE, loud, SETTING))
    np.testing.assert_allclose(y[0] / quiet, y[1] / loud, rtol=1e-6)
    both = np.stack([quiet, loud])
    keyed = Run(GATE)(both[::-1].copy(), constant(GATE, SETTING, loud.size), key=both)
    np.testing.assert_array_equal(keyed, y[::-1])


def test_a_side_input_opens_it():
    """The gate stands behind 40 dB of gain, which lifts hiss above the threshold; the guitar before it is silent."""
    hiss = np.float32(1e-4 * np.random.default_rng(5).standard_normal(24000))
    chain = [{"type": "gain", "gain_db": 24.0}, {"type": "gain", "id": "more", "gain_db": 24.0}]
    own = rtfx.Rig([*chain, {"type": "gate", "threshold_db": -50.0, "range_db": 100.0}])(hiss, RATE)
    keyed = rtfx.Rig([*chain, {"type": "gate", "threshold_db": -50.0, "range_db": 100.0, "key": "input"}])(hiss, RATE)
    assert np.abs(own[12000:]).max() > 1e-2 and np.abs(keyed[12000:]).max() < 1e-5
    named = rtfx.Rig([*chain, {"type": "gate", "threshold_db": -50.0, "range_db": 100.0, "key": "more"}])(hiss, RATE)
    assert np.array_equal(named, own)
