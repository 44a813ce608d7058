"""Each kernel is compared with the plain loop; one that fails is reported and replaced, so the output is correct."""

import re

import numpy as np
import pytest

from rtfx.engine.process import CALLBACK_KERNEL, DRIVE
from rtfx.kernels import cache, conv, plain, recurrent, series
from rtfx.model.nodes import Activation, Conv1d, Dense, Input
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.plan.arena import RIG
from tests.engine.rigs import drive, engine, gru, lstm, model, noise, rig, tcn

X = noise(1500)


@pytest.fixture
def fresh_cache(tmp_path, monkeypatch):
    """Begin with a cache in which nothing has been proved; what plays is compiled already."""
    CALLBACK_KERNEL.address, DRIVE.address  # noqa: B018
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path))
    cache.cache_folder.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    cache.cache_folder.cache_clear()


def kernels_of(spec):
    return {kernel.name.split(".")[1] for kernel in rig([model(spec, bare=True)]).plan.kernels}


@pytest.mark.parametrize("spec", [tcn(7), gru(6), lstm(9)], ids=["tcn", "gru", "lstm"])
def test_tiles_prove_themselves_once(spec, fresh_cache):
    plan = rig([model(spec, bare=True)]).plan
    assert plan.replaced == ()
    assert plain.PLAIN_CONV not in plan.kernels and plain.PLAIN_CELL not in plan.kernels
    proofs = sorted(path.name for path in fresh_cache.rglob("*.proved"))
    assert proofs
    assert len(proofs) <= len(plan.kernels)


def swapped(function):
    """Return a way of packing that mixes up the weights."""

    def pack(*arguments):
        weights = function(*arguments).copy()
        weights[4:] = np.roll(weights[4:], 1)
        return weights

    return pack


@pytest.mark.parametrize("module, spec", [(conv, tcn(5, dilations=(3,))), (recurrent, gru(7)), (recurrent, lstm(7))])
def test_a_wrong_tile_is_reported_and_replaced(module, spec, fresh_cache, monkeypatch):
    right = drive(engine([model(spec, bare=True)]), X)
    for proof in fresh_cache.rglob("*.proved"):
        proof.unlink()
    monkeypatch.setattr(module, "pack", swapped(module.pack))
    plan = rig([model(spec, bare=True)]).plan
    assert plain.PLAIN_CONV in plan.kernels or plain.PLAIN_CELL in plan.kernels
    assert plan.replaced and all("disagrees with the plain loop" in line for line in plan.replaced)
    assert all(re.search(r"the loop plays instead and takes \d+\.\d times as long$", line) for line in plan.replaced)
    assert all("\n" not in line for line in plan.replaced)
    y = drive(engine([model(spec, bare=True)]), X)
    assert np.abs(y - right).max() < 1e-5, "the loop plays the same sound"


def test_a_tile_that_makes_nan_is_replaced(fresh_cache, monkeypatch):
    monkeypatch.setattr(recurrent, "pack", lambda *arguments: np.full(5000, np.nan, np.float32))
    plan = rig([model(gru(7), bare=True)]).plan
    assert plain.PLAIN_CELL in plan.kernels


def test_the_class_follows_from_the_layer_alone():
    """No timer has a say: the same layer gets the same kernel each time, on each machine of this kind."""
    for spec in (tcn(), gru(), lstm()):
        names = [[kernel.name for kernel in rig([model(spec)]).plan.kernels] for _ in range(2)]
        assert names[0] == names[1]


def stack(dilations=(2, 5, 9), features=4):
    """A stack of convolutions of one shape behind a first one."""
    nodes: list = [Input(())]
    for i, dilation in enumerate((1, *dilations)):
        inputs = features if i else 1
        weight = np.random.default_rng(i).standard_normal((features, inputs, 3)) / np.sqrt(3 * inputs)
        nodes.append(Conv1d((len(nodes) - 1,), weight=weight, bias=np.full(features, 0.1), dilation=dilation))
        nodes.append(Activation((len(nodes) - 1,), kind="tanh"))
    return ModelSpec("t", (*nodes, Dense((len(nodes) - 1,), np.ones((1, features)), np.zeros(1))), sample_rate=48000.0)


@pytest.fixture
def wide(monkeypatch):
    """Plan layers in series as for AVX-512: vectors of 16 lanes, in several registers where those are narrower."""
    monkeypatch.setattr("rtfx.plan.lowering.series.lanes", lambda: 16)


def test_narrow_layers_in_series_share_a_kernel_that_is_proved(wide, fresh_cache, monkeypatch):
    spec = stack()
    exact = evaluate(spec, X.T.astype(np.float64))[0]
    for right in (True, False):
        y = drive(engine([model(spec, bare=True)]), X)
        assert np.abs(y[:, 0] - exact).max() < 2e-6 * np.abs(exact).max()
        assert ("series" in kernels_of(spec)) is right
        replaced = rig([model(spec, bare=True)]).plan.replaced
        assert [line.endswith("its layers play one by one instead") for line in replaced] == [] if right else [True]
        for proof in fresh_cache.rglob("*.proved"):
            proof.unlink()
        monkeypatch.setattr(series, "pack", swapped(series.pack))


def test_the_state_of_other_dilations_is_another_state(wide):
    plans = [rig([model(stack(dilations), bare=True)]).plan for dilations in ((2, 5, 9), (3, 4, 9), (2, 5, 9))]
    layouts = [int(plan.arena[: RIG.itemsize].view(RIG)[0]["layout"]) for plan in plans]
    assert layouts[0] == layouts[2] != layouts[1]
