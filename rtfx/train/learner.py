"""What every architecture that `rtfx train` knows must do, and the table of their names."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import UsageError, did_you_mean
from ..model.spec import Knob, ModelSpec
from .untrained import is_wavenet, wavenet_sizes

TORCH_NETS = ("wavenet", "nam-standard", "nam-lite", "nam-feather", "nam-nano", "nam-a2", "nam-a2-lite")
RECURRENT = re.compile(r"(lstm|gru)([1-9][0-9]{0,2})")
LARGEST = 128  # hidden units of a recurrent net


@dataclass(frozen=True)
class Options:
    """Options of a learner beside its size.

    Parameters
    ----------
    skip : bool or None
        Whether the audio is added to the net's output; None leaves it to the architecture.
    pre_emphasis : float
        a in the filter 1 - a/z that target and error pass before their ratio is taken (Wright et al. 2020).
    dc : float
        Weight of the error of the mean: a third, as 0.75 and 0.25 of the paper.
    spectra : float
        Weight of the distance between magnitude spectra at several resolutions; 0 leaves them out.
    evenly : bool
        Whether every segment's error counts relative to its own power, so that no place of a knob counts less for being
        quieter; else relative to that of the batch.
    """

    skip: bool | None = None
    pre_emphasis: float = 0.85
    dc: float = 1.0 / 3.0
    spectra: float = 0.0
    evenly: bool = False


class Learner(Protocol):
    """A net that learns.

    Attributes
    ----------
    warm_up : int
        Frames of a segment that pass before its targets count.
    rate : float
        The learning rate to begin with; the loop sets it before every step.

    A method ``predict_batch``, (batch, inputs, frames) -> (batch, frames), is used for checks where there is one.
    """

    warm_up: int
    rate: float

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from segments, x (batch, inputs, frames) and y (batch, frames), float32; return their loss.

        Input 0 is audio, the others are knobs. Every segment begins at rest. There may be several steps of the
        optimiser inside, as truncated back-propagation takes them.
        """

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) float32 for x (inputs, frames) float32, from rest."""

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        """Return the net as a model; knobs are in the order of the inputs behind the audio."""

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of weights and of all that the optimiser keeps: `restore` goes on from there."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state` of a learner of the same architecture has returned."""


Factory = Callable[[int, Options, int], Learner]  # (inputs, options, seed)


def _recurrent(cell: str, hidden: int) -> Factory:
    def factory(inputs: int, options: Options, seed: int) -> Learner:
        from .recurrent_learner import RecurrentLearner

        return RecurrentLearner(cell, hidden, inputs, options, seed)

    return factory


def _torch(name: str) -> Factory:
    def factory(inputs: int, options: Options, seed: int) -> Learner:
        return _torch_nets(name).learner(name, inputs, options, seed)

    return factory


def _torch_nets(what: str) -> Any:
    """Return the module that learns through PyTorch."""
    try:
        import torch  # noqa: F401
    except ImportError:
        raise UsageError(
            f"{what} learns through PyTorch, which is not installed: pip install 'rtfx[train]', "
            "or take lstm16, which needs nothing"
        ) from None
    return importlib.import_module(".torch_learner", __package__)


ARCHITECTURES: dict[str, Factory] = {
    "lstm16": _recurrent("lstm", 16),
    "gru8": _recurrent("gru", 8),
    "lstm40": _recurrent("lstm", 40),  # what the Proteus plugin takes
    **{name: _torch(name) for name in TORCH_NETS},
}


def architecture(name: str) -> Factory:
    """Return what makes learners of an architecture.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`, or ``lstm<N>``, ``gru<N>``, ``wavenet:...`` of a size.

    Raises
    ------
    UsageError
        An unknown name, or a net larger than `LARGEST`.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if is_wavenet(name):
        wavenet_sizes(name)  # of sizes that can be
        return _torch(name)
    found = RECURRENT.fullmatch(name)
    if found is None:
        raise UsageError(
            f"no architecture {name!r}{did_you_mean(name, ARCHITECTURES)}, expected lstm<N>, gru<N> (say lstm16), "
            f"wavenet:channels=16&layers=10 or one of: {', '.join(TORCH_NETS)}"
        )
    if int(found[2]) > LARGEST:
        raise UsageError(f"{name} has more hidden units than the {LARGEST} that rtfx trains: take {found[1]}{LARGEST}")
    return _recurrent(found[1], int(found[2]))


def make(name: str, inputs: int, options: Options | None = None, seed: int = 0) -> Learner:
    """Return an untrained learner with `inputs` inputs: audio, then knobs.

    Raises
    ------
    UsageError
        As `architecture`; or the package that it needs is missing, and how to get it.
    """
    return architecture(name)(inputs, options or Options(), seed)


def again(spec: ModelSpec, options: Options | None = None) -> Learner:
    """Return a learner that goes on from a model's weights, of any family; of a slimmable net from the full size's.

    Raises
    ------
    UsageError
        PyTorch is missing.
    """
    return _torch_nets(spec.name or spec.family).again(spec, options or Options())
