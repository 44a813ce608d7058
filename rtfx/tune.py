"""Measures a model on this machine and keeps the fastest of the kernels that give the same samples."""

from __future__ import annotations

from collections.abc import Callable

from .api import Model
from .bench.search import Searched, search
from .plan import tuned
from .rigs import Rig

USUAL_BLOCK = 64


def tune(
    model: Model, sample_rate: float, block: int = USUAL_BLOCK, told: Callable[[str], None] = lambda line: None
) -> Searched:
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
    found, best = search(model, sample_rate, block, told)
    tuned.remember(best)
    return found


def is_tuned(model: Model, sample_rate: float) -> bool:
    """Return whether every shape of the model has been measured."""
    with tuned.listening() as asked:
        Rig([model]).plan(sample_rate, model.spec.inputs, bare=True)
    return set(asked) <= set(tuned.measured())
