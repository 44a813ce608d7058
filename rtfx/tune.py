"""Finds the fastest tile for every shape of layer in a model, by timing the whole model through the engine.

One shape after the other is tried with every tile while the others stay as they are; what does not gain is put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .api import Model
from .bench.turns import EnginePlayer, in_turns
from .engine.offline import Offline
from .kernels.conv import OVERHANG, Tile
from .kernels.processor import lanes
from .model.clip import guitar_like
from .plan import wisdom
from .plan.chain import Plan
from .rigs import Rig

FRAMES = 4096
ROUNDS = 24
GAIN = 0.02  # of the time: less is noise


@dataclass(frozen=True)
class Tuned:
    """Times of a whole model in ns per sample: by the rules, with the best tiles found, with the worst single one.

    `regret` is what the rules lose against the best, a share; `tiles` are those that differ from the rules'.
    """

    rule_ns: float
    best_ns: float
    worst_ns: float
    regret: float
    tried: int
    tiles: dict[str, Tile]


def tune(model: Model, sample_rate: float, block: int = 64, told: Callable[[str], None] = lambda line: None) -> Tuned:
    """Measure, and keep what is better than the rules.

    Parameters
    ----------
    model : Model
    sample_rate : float
        Hz.
    block : int
        Frames per callback.
    told : callable
        Hears what is tried.

    Raises
    ------
    OSError
        The cache folder cannot be written.
    """
    players: dict[tuple, Offline] = {}

    def player(tiles: Mapping[str, Tile]) -> Offline:
        key = tuple(sorted(tiles.items()))
        if key not in players:
            players[key] = Offline(_plan(model, sample_rate, tiles)[0], block=block)
        return players[key]

    rules = _plan(model, sample_rate, {})[1]
    best = rules
    worst, tried = 0.0, 0
    for key in rules:
        trials = [best] + [best | {key: tile} for tile in _candidates(key) if tile != best[key]]
        told(f"{key}: {len(trials)} tiles")
        times = _race([player(tiles) for tiles in trials])
        tried += len(trials)
        fastest = int(np.argmin(times))
        worst = max(worst, float(max(times)))
        if times[fastest] < (1.0 - GAIN) * times[0]:
            best = trials[fastest]
    rule_ns, best_ns = _race([player(rules), player(best)])
    if best_ns > rule_ns:  # the gains were noise
        best, best_ns = rules, rule_ns
    changed = {key: tile for key, tile in best.items() if tile != rules[key]}
    wisdom.remember(best)
    return Tuned(rule_ns, best_ns, max(worst, rule_ns), rule_ns / best_ns - 1.0, tried, changed)


def _candidates(key: str) -> list[Tile]:
    """Return the tiles worth a try: none reads further past a block's end than buffers reach."""
    width = lanes()
    outputs = int(key.split()[2 if key.startswith("conv") else 3])
    fitting = [Tile(width, v, g) for v, g in wisdom.CANDIDATES if v * width <= OVERHANG]
    return [t for t in fitting if t.group <= max(2 * outputs, 4)]


def _plan(model: Model, sample_rate: float, tiles: Mapping[str, Tile]) -> tuple[Plan, dict[str, Tile]]:
    with wisdom.trying(tiles) as asked:
        plan = Rig([model]).plan(sample_rate, bare=True)
        for kernel in plan.kernels:
            kernel.address  # noqa: B018 - compiles before the clock runs
    return plan, dict(asked)


def _race(players: list[Offline]) -> list[float]:
    """Return the best ns per sample of each, in turns."""
    x = guitar_like(1, FRAMES, 48000.0)[0].astype(np.float32)
    racing = [EnginePlayer(player, x) for player in players]
    in_turns(racing, ROUNDS)
    return [player.best for player in racing]
