"""Small rigs for tests of the engine: chains, models with known answers, a driver for blocks of any sizes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from rtfx.effects.table import BLOCKS
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.model.nodes import Activation, Add, Concat, Conv1d, Dense, Gru, Input, Lstm
from rtfx.model.spec import Knob, ModelSpec
from rtfx.plan.block import ReadyBlock
from rtfx.plan.chain import plan_chain

RATE = 48000.0
CUTS = (1, 2, 16, 63, 64, 65, 512, "random")


def cut(frames: int, block) -> list[int]:
    """Return block sizes that sum to `frames`: all `block`, or random ones from 0 to 700."""
    generator = np.random.default_rng(7)
    sizes = []
    while frames > 0:
        sizes.append(min(frames, int(generator.integers(0, 700)) if block == "random" else block))
        frames -= sizes[-1]
    return sizes


def noise(frames: int, seed: int = 0, level: float = 0.2, channels: int = 1) -> np.ndarray:
    """Return (frames, channels) float32."""
    return (level * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


# models
def _spec(*nodes, **more) -> ModelSpec:
    return ModelSpec("test", tuple(nodes), name="test", **more)


def _weights(generator, *shape):
    return generator.uniform(-1.0, 1.0, shape) / np.sqrt(shape[-1])


def gru(hidden: int = 8, seed: int = 0) -> ModelSpec:
    g = np.random.default_rng(seed)
    cell = Gru(
        (0,),
        weight_ih=_weights(g, 3 * hidden, 1),
        weight_hh=_weights(g, 3 * hidden, hidden),
        bias_ih=_weights(g, 3 * hidden),
        bias_hh=_weights(g, 3 * hidden),
    )
    return _spec(Input(()), cell, Dense((1,), weight=_weights(g, 1, hidden), bias=np.zeros(1)))


def lstm(hidden: int = 12, seed: int = 0) -> ModelSpec:
    """An LSTM with a knob."""
    g = np.random.default_rng(seed)
    cell = Lstm(
        (0,),
        weight_ih=_weights(g, 4 * hidden, 2),
        weight_hh=_weights(g, 4 * hidden, hidden),
        bias=_weights(g, 4 * hidden),
    )
    audio = Input((), channels=1)
    nodes = (
        audio,
        Input((), role="knob", name="drive"),
        Concat((0, 1)),
        Lstm((2,), cell.weight_ih, cell.weight_hh, cell.bias),
        Dense((3,), weight=_weights(g, 1, hidden), bias=np.zeros(1)),
    )
    return _spec(*nodes, knobs=(Knob("drive"),))


def tcn(features: int = 6, taps: int = 3, dilations: Sequence[int] = (1, 8, 64), seed: int = 0) -> ModelSpec:
    """A stack of dilated convolutions, each with a residual."""
    g = np.random.default_rng(seed)
    nodes: list = [Input(()), Dense((0,), weight=_weights(g, features, 1), bias=_weights(g, features))]
    last = 1
    for dilation in dilations:
        weight = g.uniform(-1.0, 1.0, (features, features, taps)) / np.sqrt(features * taps)
        nodes.append(Conv1d((last,), weight=weight, bias=_weights(g, features), dilation=dilation))
        nodes.append(Activation((len(nodes) - 1,), kind="tanh"))
        nodes.append(Add((last, len(nodes) - 1)))
        last = len(nodes) - 1
    nodes.append(Dense((last,), weight=_weights(g, 1, features), bias=np.zeros(1)))
    return _spec(*nodes)


def exploding(limit: float = 0.5) -> ModelSpec:
    """``y[t] = x[t]``, plus infinity if x[t] or x[t - 100] exceeds `limit`, so the history stays bad for 100 frames."""
    huge = np.full((1, 1), 1e30)
    nodes = (
        Input(()),
        Dense((0,), weight=huge, bias=np.array([-1e30 * limit])),
        Activation((1,), kind="relu"),
        Conv1d((2,), weight=np.array([[[1e30, 1e30]]]), bias=np.zeros(1), dilation=100),
        Add((3, 0)),
    )
    return _spec(*nodes, dc_block=False)


# chains
def effect(kind: str, id: str = "", **values) -> ReadyBlock:
    block = BLOCKS[kind]
    return ReadyBlock(id or kind, block, block.complete(values))


def gain(db: float = 0.0) -> ReadyBlock:
    return effect("gain", gain_db=db)


def model(spec: ModelSpec, id: str = "model", bare: bool = False, **values) -> ReadyBlock:
    block = ReadyBlock(id, BLOCKS["model"], {}, spec, bare=bare)
    defaults = {parameter.name: parameter.default for parameter in block.parameters}
    return ReadyBlock(id, BLOCKS["model"], defaults | values, spec, bare=bare)


def cab(impulse: np.ndarray) -> ReadyBlock:
    return ReadyBlock("cab", BLOCKS["cab"], BLOCKS["cab"].complete({}), impulse=np.atleast_2d(impulse))


def response(taps: int = 2000, seed: int = 3) -> np.ndarray:
    """Return a decaying noise of `taps`."""
    g = np.random.default_rng(seed)
    return g.standard_normal(taps) * np.exp(-6.0 * np.arange(taps) / taps) / np.sqrt(taps)


def chains() -> dict[str, list[ReadyBlock]]:
    """Five rigs of five kinds."""
    return {
        "gain": [gain(-6.0)],
        "gru": [effect("gate"), model(gru())],
        "lstm": [model(lstm(), drive=0.8), effect("eq", bell1_db=6.0, low_cut_hz=80.0)],
        "tcn": [model(tcn())],
        "cab": [model(gru(5, seed=2)), cab(response())],
    }


# engines
def engine(chain, channels: int = 1, **settings) -> Engine:
    """Return an engine that plays a chain; not live: no start fade."""
    plan = plan_chain(chain, RATE, channels)
    shape = {"inputs": plan.inputs, "outputs": plan.outputs, "device_inputs": channels, "device_outputs": plan.outputs}
    result = Engine(RATE, **({"live": False} | shape | settings))
    result.publish(EngineRig(plan))
    return result


def rig(chain, channels: int = 1) -> EngineRig:
    return EngineRig(plan_chain(chain, RATE, channels))


def playing(e: Engine) -> EngineRig:
    """Return the rig published last."""
    return list(e.rigs.values())[-1]


def drive(e: Engine, x: np.ndarray, blocks: Iterable[int] = ()) -> np.ndarray:
    """Return the output for `x`, one callback for each block."""
    blocks = list(blocks) or cut(len(x), 64)
    results, start = [], 0
    for size in blocks:
        results.append(e.drive(x[start : start + size], max(size, 1)))
        start += size
    assert start == len(x)
    return np.concatenate(results)
