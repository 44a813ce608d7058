"""Delay: each echo is late, filtered and soft as its formula says; a new time neither clicks nor jumps."""

import numpy as np
import pytest
import scipy.signal

from rtfx import Rig
from rtfx.effects.delay import DELAY, HOTTEST
from rtfx.effects.lines import FADE_SECONDS
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig

from .harness import RATE, Run, constant, glide, guitar, run

OPEN = {"low_cut_hz": 10.0, "high_cut_hz": 20000.0, "mix": 0.5}


def filtered(x, low_cut, high_cut):
    """Return x behind the loop's two one-poles, by their transfer functions."""
    k = 1 - np.exp(-2 * np.pi * low_cut / RATE)
    x = x - scipy.signal.lfilter([k], [1, k - 1], x)
    k = 1 - np.exp(-2 * np.pi * high_cut / RATE) if high_cut < 20000 else 1.0
    return scipy.signal.lfilter([k], [1, k - 1], x)


@pytest.mark.parametrize(
    "low_cut, high_cut, feedback", [(10.0, 20000.0, 0.9), (200.0, 3000.0, 0.5), (80.0, 6000.0, 0.0)]
)
def test_each_echo_is_the_last_one_filtered_once_more(low_cut, high_cut, feedback):
    x = 0.2 * guitar(RATE).astype(float)
    values = {"time": 55.5, "feedback": feedback, "low_cut_hz": low_cut, "high_cut_hz": high_cut, "mix": 0.5}
    expected, echo, late = x.copy(), x, round(0.0555 * RATE)
    for _ in range(30):
        echo = np.concatenate([np.zeros(late), filtered(echo, low_cut, high_cut)])[: x.size]
        expected += echo
        echo = feedback * echo
    for y in run(DELAY, x, values):
        assert np.abs(y - expected).max() < 1e-5 * np.abs(expected).max()


def test_ping_pong_goes_from_left_to_right_and_back():
    x = np.zeros((2, RATE), np.float32)
    x[1, 0] = 0.5
    y = run(DELAY, x, OPEN | {"mode": "pingpong", "time": 100.0, "feedback": 0.6})
    peaks = y[:, [4800, 9600, 14400]]
    np.testing.assert_allclose(peaks, [[0.25, 0, 0.09], [0, 0.15, 0]], atol=2e-3)


@pytest.mark.parametrize(
    "mix, dry, wet", [(0.0, 1.0, 0.0), (0.25, 1.0, 0.5), (0.5, 1.0, 1.0), (0.75, 0.5, 1.0), (1.0, 0.0, 1.0)]
)
def test_mix(mix, dry, wet):
    x = np.zeros(9600, np.float32)
    x[0] = 0.5
    y = run(DELAY, x, OPEN | {"mix": mix, "time": 100.0})[0]
    assert y[0] == 0.5 * dry
    assert y[4800] == pytest.approx(0.5 * wet, rel=2e-3, abs=1e-9)


def test_a_note_is_a_time():
    (time,) = (parameter for parameter in DELAY.parameters if parameter.name == "time")
    assert time.number(time.check("1/8."), 120.0) == 375.0


def test_ducked_echoes_return_when_the_guitar_stops():
    t = np.arange(2 * RATE)
    x = 0.3 * np.sin(2 * np.pi * 330 * t / RATE) * (t < RATE)
    values = OPEN | {"mix": 1.0, "time": 60.0, "feedback": 0.9, "high_cut_hz": 20000.0}
    wet, ducked = (run(DELAY, x, values | {"duck_db": db})[0] for db in (0.0, 20.0))

    def level_db(a, b):
        return 20 * np.log10(np.sqrt(np.mean(ducked[a:b] ** 2)) / np.sqrt(np.mean(wet[a:b] ** 2)))

    assert -20.0 < level_db(RATE // 2, RATE) < -13.0
    assert level_db(RATE + 45000, 2 * RATE) > -3.0


def test_the_tape_saturates_by_its_formula_and_leaves_soft_echoes_alone():
    values = OPEN | {"mode": "tape", "time": 100.0, "wow": 0.0, "flutter": 0.0, "mix": 1.0, "saturation": 0.5}
    for size in (0.01, 1.0):
        x = np.zeros(4900, np.float32)
        x[:20] = size
        y = run(DELAY, x, values)[0][4800]
        assert y == pytest.approx(size / np.sqrt(1 + (0.5 * HOTTEST * size) ** 2), rel=3e-3)


def cents(y, hertz):
    """Return the pitch of a sine against `hertz` over time, smoothed over 2 ms."""
    analytic = scipy.signal.hilbert(y)[RATE // 2 : -RATE // 10]
    found = np.diff(np.unwrap(np.angle(analytic))) * RATE / (2 * np.pi)
    return 1200 * np.log2(np.convolve(found, np.ones(96) / 96, "valid") / hertz)


@pytest.mark.parametrize("knob, other, most", [("wow", "flutter", 12.0), ("flutter", "wow", 12.0)])
def test_wow_and_flutter_bend_the_pitch_as_far_as_said(knob, other, most):
    x = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(6 * RATE) / RATE)
    values = OPEN | {"mode": "tape", "time": 50.0, "feedback": 0.0, "mix": 1.0, "saturation": 0.0, other: 0.0}
    bend = np.abs(cents(run(DELAY, x, values | {knob: 1.0})[0].astype(float), 1000)).max()
    assert 0.7 * most < bend < 1.1 * most
    assert np.abs(cents(run(DELAY, x, values | {knob: 0.0})[0].astype(float), 1000)).max() < 0.01


def test_a_new_time_fades_over_in_digital_and_bends_the_pitch_on_tape():
    x = 0.25 * np.sin(2 * np.pi * 500 * np.arange(2 * RATE) / RATE)
    plain = {"feedback": 0.0, "mix": 1.0, "low_cut_hz": 10.0, "high_cut_hz": 20000.0}
    still = {"wow": 0.0, "flutter": 0.0, "saturation": 0.0}
    for mode in ("digital", "tape"):
        before, after = (plain | still | {"mode": mode, "time": time} for time in (100.0, 300.0))
        y = Run(DELAY)(x, glide(DELAY, before, after, x.size, start=RATE))[0].astype(float)
        if mode == "digital":
            first, last = (run(DELAY, x, values)[0] for values in (before, after))
            fade_end = RATE + 960 + round(FADE_SECONDS * RATE) + 2
            np.testing.assert_array_equal(y[: RATE + 960], first[: RATE + 960])
            np.testing.assert_array_equal(y[fade_end:], last[fade_end:])
        else:
            assert cents(y, 500).min() < -1200  # the tap moves away at 0.7 frames a frame: 0.3 of the pitch
        assert np.abs(np.diff(y)).max() < 1.1 * 0.25 * 2 * np.pi * 500 / RATE * (1.0 if mode == "digital" else 1.7)


def test_full_feedback_holds_and_does_not_grow():
    x = guitar(RATE)
    play = Run(DELAY)
    values = OPEN | {"feedback": 1.0, "time": 20.0}
    play(x, constant(DELAY, values, x.size))
    y = play(np.zeros(4 * RATE), constant(DELAY, values, 4 * RATE))
    assert 0.01 < np.abs(y[:, -RATE:]).max() < 4.5


def test_the_tail_is_the_time_until_the_echoes_are_60_db_down():
    values = DELAY.complete(OPEN | {"time": 100.0, "feedback": 0.5})
    x = np.zeros(4 * RATE, np.float32)
    x[0] = 1.0
    y = np.abs(run(DELAY, x, values)[0])
    assert y[DELAY.tail(values, RATE) :].max() <= 1.1e-3 * y[4800]
    assert DELAY.tail(values | {"time": "1/4", "feedback": 1.0}, RATE) == 30 * RATE


def test_echoes_come_after_a_change_of_presets_however_long_the_gap_between_them():
    """The second echo of a short note, 0.6 s after the first, while the next preset plays silence."""
    old, new = (
        EngineRig(Rig([{"type": "delay", **OPEN, **values}]).plan(RATE, 1))
        for values in ({"time": 600.0, "feedback": 0.5}, {"mix": 0.0})
    )
    engine = Engine(RATE, outputs=2, device_outputs=2, live=False, limiter=False)
    engine.publish(EngineRig(old.plan, template=old))
    note = np.zeros((9600, 1), np.float32)
    note[:2000, 0] = 0.3 * np.sin(np.arange(2000) * 0.05)
    engine.drive(note, 64)
    engine.publish(EngineRig(new.plan, template=new))
    y = np.abs(engine.drive(np.zeros((2 * RATE, 1), np.float32), 64)).max(axis=1)
    first, second = (round(echo * 0.6 * RATE) - 9600 for echo in (1, 2))
    assert y[first : first + 2000].max() > 0.25 and y[second : second + 2000].max() > 0.12
    assert y[first + 6000 : second - 100].max() < 1e-3
