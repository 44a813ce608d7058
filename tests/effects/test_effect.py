"""What holds for every effect: silence stays silence, all is bounded, a bad state recovers, nothing is denormal."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtfx.effects.effect import Effect
from rtfx.kernels.state import STATE
from rtfx.rig.parameters import ON, Parameter

from .harness import RATE, Run, constant, cut
from .test_invariance import SETTINGS, played

FRAMES = 6000
LOUDEST = 1e3  # times the input's peak, at any setting: 60 dB
SMALLEST = np.finfo(np.float32).tiny


def test_every_effect_has_a_switch():
    effect = Effect("x", (Parameter("a", 0.0),), lambda values, rate: [0.0])
    assert effect.parameters[-1] is ON and effect.complete({"a": 0.5}) == {"a": 0.5, "on": 1.0}


def test_memory_lies_behind_the_state():
    effect = Effect("x", (), lambda values, rate: [], memory=lambda rate: int(rate))
    kind = effect.state_at(48000)
    assert kind.itemsize == STATE.itemsize + 4 * 48000 and kind.names == STATE.names


def any_value(parameter: Parameter) -> st.SearchStrategy:
    """Return the values that a parameter allows, its ends often."""
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.kind == "switch":
        return st.sampled_from([0.0, 1.0])
    ends = st.sampled_from([parameter.minimum, parameter.maximum, parameter.default])
    return ends if parameter.whole else ends | st.floats(parameter.minimum, parameter.maximum)


def any_setting(effect: Effect) -> st.SearchStrategy:
    return st.fixed_dictionaries({parameter.name: any_value(parameter) for parameter in effect.parameters})


def any_sound(effect: Effect, seed: int, loud: float) -> np.ndarray:
    """Return noise, steps, a click and silence, of peak `loud` at most."""
    generator = np.random.default_rng(seed)
    x = played(effect, FRAMES, seed)
    shape = x[..., : FRAMES // 4].shape
    x[..., : FRAMES // 4] = generator.uniform(-1, 1, shape)
    x[..., FRAMES // 4 : FRAMES // 2] = np.sign(generator.uniform(-1, 1))
    x[..., FRAMES // 2 : 3 * FRAMES // 4] = 0.0
    x[..., FRAMES // 2 + 100] = 1.0
    return x * np.float32(loud)


@pytest.mark.parametrize("name", SETTINGS)
def test_any_setting_and_any_sound_gives_finite_bounded_sound(name):
    effect = SETTINGS[name][0]

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(any_setting(effect), any_setting(effect), st.integers(0, 99), st.sampled_from([1e-6, 0.1, 1.0, 100.0]))
    def check(before, after, seed, loud):
        x = any_sound(effect, seed, loud)
        rows = constant(effect, before, FRAMES)
        rows[:, FRAMES // 3 :] = constant(effect, after, 1)
        y = Run(effect)(x, rows, cut(FRAMES, -seed))
        assert np.isfinite(y).all() and np.abs(y).max() <= LOUDEST * max(loud, 1e-3)

    check()


@pytest.mark.parametrize("name", SETTINGS)
def test_silence_stays_silence_and_comes_back_after_sound(name):
    effect, *each = SETTINGS[name]
    for values in each:
        silence = np.zeros_like(played(effect, FRAMES))
        effected = Run(effect)
        rows = constant(effect, values, FRAMES)
        assert not effected(silence, rows).any()
        effected(played(effect, FRAMES), rows)
        for _ in range(int(8 * RATE / FRAMES)):
            y = effected(silence, rows)
        assert np.abs(y).max() < 1e-4
        assert not ((y != 0) & (np.abs(y) < SMALLEST)).any()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_state_that_is_not_finite_recovers(name):
    effect, values, _ = SETTINGS[name]
    for bad in (np.nan, np.inf, -np.inf):
        effected = Run(effect)
        rows = constant(effect, values, FRAMES)
        x = played(effect, FRAMES)
        effected(x, rows)
        for field in set(effect.state.names) - set(STATE.names) - set(effect.constants(RATE)):
            if np.issubdtype(effect.state[field].base, np.floating):
                effected.state[field] = bad
        effected.memory[:] = bad
        for _ in range(int(2 * RATE / FRAMES)):
            y = effected(x, rows)
        assert np.isfinite(y).all() and np.abs(y).max() > 1e-3, bad
