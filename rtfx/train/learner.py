"""The interface of every architecture that `rtfx train` can train, and the table of their names."""

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
        a in the filter 1 - a/z, which is applied to target and error before their ratio is taken (Wright et al. 2020).
    dc : float
        Weight of the error of the mean; the default of a third is the paper's ratio of 0.25 to 0.75.
    spectra : float
        Weight of the distance between magnitude spectra at several resolutions; 0 leaves them out.
    evenly : bool
        Whether every segment's error is divided by the segment's own power, so that quiet knob positions count as much
        as loud ones; otherwise it is divided by the power of the batch.
    """

    skip: bool | None = None
    pre_emphasis: float = 0.85
    dc: float = 1.0 / 3.0
    spectra: float = 0.0
    evenly: bool = False


class Learner(Protocol):
    """A net in training.

    Attributes
    ----------
    warm_up : int
        Frames at the start of a segment whose targets do not count.
    rate : float
        The first learning rate; the training loop sets it before every step.

    A learner may also have ``predict_batch``, (batch, inputs, frames) -> (batch, frames), which then runs the checks.
    """

    warm_up: int
    rate: float

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from segments, x (batch, inputs, frames) and y (batch, frames), float32; return their loss.

        Input 0 is audio, the others are knobs. Every segment begins from the net's initial state. One call may take
        several steps of the optimiser, as truncated back-propagation does.
        """

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) float32 for x (inputs, frames) float32, from rest."""

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        """Return the net as a model; its knobs have the order of the inputs after the audio."""

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the weights and the optimiser's state, for `restore`."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set weights and optimiser to a result of `state` of the same architecture."""


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
    """Return the module that trains with PyTorch; raise UsageError if PyTorch is missing."""
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
    "lstm40": _recurrent("lstm", 40),  # the size that the Proteus plugin accepts
    **{name: _torch(name) for name in TORCH_NETS},
}


def architecture(name: str) -> Factory:
    """Return the function that makes learners of an architecture.

    Parameters
    ----------
    name : str
        One of `ARCHITECTURES`, or ``lstm<N>``, ``gru<N>``, ``wavenet:...`` of a size.

    Raises
    ------
    UsageError
        The name is unknown, or the net is larger than `LARGEST`.
    """
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    if is_wavenet(name):
        wavenet_sizes(name)  # raises if the sizes are not possible
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
        As `architecture`; also if a required package is missing: the message says how to install it.
    """
    return architecture(name)(inputs, options or Options(), seed)


def again(spec: ModelSpec, options: Options | None = None) -> Learner:
    """Return a learner that starts from the weights of a model of any family; a slimmable net is used at full size.

    Raises
    ------
    UsageError
        PyTorch is missing.
    """
    return _torch_nets(spec.name or spec.family).again(spec, options or Options())
