"""Paths side by side: what each gets, how they are added, and that they stay in time."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

import rtfx
from rtfx.effects.split import DAMPING
from rtfx.engine.offline import Offline
from rtfx.errors import PresetError, UnsupportedInput, UsageError
from rtfx.plan.chain import plan_chain
from rtfx.rig.blocks import Router
from tests.engine.rigs import gain, model, tcn

RATE = 48000
NOISE = np.random.default_rng(4).uniform(-0.3, 0.3, 6000).astype(np.float32)
STEREO = np.stack([NOISE, NOISE[::-1]])


def played(*chain, x=NOISE):
    return rtfx.Rig(chain, cab="none")(x, RATE)


def test_paths_are_added():
    y = played({"split": [[{"type": "gain", "gain_db": -6.0}], []]})
    assert np.allclose(y, NOISE * (1.0 + 10.0**-0.3), atol=1e-6)


def test_a_path_has_level_polarity_mute_and_solo():
    def with_(**keys):
        return played({"split": [[], []], **keys})

    assert np.allclose(with_(level_db=[0, -6]), NOISE * (1.0 + 10.0**-0.3), atol=1e-6)
    assert not with_(invert=[False, True]).any()
    assert np.array_equal(with_(mute=[False, True]), NOISE)
    assert np.allclose(with_(solo=[False, True], level_db=[0, 6]), NOISE * 10.0**0.3, atol=1e-6)
    assert not with_(mute=[True, True]).any()
    assert np.array_equal(with_(mute=[True, True], on=False), NOISE)


def test_pan_keeps_the_power_of_the_middle():
    y = played({"split": [[], []], "pan": [-1.0, 0.5], "mute": [False, True]})
    assert np.allclose(y, [np.sqrt(2.0) * NOISE, 0.0 * NOISE], atol=1e-7)
    for pan in np.linspace(-1.0, 1.0, 9):
        y = played({"split": [[], []], "pan": [pan, 0.0], "mute": [False, True]})
        assert np.sum(y.astype(np.float64) ** 2) == pytest.approx(2.0 * np.sum(NOISE.astype(np.float64) ** 2), rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_blend_goes_from_one_path_to_the_other(share):
    doubled = [{"type": "gain", "gain_db": 6.0}]
    two = 10.0**0.3
    y = played({"split": [[], doubled], "blend": share, "blend_law": "gain"})
    assert np.allclose(y, NOISE * (1.0 - share + two * share), atol=1e-6)
    y = played({"split": [[], doubled], "blend": share})
    power = np.cos(share * np.pi / 2.0) + two * np.sin(share * np.pi / 2.0)
    assert np.allclose(y, NOISE * power, atol=1e-6), "equal power unless the set list says otherwise"


def test_a_delay_is_as_long_as_it_says():
    y = played({"split": [[], []], "delay_ms": [0.0, 10.0]})
    late = np.concatenate([np.zeros(480, np.float32), NOISE[:-480]])
    assert np.allclose(y, NOISE + late, atol=1e-6)
    y = played({"split": [[], []], "delay_ms": [0.0, 10.5 / 48.0], "mute": [True, False]})
    assert np.allclose(y[11:], (NOISE[:-11] + NOISE[1:-10]) / 2.0, atol=1e-6), "between two frames"


@pytest.mark.parametrize("paths", [2, 3, 5, 8])
def test_the_bands_add_up_to_a_flat_response(paths):
    impulse = np.zeros(1 << 15, np.float32)
    impulse[0] = 0.5
    response = np.abs(np.fft.rfft(played({"crossover": [[]] * paths}, x=impulse))) / 0.5
    assert np.abs(20.0 * np.log10(response)).max() < 1e-4


def test_the_bands_are_linkwitz_riley_filters_of_the_fourth_order():
    x = np.zeros(1 << 14, np.float32)
    x[0] = 0.5
    for band, kind in enumerate(("lowpass", "highpass")):
        solo = [n == band for n in range(2)]
        y = played({"crossover": [[], []], "freq_hz": [700.0], "solo": solo}, x=x)
        sections = signal.butter(2, 700.0, kind, fs=RATE, output="sos")
        expected = signal.sosfilt(np.vstack([sections, sections]), x.astype(np.float64))
        assert np.abs(y - expected).max() < 1e-7 + 1e-6 * np.abs(expected).max()
    assert np.sqrt(2.0) == DAMPING


def test_mid_and_side_give_the_channels_back():
    assert np.allclose(played({"mid_side": [[], []]}, x=STEREO), STEREO, atol=1e-7)
    y = played({"mid_side": [[], []], "mute": [False, True]}, x=STEREO)
    assert np.allclose(y, np.repeat(STEREO.mean(axis=0, keepdims=True), 2, axis=0), atol=1e-7)
    assert np.allclose(played({"mid_side": [[], []]}), [NOISE, NOISE], atol=1e-7), "one channel is all middle"


@pytest.mark.parametrize("block", [64, 1, 511])
def test_paths_of_different_latency_are_aligned(block):
    """A model of 44.1 kHz is late by its converters; a switched-off block is its input, so both paths give the same."""
    late = replace(model(tcn(), id="late"), model_rate=44100.0, branch=(("split", 0),))
    late = replace(late, values={**late.values, "on": 0.0})
    dry = replace(gain(0.0), id="dry", branch=(("split", 1),))
    router = Router(2)
    effect = rtfx.effects.table.BLOCKS["split"].of(router)
    split = replace(gain(0.0), id="split", effect=effect, values=effect.complete({"invert2": 1.0}), paths=2)
    offline = Offline(plan_chain([split, late, dry], float(RATE), 1), limiter=False, block=block)
    assert offline.plan.blocks[0].late == (0, offline.plan.latency_frames) and offline.plan.latency_frames > 0
    y = offline.process(NOISE[:, None])[:, 0]
    assert not y.any(), "one path inverted: they cancel where they are in time"


def test_paths_may_be_nested_and_hold_models():
    inner = {"split": [[], [{"type": "eq", "bell1_db": 6.0}]], "level_db": [-6.0, -6.0]}
    rig = rtfx.Rig([{"split": [["klon.json"], [inner]]}], cab="none")
    assert np.isfinite(rig(NOISE, RATE)).all()
    ids = [(block.id, block.branch) for block in rig.preset.chain]
    assert ids == [
        ("split", ()), ("model", (("split", 0),)), ("split_2", (("split", 1),)),
        ("eq", (("split", 1), ("split_2", 1))),
    ]  # fmt: skip


@pytest.mark.parametrize("block", [1, 63, 512])
def test_any_block_size_gives_the_same_sound(block):
    chain = [{"crossover": [[{"type": "gain", "gain_db": 3.0}], [], ["klon.json"]], "delay_ms": [0.0, 0.31, 3.0]}]
    plan = rtfx.Rig(chain, cab="none").plan(RATE)
    y = [Offline(plan, block=size).process(NOISE[:, None]) for size in (block, 256)]
    assert np.array_equal(*y)


def test_a_wide_sound_and_its_cost_are_told():
    rig = rtfx.Rig([{"split": [[], []], "pan": [-1.0, 1.0]}, "klon.json"], cab="none")
    assert rig(NOISE, RATE).shape == (2, NOISE.size)
    assert any("model: the sound before it has 2 channels, so it runs 2 times" in note for note in rig.notes)
    rig = rtfx.Rig(["klon.json"], cab="none")
    rig(STEREO, RATE)
    assert not any("runs 2 times" in note for note in rig.notes), "a stereo file is no surprise"


@pytest.mark.parametrize(
    ("chain", "said"),
    [
        ({"split": [[]]}, r"chain\[0\]: split has 1 path, expected 2 to 8"),
        ({"split": [[]] * 9}, "split has 9 paths, expected 2 to 8"),
        ({"mid_side": [[], [], []]}, "mid_side has 3 paths, expected 2, the middle and the sides"),
        ({"split": "both"}, "split is 'both', expected a list of chains"),
    ],
)
def test_wrong_paths_are_told(chain, said):
    with pytest.raises(UsageError, match=said):
        rtfx.Rig([chain])


def test_a_wide_path_between_middle_and_side_is_refused():
    wide = {"split": [[], []], "pan": [-1.0, 1.0]}
    with pytest.raises(UnsupportedInput, match="a path has 2 channels, expected one in mid_side"):
        played({"mid_side": [[wide], []]}, x=STEREO)


def test_wrong_values_are_told():
    with pytest.raises(PresetError, match="split: level3_db is|unknown key 'level3_db'"):
        played({"split": [[], []], "level_db": [0.0, 0.0, 0.0]})


def test_silence_stays_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = played({"crossover": [[], [{"split": [[], []], "pan": [-1, 1]}]]}, x=np.zeros(3000, np.float32))
    assert not y.any()
