"""Parameters that change during play: glides of exactly 20 ms at any block size; gains, bypass and mute."""

import numpy as np
import pytest

from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.units import gain_from_db

from .rigs import cut, drive, effect, engine, gain, lstm, model, noise, playing, rig

GLIDE = 960
CHANGE = 1000  # frame of the change
FRAMES = 4000


def glided(e, x, turn, block):
    """Return the output where ``turn()`` is called at frame `CHANGE`."""
    first = drive(e, x[:CHANGE], cut(CHANGE, block))
    turn()
    return np.concatenate([first, drive(e, x[CHANGE:], cut(len(x) - CHANGE, block))])


def straight(before: float, after: float) -> np.ndarray:
    """Return a value per frame: constant, then linear for 960 frames, then constant."""
    place = np.clip((np.arange(FRAMES) - CHANGE + 1) / GLIDE, 0.0, 1.0)
    return before + (after - before) * place


@pytest.mark.parametrize("block", [1, 16, 63, 512, "random"])
def test_a_parameter_glides_linearly_for_960_frames(block):
    e = engine([gain(0.0)])
    x = np.full((FRAMES, 1), 0.5, np.float32)
    y = glided(e, x, lambda: playing(e).glide_to([{"gain_db": -20.0}]), block)[:, 0]
    assert np.abs(y - 0.5 * straight(1.0, 0.1)).max() < 1e-5
    assert (y[:CHANGE] == 0.5).all()
    assert y[CHANGE + GLIDE - 2] != np.float32(0.05)
    assert (y[CHANGE + GLIDE - 1 :] == np.float32(0.5) * np.float32(0.1)).all(), "the goal is reached exactly"


@pytest.mark.parametrize("block", [1, 16, 63, 512, "random"])
def test_glides_do_not_depend_on_the_cut(block):
    """A knob of a network, an equaliser and a gain turn at once."""
    chain = [model(lstm()), effect("eq"), gain(0.0)]
    new = [{"input_db": 6.0, "level_db": -3.0, "drive": 0.9}, chain[1].values | {"bell1_db": 9.0}, {"gain_db": -6.0}]
    x = noise(FRAMES)
    results = []
    for size in (FRAMES, block):
        e = engine(chain)
        results.append(glided(e, x, lambda e=e: playing(e).glide_to(new), size))
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], drive(engine(chain), x))


def test_the_newest_table_wins_and_glides_start_from_where_they_are():
    e = engine([gain(0.0)])
    x = np.full((FRAMES, 1), 0.5, np.float32)
    drive(e, x[:64])
    for db in (-3.0, -60.0, -20.0):
        playing(e).glide_to([{"gain_db": db}])
    y = drive(e, x[:480], [480])[:, 0]
    half = 0.5 * (1.0 + 0.1) / 2.0
    assert abs(y[-1] - half) < 1e-4, "the first two tables were never heard"
    playing(e).glide_to([{"gain_db": 0.0}])
    y = drive(e, x[:2000])[:, 0]
    exact = half + (0.5 - half) * np.clip(np.arange(1, 2001) / GLIDE, 0.0, 1.0)
    assert np.abs(y - exact).max() < 3e-5  # 480 additions of the first glide, each rounded
    for _ in range(50):  # there are three tables, used in turn
        playing(e).glide_to([{"gain_db": -6.0}])
        drive(e, x[:16], [16])
    assert drive(e, x[:2000])[-1, 0] == np.float32(0.5) * np.float32(gain_from_db(-6.0))


def test_start_values_do_not_glide():
    e = Engine(48000.0, live=False)
    new = rig([gain(0.0)])
    new.start_at([{"gain_db": -20.0}])
    e.publish(new)
    assert (drive(e, np.full((100, 1), 0.5, np.float32)) == np.float32(0.5) * np.float32(0.1)).all()


def test_models_are_prewarmed_at_their_start_values():
    """The output is that of a rig planned with these values, for a new rig and for a copy."""
    x = noise(1000)
    planned = drive(engine([model(lstm(), drive=1.0)]), x)
    template = rig([model(lstm(), drive=0.0)])
    values = [model(lstm(), drive=1.0).values]
    for new in (rig([model(lstm(), drive=0.0)]), EngineRig(template.plan, template=template)):
        e = Engine(48000.0, live=False)
        new.start_at(values)
        e.publish(new)
        assert np.array_equal(drive(e, x), planned)
    assert not np.array_equal(template.image, new.image)
    cold = EngineRig(template.plan, cold=True)
    cold.start_at(values)
    assert np.array_equal(cold.image, EngineRig(template.plan, cold=True).image)


@pytest.mark.parametrize("name, before", [("in_gain", 1.0), ("out_gain", 1.0), ("wet", 1.0), ("open", 1.0)])
@pytest.mark.parametrize("block", [1, 64, 512, "random"])
def test_engine_gains_glide(name, before, block):
    e = engine([gain(-6.0)])
    x = np.full((FRAMES, 1), 0.5, np.float32)
    y = glided(e, x, lambda: e.glide(name, 0.25), block)[:, 0]
    value = straight(before, 0.25)
    rig_gain = gain_from_db(-6.0)
    exact = 0.5 * (rig_gain * value + 1.0 - value) if name == "wet" else 0.5 * rig_gain * value
    assert np.abs(y - exact).max() < 1e-5
    assert (y[CHANGE + GLIDE - 1 :] == y[-1]).all()
    assert y[CHANGE + GLIDE - 3] != y[-1]


def test_mute_and_bypass_are_transparent_when_off():
    x = noise(3000)
    chain = [model(lstm())]
    plain = drive(engine(chain), x)
    e = engine(chain)
    drive(e, x[:0], [0])
    e.glide("open", 0.0)
    e.glide("open", 1.0)
    assert np.array_equal(drive(e, x), plain)
    e = engine(chain, muted=True)
    assert (drive(e, x[:1500]) == 0.0).all()
    e.glide("open", 1.0)
    y = drive(e, x[1500:])
    assert np.array_equal(y[GLIDE:], plain[1500 + GLIDE :]), "the rig went on while it was muted"


def test_bypass_is_the_dry_input_bit_for_bit():
    e = engine([gain(-20.0)])
    x = noise(3000, level=0.1)
    e.glide("wet", 0.0)
    y = drive(e, x)
    assert np.array_equal(y[GLIDE:], x[GLIDE:])
    e.glide("wet", 1.0)
    y = drive(e, x)
    assert np.array_equal(y[GLIDE:], x[GLIDE:] * np.float32(0.1))


def test_input_channel_of_the_device():
    e = engine([gain(0.0)], device_inputs=3)
    x = noise(256, channels=3)
    assert np.array_equal(drive(e, x)[:, 0], x[:, 0])
    e.record["in_channel"] = 2
    assert np.array_equal(drive(e, x)[:, 0], x[:, 2])
