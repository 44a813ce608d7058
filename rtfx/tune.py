"""Finds the fastest kernel for every layer shape of a model on this machine, and stores it for this processor.

It times the whole model through the engine; all kernels that it tries give the same samples.
It takes one shape after the other, tries every choice for it while the other shapes stay the same, and keeps only a
choice that makes the model faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .api import Model
from .bench import EnginePlayer, in_turns
from .engine.offline import Offline
from .model.parity import guitar_like
from .plan import tuned
from .plan.chain import Plan
from .plan.tuned import Asked, Choice
from .rigs import Rig

FRAMES = 4096
ROUNDS = 24
USUAL_BLOCK = 64
GAIN = 0.02  # share of the time; a smaller gain is noise


@dataclass(frozen=True)
class Searched:
    """Times of a whole model in ns per sample.

    `rule_ns` is with the built-in rules, `plan_ns` with the choices before tuning, `best_ns` with the best choices
    found, `worst_ns` with the worst single choice for all layers. `regret` is the share of time that the plan loses
    against the best choices; `changed` lists the choices that differ from the rules.
    """

    rule_ns: float
    plan_ns: float
    best_ns: float
    worst_ns: float
    regret: float
    tried: int
    changed: dict[str, Choice]


def search(
    model: Model, sample_rate: float, block: int, told: Callable[[str], None] = lambda line: None
) -> tuple[Searched, dict[str, Choice]]:
    """Return the times and the best choice for every layer shape of the model; nothing is stored.

    Parameters
    ----------
    model : Model
    sample_rate : float
        Hz.
    block : int
        Frames per callback.
    told : callable
        Gets a line for each shape that is tried.
    """
    players: dict[tuple, Offline] = {}

    def player(choices: Mapping[str, Choice]) -> Offline:
        key = tuple(sorted(choices.items()))
        if key not in players:
            players[key] = Offline(_plan(model, sample_rate, choices)[0], block=block)
        return players[key]

    asked = _plan(model, sample_rate, {})[1]
    rules = {key: each.made for key, each in asked.items()}
    known = tuned.in_force()
    plan = {key: known[key] if known.get(key) in each.among else each.made for key, each in asked.items()}
    best = dict(rules)
    tried = 0
    waiting = list(asked)
    while waiting:
        key = waiting.pop(0)
        trials = [best] + [best | {key: other} for other in asked[key].among if other != asked[key].made]
        told(f"{key}: {len(trials)} choices")
        times = _race([player(choices) for choices in trials])
        tried += len(trials)
        fastest = int(np.argmin(times))
        if times[fastest] < (1.0 - GAIN) * times[0]:
            best = trials[fastest]
            for new, each in _plan(model, sample_rate, best)[1].items():  # a choice may create other shapes
                if new not in asked:
                    asked[new], best[new] = each, each.made
                    waiting.append(new)
    fixed = [choices for choices in _fixed(asked) if choices != rules]
    rule_ns, plan_ns, best_ns, *others = _race([player(choices) for choices in (rules, plan, best, *fixed)])
    for other, time in ((plan, plan_ns), (rules, rule_ns)):
        if best_ns > time:  # the measured gains were noise
            best, best_ns = other, time
    changed = {key: made for key, made in best.items() if made != asked[key].made}
    worst_ns = max([rule_ns, *others])
    return Searched(rule_ns, plan_ns, best_ns, worst_ns, plan_ns / best_ns - 1.0, tried, changed), best


def _fixed(asked: Mapping[str, Asked]) -> list[dict[str, Choice]]:
    """Return sets of choices with one choice for all layers, as in a precompiled library, wherever it is possible."""
    every = dict.fromkeys(other for each in asked.values() for other in each.among)
    return [{key: one if one in each.among else each.made for key, each in asked.items()} for one in every]


def _plan(model: Model, sample_rate: float, choices: Mapping[str, Choice]) -> tuple[Plan, dict[str, Asked]]:
    with tuned.trying(choices) as asked:
        plan = Rig([model]).plan(sample_rate, model.spec.inputs, bare=True)
        for kernel in plan.kernels:
            kernel.address  # noqa: B018 - compiles before the clock runs
    return plan, dict(asked)


def _race(players: list[Offline]) -> list[float]:
    """Return the best ns per sample of each player, run in turns; a repeated player has one time."""
    x = guitar_like(players[0].plan.inputs, FRAMES, 48000.0)
    racing = {player: EnginePlayer(player, x) for player in players}
    in_turns(list(racing.values()), ROUNDS)
    return [racing[player].best for player in players]


def tune(
    model: Model, sample_rate: float, block: int = USUAL_BLOCK, told: Callable[[str], None] = lambda line: None
) -> Searched:
    """Measure, and store the choices that are faster than the rules.

    Parameters
    ----------
    model : Model
    sample_rate : float
        Hz.
    block : int
        Frames per callback.
    told : callable
        Gets a line for each shape that is tried.

    Raises
    ------
    OSError
        The cache folder cannot be written.
    """
    found, best = search(model, sample_rate, block, told)
    tuned.remember(best)
    return found


def is_tuned(model: Model, sample_rate: float) -> bool:
    """Return whether every shape of the model has been measured."""
    with tuned.listening() as asked:
        Rig([model]).plan(sample_rate, model.spec.inputs, bare=True)
    return set(asked) <= set(tuned.measured())
